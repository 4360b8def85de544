#include "agent/discovery/copy_questions.h"

#include <algorithm>

#include "config/limits.h"

namespace longshore::agent {

CopyQuestions::State CopyQuestions::state_of(const FoundFile& file, Stream stream, int64_t now_ns) {
  const auto found = files_.find({file.facts.identity, stream});
  if (found == files_.end()) return State::kNew;
  File& known = found->second;
  const bool grew = known.size_bytes != file.facts.size_bytes;
  if (known.state == State::kCopy && grew) return State::kNew;
  if (known.state != State::kGrown) return known.state;
  if (now_ns - known.since_ns >= limits::kGrownCopyNs) known.state = State::kOwnLog;
  return known.state;
}

uint64_t CopyQuestions::shipped_bytes(const checkpoint::FileIdentity& file, Stream stream) const {
  const auto found = files_.find({file, stream});
  return found == files_.end() ? 0 : found->second.shipped_bytes;
}

void CopyQuestions::ask(Undecided about) {
  if (files_.size() >= limits::kCopyQuestionsMax) make_room();
  const Key key{about.file.facts.identity, about.log->declaration->stream};
  files_.insert_or_assign(key, File{.undecided = std::move(about)});
  ++asked_;
}

std::optional<Undecided> CopyQuestions::answer(const CopyJudged& judged, int64_t now_ns) {
  const auto found = files_.find({judged.file, judged.stream});
  if (found == files_.end() || found->second.state != State::kAsked) return std::nullopt;
  --asked_;
  File& file = found->second;
  file.size_bytes = judged.size_bytes;
  file.since_ns = now_ns;
  std::optional<Undecided> undecided = std::exchange(file.undecided, std::nullopt);
  switch (judged.verdict) {
    case CopyVerdict::kCopy:
      file.state = State::kCopy;
      return std::nullopt;
    case CopyVerdict::kGrownCopy:
      file.state = State::kGrown;
      // A short beginning may be alike in two logs that have nothing to do with each other.
      if (judged.shipped_bytes >= limits::kAlikeBytesMax) {
        file.shipped_bytes = judged.shipped_bytes;
      }
      return std::nullopt;
    case CopyVerdict::kOther:
      break;
  }
  file.state = State::kOwnLog;
  return undecided;
}

bool CopyQuestions::is_asked(const DeclaredLog& log) const {
  return std::ranges::any_of(files_, [&](const auto& each) {
    return each.second.undecided && each.second.undecided->log == &log;
  });
}

// Forgets one whose answer has come. It will be asked about again if it is still there.
void CopyQuestions::make_room() {
  const auto oldest = std::ranges::min_element(files_, {}, [](const auto& each) {
    const File& file = each.second;
    return std::pair(file.state == State::kAsked, file.since_ns);
  });
  if (oldest != files_.end() && oldest->second.state != State::kAsked) files_.erase(oldest);
}

}  // namespace longshore::agent
