#include "integrations/search/bulk_worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "config/limits.h"

namespace longshore::search {
namespace {

constexpr int64_t kParkedRestMs = 20;

}  // namespace

BulkWorker::BulkWorker(const SearchOptions& search, const BulkShared& shared)
    : shared_(shared),
      node_(search, &shared.pool.ending()),
      sender_(node_, shared.tally, shared.learned, shared.complaints,
              Backoff(limits::kBulkRestFirstMs, limits::kBulkRestLastMs),
              [&pool = shared.pool](int64_t ms) { pool.rest(ms); }) {}

Status BulkWorker::settle(Bulk& bulk) {
  const auto give_up = [&] { return shared_.pool.ending() || bulk.cancelled; };
  if (Status sent = sender_.send(bulk, give_up); !sent) return sent;
  while (shared_.parked.must_wait(bulk)) {
    if (give_up()) return Error{ErrorCode::kRetryable, "given up"};
    shared_.pool.rest(kParkedRestMs);
  }
  shared_.parked.hold_back(bulk);
  if (shared_.rejected) shared_.gate.hold(bulk);
  shared_.parked.settle(bulk);
  if (bulk.rejections.empty()) return ok();
  shared_.tally.rejected += static_cast<uint64_t>(
      std::ranges::count_if(bulk.rejections, [&bulk](const Rejection& rejection) {
        const BulkItem& item = bulk.items[rejection.item];
        return item.action != item.end;  // Else it was never to be sent.
      }));
  const Rejection& first = bulk.rejections.front();
  const BulkItem& item = bulk.items[first.item];
  const std::string where =
      fmt::format("{}[{}] at offset {}", bulk.topic_of(item), item.partition, item.offset);
  if (!shared_.rejected) {
    return Error{
        ErrorCode::kFatal,
        fmt::format("the record in {} was rejected and there is no --dead-letter topic: {}", where,
                    first.reason)};
  }
  shared_.complaints.add(fmt::format("{} records were rejected and {}; the first, in {}: {}",
                                     bulk.rejections.size(), shared_.rejected->fate(), where,
                                     first.reason));
  return shared_.rejected->send(bulk, give_up);
}

void start_workers(size_t workers, const SearchOptions& search, const BulkShared& shared) {
  shared.pool.start(workers, [&search, &shared]() -> BulkPool::Work {
    auto worker = std::make_shared<BulkWorker>(search, shared);
    return [worker](Bulk& bulk) { return worker->settle(bulk); };
  });
}

}  // namespace longshore::search
