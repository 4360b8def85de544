#include "integrations/kafka/topic_lives.h"

#include <fmt/format.h>

#include <charconv>
#include <string_view>

namespace longshore::kafka {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kTurnNs = kSecondNs;
constexpr int64_t kLookNs = 15 * kSecondNs;       // Between two looks while records come,
constexpr int64_t kIdleLookNs = 300 * kSecondNs;  // and while none do.

constexpr std::string_view kNoteBegin = "longshore record ";

bool is_some(const RecordMark& mark) { return mark.offset >= 0; }

// "longshore record <offset> <hash>", both in hexadecimal digits. Anything else is no mark.
RecordMark mark_of_note(std::string_view note) {
  if (!note.starts_with(kNoteBegin)) return {};
  note.remove_prefix(kNoteBegin.size());
  RecordMark mark;
  const char* const end = note.data() + note.size();
  const auto [blank, no_offset] = std::from_chars(note.data(), end, mark.offset, 16);
  if (no_offset != std::errc() || mark.offset < 0 || blank == end || *blank != ' ') return {};
  const auto [rest, no_hash] = std::from_chars(blank + 1, end, mark.hash, 16);
  return no_hash == std::errc() && rest == end ? mark : RecordMark();
}

}  // namespace

TopicLives::TopicLives(RecordProbe& probe, const Clock& clock)
    : probe_(probe), clock_(clock), thread_([this] { work(); }) {}

TopicLives::~TopicLives() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void TopicLives::assigned(std::vector<AssignedPartition>& partitions) {
  discard();
  for (AssignedPartition& partition : partitions) {
    Life& life = lives_[partition.key];
    if (made_anew_.contains(partition.key) || partition.committed > partition.high) {
      partition.start = partition.low;
    } else {
      life.mark = mark_of_note(partition.note);
    }
  }
  last_ = lives_.end();
}

void TopicLives::discard() {
  lives_.clear();
  last_ = lives_.end();
  const std::lock_guard lock(mutex_);
  questions_.clear();
  answers_.clear();
}

void TopicLives::record(const ReadRecord& record) {
  if (last_ == lives_.end() || last_->first.partition != record.partition ||
      last_->first.topic != record.topic)
    last_ = lives_.find({std::string(record.topic), record.partition});
  if (last_ == lives_.end()) return;
  Life& life = last_->second;
  if (is_some(life.candidate)) return;
  if (is_some(life.mark)) {
    life.candidate = mark_of(record);
  } else {
    life.mark = mark_of(record);
    life.looked_ns = clock_.monotonic_ns();
  }
}

std::string TopicLives::note(const PartitionKey& partition) const {
  const auto at = lives_.find(partition);
  if (at == lives_.end() || !is_some(at->second.mark)) return {};
  return fmt::format("{}{:x} {:x}", kNoteBegin, at->second.mark.offset, at->second.mark.hash);
}

Status TopicLives::turn() {
  const int64_t now = clock_.monotonic_ns();
  if (now < next_turn_ns_) return ok();
  next_turn_ns_ = now + kTurnNs;
  std::vector<Answer> answers;
  {
    const std::lock_guard lock(mutex_);
    answers.swap(answers_);
  }
  Status first = ok();
  for (const Answer& answer : answers) {
    if (Status same = take(answer); !same && first) first = same;
  }
  if (!first) return first;
  std::vector<Question> questions;
  for (auto& [partition, life] : lives_) {
    const int64_t wait_ns = is_some(life.candidate) ? kLookNs : kIdleLookNs;
    const bool is_due = life.looked_ns == 0 || now - life.looked_ns >= wait_ns;
    if (!is_some(life.mark) || life.is_asked || !is_due) continue;
    life.is_asked = true;
    questions.push_back({partition, life.mark, life.candidate});
  }
  ask(std::move(questions));
  return ok();
}

Status TopicLives::take(const Answer& answer) {
  const auto& [question, found] = answer;
  const auto at = lives_.find(question.partition);
  if (at == lives_.end() || at->second.mark != question.mark) return ok();
  Life& life = at->second;
  life.is_asked = false;
  life.looked_ns = clock_.monotonic_ns();
  if (!found) return ok();  // Asked again later.
  if (*found == Found::kOther) {
    made_anew_.insert(question.partition);
    return Error{ErrorCode::kRetryable,
                 fmt::format("the topic of {} was deleted and made anew, or truncated: the record "
                             "at offset {} is another. Reading it from its beginning.",
                             to_string(question.partition), question.mark.offset)};
  }
  if (!is_some(question.candidate)) return ok();
  life.mark = question.candidate;
  life.candidate = {};
  return ok();
}

void TopicLives::ask(std::vector<Question> questions) {
  if (questions.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    for (Question& question : questions) questions_.push_back(std::move(question));
  }
  wake_.notify_one();
}

void TopicLives::work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return is_ending_ || !questions_.empty(); });
    if (is_ending_) return;
    Question question = std::move(questions_.front());
    questions_.pop_front();
    lock.unlock();
    Result<Found> found = probe_.look(question.partition, question.mark);
    lock.lock();
    answers_.emplace_back(std::move(question), std::move(found));
  }
}

}  // namespace longshore::kafka
