// Marks prove that a file's bytes before an offset are still those that were read.
//
//   file:   [.....forgotten.....][ mark ][ mark ][ mark ][last mark]^ offset
//
// Each mark is the XXH3-64 of one span of the file, at most kMarkSpanBytes long. The spans are
// adjacent and end at the offset. The newest kMarksMax are kept (16 MiB), so that a file that lost
// its unsynced end in a power cut is resumed at the end of the longest prefix they still prove.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"

namespace longshore::checkpoint {

struct Mark {
  uint64_t end = 0;   ///< File offset after the span, which begins where its predecessor ends.
  uint64_t hash = 0;  ///< XXH3-64 of the span's bytes.
  bool operator==(const Mark&) const = default;
};

/// Marks as stored: `begin` is the file offset where the first span begins.
struct MarkList {
  uint64_t begin = 0;
  std::vector<Mark> marks;
  uint64_t head = 0;  ///< head_hash() of the file up to end(); 0: not known.
  bool operator==(const MarkList&) const = default;

  uint64_t end() const { return marks.empty() ? begin : marks.back().end; }

  /// Bytes for the database, little-endian: begin u64, then end u64 and hash u64 for each mark. The
  /// head stands elsewhere (state_columns.cc).
  std::string encode() const;
  static Result<MarkList> decode(std::string_view bytes);
};

/// A span that ends where a reader stopped for a moment, within the span of a mark.
struct Span {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t hash = 0;
};

/// Marks the bytes of one file as they are consumed. The hash state (0.6 KB) exists only while a
/// span of more than a few bytes is open. Thread: its lane's.
class Marker {
 public:
  Marker();
  explicit Marker(MarkList list);

  /// Starts at `offset` of a file; nothing before it is marked.
  void reset(uint64_t offset);
  /// Goes on at `offset` of the same file: of what stands before it, only the head stays marked.
  void skip(uint64_t offset);
  void set_head(uint64_t hash) { list_.head = hash; }

  /// REQUIRES: `bytes` follow the bytes added before without a gap.
  void add(std::string_view bytes);

  /// The marks up to here; the open span is the last one and stays open.
  MarkList list() const;

  uint64_t end() const;
  /// The span that is open; empty between spans.
  std::optional<Span> open_span() const;

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

/// XXH3-64, never 0.
uint64_t content_hash(std::string_view bytes);
/// The hash of the first `bytes` of a file, at most kHeadBytes, which are kept marked when their
/// span is forgotten: a log that is written anew begins with another time or another id. Errors:
/// kRetryable.
Result<uint64_t> head_hash(int fd, uint64_t bytes);

/// Whether `fd` still holds the spans `which` of `list` (indexes). Errors: kRetryable.
Result<bool> holds_spans(int fd, const MarkList& list, std::span<const size_t> which);

/// The end of the longest prefix of `fd` that still matches its marks: `list.end()` if all spans
/// match, `list.begin` if not even the first one does. Errors: kRetryable when a read fails.
Result<uint64_t> proven_prefix(int fd, const MarkList& list);

/// What was read of the beginning of a file that may have been truncated since.
struct Beginning {
  MarkList marks;
  std::vector<Span> recent;  ///< Ends of the last reads.
};

/// Whether the `size_bytes` of `fd` are the first ones of what was read, as far as the ends of
/// reads tell: what stands after the last one of them that `fd` holds is not compared.
bool holds_beginning(int fd, uint64_t size_bytes, const Beginning& read);

}  // namespace longshore::checkpoint
