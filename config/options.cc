#include "config/options.h"

#include <unistd.h>

#include <algorithm>
#include <boost/program_options/errors.hpp>
#include <boost/program_options/parsers.hpp>
#include <cctype>
#include <fstream>
#include <iostream>

#include "config/nearest.h"

namespace longshore {
namespace {

namespace po = boost::program_options;

constexpr char kVariablePrefix[] = "LONGSHORE_";
constexpr char kDeclarationPrefix[] = "LONGSHORE_LOGS_";

std::vector<std::string> names_of(const po::options_description& options) {
  std::vector<std::string> names;
  for (const auto& option : options.options()) names.push_back(option->long_name());
  return names;
}

Error unknown(const std::string& what, const std::string& where, const std::string& name,
              const po::options_description& options, const std::string& command) {
  const std::string near = nearest(name, names_of(options));
  return {ErrorCode::kInvalid, "Unknown option '" + what + "'" + where +
                                   (near.empty() ? "; 'longshore " + command + " --help' lists all."
                                                 : "; did you mean '--" + near + "'?")};
}

std::string option_of(const std::string& variable) {
  std::string name = variable.substr(sizeof kVariablePrefix - 1);
  for (char& c : name) {
    c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return name;
}

bool repeatable(const po::option_description& option) { return option.semantic()->is_composing(); }

// Boost's words with the option's name, in our form.
Error refused(const po::error& error, const std::string& where) {
  std::string words = error.what();
  if (!words.empty())
    words[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(words[0])));
  return {ErrorCode::kInvalid, words + where + "."};
}

Status store_arguments(const CommandHelp& command, const po::options_description& options,
                       const std::vector<std::string>& arguments, po::variables_map& values,
                       std::vector<std::string>* words) {
  namespace style = po::command_line_style;
  constexpr int kStyle = style::allow_long | style::long_allow_adjacent | style::long_allow_next;
  const po::positional_options_description none;
  const auto parsed = po::basic_command_line_parser<char>(arguments)
                          .options(options)
                          .style(kStyle)
                          .allow_unregistered()
                          .run();
  for (const auto& option : parsed.options) {
    if (option.position_key >= 0) {
      if (words == nullptr) {
        return Error{ErrorCode::kInvalid, "'" + option.value.front() + "' is not an option; '" +
                                              "longshore " + command.name + " --help' lists all."};
      }
      words->push_back(option.value.front());
    } else if (option.unregistered) {
      return unknown(option.original_tokens.front(), "", option.string_key, options, command.name);
    }
  }
  po::parsed_options known(&options);
  for (const auto& option : parsed.options) {
    if (option.position_key < 0) known.options.push_back(option);
  }
  po::store(known, values);
  return ok();
}

Status store_environment(const CommandHelp& command, const po::options_description& options,
                         const Environment& environment, po::variables_map& values) {
  po::parsed_options known(&options);
  for (const auto& [variable, value] : environment) {
    if (!variable.starts_with(kVariablePrefix) || variable.starts_with(kDeclarationPrefix))
      continue;
    const std::string name = option_of(variable);
    const po::option_description* option = options.find_nothrow(name, false);
    // Other commands read the same environment: only what resembles one of ours is a mistake.
    if (option == nullptr) {
      if (nearest(name, names_of(options)).empty()) continue;
      return unknown(variable, " in the environment", name, options, command.name);
    }
    po::option given;
    given.string_key = name;
    std::string rest = value;
    for (size_t at = 0; repeatable(*option) && (at = rest.find('\n')) != std::string::npos;) {
      if (at > 0) given.value.push_back(rest.substr(0, at));
      rest.erase(0, at + 1);
    }
    if (!rest.empty() || given.value.empty()) given.value.push_back(rest);
    if (option->semantic()->max_tokens() == 0) {
      // A switch: 1, true, yes and on turn it on, anything else leaves it off.
      const bool on = value == "1" || value == "true" || value == "yes" || value == "on";
      if (!on) continue;
      given.value.clear();
    }
    known.options.push_back(given);
  }
  po::store(known, values);
  return ok();
}

Status store_file(const CommandHelp& command, const po::options_description& options,
                  const std::string& path, po::variables_map& values) {
  std::ifstream file(path);
  if (!file) {
    return Error{ErrorCode::kInvalid, "The config file " + path +
                                          " cannot be read: check --config and its permissions."};
  }
  const auto parsed = po::parse_config_file(file, options, true);
  for (const auto& option : parsed.options) {
    if (option.unregistered) {
      return unknown(option.string_key, " in " + path, option.string_key, options, command.name);
    }
  }
  po::store(parsed, values);
  return ok();
}

void print_help(const CommandHelp& command, const po::options_description& options) {
  std::cout << command.summary << "\n\nUsage: longshore " << command.name << " [options]\n\n"
            << command.examples << (command.examples.empty() ? "" : "\n") << options
            << "\nEvery option is also a variable (--linger-ms: LONGSHORE_LINGER_MS) and a line of "
               "the\nfile of --config (linger-ms = 50).\n";
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
  options.add_options()("config", po::value<std::string>()->value_name("FILE"),
                        "a file with these options, one 'name = value' a line")("help",
                                                                                "print this");
  ParsedOptions parsed;
  std::string where;
  try {
    if (Status stored = store_arguments(command, options, arguments, parsed.values, words);
        !stored) {
      return stored.error();
    }
    if (parsed.values.count("help") > 0) {
      print_help(command, options);
      parsed.help_wanted = true;
      return parsed;
    }
    where = " in the environment";
    if (Status stored = store_environment(command, options, environment, parsed.values); !stored) {
      return stored.error();
    }
    if (parsed.values.count("config") > 0) {
      const auto path = parsed.values["config"].as<std::string>();
      where = " in " + path;
      if (Status stored = store_file(command, options, path, parsed.values); !stored) {
        return stored.error();
      }
    }
    where.clear();
    po::notify(parsed.values);
  } catch (const po::error& error) {
    return refused(error, where);
  }
  return parsed;
}

}  // namespace longshore
