// Goal: every item gets exactly one final answer, whatever the server answers in between.
// Method: a scripted server that remembers what it created; pauses are counted instead of waited
// for.

#include "integrations/search/bulk_sender.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "config/limits.h"
#include "tests/fakes/http_server.h"

namespace longshore::search {
namespace {

using fakes::HttpReply;
using fakes::HttpRequest;
using fakes::HttpServer;

/// Ids and documents of a `_bulk` body.
std::vector<std::pair<std::string, std::string>> items_in(const std::string& body) {
  std::vector<std::pair<std::string, std::string>> items;
  std::istringstream lines(body);
  std::string action, document;
  while (std::getline(lines, action) && std::getline(lines, document)) {
    const size_t id = action.find("\"_id\":\"") + 7;
    items.emplace_back(action.substr(id, action.find('"', id) - id), document);
  }
  return items;
}

std::string item(int status, const std::string& type = "") {
  std::string text = R"({"create":{"status":)" + std::to_string(status);
  if (!type.empty()) text += R"(,"error":{"type":")" + type + R"(","reason":"because"})";
  return text + "}}";
}

std::string items_of(const std::vector<std::string>& items) {
  std::string text = R"({"errors":true,"items":[)";
  for (const std::string& one : items) text += (text.back() == '[' ? "" : ",") + one;
  return text + "]}";
}

std::string all_created(const HttpRequest& request) {
  return items_of(std::vector<std::string>(items_in(request.body).size(), item(201)));
}

class Sending {
 public:
  explicit Sending(std::function<HttpReply(const HttpRequest&)> respond)
      : server_([this, respond = std::move(respond)](const HttpRequest& request) {
          if (request.target == "/") return HttpReply{.status = is_there ? 200 : 503};
          if (request.target.find("/_flush?") == std::string::npos) return respond(request);
          const std::scoped_lock lock(mutex_);
          flushes_.push_back(request.target.substr(0, request.target.find("/_flush?")));
          if (flush_refusals-- > 0) return HttpReply{.status = flush_status};
          return HttpReply{.body = R"({"_shards":{"failed":0}})"};
        }),
        node_({{server_.url()}, {}, false, 20'000}, nullptr),
        sender_(node_, tally, learned, complaints_,
                {limits::kBulkRestFirstMs, limits::kBulkRestLastMs},
                [this](int64_t ms) { rests.push_back(ms); }) {}

  Status send(const std::function<bool()>& give_up = [] { return false; }) {
    return sender_.send(*bulk, give_up);
  }

  void add(int count, size_t bytes = 20) {
    for (int i = 0; i < count; ++i) {
      kafka::ReadRecord record;
      record.topic = "t";
      record.offset = static_cast<int64_t>(bulk->items.size());
      BulkItem& added = bulk->add(record);
      bulk->body +=
          R"({"create":{"_index":"logs","_id":"d)" + std::to_string(record.offset) + "\"}}\n";
      added.document = bulk->body.size();
      bulk->body += R"({"m":")" + std::string(bytes, 'x') + "\"}\n";
      added.end = bulk->body.size();
    }
  }

  std::unique_ptr<Bulk> bulk = std::make_unique<Bulk>();
  Tally tally;
  Learned learned;
  const SystemClock clock_;
  kafka::Complaints complaints_{clock_};
  std::vector<int64_t> rests;

  const HttpServer& server() const { return server_; }
  std::vector<std::string> flushes() const {
    const std::scoped_lock lock(mutex_);
    return flushes_;
  }
  std::atomic<int> flush_refusals = 0, flush_status = 503;
  std::atomic<bool> is_there = true;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> flushes_;
  HttpServer server_;
  SearchNode node_;
  BulkSender sender_;
};

TEST(BulkSender, created_and_already_there_are_both_done) {
  Sending sending([](const HttpRequest& request) {
    std::vector<std::string> answers;
    for (size_t i = 0; i < items_in(request.body).size(); ++i)
      answers.push_back(i % 2 == 0 ? item(201) : item(409, "version_conflict_engine_exception"));
    return HttpReply{.body = items_of(answers)};
  });
  sending.add(10);
  ASSERT_TRUE(sending.send());
  EXPECT_EQ(sending.tally.created, 5u);
  EXPECT_EQ(sending.tally.there, 5u);
  EXPECT_TRUE(sending.bulk->rejections.empty());
  EXPECT_EQ(sending.flushes(), std::vector<std::string>{"/logs"});
  EXPECT_EQ(sending.server().requests().size(), 2u);
}

TEST(BulkSender, what_was_there_before_is_done_when_the_server_has_flushed_it) {
  Sending sending([](const HttpRequest&) {
    return HttpReply{.body = items_of({item(409, "version_conflict_engine_exception")})};
  });
  sending.add(1);
  sending.flush_refusals = 3;
  ASSERT_TRUE(sending.send());
  EXPECT_EQ(sending.flushes().size(), 4u);
  EXPECT_EQ(sending.rests.size(), 3u);
  // Who may not flush goes on all the same.
  sending.flush_refusals = 1;
  sending.flush_status = 403;
  ASSERT_TRUE(sending.send());
  EXPECT_EQ(sending.flushes().size(), 5u);
  // Who is no longer known waits, as with a bulk, and so does who meets trouble of the server's.
  sending.flush_refusals = 1'000;
  for (const int status : {401, 503}) {
    sending.flush_status = status;
    int asked = 0;
    EXPECT_FALSE(sending.send([&asked] { return ++asked > 3; })) << status;
  }
}

TEST(BulkSender, only_what_was_put_off_is_sent_again_and_more_slowly) {
  std::atomic<int> requests = 0;
  Sending sending([&requests](const HttpRequest& request) {
    const bool first = requests++ < 4;
    std::vector<std::string> answers;
    for (const auto& [id, document] : items_in(request.body))
      answers.push_back(first && id == "d1"   ? item(429, "rejected_execution_exception")
                        : first && id == "d2" ? item(403, "cluster_block_exception")
                                              : item(201));
    return HttpReply{.body = items_of(answers)};
  });
  sending.add(4);
  ASSERT_TRUE(sending.send());
  EXPECT_EQ(items_in(sending.server().requests()[1].body).size(), 2u);
  EXPECT_EQ(sending.tally.created, 4u);
  EXPECT_EQ(sending.tally.put_off, 8u);
  ASSERT_EQ(sending.rests.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_LE(sending.rests[i], limits::kBulkRestFirstMs << i);
    EXPECT_GE(sending.rests[i], (limits::kBulkRestFirstMs << i) / 2);
  }
}

TEST(BulkSender, rejections_carry_the_servers_reason) {
  Sending sending([](const HttpRequest&) {
    return HttpReply{.body =
                         items_of({item(201), item(400, "mapper_parsing_exception"), item(201)})};
  });
  sending.add(3);
  ASSERT_TRUE(sending.send());
  ASSERT_EQ(sending.bulk->rejections.size(), 1u);
  EXPECT_EQ(sending.bulk->rejections[0].item, 1u);
  EXPECT_EQ(sending.bulk->rejections[0].reason, "mapper_parsing_exception: because");
}

TEST(BulkSender, a_body_over_the_limit_is_halved_and_the_limit_remembered) {
  constexpr size_t kLimit = 40'000;
  Sending sending([](const HttpRequest& request) {
    if (request.body.size() > kLimit) return HttpReply{.status = 413};
    return HttpReply{.body = all_created(request)};
  });
  sending.add(100, 1000);
  sending.add(1, kLimit);
  sending.add(100, 1000);
  ASSERT_TRUE(sending.send());
  EXPECT_EQ(sending.tally.created, 200u);
  ASSERT_EQ(sending.bulk->rejections.size(), 1u);
  EXPECT_EQ(sending.bulk->rejections[0].item, 100u);
  EXPECT_EQ(sending.bulk->rejections[0].status, 413);
  EXPECT_LE(sending.learned.body_bytes_max(), kLimit);
  const size_t before = sending.server().requests().size();
  sending.bulk = std::make_unique<Bulk>();
  sending.add(100, 1000);
  ASSERT_TRUE(sending.send());
  const auto requests = sending.server().requests();
  EXPECT_TRUE(
      std::all_of(requests.begin() + static_cast<ptrdiff_t>(before), requests.end(),
                  [](const HttpRequest& request) { return request.body.size() <= kLimit; }));
}

TEST(BulkSender, a_server_that_hangs_up_on_large_bodies_gets_smaller_ones) {
  Sending sending([](const HttpRequest& request) {
    return HttpReply{.body = all_created(request), .hang_up = request.body.size() > 100'000};
  });
  sending.add(400, 1000);
  ASSERT_TRUE(sending.send());
  EXPECT_EQ(sending.tally.created, 400u);
}

TEST(BulkSender, one_item_that_spoils_the_request_is_found) {
  Sending sending([](const HttpRequest& request) {
    if (request.body.find("\"d5\"") != std::string::npos)
      return HttpReply{.status = 400, .body = R"({"error":{"type":"t","reason":"r"}})"};
    return HttpReply{.body = all_created(request)};
  });
  sending.add(9);
  ASSERT_TRUE(sending.send());
  EXPECT_EQ(sending.tally.created, 8u);
  ASSERT_EQ(sending.bulk->rejections.size(), 1u);
  EXPECT_EQ(sending.bulk->rejections[0].item, 5u);
  EXPECT_EQ(sending.bulk->rejections[0].reason, "t: r");
}

TEST(BulkSender, what_a_proxy_says_of_a_request_rejects_no_document) {
  std::atomic<int> requests = 0;
  Sending sending([&requests](const HttpRequest& request) {
    switch (requests++) {
      case 0:
        return HttpReply{
            .status = 400,
            .body = "<html>\r\n<head><title>400 The SSL certificate error</title></head></html>"};
      case 1:
        return HttpReply{.status = 400, .body = R"({"message":"Bad Request"})"};
      case 2:
        return HttpReply{.status = 400};
      case 3:
        return HttpReply{.status = 302, .headers = {"Location: http://127.0.0.1:1/login?t=s"}};
      default:
        return HttpReply{.body = all_created(request)};
    }
  });
  sending.add(3);
  ASSERT_TRUE(sending.send());
  EXPECT_TRUE(sending.bulk->rejections.empty());
  EXPECT_EQ(sending.tally.created, 3u);
  EXPECT_EQ(sending.tally.failures, 4u);
  EXPECT_EQ(sending.rests.size(), 4u);
}

TEST(BulkSender, an_alias_stops_it_and_a_data_stream_does_not) {
  const auto send_into = [](const std::string& index) {
    Sending sending([&index](const HttpRequest& request) {
      EXPECT_NE(request.target.find("_index"), std::string::npos);
      return HttpReply{.body =
                           R"({"items":[{"create":{"_index":")" + index + R"(","status":201}}]})"};
    });
    sending.add(1);
    return sending.send();
  };
  for (const std::string index : {"other", ".ds-other-000001", ".ds-logs", ".ds-logsa-000001",
                                  "logs-000001", "x.ds-logs-000001"}) {
    const Status status = send_into(index);
    ASSERT_FALSE(status) << index;
    EXPECT_EQ(status.error().code, ErrorCode::kFatal);
  }
  for (const std::string index : {"logs", ".ds-logs-000001", ".ds-logs-2026.11.21-000001"})
    EXPECT_TRUE(send_into(index)) << index;
}

TEST(BulkSender, an_answer_that_does_not_fit_settles_nothing) {
  std::atomic<int> requests = 0;
  Sending sending([&requests](const HttpRequest& request) {
    EXPECT_EQ(items_in(request.body).size(), requests < 3 ? 2u : 1u);
    switch (requests++) {
      case 0:
        return HttpReply{.body = items_of({item(201)})};
      case 1:
        return HttpReply{.body = "<html>"};
      case 2:
        return HttpReply{.body = items_of({item(201), R"({"create":{}})"})};
      case 3:
        return HttpReply{.status = 503, .headers = {"Retry-After: 3"}};
      case 4:
        return HttpReply{.hang_up = true};
      case 5:
        return HttpReply{.status = 401, .body = R"({"error":"no"})"};
      default:
        return HttpReply{.body = items_of({item(409)})};
    }
  });
  sending.add(2);
  ASSERT_TRUE(sending.send());
  EXPECT_EQ(sending.tally.created, 1u);  // By the third answer.
  EXPECT_EQ(sending.tally.there, 1u);
  EXPECT_TRUE(sending.bulk->rejections.empty());
  EXPECT_NE(std::find_if(sending.rests.begin(), sending.rests.end(),
                         [](int64_t ms) { return ms >= 3000; }),
            sending.rests.end());
}

TEST(BulkSender, a_flood_of_reasons_is_asked_for_without_them) {
  Sending sending([](const HttpRequest& request) {
    if (request.target.find("reason") != std::string::npos)
      return HttpReply{.body = std::string(10 << 20, ' ')};
    return HttpReply{.body = items_of({item(400, "mapper_parsing_exception")})};
  });
  sending.add(1);
  ASSERT_TRUE(sending.send());
  EXPECT_EQ(sending.bulk->rejections.size(), 1u);
}

TEST(BulkSender, it_gives_up_only_when_it_is_told) {
  int asked = 0;
  Sending sending([](const HttpRequest&) { return HttpReply{.status = 503}; });
  sending.add(1);
  const Status status = sending.send([&asked] { return ++asked > 20; });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kRetryable);
  EXPECT_TRUE(sending.bulk->rejections.empty());
  EXPECT_LE(*std::max_element(sending.rests.begin(), sending.rests.end()), limits::kBulkRestLastMs);
}

TEST(BulkSender, a_closed_index_is_parked_and_the_others_go_on) {
  Sending sending([](const HttpRequest& request) {
    std::vector<std::string> answers;
    for (const auto& [id, document] : items_in(request.body))
      answers.push_back(id == "d1" || id == "d3" ? item(400, "index_closed_exception") : item(201));
    return HttpReply{.body = items_of(answers)};
  });
  sending.add(5);
  ASSERT_TRUE(sending.send());
  EXPECT_EQ(sending.tally.created, 3u);
  EXPECT_TRUE(sending.bulk->rejections.empty());
  ASSERT_EQ(sending.bulk->parked.size(), 2u);
  EXPECT_EQ(sending.bulk->parked[0].item, 1u);
  EXPECT_EQ(sending.bulk->parked[1].reason, "index logs: 400: index_closed_exception: because");
  EXPECT_TRUE(sending.learned.is_troubled("logs"));
  // Known as it is now, it holds nobody up.
  const size_t rests = sending.rests.size();
  sending.bulk = std::make_unique<Bulk>();
  sending.add(2);
  ASSERT_TRUE(sending.send());
  EXPECT_LE(sending.rests.size(), rests + 6);
}

TEST(BulkSender, a_document_that_always_gets_500_is_rejected_when_others_are_stored) {
  Sending sending([](const HttpRequest& request) {
    std::vector<std::string> answers;
    for (const auto& [id, document] : items_in(request.body))
      answers.push_back(id == "d2" ? item(500, "null_pointer_exception") : item(201));
    return HttpReply{.body = items_of(answers)};
  });
  sending.add(5);
  ASSERT_TRUE(sending.send());
  EXPECT_EQ(sending.tally.created, 4u);
  EXPECT_TRUE(sending.bulk->parked.empty());
  ASSERT_EQ(sending.bulk->rejections.size(), 1u);
  EXPECT_EQ(sending.bulk->rejections[0].item, 2u);
  EXPECT_EQ(sending.bulk->rejections[0].status, 500);
  // If none is stored, it is the index.
  sending.bulk = std::make_unique<Bulk>();
  sending.add(3);
  sending.bulk->items.erase(sending.bulk->items.begin(), sending.bulk->items.begin() + 2);
  ASSERT_TRUE(sending.send());
  EXPECT_TRUE(sending.bulk->rejections.empty());
  EXPECT_EQ(sending.bulk->parked.size(), 1u);
}

TEST(BulkSender, a_document_that_silences_each_request_is_found_however_small) {
  for (const bool is_answered : {false, true}) {
    Sending sending([is_answered](const HttpRequest& request) {
      const bool spoilt = request.body.find("\"d5\"") != std::string::npos;
      if (spoilt && is_answered) return HttpReply{.status = 500};
      return HttpReply{.body = all_created(request), .hang_up = spoilt};
    });
    sending.add(9);
    ASSERT_TRUE(sending.send());
    EXPECT_EQ(sending.tally.created, 8u);
    ASSERT_EQ(sending.bulk->rejections.size(), 1u);
    EXPECT_EQ(sending.bulk->rejections[0].item, 5u);
    EXPECT_NE(sending.bulk->rejections[0].reason.find("this document never"), std::string::npos);
  }
}

TEST(BulkSender, many_documents_that_spoil_each_request_hold_it_up_hardly_longer_than_one) {
  std::vector<int64_t> rests;
  for (const auto& [count, spoilt] : {std::pair(60, "\"d50"), {60, "\"d5"}, {1, "\"d0"}}) {
    Sending sending([&sending, wanted = spoilt](const HttpRequest& request) {
      if (request.body.find(wanted) == std::string::npos)
        return HttpReply{.body = all_created(request)};
      sending.tally.created += 1;  // Others go through.
      return HttpReply{.status = 500};
    });
    sending.add(count);
    ASSERT_TRUE(sending.send());
    EXPECT_EQ(sending.bulk->rejections.size(), rests.size() == 1 ? 11u : 1u);
    rests.push_back(std::reduce(sending.rests.begin(), sending.rests.end()));
    EXPECT_GT(rests.back(), 2'000) << "it is given up at once";
    EXPECT_LT(rests.back(), 6'000);
  }
}

TEST(BulkSender, a_service_that_takes_nothing_blames_no_document_though_it_answers) {
  Sending sending([](const HttpRequest&) { return HttpReply{.hang_up = true}; });
  sending.add(4);
  int asked = 0;
  EXPECT_FALSE(sending.send([&asked] { return ++asked > 300; }));
  EXPECT_TRUE(sending.bulk->rejections.empty());
}

TEST(BulkSender, a_service_that_is_away_blames_no_document) {
  std::atomic<int> posts = 0;
  Sending sending([&posts](const HttpRequest&) {
    posts += 1;
    return HttpReply{.hang_up = true};
  });
  sending.is_there = false;
  sending.add(8);
  int asked = 0;
  EXPECT_FALSE(sending.send([&asked] { return ++asked > 100; }));
  EXPECT_TRUE(sending.bulk->rejections.empty());
  EXPECT_EQ(posts, 1) << "it is sent again only when something answers";
}

TEST(BulkSender, a_setting_of_the_service_is_blamed_on_no_document) {
  constexpr const char* kReason =
      R"({"type":"illegal_argument_exception","reason":"pipeline with id [x] does not exist"})";
  EXPECT_EQ(judge(400, "illegal_argument_exception", "pipeline with id [x] does not exist"),
            Verdict::kLater);
  EXPECT_EQ(judge(400, "mapper_parsing_exception",
                  "preview: 'illegal_argument_exception: pipeline with id [x]'"),
            Verdict::kRejected);
  Sending sending([](const HttpRequest& request) {
    std::vector<std::string> answers(
        items_in(request.body).size(),
        std::string(R"({"create":{"status":400,"error":)") + kReason + "}}");
    return HttpReply{.body = items_of(answers)};
  });
  sending.add(3);
  ASSERT_TRUE(sending.send());
  EXPECT_TRUE(sending.bulk->rejections.empty());
  EXPECT_EQ(sending.bulk->parked.size(), 3u);
  Sending whole([](const HttpRequest&) {
    return HttpReply{.status = 400,
                     .body = R"({"error":{"type":"illegal_argument_exception",)"
                             R"("reason":"explicit index in bulk is not allowed"}})"};
  });
  whole.add(3);
  int asked = 0;
  EXPECT_FALSE(whole.send([&asked] { return ++asked > 20; }));
  EXPECT_TRUE(whole.bulk->rejections.empty());
}

TEST(BulkSender, any_server_and_every_item_ends_once) {
  constexpr int kItems = 300;
  std::minstd_rand random(4711);
  std::mutex mutex;
  std::map<std::string, int> created;
  Sending sending([&](const HttpRequest& request) {
    const std::lock_guard lock(mutex);
    const auto items = items_in(request.body);
    const auto fate = random() % 10;
    if (fate == 0 && items.size() > 1) return HttpReply{.status = 413};
    if (fate == 1) return HttpReply{.status = 429};
    std::vector<std::string> answers;
    for (const auto& [id, document] : items) {
      if (id.ends_with("7")) {
        answers.push_back(item(400, "mapper_parsing_exception"));
      } else if (random() % 3 == 0) {
        answers.push_back(item(429, "rejected_execution_exception"));
      } else {
        answers.push_back(created[id]++ == 0 ? item(201) : item(409));
      }
    }
    // Obeyed, but the answer is lost.
    return HttpReply{.body = items_of(answers), .hang_up = fate == 2, .cut = fate == 3};
  });
  sending.add(kItems);
  ASSERT_TRUE(sending.send());
  EXPECT_EQ(created.size(), size_t{kItems * 9 / 10});
  EXPECT_EQ(sending.tally.created + sending.tally.there, uint64_t{kItems * 9 / 10});
  EXPECT_EQ(sending.bulk->rejections.size(), size_t{kItems / 10});
}

}  // namespace
}  // namespace longshore::search
