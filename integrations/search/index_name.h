// The index of a record: the operator's pattern, filled in from what never changes about a record,
// because an id is unique only within one index.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"

namespace longshore::search {

using Day = std::chrono::sys_days;

Day day_of_ms(int64_t since_epoch_ms);

/// The record's own day if it is between `days_back` days before and one day after `kafka_day`,
/// else `kafka_day`: wrong times in a log must not create any number of indices.
Day bounded_day(std::optional<Day> own, Day kafka_day, int days_back);

/// Immutable.
class IndexName {
 public:
  /// "longshore-{topic}-{yyyy.MM.dd}": {topic} is the topic in lower case; other braces hold yyyy,
  /// MM, dd and any text between them. Errors: kInvalid: one sentence without the flag's name.
  static Result<IndexName> parse(std::string_view pattern);

  std::string render(std::string_view topic, Day day) const;

  /// The names that render() gives for `topic`, with `*` for the date.
  std::string wildcard(std::string_view topic) const;

  /// Whether render() may have given `name` for `topic` and some day.
  bool gives(std::string_view name, std::string_view topic) const;

  /// Whether the last day of an index can be told from its name: it holds the year, and the month
  /// if it holds the day.
  bool is_dated() const;

  /// Whether the name depends on the day.
  bool has_date() const;

  /// The last day whose records of `topic` go into the index `name`; nothing if render() gives that
  /// name for no day. REQUIRES: is_dated().
  std::optional<Day> last_day(std::string_view topic, std::string_view name) const;

  /// Whether servers accept the index names of this topic. Errors: kInvalid.
  Status check(std::string_view topic) const;

 private:
  enum class Kind : uint8_t { kText, kTopic, kYear, kMonth, kDayOfMonth };
  struct Piece {
    Kind kind;
    std::string text;
  };

  static Status parse_braces(std::string_view inside, std::vector<Piece>& pieces);
  void add(std::string_view text);
  bool has(Kind kind) const;

  std::vector<Piece> pieces_;
};

}  // namespace longshore::search
