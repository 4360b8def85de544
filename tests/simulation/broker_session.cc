#include "tests/simulation/broker_session.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cassert>
#include <utility>

#include "config/limits.h"

namespace longshore::simulation {

using shipper::Chunk;
using shipper::Report;
using shipper::Trouble;

constexpr int64_t kTransactionTimeout = 30 * kSecond;
// One chunk more than the lane may have in flight.
constexpr size_t kBytesOutMax = limits::kLaneBytesInFlightMax + (4 << 20);

BrokerSession::BrokerSession(Broker& broker, shipper::SessionOptions options)
    : broker_(broker),
      timeline_(broker.timeline_),
      id_(options.transactional_id.empty() ? options.group : options.transactional_id),
      wake_(std::make_shared<Fd>(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC))) {}

// What it had open is ended when somebody takes the id over.
BrokerSession::~BrokerSession() {
  if (in_transaction_ && !asked_) broker_.end_on(id_, transaction_.partitions);
}

Error BrokerSession::gone(Trouble trouble, const std::string& message) {
  gone_ = true;
  trouble_ = trouble;
  return {ErrorCode::kSessionGone, message};
}

std::optional<Error> BrokerSession::refused(const char* what, int timeout_ms) {
  timeline_.seam(what);
  broker_.decide_if_due();
  if (gone_) return gone(trouble_, "the session is gone");
  if (epoch_ != 0 && epoch_ != broker_.epochs_[id_]) return gone(Trouble::kBroker, "fenced");
  if (in_transaction_ && !asked_ && timeline_.now() - began_ > kTransactionTimeout) {
    return gone(Trouble::kTimeout, "the transaction timed out");
  }
  Random& random = timeline_.random();
  if (random.chance(broker_.faults_.gone)) {
    timeline_.trace("kafka: {} ends the session", what);
    return gone(random.chance(0.2) ? Trouble::kTimeout : Trouble::kBroker, "scripted end");
  }
  if (broker_.away_ || random.chance(broker_.faults_.retryable)) {
    trouble_ = Trouble::kTimeout;
    timeline_.pass(timeout_ms * kMs);
    return Error{ErrorCode::kRetryable, std::string("timed out: ") + what};
  }
  return std::nullopt;
}

Status BrokerSession::init_transactions(int timeout_ms) {
  if (auto error = refused("init_transactions", timeout_ms)) return *error;
  epoch_ = ++broker_.epochs_[id_];
  if (!broker_.is_pending(id_) && !broker_.is_busy(id_)) return ok();
  timeline_.pass(timeout_ms * kMs);
  trouble_ = Trouble::kBroker;
  return Error{ErrorCode::kUndecided, "concurrent transactions"};
}

Status BrokerSession::begin() {
  timeline_.seam("begin");
  assert(epoch_ != 0 && !in_transaction_);
  in_transaction_ = true;
  asked_ = false;
  began_ = timeline_.now();
  transaction_ = {};
  return ok();
}

Result<size_t> BrokerSession::produce(Chunk* chunk, size_t first,
                                      const shipper::TopicPartition& to) {
  timeline_.seam("produce");
  assert(in_transaction_ && !asked_);
  if (gone_) return gone(trouble_, "the session is gone");
  if (timeline_.random().chance(broker_.faults_.gone)) {
    return gone(Trouble::kBroker, "refused locally");
  }
  const size_t limit = broker_.faults_.queue_records_max;
  const size_t room = limit - std::min(limit, waiting_.size());
  const size_t taken = std::min(room, chunk->messages.size() - first);
  const int64_t due =
      timeline_.now() + timeline_.random().magnitude(broker_.faults_.latency_ns_max);
  for (size_t i = first; i < first + taken; ++i) {
    assert(chunk->messages[i]._private == chunk);
    bytes_out_ += chunk->messages[i].len;
    transaction_.partitions.insert(to);
    waiting_.push_back({.due = due, .chunk = chunk, .message = i, .to = to});
  }
  if (bytes_out_ > kBytesOutMax) throw Violation{"more bytes in flight than the limit"};
  chunk->unreported += taken;
  timeline_.at(due, [wake = std::weak_ptr<Fd>(wake_)] {
    if (const auto fd = wake.lock()) eventfd_write(fd->get(), 1);
  });
  return taken;
}

void BrokerSession::answer(const Waiting& waiting, std::vector<Report>& out) {
  const auto& [due, chunk, index, to] = waiting;
  const rd_kafka_message_t& message = chunk->messages.at(index);
  bytes_out_ -= message.len;
  const bool fenced = epoch_ != broker_.epochs_[id_];
  const Trouble trouble = fenced ? Trouble::kBroker : broker_.refusal(to, message.len);
  if (trouble != Trouble::kNone && poisoned_ == Trouble::kNone) {
    timeline_.trace("kafka: a delivery to {} fails", to.topic);
    poisoned_ = trouble;
  }
  if (out.empty() || out.back().chunk != chunk || out.back().trouble != trouble) {
    out.push_back({.chunk = chunk,
                   .trouble = trouble,
                   .message = trouble == Trouble::kNone ? "" : "refused"});
  }
  ++out.back().records;
  out.back().value_bytes += message.len;
  --chunk->unreported;
  if (trouble != Trouble::kNone) return;
  transaction_.records.push_back({.where = to,
                                  .key = {static_cast<const char*>(message.key), message.key_len},
                                  .value = {static_cast<const char*>(message.payload), message.len},
                                  .number = 0});
}

bool BrokerSession::deliver(int64_t until, std::vector<Report>& out, bool all) {
  // Nothing is taken while the last transaction has not ended everywhere.
  while (!broker_.away_ && !broker_.is_busy(id_)) {
    const auto next = std::find_if(waiting_.begin(), waiting_.end(), [&](const Waiting& each) {
      return broker_.has_leader(each.to);
    });
    if (next == waiting_.end()) break;
    if (next->due > timeline_.now()) {
      if (next->due > until || (!all && !out.empty())) break;
      timeline_.pass(next->due - timeline_.now());
      continue;
    }
    const Waiting waiting = *next;
    waiting_.erase(next);
    answer(waiting, out);
  }
  // What is due and not answered, for the broker is away, is asked for again by and by.
  eventfd_t ignored = 0;
  eventfd_read(wake_->get(), &ignored);
  if (!waiting_.empty() && all) timeline_.pass(until - timeline_.now());
  return waiting_.empty();
}

Status BrokerSession::reports(int timeout_ms, std::vector<Report>& out) {
  timeline_.seam("reports");
  if (gone_) return gone(trouble_, "the session is gone");
  deliver(timeline_.now() + timeout_ms * kMs, out, false);
  return ok();
}

Status BrokerSession::flush(int timeout_ms, std::vector<Report>& out) {
  if (auto error = refused("flush", timeout_ms)) return *error;
  if (deliver(timeline_.now() + timeout_ms * kMs, out, true)) return ok();
  return Error{ErrorCode::kRetryable, "not all was delivered"};
}

Status BrokerSession::send_offset(TransactionNumber number, const std::string& digest,
                                  int timeout_ms) {
  assert(in_transaction_);
  if (auto error = refused("send_offset", timeout_ms)) return *error;
  if (broker_.is_busy(id_)) {
    timeline_.pass(timeout_ms * kMs);
    return gone(Trouble::kTimeout, "concurrent transactions");
  }
  if (poisoned_ != Trouble::kNone) return gone(poisoned_, "a delivery failed");
  transaction_.offset = shipper::GroupOffset{.known = true, .number = number, .digest = digest};
  return ok();
}

// The outcome is the broker's: at once, or when it decides.
Status BrokerSession::commit_answer(bool first_time) {
  Random& random = timeline_.random();
  if (first_time) {
    asked_ = true;
    commits_before_ = broker_.commits_;
    auto& pending = broker_.pending_.emplace_back(
        Broker::Pending{.id = id_,
                        .transaction = std::exchange(transaction_, {}),
                        .due = timeline_.now(),
                        .commits = true});
    if (random.chance(broker_.faults_.late_commit)) {
      pending.due += random.magnitude(60 * kSecond);
      pending.commits = random.chance(0.6);
      timeline_.trace("kafka: the commit hangs");
    }
    broker_.decide_if_due();
    if (!broker_.is_pending(id_) && random.chance(broker_.faults_.done_anyway)) {
      timeline_.trace("kafka: the answer to the commit is lost");
      if (random.chance(0.5)) return gone(Trouble::kBroker, "no answer to the commit");
      return Error{ErrorCode::kRetryable, "no answer to the commit"};
    }
  }
  if (broker_.is_pending(id_)) {
    timeline_.pass(random.magnitude(kSecond));
    trouble_ = Trouble::kTimeout;
    return Error{ErrorCode::kRetryable, "the commit timed out"};
  }
  if (broker_.commits_ == commits_before_) return gone(Trouble::kBroker, "aborted");
  in_transaction_ = asked_ = false;
  return ok();
}

Status BrokerSession::commit(int timeout_ms, std::vector<Report>& out) {
  assert(in_transaction_);
  if (auto error = refused("commit", timeout_ms)) return *error;
  if (asked_) return commit_answer(false);
  if (!deliver(timeline_.now() + timeout_ms * kMs, out, true)) {
    return Error{ErrorCode::kRetryable, "not all was delivered"};
  }
  if (poisoned_ != Trouble::kNone) return gone(poisoned_, "a delivery failed");
  if (epoch_ != broker_.epochs_[id_]) return gone(Trouble::kBroker, "fenced");
  const Status answer = commit_answer(true);
  timeline_.seam("committed");
  return answer;
}

}  // namespace longshore::simulation
