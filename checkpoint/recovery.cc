#include "checkpoint/recovery.h"

namespace longshore::checkpoint {
namespace {

std::string number_of(const CommittedOffset& kafka) {
  return kafka.number ? std::to_string(kafka.number->value) : "nothing";
}

Recovery refuse(const LaneRecord& lane, const CommittedOffset& kafka, const std::string& why) {
  return {RecoveryAction::kRefuse,
          "This lane's checkpoint is at transaction " + std::to_string(lane.confirmed.value) +
              ", but Kafka holds " + number_of(kafka) + ": " + why +
              " Nothing was changed. Restore the right state directory, or run 'longshore "
              "checkpoint adopt': it takes over Kafka's number, keeps the local positions, and "
              "records in the ledger which lines may be duplicates."};
}

Recovery in_doubt(InDoubt choice, RecoveryAction resend, RecoveryAction skip,
                  const std::string& reason) {
  switch (choice) {
    case InDoubt::kHalt:
      return {RecoveryAction::kHalt,
              reason +
                  " Stopped because of --in-doubt=halt: start once with --in-doubt=resend (may "
                  "duplicate it) or --in-doubt=skip (may lose it)."};
    case InDoubt::kSkip:
      return {skip, reason};
    case InDoubt::kResend:
      break;
  }
  return {resend, reason};
}

// The checkpoint has a PREPARE: was it delivered?
Recovery recover_prepared(const LaneRecord& lane, const CommittedOffset& kafka, InDoubt choice) {
  const uint64_t prepared = lane.prepared->value;
  const std::string which = "Transaction " + std::to_string(prepared) + " is in doubt: ";
  if (!kafka.number) {
    return in_doubt(choice, RecoveryAction::kResendPrepared, RecoveryAction::kSkipPrepared,
                    which + "Kafka no longer has a committed offset of this lane (expired?).");
  }
  const uint64_t number = kafka.number->value;
  if (number > prepared) {
    return refuse(lane, kafka,
                  "the state directory is older than what was shipped (rolled back or cloned?).");
  }
  if (number == prepared) {
    if (kafka.digest != lane.prepared_digest) {
      return refuse(lane, kafka, "another agent committed that transaction.");
    }
    return {RecoveryAction::kConfirmPrepared,
            "Transaction " + std::to_string(prepared) + " was delivered."};
  }
  if (number + 1 == prepared) {
    if (kafka.digest != lane.confirmed_digest) {
      return refuse(lane, kafka, "another agent committed that transaction.");
    }
    return {RecoveryAction::kDropPrepared,
            "Transaction " + std::to_string(prepared) + " was aborted."};
  }
  Recovery recovery =
      in_doubt(choice, RecoveryAction::kResendPrepared, RecoveryAction::kSkipPrepared,
               which + "Kafka went back to " + std::to_string(number) + ".");
  recovery.went_back = true;
  return recovery;
}

}  // namespace

Recovery recover(const LaneRecord& lane, const CommittedOffset& kafka, InDoubt choice) {
  if (lane.prepared) return recover_prepared(lane, kafka, choice);
  const uint64_t confirmed = lane.confirmed.value;
  if (!kafka.number) {
    return {RecoveryAction::kCommitOffsetFirst,
            "Kafka has no committed offset of this lane: committing transaction " +
                std::to_string(confirmed) + " before any data."};
  }
  const uint64_t number = kafka.number->value;
  if (number > confirmed) {
    return refuse(lane, kafka,
                  "the state directory is older than what was shipped (rolled back or cloned?).");
  }
  if (number == confirmed) {
    if (kafka.digest != lane.confirmed_digest) {
      return refuse(lane, kafka, "another agent committed that transaction.");
    }
    return {RecoveryAction::kContinue, "Kafka and the checkpoint agree."};
  }
  if (number + 1 == confirmed && !lane.previous_digest.empty()) {
    if (kafka.digest != lane.previous_digest) {
      return refuse(lane, kafka, "another agent committed that transaction.");
    }
    return in_doubt(
        choice, RecoveryAction::kResendConfirmed, RecoveryAction::kSkipConfirmed,
        "Kafka lost transaction " + std::to_string(confirmed) + ", which it had acknowledged.");
  }
  return {RecoveryAction::kRestoreOffset,
          "Kafka went back from transaction " + std::to_string(confirmed) + " to " +
              std::to_string(number) +
              "; the transactions that it lost are too old to be sent again."};
}

}  // namespace longshore::checkpoint
