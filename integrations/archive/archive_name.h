// The names of an archive. A file holds a contiguous range of offsets of one partition, as lines in
// order, and its name tells which:
//
//   topic=logs/date=2026-11-21/hour=14/logs+3+10500+20999+10400.jsonl.zst
//                                      topic, partition, first and last offset, lines
//
// Each file begins at the offset after the end of the one before, so the files of a partition tile
// it: offsets without a record (transaction markers, aborted records) belong to the file that spans
// them. The number of lines proves that a file was not cut off. Files of older versions have none.
//
// A topic that was deleted and made anew begins again at offset 0. Its files are those of the next
// generation of each partition: "logs+3.2+0+99+100.jsonl.zst" is of partition 3, generation 2.
//
// Topic names contain no '+' and no '~', and HDFS accepts all characters used here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"

namespace longshore::archive {

enum class Codec : uint8_t { kNone, kGzip, kZstd };

struct ArchiveName {
  std::string topic;
  int32_t partition = 0;
  int32_t generation = 1;
  int64_t first = 0, last = 0;
  std::optional<int64_t> lines = {};
  Codec codec = Codec::kZstd;
  auto operator<=>(const ArchiveName&) const = default;
};

/// How names of files and folders show a topic: a name over kTopicShownBytesMax is cut, and
/// completed by a hash of all of it, because file systems allow 255 bytes.
std::string shown_topic(const std::string& topic);

/// "3", or "3.2" for generation 2.
std::string shown_partition(int32_t partition, int32_t generation);

std::string to_string(const ArchiveName& name);
/// Empty if `text` is not such a name.
std::optional<ArchiveName> parse_archive_name(std::string_view text);

/// Whole hours since the Unix epoch, UTC.
struct Hour {
  int64_t number = 0;
  auto operator<=>(const Hour&) const = default;
};
Hour hour_of_ms(int64_t ms);

/// The folders of an hour's files: literal text, {topic}, {yyyy}, {MM}, {dd}, {HH}, or several of
/// these with dashes, as in {yyyy-MM-dd}.
class Layout {
 public:
  static constexpr char kUsual[] = "topic={topic}/date={yyyy-MM-dd}/hour={HH}";

  /// Errors: kInvalid: an unknown word, a folder that is empty or hidden.
  static Result<Layout> parse(const std::string& text);

  std::string folder(const std::string& topic, Hour hour) const;

  /// What the names of the folders above tell about a file.
  struct Known {
    std::optional<std::string> topic;
    std::optional<int> year, month, day, hour;

    /// The first and the last hour that the file can belong to.
    Hour earliest() const, latest() const;
  };
  /// Adds what folder `name` at `depth` tells to `known`; empty if it does not match the layout.
  std::optional<Known> match(size_t depth, std::string_view name, const Known& known) const;
  size_t depth() const { return folders_.size(); }

 private:
  std::vector<std::string> folders_;
};

}  // namespace longshore::archive
