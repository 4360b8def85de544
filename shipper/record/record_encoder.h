// Lines become records here. The envelope of a source is constant but for six values, so it is
// encoded once and copied; the message stands last, so that nothing after it must be known first.
//
//   {"@timestamp":"T","log":{"file":{"path":"P"},"offset":O},"host":{"name":"H"},
//    "container":{"id":"I","name":"N","image":{"name":"G"}},"labels":{"k":"v"},
//    "longshore":{"source":"S","name":"D","start":A,"end":B[,"part":K[,"last_part":true]]
//                 [,"flags":["f"]]},
//    "message":"M"}            (format=json: "json":{...} in place of "message")
//
// Names are the Elastic Common Schema's (8.x); `container` and `labels` are left out where empty.
// It is one line without blanks. Strings are escaped by RFC 8259, bytes that are not UTF-8 become
// U+FFFD and set a flag.
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

/// What is constant for a source while its declarer stays the same.
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

/// Flags of a record; their names stand in "flags" in this order.
enum RecordFlag : uint32_t {
  kFlagReplaced = 1u << 0,     ///< "replaced": bytes that are not UTF-8 became U+FFFD.
  kFlagNotJson = 1u << 1,      ///< "not_json": format=json, but the line is not one JSON object.
  kFlagGapBefore = 1u << 2,    ///< "gap_before": bytes of unknown number are missing before it.
  kFlagLate = 1u << 3,         ///< "late": written to a generation that was closed already.
  kFlagUnterminated = 1u << 4  ///< "unterminated": the line had no newline when its file ended.
};

/// One line as a decoder found it: `text` without its newline.
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

  /// Sets keys, payload pointers, `_private` and value_bytes of all messages, once a chunk is full.
  void finish(Chunk& chunk);

  /// The length of the longest prefix of `text` whose record stays within `record_bytes_max`, cut
  /// between UTF-8 characters where it is UTF-8; text.size() when all of it fits; never 0 for a
  /// non-empty text. The head is counted at its widest. A JSON object that fits as it stands is not
  /// cut, whatever it would take as a string.
  size_t fitting_prefix(std::string_view text, size_t record_bytes_max) const;

 private:
  void append_raw(std::string_view text, Chunk& chunk) const;
  void append_head(const Line& line, uint32_t flags, bool embedded, Buffer& out);

  SourceId source_;
  RecordFormat format_;
  std::string key_;
  std::string before_offset_, before_start_;  // The constant pieces.
  size_t head_bytes_max_ = 0;                 // Of all that stands before the text.
  TimeText time_;
  std::string repaired_;              // The line, where it was not UTF-8.
  std::unique_ptr<JsonObject> json_;  // format=json only.
};

}  // namespace longshore::shipper
