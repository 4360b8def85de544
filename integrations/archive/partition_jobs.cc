#include "integrations/archive/partition_jobs.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <thread>

#include "config/limits.h"

namespace longshore::archive {

namespace {

using kafka::Found;

// A broker that has just become the leader may not know the end yet: another record counts when it
// is found twice.
Result<Found> look_twice(const Site& site, const kafka::PartitionKey& key,
                         const kafka::RecordMark& mark) {
  if (mark.offset < 0) return Found::kDeleted;
  const Result<Found> found = site.probe.look(key, mark);
  if (!found || *found != Found::kOther) return found;
  std::this_thread::sleep_for(std::chrono::milliseconds(limits::kProbeAgainMs));
  return site.probe.look(key, mark);
}

// Where Kafka's partition begins and ends. As above: an end before that of the chain counts when it
// is found twice. The chain's end is older than the answer, so writers that go on do no harm.
Result<kafka::Ends> ends_after(const Site& site, const kafka::PartitionKey& key,
                               const ChainEnd& end) {
  const Result<kafka::Ends> ends = site.probe.ends(key);
  if (!ends || ends->high >= end.next) return ends;
  std::this_thread::sleep_for(std::chrono::milliseconds(limits::kProbeAgainMs));
  return site.probe.ends(key);
}

// Where a generation begins that comes after `mark`: if that record is still there, Kafka lost only
// what came after it, which was no record.
int64_t begin_after(Found found, const kafka::RecordMark& mark) {
  return found == Found::kSame ? mark.offset + 1 : 0;
}

// Where a generation that has no file yet was begun: the one before tells.
Result<int64_t> begin_of(const Site& site, const kafka::PartitionKey& key, int32_t generation) {
  if (generation == 1) return int64_t{0};
  const Result<ChainEnd> before = Chain(site.target, site.layout, key, generation - 1).settle();
  if (!before) return before.error();
  const Result<Found> found = look_twice(site, key, before->mark);
  if (!found) return found.error();
  return begin_after(*found, before->mark);
}

Result<Settled> begin_generation(const Site& site, const kafka::PartitionKey& key,
                                 const Settled& before, int64_t begin) {
  Settled settled{
      .chain = std::make_shared<Chain>(site.target, site.layout, key, before.generation + 1),
      .generation = before.generation + 1,
      .end = {},
      .begin = begin,
      .kafka = before.kafka};
  Result<ChainEnd> end = settled.chain->settle();
  if (!end) return end.error();
  settled.end = *end;
  spdlog::warn(
      "archive: topic {} was deleted and made anew, or Kafka lost its end: other records stand "
      "where those of {} up to offset {} were archived. What it holds now is archived from offset "
      "{} on as generation {} of the partition: files {}+{}+...; nothing of the earlier files is "
      "touched",
      key.topic, to_string(key), before.end.next - 1, begin, settled.generation,
      shown_topic(key.topic), shown_partition(key.partition, settled.generation));
  return settled;
}

/// The first resumption of the file whose record is in Kafka's present topic; their number: none.
Result<size_t> first_of_present(const Site& site, const kafka::PartitionKey& key,
                                const std::vector<Resumption>& resumptions) {
  size_t low = 0, high = resumptions.size();
  while (low < high) {
    const size_t middle = low + (high - low) / 2;
    const Result<Found> found = site.probe.look(key, resumptions[middle].mark);
    if (!found) return found.error();
    if (*found == Found::kSame) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

Result<Published> publish(Chain& chain, int64_t next, SealedFile file) {
  Result<int64_t> end = chain.publish(file, next);
  if (!end) return end.error();
  file.fd = -1;
  return Published{.next = *end, .file = file};
}

}  // namespace

Result<Settled> settle_partition(const Site& site, const kafka::PartitionKey& key, bool has_files,
                                 int64_t leftovers_before_ms) {
  const Result<int32_t> generation = Chain::newest_generation(site.target, key);
  if (!generation) return generation.error();
  Settled settled{.chain = std::make_shared<Chain>(site.target, site.layout, key, *generation),
                  .generation = *generation,
                  .end = {}};
  Result<ChainEnd> end = settled.chain->settle();
  if (!end) return end.error();
  settled.end = *end;
  if (const Status swept = settled.chain->sweep(leftovers_before_ms); !swept)
    spdlog::warn("archive: could not remove leftovers: {}", swept.error().message);
  const Result<kafka::Ends> ends = ends_after(site, key, *end);
  const bool gone = !ends && ends.error().code == ErrorCode::kNotFound;
  if (gone && has_files) return settled;
  if (gone) return Error{ErrorCode::kRetryable, ends.error().message};
  if (!ends) return ends.error();
  settled.kafka = *ends;
  if (has_files) return settled;
  if (end->empty) {
    const Result<int64_t> begin = begin_of(site, key, *generation);
    if (!begin) return begin.error();
    settled.begin = *begin;
    return settled;
  }
  const Result<Found> found = look_twice(site, key, end->mark);
  if (!found) return found.error();
  if (end->next <= ends->high && *found != Found::kOther) return settled;
  return begin_generation(site, key, settled, begin_after(*found, end->mark));
}

Result<Published> publish_file(const Site& site, const kafka::PartitionKey& key, Chain& chain,
                               int64_t next, const kafka::RecordMark& mark,
                               const SpoolFile& spool) {
  const std::vector<Resumption>& resumptions = spool.resumptions();
  SealedFile file = spool.sealed();
  if (resumptions.empty()) file.mark = mark;
  const bool begins = mark.offset < 0 && !resumptions.empty();
  const Result<Found> found = look_twice(site, key, begins ? resumptions[0].mark : mark);
  if (!found) return found.error();
  if (*found != Found::kOther) return publish(chain, next, file);
  const Result<size_t> present = first_of_present(site, key, resumptions);
  if (!present) return present.error();
  if (*present == 0 && !resumptions.empty())
    return Published{.next = next, .file = {}, .renewed = true, .whole = true};
  if (*present == resumptions.size()) {
    Result<Published> all = publish(chain, next, file);
    if (all) all->renewed = true;
    return all;
  }
  Result<SpoolFile> head = spool.head(site.spool, *present);
  if (!head) return head.error();
  Result<Published> part = publish(chain, next, head->sealed());
  if (!part) return part;
  part->renewed = true;
  part->whole = false;
  return part;
}

}  // namespace longshore::archive
