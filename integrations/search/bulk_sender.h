// Sends a bulk until each of its items has its final answer.
//
//   Bulk --> requests of what is left --> 201:      done
//                                         409:      done once its index is flushed
//                                         400:      rejected, with the server's reason
//                                         429, 5xx, 401, 403, no answer, a proxy's 400:
//                                                   again, for ever, more slowly
//                                         413:      each half by itself
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
  /// `rest` waits that long, or less when the process is to end.
  BulkSender(SearchNode& node, Tally& tally, Learned& learned, kafka::Complaints& complaints,
             Backoff backoff, std::function<void(int64_t ms)> rest);

  /// Adds to `bulk.rejections` what the server rejects. Errors: kRetryable: `give_up` said so
  /// before all was answered; kFatal: an index of the bulk is none, but an alias or a data stream.
  Status send(Bulk& bulk, const std::function<bool()>& give_up);

 private:
  using Places = std::vector<uint32_t>;  // Of items, ascending.

  struct Reply {
    enum class Kind : uint8_t { kAnswered, kLater, kTooLarge, kMalformed, kTooLong } kind;
    std::vector<ItemAnswer> items;
    std::string reason;
    int status = 0;
    int64_t pause_ms = 0;  // That the server asks for.
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
  std::string plain_index_;      // The last one known to be plain.
  std::set<std::string> found_;  // Indices where something of the bulk was already there.
  std::minstd_rand random_{std::random_device{}()};
};

}  // namespace longshore::search
