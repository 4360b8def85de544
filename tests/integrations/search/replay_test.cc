// Goal: each dead letter is stored once, whatever was stored before; what is refused again stays,
// is not written a second time, and is tried by the next replay; nothing else is committed away.
// Method: letters as `index` writes them, in the embedded broker; a scripted service that refuses
// some documents until it is mended.

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <atomic>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "config/clock.h"
#include "integrations/kafka/embedded_broker.h"
#include "integrations/search/dead_letters.h"
#include "integrations/search/document.h"
#include "integrations/search/replay_letters.h"
#include "tests/fakes/http_server.h"

namespace longshore::search {
namespace {

using fakes::HttpReply;
using fakes::HttpRequest;
using fakes::HttpServer;

/// Refuses documents that hold "bad", and takes nothing for indices of "closed", until mended.
class Service {
 public:
  std::string url() const { return server_.url(); }
  std::atomic<bool> mended = false;
  /// How often each action created a document.
  std::map<std::string, int> created() const {
    const std::lock_guard lock(mutex_);
    return created_;
  }

 private:
  HttpReply answer(const HttpRequest& request) {
    if (request.target.find("_flush") != std::string::npos)
      return {.body = R"({"_shards":{"failed":0}})"};
    if (!request.target.starts_with("/_bulk"))
      return {.body = R"({"version":{"number":"2.19.1","distribution":"opensearch"}})"};
    const std::lock_guard lock(mutex_);
    std::string items, action, document;
    std::istringstream lines(request.body);
    while (std::getline(lines, action) && std::getline(lines, document)) {
      items += items.empty() ? R"({"create":)" : R"(,{"create":)";
      if (!mended && action.find("closed") != std::string::npos) {
        items += R"({"status":403,"error":{"type":"cluster_block_exception","reason":"no"}}})";
      } else if (!mended && document.find("bad") != std::string::npos) {
        items += R"({"status":400,"error":{"type":"mapper_parsing_exception","reason":"no"}}})";
      } else {
        const int status = created_[action] > 0 ? 409 : 201;
        if (status == 201) created_[action] += 1;
        items += R"({"status":)" + std::to_string(status) + "}}";
      }
    }
    return {.body = R"({"items":[)" + items + "]}"};
  }

  mutable std::mutex mutex_;
  std::map<std::string, int> created_;
  HttpServer server_{[this](const HttpRequest& request) { return answer(request); }};
};

class ReplayTest : public testing::Test {
 protected:
  ReplayTest() : broker_(kafka::EmbeddedBroker::start({{"dead", 1}, {"logs", 1}})) {
    EXPECT_TRUE(broker_) << broker_.error().message;
  }

  /// Puts records of a topic aside, as `index` does.
  void put_aside(const std::string& topic, const std::vector<std::string>& values) {
    const SystemClock clock;
    DocumentWriter writer({IndexName::parse("logs-{topic}").value()}, clock);
    Bulk bulk;
    for (const std::string& value : values) {
      kafka::ReadRecord record;
      record.topic = topic;
      record.offset = offset_++;
      record.key = "k";
      record.value = value;
      record.timestamp_ms = 1'795'262'400'000;
      writer.set_cluster("there");
      writer.add(record, bulk);
      bulk.rejections.push_back(
          {static_cast<uint32_t>(bulk.items.size() - 1), 400, "some_exception: why"});
      const BulkItem& item = bulk.items.back();
      std::string action(bulk.action_of(item));
      action.pop_back();
      wanted_[action] = 1;
    }
    Tally tally;
    auto letters = DeadLetters::open({(*broker_)->bootstrap(), {}, "dead"}, tally);
    ASSERT_TRUE(letters) << letters.error().message;
    const Status sent = (*letters)->send(bulk, [] { return false; });
    ASSERT_TRUE(sent) << sent.error().message;
  }

  /// A record without headers, or with one that is wrong.
  void put(const std::string& topic, const std::string& value, bool header) {
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    char words[512];
    rd_kafka_conf_set(conf, "bootstrap.servers", (*broker_)->bootstrap().c_str(), words, 512);
    rd_kafka_t* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
    ASSERT_NE(producer, nullptr) << words;
    rd_kafka_headers_t* headers = rd_kafka_headers_new(1);
    if (header) rd_kafka_header_add(headers, "longshore.offset", -1, "\xff\0x", 3);
    EXPECT_EQ(0, rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(topic.c_str()),
                                   RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
                                   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                   RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END));
    EXPECT_EQ(0, rd_kafka_flush(producer, 10'000));
    rd_kafka_destroy(producer);
  }

  ReplaySettings settings() const {
    ReplaySettings settings;
    settings.index.group.brokers = (*broker_)->bootstrap();
    settings.index.group.group = "replay";
    settings.index.group.topics = {"dead"};
    settings.index.group.settings = {{"session.timeout.ms", "6000"},
                                     {"heartbeat.interval.ms", "200"}};
    settings.index.search.urls = {service_.url()};
    settings.index.document.index = IndexName::parse("logs-{topic}").value();
    settings.index.refused_percent = 100;
    settings.index.linger_ms = 10;
    settings.index.progress_s = 0;
    return settings;
  }

  static Replay run(const ReplaySettings& settings) {
    const auto replay = replay_letters(settings, [](int) { return false; });
    EXPECT_TRUE(replay) << replay.error().message;
    return replay ? *replay : Replay{};
  }

  Result<std::unique_ptr<kafka::EmbeddedBroker>> broker_;
  Service service_;
  std::map<std::string, int> wanted_;
  int64_t offset_ = 0;
};

TEST_F(ReplayTest, what_is_refused_again_stays_for_the_next_replay) {
  put_aside("logs", {"good 1", "bad 1", "good 2"});
  put("dead", "no letter", false);
  put("dead", "hostile", true);
  put_aside("logs", {"good 3", "bad 2"});
  Replay replay = run(settings());
  EXPECT_FALSE(replay.complete);
  EXPECT_EQ(replay.text,
            "Dead letters: 5; stored: 3; already there: 0; refused again: 2; damaged and passed "
            "over, see the log: 1; no dead letters and passed over: 1\n"
            "Refused again, by index and kind of reason:\n"
            "        2  logs-logs  mapper_parsing_exception: no\n");
  EXPECT_EQ(service_.created().size(), 3u);
  service_.mended = true;
  replay = run(settings());
  EXPECT_FALSE(replay.complete);  // It met the other two again.
  EXPECT_TRUE(replay.text.starts_with("Dead letters: 4; stored: 2; already there: 2; damaged"))
      << replay.text;
  EXPECT_EQ(service_.created(), wanted_);
  replay = run(settings());
  EXPECT_TRUE(replay.complete);
  EXPECT_EQ(replay.text, "Dead letters: 0; stored: 0; already there: 0\n");
  // New letters are what the next one reads.
  put_aside("logs", {"good 4"});
  replay = run(settings());
  EXPECT_TRUE(replay.complete);
  EXPECT_EQ(replay.text, "Dead letters: 1; stored: 1; already there: 0\n");
  ReplaySettings all = settings();
  all.from_start = true;
  replay = run(all);
  EXPECT_TRUE(replay.text.starts_with("Dead letters: 6; stored: 0; already there: 6;"))
      << replay.text;
  EXPECT_EQ(service_.created(), wanted_);
}

TEST_F(ReplayTest, a_dry_run_lists_the_letters_and_changes_nothing) {
  put_aside("logs", {"good 1", "bad 1"});
  put_aside("web", {"good 2"});
  ReplaySettings dry = settings();
  dry.dry_run = true;
  dry.index.search.urls = {};
  for (int i = 0; i < 2; ++i) {
    const Replay replay = run(dry);
    EXPECT_TRUE(replay.complete);
    EXPECT_EQ(replay.text,
              "  letters  topic, and the first reason of a kind\n"
              "        2  logs  some_exception: why\n"
              "        1  web   some_exception: why\n"
              "Dead letters: 3\n");
  }
  service_.mended = true;
  EXPECT_TRUE(run(settings()).complete);
  EXPECT_EQ(service_.created(), wanted_);
}

TEST_F(ReplayTest, filters_leave_the_others_to_the_next_replay) {
  put_aside("web", {"good 1"});
  put_aside("logs", {"good 2"});
  put_aside("web", {"good 3"});
  ReplaySettings some = settings();
  some.filter.topics = {"logs"};
  Replay replay = run(some);
  EXPECT_TRUE(replay.complete);
  EXPECT_EQ(replay.text,
            "Dead letters: 1; stored: 1; already there: 0; left out by --topic or --reason: 2\n");
  replay = run(settings());
  EXPECT_EQ(replay.text, "Dead letters: 3; stored: 2; already there: 1\n");
  EXPECT_EQ(service_.created(), wanted_);
}

TEST_F(ReplayTest, an_index_that_takes_nothing_ends_the_replay_and_is_named) {
  put_aside("logs", {"good 1"});
  put_aside("closed", {"good 2"});
  put_aside("logs", {"good 3"});
  ReplaySettings once = settings();
  const Replay replay = run(once);
  EXPECT_FALSE(replay.complete);
  EXPECT_NE(replay.text.find("Left from there on: dead[0], offset 1: index logs-closed: 403"),
            std::string::npos)
      << replay.text;
  service_.mended = true;
  EXPECT_TRUE(run(settings()).complete);
  EXPECT_EQ(service_.created(), wanted_);
}

TEST_F(ReplayTest, too_many_that_are_refused_end_the_replay_if_that_is_asked_for) {
  put_aside("logs", std::vector<std::string>(150, "bad"));
  ReplaySettings careful = settings();
  careful.index.refused_percent = 5;
  const Replay replay = run(careful);
  EXPECT_FALSE(replay.complete);
  EXPECT_NE(replay.text.find("Left from there on: dead[0], offset 0: 450 of 450 documents"),
            std::string::npos)
      << replay.text;
  EXPECT_TRUE(service_.created().empty());
  service_.mended = true;
  EXPECT_TRUE(run(careful).complete);
  EXPECT_EQ(service_.created(), wanted_);
}

TEST_F(ReplayTest, a_topic_of_other_records_is_refused) {
  for (int i = 0; i < 3; ++i) put("logs", "line", false);
  ReplaySettings wrong = settings();
  wrong.index.group.topics = {"logs"};
  for (int i = 0; i < 2; ++i) {  // Nothing is committed.
    const auto replay = replay_letters(wrong, [](int) { return false; });
    ASSERT_FALSE(replay);
    EXPECT_EQ(replay.error().code, ErrorCode::kInvalid);
    EXPECT_TRUE(replay.error().message.starts_with(
        "--dead-letter logs: none of its 3 records that were read is a dead letter"))
        << replay.error().message;
  }
}

}  // namespace
}  // namespace longshore::search
