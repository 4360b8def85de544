// Times as text: RFC 3339 in UTC, written and read in this one place.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace longshore {

/// "2026-11-21T04:50:00Z", from seconds since the epoch.
std::string utc_text_of_seconds(int64_t seconds);

/// "2026-11-21T04:50:00.123Z", from milliseconds since the epoch.
std::string utc_text_of_ms(int64_t ms);

/// Nanoseconds since the epoch of "2026-11-21T04:50:00.123456789Z"; decimals are optional, and
/// "+01:00" may replace "Z". Empty for any other text, and for years before 1970 or after 2200.
std::optional<int64_t> parse_rfc3339(std::string_view text);

/// Milliseconds since the epoch of a time that a person typed: RFC 3339, or only its beginning
/// ("2026-11-21", "2026-11-21 14:00"). Without an offset it is UTC; 24:00 ends a day.
std::optional<int64_t> parse_time_ms(std::string_view text);

/// Writes "2026-11-21T04:50:00.123456789Z" for one time after another. Records of the same second
/// differ only in their decimals, so the rest is kept. Thread: its owner's.
class TimeText {
 public:
  static constexpr size_t kBytes = 30;

  /// Valid until the next call.
  std::string_view at(int64_t time_ns) {
    if (time_ns != time_ns_) write(time_ns);
    return {text_.data(), text_.size()};
  }

 private:
  void write(int64_t time_ns);

  int64_t time_ns_ = std::numeric_limits<int64_t>::min();  // The time in text_.
  std::array<char, kBytes> text_{};
};

}  // namespace longshore
