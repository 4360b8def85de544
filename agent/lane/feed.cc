#include "agent/lane/feed.h"

#include <algorithm>

#include "config/limits.h"

namespace longshore::agent {

Feed::Feed(const Clock& clock, Destinations& destinations, Blame& blame, StuckPartitions& stuck)
    : clock_(clock), destinations_(destinations), blame_(blame), stuck_(stuck) {}

void Feed::stop() {
  session_.reset();
  chunks_.reset();
  reports_.clear();
  outstanding_ = 0;
  destinations_.reset_outstanding();
  destinations_.forget_shapes();
}

shipper::Trouble Feed::last_trouble() const {
  return session_ == nullptr ? shipper::Trouble::kNone : session_->last_trouble();
}

Status Feed::hand_over(shipper::Chunk& chunk, Destination& to) {
  chunk.owner = &to;
  to.used_ns = clock_.monotonic_ns();
  if (to.records_out == 0) to.silent_since_ns = to.used_ns;
  to.records_out += chunk.messages.size();
  to.bytes_out += chunk.value_bytes;
  outstanding_ += chunk.messages.size();
  for (size_t first = 0; first < chunk.messages.size();) {
    const auto taken = session_->produce(&chunk, first, to.where);
    if (!taken) return taken.error();
    first += taken.value();
    if (first < chunk.messages.size()) {
      if (Status waited = collect(limits::kKafkaCallMs); !waited) return waited;
      if (Status moving = look_for_stuck(); !moving) return moving;
    }
  }
  // Only now may reports give it back, and perhaps all of them have come already.
  chunks_.lent(chunk);
  if (chunk.unreported == 0) chunks_.give_back(chunk);
  return ok();
}

Status Feed::collect(int timeout_ms) {
  if (outstanding_ == 0) return ok();
  if (Status served = session_->reports(timeout_ms, reports_); !served) return served;
  return take_reports();
}

void Feed::collect_others() {
  const int64_t until = clock_.monotonic_ns() + limits::kCollectOthersNs;
  while (session_ != nullptr) {
    const int64_t now = clock_.monotonic_ns();
    if (now >= until || !destinations_.awaits_usable(now)) return;
    if (!session_->reports(limits::kCollectOthersMs, reports_)) return;
    static_cast<void>(take_reports());
  }
}

Status Feed::flush(int timeout_ms) {
  const Status flushed = session_->flush(timeout_ms, reports_);
  const Status taken = take_reports();
  return taken ? flushed : taken;
}

Status Feed::commit(int timeout_ms) {
  const Status committed = session_->commit(timeout_ms, reports_);
  const Status taken = take_reports();
  return taken ? committed : taken;
}

Status Feed::look_for_stuck() {
  if (outstanding_ == 0) return ok();
  Status looked = stuck_.look();
  if (!looked) blame_.partition_stuck();
  return looked;
}

Status Feed::take_reports() {
  Status status = ok();
  if (!reports_.empty()) reported_ns_ = clock_.monotonic_ns();
  for (const shipper::Report& report : reports_) {
    shipper::Chunk& chunk = *report.chunk;
    outstanding_ -= report.records;
    Destination& to = *static_cast<Destination*>(chunk.owner);
    to.records_out -= report.records;
    to.bytes_out -= report.value_bytes;
    if (report.trouble == shipper::Trouble::kNone) {
      stuck_.answered(reported_ns_ - to.silent_since_ns);
      to.silence.reset();
    } else {
      to.refused = true;
    }
    to.silent_since_ns = reported_ns_;
    if (chunk.unreported == 0) chunks_.give_back(chunk);
    if (report.trouble != shipper::Trouble::kNone && status) {
      status = blame_.delivery_failed(report, to);
    }
  }
  reports_.clear();
  return status;
}

void Feed::committed(const std::set<std::string>& topics) {
  destinations_.committed(topics);
  destinations_.reset_outstanding();
}

int64_t Feed::stalled_at_ns(int64_t opened_ns) const {
  if (!chunks_.is_full()) return INT64_MAX;
  return std::max(opened_ns, reported_ns_) + limits::kStallNs;
}

}  // namespace longshore::agent
