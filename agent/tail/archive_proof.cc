#include "agent/tail/archive_proof.h"

#include <algorithm>

#include "config/limits.h"

namespace longshore::agent {

using checkpoint::content_hash;

Result<ArchiveProof::Is> ArchiveProof::look(const std::shared_ptr<const OpenFile>& file,
                                            int64_t now_ns) {
  if (file_ != file) {
    file_ = file;
    stage_ = Stage::kHead;
  }
  Result<Is> is = Is::kMore;
  for (size_t spans = 0; spans < limits::kCompareSpansMax; ++spans) {
    is = stage_ == Stage::kHead    ? compare_head(now_ns)
         : stage_ == Stage::kSpans ? compare_spans(now_ns)
                                   : compare_ends(now_ns);
    if (!is) return is;
    if (*is != Is::kMore) {
      // Whoever reads it begins at its front.
      if (*is == Is::kOther) reader_.release(*file);
      file_ = nullptr;
      return is;
    }
    if (again_at_ns_ != 0) return is;
  }
  again_at_ns_ = std::max<int64_t>(now_ns, 1);
  return is;
}

Result<ArchiveProof::Piece> ArchiveProof::piece(uint64_t begin, uint64_t end, int64_t now_ns) {
  buffer_.resize(end - begin);
  const auto read = reader_.read(file_, begin, end - begin, buffer_.data(), now_ns);
  if (!read) return read.error();
  again_at_ns_ = 0;
  if (read->bytes.size() == end - begin || read->again_at_ns == 0) return Piece{read->bytes, false};
  again_at_ns_ = read->again_at_ns;
  return Piece{{}, true};
}

Result<ArchiveProof::Is> ArchiveProof::compare_head(int64_t now_ns) {
  const auto head = piece(0, limits::kHeadBytes, now_ns);
  if (!head) return head.error();
  if (head->more) return Is::kMore;
  const std::string_view bytes = head->bytes;
  is_empty_ = bytes.empty();
  head_ = bytes.size() == limits::kHeadBytes ? content_hash(bytes) : 0;
  ends_.clear();
  for (size_t i = 0; i < cursor_.ends().size() + elsewhere_.size(); ++i) {
    const checkpoint::ClosedEnd& end = end_at(i);
    const size_t length = std::min<uint64_t>(end.bytes, limits::kHeadBytes);
    const bool known = end.bytes > 0 && end.head != 0 && bytes.size() >= length;
    if (known && content_hash(bytes.substr(0, length)) == end.head) ends_.push_back(i);
  }
  std::ranges::sort(ends_, {}, [&](size_t i) { return end_at(i).bytes; });
  const checkpoint::MarkList marks = cursor_.marks();
  const size_t read_bytes = std::min<uint64_t>(cursor_.offset(), limits::kHeadBytes);
  const bool begins_alike =
      marks.head == 0 || content_hash(bytes.substr(0, read_bytes)) == marks.head;
  const bool was_read = cursor_.offset() > 0 && !cursor_.overlap().empty();
  stage_ = was_read && begins_alike ? Stage::kSpans : Stage::kEnds;
  next_ = 0;
  return Is::kMore;
}

Result<ArchiveProof::Is> ArchiveProof::compare_spans(int64_t now_ns) {
  const checkpoint::MarkList marks = cursor_.marks();
  const uint64_t overlap = cursor_.overlap().size();
  const bool is_last = next_ == marks.marks.size();
  const uint64_t end = is_last ? cursor_.offset() : marks.marks[next_].end;
  const uint64_t span = is_last      ? cursor_.offset()
                        : next_ == 0 ? marks.begin
                                     : marks.marks[next_ - 1].end;
  // Reading never goes back, not even to the overlap: that would begin at the front again.
  const uint64_t begin = span - std::min(span, overlap);
  const auto read = piece(begin, end, now_ns);
  if (!read) return read.error();
  if (read->more) return Is::kMore;
  const std::string_view bytes = read->bytes;
  const bool whole = bytes.size() == end - begin;
  const bool same = whole && (is_last ? bytes == cursor_.overlap()
                                      : content_hash(bytes.substr(span - begin)) ==
                                            std::max<uint64_t>(1, marks.marks[next_].hash));
  if (!same) {
    stage_ = Stage::kEnds;
    next_ = 0;
    return Is::kMore;
  }
  if (is_last) return Is::kCurrent;
  ++next_;
  return Is::kMore;
}

Result<ArchiveProof::Is> ArchiveProof::compare_ends(int64_t now_ns) {
  if (next_ == ends_.size()) return Is::kOther;
  const size_t index = ends_[next_];
  const checkpoint::ClosedEnd end = end_at(index);
  const uint64_t begin = end.bytes - std::min<uint64_t>(end.bytes, limits::kOverlapBytes);
  // Two logs of a program may begin alike: what another one collects is all of it.
  const uint64_t more = is_elsewhere(index) ? 1 : 0;
  const auto read = piece(begin, end.bytes + more, now_ns);
  if (!read) return read.error();
  if (read->more) return Is::kMore;
  if (read->bytes.size() == end.bytes - begin && content_hash(read->bytes) == end.tail) {
    closed_ = index;
    return Is::kClosed;
  }
  ++next_;
  return Is::kMore;
}

}  // namespace longshore::agent
