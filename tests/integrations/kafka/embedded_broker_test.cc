// Goal: the embedded broker supports what is needed to try longshore out: a transactional producer,
// and a reader that finds the records and the end.
// Method: the real reader and librdkafka's own producer use it, in this process.

#include "integrations/kafka/embedded_broker.h"

#include <gtest/gtest.h>

#include "integrations/kafka/reader.h"

namespace longshore::kafka {
namespace {

void expect_no_error(rd_kafka_error_t* error) {
  EXPECT_EQ(error, nullptr) << (error ? rd_kafka_error_string(error) : "");
  if (error) rd_kafka_error_destroy(error);
}

void produce(const std::string& bootstrap, int records) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char words[512];
  rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap.c_str(), words, sizeof words);
  rd_kafka_conf_set(conf, "transactional.id", "embedded-broker-test", words, sizeof words);
  rd_kafka_t* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
  ASSERT_NE(producer, nullptr) << words;
  expect_no_error(rd_kafka_init_transactions(producer, 10'000));
  expect_no_error(rd_kafka_begin_transaction(producer));
  rd_kafka_topic_t* topic = rd_kafka_topic_new(producer, "logs", nullptr);
  for (int i = 0; i < records; ++i) {
    std::string value = std::to_string(i);
    EXPECT_EQ(0, rd_kafka_produce(topic, i % 2, RD_KAFKA_MSG_F_COPY, value.data(), value.size(),
                                  "key", 3, nullptr));
  }
  expect_no_error(rd_kafka_commit_transaction(producer, 10'000));
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(producer);
}

TEST(EmbeddedBroker, a_committed_transaction_is_read_back_in_order_up_to_its_end) {
  auto broker = EmbeddedBroker::start({{"logs", 2}});
  ASSERT_TRUE(broker) << broker.error().message;
  constexpr int kRecords = 1000;
  produce(broker.value()->bootstrap(), kRecords);

  ReaderOptions options;
  options.brokers = broker.value()->bootstrap();
  options.topics = {"logs"};
  auto reader = Reader::open(options);
  ASSERT_TRUE(reader) << reader.error().message;
  int next[2] = {0, 1};
  int seen = 0;
  for (int polls = 0; !reader.value()->ended() && polls < 500; ++polls) {
    Status status = reader.value()->poll(20, [&](const ReadRecord& record) {
      EXPECT_EQ(record.key, "key");
      EXPECT_EQ(record.value, std::to_string(next[record.partition]));
      next[record.partition] += 2;
      ++seen;
    });
    ASSERT_TRUE(status) << status.error().message;
  }
  EXPECT_TRUE(reader.value()->ended());
  EXPECT_EQ(seen, kRecords);
  EXPECT_EQ(reader.value()->offsets_passed(), reader.value()->offsets_total());
}

TEST(EmbeddedBroker, a_reader_without_a_broker_says_what_to_check) {
  ReaderOptions options;
  options.brokers = "127.0.0.1:1";
  options.topics = {"logs"};
  options.timeout_ms = 300;
  const auto reader = Reader::open(options);
  ASSERT_FALSE(reader);
  EXPECT_NE(reader.error().message.find("check --brokers"), std::string::npos);
}

TEST(EmbeddedBroker, a_topic_is_written_as_name_and_partitions) {
  const auto shape = parse_topic_shape("web.logs:12");
  ASSERT_TRUE(shape);
  EXPECT_EQ(shape.value().name, "web.logs");
  EXPECT_EQ(shape.value().partitions, 12);
  EXPECT_EQ(parse_topic_shape("logs").value().partitions, 1);
  int refused = 0;
  for (const char* text : {"", ":4", "logs:", "logs:0", "logs:x", "logs:4x", "logs:100000"}) {
    EXPECT_FALSE(parse_topic_shape(text)) << text;
    ++refused;
  }
  EXPECT_EQ(refused, 7);
}

}  // namespace
}  // namespace longshore::kafka
