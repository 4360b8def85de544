// Turns lines into records. All but six values of a source's envelope are constant, so the envelope
// is encoded once and copied for each record. The message comes last.
//
//   {"@timestamp":"T","log":{"file":{"path":"P"},"offset":O},"host":{"name":"H"},
//    "container":{"id":"I","name":"N","image":{"name":"G"}},"labels":{"k":"v"},
//    "longshore":{"source":"S","name":"D","start":A,"end":B[,"part":K[,"last_part":true]]
//                 [,"flags":["f"]]},
//    "message":"M"}            (format=json: "json":{...} in place of "message")
//
// Field names are those of the Elastic Common Schema (8.x). `container` and `labels` are left out
// if they are empty. A record is one line without blanks. Strings are escaped as RFC 8259 says;
// bytes that are not UTF-8 become U+FFFD and set a flag.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/declaration.h"
#include "config/ids.h"
#include "config/time_text.h"
#include "shipper/record/chunk.h"

namespace longshore::shipper {

class JsonObject;

/// Follows the source in the key of a `raw` record, which has no envelope: see record_view.h.
inline constexpr std::string_view kRawKeyEnd = "-raw";

/// The values that stay constant while a source keeps its declaration.
struct Envelope {
  SourceId source = {};
  RecordFormat format = RecordFormat::kText;
  std::string name = {};  ///< The declaration's name.
  std::string path = {};  ///< Inside the container; "stdout" or "stderr" for streams.
  std::string host_name = {};
  std::string container_id = {};  ///< Empty for files of the host: no "container" object.
  std::string container_name = {};
  std::string image = {};
  std::vector<std::pair<std::string, std::string>> labels = {};
};

/// Flags of a record, written to "flags" by name in this order.
enum RecordFlag : uint32_t {
  kFlagReplaced = 1u << 0,     ///< "replaced": some bytes were not UTF-8 and became U+FFFD.
  kFlagNotJson = 1u << 1,      ///< "not_json": format=json, but the line is not one JSON object.
  kFlagGapBefore = 1u << 2,    ///< "gap_before": an unknown number of bytes is missing before it.
  kFlagLate = 1u << 3,         ///< "late": written to a generation that was closed already.
  kFlagUnterminated = 1u << 4  ///< "unterminated": the file ended without a newline.
};

/// One line as a decoder found it; `text` excludes the newline.
struct Line {
  std::string_view text = {};
  Position start = {}, end = {};  ///< The raw bytes that this record covers.
  uint64_t offset = 0;            ///< Of `text`'s line in its file: log.offset.
  int64_t time_ns = 0;            ///< The event's time, since the epoch.
  uint32_t flags = 0;
  bool split = false;      ///< The line is too long for one record: this is one of its parts,
  uint32_t part = 0;       ///< counted from 0;
  bool last_part = false;  ///< the last one ends the line.
};

/// Thread: the lane's. One a source.
class RecordEncoder {
 public:
  explicit RecordEncoder(const Envelope& envelope);
  RecordEncoder(RecordEncoder&&) noexcept;
  RecordEncoder& operator=(RecordEncoder&&) noexcept;
  ~RecordEncoder();

  RecordFormat format() const { return format_; }

  /// Appends one record to `chunk`: value in chunk.encoded (text, json) or pointing into
  /// `line.text` (raw: REQUIRES that `line.text` lies in chunk.read or chunk.encoded), message in
  /// chunk.messages. For text and json `payload` and `key` are set by finish(), since the arena may
  /// grow until then.
  void append(const Line& line, Chunk& chunk);

  /// Sets keys, payload pointers, `_private` and value_bytes. Call it after the last append().
  void finish(Chunk& chunk);

  /// The length of the longest prefix of `text` whose record stays within `record_bytes_max`. It
  /// ends between UTF-8 characters, is text.size() if everything fits, and is never 0 for a
  /// non-empty text. The head counts at its widest. A JSON object that fits as it is written is not
  /// cut, however long it would be as a string.
  size_t fitting_prefix(std::string_view text, size_t record_bytes_max) const;

 private:
  void append_raw(std::string_view text, Chunk& chunk) const;
  void append_head(const Line& line, uint32_t flags, bool embedded, Buffer& out);

  SourceId source_;
  RecordFormat format_;
  std::string key_;
  std::string before_offset_, before_start_;  // The constant pieces.
  size_t head_bytes_max_ = 0;                 // Everything before the text.
  TimeText time_;
  std::string repaired_;              // The line, where it was not UTF-8.
  std::unique_ptr<JsonObject> json_;  // format=json only.
};

}  // namespace longshore::shipper
