#include "integrations/search/index_name.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace longshore::search {
namespace {

using std::chrono::days;
using std::chrono::year_month_day;

// The limits of both OpenSearch and Elasticsearch.
constexpr size_t kNameBytesMax = 255;
constexpr std::string_view kForbidden = "\\/*?\"<>| ,#:";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

Day day_of_ms(int64_t since_epoch_ms) {
  return std::chrono::floor<days>(
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(since_epoch_ms)));
}

Day bounded_day(std::optional<Day> own, Day kafka_day, int days_back) {
  if (!own || *own > kafka_day + days(1) || *own < kafka_day - days(days_back)) return kafka_day;
  return *own;
}

Result<IndexName> IndexName::parse(std::string_view pattern) {
  IndexName name;
  while (!pattern.empty()) {
    const size_t open = pattern.find('{');
    if (open > 0) name.add(pattern.substr(0, open));
    if (open == std::string_view::npos) break;
    const size_t close = pattern.find('}', open);
    if (close == std::string_view::npos) return invalid("a '{' has no '}'.");
    const Status parsed = parse_braces(pattern.substr(open + 1, close - open - 1), name.pieces_);
    if (!parsed) return parsed.error();
    pattern.remove_prefix(close + 1);
  }
  // Each real topic is checked again, with its own name.
  if (Status status = name.check("topic"); !status) return status.error();
  return name;
}

void IndexName::add(std::string_view text) { pieces_.push_back({Kind::kText, std::string(text)}); }

Status IndexName::parse_braces(std::string_view inside, std::vector<Piece>& pieces) {
  if (inside == "topic") {
    pieces.push_back({Kind::kTopic, {}});
    return ok();
  }
  bool dated = false;
  for (size_t at = 0; at < inside.size();) {
    const std::string_view rest = inside.substr(at);
    const auto take = [&](Kind kind, size_t bytes) {
      pieces.push_back({kind, std::string(kind == Kind::kText ? rest.substr(0, bytes) : "")});
      at += bytes;
      dated = dated || kind != Kind::kText;
    };
    if (rest.starts_with("yyyy")) {
      take(Kind::kYear, 4);
    } else if (rest.starts_with("MM")) {
      take(Kind::kMonth, 2);
    } else if (rest.starts_with("dd")) {
      take(Kind::kDayOfMonth, 2);
    } else if (std::isalnum(static_cast<unsigned char>(rest.front())) == 0) {
      take(Kind::kText, 1);
    } else {
      dated = false;
      break;
    }
  }
  if (!dated)
    return invalid(
        fmt::format("{{{}}} is neither {{topic}} nor a date such as {{yyyy.MM.dd}}.", inside));
  return ok();
}

std::string IndexName::render(std::string_view topic, Day day) const {
  const year_month_day date(day);
  std::string out;
  for (const Piece& piece : pieces_) {
    switch (piece.kind) {
      case Kind::kText:
        out += piece.text;
        break;
      case Kind::kTopic:
        out += lower(topic);
        break;
      case Kind::kYear:
        out += fmt::format("{:04}", static_cast<int>(date.year()));
        break;
      case Kind::kMonth:
        out += fmt::format("{:02}", static_cast<unsigned>(date.month()));
        break;
      case Kind::kDayOfMonth:
        out += fmt::format("{:02}", static_cast<unsigned>(date.day()));
        break;
    }
  }
  return out;
}

std::string IndexName::wildcard(std::string_view topic) const {
  std::string out;
  for (const Piece& piece : pieces_) {
    if (piece.kind == Kind::kText) {
      out += piece.text;
    } else {
      out += piece.kind == Kind::kTopic ? lower(topic) : "*";
    }
  }
  return out;
}

bool IndexName::gives(std::string_view name, std::string_view topic) const {
  for (const Piece& piece : pieces_) {
    if (piece.kind == Kind::kText || piece.kind == Kind::kTopic) {
      const std::string text = piece.kind == Kind::kText ? piece.text : lower(topic);
      if (!name.starts_with(text)) return false;
      name.remove_prefix(text.size());
      continue;
    }
    const size_t digits = piece.kind == Kind::kYear ? 4 : 2;
    if (name.size() < digits ||
        name.substr(0, digits).find_first_not_of("0123456789") != std::string_view::npos)
      return false;
    name.remove_prefix(digits);
  }
  return name.empty();
}

bool IndexName::has(Kind kind) const {
  return std::ranges::any_of(pieces_, [kind](const Piece& piece) { return piece.kind == kind; });
}

bool IndexName::has_date() const {
  return has(Kind::kYear) || has(Kind::kMonth) || has(Kind::kDayOfMonth);
}

bool IndexName::is_dated() const {
  return has(Kind::kYear) && (has(Kind::kMonth) || !has(Kind::kDayOfMonth));
}

// Whatever was read out of the name, the day counts only if render() makes the same name of it.
std::optional<Day> IndexName::last_day(std::string_view topic, std::string_view name) const {
  std::optional<int> year, month, day;
  std::string_view rest = name;
  for (const Piece& piece : pieces_) {
    const bool is_text = piece.kind == Kind::kText || piece.kind == Kind::kTopic;
    const size_t bytes = piece.kind == Kind::kText    ? piece.text.size()
                         : piece.kind == Kind::kTopic ? topic.size()
                         : piece.kind == Kind::kYear  ? 4
                                                      : 2;
    if (rest.size() < bytes) return std::nullopt;
    if (!is_text) {
      int number = 0;
      for (const char c : rest.substr(0, bytes)) {
        if (c < '0' || c > '9') return std::nullopt;
        number = number * 10 + (c - '0');
      }
      (piece.kind == Kind::kYear ? year : piece.kind == Kind::kMonth ? month : day) = number;
    }
    rest.remove_prefix(bytes);
  }
  if (!year) return std::nullopt;
  const std::chrono::year of_year(*year);
  const std::chrono::month of_month(static_cast<unsigned>(month.value_or(12)));
  if (!of_month.ok()) return std::nullopt;
  const year_month_day last =
      day ? year_month_day(of_year, of_month, std::chrono::day(static_cast<unsigned>(*day)))
          : year_month_day(of_year / of_month / std::chrono::last);
  if (!last.ok() || render(topic, Day(last)) != name) return std::nullopt;
  return Day(last);
}

Status IndexName::check(std::string_view topic) const {
  const std::string name = render(topic, Day());
  if (name.empty()) return invalid("an index needs a name.");
  if (lower(name) != name) return invalid("index names are lower-case.");
  if (const size_t at = name.find_first_of(kForbidden); at != std::string::npos)
    return invalid(fmt::format("index names hold no '{}'.", name[at]));
  if (std::any_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }))
    return invalid("index names are plain ASCII here.");
  if (std::string_view("-_+.").find(name.front()) != std::string_view::npos)
    return invalid("index names begin with a letter or a digit.");
  if (name.size() > kNameBytesMax)
    return invalid(
        fmt::format("the index of topic {} would have a name of {} bytes; {} are "
                    "possible.",
                    topic, name.size(), kNameBytesMax));
  return ok();
}

}  // namespace longshore::search
