#include "config/declaration.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "config/limits.h"

namespace longshore {
namespace {

constexpr size_t kNameBytesMax = 64;
constexpr size_t kTopicBytesMax = 249;  // Kafka's own limit.
constexpr size_t kTagsMax = 32;
constexpr size_t kTagBytesMax = 256;

// What a declaration may say beside its path. `later` options are refused, for ignoring one would
// ship something else than was declared.
const std::vector<std::string> kOptions = {"topic", "tags", "format", "start", "exclude"};
const std::vector<std::string> kLaterOptions = {"time", "multiline", "encoding", "rate"};
// As their users write them; those without a meaning here are accepted and have none.
const std::vector<std::string> kAliyunOptions = {
    "tags",    "target",   "format",       "configtags", "formatconfig",
    "project", "logstore", "machinegroup", "ttl",        "shard"};

bool contains(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kNameBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '_' || c == '-' || c == '.';
         });
}

bool is_topic(std::string_view text) {
  return is_name(text.substr(0, std::min(text.size(), kNameBytesMax))) &&
         text.size() <= kTopicBytesMax && text != "." && text != ".." &&
         text.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
             std::string_view::npos;
}

// "//" and "/./" folded; empty for a path that is not absolute, has "..", or is too long.
std::string normalised(std::string_view path) {
  if (path.empty() || path[0] != '/' || path.size() > limits::kPathBytesMax || !printable(path)) {
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

// One name with everything that was said about it.
struct Draft {
  std::optional<std::string> path;
  std::map<std::string, std::string> options;
};

// Applies an option; the sentence says what is wrong with it, empty when it is fine.
std::string apply_option(const std::string& option, const std::string& value, Declaration& to) {
  const auto wrong = [&](const std::string& remedy) {
    return "its " + option + " '" + value.substr(0, 100) + "' is not usable: " + remedy + ".";
  };
  if (contains(kLaterOptions, option)) {
    return "the option '" + option + "' is not supported by this version; remove it.";
  }
  if (option == "topic" || option == "target") {
    if (!is_topic(value)) return wrong("a Kafka topic has 1 to 249 of a-z A-Z 0-9 . _ -");
    to.topic = value;
  } else if (option == "format") {
    if (value == "text")
      to.format = RecordFormat::kText;
    else if (value == "json")
      to.format = RecordFormat::kJson;
    else if (value == "raw")
      to.format = RecordFormat::kRaw;
    else
      return wrong("use text, json or raw");
  } else if (option == "start") {
    if (value != "beginning" && value != "end") return wrong("use beginning or end");
    to.start = value == "end" ? StartAt::kEnd : StartAt::kBeginning;
    to.start_given = true;
  } else if (option == "exclude") {
    if (value.size() > limits::kPathBytesMax || !printable(value)) return wrong("use a glob");
    to.exclude = value;
  } else if (option == "tags") {
    std::set<std::string_view> keys;
    for (std::string_view rest = value; !rest.empty();) {
      const size_t comma = rest.find(',');
      const std::string_view tag = rest.substr(0, comma);
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
      if (tag.empty()) continue;
      const size_t equals = tag.find('=');
      if (equals == 0 || equals == std::string_view::npos || tag.size() > kTagBytesMax ||
          !printable(tag) || !keys.insert(tag.substr(0, equals)).second || keys.size() > kTagsMax) {
        return wrong("write k=v,k=v with each key once, at most 32 tags of 256 bytes");
      }
      to.tags.emplace_back(tag.substr(0, equals), tag.substr(equals + 1));
    }
  }
  return {};
}

// log-pilot's `format` names parsers; only what has a meaning here is taken over.
std::string aliyun_format(const std::string& value) { return value == "json" ? "json" : "text"; }

void finish(const std::string& name, const Draft& draft, bool aliyun, Declarations& out) {
  Declaration declaration;
  declaration.name = name;
  if (!is_name(name)) {
    out.wrong.push_back({name.substr(0, kNameBytesMax),
                         "a name has 1 to 64 of a-z A-Z 0-9 _ - . ; it is not collected."});
    return;
  }
  const std::string& path = *draft.path;
  if (path == "stdout") {
    declaration.stream = Stream::kStdout;
  } else if (path == "stderr") {
    declaration.stream = Stream::kStderr;
  } else {
    declaration.path = normalised(path);
    if (declaration.path.empty()) {
      out.wrong.push_back({name, "'" + path.substr(0, 100) +
                                     "' is not usable: give an absolute path or glob without "
                                     "'..', or stdout or stderr. It is not collected."});
      return;
    }
  }
  for (const auto& [option, value] : draft.options) {
    const bool silent = aliyun && option != "tags" && option != "target" && option != "format";
    if (silent) continue;
    const std::string sentence = apply_option(
        option, aliyun && option == "format" ? aliyun_format(value) : value, declaration);
    if (!sentence.empty()) {
      out.wrong.push_back({name, sentence + " It is not collected."});
      return;
    }
  }
  out.usable.push_back(std::move(declaration));
}

// The longest declared name that `key` continues with `separator` and an option.
struct Split {
  std::string name, option;
};
std::optional<Split> split_option(const std::string& key, char separator,
                                  const std::vector<std::string>& options) {
  const size_t at = key.rfind(separator);
  if (at == std::string::npos || at == 0) return std::nullopt;
  const std::string option = key.substr(at + 1);
  if (!contains(options, option)) return std::nullopt;
  return Split{key.substr(0, at), option};
}

// `pairs` are what stands behind the prefix. A key that is <declared name><separator><option> is
// that option; any other is a declaration.
Declarations parse(const std::vector<KeyValue>& pairs, char separator, bool aliyun) {
  std::vector<std::string> options = aliyun ? kAliyunOptions : kOptions;
  if (!aliyun) options.insert(options.end(), kLaterOptions.begin(), kLaterOptions.end());
  std::set<std::string> keys;
  for (const auto& [key, value] : pairs) keys.insert(key);
  std::map<std::string, Draft> drafts;
  Declarations out;
  for (const auto& [key, value] : pairs) {
    const auto split = split_option(key, separator, options);
    if (split && keys.contains(split->name)) {
      drafts[split->name].options[split->option] = value;
    } else if (split && !value.starts_with('/') && value != "stdout" && value != "stderr") {
      out.wrong.push_back({split->name.substr(0, kNameBytesMax),
                           "its option " + split->option + " stands alone: declare '" +
                               split->name.substr(0, kNameBytesMax) + "' with a path too."});
    } else if (drafts.size() < limits::kDeclarationsPerContainerMax || drafts.contains(key)) {
      drafts[key].path = value;
    } else {
      out.wrong.push_back({key.substr(0, kNameBytesMax),
                           "one container may declare at most 64 logs. It is not collected."});
    }
  }
  for (const auto& [name, draft] : drafts) {
    if (draft.path) finish(name, draft, aliyun, out);
  }
  return out;
}

std::vector<KeyValue> behind(const std::vector<KeyValue>& all, std::string_view prefix) {
  std::vector<KeyValue> some;
  for (const auto& [key, value] : all) {
    if (key.starts_with(prefix)) some.emplace_back(key.substr(prefix.size()), value);
  }
  return some;
}

}  // namespace

Declarations merge(Declarations first, Declarations second) {
  for (Declaration& declaration : second.usable) {
    const auto same = [&](const Declaration& other) { return other.name == declaration.name; };
    if (std::none_of(first.usable.begin(), first.usable.end(), same)) {
      first.usable.push_back(std::move(declaration));
    }
  }
  std::sort(first.usable.begin(), first.usable.end(),
            [](const Declaration& a, const Declaration& b) { return a.name < b.name; });
  std::move(second.wrong.begin(), second.wrong.end(), std::back_inserter(first.wrong));
  return first;
}

Declarations parse_environment(const std::vector<KeyValue>& variables,
                               const std::vector<std::string>& prefixes) {
  Declarations all;
  for (const std::string& prefix : prefixes) {
    if (!prefix.empty()) all = merge(std::move(all), parse(behind(variables, prefix), '_', false));
  }
  return merge(std::move(all), parse(behind(variables, "aliyun_logs_"), '_', true));
}

Declarations parse_labels(const std::vector<KeyValue>& labels) {
  return parse(behind(labels, "longshore.logs."), '.', false);
}

Declarations parse_sources(const std::vector<std::string>& arguments) {
  std::vector<KeyValue> pairs;
  Declarations refused;
  for (const std::string& argument : arguments) {
    const size_t equals = argument.find('=');
    if (equals == std::string::npos) {
      refused.wrong.push_back({argument, "write --source name=/path/of/a.log."});
      continue;
    }
    const std::string value = argument.substr(equals + 1);
    if (value == "stdout" || value == "stderr") {
      refused.wrong.push_back(
          {argument.substr(0, equals), "the host has no " + value + " to collect; give a path."});
      continue;
    }
    pairs.emplace_back(argument.substr(0, equals), value);
  }
  Declarations all = parse(pairs, '_', false);
  std::move(refused.wrong.begin(), refused.wrong.end(), std::back_inserter(all.wrong));
  return all;
}

}  // namespace longshore
