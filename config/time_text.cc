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

// The same into `at`, for years of four digits: a line may have a second of its own.
void write_second(int64_t seconds, char* at) {
  const int64_t day = floor_divide(seconds, kSecondsPerDay);
  const auto rest = static_cast<unsigned>(seconds - day * kSecondsPerDay);
  const year_month_day date{std::chrono::sys_days(std::chrono::days(day))};
  const auto year = static_cast<unsigned>(int(date.year()));
  std::copy(kShape.begin(), kShape.end(), at);
  const auto two_digits_at = [at](size_t place, unsigned number) {
    at[place] = static_cast<char>('0' + number / 10);
    at[place + 1] = static_cast<char>('0' + number % 10);
  };
  two_digits_at(0, year / 100);
  two_digits_at(2, year % 100);
  two_digits_at(5, unsigned(date.month()));
  two_digits_at(8, unsigned(date.day()));
  two_digits_at(11, rest / 3600);
  two_digits_at(14, rest / 60 % 60);
  two_digits_at(17, rest % 60);
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// The number that two digits form; more than 99 if they are not digits.
unsigned two_digits(const char* at) {
  const unsigned tens = static_cast<unsigned char>(at[0]) - unsigned{'0'};
  const unsigned ones = static_cast<unsigned char>(at[1]) - unsigned{'0'};
  return tens < 10 && ones < 10 ? tens * 10 + ones : 100;
}

// "Z", "+hh:mm" or "-hh:mm".
bool read_offset(std::string_view text, int64_t& seconds) {
  seconds = 0;
  if (text.size() == 1) return text[0] == 'Z' || text[0] == 'z';
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') return false;
  const unsigned hours = two_digits(text.data() + 1), minutes = two_digits(text.data() + 4);
  if (hours > 99 || minutes > 99) return false;
  seconds = (hours * 60 + minutes) * 60;
  if (text[0] == '-') seconds = -seconds;
  return true;
}

struct Moment {
  int64_t seconds = 0, ns = 0;
};

// Every line of a container's log has a time, so this runs once for each line.
bool read_rfc3339(std::string_view text, unsigned hour_max, Moment& moment) {
  if (text.size() <= kShape.size()) return false;
  const char* const begin = text.data();
  if (begin[4] != '-' || begin[7] != '-' || begin[10] != 'T' || begin[13] != ':' ||
      begin[16] != ':') {
    return false;
  }
  const unsigned century = two_digits(begin), of_century = two_digits(begin + 2);
  const unsigned month = two_digits(begin + 5), day = two_digits(begin + 8);
  const unsigned hour = two_digits(begin + 11), minute = two_digits(begin + 14);
  const unsigned second = two_digits(begin + 17);
  const year_month_day date{std::chrono::year(int(century * 100 + of_century)),
                            std::chrono::month(month), std::chrono::day(day)};
  // A leap second is the 60th.
  if (century > 99 || of_century > 99 || !date.ok() || hour > hour_max || minute > 59 ||
      second > 60) {
    return false;
  }
  size_t at = kShape.size();
  moment.ns = 0;
  if (text[at] == '.') {
    const size_t first = ++at, end = std::min(first + 9, text.size());
    for (; at < end && is_digit(text[at]); ++at) moment.ns = moment.ns * 10 + (text[at] - '0');
    if (at == first) return false;
    for (size_t have = at - first; have < 9; ++have) moment.ns *= 10;
    while (at < text.size() && is_digit(text[at])) ++at;  // Finer than a nanosecond.
  }
  int64_t offset = 0;
  if (!read_offset(text.substr(at), offset)) return false;
  moment.seconds = std::chrono::sys_days(date).time_since_epoch().count() * kSecondsPerDay +
                   hour * 3600 + minute * 60 + second - offset;
  return true;
}

// Completes the beginning of a time to RFC 3339; text that cannot be completed stays invalid.
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
    write_second(second, text_.data());
    text_[kShape.size()] = '.';
    text_.back() = 'Z';
  }
  auto rest = static_cast<uint64_t>(time_ns - second * kSecondNs);
  for (size_t i = text_.size() - 2; i > kShape.size(); --i, rest /= 10) {
    text_[i] = static_cast<char>('0' + rest % 10);
  }
  time_ns_ = time_ns;
}

}  // namespace longshore
