// One way for every command to take its options: flags, environment and a file of `--config` have
// the same names, through Boost.Program_options.
//
//   flag --linger-ms=50   beats   LONGSHORE_LINGER_MS=50   beats   linger-ms = 50 (file)
//
// A repeatable option is given again on the command line and in the file; in the environment its
// values are separated by newlines. What is beaten counts for nothing: lists are not joined. An
// empty variable is none. Variables that begin with LONGSHORE_LOGS_ are declarations of containers
// and never options; of the other unknown ones those that resemble an option are refused.
//
// The file: one `name = value` a line; a line that begins with `#` or `;` is a comment, within a
// value they are as any other character.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/variables_map.hpp>
#include <string>
#include <utility>
#include <vector>

#include "config/result.h"

namespace longshore {

/// A command as its help shows it.
struct CommandHelp {
  std::string name;      ///< "agent"
  std::string summary;   ///< One sentence.
  std::string examples;  ///< Lines to copy, each with its newline.
};

/// What a command line came to.
struct ParsedOptions {
  boost::program_options::variables_map values;
  bool help_wanted = false;  ///< The help was printed on standard output: exit 0.
};

using Environment = std::vector<std::pair<std::string, std::string>>;

/// Variables of this process.
Environment process_environment();

/// Parses arguments (without the program's and the command's name), environment and config file.
/// Adds --help and --config to `options`. `words` collects arguments that are no flags; null:
/// there must be none. Errors: kInvalid: one sentence that names the option, the nearest known one,
/// and where it stood.
Result<ParsedOptions> parse_options(const CommandHelp& command,
                                    boost::program_options::options_description options,
                                    const std::vector<std::string>& arguments,
                                    const Environment& environment,
                                    std::vector<std::string>* words = nullptr);

}  // namespace longshore
