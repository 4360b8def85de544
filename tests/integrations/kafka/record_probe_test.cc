// Goal: only another record at the offset of a mark proves another topic; what cannot be told is
// not taken for a proof. Method: a real probe asks the embedded broker, which gets record batches
// byte by byte: their checksums and offsets may be wrong.

#include "integrations/kafka/record_probe.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <librdkafka/rdkafka_mock.h>
#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "config/fd.h"
#include "integrations/kafka/embedded_broker.h"

namespace longshore::kafka {
namespace {

constexpr int64_t kTimeMs = 1'700'000'000'000;

std::string number(uint64_t value, size_t bytes) {
  std::string text;
  for (size_t i = bytes; i-- > 0;) text += static_cast<char>(value >> (8 * i));
  return text;
}

uint32_t crc32c(std::string_view bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78u : 0);
  }
  return ~crc;
}

/// A record of the value "v", without a key. Varints below 64 are one byte: twice the number.
std::string record(int delta) {
  const std::string body =
      number(0, 2) + static_cast<char>(2 * delta) + '\x01' + '\x02' + 'v' + number(0, 1);
  return static_cast<char>(2 * body.size()) + body;
}

/// A batch of `offsets` offsets with records at these, which starts anywhere: the broker sets that.
std::string batch(int offsets, const std::vector<int>& deltas, bool damaged) {
  std::string body = number(0, 2) + number(static_cast<uint64_t>(offsets - 1), 4) +
                     number(kTimeMs, 8) + number(kTimeMs, 8) + number(~uint64_t{0}, 8) +
                     number(~uint64_t{0}, 2) + number(~uint64_t{0}, 4) +
                     number(static_cast<uint64_t>(offsets), 4);
  for (const int delta : deltas) body += record(delta);
  const uint32_t crc = crc32c(body) ^ (damaged ? 1 : 0);
  const std::string rest = number(0, 4) + '\x02' + number(crc, 4) + body;
  return number(0, 8) + number(rest.size(), 4) + rest;
}

class RecordProbeTest : public ::testing::Test {
 protected:
  RecordProbeTest()
      : broker_(*EmbeddedBroker::start({{"logs", 1}})),
        probe_(*KafkaProbe::open(options(broker_->bootstrap()))) {}

  static ReaderOptions options(const std::string& brokers) {
    ReaderOptions options;
    options.brokers = brokers;
    return options;
  }

  /// Sends a Produce request, version 3, and waits for its answer.
  void send(const std::string& batch) {
    const std::string request = number(0, 2) + number(3, 2) + number(1, 4) + number(1, 2) + "t" +
                                number(0xffff, 2) + number(0xffff, 2) + number(5000, 4) +
                                number(1, 4) + number(4, 2) + "logs" + number(1, 4) + number(0, 4) +
                                number(batch.size(), 4) + batch;
    const std::string to = broker_->bootstrap();
    const Fd fd(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(std::stoi(to.substr(to.find(':') + 1))));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ASSERT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    const std::string bytes = number(request.size(), 4) + request;
    ASSERT_EQ(::send(fd.get(), bytes.data(), bytes.size(), 0), static_cast<ssize_t>(bytes.size()));
    char answer[64];
    ASSERT_GT(::recv(fd.get(), answer, sizeof answer, 0), 0);
  }

  static RecordMark mark(int64_t offset) {
    return mark_of({.topic = "logs",
                    .partition = 0,
                    .offset = offset,
                    .key = {},
                    .value = "v",
                    .timestamp_ms = kTimeMs});
  }

  Found look(const RecordMark& mark) {
    const Result<Found> found = probe_->look({"logs", 0}, mark);
    EXPECT_TRUE(found) << found.error().message;
    return found ? *found : Found::kOther;
  }

  std::unique_ptr<EmbeddedBroker> broker_;
  std::unique_ptr<KafkaProbe> probe_;
};

TEST_F(RecordProbeTest, the_same_record_is_known_again_and_another_is_not) {
  send(batch(2, {0, 1}, false));
  EXPECT_EQ(look(mark(1)), Found::kSame);
  EXPECT_EQ(look({1, mark(1).hash + 1}), Found::kOther);
  EXPECT_EQ(look(mark(2)), Found::kOther) << "the topic ends before it";
  const Result<Ends> ends = probe_->ends({"logs", 0});
  ASSERT_TRUE(ends);
  EXPECT_EQ(ends->low, 0);
  EXPECT_EQ(ends->high, 2);
}

TEST_F(RecordProbeTest, a_damaged_record_proves_nothing) {
  send(batch(1, {0}, false));
  send(batch(1, {0}, true));
  EXPECT_EQ(look(mark(0)), Found::kSame);
  EXPECT_EQ(look({1, mark(1).hash + 1}), Found::kDeleted);
}

TEST_F(RecordProbeTest, a_marker_of_a_transaction_is_another_topic) {
  send(batch(3, {0, 2}, false));
  EXPECT_EQ(look(mark(1)), Found::kOther) << "nobody says that the topic is compacted";
}

// The embedded broker would create the topic.
TEST(RecordProbe, nothing_is_known_of_a_topic_that_was_deleted) {
  char words[512];
  const std::unique_ptr<rd_kafka_t, void (*)(rd_kafka_t*)> host(
      rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), words, sizeof words), rd_kafka_destroy);
  ASSERT_TRUE(host);
  const std::unique_ptr<rd_kafka_mock_cluster_t, void (*)(rd_kafka_mock_cluster_t*)> cluster(
      rd_kafka_mock_cluster_new(host.get(), 1), rd_kafka_mock_cluster_destroy);
  ASSERT_TRUE(cluster);
  rd_kafka_mock_topic_set_error(cluster.get(), "gone", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  ReaderOptions options;
  options.brokers = rd_kafka_mock_cluster_bootstraps(cluster.get());
  const auto probe = KafkaProbe::open(options);
  ASSERT_TRUE(probe);
  const Result<Found> found = (*probe)->look({"gone", 0}, {3, 1});
  ASSERT_TRUE(found) << found.error().message;
  EXPECT_EQ(*found, Found::kDeleted);
  const Result<Ends> ends = (*probe)->ends({"gone", 0});
  ASSERT_FALSE(ends);
  EXPECT_EQ(ends.error().code, ErrorCode::kNotFound) << ends.error().message;
}

}  // namespace
}  // namespace longshore::kafka
