#include "integrations/kafka/pump.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "config/limits.h"

namespace longshore::kafka {

Pump::Pump(PumpOptions options, Outlet& outlet, const Clock& clock, Stopping stopping,
           Complaints& complaints)
    : options_(std::move(options)),
      outlet_(outlet),
      clock_(clock),
      stopping_(std::move(stopping)),
      complaints_(complaints),
      progress_(clock, Progress::To::kLog, options_.report_s * 1000) {}

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
  if (Status status = commit(false); !status) return status;
  report(false);
  if (options_.once && reader_->at_end()) {
    if (Status status = outlet_.flush(); !status) return status;
    done_ = outlet_.idle();
    if (done_) return ok();
  }
  const bool full = must_wait();
  Status status = reader_->pause_where(
      [this](const PartitionKey& key) { return waiting_ || outlet_.holds_back(key); });
  // A short wait is no reason to pause: what was fetched ahead would be fetched again.
  if (!status || (full && !waiting_)) return status;
  return reader_->poll(waiting_ ? 0 : options_.poll_ms, options_.poll_records);
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
  if (outlet_.idle()) add_idle_ends();
  while (!to_commit_.empty()) {
    const auto& [partition, next] = *to_commit_.begin();
    const Status status = reader_->commit(partition, next, limits::kCommitMs);
    if (status) {
      committed_[partition] = next;
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
    if (position.at_end && position.next > committed_[position.key])
      to_commit_[position.key] = position.next;
  }
}

Status Pump::assigned(std::vector<AssignedPartition>& partitions) {
  if (Status status = outlet_.assigned(partitions); !status) return status;
  for (const AssignedPartition& partition : partitions) committed_[partition.key] = partition.start;
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
  to_commit_.clear();
  committed_.clear();
  full_since_ns_ = 0;
}

void Pump::record(const ReadRecord& record) {
  records_ += 1;
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
  standing.waiting = waiting_;
  standing.seconds = progress_.seconds();
  if (const std::string line = outlet_.report(standing); !line.empty()) progress_.show(line);
}

}  // namespace longshore::kafka
