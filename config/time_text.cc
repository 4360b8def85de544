#include "config/time_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <iterator>

namespace longshore {
namespace {

using std::chrono::year_month_day;

constexpr std::string_view kShape = "0000-00-00T00:00:00";
constexpr int64_t kSecondsPerDay = 86'400;
constexpr int64_t kSecondNs = 1'000'000'000;

int64_t floor_divide(int64_t number, int64_t by) { return number / by - (number % by < 0 ? 1 : 0); }

// "2026-11-21T04:50:00"
template <typename Out>
Out write_seconds(int64_t seconds, Out out) {
  const int64_t day = floor_divide(seconds, kSecondsPerDay);
  const int64_t rest = seconds - day * kSecondsPerDay;
  const year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  return fmt::format_to(out, "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", int(date.year()),
                        unsigned(date.month()), unsigned(date.day()), rest / 3600, rest / 60 % 60,
                        rest % 60);
}

bool read_number(std::string_view text, size_t at, size_t digits, int& number) {
  number = 0;
  if (at + digits > text.size()) return false;
  for (const char c : text.substr(at, digits)) {
    if (c < '0' || c > '9') return false;
    number = number * 10 + (c - '0');
  }
  return true;
}

// "Z", "+hh:mm" or "-hh:mm".
bool read_offset(std::string_view text, int64_t& seconds) {
  seconds = 0;
  if (text == "Z" || text == "z") return true;
  int hours = 0, minutes = 0;
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':' ||
      !read_number(text, 1, 2, hours) || !read_number(text, 4, 2, minutes)) {
    return false;
  }
  seconds = (hours * 60 + minutes) * 60;
  if (text[0] == '-') seconds = -seconds;
  return true;
}

struct Moment {
  int64_t seconds = 0, ns = 0;
};

bool read_rfc3339(std::string_view text, int hour_max, Moment& moment) {
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0;
  if (!read_number(text, 0, 4, year) || !read_number(text, 5, 2, month) ||
      !read_number(text, 8, 2, day) || !read_number(text, 11, 2, hour) ||
      !read_number(text, 14, 2, minute) || !read_number(text, 17, 2, second) || text[4] != '-' ||
      text[7] != '-' || text[10] != 'T' || text[13] != ':' || text[16] != ':') {
    return false;
  }
  const year_month_day date{std::chrono::year(year), std::chrono::month(unsigned(month)),
                            std::chrono::day(unsigned(day))};
  // A leap second is the 60th.
  if (!date.ok() || hour > hour_max || minute > 59 || second > 60) return false;
  size_t at = kShape.size();
  moment.ns = 0;
  if (at < text.size() && text[at] == '.') {
    const size_t first = ++at;
    for (int64_t unit = kSecondNs / 10; at < text.size() && text[at] >= '0' && text[at] <= '9';
         ++at, unit /= 10) {
      moment.ns += unit * (text[at] - '0');
    }
    if (at == first) return false;
  }
  int64_t offset = 0;
  if (!read_offset(text.substr(at), offset)) return false;
  moment.seconds = std::chrono::sys_days(date).time_since_epoch().count() * kSecondsPerDay +
                   hour * 3600 + minute * 60 + second - offset;
  return true;
}

// Completes the beginning of a time to RFC 3339; what cannot be completed stays wrong.
std::string completed(std::string_view text) {
  constexpr size_t kDateBytes = 10, kHourBytes = 13, kMinuteBytes = 16;
  const size_t zone_at = std::min(text.find_first_of("Zz+-", kDateBytes), text.size());
  const std::string_view zone = text.substr(zone_at);
  std::string whole(text.substr(0, zone_at));
  const size_t bytes = whole.size();
  if ((bytes == kDateBytes && zone.empty()) || bytes == kHourBytes || bytes == kMinuteBytes) {
    whole += kShape.substr(bytes);
  }
  if (whole.size() > kDateBytes && whole[kDateBytes] == ' ') whole[kDateBytes] = 'T';
  whole += zone.empty() ? "Z" : zone;
  if (zone.size() == 3) whole += ":00";
  return whole;
}

}  // namespace

std::string utc_text_of_seconds(int64_t seconds) {
  std::string text;
  write_seconds(seconds, std::back_inserter(text));
  return text + 'Z';
}

std::string utc_text_of_ms(int64_t ms) {
  const int64_t seconds = floor_divide(ms, 1000);
  std::string text;
  write_seconds(seconds, std::back_inserter(text));
  fmt::format_to(std::back_inserter(text), ".{:03}Z", ms - seconds * 1000);
  return text;
}

std::optional<int64_t> parse_rfc3339(std::string_view text) {
  Moment moment;
  if (!read_rfc3339(text, 23, moment)) return std::nullopt;
  constexpr int64_t kEndOf2200 = 7'289'654'400;
  if (moment.seconds < 0 || moment.seconds >= kEndOf2200) return std::nullopt;
  return moment.seconds * kSecondNs + moment.ns;
}

std::optional<int64_t> parse_time_ms(std::string_view text) {
  Moment moment;
  if (!read_rfc3339(text, 24, moment) && !read_rfc3339(completed(text), 24, moment))
    return std::nullopt;
  return moment.seconds * 1000 + moment.ns / 1'000'000;
}

void TimeText::write(int64_t time_ns) {
  const int64_t second = floor_divide(time_ns, kSecondNs);
  if (second != floor_divide(time_ns_, kSecondNs)) {
    *write_seconds(second, text_.data()) = '.';
    text_.back() = 'Z';
  }
  auto rest = static_cast<uint64_t>(time_ns - second * kSecondNs);
  for (size_t i = text_.size() - 2; i > kShape.size(); --i, rest /= 10) {
    text_[i] = static_cast<char>('0' + rest % 10);
  }
  time_ns_ = time_ns;
}

}  // namespace longshore
