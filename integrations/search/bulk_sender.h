// Sends a bulk until each of its items has its final answer.
//
//   Bulk --> requests of what is left --> 201:      done
//                                         409:      done once its index is flushed
//                                         400:      rejected, with the server's reason
//                                         429, 5xx, 401, 403, no answer, a proxy's 400:
//                                                   retried without limit, with a back-off
//                                         413:      halved, and each half sent by itself
//
// What keeps failing alone while the service answers stops nothing else:
//   an index (closed, blocked, shards away): its items are parked, after some attempts
//   a document that is always answered with 500 while others of its index are stored: rejected
//   a request that is never answered, or with 500, while the service answers GET /: halved, down
//   to the document, which is rejected then
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
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

  /// Adds the items that the server rejects to `bulk.rejections`, and those that it does not take
  /// for now to `bulk.parked`. Errors: kRetryable: `give_up`
  /// returned true before every item had its answer; kFatal: an index name of the bulk is an alias.
  Status send(Bulk& bulk, const std::function<bool()>& give_up);

 private:
  using Places = std::vector<uint32_t>;  // Of items, ascending.

  /// An item that was put off, though the request was answered.
  struct Attempts {
    int tries = 0;
    int status = 0;
    std::string reason;
  };
  /// A document whose request failed, though nothing else was in it.
  struct Suspect {
    uint64_t settled = 0;  // Items that the service had settled then.
    int tries = 0;         // While others were settled,
    int idle_tries = 0;    // and while none were.
  };
  /// Requests for the same items that failed as a whole, one after the other.
  struct Silence {
    int in_a_row = 0;
    bool failed = false;          // The last one: the service is asked first whether it is there.
    bool searching = false;       // One request was halved for it: the document is being found.
    uint64_t settled_before = 0;  // Items that the service had settled when it began.
  };

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
  void settle_late(Bulk& bulk, Places& again);
  bool is_there();
  bool leave_silent(Bulk& bulk, const Places& places, const Reply& reply, std::deque<Places>& left);
  void try_suspect_again(Bulk& bulk, uint32_t place, const Reply& reply, std::deque<Places>& left);
  void note_accepting(std::string_view index);
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
  std::string plain_index_;               // The last index known to be no alias.
  std::set<std::string> found_;           // Indices that held items of the bulk already.
  std::map<uint32_t, Attempts> late_;     // By place.
  std::map<uint32_t, Suspect> suspects_;  // By place.
  std::set<std::string> accepting_;       // Indices that took an item of the bulk,
  std::string last_accepting_;            // and the last of them.
  Silence silence_;
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace longshore::search
