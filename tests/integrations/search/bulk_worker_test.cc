// Goal: a record that is rejected behind a parked one is put aside once, when its turn comes, and
// not at each attempt; no bulk waits forever for another.
// Method: bulks and their order by hand; then a worker with a scripted service and the embedded
// broker.

#include "integrations/search/bulk_worker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "integrations/kafka/embedded_broker.h"
#include "integrations/search/dead_letters.h"
#include "tests/fakes/http_server.h"

namespace longshore::search {
namespace {

using fakes::HttpReply;
using fakes::HttpRequest;
using fakes::HttpServer;

const kafka::PartitionKey kLogs = {"logs", 0};

/// Records of "logs" that go to these indices.
std::shared_ptr<Bulk> bulk_of(uint64_t number, int64_t offset,
                              const std::vector<std::string>& indices) {
  auto bulk = std::make_shared<Bulk>();
  bulk->number = number;
  for (const std::string& index : indices) {
    kafka::ReadRecord record;
    record.topic = "logs";
    record.offset = offset++;
    record.value = "x";
    BulkItem& item = bulk->add(record);
    bulk->body += R"({"create":{"_index":")" + index + R"(","_id":"1"}})" + "\n";
    item.document = bulk->body.size();
    bulk->body += "{}\n";
    item.end = bulk->body.size();
    bulk->keep_value(item, record.value);
  }
  return bulk;
}

std::shared_ptr<Bulk> with_rejection(uint64_t number, int64_t offset) {
  auto bulk = bulk_of(number, offset, {"bad"});
  bulk->rejections.push_back({0, 400, "no"});
  return bulk;
}

std::shared_ptr<Bulk> with_parked(uint64_t number, int64_t offset) {
  auto bulk = bulk_of(number, offset, {"closed"});
  bulk->parked.push_back({0, 403, "closed"});
  return bulk;
}

TEST(ParkedRecords, only_what_lies_behind_a_parked_record_is_held_back) {
  ParkedRecords records;
  const auto bulk = bulk_of(1, 10, {"bad", "closed", "bad"});
  bulk->rejections = {{0, 400, "no"}, {2, 400, "no"}};
  bulk->parked = {{1, 403, "closed"}};
  records.settle(*bulk);
  ASSERT_EQ(bulk->rejections.size(), 1u);
  EXPECT_EQ(bulk->rejections[0].item, 0u);
  EXPECT_EQ(bulk->parked.size(), 2u);
  // Bulks behind it, and one before it that is late.
  const auto behind = with_rejection(2, 20), before = with_rejection(0, 5);
  records.settle(*behind);
  records.settle(*before);
  EXPECT_TRUE(behind->rejections.empty());
  EXPECT_EQ(behind->parked.size(), 1u);
  EXPECT_EQ(before->rejections.size(), 1u);
  // Other partitions have nothing to do with it.
  auto other = std::make_shared<Bulk>();
  other->number = 3;
  kafka::ReadRecord record;
  record.topic = "other";
  record.offset = 99;
  other->add(record);
  other->rejections.push_back({0, 400, "no"});
  records.settle(*other);
  EXPECT_EQ(other->rejections.size(), 1u);
}

TEST(ParkedRecords, the_bulk_that_tries_again_decides_for_those_behind_it) {
  ParkedRecords records;
  records.settle(*with_parked(1, 10));
  for (const uint64_t number : {5u, 9u}) {
    records.read_again(kLogs, 10, number);
    const auto behind = with_rejection(number + 1, 20), old = with_rejection(number - 1, 20);
    EXPECT_TRUE(records.must_wait(*behind));
    // What was read before has its place in a bulk behind this one.
    EXPECT_FALSE(records.must_wait(*old));
    records.settle(*old);
    EXPECT_TRUE(old->rejections.empty());
    const auto again = number == 5 ? with_parked(number, 10) : with_rejection(number, 10);
    EXPECT_FALSE(records.must_wait(*again));
    records.settle(*again);
    EXPECT_FALSE(records.must_wait(*behind));
    records.settle(*behind);
    EXPECT_EQ(behind->rejections.empty(), number == 5);
  }
  // Late news of the reading before change nothing.
  records.settle(*with_parked(4, 12));
  const auto next = with_rejection(11, 30);
  records.settle(*next);
  EXPECT_EQ(next->rejections.size(), 1u);
}

TEST(ParkedRecords, the_next_members_bulks_know_nothing) {
  ParkedRecords records;
  records.settle(*with_parked(1, 10));
  records.read_again(kLogs, 10, 2);
  records.clear();
  const auto bulk = with_rejection(3, 20);
  EXPECT_FALSE(records.must_wait(*bulk));
  records.settle(*bulk);
  EXPECT_EQ(bulk->rejections.size(), 1u);
}

/// A service on which the index "closed" takes nothing while it is closed, and "bad" never does.
class Service {
 public:
  std::string url() const { return server_.url(); }
  /// Returns once so many requests came.
  void await(size_t requests) const {
    while (server_.requests().size() < requests) std::this_thread::yield();
  }
  std::atomic<bool> closed = true;

 private:
  HttpReply answer(const HttpRequest& request) const {
    std::istringstream lines(request.body);
    std::string items, action, document;
    while (std::getline(lines, action) && std::getline(lines, document)) {
      const auto goes_to = [&action](const char* index) {
        return action.find(std::string("\"") + index + "\"") != std::string::npos;
      };
      items += items.empty() ? "" : ",";
      if (goes_to("bad")) {
        items += R"({"create":{"status":400,"error":{"type":"mapper_parsing_exception",)"
                 R"("reason":"no"}}})";
      } else if (goes_to("closed") && closed) {
        items += R"({"create":{"status":403,"error":{"type":"cluster_block_exception",)"
                 R"("reason":"closed"}}})";
      } else {
        items += R"({"create":{"_index":)" + action.substr(20, action.find('"', 21) - 19) +
                 R"(,"status":201}})";
      }
    }
    return {.body = R"({"errors":true,"items":[)" + items + "]}"};
  }

  HttpServer server_{[this](const HttpRequest& request) { return answer(request); }};
};

TEST(BulkWorker, a_record_behind_a_parked_one_is_put_aside_once) {
  auto broker = kafka::EmbeddedBroker::start({{"dead", 1}});
  ASSERT_TRUE(broker) << broker.error().message;
  const SystemClock clock;
  Service service;
  Tally tally;
  Learned learned;
  learned.set_troubled("closed", true);  // One attempt is enough.
  kafka::Complaints complaints(clock);
  RefusalGate gate(clock, 5);
  ParkedRecords parked;
  auto letters = DeadLetters::open({(*broker)->bootstrap(), {}, "dead"}, tally);
  ASSERT_TRUE(letters) << letters.error().message;
  BulkPool pool;
  const BulkShared shared{pool, tally, learned, complaints, gate, parked, letters->get()};
  const SearchOptions search{{service.url()}, {}, false, 20'000};
  BulkWorker first(search, shared), second(search, shared);
  for (uint64_t number = 1; number <= 20; number += 2) {
    service.closed = number < 19;
    if (number > 1) parked.read_again(kLogs, 10, number);
    const auto front = bulk_of(number, 10, {"closed", "bad"});
    const auto behind = bulk_of(number + 1, 20, {"good", "bad"});
    // The second one is quicker, and waits.
    const size_t requests = 2 * (number / 2);
    std::thread ahead([&] {
      if (number == 1) return;
      EXPECT_TRUE(second.settle(*behind));
    });
    if (number > 1) service.await(requests);
    EXPECT_TRUE(first.settle(*front));
    ahead.join();
    EXPECT_EQ(tally.dead_lettered, service.closed ? 0u : 2u);
    EXPECT_EQ(tally.rejected, service.closed ? 0u : 2u);
  }
}

}  // namespace
}  // namespace longshore::search
