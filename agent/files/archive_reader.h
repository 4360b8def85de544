// Positioned reads of a compressed log as the file that it was: offsets count unpacked bytes. What
// was unpacked last is kept from the last offset on, so reading on costs what it reads; going back
// begins at the front again. A call unpacks a bounded piece, whatever it has to pass over.
//
//   file --pread--> Decompressor --> [ window: from the last offset on ] --> caller
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "agent/files/decompressor.h"
#include "agent/files/log_file.h"
#include "config/result.h"

namespace longshore::agent {

/// Thread: its lane's. Memory: what the format needs (limits::kUnpackMemoryMax), and what one call
/// asks for.
class ArchiveReader {
 public:
  /// REQUIRES: the file is compressed.
  explicit ArchiveReader(std::shared_ptr<const OpenFile> file) : file_(std::move(file)) {}

  /// What is there at `offset`: up to `bytes`. Fewer: the log ends (total() is known), cannot be
  /// read further (broken() is set), or call again (is_pending()). Errors: kRetryable: the read
  /// failed. REQUIRES: `bytes` is at most a read's (limits.h) and its overlap.
  Result<std::string_view> read(uint64_t offset, size_t bytes);
  bool is_pending() const { return pending_; }

  /// How long the log is, once its end was seen.
  std::optional<uint64_t> total() const { return total_; }
  /// Why the bytes after the last ones cannot be had; empty: they can. A file that is cut short may
  /// still be written: its `size_bytes()` tells whether that is so.
  const std::string& broken() const { return broken_; }
  bool is_cut_short() const { return cut_short_; }
  /// Compressed bytes that were there when it was read last.
  uint64_t size_bytes() const { return size_bytes_; }
  /// Tries again where it was cut short.
  void try_again();

  const OpenFile& file() const { return *file_; }

 private:
  Status restart();
  Status unpack(size_t room);
  Result<bool> take_input();
  void fail(std::string why);
  uint64_t end() const { return begin_ + window_.size(); }

  const std::shared_ptr<const OpenFile> file_;
  std::unique_ptr<Decompressor> decompressor_;
  std::string input_;  // Compressed, from input_used_ on not yet unpacked.
  size_t input_used_ = 0;
  uint64_t input_offset_ = 0;  // In the file, after input_.
  bool input_ended_ = false;
  std::string window_;  // Unpacked, from begin_ on.
  uint64_t begin_ = 0;
  uint64_t size_bytes_ = 0;
  bool at_member_end_ = false;
  bool pending_ = false, cut_short_ = false;
  std::optional<uint64_t> total_;
  std::string broken_;
};

}  // namespace longshore::agent
