// One partition on its way into the archive: a file that grows, one that is complete, and the chain
// that it is published to.
//
//   add() --> growing file --seal()--> sealed file --publish()--> Chain
//
// While a sealed file cannot be published the next one may grow, but not be sealed.
#pragma once

#include <cstdint>
#include <optional>

#include "config/backoff.h"
#include "integrations/archive/archive_line.h"
#include "integrations/archive/chain.h"
#include "integrations/archive/spool_file.h"
#include "integrations/kafka/group_reader.h"

namespace longshore::archive {

/// Thread: one.
class PartitionArchive {
 public:
  PartitionArchive(const SpoolOptions& spool, Chain chain);

  Chain& chain() { return chain_; }

  /// The group assigned the partition again, and the chain ends at `end`: keeps the files that
  /// still continue it, drops others, and sets `assigned.start`. Errors: kRetryable.
  Status take_on(kafka::AssignedPartition& assigned, const ChainEnd& end);

  /// Appends the record. Errors, after which it is read again: as SpoolFile's.
  Status add(const kafka::ReadRecord& record, Hour hour, int64_t now_ns, LineWriter& line);

  /// The growing file is complete from now on; does nothing if it must wait. Errors: as
  /// SpoolFile's.
  Status seal();

  /// Publishes the sealed file and returns it; none: another member archived these offsets, and
  /// the files are dropped. Errors: as Chain's; is_publish_due() again later.
  /// REQUIRES: is_sealed().
  Result<std::optional<SealedFile>> publish(int64_t now_ns);
  bool is_publish_due(int64_t now_ns) const { return sealed_ && retry_ns_ <= now_ns; }

  bool is_sealed() const { return sealed_.has_value(); }
  /// The growing file; none: nullptr.
  const SpoolFile* growing() const { return growing_ ? &*growing_ : nullptr; }
  /// The growing file if seal() would seal it.
  const SpoolFile* sealable() const { return sealed_ ? nullptr : growing(); }
  size_t files() const { return (growing_ ? 1u : 0u) + (sealed_ ? 1u : 0u); }
  /// Where the chain ends: all before it is archived.
  int64_t chain_next() const { return chain_next_; }

 private:
  void drop_files();
  void drop_growing();

  const SpoolOptions& spool_;
  Chain chain_;
  int64_t chain_next_ = 0;
  int64_t first_ = 0;      // Where the growing file begins, or the next one will.
  int64_t read_next_ = 0;  // The offset to read next.
  std::optional<SpoolFile> growing_, sealed_;
  Backoff backoff_;
  int64_t retry_ns_ = 0;  // When to publish.
};

}  // namespace longshore::archive
