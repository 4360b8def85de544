#include "integrations/search/replayer.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/limits.h"

namespace longshore::search {
namespace {

// So many records that are no letters, and no letter among them: it is some other topic.
constexpr uint64_t kOthersMax = 100'000;

}  // namespace

bool Replayer::finished() const {
  if (!has_letters() && report_.count(LetterFate::kNoLetter) >= kOthersMax) return true;
  if (ours_.empty() && left_out_.empty()) return false;
  const auto is_done = [this](const auto& entry) { return holds_back(entry.first); };
  return std::ranges::all_of(ours_, is_done) && indexer_.idle();
}

bool Replayer::is_no_letters() const {
  return !has_letters() && report_.count(LetterFate::kNoLetter) > 0 &&
         report_.count(LetterFate::kDamaged) == 0;
}

Status Replayer::assigned(std::vector<kafka::AssignedPartition>& partitions) {
  if (Status status = indexer_.assigned(partitions); !status) return status;
  ours_.clear();
  for (kafka::AssignedPartition& partition : partitions) {
    const auto [known, first] =
        ends_.try_emplace(partition.key, End{partition.high, partition.committed});
    End& end = known->second;
    end.offset = std::min(end.offset, partition.high);
    // Also after a rejoin, until something of this run is committed.
    if (options_.from_start && partition.committed == end.committed)
      partition.start = partition.low;
    ours_[partition.key] = {partition.start, end.offset};
  }
  return ok();
}

void Replayer::discard() {
  ours_.clear();
  indexer_.discard();
}

void Replayer::record(const kafka::ReadRecord& record) {
  const auto at = ours_.find({std::string(record.topic), record.partition});
  if (at == ours_.end()) return;
  if (record.offset >= at->second.end) {
    at->second.next = at->second.end;  // Only markers of transactions may stand between.
    return;
  }
  at->second.next = record.offset + 1;
  indexer_.record(record);
}

void Replayer::read_to(const kafka::PartitionKey& partition, int64_t next) {
  const auto at = ours_.find(partition);
  if (at != ours_.end()) at->second.next = std::max(at->second.next, next);
}

bool Replayer::holds_back(const kafka::PartitionKey& partition) const {
  const auto at = ours_.find(partition);
  return left_out_.contains(partition) || (at != ours_.end() && at->second.next >= at->second.end);
}

void Replayer::take_parked(std::vector<kafka::Parking>& parked) {
  std::vector<kafka::Parking> fresh;
  indexer_.take_parked(fresh);
  for (kafka::Parking& parking : fresh) {
    Tries& tries = tries_[parking.partition];
    tries.count = tries.offset == parking.offset ? tries.count + 1 : 1;
    tries.offset = parking.offset;
    const auto at = ours_.find(parking.partition);
    if (at != ours_.end()) at->second.next = parking.offset;
    if (tries.count >= limits::kReadTriesOnce) {
      left_out_[parking.partition] = fmt::format("offset {}: {}", parking.offset, parking.reason);
    }
    parked.push_back(std::move(parking));
  }
}

void Replayer::unreadable(const kafka::PartitionKey& partition, int tries,
                          const std::string& reason) {
  if (tries >= limits::kReadTriesOnce) left_out_[partition] = reason;
}

void Replayer::take_done(kafka::Offsets& offsets) {
  kafka::Offsets done;
  indexer_.take_done(done);
  if (options_.dry_run || !has_letters()) return;
  for (const auto& [partition, next] : done) offsets[partition] = report_.held(partition, next);
}

std::string Replayer::report(const kafka::Standing& standing) {
  int64_t unread = 0;
  for (const auto& [partition, reading] : ours_)
    unread += std::max<int64_t>(reading.end - reading.next, 0);
  return fmt::format(
      "partitions={} to-read={} letters={} stored={} already-there={} refused={} "
      "put-off={} parked={}",
      standing.partitions, unread, report_.letters(), tally_.created.load(), tally_.there.load(),
      report_.count(LetterFate::kRefused), tally_.put_off.load(), standing.parked.size());
}

}  // namespace longshore::search
