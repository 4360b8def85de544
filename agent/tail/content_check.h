// Whether the bytes before the offset are still those that were read. The overlap alone proves
// nothing: a file that is written anew may have the same size and the same last bytes.
//
//   stamp (size, mtime, ctime)          compared, beside the overlap
//   unchanged                           nothing
//   larger, or it was written to        the head; all of a small file, else some spans, in turn
//   where nothing is read yet
//   changed, and not larger             all spans that are marked, a piece a turn
//
// The stamp is taken before the bytes are read and compared, so that a later change shows in the
// next one. A stamp as young as a tick of the file system's clock may hide a change: then the head
// and small files are compared once more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "agent/tail/cursor.h"
#include "checkpoint/file_identity.h"

namespace longshore::agent {

/// Thread: its lane's.
class ContentCheck {
 public:
  explicit ContentCheck(Cursor& cursor) : cursor_(cursor) {}

  enum class Found : uint8_t {
    kSame,       ///< What was read after `facts` follows what the cursor has read.
    kRewritten,  ///< The file holds something else; it stays so until forget().
    kLookAgain,  ///< More has to be compared, at look_again_at_ns().
  };
  /// `facts` of the cursor's file `fd`, taken before its bytes were read.
  Found look(int fd, const checkpoint::FileFacts& facts, int64_t now_ns, int64_t wall_ns);
  int64_t look_again_at_ns() const { return not_before_ns_; }

  /// The cursor went elsewhere.
  void forget();

 private:
  Found compare_all(int fd, int64_t now_ns, int64_t wall_ns);
  Found compare_some(int fd, const checkpoint::FileStamp& stamp, bool grown, int64_t now_ns,
                     int64_t wall_ns);
  std::vector<size_t> some_spans(const checkpoint::MarkList& marks, bool grown, int64_t now_ns);
  Found compare_head(int fd, const checkpoint::FileStamp& stamp, int64_t wall_ns);

  // A comparison of all spans that goes on over several turns.
  struct Whole {
    checkpoint::FileStamp stamp;  // When it began.
    size_t next_span = 0;
  };

  Cursor& cursor_;
  std::unique_ptr<Whole> whole_;
  int64_t not_before_ns_ = 0;
  int64_t sampled_ns_ = 0;  // When spans were compared last; 0: not in this life of the agent.
  uint32_t turn_ = 0;
  bool rewritten_ = false;
};

}  // namespace longshore::agent
