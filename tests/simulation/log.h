// A log as a simulated application writes and rotates it, and what of it must arrive in Kafka.
//
// The truth of a log is one stream of bytes a generation, append-only: what a truncation or a power
// loss took stays in it, marked as excused where no agent could have read it. Of a json-file it is
// what the application wrote: dockerd cuts that into entries.
#pragma once

#include <deque>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "config/fd.h"
#include "config/ids.h"
#include "tests/simulation/timeline.h"
#include "tests/simulation/virtual_files.h"

namespace longshore::simulation {

enum class Rotation : uint8_t {
  kNone,
  kShifted,       ///< x.1 is the newest: each rotation renames all (logrotate).
  kRising,        ///< x.1 is the oldest (log4j2, the JVM).
  kDated,         ///< x-2026112100
  kCopyTruncate,  ///< A copy is x.1; the log itself is emptied.
  kLinked,        ///< The log is a symbolic link to the newest file (glog, rotatelogs -L).
  kCompressed,    ///< As kShifted, and x.1 becomes x.1.gz.
  kRewritten,     ///< Emptied and written anew, often to the same size and with the same last line.
};

struct LogOptions {
  std::string root;       ///< Where the host's root stands.
  std::string directory;  ///< On the host.
  std::string file_name;
  Rotation rotation = Rotation::kNone;
  bool inside = false;         ///< The number or date stands before the extension: x.1.log.
  size_t kept = 100;           ///< Rotated files; the oldest is deleted beyond that.
  int64_t reopen_ns_max = 0;   ///< How long the application writes on to a renamed file.
  bool is_json = false;        ///< dockerd's json-file.
  size_t line_bytes_max = 80;  ///< Now and then a line is much longer.
  double oversized = 0;
};

struct Generation {
  struct Excused {
    size_t begin, end;
  };
  std::string bytes;
  size_t file_begin = 0;  ///< Where in `bytes` the file's present content begins.
  std::string file_name;
  uint64_t inode = 0;  ///< Of VirtualFiles.
  bool deleted = false;
  bool held_deleted = false;  ///< Deleted, but the agent had it open: excused when it dies.
  bool ever_opened = false;
  std::vector<Excused> excused;
  std::vector<size_t> cuts;      ///< Where a truncation or a power loss fell: a new segment begins.
  std::vector<size_t> run_ends;  ///< Of a json-file: where an application left half a line.
  void excuse(size_t begin) {
    if (begin < bytes.size()) excused.push_back({begin, bytes.size()});
  }
};

/// What a log tells of what it does to its directory.
class DirectoryObserver {
 public:
  virtual ~DirectoryObserver() = default;
  virtual void grown(const std::string& directory, const std::string& name) = 0;
  virtual void arrived(const std::string& directory, const std::string& name, uint32_t cookie) = 0;
  virtual void left(const std::string& directory, const std::string& name, uint32_t cookie) = 0;
  /// Whether the agent's present life has opened the file.
  virtual bool opened_in_life(uint64_t inode) const = 0;
};

/// Thread: the run's.
class Log {
 public:
  Log(LogOptions options, Timeline& timeline, VirtualFiles& files, DirectoryObserver& observer);

  SourceId source() const { return source_; }
  /// Of each name that a file of it got by rotation, as if that were a log.
  const std::set<SourceId>& rotated_sources() const { return rotated_sources_; }
  const LogOptions& options() const { return options_; }
  const std::deque<Generation>& generations() const { return generations_; }
  bool destroyed() const { return destroyed_; }
  bool lost_power() const { return lost_power_; }
  /// Whether a rotator died between copying and truncating: two copies have the same lines.
  bool copied_twice() const { return copied_twice_; }
  bool has_file() const { return has_file_; }
  /// Its application may still write to a file that was renamed.
  bool is_rotating() const { return busy_ || reopening_; }

  /// Another log's name is made of its own, or the other way: it stays.
  void set_beside() { is_beside_ = true; }

  /// Files that were rotated before anybody looked: nobody shall collect them.
  void make_history();

  /// Writes something, or goes on with what it began; opens the file if it has to.
  void write();
  void finish_line();
  /// No half line is left, not even one of an application that died.
  void end_line();
  /// Begins a rotation; the rest happens by and by.
  void rotate();
  void remove();
  /// The application dies: its descriptors close.
  void close();
  /// All of its files go, with their container.
  void remove_all();
  /// The host loses its power: what was not synced is gone or reads as zeros.
  void lose_power();

  void opened(uint64_t inode);
  void life_ended();

 private:
  void create();
  void append(const std::string& bytes);
  void append(const std::string& bytes, const std::string& truth);
  void append_entries(const std::string& text);
  void append_piece();
  std::string make_line();
  std::string make_cut_line();
  void play(std::vector<std::function<void()>> steps);
  void rename(const std::string& from, const std::string& to);
  void unlink(const std::string& name);
  void begin_shift(std::vector<std::function<void()>>& steps);
  void move_away(const std::string& to);
  void switch_over();
  void note_name(const std::string& name);
  void copy_to(const std::string& name);
  void truncate();
  void rewrite();
  void compress();
  void turn_link();
  std::string rotated_name(const std::string& part) const;
  Generation* named(const std::string& name);
  std::string path(const std::string& name) const {
    return options_.root + options_.directory + "/" + name;
  }
  void directory_changed();
  void excuse_half_line();

  const LogOptions options_;
  Timeline& timeline_;
  VirtualFiles& files_;
  DirectoryObserver& observer_;
  const SourceId source_;
  std::set<SourceId> rotated_sources_;
  std::deque<Generation> generations_;
  Fd writer_, old_writer_;  // Of the present generation, and of the renamed one before it.
  size_t old_generation_ = 0;
  int64_t born_ns_ = 0;  // When the present generation was made.
  bool has_file_ = false;
  bool reopening_ = false;  // Writes still go to the renamed file.
  bool is_beside_ = false;
  bool busy_ = false;    // A rotation is under way.
  bool copied_ = false;  // And not yet truncated.
  bool destroyed_ = false, lost_power_ = false, copied_twice_ = false;
  uint64_t script_ = 0;      // A script of an earlier life of the application stops.
  std::string unfinished_;   // The rest of a line.
  uint64_t entry_time_ = 0;  // Of the entries of one line: all have that of the first.
  uint64_t lines_ = 0;
  uint64_t rotations_ = 0;
  size_t numbered_ = 0;                 // How many rotated files have a number.
  std::deque<std::string> named_once_;  // Rotated files that keep their name; oldest first.
};

inline constexpr char kHostId[] = "host";

}  // namespace longshore::simulation
