// Sends a bulk until each of its items has its final answer.
//
//   Bulk --> requests of what is left --> 201:      done
//                                         409:      done once its index is flushed
//                                         400:      rejected, with the server's reason
//                                         429, 5xx, 401, 403, no answer, a proxy's 400:
//                                                   retried without limit, with a back-off
//                                         413:      halved, and each half sent by itself
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "config/backoff.h"
#include "config/result.h"
#include "integrations/kafka/complaints.h"
#include "integrations/search/bulk.h"
#include "integrations/search/bulk_answer.h"
#include "integrations/search/search_node.h"
#include "integrations/search/tally.h"

namespace longshore::search {

/// Thread: one.
class BulkSender {
 public:
  /// `rest` waits that long, or less if the process is to end.
  BulkSender(SearchNode& node, Tally& tally, Learned& learned, kafka::Complaints& complaints,
             Backoff backoff, std::function<void(int64_t ms)> rest);

  /// Adds the items that the server rejects to `bulk.rejections`. Errors: kRetryable: `give_up`
  /// returned true before every item had its answer; kFatal: an index name of the bulk is an alias
  /// or a data stream.
  Status send(Bulk& bulk, const std::function<bool()>& give_up);

 private:
  using Places = std::vector<uint32_t>;  // Of items, ascending.

  struct Reply {
    enum class Kind : uint8_t { kAnswered, kLater, kTooLarge, kMalformed, kTooLong } kind;
    std::vector<ItemAnswer> items;
    std::string reason;
    int status = 0;
    int64_t pause_ms = 0;  // Requested by the server (Retry-After).
  };

  void cut(const Bulk& bulk, const Places& places, std::deque<Places>& out) const;
  static void halve(const Places& places, std::deque<Places>& out);
  Reply post(const Bulk& bulk, const Places& places, bool reasons);
  std::string_view body_of(const Bulk& bulk, const Places& places);
  Status heed(Bulk& bulk, const Places& places, const Reply& reply, Places& again);
  Status check_index(const Bulk& bulk, const BulkItem& item, const ItemAnswer& answer);
  bool has_new_index(const Bulk& bulk, const Places& places);
  Status flush(const std::function<bool()>& give_up);
  void reject(Bulk& bulk, uint32_t place, int status, const std::string& reason);
  void pause(int64_t at_least_ms);

  SearchNode& node_;
  Tally& tally_;
  Learned& learned_;
  kafka::Complaints& complaints_;
  Backoff backoff_;  // Milliseconds.
  const std::function<void(int64_t)> rest_;
  BulkAnswerParser parser_;
  std::string joined_;
  std::string plain_index_;      // The last index known to be no alias.
  std::set<std::string> found_;  // Indices that held items of the bulk already.
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace longshore::search
