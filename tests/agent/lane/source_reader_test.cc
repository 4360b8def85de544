// Goal: a round over the sources is bounded in time, whether they ship or only move.
// Method: the reader of a lane alone, on a clock that goes on with every look at it.

#include "agent/lane/source_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <fstream>

#include "agent/lane/kafka_outage.h"
#include "tests/fakes/memory_store.h"
#include "tests/fakes/scripted_kafka.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::agent {
namespace {

constexpr int64_t kMs = limits::kMs;

class HastyClock final : public Clock {
 public:
  int64_t wall_ns() const override { return 1; }
  int64_t monotonic_ns() const override { return now_ += 5 * kMs; }
  int64_t now() const { return now_; }

 private:
  mutable int64_t now_ = kMs;
};

class SourceReaderTest : public testing::Test {
 protected:
  // A json-file with nothing but entries of the other stream.
  void declare_stdout(const std::string& name, int entries) {
    const std::string path = directory_.path() + "/" + name;
    std::ofstream file(path, std::ios::binary);
    const std::string text(1000, 'x');
    for (int i = 0; i < entries; ++i) {
      file << R"({"log":")" << text << R"(\n","stream":"stderr","time":"2026-11-29T08:00:00Z"})"
           << "\n";
    }
    file.close();
    Declaration declaration;
    declaration.name = name;
    declaration.stream = Stream::kStdout;
    auto spec = std::make_shared<SourceSpec>();
    spec->id = make_source_id("host", path, "stdout");
    spec->declaration = std::make_shared<const Declaration>(std::move(declaration));
    spec->host_path = path;
    Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    const auto identity = checkpoint::file_facts(fd.get()).value().identity;
    ASSERT_TRUE(
        sources_.opened({spec, std::make_shared<OpenFile>(OpenFile{std::move(fd), identity}), 0}));
  }

  HastyClock clock_;
  SystemWaiter waiter_{clock_};
  fakes::TemporaryDir directory_;
  fakes::MemoryStore store_;
  fakes::ScriptedKafka kafka_;
  Mailbox<ToLane> mailbox_;
  Mailbox<ToWatch> outbox_;
  LaneProgress progress_;
  LaneSetup setup_{.options = {.host_id = "host", .default_topic = "logs"},
                   .store = store_,
                   .kafka = kafka_,
                   .clock = clock_,
                   .waiter = waiter_,
                   .inbox = mailbox_,
                   .outbox = outbox_,
                   .progress = progress_};
  Destinations destinations_{{.host_id = "host"}, kafka_};
  Sources sources_{{}, store_, clock_};
  LastDelivered delivered_;
  Inbox inbox_{setup_, sources_, delivered_};
  BatchPolicy batches_{1 << 20, 1000 * kMs};
  Blame blame_{clock_, batches_, destinations_};
  KafkaOutage outage_{setup_};
  StuckPartitions stuck_{clock_, destinations_, outage_};
  Feed feed_{clock_, destinations_, blame_, stuck_};
  LaneLedger ledger_{setup_, sources_, destinations_};
  OpenTransaction transaction_{setup_, sources_, inbox_, blame_, feed_, ledger_, delivered_};
  SourceReader reader_{setup_, sources_, destinations_, inbox_, batches_,
                       feed_,  ledger_,  transaction_,  outage_};
};

TEST_F(SourceReaderTest, a_source_that_only_moves_ends_the_round_too) {
  kafka_.add_topic("logs", 1);
  declare_stdout("a", 20'000);
  int rounds = 0;
  while (sources_.scheduler().has_ready()) {
    const int64_t began = clock_.now();
    ASSERT_TRUE(reader_.read_ready());
    // Eight turns pass between two looks at the clock.
    EXPECT_LT(clock_.now() - began, 2 * limits::kLookAgainNsMax + 8 * 50 * kMs);
    ++rounds;
  }
  EXPECT_GT(rounds, 3);
  EXPECT_TRUE(sources_.moved().any_drifted());
}

TEST_F(SourceReaderTest, kafka_away_is_told_where_a_topic_is_looked_up_for_the_first_time) {
  kafka_.add_topic("logs", 1);
  kafka_.set_away(true);
  declare_stdout("a", 1);
  ASSERT_TRUE(reader_.read_ready());
  EXPECT_TRUE(outage_.lasts());
}

// Of what is read, most may be in no record, and records are longer than their lines.
TEST_F(SourceReaderTest, progress_counts_the_bytes_of_files_and_none_of_them_twice) {
  kafka_.add_topic("logs", 1);
  declare_stdout("a", 2'000);
  const uint64_t bytes = sources_.bytes_seen();
  EXPECT_GT(bytes, 2'000'000u);
  for (int life = 0; life < 2; ++life) {
    while (sources_.scheduler().has_ready()) ASSERT_TRUE(reader_.read_ready());
    EXPECT_EQ(progress_.bytes_read, bytes);
    sources_.rewind();
    EXPECT_EQ(sources_.bytes_read(), 0u);
  }
}

}  // namespace
}  // namespace longshore::agent
