// Into which index a record goes: a pattern of the operator's, filled in by what never changes of a
// record, for an id is unique within one index only.
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

/// The record's own day where it lies from `days_back` before `kafka_day` to one behind it, else
/// `kafka_day`: what a log says of its time must not make indices without end.
Day bounded_day(std::optional<Day> own, Day kafka_day, int days_back);

/// Immutable.
class IndexName {
 public:
  /// "logs-{topic}-{yyyy.MM.dd}": {topic} is the topic in lower case, the other braces hold yyyy,
  /// MM, dd and what stands between them. Errors: kInvalid: one sentence without the flag's name.
  static Result<IndexName> parse(std::string_view pattern);

  std::string render(std::string_view topic, Day day) const;

  /// Which names render() gives for `topic`: every date as `*`.
  std::string wildcard(std::string_view topic) const;

  /// Errors: kInvalid: what servers would say of the index of this topic.
  Status check(std::string_view topic) const;

 private:
  enum class Kind : uint8_t { kText, kTopic, kYear, kMonth, kDayOfMonth };
  struct Piece {
    Kind kind;
    std::string text;
  };

  static Status parse_braces(std::string_view inside, std::vector<Piece>& pieces);
  void add(std::string_view text);

  std::vector<Piece> pieces_;
};

}  // namespace longshore::search
