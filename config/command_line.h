// The command line of every command: flags, environment variables and the lines of the --config
// file are one set of settings under the same names, read through Boost.Program_options.
//
//   --linger-ms=50   beats   LONGSHORE_LINGER_MS=50   beats   linger-ms = 50 (file)
//         \________________________|________________________/
//                     the field that the flag was bound to
//
// A repeatable flag is repeated on the command line and in the file; in a variable its values are
// separated by newlines. The strongest place wins as a whole: lists are not joined. An empty
// variable counts as absent, and variables that begin with LONGSHORE_LOGS_ are declarations of
// containers, never flags. All commands share one environment, so a command ignores variables of
// others, and in a file named by LONGSHORE_CONFIG the lines of others.
#pragma once

#include <boost/program_options/options_description.hpp>
#include <boost/program_options/parsers.hpp>
#include <boost/program_options/variables_map.hpp>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/result.h"

namespace longshore {

/// What the help of a command says about it.
struct CommandHelp {
  std::string name;      ///< "agent"
  std::string summary;   ///< What it does, then its exit status if that needs words.
  std::string examples;  ///< Lines to copy, each with its newline.
  /// Refuse variables whose names come close to a flag: they are typing errors. Only the agent
  /// does, because its environment is written for it.
  bool refuse_near_variables = false;
};

using Environment = std::vector<std::pair<std::string, std::string>>;

/// The variables of this process.
Environment process_environment();

/// Both ends are included.
struct Range {
  int64_t min, max;
};

/// Flags are added first, each bound to a field whose value at that moment is its default. Fields
/// must outlive parse(). Thread: one.
class CommandLine {
 public:
  using Strings = std::vector<std::string>;

  explicit CommandLine(CommandHelp help);

  /// Flags added from here on stand under `title` in the help.
  void section(const std::string& title);

  /// `value` is what the help shows in place of the value, such as NAME; `help` one sentence.
  void text(const char* name, std::string* to, const char* value, const char* help);
  /// Repeatable.
  void list(const char* name, Strings* to, const char* value, const char* help);
  /// Off unless it is given.
  void toggle(const char* name, bool* to, const char* help);
  /// A size with an optional unit, see parse_bytes().
  void bytes(const char* name, uint64_t* to, Range range, const char* help);
  template <typename Number>
  void number(const char* name, Number* to, Range range, const char* value, const char* help) {
    integer(name, static_cast<int64_t>(*to), range, value, help,
            [to](int64_t given) { *to = static_cast<Number>(given); });
  }
  /// Without a default.
  template <typename Number>
  void number(const char* name, std::optional<Number>* to, Range range, const char* value,
              const char* help) {
    integer(name, std::nullopt, range, value, help,
            [to](int64_t given) { *to = static_cast<Number>(given); });
  }
  /// One of a few words.
  template <typename Choice>
  void choice(const char* name, Choice* to,
              const std::vector<std::pair<std::string, Choice>>& choices, const char* help) {
    Strings words;
    std::string usual;
    for (const auto& [word, meaning] : choices) {
      words.push_back(word);
      if (meaning == *to) usual = word;
    }
    word(name, usual, words, help, [to, choices](size_t at) { *to = choices[at].second; });
  }
  /// Collects the arguments that are not flags; without this there must be none.
  void words(Strings* to, const char* value);

  /// Reads `arguments` (without the command's name), `environment` and the file. False: the help
  /// was printed to standard output, and there is nothing left to do.
  /// Errors: kInvalid: one sentence that says what is wrong, where it stands, and what to write.
  Result<bool> parse(const Strings& arguments, const Environment& environment);

  // After parse().

  /// "LONGSHORE_LANES=x is not usable: <remedy>.", with the place where the value stands.
  Error unusable(const std::string& name, const std::string& value,
                 const std::string& remedy) const;
  /// The values of a repeatable flag as pairs. Errors: kInvalid: one is not `key=value`.
  Result<Environment> pairs(const std::string& name, const Strings& values) const;
  /// Whether the flag stands in the arguments, where every user of the machine can read it.
  bool in_arguments(const std::string& name) const;
  /// The value of a variable that is not a flag; empty if it is not set.
  std::string variable(const std::string& name) const;

 private:
  using Options = boost::program_options::options_description;
  using Take = std::function<std::string(const std::string&)>;  // Gives the remedy, or nothing.
  struct Given {
    std::string name, value, where;  // `where`: as it was written, with its place.
    bool argument;
  };

  Options& flags();
  void scalar(const char* name, const std::string& usual, const char* value, const char* help,
              Take take);
  void integer(const char* name, std::optional<int64_t> usual, Range range, const char* value,
               const char* help, std::function<void(int64_t)> set);
  void word(const char* name, const std::string& usual, const Strings& words, const char* help,
            std::function<void(size_t)> set);

  Status store_all(const Strings& arguments);
  Status store_arguments(Strings arguments);
  Status store_environment();
  Status store_file(const std::string& path);
  Status add(const std::string& name, const Strings& values, const std::string& where,
             bool argument, boost::program_options::parsed_options& to);
  Status take_values();
  Error unknown(const std::string& what, const std::string& near_as) const;
  std::string near_flag(const std::string& name) const;
  std::string see_help() const;
  void print_help() const;

  const CommandHelp help_;
  std::vector<Options> sections_;
  Options all_;
  std::vector<std::pair<std::string, Take>> takes_;
  Strings* words_ = nullptr;
  std::string words_value_;
  Environment environment_;
  std::string config_;
  boost::program_options::variables_map values_;
  std::vector<Given> given_;  // In the order of precedence.
  std::string where_;         // What is being read, for Boost's error messages.
};

/// "--topic is missing: <remedy>."
Error missing(const std::string& name, const std::string& remedy);

/// Prints the sentence to standard error after the command's name, on one line and without control
/// over the terminal: it may hold names from Kafka or from containers. Returns `status`.
int complain(const std::string& command, const Error& error, int status = 2);

/// A line `name = value` of a file.
struct FileSetting {
  std::string name, value;
  int line;
};

/// The settings of a file: one `name = value` a line; lines that begin with `#` or `;` are
/// comments, inside a value these characters have no meaning. Quotation marks around a whole value
/// are not part of it. Errors: kInvalid: it cannot be read, a line is no setting, or a quotation
/// mark is not closed; values are never repeated.
Result<std::vector<FileSetting>> read_settings(const std::string& flag, const std::string& path);

/// Whether the text begins and ends with the same quotation mark.
bool is_quoted(std::string_view text);

/// A number of bytes: digits with an optional k, M, G (or Ki, Mi, Gi; all powers of 1024) and an
/// optional B.
std::optional<uint64_t> parse_bytes(std::string_view text);

}  // namespace longshore
