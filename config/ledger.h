// The ledger records what happened to the bytes of a source, besides the records themselves. An
// entry is born with the transaction that carries the records it is about, is stored with its
// PREPARE, and is shipped inside it, so that a reader of Kafka sees it once and never before those
// records.
#pragma once

#include <cstdint>
#include <string>

#include "config/ids.h"

namespace longshore {

/// The values are stored in the database; from kLost on, entries are kept for the retention time.
enum class LedgerEvent : uint8_t {
  kOpened = 0,   ///< The source's stream begins at `start`.
  kClosed = 1,   ///< A generation [start, end) was read to its end.
  kEnded = 2,    ///< Nobody writes to the source any more; `end` is its total.
  kLost = 3,     ///< [start, end) will not come.
  kDoubt = 4,    ///< [start, end) may stand in Kafka twice. With a reason below, lines may miss.
  kRefused = 5,  ///< A limit keeps files of a declared log from being collected.
};

/// The declared log that a refusal is about: it has no source. Thread: none of its own; a value.
struct RefusedLog {
  std::string name;  ///< Of the declaration.
  std::string path;  ///< As it was declared.
  std::string container_id, container_name;
  std::string topic;   ///< Empty: the agent's own.
  uint64_t count = 0;  ///< How many were refused when this was recorded.
  bool operator==(const RefusedLog&) const = default;
};

/// The reason of a doubt: files of the log may have come and gone at `start` without being seen.
inline constexpr char kUnseenDoubt[] = "generation unseen?";
/// The reason of a doubt: what was written at `start` may not be a copy of what stands before it.
inline constexpr char kCopyDoubt[] = "taken for a copy";
/// The reason of a doubt: the log was truncated at `start`, or from `start` to `end` several times.
inline constexpr char kTruncatedDoubt[] = "truncated?";

/// Thread: none of its own; a value.
struct LedgerEntry {
  int64_t time_ns = 0;
  SourceId source;  ///< 0 for a whole lane; of a refusal, make_declared_id().
  LaneId lane;
  Position start, end;  ///< Of a loss or a doubt, start == end: unknown length.
  std::string reason;   ///< Of a loss, doubt or refusal: one of the fixed words in docs/audit.md.
  std::string detail;
  LedgerEvent event = LedgerEvent::kLost;
  uint64_t generation = 0;
  int64_t id = 0;           ///< The store's; 0: not stored yet.
  bool shipped = false;     ///< In the ledger's topic, as of the transaction that named it.
  RefusedLog refused = {};  ///< Of a refusal.

  /// A loss, a doubt or a refusal.
  bool is_kept() const { return event >= LedgerEvent::kLost; }
};

}  // namespace longshore
