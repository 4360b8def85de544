#include "tests/fakes/scripted_session.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cassert>
#include <utility>

namespace longshore::fakes {

using shipper::Chunk;
using shipper::Report;

ScriptedSession::ScriptedSession(ScriptedBroker& broker, shipper::SessionOptions options)
    : broker_(broker),
      options_(std::move(options)),
      id_(options_.transactional_id.empty() ? options_.group : options_.transactional_id),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  assert(wake_);
}

// What is open goes with its members: nothing of it was ever visible.
ScriptedSession::~ScriptedSession() {
  const std::lock_guard lock(broker_.mutex);
  if (in_transaction_) broker_.unended[id_].merge(partitions_);
  --broker_.open_sessions;
}

Error ScriptedSession::gone(Trouble trouble, const std::string& message) {
  gone_ = true;
  trouble_ = trouble;
  return {ErrorCode::kSessionGone, message};
}

std::optional<Error> ScriptedSession::refused(Call call, bool* done_anyway) {
  const Fault* const fault = broker_.fault_of(call);
  if (gone_) return gone(trouble_, "The session is gone.");
  if (epoch_ != 0 && epoch_ < broker_.epochs[id_]) {
    return gone(Trouble::kBroker, "A newer session has fenced this one.");
  }
  if (broker_.away) {
    trouble_ = Trouble::kTimeout;
    return Error{ErrorCode::kRetryable, "Kafka is away."};
  }
  if (!fault) return std::nullopt;
  if (fault->undoes_last) broker_.undo_last_commit();
  if (done_anyway) *done_anyway = fault->done_anyway;
  trouble_ = fault->trouble;
  gone_ = fault->code != ErrorCode::kRetryable && fault->code != ErrorCode::kUndecided;
  return Error{fault->code, "Scripted fault."};
}

Status ScriptedSession::init_transactions(int) {
  const std::lock_guard lock(broker_.mutex);
  assert(options_.transactional);
  if (auto error = refused(Call::kInit)) return *error;
  epoch_ = ++broker_.epochs[id_];
  if (broker_.is_busy(id_)) return Error{ErrorCode::kUndecided, "The id is busy."};
  if (broker_.ids.empty() || broker_.ids.back() != id_) broker_.ids.push_back(id_);
  return ok();
}

Status ScriptedSession::begin() {
  const std::lock_guard lock(broker_.mutex);
  assert(options_.transactional && epoch_ != 0 && !in_transaction_);
  // librdkafka begins without asking a broker.
  if (!broker_.away) {
    if (auto error = refused(Call::kBegin)) return *error;
  }
  in_transaction_ = true;
  committed_already_ = false;
  return ok();
}

Result<size_t> ScriptedSession::produce(Chunk* chunk, size_t first, const TopicPartition& to) {
  const std::lock_guard lock(broker_.mutex);
  assert(in_transaction_ || !options_.transactional);
  assert(first <= chunk->messages.size());
  if (!broker_.away) {
    if (auto error = refused(Call::kProduce)) return *error;
  }
  const size_t room =
      broker_.queue_records_max - std::min(broker_.queue_records_max, waiting_.size());
  const size_t taken = std::min(room, chunk->messages.size() - first);
  for (size_t i = first; i < first + taken; ++i) {
    assert(chunk->messages[i]._private == chunk);
    partitions_.insert(to);
    waiting_.push_back({.chunk = chunk, .message = i, .to = to});
  }
  chunk->unreported += taken;
  if (!waiting_.empty()) eventfd_write(wake_.get(), 1);
  return taken;
}

void ScriptedSession::deliver(std::vector<Report>& out) {
  const size_t old = out.size();
  eventfd_t ignored = 0;
  eventfd_read(wake_.get(), &ignored);
  if (broker_.is_busy(id_)) return;
  std::deque<Waiting> without_leader;
  const bool barred = options_.transactional &&
                      std::any_of(waiting_.begin(), waiting_.end(), [&](const auto& each) {
                        const auto topic = broker_.topics.find(each.to.topic);
                        return topic != broker_.topics.end() && topic->second.unjoinable;
                      });
  for (; !waiting_.empty(); waiting_.pop_front()) {
    const auto& [chunk, index, to] = waiting_.front();
    if (broker_.leaderless.contains(to)) {
      without_leader.push_back(waiting_.front());
      continue;
    }
    const rd_kafka_message_t& message = chunk->messages.at(index);
    Record record{.key = {static_cast<const char*>(message.key), message.key_len},
                  .value = {static_cast<const char*>(message.payload), message.len}};
    const Trouble trouble = barred ? Trouble::kSomeTopic : broker_.refusal_of(to);
    if (poisoned_ == Trouble::kNone) poisoned_ = trouble;
    if (out.size() == old || out.back().chunk != chunk || out.back().trouble != trouble) {
      out.push_back({.chunk = chunk,
                     .trouble = trouble,
                     .message = trouble == Trouble::kNone ? "" : "Scripted refusal."});
    }
    ++out.back().records;
    out.back().value_bytes += message.len;
    --chunk->unreported;
    if (trouble != Trouble::kNone) continue;
    if (options_.transactional) {
      open_records_.emplace_back(to, std::move(record));
    } else {
      broker_.append(to, std::move(record));
    }
  }
  waiting_ = std::move(without_leader);
}

Status ScriptedSession::reports(int, std::vector<Report>& out) {
  const std::lock_guard lock(broker_.mutex);
  if (broker_.away) return ok();  // No answer is no report.
  if (auto error = refused(Call::kReports)) return *error;
  deliver(out);
  return ok();
}

Status ScriptedSession::send_offset(TransactionNumber number, const std::string& digest, int) {
  const std::lock_guard lock(broker_.mutex);
  assert(in_transaction_);
  if (auto error = refused(Call::kSendOffset)) return *error;
  if (poisoned_ != Trouble::kNone) return gone(poisoned_, "A delivery failed.");
  open_offset_ = GroupOffset{.known = true, .number = number, .digest = digest};
  return ok();
}

void ScriptedSession::take_effect() {
  broker_.undo = {.sizes = {}, .group = options_.group, .offset = broker_.offsets[options_.group]};
  for (const auto& [to, record] : open_records_) {
    const auto topic = broker_.topics.find(to.topic);
    if (topic == broker_.topics.end()) continue;
    broker_.undo.sizes.try_emplace(
        to, topic->second.partitions.at(static_cast<size_t>(to.partition)).size());
  }
  for (auto& [to, record] : open_records_) broker_.append(to, std::move(record));
  if (open_offset_) broker_.offsets[options_.group] = *open_offset_;
  open_records_.clear();
  open_offset_.reset();
  broker_.unended[id_].merge(std::exchange(partitions_, {}));
  in_transaction_ = false;
  ++broker_.commits;
}

Status ScriptedSession::commit(int, std::vector<Report>& out) {
  const std::lock_guard lock(broker_.mutex);
  assert(in_transaction_ || committed_already_);
  bool done_anyway = false;
  const std::optional<Error> error = refused(Call::kCommit, &done_anyway);
  if (error && !done_anyway) return *error;
  deliver(out);
  if (!waiting_.empty()) return Error{ErrorCode::kRetryable, "Not all was delivered."};
  if (poisoned_ != Trouble::kNone) return gone(poisoned_, "A delivery failed.");
  if (in_transaction_) take_effect();
  committed_already_ = error.has_value();
  return error ? Status(*error) : ok();
}

Status ScriptedSession::flush(int, std::vector<Report>& out) {
  const std::lock_guard lock(broker_.mutex);
  if (auto error = refused(Call::kFlush)) return *error;
  deliver(out);
  if (waiting_.empty()) return ok();
  return Error{ErrorCode::kRetryable, "Not all was delivered."};
}

}  // namespace longshore::fakes
