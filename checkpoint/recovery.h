// The recovery table of the delivery protocol (docs/internals.md): what a lane does when it starts,
// decided from its checkpoint and Kafka's committed offset. Pure: no I/O, and every row has a test.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/ids.h"
#include "config/recovery_choice.h"

namespace longshore::checkpoint {

/// The checkpoint's record of one lane.
struct LaneRecord {
  TransactionNumber confirmed;   ///< 0: nothing was ever confirmed.
  std::string confirmed_digest;  ///< Of PREPARE `confirmed`; for 0 a random one, so never empty.
  std::string previous_digest;   ///< Of PREPARE `confirmed` - 1; empty when unknown.
  std::optional<TransactionNumber> prepared;  ///< confirmed + 1 while a PREPARE is in doubt.
  std::string prepared_digest;
  bool is_new = true;  ///< No offset of this lane was ever committed to Kafka.
};

/// The committed offset of the lane's group on the checkpoint topic.
struct CommittedOffset {
  std::optional<TransactionNumber>
      number;          ///< Empty: Kafka has none (never committed, or expired).
  std::string digest;  ///< The offset's metadata.
};

enum class RecoveryAction : uint8_t {
  kCommitOffsetFirst,  ///< Commit `confirmed` in an offset-only transaction before any data.
  kContinue,           ///< Go on after `confirmed`.
  kConfirmPrepared,    ///< The prepared transaction was delivered: confirm it.
  kDropPrepared,       ///< It was aborted: drop it, go on after `confirmed`, reuse its number.
  kResendPrepared,   ///< In doubt: drop it, go on after `confirmed`; ledger "possible duplicates".
  kSkipPrepared,     ///< In doubt, --in-doubt=skip: confirm it; ledger "possibly lost".
  kResendConfirmed,  ///< The broker lost commit N: return to the positions of N-1, send N again.
  kSkipConfirmed,    ///< The same with --in-doubt=skip: keep N, commit its offset again.
  kRestoreOffset,    ///< The broker went back: commit `confirmed` again; ledger the range.
  kHalt,             ///< In doubt, --in-doubt=halt: stop this agent, exit 2.
  kRefuse,  ///< Not our history (rolled back, cloned, another Kafka): exit 2, fence nothing.
};

struct Recovery {
  RecoveryAction action;
  std::string reason;      ///< One sentence for the log and the ledger.
  bool went_back = false;  ///< Kafka also lost confirmed transactions: ledger "broker went back".
};

/// The row that applies. After kResendPrepared, kRestoreOffset and the skips, the lane commits its
/// (new) confirmed number in an offset-only transaction before any data.
Recovery recover(const LaneRecord& lane, const CommittedOffset& kafka, InDoubt in_doubt);

}  // namespace longshore::checkpoint
