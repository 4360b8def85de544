#include "integrations/search/record_scan.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

namespace longshore::search {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_fault(JsonFault fault) { return fault != JsonFault::kNone; }

}  // namespace

std::string_view to_string(JsonFault fault) {
  switch (fault) {
    case JsonFault::kNone:
      return {};
    case JsonFault::kMalformed:
      return "malformed";
    case JsonFault::kDepth:
      return "depth";
    case JsonFault::kNames:
      return "names";
    case JsonFault::kNumber:
      return "number";
    case JsonFault::kTwice:
      return "duplicate_name";
    case JsonFault::kPaths:
      return "paths";
    case JsonFault::kSize:
      return "size";
  }
  return {};
}

ScannedRecord RecordScan::scan(std::string_view record) {
  text_ = record;
  at_ = names_seen_ = path_bytes_ = 0;
  names_.clear();
  unescaped_.clear();
  found_ = {};
  if (peek() != '{') {
    found_.outside = JsonFault::kMalformed;
    return found_;
  }
  JsonFault fault = walk_object(1, 0);
  skip_blanks();
  if (!is_fault(fault) && at_ != text_.size()) fault = JsonFault::kMalformed;
  found_.outside = fault;
  return found_;
}

void RecordScan::skip_blanks() {
  while (at_ < text_.size() &&
         (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\r' || text_[at_] == '\n'))
    ++at_;
}

bool RecordScan::take(char c) {
  skip_blanks();
  if (peek() != c || at_ == text_.size()) return false;
  ++at_;
  return true;
}

// REQUIRES: a quote at at_.
bool RecordScan::skip_string() {
  const size_t begin = at_ + 1;
  for (size_t from = begin;;) {
    const size_t quote = text_.find('"', from);
    if (quote == std::string_view::npos) return false;
    size_t escapes = 0;  // Right before the quote.
    while (quote - escapes > begin && text_[quote - escapes - 1] == '\\') ++escapes;
    if (escapes % 2 == 0) {
      at_ = quote + 1;
      return true;
    }
    from = quote + 1;
  }
}

bool RecordScan::skip_word() {
  for (const std::string_view word : {"true", "false", "null"}) {
    if (!text_.substr(at_).starts_with(word)) continue;
    at_ += word.size();
    return true;
  }
  return false;
}

// Past the object at at_, however deep it is.
bool RecordScan::skip_balanced() {
  size_t open = 0;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      if (!skip_string()) return false;
      continue;
    }
    ++at_;
    if (c == '{' || c == '[') ++open;
    if ((c == '}' || c == ']') && --open == 0) return true;
  }
  return false;
}

JsonFault RecordScan::walk_value(size_t depth, size_t path) {
  skip_blanks();
  switch (peek()) {
    case '{':
    case '[':
      if (depth == kJsonDepthMax) return JsonFault::kDepth;
      return peek() == '{' ? walk_object(depth + 1, path) : walk_array(depth + 1, path);
    case '"':
      return skip_string() ? add_leaf(path) : JsonFault::kMalformed;
    case 't':
    case 'f':
    case 'n':
      return skip_word() ? add_leaf(path) : JsonFault::kMalformed;
    default:
      if (const JsonFault fault = walk_number(); is_fault(fault)) return fault;
      return add_leaf(path);
  }
}

JsonFault RecordScan::add_leaf(size_t path) {
  path_bytes_ += path;
  return path_bytes_ > kJsonPathBytesMax ? JsonFault::kPaths : JsonFault::kNone;
}

// RFC 8259, section 6.
JsonFault RecordScan::walk_number() {
  const size_t begin = at_;
  const auto digits = [this] {
    const size_t first = at_;
    while (is_digit(peek())) ++at_;
    return at_ - first;
  };
  if (peek() == '-') ++at_;
  const bool zero = peek() == '0';
  const size_t whole = digits();
  if (whole == 0 || (zero && whole > 1)) return JsonFault::kMalformed;
  if (peek() == '.') {
    ++at_;
    if (digits() == 0) return JsonFault::kMalformed;
  }
  size_t exponent = 0;
  if (peek() == 'e' || peek() == 'E') {
    ++at_;
    if (peek() == '+' || peek() == '-') ++at_;
    exponent = digits();
    if (exponent == 0) return JsonFault::kMalformed;
  }
  const bool over = at_ - begin > kJsonNumberBytesMax || exponent > kJsonExponentDigitsMax;
  return over ? JsonFault::kNumber : JsonFault::kNone;
}

JsonFault RecordScan::walk_array(size_t depth, size_t path) {
  ++at_;
  if (take(']')) return JsonFault::kNone;
  for (;;) {
    if (const JsonFault fault = walk_value(depth, path); is_fault(fault)) return fault;
    if (take(']')) return JsonFault::kNone;
    if (!take(',')) return JsonFault::kMalformed;
  }
}

JsonFault RecordScan::walk_object(size_t depth, size_t path) {
  const size_t first_name = names_.size();
  ++at_;
  if (take('}')) return JsonFault::kNone;
  do {
    skip_blanks();
    const size_t name = at_;
    if (peek() != '"' || !skip_string()) return JsonFault::kMalformed;
    const size_t name_end = at_;
    if (const JsonFault fault = add_name(name + 1, name_end - 1); is_fault(fault)) return fault;
    if (!take(':')) return JsonFault::kMalformed;
    const JsonFault fault =
        depth == 1 ? note_field(name, name_end) : walk_value(depth, path + (name_end - name));
    if (is_fault(fault)) return fault;
  } while (take(','));
  if (!take('}')) return JsonFault::kMalformed;
  if (!names_differ(first_name)) return JsonFault::kTwice;
  names_.resize(first_name);
  return JsonFault::kNone;
}

JsonFault RecordScan::add_name(size_t begin, size_t end) {
  if (++names_seen_ > kJsonNamesMax) return JsonFault::kNames;
  const std::string_view name = text_.substr(begin, end - begin);
  if (name.find('\\') == std::string_view::npos) {
    names_.push_back(name);
    return JsonFault::kNone;
  }
  // "\u0061" and "a" are one name.
  const auto plain = nlohmann::json::parse(fmt::format("\"{}\"", name), nullptr, false);
  if (!plain.is_string()) return JsonFault::kMalformed;
  names_.push_back(unescaped_.emplace_back(plain.get<std::string>()));
  return JsonFault::kNone;
}

bool RecordScan::names_differ(size_t first) {
  const auto begin = names_.begin() + static_cast<ptrdiff_t>(first);
  const auto end = names_.end();
  if (end - begin < 2) return true;
  std::sort(begin, end, [](std::string_view a, std::string_view b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  });
  return std::adjacent_find(begin, end) == end;
}

// The value of a field of the record itself.
JsonFault RecordScan::note_field(size_t name, size_t name_end) {
  skip_blanks();
  const std::string_view word = names_.back();  // Unescaped, as the record's parser compares it.
  ScannedField* const field = word == "@timestamp"  ? &found_.time
                              : word == "longshore" ? &found_.own
                              : word == "json"      ? &found_.json
                                                    : nullptr;
  const size_t begin = at_;
  const bool json = field == &found_.json && peek() == '{';
  const JsonFault fault = json ? walk_json() : walk_value(1, name_end - name);
  if (field) *field = {name, begin, at_};
  return fault;
}

// Whatever is wrong with it, the record goes on after it.
JsonFault RecordScan::walk_json() {
  const size_t begin = at_, names = names_.size();
  names_seen_ = path_bytes_ = 0;
  found_.inside = walk_value(1, 0);
  names_.resize(names);
  names_seen_ = path_bytes_ = 0;
  if (is_fault(found_.inside)) {
    at_ = begin;
    if (!skip_balanced()) return JsonFault::kMalformed;
  } else if (at_ - begin >= kJsonBytesMax) {
    found_.inside = JsonFault::kSize;
  }
  return JsonFault::kNone;
}

}  // namespace longshore::search
