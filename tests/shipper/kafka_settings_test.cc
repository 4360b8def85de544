// Goal: no `--kafka` setting can break a promise, and a wrong one is refused with its remedy before
// anything starts.
// Method: one case for each kind of refusal, and common settings that must be accepted.

#include <gtest/gtest.h>

#include <cstring>

#include "config/nearest.h"
#include "shipper/kafka/settings.h"

namespace longshore::shipper {
namespace {

std::string refusal(const std::string& name, const std::string& value) {
  const Status status = check_kafka_settings({{name, value}});
  if (status) return "";
  EXPECT_EQ(status.error().code, ErrorCode::kInvalid);
  return status.error().message;
}

std::string effective(rd_kafka_conf_t* conf, const char* name) {
  char value[512] = "";
  size_t size = sizeof value;
  EXPECT_EQ(rd_kafka_conf_get(conf, name, value, &size), RD_KAFKA_CONF_OK) << name;
  return value;
}

TEST(KafkaSettings, settings_that_break_no_promise_are_taken) {
  EXPECT_TRUE(check_kafka_settings({}));
  EXPECT_TRUE(check_kafka_settings({{"compression.codec", "zstd"},
                                    {"security.protocol", "SASL_SSL"},
                                    {"sasl.mechanism", "SCRAM-SHA-512"},
                                    {"sasl.username", "agent"},
                                    {"sasl.password", "secret"},
                                    {"linger.ms", "50"},
                                    {"compression.level", "3"},
                                    {"client.id", "mine"}}));
}

TEST(KafkaSettings, those_that_break_a_promise_are_refused_with_the_way_out) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"acks", "--delivery=at-least-once"},
      {"request.required.acks", "--delivery=at-least-once"},
      {"enable.idempotence", "--delivery=at-least-once"},
      {"isolation.level", "--delivery=at-least-once"},
      {"transactional.id", "host id"},
      {"message.timeout.ms", "waits"},
      {"retries", "waits"},
      {"bootstrap.servers", "--brokers"},
      {"allow.auto.create.topics", "--create-topics"},
      {"partitioner", "--partitions-per-host"},
      {"queuing.strategy", "order"}};
  for (const auto& [name, remedy] : cases) {
    const std::string message = refusal(name, "1");
    EXPECT_NE(message.find(name), std::string::npos) << message;
    EXPECT_NE(message.find(remedy), std::string::npos) << message;
  }
}

TEST(KafkaSettings, those_that_longshores_limits_rest_on_are_refused_or_bounded) {
  EXPECT_NE(refusal("batch.num.messages", "100").find("--batch-bytes"), std::string::npos);
  EXPECT_NE(refusal("batch.size", "100").find("--batch-bytes"), std::string::npos);
  EXPECT_NE(refusal("queue.buffering.max.messages", "3999").find("at least 4000"),
            std::string::npos);
  EXPECT_NE(refusal("queue.buffering.max.kbytes", "100").find("at least 24576"), std::string::npos);
  EXPECT_EQ(refusal("queue.buffering.max.messages", "4000"), "");
  EXPECT_EQ(refusal("queue.buffering.max.kbytes", "100000"), "");
  EXPECT_NE(refusal("queue.buffering.max.kbytes", "much"), "");
}

TEST(KafkaSettings, a_transaction_can_be_committed_before_kafka_aborts_it) {
  EXPECT_TRUE(with_transaction_timeout({}, 20'000).value().empty());
  EXPECT_EQ(with_transaction_timeout({}, 20'001).value(),
            (KafkaSettings{{"transaction.timeout.ms", "30001"}}));
  EXPECT_EQ(with_transaction_timeout({}, 890'000).value(),
            (KafkaSettings{{"transaction.timeout.ms", "900000"}}));
  const auto endless = with_transaction_timeout({}, 890'001);
  ASSERT_FALSE(endless);
  EXPECT_NE(endless.error().message.find("transaction.max.timeout.ms"), std::string::npos);
  EXPECT_TRUE(with_transaction_timeout({{"transaction.timeout.ms", "1000000"}}, 890'001));
  EXPECT_TRUE(with_transaction_timeout({{"transaction.timeout.ms", "40000"}}, 30'000));
  const auto late = with_transaction_timeout({{"transaction.timeout.ms", "40000"}}, 30'001);
  ASSERT_FALSE(late);
  EXPECT_NE(late.error().message.find("--linger-ms 30001"), std::string::npos);
  EXPECT_NE(late.error().message.find("transaction.timeout.ms=40001"), std::string::npos);
  EXPECT_FALSE(with_transaction_timeout({{"transaction.timeout.ms", "5000"}}, 0));
  // The last word counts, as with librdkafka.
  EXPECT_FALSE(with_transaction_timeout(
      {{"transaction.timeout.ms", "60000"}, {"transaction.timeout.ms", "20000"}}, 15'000));
}

TEST(KafkaSettings, sasl_without_a_mechanism_names_the_setting) {
  const Status none = check_kafka_settings({{"security.protocol", "sasl_ssl"}});
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("sasl.mechanism"), std::string::npos);
  EXPECT_NE(none.error().message.find("SCRAM-SHA-512"), std::string::npos);
}

TEST(KafkaSettings, an_unknown_one_names_the_nearest) {
  EXPECT_NE(refusal("compresion.codec", "lz4").find("did you mean compression.codec?"),
            std::string::npos);
  EXPECT_NE(refusal("lingerms", "5").find("did you mean linger.ms?"), std::string::npos);
  EXPECT_EQ(refusal("completely-made-up-thing", "5").find("did you mean"), std::string::npos);
}

TEST(KafkaSettings, a_wrong_value_or_a_missing_file_is_found_at_the_start) {
  EXPECT_NE(refusal("compression.codec", "rar").find("rar"), std::string::npos);
  EXPECT_NE(refusal("linger.ms", "soon"), "");
  const Status status = check_kafka_settings(
      {{"security.protocol", "SSL"}, {"ssl.ca.location", "/nonexistent/ca.pem"}});
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("ssl.ca.location names /nonexistent/ca.pem"),
            std::string::npos)
      << status.error().message;
}

TEST(KafkaSettings, the_operators_word_goes_over_the_usual_and_promises_over_both) {
  Result<KafkaConf> conf = make_kafka_conf("broker:9092", {{"linger.ms", "7"}});
  ASSERT_TRUE(conf);
  rd_kafka_conf_t* const raw = (*conf).get();
  ASSERT_TRUE(add_settings(promised_settings("longshore-agent.h.0"), raw));
  EXPECT_EQ(effective(raw, "linger.ms"), "7");
  EXPECT_EQ(effective(raw, "batch.num.messages"), "4000");
  EXPECT_EQ(effective(raw, "bootstrap.servers"), "broker:9092");
  EXPECT_EQ(effective(raw, "enable.idempotence"), "true");
  EXPECT_EQ(effective(raw, "transactional.id"), "longshore-agent.h.0");
  EXPECT_EQ(effective(raw, "allow.auto.create.topics"), "false");
}

TEST(Nearest, counts_inserted_deleted_and_changed_characters) {
  const std::vector<std::string> known = {"brokers", "topic", "state-dir"};
  EXPECT_EQ(nearest("broker", known), "brokers");
  EXPECT_EQ(nearest("topik", known), "topic");
  EXPECT_EQ(nearest("statedirr", known), "state-dir");
  EXPECT_EQ(nearest("docker-socket", known), "");
  EXPECT_EQ(nearest("anything", {}), "");
}

}  // namespace
}  // namespace longshore::shipper
