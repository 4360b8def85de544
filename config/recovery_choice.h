// What the operator chose for the cases in which the checkpoint and Kafka disagree.
#pragma once

#include <cstdint>

namespace longshore {

/// --in-doubt: Kafka no longer tells whether a prepared transaction was committed.
enum class InDoubt : uint8_t {
  kResend,  ///< Send it again: at worst duplicates.
  kHalt,    ///< Stop with exit status 2.
  kSkip,    ///< Treat it as delivered: at worst a loss.
};

/// --new-cluster: the brokers belong to another cluster than the checkpoint.
enum class NewCluster : uint8_t {
  kRefuse,    ///< Stop with exit status 2.
  kContinue,  ///< Continue at the stored positions.
  kRestart,   ///< Send every file again from its beginning.
};

}  // namespace longshore
