// Goal: the Session keeps its contract over a real connection: every record is reported once, in
// order; failures are reported with their meaning; calls end in time; destruction never waits for a
// broker.
// Method: librdkafka's mock cluster over TCP, with requests failed and delayed on purpose. It
// forgets the offsets of transactions, so other tests prove with a real Kafka what is committed.

#include <gtest/gtest.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>

#include <chrono>
#include <thread>

#include "shipper/kafka/client.h"

namespace longshore::shipper {
namespace {

using Clock = std::chrono::steady_clock;
constexpr int kTimeoutMs = 10'000;
constexpr int kApiProduce = 0, kApiEndTxn = 26;
const TopicPartition kLogs{"logs", 1};

int64_t ms_since(Clock::time_point start) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - start).count();
}

class KafkaClientTest : public testing::Test {
 protected:
  KafkaClientTest() {
    char words[512];
    holder_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), words, sizeof words);
    cluster_ = rd_kafka_mock_cluster_new(holder_, 1);
    rd_kafka_mock_topic_create(cluster_, "logs", 4, 1);
    rd_kafka_mock_topic_create(cluster_, kCheckpointTopic, 1, 1);
    kafka_ = client({});
  }
  ~KafkaClientTest() override {
    kafka_.reset();
    rd_kafka_mock_cluster_destroy(cluster_);
    rd_kafka_destroy(holder_);
  }

  std::string brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
  std::unique_ptr<Kafka> client(KafkaSettings settings) {
    return make_kafka_client(brokers(), std::move(settings));
  }

  std::unique_ptr<Session> open(bool transactional = true) { return open(*kafka_, transactional); }
  static std::unique_ptr<Session> open(Kafka& kafka, bool transactional) {
    Result<std::unique_ptr<Session>> session =
        kafka.open({.group = "longshore-agent.test.0", .transactional = transactional});
    EXPECT_TRUE(session);
    if (transactional) {
      Status ready = session.value()->init_transactions(kTimeoutMs);
      while (!ready && ready.error().code == ErrorCode::kRetryable) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
        ready = session.value()->init_transactions(kTimeoutMs);
      }
      EXPECT_TRUE(ready);
      EXPECT_TRUE(session.value()->begin());
    }
    return std::move(session).value();
  }

  rd_kafka_t* holder_ = nullptr;
  rd_kafka_mock_cluster_t* cluster_ = nullptr;
  std::unique_ptr<Kafka> kafka_;
};

// Records "<first>", "<first + 1>", ... padded to `bytes`.
std::unique_ptr<Chunk> make_chunk(size_t first, size_t records, size_t bytes = 20) {
  auto chunk = std::make_unique<Chunk>();
  chunk->key = "00000000000000aa";
  chunk->read.resize(records * bytes);
  for (size_t i = 0; i < records; ++i) {
    char* const value = chunk->read.data() + i * bytes;
    const std::string text = std::to_string(first + i);
    std::fill_n(value, bytes, ' ');
    std::copy(text.begin(), text.end(), value);
    rd_kafka_message_t& message = chunk->messages.emplace_back();
    message.payload = value;
    message.len = bytes;
    message.key = chunk->key.data();
    message.key_len = chunk->key.size();
    message._private = chunk.get();
    chunk->value_bytes += bytes;
  }
  return chunk;
}

struct Sum {
  size_t records = 0, bytes = 0, failed = 0;
  Trouble trouble = Trouble::kNone;
  std::string message;
};

Sum sum(const std::vector<Report>& reports) {
  Sum total;
  for (const Report& report : reports) {
    (report.trouble == Trouble::kNone ? total.records : total.failed) += report.records;
    total.bytes += report.value_bytes;
    if (report.trouble != Trouble::kNone) total.trouble = report.trouble;
    if (!report.message.empty()) total.message = report.message;
  }
  return total;
}

std::vector<std::string> read_partition(const std::string& brokers, const TopicPartition& from,
                                        size_t records) {
  char words[512];
  rd_kafka_conf_t* conf = rd_kafka_conf_new();
  for (const auto& [name, value] :
       {std::pair{"bootstrap.servers", brokers.c_str()}, std::pair{"group.id", "reader"},
        std::pair{"auto.offset.reset", "earliest"}}) {
    EXPECT_EQ(rd_kafka_conf_set(conf, name, value, words, sizeof words), RD_KAFKA_CONF_OK);
  }
  rd_kafka_t* consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, words, sizeof words);
  rd_kafka_topic_partition_list_t* list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, from.topic.c_str(), from.partition)->offset = 0;
  rd_kafka_assign(consumer, list);
  rd_kafka_topic_partition_list_destroy(list);
  std::vector<std::string> values;
  const auto start = Clock::now();
  while (values.size() < records && ms_since(start) < kTimeoutMs) {
    rd_kafka_message_t* message = rd_kafka_consumer_poll(consumer, 100);
    if (!message) continue;
    if (!message->err) values.emplace_back(static_cast<char*>(message->payload), message->len);
    rd_kafka_message_destroy(message);
  }
  rd_kafka_destroy(consumer);
  return values;
}

TEST_F(KafkaClientTest, a_transaction_reports_every_record_once_and_in_order) {
  constexpr size_t kRecords = 20'000, kAtOnce = 1000;
  auto session = open();
  std::vector<std::unique_ptr<Chunk>> chunks;
  std::vector<Report> reports;
  for (size_t first = 0; first < kRecords; first += kAtOnce) {
    chunks.push_back(make_chunk(first, kAtOnce));
    const Result<size_t> taken = session->produce(chunks.back().get(), 0, kLogs);
    ASSERT_TRUE(taken) << taken.error().message;
    ASSERT_EQ(taken.value(), kAtOnce);
    ASSERT_TRUE(session->reports(0, reports));
  }
  while (sum(reports).records == 0) ASSERT_TRUE(session->reports(100, reports));
  ASSERT_TRUE(session->send_offset({1}, "digest", kTimeoutMs));
  const Status committed = session->commit(kTimeoutMs, reports);
  ASSERT_TRUE(committed) << committed.error().message;

  EXPECT_EQ(sum(reports).records, kRecords);
  EXPECT_EQ(sum(reports).bytes, kRecords * 20);
  EXPECT_LT(reports.size(), 200u);  // Neighbours share a report.
  for (const auto& chunk : chunks) EXPECT_EQ(chunk->unreported, 0u);

  const std::vector<std::string> values = read_partition(brokers(), kLogs, kRecords);
  ASSERT_EQ(values.size(), kRecords);
  for (size_t i = 0; i < kRecords; ++i) ASSERT_EQ(std::stoull(values[i]), i);
}

TEST_F(KafkaClientTest, commit_sends_what_lingers_and_takes_milliseconds) {
  auto session = open();
  constexpr int kTransactions = 20;
  int64_t fastest = INT64_MAX;
  for (int i = 0; i < kTransactions; ++i) {
    const Status begun = i > 0 ? session->begin() : ok();
    ASSERT_TRUE(begun);
    auto chunk = make_chunk(0, 100);
    ASSERT_TRUE(session->produce(chunk.get(), 0, kLogs));
    std::vector<Report> reports;
    const auto start = Clock::now();
    ASSERT_TRUE(session->commit(kTimeoutMs, reports));
    fastest = std::min(fastest, ms_since(start));
    ASSERT_EQ(sum(reports).records, 100u);
  }
  EXPECT_LT(fastest, 700);  // linger.ms is 1,000.
}

TEST_F(KafkaClientTest, the_descriptor_is_readable_while_reports_wait) {
  auto session = open(false);
  std::vector<Report> reports;
  ASSERT_TRUE(session->reports(0, reports));
  pollfd wait{.fd = session->report_fd(), .events = POLLIN, .revents = 0};
  EXPECT_EQ(poll(&wait, 1, 0), 0);
  size_t rounds = 0;
  for (; rounds < 5; ++rounds) {
    // A full batch is sent at once.
    auto chunk = make_chunk(0, 4000);
    reports.clear();
    ASSERT_TRUE(session->produce(chunk.get(), 0, kLogs));
    while (chunk->unreported > 0) {
      ASSERT_EQ(poll(&wait, 1, kTimeoutMs), 1);
      ASSERT_TRUE(session->reports(0, reports));
    }
    EXPECT_EQ(sum(reports).records, 4000u);
  }
  EXPECT_EQ(rounds, 5u);
  EXPECT_EQ(poll(&wait, 1, 0), 0);
}

TEST_F(KafkaClientTest, at_least_once_flushes_without_a_transaction) {
  auto session = open(false);
  int64_t fastest = INT64_MAX;
  for (int i = 0; i < 10; ++i) {
    auto chunk = make_chunk(0, 100);
    ASSERT_TRUE(session->produce(chunk.get(), 0, kLogs));
    std::vector<Report> reports;
    const auto start = Clock::now();
    ASSERT_TRUE(session->flush(kTimeoutMs, reports));
    fastest = std::min(fastest, ms_since(start));
    EXPECT_EQ(sum(reports).records, 100u);
  }
  EXPECT_LT(fastest, 900);  // Not the linger.
}

TEST_F(KafkaClientTest, a_full_queue_takes_a_prefix_and_the_rest_later) {
  auto small = client({{"queue.buffering.max.messages", "150"}, {"linger.ms", "5"}});
  auto session = open(*small, true);
  auto chunk = make_chunk(0, 1000);
  std::vector<Report> reports;
  size_t taken = 0, full = 0;
  while (taken < 1000) {
    const Result<size_t> more = session->produce(chunk.get(), taken, kLogs);
    ASSERT_TRUE(more) << more.error().message;
    taken += more.value();
    if (taken == 1000) break;
    ++full;
    ASSERT_TRUE(session->reports(kTimeoutMs, reports));
  }
  ASSERT_TRUE(session->commit(kTimeoutMs, reports));
  EXPECT_EQ(sum(reports).records, 1000u);
  EXPECT_GT(full, 3u);
  const std::vector<std::string> values = read_partition(brokers(), kLogs, 1000);
  ASSERT_EQ(values.size(), 1000u);
  for (size_t i = 0; i < values.size(); ++i) ASSERT_EQ(std::stoull(values[i]), i);
}

TEST_F(KafkaClientTest, a_record_of_the_limit_passes_and_a_larger_one_is_an_error) {
  auto session = open();
  auto limit = make_chunk(0, 3, 1'000'000);
  ASSERT_TRUE(session->produce(limit.get(), 0, kLogs));
  auto beyond = make_chunk(0, 3, 1'100'000);
  beyond->messages[0].len = beyond->messages[2].len = 10;
  const Result<size_t> taken = session->produce(beyond.get(), 0, kLogs);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kSessionGone);
  EXPECT_EQ(session->last_trouble(), Trouble::kTooLarge);
  EXPECT_EQ(beyond->unreported, 2u);
  session.reset();
}

struct Refusal {
  rd_kafka_resp_err_t code;
  Trouble trouble;
};

TEST_F(KafkaClientTest, a_refused_batch_says_what_it_means_and_ends_the_session) {
  size_t cases = 0;
  for (const Refusal& refusal :
       {Refusal{RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, Trouble::kTooLarge},
        Refusal{RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, Trouble::kPartition},
        Refusal{RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, Trouble::kBroker}}) {
    auto session = open();
    auto chunk = make_chunk(0, 10);
    rd_kafka_mock_push_request_errors(cluster_, kApiProduce, 1, refusal.code);
    ASSERT_TRUE(session->produce(chunk.get(), 0, kLogs));
    std::vector<Report> reports;
    const Status committed = session->commit(kTimeoutMs, reports);
    ASSERT_FALSE(committed) << refusal.code;
    EXPECT_EQ(committed.error().code, ErrorCode::kSessionGone) << committed.error().message;
    EXPECT_EQ(session->last_trouble(), refusal.trouble) << refusal.code;
    EXPECT_EQ(sum(reports).failed, 10u);
    EXPECT_EQ(sum(reports).trouble, refusal.trouble);
    EXPECT_NE(sum(reports).message, "");
    rd_kafka_mock_clear_request_errors(cluster_, kApiProduce);
    ++cases;
  }
  EXPECT_EQ(cases, 3u);
}

TEST_F(KafkaClientTest, a_commit_out_of_time_can_be_called_again) {
  auto session = open();
  auto chunk = make_chunk(0, 10);
  ASSERT_TRUE(session->produce(chunk.get(), 0, kLogs));
  rd_kafka_mock_broker_push_request_error_rtts(cluster_, 1, kApiEndTxn, 1,
                                               RD_KAFKA_RESP_ERR_NO_ERROR, 1000);
  std::vector<Report> reports;
  Status committed = session->commit(300, reports);
  ASSERT_FALSE(committed);
  size_t again = 0;
  while (!committed && again < 50) {
    ASSERT_EQ(committed.error().code, ErrorCode::kRetryable) << committed.error().message;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    committed = session->commit(300, reports);
    ++again;
  }
  EXPECT_TRUE(committed);
  EXPECT_GT(again, 0u);
  EXPECT_EQ(sum(reports).records, 10u);
}

TEST_F(KafkaClientTest, a_session_goes_in_milliseconds_though_its_broker_is_away) {
  for (const bool transactional : {true, false}) {
    auto session = open(transactional);
    auto chunk = make_chunk(0, 3500);
    rd_kafka_mock_broker_set_down(cluster_, 1);
    ASSERT_TRUE(session->produce(chunk.get(), 0, kLogs));
    std::vector<Report> reports;
    ASSERT_TRUE(session->reports(50, reports));
    const auto start = Clock::now();
    session.reset();
    EXPECT_LT(ms_since(start), 5000) << transactional;
    rd_kafka_mock_broker_set_up(cluster_, 1);
  }
}

TEST_F(KafkaClientTest, topics_are_counted_missing_or_forbidden) {
  const Result<TopicShape> partitions = kafka_->topic_shape("logs", kTimeoutMs);
  ASSERT_TRUE(partitions) << partitions.error().message;
  EXPECT_EQ(partitions->partitions, 4);
  EXPECT_TRUE(partitions->unusable.empty());
  // The mock makes every topic it is asked for, unlike a real broker, so it is told not to know it.
  rd_kafka_mock_topic_set_error(cluster_, "missing", RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
  for (int ask = 0; ask < 2; ++ask) {
    const Result<TopicShape> missing = kafka_->topic_shape("missing", kTimeoutMs);
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, ErrorCode::kNotFound);
  }
  rd_kafka_mock_topic_set_error(cluster_, "logs", RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
  const Result<TopicShape> forbidden = kafka_->topic_shape("logs", kTimeoutMs);
  ASSERT_FALSE(forbidden);
  EXPECT_EQ(forbidden.error().code, ErrorCode::kInvalid);
  EXPECT_FALSE(kafka_->topic_shape(std::string(600, 'x'), kTimeoutMs));
}

TEST_F(KafkaClientTest, a_partition_without_a_leader_is_named) {
  ASSERT_TRUE(kafka_->topic_shape("logs", kTimeoutMs));
  rd_kafka_mock_partition_set_leader(cluster_, "logs", 2, -1);
  const Result<TopicShape> shape = kafka_->topic_shape("logs", kTimeoutMs);
  ASSERT_TRUE(shape) << shape.error().message;
  EXPECT_EQ(shape->partitions, 4);
  EXPECT_EQ(shape->unusable, (std::map<int32_t, std::string>{{2, "it has no leader"}}));
}

TEST_F(KafkaClientTest, a_group_without_an_offset_is_not_known) {
  const Result<GroupOffset> offset = kafka_->committed("longshore-agent.new.0", true, kTimeoutMs);
  ASSERT_TRUE(offset) << offset.error().message;
  EXPECT_FALSE(offset->known);
}

TEST_F(KafkaClientTest, queries_without_a_broker_end_in_time_and_may_be_repeated) {
  auto nowhere = make_kafka_client("127.0.0.1:1", {});
  const auto start = Clock::now();
  const Result<TopicShape> partitions = nowhere->topic_shape("logs", 200);
  ASSERT_FALSE(partitions);
  EXPECT_EQ(partitions.error().code, ErrorCode::kRetryable);
  const Result<std::string> id = nowhere->cluster_id(200);
  ASSERT_FALSE(id);
  EXPECT_EQ(id.error().code, ErrorCode::kRetryable);
  const Result<GroupOffset> offset = nowhere->committed("g", true, 200);
  ASSERT_FALSE(offset);
  EXPECT_EQ(offset.error().code, ErrorCode::kRetryable);
  nowhere.reset();
  EXPECT_LT(ms_since(start), 15'000);
}

TEST_F(KafkaClientTest, the_cluster_has_an_id) {
  const Result<std::string> id = kafka_->cluster_id(kTimeoutMs);
  ASSERT_TRUE(id);
  EXPECT_FALSE((*kafka_->cluster_id(kTimeoutMs)).empty());
}

}  // namespace
}  // namespace longshore::shipper
