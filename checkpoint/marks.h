// Marks prove that a file's bytes before a position are still those that were read.
//
//   file:   [.....forgotten.....][ mark ][ mark ][ mark ][tail mark]^ position
//
// Each mark is the XXH3-64 of one span of the file, at most kMarkSpanBytes long; the spans meet and
// end at the position. The newest kMarksMax are kept (16 MiB), so that a file which lost its
// unsynced end in a power cut is resumed at the longest prefix that the marks still prove.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"

namespace longshore::checkpoint {

struct Mark {
  uint64_t end = 0;   ///< File offset just behind the span; it begins where its predecessor ends.
  uint64_t hash = 0;  ///< XXH3-64 of the span's bytes.
  bool operator==(const Mark&) const = default;
};

/// Marks as stored: `begin` is the file offset where the first span begins.
struct MarkList {
  uint64_t begin = 0;
  std::vector<Mark> marks;
  bool operator==(const MarkList&) const = default;

  uint64_t end() const { return marks.empty() ? begin : marks.back().end; }

  /// Bytes for the database, little-endian: begin u64, then end u64 and hash u64 a mark.
  std::string encode() const;
  static Result<MarkList> decode(std::string_view bytes);
};

/// Takes the consumed bytes of one file as they are read. Copyable: a rewind restores a copy.
/// Thread: its lane's. The hash state (0.6 KB) exists only while a span of more than a few bytes
/// is open.
class Marker {
 public:
  Marker();
  explicit Marker(MarkList list);

  /// Starts at `offset` of a file with nothing known before it.
  void reset(uint64_t offset);

  /// REQUIRES: `bytes` follow what was added before without a gap.
  void add(std::string_view bytes);

  /// The marks up to here, the open span included as the last one. Does not close the span.
  MarkList list() const;

  uint64_t end() const;

  Marker(const Marker& other);
  Marker& operator=(const Marker& other);
  Marker(Marker&&) noexcept;
  Marker& operator=(Marker&&) noexcept;
  ~Marker();

 private:
  struct OpenSpan;
  MarkList list_;                   // Closed spans.
  std::unique_ptr<OpenSpan> open_;  // Null between spans.
};

/// How far `fd` still holds what the marks say: the offset of the end of the longest proven prefix,
/// `list.begin` when not even the first span matches. Equal to list.end() when all is as it was.
/// Errors: kRetryable when a read fails.
Result<uint64_t> proven_prefix(int fd, const MarkList& list);

}  // namespace longshore::checkpoint
