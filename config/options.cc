#include "config/options.h"

#include <unistd.h>

#include <algorithm>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/value_semantic.hpp>
#include <cctype>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iostream>
#include <sstream>

#include "config/nearest.h"

namespace longshore {
namespace {

namespace po = boost::program_options;

using Strings = std::vector<std::string>;

constexpr char kVariablePrefix[] = "LONGSHORE_";
constexpr char kDeclarationPrefix[] = "LONGSHORE_LOGS_";

Error refusal(const std::string& sentence) { return {ErrorCode::kInvalid, sentence}; }

std::string see_help(const CommandHelp& command) {
  return "'longshore " + command.name + " --help' lists all";
}

// The option that somebody who wrote `name` may have meant; empty: nobody knows.
std::string near_option(const std::string& name, const po::options_description& options) {
  Strings names;
  for (const auto& option : options.options()) names.push_back(option->long_name());
  return nearest(name, names);
}

// `written` as it stood, `name` what is left of it without prefix or dashes.
Error unknown(const std::string& written, const std::string& where, const std::string& name,
              const po::options_description& options, const CommandHelp& command) {
  const std::string near = near_option(name, options);
  return refusal("Unknown option '" + written + "'" + where + "; " +
                 (near.empty() ? see_help(command) + "." : "did you mean '--" + near + "'?"));
}

std::string option_of(const std::string& variable) {
  std::string name = variable.substr(sizeof kVariablePrefix - 1);
  for (char& c : name) {
    c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

bool is_list(const po::option_description& option) {
  return dynamic_cast<const po::typed_value<Strings>*>(option.semantic().get()) != nullptr;
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

po::option given(const std::string& name, Strings values) {
  po::option option;
  option.string_key = name;
  option.value = std::move(values);
  return option;
}

Status store_arguments(const CommandHelp& command, const po::options_description& options,
                       Strings arguments, po::variables_map& values, Strings* words) {
  namespace style = po::command_line_style;
  constexpr int kStyle = style::allow_long | style::long_allow_adjacent | style::long_allow_next;
  std::replace(arguments.begin(), arguments.end(), std::string("-h"), std::string("--help"));
  const auto parsed = po::basic_command_line_parser<char>(arguments)
                          .options(options)
                          .style(kStyle)
                          .allow_unregistered()
                          .run();
  po::parsed_options known(&options);
  for (const auto& option : parsed.options) {
    if (option.unregistered) {
      return unknown("--" + option.string_key, "", option.string_key, options, command);
    }
    if (option.position_key < 0) {
      known.options.push_back(option);
      continue;
    }
    const std::string& word = option.value.front();
    if (word.starts_with('-')) return unknown(word, "", word.substr(1), options, command);
    if (words == nullptr) {
      return refusal("'" + word + "' belongs to no option; " + see_help(command) + ".");
    }
    words->push_back(word);
  }
  po::store(known, values);
  return ok();
}

Status store_environment(const CommandHelp& command, const po::options_description& options,
                         const Environment& environment, po::variables_map& values) {
  po::parsed_options known(&options);
  for (const auto& [variable, value] : environment) {
    if (!variable.starts_with(kVariablePrefix) || variable.starts_with(kDeclarationPrefix)) {
      continue;
    }
    const std::string name = option_of(variable);
    if (name.empty()) continue;
    const po::option_description* option = options.find_nothrow(name, false);
    if (option == nullptr) {
      // Other commands read the same environment: only what resembles one of ours is a mistake.
      if (near_option(name, options).empty()) continue;
      return unknown(variable, " in the environment", name, options, command);
    }
    // A variable that was left empty was not meant to change anything.
    if (value.empty() || name == "help") continue;
    known.options.push_back(given(name, is_list(*option) ? lines_of(value) : Strings{value}));
  }
  po::store(known, values);
  return ok();
}

// Read here and not by Boost, which takes a '#' within a value, as in a password, for a comment.
Status store_file(const CommandHelp& command, const po::options_description& options,
                  const std::string& path, po::variables_map& values) {
  std::ifstream file(path);
  po::parsed_options known(&options);
  int number = 0;
  for (std::string line; std::getline(file, line);) {
    const std::string where = " in " + path + ", line " + std::to_string(++number);
    line = trimmed(line);
    if (line.empty() || line[0] == '#' || line[0] == ';') continue;
    const size_t equals = line.find('=');
    if (equals == std::string::npos || equals == 0) {
      return refusal("'" + line + "'" + where + " is no setting; write 'name = value'.");
    }
    const std::string name = trimmed(line.substr(0, equals));
    const std::string value = trimmed(line.substr(equals + 1));
    const po::option_description* option = options.find_nothrow(name, false);
    if (option == nullptr) return unknown(name, where, name, options, command);
    if (value.empty() && option->semantic()->max_tokens() == 0) {
      return refusal("'" + name + "'" + where + " has no value; write true or false.");
    }
    known.options.push_back(given(option->long_name(), {value}));
  }
  if (!file.eof()) {
    return refusal("The config file " + path + " cannot be read (" + std::strerror(errno) +
                   "); check --config and the file's permissions.");
  }
  po::store(known, values);
  return ok();
}

// Whether anything that was given has a '%'.
bool has_percent(const Strings& arguments, const Environment& environment,
                 const std::string& path) {
  const auto has = [](const std::string& text) { return text.find('%') != std::string::npos; };
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    if (has(line)) return true;
  }
  return std::any_of(arguments.begin(), arguments.end(), has) ||
         std::any_of(environment.begin(), environment.end(),
                     [&has](const auto& variable) { return has(variable.second); });
}

// Boost's words, which name the option, as a sentence of ours. Boost takes a %name% in the value
// that it quotes for one of its own placeholders, and may replace it by itself for ever.
Error refused(const po::error& error, bool percent, const std::string& where,
              const CommandHelp& command) {
  const auto* named = dynamic_cast<const po::error_with_option_name*>(&error);
  const std::string words = named != nullptr && percent
                                ? "option '" + named->get_option_name() +
                                      "' has a value that it does not take, or has several"
                                : std::string(error.what());
  std::string sentence = where + words + "; " + see_help(command) + ".";
  sentence[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(sentence[0])));
  return refusal(sentence);
}

void print_help(const CommandHelp& command, const po::options_description& options) {
  std::cout << command.summary << "\n\nUsage: longshore " << command.name << " [options]\n\n"
            << command.examples << (command.examples.empty() ? "" : "\n") << options
            << "\nEvery option is also a variable (--linger-ms: LONGSHORE_LINGER_MS) and a line of "
               "the\nfile of --config (linger-ms = 50). A flag beats a variable, a variable the "
               "file.\n";
}

}  // namespace

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

Result<ParsedOptions> parse_options(const CommandHelp& command, po::options_description options,
                                    const std::vector<std::string>& arguments,
                                    const Environment& environment,
                                    std::vector<std::string>* words) {
  const po::options_description of_file = options;
  options.add_options()("config", po::value<std::string>()->value_name("FILE"),
                        "a file with these options, one 'name = value' a line");
  options.add_options()("help", "print this");
  ParsedOptions parsed;
  po::variables_map& values = parsed.values;
  std::string where;
  try {
    Status stored = store_arguments(command, options, arguments, values, words);
    if (!stored) return stored.error();
    if (values.count("help") > 0) {
      print_help(command, options);
      parsed.help_wanted = true;
      return parsed;
    }
    where = "in the environment, ";
    stored = store_environment(command, options, environment, values);
    if (!stored) return stored.error();
    if (values.count("config") > 0) {
      const auto path = values["config"].as<std::string>();
      where = "in " + path + ", ";
      stored = store_file(command, of_file, path, values);
      if (!stored) return stored.error();
    }
    where.clear();
    po::notify(values);
  } catch (const po::error& error) {
    const std::string path = values.count("config") > 0 ? values["config"].as<std::string>() : "";
    return refused(error, has_percent(arguments, environment, path), where, command);
  }
  return parsed;
}

}  // namespace longshore
