// The Session of the simulated broker. A message is read when it is delivered, not when it is
// produced, so that bytes freed too early are found.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/fd.h"
#include "tests/simulation/broker.h"

namespace longshore::simulation {

/// Thread: the run's.
class BrokerSession final : public shipper::Session {
 public:
  BrokerSession(Broker& broker, shipper::SessionOptions options);
  ~BrokerSession() override;

  Status init_transactions(int timeout_ms) override;
  Status begin() override;
  Result<size_t> produce(shipper::Chunk* chunk, size_t first,
                         const shipper::TopicPartition& to) override;
  Status reports(int timeout_ms, std::vector<shipper::Report>& out) override;
  int report_fd() const override { return wake_->get(); }
  Status send_offset(TransactionNumber number, const std::string& digest, int timeout_ms) override;
  Status commit(int timeout_ms, std::vector<shipper::Report>& out) override;
  Status flush(int timeout_ms, std::vector<shipper::Report>& out) override;
  shipper::Trouble last_trouble() const override { return trouble_; }

 private:
  struct Waiting {
    int64_t due;
    shipper::Chunk* chunk;
    size_t message;
    shipper::TopicPartition to;
  };
  std::optional<Error> refused(const char* what, int timeout_ms);
  Error gone(shipper::Trouble trouble, const std::string& message);
  /// Waits for what is in flight until then; false: something is left.
  bool deliver(int64_t until, std::vector<shipper::Report>& out, bool all);
  void answer(const Waiting& waiting, std::vector<shipper::Report>& out);
  Status commit_answer(bool first_time);

  Broker& broker_;
  Timeline& timeline_;
  const std::string id_;            // transactional.id
  const std::shared_ptr<Fd> wake_;  // eventfd(2), readable from when something is due.
  std::deque<Waiting> waiting_;
  size_t bytes_out_ = 0;
  Broker::Transaction transaction_;
  uint64_t epoch_ = 0;
  int64_t began_ = 0;
  bool in_transaction_ = false;
  bool asked_ = false;  // The commit was handed in; its outcome is the broker's.
  size_t commits_before_ = 0;
  shipper::Trouble poisoned_ = shipper::Trouble::kNone;
  shipper::Trouble trouble_ = shipper::Trouble::kNone;
  bool gone_ = false;
};

}  // namespace longshore::simulation
