// Compares the stream of a source's records with the files that it was collected from, byte for
// byte and record by record.
//
//   records --add()--> message, "\n", message, "\n", ...  ==  file 1, file 2, ...
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "config/fd.h"
#include "config/result.h"
#include "shipper/record/record_view.h"

namespace longshore::audit {

/// Several files as one stream, read once. Thread: one. Memory: one buffer of 256 KiB.
class FileChain {
 public:
  /// Errors: kNotFound: a file cannot be read.
  static Result<FileChain> open(std::vector<std::string> paths);

  /// Bytes at the current place: at least `bytes` of them, unless the chain ends earlier.
  std::string_view peek(size_t bytes);
  void skip(size_t bytes);
  uint64_t position() const { return position_; }
  /// Whether the current place is the beginning of a file.
  bool at_file_begin() const;
  /// "path:offset" of the current place.
  std::string place() const;
  /// Bytes from here to the end.
  uint64_t remaining() const { return size_ - position_; }

 private:
  struct File {
    std::string path;
    uint64_t begin = 0;  // In the stream.
  };
  void refill();

  std::vector<File> files_;
  size_t next_ = 0;  // The file to open next.
  Fd fd_;
  std::string buffer_;
  size_t used_ = 0;
  uint64_t position_ = 0, size_ = 0;
};

/// Thread: one. Passive, except that it reads its files.
class StreamCompare {
 public:
  explicit StreamCompare(FileChain files) : files_(std::move(files)) {}

  /// Compares the next record of the source. If the agent replaced invalid bytes of the text, the
  /// file's bytes are replaced in the same way first. What a record does not keep is skipped: white
  /// space around an embedded object, a '\r' before the newline, a byte order mark at the beginning
  /// of a file, and NULs before a line (agent/decode/decoder.h).
  void add(const shipper::RecordView& record);

  /// Call after the last record: empty if equal, else one sentence about the first difference.
  std::string finish();
  uint64_t bytes_compared() const { return files_.position(); }

 private:
  void match(std::string_view expected);
  void match_replaced(const shipper::RecordView& record);
  void pass_blanks();
  void pass_line_end();
  void pass_not_text();
  void differ(std::string_view stream);

  FileChain files_;
  std::string difference_;
  std::string line_, repaired_;
};

}  // namespace longshore::audit
