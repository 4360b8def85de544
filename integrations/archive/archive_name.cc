#include "integrations/archive/archive_name.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>

#include "config/limits.h"

namespace longshore::archive {

namespace {

constexpr int64_t kMsPerHour = 3'600'000;
/// No file ends there: none could follow.
constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

constexpr std::array kSuffixes = std::to_array<std::pair<Codec, std::string_view>>(
    {{Codec::kZstd, ".jsonl.zst"}, {Codec::kGzip, ".jsonl.gz"}, {Codec::kNone, ".jsonl"}});

// Digits only, no leading zeros: each number has exactly one name.
template <typename T>
bool parse_number(std::string_view text, T& number) {
  if (text.empty() || (text.size() > 1 && text[0] == '0')) return false;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failed == std::errc() && end == text.data() + text.size() && number >= 0;
}

std::chrono::sys_time<std::chrono::hours> time_of(Hour hour) {
  return std::chrono::sys_time<std::chrono::hours>(std::chrono::hours(hour.number));
}

struct Parts {
  int year, month, day, hour;
};

Parts parts_of(Hour hour) {
  const auto time = time_of(hour);
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  return {int(date.year()), int(unsigned(date.month())), int(unsigned(date.day())),
          int((time - day).count())};
}

// The words for parts of the time, with their number of digits.
constexpr std::array kWords = std::to_array<std::pair<std::string_view, size_t>>(
    {{"yyyy", 4}, {"MM", 2}, {"dd", 2}, {"HH", 2}});

std::optional<int>* field_of(std::string_view word, Layout::Known& known) {
  if (word == "yyyy") return &known.year;
  if (word == "MM") return &known.month;
  if (word == "dd") return &known.day;
  return word == "HH" ? &known.hour : nullptr;
}

int part_of(std::string_view word, const Parts& parts) {
  if (word == "yyyy") return parts.year;
  if (word == "MM") return parts.month;
  return word == "dd" ? parts.day : parts.hour;
}

/// One item of a pattern: a literal character, or a word.
struct Token {
  char literal = 0;
  std::string_view word;  // Of a brace, cut at dashes, which are literals.
};

// Splits "date={yyyy-MM}" into literal characters and words. Empty if it is malformed.
std::optional<std::vector<Token>> tokens_of(std::string_view pattern) {
  std::vector<Token> tokens;
  bool inside = false;
  for (size_t at = 0; at < pattern.size();) {
    const char c = pattern[at];
    if (c == '{' || c == '}') {
      if (inside == (c == '{')) return std::nullopt;
      inside = !inside;
      ++at;
    } else if (!inside || c == '-') {
      tokens.push_back({c, {}});
      ++at;
    } else {
      const std::string_view word = pattern.substr(at, pattern.find_first_of("-{}", at) - at);
      const bool known = word == "topic" || std::any_of(kWords.begin(), kWords.end(),
                                                        [&](auto& w) { return w.first == word; });
      if (!known) return std::nullopt;
      tokens.push_back({0, word});
      at += word.size();
    }
  }
  if (inside) return std::nullopt;
  return tokens;
}

// "3" or "3.2".
bool parse_partition(std::string_view text, ArchiveName& name) {
  const size_t dot = text.find('.');
  if (!parse_number(text.substr(0, dot), name.partition)) return false;
  return dot == std::string_view::npos ||
         (parse_number(text.substr(dot + 1), name.generation) && name.generation > 1);
}

}  // namespace

std::string shown_topic(const std::string& topic) {
  if (topic.size() <= limits::kTopicShownBytesMax) return topic;
  const std::string hash = fmt::format("~{:016x}", XXH3_64bits(topic.data(), topic.size()));
  return topic.substr(0, limits::kTopicShownBytesMax - hash.size()) + hash;
}

std::string shown_partition(int32_t partition, int32_t generation) {
  return generation == 1 ? fmt::format("{}", partition)
                         : fmt::format("{}.{}", partition, generation);
}

std::string to_string(const ArchiveName& name) {
  const auto suffix = std::find_if(kSuffixes.begin(), kSuffixes.end(), [&name](const auto& known) {
    return known.first == name.codec;
  });
  return fmt::format("{}+{}+{}+{}{}{}", shown_topic(name.topic),
                     shown_partition(name.partition, name.generation), name.first, name.last,
                     name.lines ? fmt::format("+{}", *name.lines) : "", suffix->second);
}

std::optional<ArchiveName> parse_archive_name(std::string_view text) {
  ArchiveName name;
  const auto suffix = std::find_if(kSuffixes.begin(), kSuffixes.end(), [text](const auto& known) {
    return text.ends_with(known.second);
  });
  if (suffix == kSuffixes.end()) return std::nullopt;
  name.codec = suffix->first;
  text.remove_suffix(suffix->second.size());
  std::array<std::string_view, 5> fields;
  size_t count = 0;
  for (size_t plus = 0; plus != std::string_view::npos; text.remove_prefix(plus + 1)) {
    if (count == fields.size()) return std::nullopt;
    plus = text.find('+');
    fields[count++] = text.substr(0, plus);
    if (plus == std::string_view::npos) break;
  }
  if (count < fields.size() - 1 || fields[0].empty() || fields[0].size() > limits::kTopicBytesMax)
    return std::nullopt;
  name.topic = fields[0];
  if (!parse_partition(fields[1], name) || !parse_number(fields[2], name.first) ||
      !parse_number(fields[3], name.last) || name.last < name.first || name.last == kNever)
    return std::nullopt;
  if (count == fields.size()) {
    int64_t lines = 0;
    if (!parse_number(fields[4], lines) || lines > name.last - name.first + 1) return std::nullopt;
    name.lines = lines;
  }
  return name;
}

Hour hour_of_ms(int64_t ms) {
  return {ms >= 0 ? ms / kMsPerHour : -((kMsPerHour - 1 - ms) / kMsPerHour)};
}

Result<Layout> Layout::parse(const std::string& text) {
  Layout layout;
  for (size_t at = 0; at <= text.size();) {
    const size_t end = std::min(text.find('/', at), text.size());
    layout.folders_.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  for (const std::string& folder : layout.folders_) {
    if (folder.empty() || folder[0] == '_' || folder[0] == '.') {
      return Error{ErrorCode::kInvalid,
                   fmt::format("--layout {}: a folder's name is empty or hidden.", text)};
    }
    if (!tokens_of(folder) || folder.find(':') != std::string::npos) {
      return Error{ErrorCode::kInvalid,
                   fmt::format("--layout {}: the words are {{topic}}, {{yyyy}}, {{MM}}, {{dd}}, "
                               "{{HH}} and these joined by dashes, as in {{yyyy-MM-dd}}.",
                               text)};
    }
  }
  return layout;
}

std::string Layout::folder(const std::string& topic, Hour hour) const {
  const Parts parts = parts_of(hour);
  std::string path;
  for (const std::string& pattern : folders_) {
    if (!path.empty()) path += '/';
    const std::vector<Token> tokens = *tokens_of(pattern);
    for (const Token& token : tokens) {
      if (token.literal) {
        path += token.literal;
      } else if (token.word == "topic") {
        path += shown_topic(topic);
      } else {
        path += fmt::format("{:0{}}", part_of(token.word, parts), token.word.size());
      }
    }
  }
  return path;
}

std::optional<Layout::Known> Layout::match(size_t depth, std::string_view name,
                                           const Known& known) const {
  if (depth >= folders_.size()) return std::nullopt;
  Known more = known;
  const std::vector<Token> tokens = *tokens_of(folders_[depth]);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    if (token.literal) {
      if (name.empty() || name[0] != token.literal) return std::nullopt;
      name.remove_prefix(1);
    } else if (token.word == "topic") {
      // Everything except what the following tokens need: as many characters as each has digits.
      size_t behind = 0;
      for (size_t k = i + 1; k < tokens.size(); ++k)
        behind += tokens[k].literal ? 1 : tokens[k].word.size();
      if (name.size() <= behind) return std::nullopt;
      more.topic = name.substr(0, name.size() - behind);
      name.remove_prefix(name.size() - behind);
    } else {
      const size_t digits = token.word.size();
      int number = 0;
      if (name.size() < digits) return std::nullopt;
      const auto [end, failed] = std::from_chars(name.data(), name.data() + digits, number);
      if (failed != std::errc() || end != name.data() + digits || number < 0) return std::nullopt;
      *field_of(token.word, more) = number;
      name.remove_prefix(digits);
    }
  }
  if (!name.empty()) return std::nullopt;
  return more;
}

Hour Layout::Known::earliest() const {
  if (!year) return {std::numeric_limits<int64_t>::min()};
  const std::chrono::year_month_day date{std::chrono::year(*year),
                                         std::chrono::month(unsigned(month.value_or(1))),
                                         std::chrono::day(unsigned(month && day ? *day : 1))};
  const auto days = std::chrono::sys_days(date).time_since_epoch();
  return {std::chrono::duration_cast<std::chrono::hours>(days).count() +
          (month && day ? hour.value_or(0) : 0)};
}

Hour Layout::Known::latest() const {
  if (!year) return {std::numeric_limits<int64_t>::max()};
  const Hour first = earliest();
  constexpr int64_t kDay = 24;
  if (month && day) return hour ? first : Hour{first.number + kDay - 1};
  // More than any month or year has.
  return {first.number + (month ? 31 : 366) * kDay - 1};
}

}  // namespace longshore::archive
