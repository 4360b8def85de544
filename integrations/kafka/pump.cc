#include "integrations/kafka/pump.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "config/limits.h"

namespace longshore::kafka {
namespace {

constexpr int64_t kParkFirstMs = 1'000;  // Until a parked partition is tried again,
constexpr int64_t kParkLastMs = 10'000;  // which doubles up to this.

}  // namespace

Pump::Pump(PumpOptions options, Outlet& outlet, const Clock& clock, Stopping stopping,
           Complaints& complaints)
    : options_(std::move(options)),
      outlet_(outlet),
      clock_(clock),
      stopping_(std::move(stopping)),
      complaints_(complaints),
      progress_(clock, Progress::To::kLog, options_.report_s * 1000) {
  if (options_.probe) lives_.emplace(*options_.probe, clock_);
}

bool Pump::is_final(const Error& error) const {
  if (error.code == ErrorCode::kInvalid) return !options_.resilient || records_ == 0;
  return error.code == ErrorCode::kFatal;
}

Status Pump::run() {
  do {
    auto reader = GroupReader::open(options_.group, *this);
    if (!reader) return reader.error();
    reader_ = *std::move(reader);
    spdlog::info("joining consumer group {} to read {}", options_.group.group,
                 fmt::join(options_.group.topics, ", "));
    const Status status = serve();
    reader_->close(options_.close_ms);
    discard();
    reader_.reset();
    if (status) return ok();
    if (is_final(status.error())) return Error{ErrorCode::kFatal, status.error().message};
    spdlog::warn("left the consumer group, rejoining in {} s: {}", limits::kRejoinMs / 1000,
                 status.error().message);
  } while (!stopping_(limits::kRejoinMs));
  return outlet_.flush();
}

Status Pump::serve() {
  while (!done_ && !stopping_(0)) {
    if (Status status = turn(); !status) return status;
  }
  // What cannot be finished now is read again by the next member.
  if (!done_) static_cast<void>(outlet_.flush());
  report(true);
  return ok();
}

Status Pump::turn() {
  if (Status status = outlet_.work(outlet_.full() ? options_.poll_ms : 0); !status) return status;
  std::vector<Parking> parked;
  outlet_.take_parked(parked);
  for (const Parking& parking : parked) park(parking);
  if (Status status = commit(false); !status) return status;
  if (lives_) {
    if (Status same = lives_->turn(); !same) return same;
  }
  report(false);
  if (options_.once) {
    if (Status status = end_once(); !status || done_) return status;
  }
  const bool full = must_wait();
  Status status = reader_->pause_where([this](const PartitionKey& key) {
    return waiting_ || is_parked(key) || outlet_.holds_back(key);
  });
  // A short wait is no reason to pause: what was fetched ahead would be fetched again.
  if (!status || (full && !waiting_)) return status;
  return reader_->poll(waiting_ ? 0 : options_.poll_ms, options_.poll_records);
}

Status Pump::end_once() {
  if (reader_->at_end() && left_out_.empty()) {
    if (Status status = outlet_.flush(); !status) return status;
    done_ = outlet_.idle();
    return ok();
  }
  for (const GroupPosition& position : reader_->positions()) {
    const auto at = parked_.find(position.key);
    if (at == parked_.end() ? !position.at_end : at->second.tries < limits::kReadTriesOnce)
      return ok();
  }
  if (parked_.empty() && left_out_.empty()) return ok();
  if (Status status = outlet_.flush(); !status || !outlet_.idle()) return status;
  if (!left_out_.empty()) {
    const auto& [partition, reason] = *left_out_.begin();
    return Error{ErrorCode::kFatal,
                 fmt::format("everything else is done, but {} of the partitions were left out: {}: "
                             "{}",
                             left_out_.size(), to_string(partition), reason)};
  }
  const auto& [partition, parking] = *parked_.begin();
  return Error{ErrorCode::kFatal,
               fmt::format("everything else is done, but {} of the partitions could not be read to "
                           "its end: {} at offset {}: {}",
                           parked_.size(), to_string(partition), parking.offset, parking.reason)};
}

void Pump::park(const Parking& parking) {
  if (parking.reason.empty()) {
    reader_->rewind(parking.partition, parking.offset);
    spdlog::info("{} goes on at offset {}", to_string(parking.partition), parking.offset);
    return;
  }
  Parked& parked = parked_[parking.partition];
  const bool fresh = parked.tries == 0;
  parked.offset = fresh ? parking.offset : std::min(parked.offset, parking.offset);
  parked.reason = parking.reason;
  parked.tries += 1;
  parked.wait_ms = fresh ? kParkFirstMs : std::min(parked.wait_ms * 2, kParkLastMs);
  parked.until_ns = clock_.monotonic_ns() + parked.wait_ms * 1'000'000;
  reader_->rewind(parking.partition, parking.offset);
  const std::string words = fmt::format(
      "{} is parked at offset {}, the other partitions go on: {}; trying again in {} s",
      to_string(parking.partition), parking.offset, parking.reason, parked.wait_ms / 1000);
  if (fresh) {
    spdlog::warn("{}", words);
  } else {
    complaints_.add(words);
  }
}

bool Pump::is_parked(const PartitionKey& partition) const {
  const auto at = parked_.find(partition);
  return at != parked_.end() && clock_.monotonic_ns() < at->second.until_ns;
}

void Pump::leave_parked(const PartitionKey& partition, int64_t next) {
  const auto at = parked_.find(partition);
  if (at == parked_.end() || next <= at->second.offset) return;
  spdlog::info("{} goes on after {} tries: offset {} is done", to_string(partition),
               at->second.tries, at->second.offset);
  parked_.erase(at);
}

void Pump::unreadable(const PartitionKey& partition, int64_t next, const std::string& reason) {
  park({partition, next, reason});
  outlet_.unreadable(partition, parked_[partition].tries, reason);
}

void Pump::left_out(const PartitionKey& partition, const std::string& reason) {
  left_out_[partition] = reason;
  spdlog::warn("{} is left out, the other partitions go on: {}; trying again", to_string(partition),
               reason);
  outlet_.unreadable(partition, limits::kReadTriesOnce, reason);
}

// The group removes a member that does not poll: after a while, poll with everything paused.
bool Pump::must_wait() {
  const bool full = outlet_.full();
  const int64_t now = clock_.monotonic_ns();
  if (!full) full_since_ns_ = 0;
  if (full && full_since_ns_ == 0) full_since_ns_ = now;
  waiting_ = full && now - full_since_ns_ > limits::kPauseAfterNs;
  return full;
}

Status Pump::commit(bool now) {
  outlet_.take_done(to_commit_);
  if (!now && clock_.monotonic_ns() - committed_ns_ < limits::kCommitPeriodNs) return ok();
  committed_ns_ = clock_.monotonic_ns();
  for (const GroupPosition& position : reader_->positions()) {
    if (position.at_end) outlet_.read_to(position.key, position.next);
  }
  if (outlet_.idle()) add_idle_ends();
  while (!to_commit_.empty()) {
    const auto& [partition, next] = *to_commit_.begin();
    const Status status = reader_->commit(
        partition, next, lives_ ? lives_->note(partition) : std::string(), limits::kCommitMs);
    if (status) {
      committed_[partition] = next;
      if (lives_) lives_->committed(partition);
      leave_parked(partition, next);
    } else if (status.error().code == ErrorCode::kRetryable) {
      complaints_.add(status.error().message);
      return ok();  // It is committed with the next ones.
    } else if (is_final(status.error())) {
      return status;
    }
    to_commit_.erase(to_commit_.begin());
  }
  return ok();
}

// Transaction markers after the last record would count as lag forever.
void Pump::add_idle_ends() {
  for (const GroupPosition& position : reader_->positions()) {
    if (position.at_end && !parked_.contains(position.key) &&
        position.next > committed_[position.key])
      to_commit_[position.key] = position.next;
  }
}

Status Pump::assigned(std::vector<AssignedPartition>& partitions) {
  if (lives_) lives_->assigned(partitions);
  if (Status status = outlet_.assigned(partitions); !status) return status;
  for (const AssignedPartition& partition : partitions) {
    committed_[partition.key] = partition.start;
    // Of a topic that was made anew: whoever owns it next is not to begin at the old place.
    if (lives_ && partition.start < partition.committed)
      to_commit_[partition.key] = partition.start;
  }
  spdlog::info("partitions assigned by the consumer group: {}", partitions.size());
  return ok();
}

void Pump::revoked() {
  outlet_.revoked();
  // If the commit gets no answer, the next owner repeats the work, which changes nothing.
  if (Status status = commit(true); !status) complaints_.add(status.error().message);
  discard();
}

void Pump::lost() {
  spdlog::warn("removed from the consumer group; its partitions were reassigned");
  discard();
}

void Pump::discard() {
  outlet_.discard();
  if (lives_) lives_->discard();
  to_commit_.clear();
  committed_.clear();
  parked_.clear();
  left_out_.clear();
  full_since_ns_ = 0;
}

void Pump::record(const ReadRecord& record) {
  records_ += 1;
  if (lives_) lives_->record(record);
  outlet_.record(record);
}

void Pump::report(bool now) {
  if (options_.report_s == 0 || (!now && !progress_.due())) return;
  Standing standing;
  for (const GroupPosition& position : reader_->positions()) {
    standing.partitions += 1;
    standing.unread += position.high - position.next;
    standing.uncommitted += std::max<int64_t>(position.high - committed_[position.key], 0);
  }
  for (const auto& [partition, parking] : parked_) standing.parked.push_back(partition);
  for (const auto& [partition, reason] : left_out_) standing.parked.push_back(partition);
  standing.waiting = waiting_;
  standing.seconds = progress_.seconds();
  if (const std::string line = outlet_.report(standing); !line.empty()) progress_.show(line);
}

}  // namespace longshore::kafka
