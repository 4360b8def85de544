// Bytes that were written to a generation after it was closed: by a worker that kept the old file
// open, for one. They are shipped as soon as they are seen, at the position where the stream stands
// then, and their records have the flag `late`.
//
//   closed file  [ ... read ... ] end [ late ]
//   stream       ... current generation ... | late | ... current generation goes on ...
//
// A closed file is watched for a while. After a restart, and whenever it finds one larger than it
// was, discovery offers it again.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/decode/decoder.h"
#include "agent/files/log_reader.h"
#include "agent/tail/cursor.h"
#include "agent/tail/read_window.h"

namespace longshore::agent {

/// Thread: its lane's.
class LateWrites {
 public:
  LateWrites(Cursor& cursor, LogReader& reader, int64_t quiet_ns)
      : cursor_(cursor), reader_(reader), quiet_ns_(quiet_ns) {}

  /// The generation `closed` is watched in `file`, which may be a compressed copy of it. `now_ns`
  /// may be 0: the time of the first look counts.
  void watch(std::shared_ptr<const OpenFile> file, const checkpoint::FileIdentity& closed,
             int64_t now_ns);
  /// Whether it is time to look.
  bool is_due(int64_t now_ns) const { return !files_.empty() && now_ns >= next_look_ns_; }

  struct Read {
    bool moved = false;       ///< The cursor has moved; perhaps there are records.
    int64_t again_at_ns = 0;  ///< When to look again although nothing happens; 0: never.
  };
  /// Reads some of what came late, at most one chunk. Errors: kRetryable; nothing moved.
  Result<Read> read(Decoder& decoder, shipper::Chunk& chunk, shipper::RecordEncoder& encoder,
                    int64_t now_ns, int64_t wall_ns);
  void give_up(const checkpoint::FileIdentity& file);
  void rewind() { next_look_ns_ = 0; }

 private:
  struct File {
    std::shared_ptr<const OpenFile> open;
    checkpoint::FileIdentity closed;
    int64_t until_ns = 0;
    uint64_t seen_bytes = 0;  // When an unterminated line was met,
    int64_t seen_ns = 0;      // and since when it waits for its end.
    bool done = false;
  };
  Result<Read> read_file(File& file, Decoder& decoder, shipper::Chunk& chunk,
                         shipper::RecordEncoder& encoder, int64_t now_ns, int64_t wall_ns);
  DecodeState decode(Window window, uint64_t offset, Decoder& decoder, shipper::Chunk& chunk,
                     shipper::RecordEncoder& encoder) const;
  bool is_over(File& file, const checkpoint::FileFacts& facts, int64_t now_ns) const;

  Cursor& cursor_;
  LogReader& reader_;
  const int64_t quiet_ns_;
  std::vector<File> files_;
  ReadWindow window_;
  int64_t next_look_ns_ = 0;
};

}  // namespace longshore::agent
