// The Session of ScriptedKafka.
#pragma once

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "config/fd.h"
#include "tests/fakes/scripted_broker.h"

namespace longshore::fakes {

/// Thread: the lane's. Each call of reports() answers for all that was produced before it.
class ScriptedSession final : public shipper::Session {
 public:
  ScriptedSession(ScriptedBroker& broker, shipper::SessionOptions options);
  ~ScriptedSession() override;

  Status init_transactions(int timeout_ms) override;
  Status begin() override;
  Result<size_t> produce(shipper::Chunk* chunk, size_t first, const TopicPartition& to) override;
  Status reports(int timeout_ms, std::vector<shipper::Report>& out) override;
  int report_fd() const override { return wake_.get(); }
  Status send_offset(TransactionNumber number, const std::string& digest, int timeout_ms) override;
  Status commit(int timeout_ms, std::vector<shipper::Report>& out) override;
  Status flush(int timeout_ms, std::vector<shipper::Report>& out) override;
  Trouble last_trouble() const override { return trouble_; }

 private:
  struct Waiting {
    shipper::Chunk* chunk;
    size_t message;
    TopicPartition to;
  };

  // All of these: with the broker's mutex held.
  std::optional<Error> refused(Call call, bool* done_anyway = nullptr);
  Error gone(Trouble trouble, const std::string& message);
  void deliver(std::vector<shipper::Report>& out);
  void take_effect();

  ScriptedBroker& broker_;
  const shipper::SessionOptions options_;
  const std::string id_;  // transactional.id
  Fd wake_;               // eventfd(2), readable while messages wait for their report.
  std::deque<Waiting> waiting_;
  std::vector<std::pair<TopicPartition, Record>> open_records_;
  std::optional<GroupOffset> open_offset_;
  std::set<TopicPartition> partitions_;  // Of the open transaction.
  uint64_t epoch_ = 0;
  bool in_transaction_ = false;
  bool committed_already_ = false;  // The answer to the commit was lost: asked again it is "done".
  Trouble poisoned_ = Trouble::kNone;
  bool gone_ = false;
  Trouble trouble_ = Trouble::kNone;
};

}  // namespace longshore::fakes
