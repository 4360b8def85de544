#include "integrations/search/indexer.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <map>
#include <utility>

#include "config/limits.h"

namespace longshore::search {

Indexer::Indexer(const IndexSettings& settings, const Clock& clock, const Tally& tally,
                 RecordWriter& writer, BulkPool& pool, ParkedRecords& parked_records)
    : settings_(settings),
      clock_(clock),
      writer_(writer),
      pool_(pool),
      parked_records_(parked_records),
      report_(tally, settings.metrics_file),
      filling_(next_bulk()) {}

std::shared_ptr<Bulk> Indexer::next_bulk() {
  auto bulk = std::make_shared<Bulk>();
  bulk->number = ++bulks_;
  return bulk;
}

Status Indexer::assigned(std::vector<kafka::AssignedPartition>& partitions) {
  for (kafka::AssignedPartition& partition : partitions) {
    writer_.set_cluster(partition.cluster);
    if (partition.committed >= 0 && partition.committed < partition.low) {
      spdlog::error(
          "records were lost: Kafka deleted offsets {} to {} of {} before they were indexed; raise "
          "the topic's retention",
          partition.committed, partition.low - 1, to_string(partition.key));
      partition.start = partition.low;
    } else if (partition.committed > partition.high) {
      spdlog::error(
          "topic was recreated or truncated: {} ends at offset {}, before the committed {}; "
          "indexing it from its beginning",
          to_string(partition.key), partition.high, partition.committed);
      partition.start = partition.low;
    }
  }
  return ok();
}

// The bulk that is filling is left to the partitions' next owner. It stays until discard(), so that
// the indexer is not idle and the pump does not commit beyond it.
void Indexer::revoked() {
  const int64_t deadline = clock_.monotonic_ns() + limits::kBulkFinishNs;
  while (pool_.outstanding() > 0 && clock_.monotonic_ns() < deadline) collect(limits::kIndexPollMs);
}

void Indexer::discard() {
  filling_ = next_bulk();
  open_.cancel_all();
  parked_.clear();
  rewound_.clear();
  parked_records_.clear();
  pool_.wake();
}

void Indexer::record(const kafka::ReadRecord& record) {
  if (filling_->empty()) filling_since_ns_ = clock_.monotonic_ns();
  writer_.add(record, *filling_);
  if (!rewound_.empty()) {
    const kafka::PartitionKey partition = filling_->partition_of(filling_->items.back());
    if (rewound_.erase(partition) > 0)
      parked_records_.read_again(partition, record.offset, filling_->number);
  }
  if (writer_.expired() > 0 && !told_expired_) {
    told_expired_ = true;
    spdlog::warn(
        "records of days before --keep {}d are left out, the first in {}[{}] at offset {}; their "
        "number is in the progress lines",
        settings_.document.keep_days, record.topic, record.partition, record.offset);
  }
  if (filling_->bytes() >= settings_.bulk_bytes || filling_->items.size() >= limits::kBulkItemsMax)
    seal();
}

void Indexer::seal() {
  open_.open(filling_);
  pool_.submit(std::exchange(filling_, next_bulk()));
}

// A bulk that would have to wait for a thread may as well grow meanwhile.
bool Indexer::is_seal_due() const {
  if (filling_->empty() || pool_.outstanding() >= settings_.in_flight) return false;
  return clock_.monotonic_ns() - filling_since_ns_ >= settings_.linger_ms * 1'000'000;
}

Status Indexer::work(int wait_ms) {
  collect(wait_ms);
  if (is_seal_due()) seal();
  return failed_;
}

void Indexer::collect(int wait_ms) {
  for (const BulkPool::Done& done : pool_.collect(wait_ms)) {
    if (done.status) {
      report_.add(*done.bulk, clock_.wall_ns() / 1'000'000);
      park(*done.bulk);
      static_cast<void>(open_.end(*done.bulk));
    } else if (done.status.error().code != ErrorCode::kRetryable && failed_) {
      failed_ = done.status;
    }
  }
}

// A partition goes on at its lowest parked offset. That may be a later item: a bulk that was
// filling when the partition was parked holds records of both readings.
void Indexer::park(const Bulk& bulk) {
  std::map<kafka::PartitionKey, const Rejection*> firsts;
  const auto offset_of = [&bulk](const Rejection& one) { return bulk.items[one.item].offset; };
  for (const Rejection& parked : bulk.parked) {
    const Rejection*& first = firsts[bulk.partition_of(bulk.items[parked.item])];
    if (!first || offset_of(parked) < offset_of(*first)) first = &parked;
  }
  for (const auto& [partition, first] : firsts) {
    if (!open_.park(bulk, partition, offset_of(*first))) continue;
    filling_->hold(partition, Bulk::kNothing);
    rewound_.insert(partition);
    parked_.push_back({partition, offset_of(*first), first->reason});
  }
}

void Indexer::take_parked(std::vector<kafka::Parking>& parked) {
  for (kafka::Parking& one : std::exchange(parked_, {})) parked.push_back(std::move(one));
}

std::string Indexer::report(const kafka::Standing& standing) {
  return report_.line({standing, pool_.outstanding(), writer_.foreign(), writer_.expired()});
}

}  // namespace longshore::search
