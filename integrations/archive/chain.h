// Publishes the files of one partition so that each offset is archived exactly once, no matter
// which process is killed and how many processes believe that they own the partition.
//
// The files of a partition form a chain: each begins where the one before ends. A file's name also
// contains its end and its hour, so two writers that begin at the same offset would choose
// different names and both succeed. Only the beginning must be exclusive. So a file is published by
// a claim:
//
//   _longshore/<topic>+<partition>/            a folder that Hadoop's readers ignore
//       <attempt>.claim                        1. states that this data is to get that name
//       <attempt>.data                         2. the whole file, under a temporary name
//       <next>.claim                           3. the claim, renamed: <next> is the chain's end
//   topic=logs/.../logs+3+10500+20999.jsonl    4. the data, renamed as the claim states
//
// Step 3 is the commit: a rename that never replaces a file, so one claim wins for each <next>.
// After it, every process that sees the claim repeats step 4, which has only one possible outcome.
//
// A writer that was suspended may return with an old <next> whose claim was removed meanwhile, and
// win it again. So a claim is valid only while there is no later one: a writer lists the folder
// after step 3 and withdraws its claim if it was overtaken. This suffices because
//   - only a process that settled a claim, step 4 included, knows the <next> after it;
//   - the newest claims are never removed, so an overtaken writer sees them;
//   - settling reads the newest claim, checks that it is still the newest, and only then acts.
// The claim is written before the data, so that a sweep removes an attempt's chance to win before
// it removes its data: the writer may just be slow, or clocks may differ. Claims are as durable as
// files. Without claims (an archive made by something else) the names of the files tell where the
// chain ends.
//
// A claim also remembers the last record of its file by a hash. If another record stands at that
// offset later, the topic was deleted and made anew: the partition then gets a chain of its own for
// each generation, in _longshore/<topic>+<partition>.<generation>/ from the second on.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/result.h"
#include "integrations/archive/archive_name.h"
#include "integrations/archive/targets/target.h"
#include "integrations/kafka/record_probe.h"

namespace longshore::archive {

/// Below the archive's root.
inline constexpr char kOwnFolder[] = "_longshore";

/// A complete file that is not yet in the archive.
struct SealedFile {
  int64_t first = 0, last = 0;
  int64_t lines = 0;
  Codec codec = Codec::kZstd;
  Hour hour;
  int fd = -1;
  int64_t bytes = 0;
  kafka::RecordMark mark = {};  ///< Of one of its records, or of the file before it; -1: none.
};

/// Where the next file of a partition begins.
struct ChainEnd {
  int64_t next = 0;
  bool empty = true;            ///< Nothing of the partition was ever archived; `next` is 0.
  kafka::RecordMark mark = {};  ///< Of a record that is archived; offset -1: none is known.
};

/// Thread: one. Errors of every call: as ArchiveTarget's; the call may be repeated.
class Chain {
 public:
  Chain(ArchiveTarget& target, const Layout& layout, kafka::PartitionKey key,
        int32_t generation = 1);

  /// The last generation of the partition that has a chain, or 1.
  static Result<int32_t> newest_generation(ArchiveTarget& target, const kafka::PartitionKey& key);

  /// Finishes what was claimed, and returns where the chain ends.
  Result<ChainEnd> settle();

  /// Publishes the file, unless another writer has claimed the chain's end. Returns where the chain
  /// ends now: after `file.last` if the file is in the archive; anywhere else, it must be dropped.
  /// REQUIRES: `next` is what settle() or publish() returned last.
  Result<int64_t> publish(const SealedFile& file, int64_t next);

  /// Removes leftovers of failed attempts that are older than that. If the writer of such an
  /// attempt is still alive, its attempt fails.
  Status sweep(int64_t older_than_ms);

 private:
  /// The content of a claim.
  struct Claim {
    int64_t first = 0, last = 0, bytes = 0;
    std::string data, file;
    kafka::RecordMark mark;

    std::string text() const;
  };

  std::string own(const std::string& name) const { return folder_ + "/" + name; }
  Result<std::map<int64_t, std::string>> claims();
  Result<Claim> read_claim(const std::string& name);
  Result<ChainEnd> end_of_names();
  Status send(const std::string& attempt, const SealedFile& file, const Claim& claim);
  Result<bool> claim(const std::string& attempt, const Claim& claim, int64_t next);
  Status finish(const Claim& claim);
  Status check(const Claim& claim);
  void clear_old(int64_t next);

  ArchiveTarget& target_;
  const Layout layout_;
  const kafka::PartitionKey key_;
  const int32_t generation_;
  const std::string folder_;
  bool settled_ = false;  // Since the last error.
  std::string made_;      // The last folder that was created.
};

}  // namespace longshore::archive
