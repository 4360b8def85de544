// How the files of one partition come into the archive, each offset once, whoever is killed and
// however many believe that the partition is theirs.
//
// The files of a partition are a chain: each begins where the one before ends. A file's name holds
// its end and its hour too, so two writers of one beginning could both succeed; what must be
// exclusive is the beginning alone. Therefore a file is published through a claim:
//
//   _longshore/<topic>+<partition>/            a folder that Hadoop's readers pass over
//       <attempt>.claim                        1. says: this data shall become that name
//       <attempt>.data                         2. the file, whole, under a name of its own
//       <next>.claim                           3. that, renamed: <next> is the chain's end so far
//   topic=logs/.../logs+3+10500+20999.jsonl    4. the data, renamed as the claim says
//
// (3) is the commit: a rename that never replaces, so one claim wins for each <next>. From then on
// anyone who comes by does (4) again, and finds it done or does it: it has one outcome.
//
// A writer that slept may come with an old <next> whose claim was cleared away, and win it again.
// So a claim counts only while there is no later one; a writer lists the folder behind (3) and
// takes its claim back when it was overtaken. That is enough, for
//   - a later <next> is known only to who has settled the claim before it, (4) included;
//   - the newest claims stay for ever, so whoever was overtaken sees that;
//   - whoever settles looks for later claims behind reading one, and acts on the newest alone.
// The claim is written before the data, so that a sweep takes an attempt's chance to win away
// before it takes its data: the writer may only be slow, or the clocks differ. Claims are as
// durable as names. Where there are none (an archive from elsewhere) the names themselves say where
// the chain ends.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/result.h"
#include "integrations/archive/archive_name.h"
#include "integrations/archive/targets/target.h"

namespace longshore::archive {

/// Below the archive's root.
inline constexpr char kOwnFolder[] = "_longshore";

/// A file that is complete, and not yet in the archive.
struct SealedFile {
  int64_t first = 0, last = 0;
  Codec codec = Codec::kZstd;
  Hour hour;
  int fd = -1;
  int64_t bytes = 0;
};

/// Where a partition goes on.
struct ChainEnd {
  int64_t next = 0;
  bool empty = true;  ///< Nothing of the partition was ever archived; `next` is 0.
};

/// Thread: one. Errors of every call: as ArchiveTarget's; it may be called again.
class Chain {
 public:
  Chain(ArchiveTarget& target, const Layout& layout, std::string topic, int32_t partition);

  /// Finishes what was claimed, and says where the chain ends.
  Result<ChainEnd> settle();

  /// Publishes the file, unless another one already claimed the chain's end. Returns where the
  /// chain ends then: behind `file.last` when this range is in the archive, elsewhere when the
  /// file has to be given up. REQUIRES: `next` is what settle() or publish() returned last.
  Result<int64_t> publish(const SealedFile& file, int64_t next);

  /// Removes what attempts that died have left, if it is older; the attempt of a writer that lives
  /// fails.
  Status sweep(int64_t older_than_ms);

 private:
  /// What a claim says.
  struct Claim {
    int64_t first = 0, last = 0, bytes = 0;
    std::string data, file;

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
  const std::string topic_;
  const int32_t partition_;
  const std::string folder_;
  bool settled_ = false;  // Since the last error.
  std::string made_;      // The folder that was made last.
};

}  // namespace longshore::archive
