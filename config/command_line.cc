#include "config/command_line.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "config/nearest.h"
#include "config/printable.h"

namespace longshore {
namespace {

namespace po = boost::program_options;

using Strings = CommandLine::Strings;

constexpr unsigned kHelpColumns = 100;
constexpr std::string_view kVariablePrefix = "LONGSHORE_";
constexpr std::string_view kDeclarationPrefix = "LONGSHORE_LOGS_";

char lower(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }
char upper(char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); }

std::string flag_of(std::string_view variable) {
  std::string name(variable.substr(kVariablePrefix.size()));
  for (char& c : name) c = c == '_' ? '-' : lower(c);
  return name;
}

std::string variable_of(const std::string& flag) {
  std::string name(kVariablePrefix);
  for (const char c : flag) name += c == '-' ? '_' : upper(c);
  return name;
}

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") + 1 - first);
}

Strings lines_of(const std::string& text) {
  Strings lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    if (!trimmed(line).empty()) lines.push_back(trimmed(line));
  }
  return lines;
}

bool is_list(const po::option_description& option) {
  return dynamic_cast<const po::typed_value<Strings>*>(option.semantic().get()) != nullptr;
}

// The words that Boost accepts for a toggle.
bool is_truth(std::string word) {
  std::transform(word.begin(), word.end(), word.begin(), lower);
  const Strings words = {"true", "yes", "on", "1", "false", "no", "off", "0"};
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string bytes_text(uint64_t bytes) {
  for (const auto& [shift, unit] : {std::pair{30, 'G'}, std::pair{20, 'M'}, std::pair{10, 'K'}}) {
    if (bytes >> shift != 0 && bytes % (uint64_t{1} << shift) == 0)
      return fmt::format("{}{}", bytes >> shift, unit);
  }
  return std::to_string(bytes);
}

std::optional<int64_t> parse_integer(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace

CommandLine::CommandLine(CommandHelp help) : help_(std::move(help)) {}

void CommandLine::section(const std::string& title) { sections_.emplace_back(title, kHelpColumns); }

CommandLine::Options& CommandLine::flags() {
  if (sections_.empty()) section("Flags");
  return sections_.back();
}

void CommandLine::scalar(const char* name, const std::string& usual, const char* value,
                         const char* help, Take take) {
  auto* const semantic = po::value<std::string>()->value_name(value);
  if (!usual.empty()) semantic->default_value(usual);
  flags().add_options()(name, semantic, help);
  takes_.emplace_back(name, std::move(take));
}

void CommandLine::text(const char* name, std::string* to, const char* value, const char* help) {
  scalar(name, *to, value, help, [to](const std::string& given) {
    *to = given;
    return std::string();
  });
}

void CommandLine::list(const char* name, Strings* to, const char* value, const char* help) {
  flags().add_options()(name, po::value<Strings>(to)->value_name(value), help);
}

void CommandLine::toggle(const char* name, bool* to, const char* help) {
  flags().add_options()(name, po::bool_switch(to), help);
}

void CommandLine::bytes(const char* name, uint64_t* to, Range range, const char* help) {
  const auto min = static_cast<uint64_t>(range.min), max = static_cast<uint64_t>(range.max);
  scalar(name, bytes_text(*to), "BYTES", help, [to, min, max](const std::string& given) {
    const std::optional<uint64_t> bytes = parse_bytes(given);
    if (!bytes || *bytes < min || *bytes > max)
      return fmt::format("give a size from {} to {}, such as 2M", bytes_text(min), bytes_text(max));
    *to = *bytes;
    return std::string();
  });
}

void CommandLine::integer(const char* name, std::optional<int64_t> usual, Range range,
                          const char* value, const char* help, std::function<void(int64_t)> set) {
  scalar(name, usual ? std::to_string(*usual) : "", value, help,
         [range, set = std::move(set)](const std::string& given) {
           const std::optional<int64_t> number = parse_integer(given);
           if (!number || *number < range.min || *number > range.max)
             return fmt::format("give a number from {} to {}", range.min, range.max);
           set(*number);
           return std::string();
         });
}

void CommandLine::word(const char* name, const std::string& usual, const Strings& words,
                       const char* help, std::function<void(size_t)> set) {
  const std::string all = fmt::format("{}", fmt::join(words, "|"));
  scalar(name, usual, all.c_str(), help, [words, set = std::move(set)](const std::string& given) {
    const auto found = std::find(words.begin(), words.end(), given);
    if (found == words.end()) return fmt::format("use one of {}", fmt::join(words, ", "));
    set(static_cast<size_t>(found - words.begin()));
    return std::string();
  });
}

void CommandLine::words(Strings* to, const char* value) {
  words_ = to;
  words_value_ = value;
}

std::string CommandLine::see_help() const {
  return "'longshore " + help_.name + " --help' lists all flags";
}

std::string CommandLine::near_flag(const std::string& name) const {
  Strings names;
  for (const auto& option : all_.options()) names.push_back(option->long_name());
  return nearest(name, names);
}

// `near_as`: how the right name would be written there; empty: nothing comes close.
Error CommandLine::unknown(const std::string& what, const std::string& near_as) const {
  return invalid("Unknown " + what + "; " +
                 (near_as.empty() ? see_help() + "." : "did you mean " + near_as + "?"));
}

Error CommandLine::unusable(const std::string& name, const std::string& value,
                            const std::string& remedy) const {
  const auto at = std::find_if(given_.begin(), given_.end(), [&](const Given& given) {
    return given.name == name && given.value == value;
  });
  const std::string where = at == given_.end() ? "--" + name + "=" + value : at->where;
  return invalid(where + " is not usable: " + remedy + ".");
}

Result<Environment> CommandLine::pairs(const std::string& name, const Strings& values) const {
  Environment pairs;
  for (const std::string& value : values) {
    const size_t equals = value.find('=');
    if (equals == 0 || equals == std::string::npos)
      return unusable(name, value, "write it as key=value");
    pairs.emplace_back(value.substr(0, equals), value.substr(equals + 1));
  }
  return pairs;
}

bool CommandLine::in_arguments(const std::string& name) const {
  return std::any_of(given_.begin(), given_.end(),
                     [&name](const Given& given) { return given.argument && given.name == name; });
}

std::string CommandLine::variable(const std::string& name) const {
  for (const auto& [known, value] : environment_) {
    if (known == name) return value;
  }
  return {};
}

// Boost's own messages quote values and replace a %name% in them, possibly without end. So Boost
// only ever sees values that it accepts.
Status CommandLine::add(const std::string& name, const Strings& values, const std::string& where,
                        bool argument, po::parsed_options& to) {
  const po::option_description& option = all_.find(name, false);
  const bool toggle = option.semantic()->max_tokens() == 0;
  for (const std::string& value : values) {
    given_.push_back({name, value, where + value, argument});
    if (toggle && !is_truth(value)) return unusable(name, value, "write true or false");
  }
  const bool again = std::any_of(to.options.begin(), to.options.end(),
                                 [&name](const auto& other) { return other.string_key == name; });
  if (again && !is_list(option))
    return unusable(name, values.empty() ? "" : values.front(), "it is given twice; keep one");
  po::option stored;
  stored.string_key = name;
  stored.value = values;
  to.options.push_back(std::move(stored));
  return ok();
}

Status CommandLine::store_arguments(Strings arguments) {
  namespace style = po::command_line_style;
  constexpr int kStyle = style::allow_long | style::long_allow_adjacent | style::long_allow_next;
  std::replace(arguments.begin(), arguments.end(), std::string("-h"), std::string("--help"));
  for (const std::string& argument : arguments) {
    const std::string name = argument.substr(0, argument.find('='));
    if (name.starts_with("--") && name.find('%') != std::string::npos)
      return unknown("flag '" + name + "'", "");
  }
  const auto parsed = po::basic_command_line_parser<char>(arguments)
                          .options(all_)
                          .style(kStyle)
                          .allow_unregistered()
                          .run();
  po::parsed_options known(&all_);
  for (const po::option& option : parsed.options) {
    if (option.position_key < 0 && !option.unregistered) {
      const std::string& name = option.string_key;
      Status added = add(name, option.value, "--" + name + "=", true, known);
      if (!added) return added;
      continue;
    }
    const std::string word = option.unregistered ? "--" + option.string_key : option.value.front();
    if (word.starts_with('-')) {
      const std::string near = near_flag(word.substr(option.unregistered ? 2 : 1));
      return unknown("flag '" + word + "'", near.empty() ? "" : "'--" + near + "'");
    }
    if (words_ == nullptr) return invalid("'" + word + "' belongs to no flag; " + see_help() + ".");
    words_->push_back(word);
  }
  po::store(known, values_);
  return ok();
}

Status CommandLine::store_environment() {
  po::parsed_options known(&all_);
  for (const auto& [variable, value] : environment_) {
    if (!variable.starts_with(kVariablePrefix) || variable.starts_with(kDeclarationPrefix))
      continue;
    const std::string name = flag_of(variable);
    if (name.empty()) continue;
    const po::option_description* option = all_.find_nothrow(name, false);
    if (option == nullptr && help_.refuse_near_variables) {
      const std::string near = near_flag(name);
      if (!near.empty()) return unknown("variable '" + variable + "'", variable_of(near));
    }
    if (option == nullptr || value.empty() || name == "help") continue;
    const Strings values = is_list(*option) ? lines_of(value) : Strings{value};
    if (Status added = add(name, values, variable + "=", false, known); !added) return added;
  }
  po::store(known, values_);
  return ok();
}

Status CommandLine::store_file(const std::string& path) {
  auto settings = read_settings("config", path);
  if (!settings) return settings.error();
  // A file that all commands share through the environment may hold flags of others.
  const bool shared = !in_arguments("config") && !help_.refuse_near_variables;
  po::parsed_options known(&all_);
  for (const FileSetting& setting : *settings) {
    const std::string where = path + ":" + std::to_string(setting.line) + ": ";
    const std::string& name = setting.name;
    const bool is_flag = all_.find_nothrow(name, false) && name != "config" && name != "help";
    if (!is_flag && shared) continue;
    if (!is_flag) {
      const std::string near = near_flag(name);
      Error error = unknown("setting '" + name + "'", near.empty() ? "" : "'" + near + "'");
      error.message[0] = lower(error.message[0]);
      return invalid(where + error.message);
    }
    Status added = add(name, {setting.value}, where + name + " = ", false, known);
    if (!added) return added;
  }
  po::store(known, values_);
  return ok();
}

Status CommandLine::store_all(const Strings& arguments) {
  where_.clear();
  if (Status stored = store_arguments(arguments); !stored) return stored;
  if (values_.count("help") > 0) return ok();
  where_ = "In the environment: ";
  if (Status stored = store_environment(); !stored) return stored;
  if (values_.count("config") > 0) {
    config_ = values_["config"].as<std::string>();
    where_ = "In " + config_ + ": ";
    if (Status stored = store_file(config_); !stored) return stored;
  }
  po::notify(values_);
  return take_values();
}

Status CommandLine::take_values() {
  for (const auto& [name, take] : takes_) {
    if (values_.count(name) == 0) continue;
    const auto value = values_[name].as<std::string>();
    const std::string remedy = take(value);
    if (!remedy.empty()) return unusable(name, value, remedy);
  }
  return ok();
}

Result<bool> CommandLine::parse(const Strings& arguments, const Environment& environment) {
  section("Of every command");
  sections_.back().add_options()("config", po::value<std::string>()->value_name("FILE"),
                                 "Read flags from this file, one 'name = value' a line.");
  sections_.back().add_options()("help", "Print this help and exit.");
  for (const Options& section : sections_) all_.add(section);
  environment_ = environment;
  try {
    if (Status stored = store_all(arguments); !stored) return stored.error();
  } catch (const po::error& error) {
    std::string words = error.what();
    if (where_.empty()) words[0] = upper(words[0]);
    return invalid(where_ + words + "; " + see_help() + ".");
  }
  if (values_.count("help") == 0) return true;
  print_help();
  return false;
}

void CommandLine::print_help() const {
  std::cout << help_.summary << "\n\nUsage: longshore " << help_.name << " [flags]"
            << (words_value_.empty() ? "" : " ") << words_value_ << "\n\n"
            << help_.examples << (help_.examples.empty() ? "" : "\n");
  for (const Options& section : sections_) std::cout << section << "\n";
  std::cout
      << "Every flag is also an environment variable (--linger-ms: LONGSHORE_LINGER_MS) and a "
         "line of the\n--config file (linger-ms = 50). A flag beats a variable, a variable "
         "beats the file.\n"
      << std::flush;
}

Environment process_environment() {
  Environment variables;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text(*entry);
    const size_t equals = text.find('=');
    if (equals != std::string::npos) {
      variables.emplace_back(text.substr(0, equals), text.substr(equals + 1));
    }
  }
  return variables;
}

Error missing(const std::string& name, const std::string& remedy) {
  return invalid("--" + name + " is missing: " + remedy + ".");
}

int complain(const std::string& command, const Error& error, int status) {
  fmt::print(stderr, "longshore {}: {}\n", command, printable(error.message));
  return status;
}

Result<std::vector<FileSetting>> read_settings(const std::string& flag, const std::string& path) {
  std::ifstream file(path);
  std::vector<FileSetting> settings;
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    line = trimmed(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    const size_t equals = line.find('=');
    if (equals == std::string::npos || equals == 0)
      return invalid(
          fmt::format("{}:{}: this line is no setting; write 'name = value'.", path, number));
    std::string value = trimmed(line.substr(equals + 1));
    if (is_quoted(value)) {
      value = value.substr(1, value.size() - 2);
    } else if (value.starts_with('"') || value.starts_with('\'')) {
      return invalid(
          fmt::format("{}:{}: the quotation mark that begins the value does not end it; put the "
                      "whole value in quotation marks, or nothing of it.",
                      path, number));
    }
    settings.push_back({trimmed(line.substr(0, equals)), std::move(value), number});
  }
  if (file.eof()) return settings;
  return invalid(fmt::format("--{} {} cannot be read ({}); check the path and its permissions.",
                             flag, path, std::strerror(errno)));
}

bool is_quoted(std::string_view text) {
  return text.size() >= 2 && text.front() == text.back() &&
         (text.front() == '"' || text.front() == '\'');
}

std::optional<uint64_t> parse_bytes(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;
  std::string_view unit(end, static_cast<size_t>(text.data() + text.size() - end));
  if (unit.ends_with('B')) unit.remove_suffix(1);
  if (unit.size() == 2 && unit[1] == 'i') unit.remove_suffix(1);
  if (unit.empty()) return value;
  const size_t power = std::string_view("kMG").find(unit[0] == 'K' ? 'k' : unit[0]);
  if (unit.size() != 1 || power == std::string_view::npos) return std::nullopt;
  const unsigned shift = 10 * (static_cast<unsigned>(power) + 1);
  if (value > (UINT64_MAX >> shift)) return std::nullopt;
  return value << shift;
}

}  // namespace longshore
