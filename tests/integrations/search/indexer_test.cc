// Goal: records that a member has read but not yet sent when it leaves are indexed by the next
// member, and nothing is committed over a parked record.
// Method: real members, one after the other, with the embedded broker and a server that accepts
// everything; an indexer alone, with a pool that parks everything.

#include "integrations/search/indexer.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <mutex>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "integrations/kafka/embedded_broker.h"
#include "integrations/search/index_topics.h"
#include "tests/fakes/http_server.h"
#include "tests/fakes/produce.h"

namespace longshore::search {
namespace {

using fakes::HttpReply;
using fakes::HttpRequest;
using fakes::HttpServer;

/// A search node that creates whatever it is sent.
class Node {
 public:
  Node() : server_([this](const HttpRequest& request) { return answer(request); }) {}

  std::string url() const { return server_.url(); }
  size_t documents() const {
    const std::lock_guard lock(mutex_);
    return ids_.size();
  }
  /// Waits up to 30 s.
  bool holds(size_t documents_min) const {
    for (int tries = 0; tries < 600 && documents() < documents_min; ++tries)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return documents() >= documents_min;
  }

 private:
  HttpReply answer(const HttpRequest& request) {
    if (!request.target.starts_with("/_bulk"))
      return {.body = R"({"version":{"number":"2.19.1","distribution":"opensearch"}})"};
    const std::lock_guard lock(mutex_);
    std::string items;
    std::istringstream lines(request.body);
    std::string action, document;
    while (std::getline(lines, action) && std::getline(lines, document)) {
      ids_.insert(action);
      items += items.empty() ? "" : ",";
      items += R"({"create":{"status":201}})";
    }
    return {.body = R"({"items":[)" + items + "]}"};
  }

  mutable std::mutex mutex_;
  std::set<std::string> ids_;
  HttpServer server_;
};

IndexSettings settings_of(const std::string& brokers, const std::string& url) {
  IndexSettings settings;
  settings.group.brokers = brokers;
  settings.group.group = "readers";
  settings.group.topics = {"logs"};
  settings.group.settings = {{"session.timeout.ms", "6000"}, {"heartbeat.interval.ms", "200"}};
  settings.search.urls = {url};
  settings.document.index = IndexName::parse("logs").value();
  settings.progress_s = 0;
  return settings;
}

/// Runs a member until `enough` returns, and ends it by SIGTERM.
void run_member(const IndexSettings& settings, const kafka::StopSignals& signals,
                const std::function<void()>& enough) {
  std::thread ending([&enough] {
    enough();
    ::kill(::getpid(), SIGTERM);
  });
  const Status status =
      index_topics(settings, [&signals](int timeout_ms) { return signals.raised(timeout_ms); });
  EXPECT_TRUE(status) << status.error().message;
  ending.join();
  // It is still pending, and not meant for the next one.
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  int taken = 0;
  EXPECT_EQ(sigwait(&term, &taken), 0);
}

TEST(Indexer, what_was_read_and_not_sent_is_left_to_the_next_member) {
  // First: the threads of what follows must not take the signal either.
  const kafka::StopSignals signals;
  auto broker = kafka::EmbeddedBroker::start({{"logs", 1}});
  ASSERT_TRUE(broker) << broker.error().message;
  constexpr int kRecords = 100;
  fakes::produce((*broker)->bootstrap(), kRecords, 1);
  Node node;
  IndexSettings settings = settings_of((*broker)->bootstrap(), node.url());
  // One bulk goes; what is behind it waits for more.
  settings.bulk_bytes = 8'000;
  settings.linger_ms = 600'000;
  run_member(settings, signals, [&node] {
    EXPECT_TRUE(node.holds(1));
    std::this_thread::sleep_for(std::chrono::seconds(2));
  });
  const size_t sent = node.documents();
  EXPECT_LT(sent, size_t{kRecords});
  settings.linger_ms = 10;
  run_member(settings, signals, [&node] { EXPECT_TRUE(node.holds(kRecords)); });
  EXPECT_EQ(node.documents(), size_t{kRecords});
}

TEST(Indexer, a_partition_goes_on_at_its_lowest_offset_in_a_bulk_of_two_readings) {
  IndexSettings settings = settings_of("", "");
  settings.linger_ms = 600'000;
  settings.in_flight = 1;
  const SystemClock clock;
  Tally tally;
  ParkedRecords parked_records;
  BulkPool pool;
  // Parks everything.
  pool.start(1, []() -> BulkPool::Work {
    return [](Bulk& bulk) {
      for (uint32_t i = 0; i < bulk.items.size(); ++i) bulk.parked.push_back({i, 403, "closed"});
      return ok();
    };
  });
  DocumentWriter writer(settings.document, clock);
  Indexer indexer(settings, clock, tally, writer, pool, parked_records);
  const auto read = [&indexer](int64_t offset, size_t bytes = 1) {
    const std::string value(bytes, 'x');
    kafka::ReadRecord record;
    record.topic = "logs";
    record.offset = offset;
    record.value = value;
    indexer.record(record);
  };
  const auto next_parked = [&indexer] {
    std::vector<kafka::Parking> parked;
    while (parked.empty()) {
      EXPECT_TRUE(indexer.work(50));
      indexer.take_parked(parked);
    }
    return parked.front().offset;
  };
  read(3, settings.bulk_bytes);  // Fills a bulk.
  read(4);
  read(5);
  EXPECT_EQ(next_parked(), 3);
  read(3);
  read(4, settings.bulk_bytes);
  EXPECT_EQ(next_parked(), 3);
  kafka::Offsets done;
  indexer.take_done(done);
  EXPECT_EQ(done, (kafka::Offsets{{{"logs", 0}, 3}}));
}

}  // namespace
}  // namespace longshore::search
