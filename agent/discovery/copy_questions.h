// Files that appeared beside a log with something in them, and may be copies of it: only the lane
// that reads the log can tell, by its marks.
//
//   LogScanner --ask()--> JudgeCopy --> lane --> CopyJudged --answer()--> LogScanner
//
// A copy is never collected. A file that is judged to be none is a log of its own; it is held open
// meanwhile, so that it can be read even if it is deleted before the answer comes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "agent/discovery/declared_log.h"
#include "agent/files/container_fs.h"
#include "agent/link/messages.h"

namespace longshore::agent {

/// A file of `log` about which a lane was asked.
struct Undecided {
  DeclaredLog* log = nullptr;
  FoundFile file;
  std::shared_ptr<const OpenFile> open;
};

/// Thread: the watch loop.
class CopyQuestions {
 public:
  enum class State : uint8_t {
    kNew,     ///< Nobody has asked, or the file has grown since.
    kAsked,   ///< The answer has not come yet.
    kCopy,    ///< It is one.
    kGrown,   ///< It holds all of the log and more, and will perhaps take its name.
    kOwnLog,  ///< It is none.
  };
  State state_of(const FoundFile& file, Stream stream, int64_t now_ns);
  /// What a file of state kOwnLog begins with that was shipped as a part of another log.
  uint64_t shipped_bytes(const checkpoint::FileIdentity& file, Stream stream) const;

  /// REQUIRES: its state is kNew.
  void ask(Undecided about);
  /// Returns the file if it is a log of its own, and has to be opened now.
  std::optional<Undecided> answer(const CopyJudged& judged, int64_t now_ns);
  /// Whether an answer about a file of `log` is to come.
  bool is_asked(const DeclaredLog& log) const;

  /// How many answers are to come.
  size_t asked() const { return asked_; }
  /// Whether files are known that may have grown without an event.
  bool any() const { return !files_.empty(); }

 private:
  struct File {
    State state = State::kAsked;
    uint64_t size_bytes = 0;     // When it was judged.
    uint64_t shipped_bytes = 0;  // Of State::kGrown: read of the log that it is a copy of.
    int64_t since_ns = 0;        // In this state (monotonic).
    std::optional<Undecided> undecided;
  };
  using Key = std::pair<checkpoint::FileIdentity, Stream>;

  void make_room();

  std::map<Key, File> files_;
  size_t asked_ = 0;
};

}  // namespace longshore::agent
