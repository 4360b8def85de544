// The ledger records what happened to the bytes of a source, besides the records themselves. An
// entry is born with the transaction that carries the records it is about, is stored with its
// PREPARE, and is shipped inside it, so that a reader of Kafka sees it once and never before those
// records.
#pragma once

#include <cstdint>
#include <string>

#include "config/ids.h"

namespace longshore {

/// The values are stored in the database; loss and doubt are the last two.
enum class LedgerEvent : uint8_t {
  kOpened = 0,  ///< The source's stream begins at `start`.
  kClosed = 1,  ///< A generation [start, end) was read to its end.
  kEnded = 2,   ///< Nobody writes to the source any more; `end` is its total.
  kLost = 3,    ///< [start, end) will not come.
  kDoubt = 4,   ///< [start, end) may stand in Kafka twice. With a reason below, lines may miss.
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
  SourceId source;  ///< 0 for a whole lane.
  LaneId lane;
  Position start, end;  ///< Of a loss or a doubt, start == end: unknown length.
  std::string reason;   ///< Of a loss or a doubt: one of the fixed words in docs/audit.md.
  std::string detail;
  LedgerEvent event = LedgerEvent::kLost;
  uint64_t generation = 0;
  int64_t id = 0;        ///< The store's; 0: not stored yet.
  bool shipped = false;  ///< In the ledger's topic, as of the transaction that named it.

  bool is_loss_or_doubt() const { return event >= LedgerEvent::kLost; }
};

}  // namespace longshore
