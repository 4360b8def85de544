// Looks through a record once before a search service sees it. Valid JSON can still be too much for
// a service: 1,000 levels stop an OpenSearch node, a name that occurs twice or a number of 1,000
// digits spoils the document, and long paths above many values multiply what is stored.
//
//   {"@timestamp":T, ..., "longshore":{...}, "json":{...}}
//                 |                   |            |
//                 time                own          json: bounded by itself
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

namespace longshore::search {

/// A JSON object of this size or more is stored as text under `message`: servers refuse a value of
/// 32,766 bytes in a flattened field, and one record must not fill an index with names.
inline constexpr size_t kJsonBytesMax = 32'000;
inline constexpr size_t kJsonDepthMax = 64;  ///< Objects and arrays inside one another.
inline constexpr size_t kJsonNamesMax = 2'000;
inline constexpr size_t kJsonNumberBytesMax = 64;
inline constexpr size_t kJsonExponentDigitsMax = 3;
/// The sum over all values of the names above each: a flattened field stores them with the value.
inline constexpr size_t kJsonPathBytesMax = 256 << 10;

/// Why JSON is not handed to the service as JSON.
enum class JsonFault : uint8_t {
  kNone,
  kMalformed,
  kDepth,
  kNames,
  kNumber,
  kTwice,
  kPaths,
  kSize
};

/// The word that documents carry: "depth", "names", "number", "duplicate_name", "paths", "size" or
/// "malformed"; empty for kNone.
std::string_view to_string(JsonFault fault);

/// A field of the record's outermost object: `"name":value`. Not there: `end` is 0.
struct ScannedField {
  size_t name = 0;            ///< Of its first quote.
  size_t begin = 0, end = 0;  ///< Of the value.
};

struct ScannedRecord {
  ScannedField time, own, json;
  JsonFault inside = JsonFault::kNone;   ///< Of the value of "json".
  JsonFault outside = JsonFault::kNone;  ///< Of all the rest.
};

/// Thread: one. Keeps its memory.
class RecordScan {
 public:
  /// Strings are not unescaped or checked, other than names with an escape.
  ScannedRecord scan(std::string_view record);

 private:
  JsonFault walk_value(size_t depth, size_t path);
  JsonFault walk_object(size_t depth, size_t path);
  JsonFault walk_array(size_t depth, size_t path);
  JsonFault walk_number();
  JsonFault walk_json();
  JsonFault add_name(size_t begin, size_t end);
  JsonFault note_field(size_t name, size_t name_end);
  JsonFault add_leaf(size_t path);
  bool names_differ(size_t first);
  bool skip_string();
  bool skip_word();
  bool skip_balanced();
  void skip_blanks();
  bool take(char c);
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  std::string_view text_;
  size_t at_ = 0;
  size_t names_seen_ = 0, path_bytes_ = 0;
  ScannedRecord found_;
  std::vector<std::string_view> names_;  // Of the objects that are open.
  std::deque<std::string> unescaped_;    // What some of them stand in.
};

}  // namespace longshore::search
