#include "integrations/search/bulk_sender.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <utility>

namespace longshore::search {
namespace {

constexpr int64_t kAskedPauseMsMax = 30'000;

// A server or proxy may close the connection on a body that is too large instead of answering 413,
// and a document may stop the node each time. So a request that is never answered, or with 500, is
// halved, if the service answers other requests in between.
constexpr int kSilencesMax = 3;
constexpr int kSilencesAloneMax = 6;  // Of one document; then it is rejected.
// The same, while nothing else is settled: perhaps the service takes nothing for a while. A minute.
constexpr int kSilencesIdleMax = 14;
constexpr int64_t kSuspectRestMs = 100;  // After the first of them; it doubles.
constexpr long kSearchingTimeoutMs = 30'000;

// After that many attempts, without those that 429 put off, an item is parked or rejected. For the
// next items of that index one attempt is enough.
constexpr int kLateTriesMax = 6;

// Enough for an answer with a reason for every item.
size_t answer_bytes_max(size_t items) { return (size_t{64} << 10) + items * 1024; }

// Only these fields of an item are returned: it keeps answers small.
constexpr const char* kWithReasons =
    "/_bulk?filter_path=items.*.status,items.*.error.type,items.*.error.reason";
constexpr const char* kWithoutReasons = "/_bulk?filter_path=items.*.status,items.*.error.type";
constexpr const char* kIndexToo = ",items.*._index";

int64_t pause_ms_of(const std::string& retry_after) {
  int64_t seconds = 0;
  std::from_chars(retry_after.data(), retry_after.data() + retry_after.size(), seconds);
  return std::clamp<int64_t>(seconds, 0, kAskedPauseMsMax / 1000) * 1000;
}

/// {"create":{"_index":"logs-app-2026.11.21",...
std::string_view index_in(std::string_view action) {
  constexpr std::string_view kHead = R"({"create":{"_index":")";
  action.remove_prefix(kHead.size());
  return action.substr(0, action.find('"'));
}

}  // namespace

BulkSender::BulkSender(SearchNode& node, Tally& tally, Learned& learned,
                       kafka::Complaints& complaints, Backoff backoff,
                       std::function<void(int64_t ms)> rest)
    : node_(node),
      tally_(tally),
      learned_(learned),
      complaints_(complaints),
      backoff_(backoff),
      rest_(std::move(rest)) {}

// Splits the items into requests that the server may accept, by what is known of its size limit.
void BulkSender::cut(const Bulk& bulk, const Places& places, std::deque<Places>& out) const {
  const size_t bytes_max = learned_.body_bytes_max();
  size_t bytes = 0;
  for (const uint32_t place : places) {
    const BulkItem& item = bulk.items[place];
    if (item.action == item.end) continue;  // Rejected before it was sent.
    const size_t more = item.end - item.action;
    if (out.empty() || bytes + more > bytes_max) {
      out.emplace_back();
      bytes = 0;
    }
    out.back().push_back(place);
    bytes += more;
  }
}

Status BulkSender::send(Bulk& bulk, const std::function<bool()>& give_up) {
  found_.clear();
  late_.clear();
  suspects_.clear();
  accepting_.clear();
  silence_ = {};
  Places all(bulk.items.size());
  std::iota(all.begin(), all.end(), 0);
  std::deque<Places> left;
  cut(bulk, all, left);
  bool reasons = true;
  while (!left.empty()) {
    if (give_up()) return Error{ErrorCode::kRetryable, "given up"};
    if (silence_.failed && !is_there()) {
      pause(0);
      continue;
    }
    const Places places = std::move(left.front());
    left.pop_front();
    const Reply reply = post(bulk, places, reasons);
    const bool silent =
        reply.kind == Reply::Kind::kLater && (reply.status == 0 || reply.status == 500);
    silence_.failed = silent;
    if (!silent) silence_.in_a_row = 0;
    Places again;
    switch (reply.kind) {
      case Reply::Kind::kAnswered:
        for (const uint32_t place : places) suspects_.erase(place);
        if (Status status = heed(bulk, places, reply, again); !status) return status;
        settle_late(bulk, again);
        break;
      case Reply::Kind::kLater:
        tally_.failures += 1;
        complaints_.add(fmt::format("indexing waits: {}", reply.reason));
        if (!silent || !leave_silent(bulk, places, reply, left)) again = places;
        break;
      case Reply::Kind::kTooLong:
        reasons = false;
        left.push_front(places);
        break;
      case Reply::Kind::kTooLarge:
      case Reply::Kind::kMalformed:
        if (places.size() == 1) {
          reject(bulk, places.front(), reply.status, reply.reason);
          break;
        }
        if (reply.kind == Reply::Kind::kTooLarge) {
          tally_.too_large += 1;
          learned_.refused_body(body_of(bulk, places).size());
        }
        halve(places, left);
        break;
    }
    if (again.empty()) {
      if (reply.kind == Reply::Kind::kAnswered) backoff_.reset();
      continue;
    }
    left.push_front(std::move(again));
    if (!give_up()) pause(reply.pause_ms);
  }
  return flush(give_up);
}

// Whether the service answers anything at all. If not, the requests before say nothing.
bool BulkSender::is_there() {
  const Result<http::Answer> answer = node_.ask("GET", "/", {}, answer_bytes_max(0));
  return answer && answer->status < 500;
}

// A request failed although the service was there before it. False: it is to be sent again. Only if
// others go through meanwhile is it the document's fault: a service that takes nothing at all may
// still answer GET /.
bool BulkSender::leave_silent(Bulk& bulk, const Places& places, const Reply& reply,
                              std::deque<Places>& left) {
  const uint64_t settled = tally_.created + tally_.there;
  if (silence_.in_a_row++ == 0 && !silence_.searching && suspects_.empty())
    silence_.settled_before = settled;
  if (places.size() == 1) {
    try_suspect_again(bulk, places.front(), reply, left);
    return true;
  }
  if (silence_.in_a_row < (silence_.searching ? 1 : kSilencesMax)) return false;
  silence_.in_a_row = 0;
  silence_.searching = true;
  halve(places, left);
  return true;
}

// A document that failed alone. All others of the bulk come before it is sent again; then those
// that are suspected take turns, so that many of them wait no longer than one.
void BulkSender::try_suspect_again(Bulk& bulk, uint32_t place, const Reply& reply,
                                   std::deque<Places>& left) {
  silence_.in_a_row = 0;
  const uint64_t settled = tally_.created + tally_.there;
  Suspect& suspect = suspects_.try_emplace(place, Suspect{silence_.settled_before}).first->second;
  const bool others_go = settled != suspect.settled;
  suspect.settled = settled;
  suspect.tries += others_go ? 1 : 0;
  suspect.idle_tries += !others_go && settled != silence_.settled_before ? 1 : 0;
  if (suspect.tries >= kSilencesAloneMax || suspect.idle_tries >= kSilencesIdleMax) {
    suspects_.erase(place);
    reject(bulk, place, reply.status,
           fmt::format("the service answers other requests, and this document never ({})",
                       reply.reason));
    return;
  }
  left.push_back({place});
  if (left.front().size() > 1 || !suspects_.contains(left.front().front())) return;
  const int64_t round_ms =
      others_go ? kSuspectRestMs << (suspect.tries - 1) : backoff_.next_spread(random_());
  rest_(round_ms / static_cast<int64_t>(suspects_.size()));
}

// Takes out of `again` what failed often enough.
void BulkSender::settle_late(Bulk& bulk, Places& again) {
  std::erase_if(again, [&](uint32_t place) {
    const Attempts& attempts = late_[place];
    const std::string index(index_in(bulk.action_of(bulk.items[place])));
    if (attempts.tries < (learned_.is_troubled(index) ? 1 : kLateTriesMax)) return false;
    if (attempts.status == 500 && accepting_.contains(index)) {
      if (attempts.tries < kLateTriesMax) return false;
      reject(bulk, place, attempts.status,
             fmt::format("{} (others went into the index, this one not in {} attempts)",
                         attempts.reason, attempts.tries));
      return true;
    }
    learned_.set_troubled(index, true);
    bulk.parked.push_back(
        {place, attempts.status,
         fmt::format("index {}: {}: {}", index, attempts.status, attempts.reason)});
    return true;
  });
}

// The server answers "already there" even before the request that created the document has synced
// it. If that request's connection broke and the node dies now, the document is lost although its
// offset was committed. So the index is flushed first. Without permission to flush, a window of the
// milliseconds until the node's own sync remains.
Status BulkSender::flush(const std::function<bool()>& give_up) {
  while (!found_.empty()) {
    if (give_up()) return Error{ErrorCode::kRetryable, "given up"};
    const std::string target = "/" + http::escape_path(*found_.begin()) +
                               "/_flush?wait_if_ongoing=true&filter_path=_shards.failed";
    const Result<http::Answer> answer = node_.ask("POST", target, {}, answer_bytes_max(0));
    const long status = answer ? answer->status : 0;
    const bool flushed = status == 200 && answer->body.find(R"("failed":0)") != std::string::npos;
    if (flushed || status == 403 || status == 404) {
      found_.erase(found_.begin());
      continue;
    }
    tally_.failures += 1;
    complaints_.add(fmt::format("indexing waits: could not flush index {}: {}", *found_.begin(),
                                answer ? reason_of(answer->body) : answer.error().message));
    pause(0);
  }
  return ok();
}

void BulkSender::halve(const Places& places, std::deque<Places>& out) {
  const auto middle = places.begin() + static_cast<ptrdiff_t>(places.size() / 2);
  out.emplace_front(middle, places.end());
  out.emplace_front(places.begin(), middle);
}

void BulkSender::pause(int64_t at_least_ms) {
  rest_(std::max(backoff_.next_spread(random_()), at_least_ms));
}

std::string_view BulkSender::body_of(const Bulk& bulk, const Places& places) {
  const std::string_view body = bulk.body;
  const BulkItem& first = bulk.items[places.front()];
  const BulkItem& last = bulk.items[places.back()];
  const bool whole = places.back() - places.front() + 1 == places.size();
  if (whole) return body.substr(first.action, last.end - first.action);
  joined_.clear();
  for (const uint32_t place : places) {
    const BulkItem& item = bulk.items[place];
    joined_ += body.substr(item.action, item.end - item.action);
  }
  return joined_;
}

bool BulkSender::has_new_index(const Bulk& bulk, const Places& places) {
  return std::any_of(places.begin(), places.end(), [&](uint32_t place) {
    const std::string_view index = index_in(bulk.action_of(bulk.items[place]));
    if (index == plain_index_) return false;
    if (!learned_.is_plain(std::string(index))) return true;
    plain_index_ = index;
    return false;
  });
}

BulkSender::Reply BulkSender::post(const Bulk& bulk, const Places& places, bool reasons) {
  const auto later = [](std::string reason, int status) {
    return Reply{Reply::Kind::kLater, {}, std::move(reason), status, 0};
  };
  std::string target = reasons ? kWithReasons : kWithoutReasons;
  if (has_new_index(bulk, places)) target += kIndexToo;
  const std::string_view body = body_of(bulk, places);
  tally_.requests += 1;
  tally_.body_bytes += body.size();
  Result<http::Answer> answer = node_.ask("POST", target, body, answer_bytes_max(places.size()),
                                          silence_.searching ? kSearchingTimeoutMs : 0);
  if (!answer) {
    if (answer.error().code == ErrorCode::kFull && reasons)
      return Reply{Reply::Kind::kTooLong, {}, {}, 0, 0};
    return later(answer.error().message, 0);
  }
  const int status = static_cast<int>(answer->status);
  if (status == 200) {
    Result<std::vector<ItemAnswer>> items = parser_.parse(answer->body, places.size());
    if (!items) return later(items.error().message, status);
    return Reply{Reply::Kind::kAnswered, *std::move(items), {}, status, 0};
  }
  const std::string reason = reason_of(answer->body);
  if (status == 413) {
    return Reply{Reply::Kind::kTooLarge, {}, "413: larger than the server accepts", status, 0};
  }
  // A 400 of a proxy, e.g. about an expired certificate, says nothing about the document.
  if (status == 400 && service_reason(answer->body) && !is_misconfigured(reason))
    return Reply{Reply::Kind::kMalformed, {}, reason, status, 0};
  Reply reply = later(
      fmt::format("_bulk was answered with {}: {}{}", status, reason, remedy_of(*answer)), status);
  reply.pause_ms = pause_ms_of(answer->retry_after);
  return reply;
}

Status BulkSender::heed(Bulk& bulk, const Places& places, const Reply& reply, Places& again) {
  uint64_t created = 0, there = 0;
  for (size_t i = 0; i < places.size(); ++i) {
    const ItemAnswer& answer = reply.items[i];
    const BulkItem& item = bulk.items[places[i]];
    switch (answer.verdict) {
      case Verdict::kCreated:
        created += 1;
        break;
      case Verdict::kThere:
        there += 1;
        found_.emplace(index_in(bulk.action_of(item)));
        break;
      case Verdict::kRejected:
        reject(bulk, places[i], answer.status, answer.reason);
        continue;
      case Verdict::kLater:
        tally_.put_off += 1;
        again.push_back(places[i]);
        if (answer.status != 429) late_[places[i]].tries += 1;
        late_[places[i]].status = answer.status;
        late_[places[i]].reason = answer.reason;
        if (again.size() == 1) {
          complaints_.add(fmt::format("indexing into {} waits: {}: {}",
                                      index_in(bulk.action_of(item)), answer.status,
                                      answer.reason));
        }
        continue;
    }
    note_accepting(index_in(bulk.action_of(item)));
    if (answer.index.empty()) continue;
    if (Status plain = check_index(bulk, item, answer); !plain) return plain;
  }
  tally_.created += created;
  tally_.there += there;
  return ok();
}

void BulkSender::note_accepting(std::string_view index) {
  if (!accepting_.empty() && index == last_accepting_) return;
  last_accepting_ = index;
  if (accepting_.insert(last_accepting_).second) learned_.set_troubled(last_accepting_, false);
}

Status BulkSender::check_index(const Bulk& bulk, const BulkItem& item, const ItemAnswer& answer) {
  const std::string_view wanted = index_in(bulk.action_of(item));
  const bool is_stream = answer.index.starts_with(fmt::format(".ds-{}-", wanted));
  if (answer.index != wanted && !is_stream) {
    return Error{
        ErrorCode::kFatal,
        fmt::format("{} is an alias (of {}): ids are unique only within one index; choose other "
                    "index names with --index.",
                    wanted, answer.index)};
  }
  if (plain_index_ == wanted) return ok();
  plain_index_ = wanted;
  if (is_stream && !learned_.is_plain(plain_index_)) {
    spdlog::warn(
        "{} is a data stream: ids are unique only in its newest index, {} now. A record that is "
        "sent again after a rollover is stored twice",
        wanted, answer.index);
  }
  learned_.set_plain(plain_index_);
  return ok();
}

void BulkSender::reject(Bulk& bulk, uint32_t place, int status, const std::string& reason) {
  bulk.rejections.push_back({place, status, reason});
}

}  // namespace longshore::search
