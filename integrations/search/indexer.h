// The loop of `longshore index`: records in, offsets out.
//
//   GroupReader --record()--> DocumentWriter --> Bulk --> BulkPool: BulkSender, DeadLetters
//        ^                                                   |
//        +----commit()---- OpenBulks <--- each item has its final answer
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "integrations/kafka/group_reader.h"
#include "integrations/kafka/stop_signals.h"
#include "integrations/search/bulk_pool.h"
#include "integrations/search/dead_letters.h"
#include "integrations/search/document.h"
#include "integrations/search/index_settings.h"
#include "integrations/search/open_bulks.h"
#include "integrations/search/progress.h"
#include "integrations/search/tally.h"

namespace longshore::search {

/// Thread: one, besides the pool's own. Memory: in_flight + 2 bulks, and what the reader fetched
/// ahead.
class Indexer final : public kafka::GroupListener {
 public:
  Indexer(IndexSettings settings, const kafka::StopSignals& signals);

  /// Runs until SIGTERM. Errors: kInvalid: unusable settings, found at the start; kFatal: it cannot
  /// go on.
  Status run();

  Status assigned(std::vector<kafka::AssignedPartition>& partitions) override;
  void revoked() override;
  void lost() override;
  void record(const kafka::ReadRecord& record) override;

 private:
  using Clock = std::chrono::steady_clock;

  Status prepare();
  Status install_templates(SearchNode& node);
  Status persist(const std::string& what, const std::function<Status()>& attempt);
  BulkPool::Work make_work();
  Status read_on();
  Status step();
  void set_paused(bool paused);
  void seal();
  void seal_if_due();
  void absorb(int timeout_ms);
  void commit_ended(bool now);
  void commit_idle_ends();
  void discard();
  void report();
  bool full() const { return pool_.outstanding() > settings_.in_flight; }

  const IndexSettings settings_;
  const kafka::StopSignals& signals_;
  Tally tally_;
  Learned learned_;
  DocumentWriter writer_;
  Progress progress_;
  std::unique_ptr<DeadLetters> dead_letters_;
  std::unique_ptr<kafka::GroupReader> reader_;
  std::shared_ptr<Bulk> filling_;
  Clock::time_point filling_since_;
  OpenBulks open_;
  std::map<PartitionKey, int64_t> to_commit_, committed_;
  Clock::time_point committed_at_, full_since_;
  bool paused_ = false;
  Status failed_ = ok();  // Of a thread of the pool.
  BulkPool pool_;         // Last: its threads use what stands above.
};

}  // namespace longshore::search
