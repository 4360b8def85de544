#include "agent/tail/content_check.h"

#include <algorithm>
#include <numeric>

#include "config/limits.h"

namespace longshore::agent {
namespace {

// A place that cannot be read must not keep those after it from being read: it counts as unchanged.
bool holds(int fd, const checkpoint::MarkList& marks, const std::vector<size_t>& spans) {
  const auto held = checkpoint::holds_spans(fd, marks, spans);
  return !held || *held;
}

}  // namespace

void ContentCheck::forget() {
  rewritten_ = false;
  whole_.reset();
  sampled_ns_ = 0;
}

ContentCheck::Found ContentCheck::look(int fd, const checkpoint::FileFacts& facts, int64_t now_ns,
                                       int64_t wall_ns) {
  if (rewritten_) return Found::kRewritten;
  if (whole_ != nullptr) return compare_all(fd, now_ns, wall_ns);
  const checkpoint::FileStamp stamp = facts.stamp();
  if (cursor_.offset() == 0) {
    rewritten_ = facts.size_bytes < cursor_.seen_bytes();
    cursor_.set_stamp(stamp, wall_ns);
    return rewritten_ ? Found::kRewritten : Found::kSame;
  }
  const checkpoint::FileStamp& known = cursor_.stamp();
  if (stamp == known) {
    if (cursor_.stamp_settled()) return Found::kSame;
    return compare_some(fd, stamp, false, now_ns, wall_ns);
  }
  // A file that was allocated in advance is written to without growing.
  const bool has_room = stamp.size_bytes == known.size_bytes && known.size_bytes > cursor_.offset();
  const bool grown = known.changed_ns == 0 || stamp.size_bytes > known.size_bytes || has_room;
  if (grown) return compare_some(fd, stamp, true, now_ns, wall_ns);
  whole_ = std::make_unique<Whole>(Whole{stamp, 0});
  return compare_all(fd, now_ns, wall_ns);
}

// A piece each time: whoever touches a large file over and over must not keep its lane busy.
ContentCheck::Found ContentCheck::compare_all(int fd, int64_t now_ns, int64_t wall_ns) {
  if (now_ns < not_before_ns_) return Found::kLookAgain;
  const checkpoint::MarkList marks = cursor_.marks();
  std::vector<size_t> spans(
      std::min(marks.marks.size() - whole_->next_span, limits::kCompareSpansMax));
  std::iota(spans.begin(), spans.end(), whole_->next_span);
  rewritten_ = !holds(fd, marks, spans);
  if (rewritten_) return Found::kRewritten;
  whole_->next_span += spans.size();
  if (spans.size() == limits::kCompareSpansMax) {
    not_before_ns_ = std::max<int64_t>(now_ns + limits::kComparePauseNs, 1);
    if (whole_->next_span < marks.marks.size()) return Found::kLookAgain;
  }
  const auto whole = std::move(whole_);
  return compare_head(fd, whole->stamp, wall_ns);
}

ContentCheck::Found ContentCheck::compare_some(int fd, const checkpoint::FileStamp& stamp,
                                               bool grown, int64_t now_ns, int64_t wall_ns) {
  const checkpoint::MarkList marks = cursor_.marks();
  rewritten_ = !holds(fd, marks, some_spans(marks, grown, now_ns));
  if (rewritten_) return Found::kRewritten;
  return compare_head(fd, stamp, wall_ns);
}

// All of a small file. Of a larger one that has grown, as many spans as seconds have passed since
// the last time, and the most after a restart; others the next time.
std::vector<size_t> ContentCheck::some_spans(const checkpoint::MarkList& marks, bool grown,
                                             int64_t now_ns) {
  const size_t all = marks.marks.size();
  size_t count = all;
  if (marks.end() - marks.begin > limits::kMarkSpanBytes) {
    const int64_t periods = (now_ns - sampled_ns_) / limits::kCompareEveryNs;
    const size_t due = sampled_ns_ == 0 ? limits::kCompareSpansMax
                                        : static_cast<size_t>(std::max<int64_t>(periods, 0));
    count = grown ? std::min({all, due, limits::kCompareSpansMax}) : 0;
    if (count > 0) sampled_ns_ = std::max<int64_t>(now_ns, 1);
  }
  std::vector<size_t> spans(count);
  if (count == 0) return spans;
  const size_t step = all / count;
  ++turn_;
  for (size_t i = 0; i < count; ++i) spans[i] = i * step + turn_ % step;
  return spans;
}

ContentCheck::Found ContentCheck::compare_head(int fd, const checkpoint::FileStamp& stamp,
                                               int64_t wall_ns) {
  const checkpoint::MarkList marks = cursor_.marks();
  const bool is_compared = marks.begin == 0 && marks.end() <= limits::kMarkSpanBytes;
  if (cursor_.offset() >= limits::kHeadBytes && (marks.head == 0 || !is_compared)) {
    const auto head = checkpoint::head_hash(fd, limits::kHeadBytes);
    rewritten_ = head && marks.head != 0 && *head != marks.head;
    if (rewritten_) return Found::kRewritten;
    if (head) cursor_.set_head(*head);
  }
  // Of a short file, all spans were compared just now.
  const bool is_short = marks.begin == 0 && cursor_.offset() < limits::kHeadBytes;
  if (is_short && marks.marks.size() > 1 && marks.head == 0) {
    const auto head = checkpoint::head_hash(fd, cursor_.offset());
    if (head) cursor_.set_head(*head);
  }
  cursor_.set_stamp(stamp, wall_ns);
  return Found::kSame;
}

}  // namespace longshore::agent
