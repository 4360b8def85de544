// Compares the stream that a source's records make with the files it should be, byte for byte,
// while the records come.
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

/// Several files as one stream, read forward once. Thread: one. Memory: one buffer of 256 KiB.
class FileChain {
 public:
  /// Errors: kNotFound, naming the file that cannot be read.
  static Result<FileChain> open(std::vector<std::string> paths);

  /// Bytes at the current place: at least `bytes` of them unless the chain ends before.
  std::string_view peek(size_t bytes);
  void skip(size_t bytes);
  uint64_t position() const { return position_; }
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

/// Thread: one. Passive but for reading its files.
class StreamCompare {
 public:
  explicit StreamCompare(FileChain files) : files_(std::move(files)) {}

  /// Takes the next record of the source. Text whose bytes the agent had to replace is compared
  /// with the file's bytes replaced in the same way; blanks around an embedded object, which a
  /// record does not keep, are passed over.
  void add(const shipper::RecordView& record);

  /// After the last record: empty when equal, else one sentence on the first difference.
  std::string finish();
  uint64_t bytes_compared() const { return files_.position(); }

 private:
  void match(std::string_view expected);
  void match_replaced(const shipper::RecordView& record);
  void pass_blanks();
  void differ(std::string_view stream);

  FileChain files_;
  std::string difference_;
  std::string line_, repaired_;
};

}  // namespace longshore::audit
