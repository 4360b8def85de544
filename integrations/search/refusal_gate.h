// Tells documents that are refused for their content from a service that refuses them all for a
// wrong mapping or setting: the first belong in the dead-letter topic, the others must wait.
//
//   a topic's documents of the last minute --> accepted
//                                          --> refused, by type of reason
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

#include "config/clock.h"
#include "integrations/search/bulk.h"

namespace longshore::search {

/// Thread: any.
class RefusalGate {
 public:
  /// `percent_max` 100: nothing is held.
  RefusalGate(const Clock& clock, int percent_max) : clock_(clock), percent_max_(percent_max) {}

  /// Counts what became of the bulk's items, but for those that are held. Moves a topic's
  /// rejections to `bulk.parked`, with the remedy, if more than `percent_max` of its documents of
  /// the last minute, and at least 100, were refused for one type of reason; and not if all came
  /// from one source while others' documents were stored: what one log writes must not stop the
  /// rest.
  void hold(Bulk& bulk);

 private:
  struct Refused {
    uint64_t count = 0;
    std::string key;       // Of the first one.
    bool several = false;  // Sources; or it is not known which.
  };
  struct Counts {
    uint64_t accepted = 0;
    std::map<std::string, Refused> refused;
  };
  // Of half a minute each.
  struct Window {
    int64_t half = -1;
    std::array<Counts, 2> counts;
  };

  void turn(Window& window) const;
  void count(Bulk& bulk);
  std::string held(const std::string& topic, const std::string& type) const;

  const Clock& clock_;
  const int percent_max_;
  std::mutex mutex_;
  std::map<std::string, Window> topics_;
};

}  // namespace longshore::search
