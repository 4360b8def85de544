// The durable checkpoint: one SQLite database (WAL, synchronous=FULL) in the state directory.
//
//   lane --prepare(N, rows)--> [ rows tagged N, beside those of N-1 ]
//                                   --commit in Kafka--> confirm(N)
//
// State rows are versioned by transaction number, so PREPARE N never overwrites the rows that N-1
// and N-2 need. Dropping N, or going back one transaction, only deletes rows. A source has at most
// three.
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

/// PREPARE N, from the lane.
struct Prepare {
  LaneId lane;
  TransactionNumber number;             ///< confirmed + 1.
  std::vector<PreparedSource> sources;  ///< Those whose state the transaction moves.
  /// Entries born in this transaction (id 0), or older ones that it ships.
  std::vector<LedgerEntry> ledger = {};
};

/// What happens to old losses that were not shipped: they wait, or are forgotten because no ledger
/// topic is set.
enum class Unshipped : uint8_t { kWait, kForget };

/// Thread: the one that opened it. A process may have several open, one for each lane. Every change
/// is durable when the call returns ok. Errors of every call that changes something: kRetryable
/// (disk full, I/O error): nothing was changed, call again; kFatal: an fsync failed and the handle
/// is dead: close all of them, rebuild_store(), and open again.
class Store {
 public:
  virtual ~Store() = default;

  virtual Result<LaneRecord> lane(LaneId lane) = 0;
  /// Every lane the database knows, ascending.
  virtual Result<std::vector<LaneId>> lanes() = 0;
  /// All sources of a lane, with their state as of its confirmed transaction.
  virtual Result<std::vector<StoredSource>> sources(LaneId lane) = 0;

  /// One source, with its state as of its lane's confirmed transaction; empty: unknown.
  virtual Result<std::optional<StoredSource>> source(SourceId source) = 0;
  /// The states that a lane's prepared transaction wrote; empty: nothing is prepared.
  virtual Result<std::vector<PreparedSource>> prepared(LaneId lane) = 0;

  /// Adds or replaces rows of sources (not their states), in one transaction.
  virtual Status put_sources(const std::vector<SourceRow>& rows) = 0;
  /// Forgets sources that have been gone since before `before_ns`, and ledger entries of that age.
  /// Returns how many sources.
  virtual Result<size_t> forget_gone(LaneId lane, int64_t before_ns, Unshipped losses) = 0;
  /// --new-cluster=restart: forgets every source of every lane and stores `cluster_id`, in one
  /// transaction. Does nothing if that is the stored value already.
  virtual Status start_over(const std::string& cluster_id) = 0;
  /// Forgets sources and their states.
  virtual Status forget(const std::vector<SourceId>& sources) = 0;

  /// Writes PREPARE N, and confirms N-1 in the same database transaction if it was still prepared.
  /// Returns the digest to commit as the offset's metadata, made of N, a random nonce and every
  /// row: ASCII, at most 100 bytes. REQUIRES: number == confirmed + 1, or == prepared + 1 when N-1
  /// is known to be committed.
  virtual Result<std::string> prepare(const Prepare& prepare) = 0;
  /// Confirms the prepared transaction.
  virtual Status confirm(LaneId lane) = 0;
  /// Undoes the prepared transaction and its ledger entries.
  virtual Status drop_prepared(LaneId lane) = 0;
  /// Returns to the state of `confirmed` - 1, whose digest becomes the confirmed one.
  virtual Status step_back(LaneId lane) = 0;
  /// Kafka has the lane's confirmed offset: LaneRecord.is_new is false from now on.
  virtual Status offset_committed(LaneId lane) = 0;
  /// Takes over Kafka's number as confirmed and keeps the local positions (checkpoint adopt).
  virtual Status adopt(LaneId lane, const CommittedOffset& kafka) = 0;
  /// Stores states outside of a transaction; the confirmed number and digest stay. `ledger` was
  /// shipped already, or waits.
  virtual Status advance(LaneId lane, const std::vector<PreparedSource>& sources,
                         const std::vector<LedgerEntry>& ledger = {}) = 0;

  /// Writes `bytes` durably and keeps them, in place of those of the last call: whether a PREPARE
  /// of that size would succeed now.
  virtual Status probe(size_t bytes) = 0;

  /// Stores entries that belong to no transaction; they wait to be shipped.
  virtual Status append_ledger(const std::vector<LedgerEntry>& entries) = 0;
  /// All entries that are kept: losses and doubts for the retention time, others until shipped.
  virtual Result<std::vector<LedgerEntry>> ledger() = 0;
  /// The oldest entries of a lane that wait: no confirmed or prepared transaction ships them.
  virtual Result<std::vector<LedgerEntry>> unshipped(LaneId lane, size_t entries_max) = 0;

  /// Small values by name: host_id, cluster_id. Empty string: not set.
  virtual Result<std::string> value(const std::string& name) = 0;
  virtual Status set_value(const std::string& name, const std::string& value) = 0;
};

/// The name of a value: when an agent was last known to run here, in ns of the wall clock.
inline constexpr char kAliveValue[] = "alive_ns";
/// The name of a value: the numbers of the two newest boots in which an agent ran, newer one first.
inline constexpr char kBootsValue[] = "boots";

/// Followed by a lane's number, the name of a value: under which transactional ids it ships.
inline constexpr char kTransactionalIdsValue[] = "transactional_ids.";

enum class StoreAccess : uint8_t { kWrite, kRead };

/// Opens `<state_dir>/checkpoint.db`, and creates it unless `access` is kRead. Errors: kInvalid,
/// one sentence with the remedy: written by a newer major version, damaged, or not writable;
/// kRetryable: the disk is full.
Result<std::unique_ptr<Store>> open_store(const std::string& state_dir,
                                          StoreAccess access = StoreAccess::kWrite);

/// Replaces the database file, which is not trusted after a failed fsync, by a synced copy of its
/// rows. REQUIRES: no connection is open.
Status rebuild_store(const std::string& state_dir);

/// Finishes a rebuild that a crash interrupted, if there was one. open_store() calls it.
Status finish_rebuild(const std::string& state_dir);

}  // namespace longshore::checkpoint
