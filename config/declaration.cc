#include "config/declaration.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>
#include <set>

#include "config/limits.h"
#include "config/nearest.h"
#include "config/printable.h"

namespace longshore {
namespace {

constexpr char kNotCollected[] = " It is not collected.";
constexpr char kAliyunPrefix[] = "aliyun_logs_";

// The options of a declaration besides its path. Options of later versions are refused, because to
// ignore one would ship something other than was declared.
const std::vector<std::string> kOptions = {"topic", "tags", "format", "start", "exclude"};
const std::vector<std::string> kLaterOptions = {"time", "multiline", "encoding", "rate"};
// As log-pilot's users write them; those without a meaning here are accepted and ignored.
const std::vector<std::string> kAliyunOptions = {
    "tags",    "target",   "format",       "configtags", "formatconfig",
    "project", "logstore", "machinegroup", "ttl",        "shard"};

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_word(std::string_view text, size_t bytes_max) {
  return !text.empty() && text.size() <= bytes_max &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

std::string shown(std::string_view text) { return printable(text, limits::kShownValueBytesMax); }

// "//" and "/./" folded; empty for a path that is not absolute, has "..", or is too long.
std::string normalised(std::string_view path) {
  if (path.empty() || path[0] != '/' || path.size() > limits::kPathBytesMax ||
      !is_printable(path)) {
    return {};
  }
  std::string out;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part == "..") return {};
    if (!part.empty() && part != ".") out.append("/").append(part);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return out;
}

// A name with everything that was declared for it.
struct Draft {
  std::optional<std::string> path;
  std::map<std::string, std::string> options;
  bool contradicts = false;  // A key was given twice with different values.
};

std::string_view trimmed(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

bool apply_tags(std::string_view value, Declaration& to) {
  std::set<std::string_view> keys;
  for (std::string_view rest = value; !rest.empty();) {
    const size_t comma = rest.find(',');
    const std::string_view tag = trimmed(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    if (tag.empty()) continue;
    const size_t equals = tag.find('=');
    if (equals == 0 || equals == std::string_view::npos || tag.size() > limits::kTagBytesMax ||
        !is_printable(tag) || !keys.insert(tag.substr(0, equals)).second ||
        keys.size() > limits::kTagsMax) {
      return false;
    }
    to.tags.emplace_back(tag.substr(0, equals), tag.substr(equals + 1));
  }
  return true;
}

bool apply_format(std::string_view value, Declaration& to) {
  if (value == "text") to.format = RecordFormat::kText;
  if (value == "json") to.format = RecordFormat::kJson;
  if (value == "raw") to.format = RecordFormat::kRaw;
  return value == "text" || value == "json" || value == "raw";
}

// A glob over absolute paths is normalised as they are; one without '/' matches file names.
bool apply_exclude(const std::string& value, Declaration& to) {
  const bool whole_path = value.find('/') != std::string::npos;
  to.exclude = whole_path ? normalised(value) : value;
  return value.size() <= limits::kPathBytesMax && is_printable(value) &&
         to.exclude.empty() == value.empty();
}

// Applies an option. Returns what is wrong with it, or an empty sentence.
std::string apply_option(const std::string& option, const std::string& value, Declaration& to) {
  const auto wrong = [&](const std::string& remedy) {
    return "its " + option + " '" + shown(value) + "' is not usable: " + remedy + ".";
  };
  if (contains(kLaterOptions, option)) {
    return "the option '" + option + "' is not supported by this version; remove it.";
  }
  if (option == "topic" || option == "target") {
    to.topic = value;
    if (!is_topic_name(value)) return wrong("a Kafka topic has 1 to 249 of a-z A-Z 0-9 . _ -");
  } else if (option == "format") {
    if (!apply_format(value, to)) return wrong("use text, json or raw");
  } else if (option == "start") {
    if (value != "beginning" && value != "end") return wrong("use beginning or end");
    to.start = value == "end" ? StartAt::kEnd : StartAt::kBeginning;
    to.start_given = true;
  } else if (option == "exclude") {
    if (!apply_exclude(value, to)) {
      return wrong("give a glob of absolute paths without '..', or of file names without '/'");
    }
  } else if (option == "tags") {
    if (!apply_tags(value, to)) {
      return wrong("write k=v,k=v with each key once, at most 32 tags of 256 bytes");
    }
  }
  return {};
}

// log-pilot's `format` names parsers; only json has a meaning here.
std::string aliyun_format(const std::string& value) { return value == "json" ? "json" : "text"; }

// Sets the stream or the path. Returns what is wrong, or an empty sentence.
std::string apply_path(const std::string& path, Declaration& to) {
  if (path == "stdout" || path == "stderr") {
    to.stream = path == "stdout" ? Stream::kStdout : Stream::kStderr;
    return {};
  }
  to.path = normalised(path);
  if (to.path.empty()) {
    return "'" + shown(path) +
           "' is not usable: give an absolute path or glob without '..' and of "
           "at most 4096 bytes, or stdout or stderr.";
  }
  if (path.ends_with('/') || path.ends_with("/.")) {
    return "'" + shown(path) + "' is a directory: name its files, as in " + shown(to.path) +
           "/*.log.";
  }
  return {};
}

// Whether `option` has a meaning here; most of log-pilot's have none.
bool has_meaning(const std::string& option, bool aliyun) {
  return !aliyun || option == "tags" || option == "target" || option == "format";
}

// Makes a declaration from `draft`. Returns what is wrong, or an empty sentence.
std::string finish(const std::string& name, const Draft& draft, bool aliyun, Declaration& to) {
  to.name = name;
  if (!is_word(name, limits::kNameBytesMax)) return "a name has 1 to 64 of a-z A-Z 0-9 _ - .";
  if (draft.contradicts) return "it is given twice, with different values; keep one.";
  std::string sentence = apply_path(*draft.path, to);
  for (const auto& [option, value] : draft.options) {
    if (!sentence.empty()) break;
    if (!has_meaning(option, aliyun)) continue;
    sentence =
        apply_option(option, aliyun && option == "format" ? aliyun_format(value) : value, to);
  }
  return sentence;
}

// Limits what a container can make the agent store and log.
void add_wrong(WrongDeclaration wrong, Declarations& to) {
  if (to.wrong.size() + 1 < limits::kDeclarationsPerContainerMax) {
    to.wrong.push_back(std::move(wrong));
  } else if (to.wrong.size() < limits::kDeclarationsPerContainerMax) {
    to.wrong.push_back({"(others)", "more than 64 declarations are wrong; correct those first."});
  }
}

// A key without its prefix.
struct Key {
  std::string name, option;  // Empty option: the key declares the name.
  bool ignored = false;      // It configures one of log-pilot's parsers.
};

// The grammar of one prefix, applied to the keys of one container.
struct Grammar {
  char separator;
  bool aliyun;
  std::set<std::string, std::less<>> keys;

  std::vector<std::string> options() const {
    std::vector<std::string> all = aliyun ? kAliyunOptions : kOptions;
    if (!aliyun) all.insert(all.end(), kLaterOptions.begin(), kLaterOptions.end());
    return all;
  }

  // No option contains a separator, so the longest possible name ends at the last one.
  Key split(const std::string& key) const {
    if (aliyun) {
      const size_t parser = key.find("_format_");
      if (parser != std::string::npos && keys.contains(key.substr(0, parser)))
        return {{}, {}, true};
    }
    const size_t at = key.rfind(separator);
    if (at == std::string::npos || at == 0) return {key, {}};
    const std::string option = key.substr(at + 1);
    if (!contains(options(), option)) return {key, {}};
    return {key.substr(0, at), option};
  }

  // A sentence with the key that was probably meant by an unusable `key`.
  std::string hint(const std::string& key) const {
    const size_t at = key.rfind(separator);
    if (at == std::string::npos || !keys.contains(key.substr(0, at))) return {};
    const std::string near = nearest(key.substr(at + 1), options());
    return near.empty() ? near : " Did you mean its option " + key.substr(0, at + 1) + near + "?";
  }
};

using Drafts = std::map<std::string, Draft>;

// Groups `pairs` by name. A key of the form <declared name><separator><option> is an option; any
// other key is a declaration.
Drafts gather(const std::vector<KeyValue>& pairs, const Grammar& grammar, Declarations& out) {
  Drafts drafts;
  for (const auto& [key, value] : pairs) {
    const Key split = grammar.split(key);
    if (split.ignored) continue;
    const bool is_place = value.starts_with('/') || value == "stdout" || value == "stderr";
    if (!split.option.empty() && grammar.keys.contains(split.name)) {
      Draft& draft = drafts[split.name];
      const auto [given, first] = draft.options.emplace(split.option, value);
      draft.contradicts = draft.contradicts || (!first && given->second != value);
    } else if (!split.option.empty() && !is_place) {
      add_wrong({shown(split.name), "its option " + split.option + " has no log: declare '" +
                                        shown(split.name) + "' with a path too."},
                out);
    } else {
      Draft& draft = drafts[key];
      draft.contradicts = draft.contradicts || (draft.path && *draft.path != value);
      draft.path = value;
    }
  }
  return drafts;
}

// The keys of `pairs` have lost their prefix.
Declarations parse(const std::vector<KeyValue>& pairs, char separator, bool aliyun) {
  Grammar grammar{.separator = separator, .aliyun = aliyun, .keys = {}};
  for (const auto& [key, value] : pairs) grammar.keys.insert(key);
  Declarations out;
  const Drafts drafts = gather(pairs, grammar, out);
  for (const auto& [name, draft] : drafts) {
    if (!draft.path) continue;
    Declaration declaration;
    const std::string sentence = finish(name, draft, aliyun, declaration);
    if (!sentence.empty()) {
      add_wrong({shown(name), sentence + grammar.hint(name) + kNotCollected}, out);
      continue;
    }
    out.usable.push_back(declaration);
    // log-pilot's stdout is everything that the container prints.
    if (aliyun && declaration.stream == Stream::kStdout && !drafts.contains(name + ".stderr")) {
      declaration.name += ".stderr";
      declaration.stream = Stream::kStderr;
      out.usable.push_back(std::move(declaration));
    }
  }
  return out;
}

std::vector<KeyValue> with_prefix(const std::vector<KeyValue>& all, std::string_view prefix) {
  std::vector<KeyValue> some;
  for (const auto& [key, value] : all) {
    if (key.starts_with(prefix)) some.emplace_back(key.substr(prefix.size()), value);
  }
  return some;
}

}  // namespace

bool is_topic_name(std::string_view text) {
  return is_word(text, limits::kTopicBytesMax) && text != "." && text != "..";
}

Declarations merge(Declarations first, Declarations second) {
  std::set<std::string> taken;
  for (const Declaration& declaration : first.usable) taken.insert(declaration.name);
  for (const WrongDeclaration& wrong : first.wrong) taken.insert(wrong.name);
  Declarations both;
  const auto take = [&both](Declaration& declaration) {
    if (both.usable.size() < limits::kDeclarationsPerContainerMax) {
      both.usable.push_back(std::move(declaration));
    } else {
      add_wrong({declaration.name, std::string("a container declares at most 64 logs, the first by "
                                               "name.") +
                                       kNotCollected},
                both);
    }
  };
  for (Declaration& declaration : first.usable) take(declaration);
  for (Declaration& declaration : second.usable) {
    if (!taken.contains(declaration.name)) take(declaration);
  }
  for (WrongDeclaration& wrong : first.wrong) add_wrong(std::move(wrong), both);
  for (WrongDeclaration& wrong : second.wrong) add_wrong(std::move(wrong), both);
  std::sort(both.usable.begin(), both.usable.end(),
            [](const Declaration& a, const Declaration& b) { return a.name < b.name; });
  return both;
}

Declarations parse_environment(const std::vector<KeyValue>& variables,
                               const std::vector<std::string>& prefixes) {
  Declarations all;
  for (const std::string& prefix : prefixes) {
    if (prefix.empty() || prefix == kAliyunPrefix) continue;
    all = merge(std::move(all), parse(with_prefix(variables, prefix), '_', false));
  }
  return merge(std::move(all), parse(with_prefix(variables, kAliyunPrefix), '_', true));
}

Declarations parse_labels(const std::vector<KeyValue>& labels) {
  return merge({}, parse(with_prefix(labels, "longshore.logs."), '.', false));
}

const char* stream_name(Stream stream) {
  return stream == Stream::kStdout ? "stdout" : stream == Stream::kStderr ? "stderr" : "";
}

Declarations parse_sources(const std::vector<std::string>& arguments) {
  std::vector<KeyValue> pairs;
  Declarations refused;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    if (equals == std::string::npos) {
      add_wrong({shown(argument), "write --source name=/path/of/a.log."}, refused);
    } else {
      pairs.emplace_back(argument.substr(0, equals), argument.substr(equals + 1));
    }
  }
  Declarations all = parse(pairs, '_', false);
  // The agent does not start with a wrong source, so "not collected" would be wrong.
  for (WrongDeclaration& wrong : all.wrong) {
    if (wrong.message.ends_with(kNotCollected)) {
      wrong.message.resize(wrong.message.size() - std::strlen(kNotCollected));
    }
  }
  std::erase_if(all.usable, [&refused](const Declaration& declaration) {
    if (declaration.stream == Stream::kFile) return false;
    add_wrong(
        {declaration.name, "the host itself has no stdout or stderr to collect; give a path."},
        refused);
    return true;
  });
  for (WrongDeclaration& wrong : refused.wrong) add_wrong(std::move(wrong), all);
  return all;
}

}  // namespace longshore
