// A declaration names a log that a container or the operator wants collected, and how. Environment
// variables, container labels and --source share one grammar; docs/declare.md describes it.
//
//   LONGSHORE_LOGS_access=/app/logs/access*.log    LONGSHORE_LOGS_access_topic=web
//   '------------' '----' '-------------------'                          '---' '-'
//       prefix      name    path, glob or stream                        option value
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace longshore {

enum class Stream : uint8_t { kFile, kStdout, kStderr };
/// "" for a file, else the name of the stream.
const char* stream_name(Stream stream);

enum class RecordFormat : uint8_t { kText, kJson, kRaw };
enum class StartAt : uint8_t { kBeginning, kEnd };

/// Immutable once parsed. Strings are checked for length and grammar only: a path still comes from
/// a container and must not be trusted.
struct Declaration {
  std::string name = {};
  Stream stream = Stream::kFile;
  std::string path = {};     ///< Absolute, normalised ("//", "/./" folded, no ".."); may be a glob.
                             ///< Empty for streams.
  std::string exclude = {};  ///< Glob over absolute paths, or over the file name where it has no
                             ///< '/'. Empty: none.
  std::string topic = {};    ///< Empty: the agent's own.
  std::vector<std::pair<std::string, std::string>> tags =
      {};  ///< In the order written, keys unique.
  RecordFormat format = RecordFormat::kText;
  bool start_given =
      false;  ///< Whether `start` was declared; else the agent's --first-start rules.
  StartAt start = StartAt::kBeginning;
  bool operator==(const Declaration&) const = default;
};

/// A declaration that cannot be used: one sentence with the cause and the remedy, for the log.
struct WrongDeclaration {
  std::string name;
  std::string message;
};

struct Declarations {
  std::vector<Declaration> usable;  ///< Sorted by name.
  std::vector<WrongDeclaration> wrong;
};

using KeyValue = std::pair<std::string, std::string>;

/// Parses those of `variables` (a container's environment) that begin with one of the prefixes.
/// `aliyun_logs_` always counts as a prefix and keeps its own options (_tags, _target = topic,
/// _format); its other well-known options are accepted without effect, and its `stdout` means both
/// streams: the second is declared as <name>.stderr. A name declared with two prefixes is taken
/// from the first one, and from `aliyun_logs_` last. A key with two different values is wrong.
Declarations parse_environment(const std::vector<KeyValue>& variables,
                               const std::vector<std::string>& prefixes);

/// The same for labels: `longshore.logs.<name>`, `longshore.logs.<name>.<option>`.
Declarations parse_labels(const std::vector<KeyValue>& labels);

/// The same for the operator's `--source <name>[_<option>]=<value>`; streams are refused there.
Declarations parse_sources(const std::vector<std::string>& arguments);

/// Both in one list. The environment wins if both declare a name, even if its declaration is wrong.
/// Holds at most kDeclarationsPerContainerMax usable ones, and as many wrong ones.
Declarations merge(Declarations environment, Declarations labels);

/// Kafka's rule for the names of topics.
bool is_topic_name(std::string_view text);

}  // namespace longshore
