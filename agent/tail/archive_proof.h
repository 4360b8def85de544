// Which generation a compressed file was: the one that the cursor is in, one that is closed, or one
// that was never seen. Names and identities say nothing of it, because compressing makes another
// file. Its content does: it is unpacked from its beginning and compared with the marks.
//
//   unpacked:  [head][mark]...[mark][overlap] offset -> the rest is what was not read yet
//   closed:    [head] ... [tail] end                -> all of it was read
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/files/log_reader.h"
#include "agent/tail/cursor.h"
#include "config/result.h"

namespace longshore::agent {

/// Thread: its lane's.
class ArchiveProof {
 public:
  /// `elsewhere`: contents of files that are collected as other logs.
  ArchiveProof(const Cursor& cursor, const std::vector<checkpoint::ClosedEnd>& elsewhere,
               LogReader& reader)
      : cursor_(cursor), elsewhere_(elsewhere), reader_(reader) {}

  enum class Is : uint8_t {
    kMore,     ///< More has to be compared, at again_at_ns().
    kCurrent,  ///< It holds what was read of the cursor's file.
    kClosed,   ///< It holds closed(), which was read to its end. No identity: nothing follows.
    kOther,
  };
  /// Compares a bounded piece. Errors: kRetryable.
  Result<Is> look(const std::shared_ptr<const OpenFile>& file, int64_t now_ns);
  int64_t again_at_ns() const { return again_at_ns_; }
  checkpoint::FileIdentity closed() const {
    return is_elsewhere(closed_) ? checkpoint::FileIdentity{} : cursor_.closed()[closed_];
  }
  /// After kCurrent: the hash of the first kHeadBytes; 0: it is shorter.
  uint64_t head() const { return head_; }
  /// After kOther: there is nothing in it.
  bool is_empty() const { return is_empty_; }

 private:
  enum class Stage : uint8_t { kHead, kSpans, kEnds };
  // The bytes [begin, end); empty: kMore, or the file has them not.
  struct Piece {
    std::string_view bytes;
    bool more = false;
  };
  Result<Piece> piece(uint64_t begin, uint64_t end, int64_t now_ns);
  Result<Is> compare_head(int64_t now_ns);
  Result<Is> compare_spans(int64_t now_ns);
  Result<Is> compare_ends(int64_t now_ns);

  bool is_elsewhere(size_t index) const { return index >= cursor_.ends().size(); }
  const checkpoint::ClosedEnd& end_at(size_t index) const {
    const size_t closed = cursor_.ends().size();
    return index < closed ? cursor_.ends()[index] : elsewhere_[index - closed];
  }

  const Cursor& cursor_;
  const std::vector<checkpoint::ClosedEnd>& elsewhere_;
  LogReader& reader_;
  std::shared_ptr<const OpenFile> file_;
  Stage stage_ = Stage::kHead;
  size_t next_ = 0;           // Span, or of ends_.
  std::vector<size_t> ends_;  // Contents with this head, by length; see end_at().
  size_t closed_ = 0;
  bool is_empty_ = false;
  uint64_t head_ = 0;
  int64_t again_at_ns_ = 0;
  std::string buffer_;
};

}  // namespace longshore::agent
