// Goal: whatever a container declares, everything that is accepted is within the grammar and the
// limits, every refusal is a readable message, and the order of the variables does not matter.
// Method: texts separated by NULs are variables, labels and arguments at once; the declarations
// that result are written out again and must be read as the same.

#include <set>

#include "config/declaration.h"
#include "config/limits.h"
#include "tests/fuzz/input.h"

namespace longshore::fuzz {
namespace {

const std::vector<std::string> kPrefixes = {"LONGSHORE_LOGS_", "TEAM_"};

bool is_readable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && static_cast<unsigned char>(c) < 0x7f;
  });
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

void check_path(const std::string& path) {
  require(path.starts_with('/') && path.size() <= limits::kPathBytesMax, "a path is absolute");
  require(!has_control(path), "a path has no control characters");
  const std::string closed = path + "/";
  for (const char* wrong : {"//", "/./", "/../"}) {
    require(closed.find(wrong) == std::string::npos, "a path is normalised");
  }
}

void check_usable(const Declaration& usable) {
  require(!usable.name.empty() && usable.name.size() <= 64 + 7, "a name is bounded");
  require(is_readable(usable.name) && usable.name.find('/') == std::string::npos,
          "a name is plain");
  if (usable.stream == Stream::kFile) check_path(usable.path);
  if (usable.stream != Stream::kFile) require(usable.path.empty(), "a stream has no path");
  require(usable.topic.empty() || is_topic_name(usable.topic), "a topic is one");
  require(!has_control(usable.exclude), "a glob has no control characters");
  require(usable.tags.size() <= 32, "tags are bounded");
  std::set<std::string> keys;
  for (const auto& [key, value] : usable.tags) {
    require(!key.empty() && keys.insert(key).second, "each tag is there once");
    require(!has_control(key) && !has_control(value), "a tag has no control characters");
  }
}

void check_all(const Declarations& all) {
  for (size_t i = 0; i < all.usable.size(); ++i) {
    check_usable(all.usable[i]);
    require(i == 0 || all.usable[i - 1].name < all.usable[i].name, "names are sorted, each once");
  }
  require(all.wrong.size() <= limits::kDeclarationsPerContainerMax, "complaints are bounded");
  for (const WrongDeclaration& wrong : all.wrong) {
    require(is_readable(wrong.name) && is_readable(wrong.message), "a complaint can be printed");
    require(wrong.message.size() > 10 && wrong.message.size() < 1000, "a complaint is a sentence");
    require(wrong.message.ends_with('.') || wrong.message.ends_with('?'), "a sentence has an end");
  }
}

// What a container declares is bounded; the operator may name as many logs as he wants.
void check_container(const Declarations& all) {
  check_all(all);
  require(all.usable.size() <= limits::kDeclarationsPerContainerMax, "declarations are bounded");
}

// What `usable` would be declared by.
void write_down(const Declaration& usable, const std::string& prefix, std::vector<KeyValue>& to) {
  const std::string key = prefix + usable.name;
  to.emplace_back(key, usable.stream == Stream::kFile ? usable.path : stream_name(usable.stream));
  if (!usable.topic.empty()) to.emplace_back(key + "_topic", usable.topic);
  if (!usable.exclude.empty()) to.emplace_back(key + "_exclude", usable.exclude);
  constexpr const char* kFormats[] = {"text", "json", "raw"};
  to.emplace_back(key + "_format", kFormats[static_cast<size_t>(usable.format)]);
  if (usable.start_given) {
    to.emplace_back(key + "_start", usable.start == StartAt::kEnd ? "end" : "beginning");
  }
  std::string tags;
  for (const auto& [name, value] : usable.tags) tags += name + "=" + value + ",";
  if (!tags.empty()) to.emplace_back(key + "_tags", tags);
}

std::vector<KeyValue> pairs_of(const std::vector<std::string>& texts) {
  std::vector<KeyValue> pairs;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos) continue;
    pairs.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  return pairs;
}

void environment(std::vector<KeyValue> variables) {
  const Declarations all = parse_environment(variables, kPrefixes);
  check_container(all);
  std::reverse(variables.begin(), variables.end());
  require(parse_environment(variables, kPrefixes).usable == all.usable,
          "the order of variables does not count");
  std::vector<KeyValue> written;
  for (const Declaration& usable : all.usable) write_down(usable, kPrefixes[0], written);
  const Declarations again = parse_environment(written, kPrefixes);
  // Names that end as another's option do would be read as that: written anew, they are ambiguous.
  std::set<std::string> names;
  for (const Declaration& usable : all.usable) names.insert(usable.name);
  for (const Declaration& usable : all.usable) {
    // Only the standard error that an older variable's stdout brings along has so long a name.
    if (usable.name.size() > 64) return;
    for (const char* option : {"_topic", "_tags", "_format", "_start", "_exclude", "_time",
                               "_multiline", "_encoding", "_rate"}) {
      if (names.contains(usable.name + option)) return;
    }
  }
  require(again.wrong.empty() && again.usable == all.usable, "what is written down reads back");
}

}  // namespace
}  // namespace longshore::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace longshore;
  using namespace longshore::fuzz;
  Input input(data, size);
  std::vector<std::string> texts;
  while (!input.empty()) texts.push_back(input.text());
  const std::vector<KeyValue> pairs = pairs_of(texts);
  environment(pairs);
  check_container(parse_labels(pairs));
  check_container(merge(parse_environment(pairs, kPrefixes), parse_labels(pairs)));
  check_all(parse_sources(texts));
  return 0;
}
