// What limits keep from being collected: each is logged and stands in the ledger once, and again
// when twice as much is refused.
//
//   LogScanner --note()--> Refusals --LogRefused--> lane --> ledger
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/discovery/declared_log.h"
#include "agent/discovery/followed_sources.h"
#include "config/ids.h"
#include "config/ledger.h"

namespace longshore::agent {

/// Thread: the watch loop.
class Refusals {
 public:
  Refusals(std::string host_id, uint32_t lanes, const PostToLane& post)
      : host_id_(std::move(host_id)), lanes_(lanes), post_(post) {}

  /// Those that the ledger has. Other entries are ignored.
  void remember(const std::vector<LedgerEntry>& ledger);

  /// The limit on `limit` ("files") keeps `count` of them, 0 for an unknown number, of `log` from
  /// being collected. `sentence` says which, and what to do.
  void note(const DeclaredLog& log, const std::string& limit, uint64_t count,
            const std::string& sentence);

  /// How many limits refused something of how many declared logs since the agent was started.
  size_t size() const { return noted_.size(); }

 private:
  using Key = std::pair<SourceId, std::string>;  // make_declared_id(), limit.

  const std::string host_id_;
  const uint32_t lanes_;
  const PostToLane& post_;
  std::map<Key, uint64_t> recorded_;  // With the count that the ledger has.
  std::set<Key> noted_;
};

}  // namespace longshore::agent
