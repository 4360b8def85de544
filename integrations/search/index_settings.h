// The settings of `longshore index` and of `longshore replay`, all checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/command_line.h"
#include "config/result.h"
#include "integrations/kafka/group_reader.h"
#include "integrations/search/document.h"
#include "integrations/search/index_template.h"
#include "integrations/search/letter_writer.h"
#include "integrations/search/old_indices.h"
#include "integrations/search/search_node.h"

namespace longshore::search {

/// No template of another tool takes it. Elasticsearch keeps logs-*-* for data streams.
inline constexpr std::string_view kDefaultIndex = "longshore-{topic}-{yyyy.MM.dd}";
/// The default of earlier versions.
inline constexpr std::string_view kFormerIndex = "logs-{topic}-{yyyy.MM.dd}";

/// Immutable once parsed.
struct IndexSettings {
  kafka::GroupOptions group;
  SearchOptions search;
  DocumentOptions document;
  TemplateOptions index_template;  ///< `flat` is set from the server's version.
  bool install_template = true;
  bool default_index = false;       ///< The index is kDefaultIndex.
  std::optional<KeepOptions> keep;  ///< Older indices are deleted.
  bool prune = false;               ///< Only that, once, without Kafka.
  bool dry_run = false;             ///< Show it only.
  std::string dead_letter_topic;    ///< Empty: the process stops at the first rejected record.
  int refused_percent = 5;          ///< See RefusalGate.
  size_t bulk_bytes = 2 << 20;
  size_t in_flight = 2;  ///< Requests at once.
  int64_t linger_ms = 500;
  int64_t progress_s = 10;   ///< 0: no progress line.
  std::string metrics_file;  ///< Empty: none.
};

/// Immutable once parsed.
struct ReplaySettings {
  IndexSettings index;  ///< Its group reads the dead letters, and nothing is put aside.
  LetterFilter filter;
  bool from_start = false;
  bool dry_run = false;  ///< Then there may be no search service.
};

/// Nothing if the help was printed. Errors: kInvalid: one sentence that says what to change.
Result<std::optional<IndexSettings>> parse_index_settings(const std::vector<std::string>& arguments,
                                                          const Environment& environment);
Result<std::optional<ReplaySettings>> parse_replay_settings(
    const std::vector<std::string>& arguments, const Environment& environment);

}  // namespace longshore::search
