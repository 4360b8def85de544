// The durable checkpoint: one SQLite database (WAL, synchronous=FULL) in the state directory.
//
//   lane --prepare(N, rows)--> [ state rows tagged N, beside those of N-1 ] --commit in Kafka-->
//   confirm(N)
//
// State rows are versioned by transaction number, so PREPARE N never overwrites what N-1 and N-2
// relied on: dropping N is a deletion, going back one transaction is too. A source has at most
// three rows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/recovery.h"
#include "checkpoint/source_state.h"
#include "config/ledger.h"
#include "config/result.h"

namespace longshore::checkpoint {

struct StoredSource {
  SourceRow row;
  SourceState state;  ///< As of the lane's confirmed transaction; default when nothing was shipped.
};

struct PreparedSource {
  SourceId source;
  SourceState state;
};

/// PREPARE N as the lane hands it over.
struct Prepare {
  LaneId lane;
  TransactionNumber number;             ///< confirmed + 1.
  std::vector<PreparedSource> sources;  ///< Those that the transaction moved.
  /// Born in this transaction (id 0), or older ones that it ships.
  std::vector<LedgerEntry> ledger = {};
};

/// What becomes of old losses that were not shipped: they wait, or nobody is going to ship them.
enum class Unshipped : uint8_t { kWait, kForget };

/// Thread: the one that opened it. Several connections of one process may be open at once (a lane
/// each); each sets and reads back synchronous=FULL. Every change is durable when the call returns
/// ok. Errors of every changing call: kRetryable (disk full, I/O error): nothing was changed, call
/// again; kFatal: an fsync failed, the handle is dead: rebuild() and open again.
class Store {
 public:
  virtual ~Store() = default;

  virtual Result<LaneRecord> lane(LaneId lane) = 0;
  /// Every lane the database knows, ascending.
  virtual Result<std::vector<LaneId>> lanes() = 0;
  /// All sources of a lane with their state as of its confirmed transaction.
  virtual Result<std::vector<StoredSource>> sources(LaneId lane) = 0;

  /// One source with its state as of its lane's confirmed transaction; empty: unknown.
  virtual Result<std::optional<StoredSource>> source(SourceId source) = 0;
  /// The states that the prepared transaction of a lane wrote; empty: nothing is prepared.
  virtual Result<std::vector<PreparedSource>> prepared(LaneId lane) = 0;

  /// Adds or replaces what is known about sources (not their states), in one transaction.
  virtual Status put_sources(const std::vector<SourceRow>& rows) = 0;
  /// Forgets the sources whose `gone_ns` is not 0 and before `before_ns`; gives how many. Ledger
  /// entries of that age go too.
  virtual Result<size_t> forget_gone(LaneId lane, int64_t before_ns, Unshipped losses) = 0;
  /// --new-cluster=restart: forgets every source of every lane and takes `cluster_id` for the value
  /// of that name, in one transaction. Does nothing when that is the value already.
  virtual Status start_over(const std::string& cluster_id) = 0;
  /// Forgets sources and their states.
  virtual Status forget(const std::vector<SourceId>& sources) = 0;

  /// Writes PREPARE N durably, confirming N-1 in the same database transaction when it was still
  /// prepared. Gives the digest to commit as the offset's metadata: ASCII, at most 100 bytes, of
  /// N, a random nonce and every row.
  /// REQUIRES: number == confirmed + 1, or == prepared + 1 when N-1 is known to be committed.
  virtual Result<std::string> prepare(const Prepare& prepare) = 0;
  /// The prepared transaction is confirmed.
  virtual Status confirm(LaneId lane) = 0;
  /// The prepared transaction never happened, nor did its ledger entries.
  virtual Status drop_prepared(LaneId lane) = 0;
  /// Back to the state of `confirmed` - 1, whose digest becomes the confirmed one.
  virtual Status step_back(LaneId lane) = 0;
  /// The lane's confirmed offset stands in Kafka now: LaneRecord.is_new is false from here on.
  virtual Status offset_committed(LaneId lane) = 0;
  /// Takes Kafka's number as confirmed, keeping local positions (checkpoint adopt).
  virtual Status adopt(LaneId lane, const CommittedOffset& kafka) = 0;
  /// --delivery=at-least-once: positions without a transaction; number and digest stay.
  virtual Status advance(LaneId lane, const std::vector<PreparedSource>& sources,
                         const std::vector<LedgerEntry>& ledger = {}) = 0;

  /// Entries that belong to no transaction; they wait to be shipped.
  virtual Status append_ledger(const std::vector<LedgerEntry>& entries) = 0;
  /// All that is kept: losses and doubts for the retention, the rest until it is shipped.
  virtual Result<std::vector<LedgerEntry>> ledger() = 0;
  /// The oldest entries of a lane that no confirmed or prepared transaction ships.
  virtual Result<std::vector<LedgerEntry>> unshipped(LaneId lane, size_t entries_max) = 0;

  /// Small values by name: host_id, cluster_id. Empty string: not set.
  virtual Result<std::string> value(const std::string& name) = 0;
  virtual Status set_value(const std::string& name, const std::string& value) = 0;
};

/// The name of a value: when an agent was last known to live here, in ns of the wall clock.
inline constexpr char kAliveValue[] = "alive_ns";
/// Of the two newest boots in which an agent lived here: their numbers, the newer one first.
inline constexpr char kBootsValue[] = "boots";

enum class StoreAccess : uint8_t { kWrite, kRead };

/// Opens (and creates) `<state_dir>/checkpoint.db`. Errors: kInvalid with one sentence and the
/// remedy: written by a newer major version, damaged, not writable, no space.
Result<std::unique_ptr<Store>> open_store(const std::string& state_dir,
                                          StoreAccess access = StoreAccess::kWrite);

/// After a failed fsync the database file is not trusted: writes its rows to a fresh one beside it,
/// synced, renamed over it, directory synced. REQUIRES: no connection is open.
Status rebuild_store(const std::string& state_dir);

/// Ends a rebuild that a crash interrupted, if there was one; open_store() does it first.
Status finish_rebuild(const std::string& state_dir);

}  // namespace longshore::checkpoint
