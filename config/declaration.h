// A declaration says which log a container (or the host's operator) wants collected, and how. One
// grammar serves environment variables, container labels and --source; ../README.md describes it
// for users.
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

/// Immutable once parsed; its strings were checked for length and for the grammar, nothing more: a
/// path is still a container's word.
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

/// A declaration that cannot be used, and why: one sentence with the remedy, for `status` and the
/// log.
struct WrongDeclaration {
  std::string name;
  std::string message;
};

struct Declarations {
  std::vector<Declaration> usable;  ///< Sorted by name.
  std::vector<WrongDeclaration> wrong;
};

using KeyValue = std::pair<std::string, std::string>;

/// Parses what stands behind the prefixes in `variables` (a container's environment). Others are
/// passed over. `aliyun_logs_` is always among the prefixes and keeps its own options (_tags,
/// _target = topic, _format); its other well-known options are accepted without effect, and its
/// `stdout` is both streams: the second is declared as <name>.stderr. A name that stands behind two
/// prefixes is taken from the first, and from `aliyun_logs_` last. One key with two values is
/// wrong.
Declarations parse_environment(const std::vector<KeyValue>& variables,
                               const std::vector<std::string>& prefixes);

/// The same for labels: `longshore.logs.<name>`, `longshore.logs.<name>.<option>`.
Declarations parse_labels(const std::vector<KeyValue>& labels);

/// The same for the operator's `--source <name>[_<option>]=<value>`; streams are refused there.
Declarations parse_sources(const std::vector<std::string>& arguments);

/// One list of both; the environment wins where a name is declared in both, also when it is wrong
/// there. Holds kDeclarationsPerContainerMax usable and as many wrong ones at most.
Declarations merge(Declarations environment, Declarations labels);

/// Kafka's rule for the names of topics.
bool is_topic_name(std::string_view text);

}  // namespace longshore
