// The transactional ids of a lane (docs/internals.md). It ships under one at a time. Kafka cannot
// end a transaction on a partition that takes nothing, and its id stays busy until then: it is left
// for another. It is taken up again when it is free.
//
//   <group> --leave()--> <group>.1 --leave()--> <group>.2 ... at most kTransactionalIdsMax
//      ^--------------------------------------- freed()
//
// Stored before the first transaction under another id, so that the next life of the agent knows
// where its predecessor may have left one open.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/lane/lane_setup.h"

namespace longshore::agent {

/// Thread: its lane's.
class TransactionalIds {
 public:
  explicit TransactionalIds(const LaneSetup& setup) : setup_(setup) {}

  /// Reads what is stored, once. Errors: the store's.
  Status load();
  /// REQUIRES of all others: loaded.
  std::string current() const { return name_of(current_); }
  /// Whether some are left that may still be busy.
  bool any_left() const { return !left_.empty(); }
  /// The one that was left first. REQUIRES: any_left().
  std::string first_left() const { return name_of(left_.front()); }

  /// Leaves the current id, which is busy, for another: a free one, or the one that was left first.
  /// Durable when it returns. Errors: the store's.
  Status leave();
  /// The id that was left first is free, and its sessions are fenced: it is not left any more, and
  /// the current one if it is lower. Errors: the store's.
  Status first_left_is_free();
  /// That one is still busy: the others have their turn first.
  void first_left_is_busy();

 private:
  std::string name_of(uint32_t id) const;
  Status store(uint32_t current, std::vector<uint32_t> left);

  const LaneSetup& setup_;
  bool loaded_ = false;
  uint32_t current_ = 0;
  std::vector<uint32_t> left_;  // In the order in which they were left.
};

}  // namespace longshore::agent
