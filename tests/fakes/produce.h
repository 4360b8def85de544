// Fills a topic of the embedded broker.
#pragma once

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>

#include <string>

namespace longshore::fakes {

/// `records` values "0", "1", ... in turn to the first `partitions` of "logs", durable on return.
inline void produce(const std::string& bootstrap, int records, int partitions) {
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  char words[512];
  rd_kafka_conf_set(conf, "bootstrap.servers", bootstrap.c_str(), words, sizeof words);
  rd_kafka_t* producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, words, sizeof words);
  ASSERT_NE(producer, nullptr) << words;
  rd_kafka_topic_t* topic = rd_kafka_topic_new(producer, "logs", nullptr);
  for (int i = 0; i < records; ++i) {
    std::string value = std::to_string(i);
    EXPECT_EQ(0, rd_kafka_produce(topic, i % partitions, RD_KAFKA_MSG_F_COPY, value.data(),
                                  value.size(), "key", 3, nullptr));
  }
  EXPECT_EQ(0, rd_kafka_flush(producer, 10'000));
  rd_kafka_topic_destroy(topic);
  rd_kafka_destroy(producer);
}

}  // namespace longshore::fakes
