// The recovery table of the delivery protocol (CONTRIBUTING.md): what a lane does when it starts,
// from what its checkpoint holds and what Kafka says. Pure: no I/O, every row a test.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/ids.h"
#include "config/recovery_choice.h"

namespace longshore::checkpoint {

/// What the checkpoint holds of one lane.
struct LaneRecord {
  TransactionNumber confirmed;   ///< 0: nothing was ever confirmed.
  std::string confirmed_digest;  ///< Of PREPARE `confirmed`; never empty: 0 has a random one.
  std::string previous_digest;   ///< Of PREPARE `confirmed` - 1; empty when unknown.
  std::optional<TransactionNumber> prepared;  ///< confirmed + 1 when a PREPARE stands in doubt.
  std::string prepared_digest;
  bool is_new = true;  ///< No offset of this lane was ever committed.
};

/// The committed offset of the lane's group on the checkpoint topic.
struct CommittedOffset {
  std::optional<TransactionNumber>
      number;          ///< Empty: Kafka knows none (never committed, or expired).
  std::string digest;  ///< The offset's metadata.
};

enum class RecoveryAction : uint8_t {
  kCommitOffsetFirst,  ///< Commit an offset-only transaction of `confirmed` before any data; go on.
  kContinue,           ///< Go on behind `confirmed`.
  kConfirmPrepared,    ///< The prepared transaction was delivered: confirm it, go on.
  kDropPrepared,     ///< It was aborted: drop it, go on from `confirmed`; its number is used again.
  kResendPrepared,   ///< In doubt: drop it, ledger "possible duplicates", go on from `confirmed`.
  kSkipPrepared,     ///< In doubt, --in-doubt=skip: confirm it, ledger "possibly lost", go on.
  kResendConfirmed,  ///< The broker lost commit N: go back to N-1's positions and send N again.
  kSkipConfirmed,    ///< The same with --in-doubt=skip: keep N, commit its offset again.
  kRestoreOffset,    ///< The broker went back: commit offset `confirmed` again, ledger the range.
  kHalt,             ///< --in-doubt=halt: stop this agent, exit 2, say how to go on.
  kRefuse,  ///< Not our history (rolled back, cloned, another Kafka): exit 2, nothing fenced.
};

struct Recovery {
  RecoveryAction action;
  std::string reason;      ///< One sentence for the log and the ledger.
  bool went_back = false;  ///< Kafka lost confirmed transactions too: ledger "broker went back".
};

/// The row that applies. After kResendPrepared, kRestoreOffset and the skips the lane commits an
/// offset-only transaction of its (new) confirmed number before any data.
Recovery recover(const LaneRecord& lane, const CommittedOffset& kafka, InDoubt in_doubt);

}  // namespace longshore::checkpoint
