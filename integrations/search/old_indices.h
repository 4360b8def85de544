// --keep: the dated indices that hold nothing but records of days that are no longer kept are
// deleted. Which those are follows from --index, --topic and the names alone: an index whose name
// --index does not make for one of these days, and every alias and data stream, stays.
#pragma once

#include <string>
#include <vector>

#include "config/clock.h"
#include "config/result.h"
#include "integrations/search/index_name.h"
#include "integrations/search/search_node.h"

namespace longshore::search {

struct KeepOptions {
  IndexName index;  ///< Dated.
  std::vector<std::string> topics;
  int days = 0;
};

/// Whether this host's clock is that of the service, within a day: a wrong one would delete what is
/// to be kept. Errors: kInvalid: it is not; ask_for()'s.
Status check_clock(const Clock& clock, SearchNode& node);

/// The first day that is kept: the day `days` before today. The index of 1970-01-01 is always kept:
/// what it holds is of unknown age.
Day first_kept_day(int days, const Clock& clock);

/// Those of `names` that are too old for `topic`.
std::vector<std::string> old_among(const std::vector<std::string>& names, const KeepOptions& keep,
                                   std::string_view topic, Day first_kept);

/// Thread: one, which is that of its node.
class OldIndices {
 public:
  /// References outlive it.
  OldIndices(const KeepOptions& keep, const Clock& clock, SearchNode& node)
      : keep_(keep), clock_(clock), node_(node) {}

  /// Their names, ascending. Errors: those of check_clock() and SearchNode::ask_for().
  Result<std::vector<std::string>> find();

  /// One that is gone already counts as deleted. Errors: the same.
  Status remove(const std::string& name);

 private:
  const KeepOptions& keep_;
  const Clock& clock_;
  SearchNode& node_;
};

}  // namespace longshore::search
