// What is done for one partition on a worker, because it asks the archive and Kafka: where to go on
// (settle), and publishing a file. Both find out whether the topic was deleted and made anew: then
// another record stands where one was archived. Nothing of the two topics is mixed: each generation
// of the partition has a chain of its own.
#pragma once

#include <limits>
#include <memory>
#include <optional>

#include "integrations/archive/chain.h"
#include "integrations/archive/spool_file.h"

namespace longshore::archive {

/// What all partitions of an archiver share. References outlive them all.
struct Site {
  const SpoolOptions& spool;
  const Layout& layout;
  ArchiveTarget& target;  ///< Used by several threads at a time.
  kafka::RecordProbe& probe;
};

/// Where a partition goes on.
struct Settled {
  static constexpr int64_t kNoEnd = std::numeric_limits<int64_t>::max();

  std::shared_ptr<Chain> chain;
  int32_t generation = 1;
  ChainEnd end;
  int64_t begin = 0;  ///< Of a chain that is empty: older records are in the generation before.
  kafka::Ends kafka = {0, kNoEnd};  ///< Asked after the chain's end. This: Kafka has no such topic.
};

/// Finishes what was claimed, removes leftovers older than that, and begins the next generation if
/// the topic is another one than the archived. `has_files`: some wait for the end of the present
/// chain, so none is begun.
/// Errors: as Chain's and RecordProbe's; kRetryable: Kafka has no such topic, and no file waits.
Result<Settled> settle_partition(const Site& site, const kafka::PartitionKey& key, bool has_files,
                                 int64_t leftovers_before_ms);

/// What became of a sealed file.
struct Published {
  int64_t next = 0;  ///< Where the chain ends now: not after `file` if another member overtook us.
  std::optional<SealedFile> file;  ///< Without `fd`. None: nothing of it belongs into this chain.
  bool renewed = false;            ///< Kafka's topic is another one now.
  bool whole = true;               ///< All of the file was of the earlier topic, or of ours.
};

/// Publishes the file at `next`, the end of its chain. `mark` is that of a record before it. If
/// Kafka has another topic now, only lines of the earlier one are published.
/// Errors: as Chain's, RecordProbe's and SpoolFile's; the call may be repeated.
Result<Published> publish_file(const Site& site, const kafka::PartitionKey& key, Chain& chain,
                               int64_t next, const kafka::RecordMark& mark, const SpoolFile& spool);

}  // namespace longshore::archive
