// The names of an archive. A file holds a contiguous range of the offsets of one partition, as
// lines in their order, and its name says which:
//
//   topic=logs/date=2026-11-21/hour=14/logs+3+10500+20999.jsonl.zst
//                                      topic, partition, first and last offset
//
// A file begins where the one before ends, plus one, so the names of a partition tile it: offsets
// without a record (marks of transactions, aborted ones) belong to the file behind them. Topics
// hold no '+', and no character here is refused by HDFS.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"

namespace longshore::archive {

enum class Codec : uint8_t { kNone, kGzip, kZstd };

/// "zstd", "gzip", "none". Errors: kInvalid.
Result<Codec> parse_codec(const std::string& text);

struct ArchiveName {
  std::string topic;
  int32_t partition = 0;
  int64_t first = 0, last = 0;
  Codec codec = Codec::kZstd;
  auto operator<=>(const ArchiveName&) const = default;
};

std::string to_string(const ArchiveName& name);
/// Empty when `text` is no such name.
std::optional<ArchiveName> parse_archive_name(std::string_view text);

/// Whole hours since the Unix epoch, UTC.
struct Hour {
  int64_t number = 0;
  auto operator<=>(const Hour&) const = default;
};
Hour hour_of_ms(int64_t ms);

/// Where in the archive the files of an hour lie: folders of literals, {topic}, {yyyy}, {MM}, {dd},
/// {HH}, or several dashed together as {yyyy-MM-dd}.
class Layout {
 public:
  static constexpr char kUsual[] = "topic={topic}/date={yyyy-MM-dd}/hour={HH}";

  /// Errors: kInvalid: an unknown word, a folder that is empty or hidden.
  static Result<Layout> parse(const std::string& text);

  std::string folder(const std::string& topic, Hour hour) const;

  /// What the folders passed so far say of the files below.
  struct Known {
    std::optional<std::string> topic;
    std::optional<int> year, month, day, hour;

    /// The first and the last hour that they can be of; empty values are open.
    Hour earliest() const, latest() const;
  };
  /// What folder `name`, at `depth`, adds to `known`; empty when it is none of this layout.
  std::optional<Known> match(size_t depth, std::string_view name, const Known& known) const;
  size_t depth() const { return folders_.size(); }

 private:
  std::vector<std::string> folders_;
};

}  // namespace longshore::archive
