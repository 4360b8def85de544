// Goal: whatever an outlet does, it gets its records in order, and only offsets that it has
// reported as done are committed.
// Method: real pumps against the embedded broker, in this process, with outlets that are slow or
// full, or that fail.

#include "integrations/kafka/pump.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "integrations/kafka/embedded_broker.h"
#include "tests/fakes/produce.h"

namespace longshore::kafka {
namespace {

constexpr int kRecords = 1000;

/// Done with each record at once, unless a test says otherwise.
class Bucket : public Outlet {
 public:
  Status assigned(std::vector<AssignedPartition>& partitions) override {
    assignments_ += 1;
    for (const AssignedPartition& partition : partitions)
      next_[partition.key.partition] = partition.start;
    return ok();
  }
  void revoked() override { revoked_ += 1; }
  void discard() override { done_.clear(), discarded_ += 1; }
  void record(const ReadRecord& record) override {
    EXPECT_EQ(record.offset, next_[record.partition]);
    next_[record.partition] = record.offset + 1;
    records_ += 1;
    done_[{std::string(record.topic), record.partition}] = record.offset + 1;
  }
  Status work(int wait_ms) override { return works_ += 1, on_work_(wait_ms); }
  bool full() const override { return full_; }
  bool holds_back(const PartitionKey& key) const override { return key.partition == held_back_; }
  bool idle() const override { return idle_; }
  void take_done(Offsets& offsets) override {
    for (const auto& [key, next] : std::exchange(done_, {}))
      offsets[key] = std::min(next, done_max_);
  }
  void take_parked(std::vector<Parking>& parked) override {
    for (Parking& one : std::exchange(parked_, {})) {
      next_[one.partition.partition] = one.offset;
      parked.push_back(std::move(one));
    }
  }
  std::string report(const Standing& standing) override {
    standing_ = standing;
    waited_ = waited_ || standing.waiting;
    return {};
  }

  std::function<Status(int)> on_work_ = [](int) { return ok(); };
  bool full_ = false, idle_ = true, waited_ = false;
  int64_t done_max_ = INT64_MAX;
  int32_t held_back_ = -1;
  Offsets done_;
  std::map<int32_t, int64_t> next_;
  Standing standing_;
  std::vector<Parking> parked_;
  int assignments_ = 0, revoked_ = 0, discarded_ = 0, records_ = 0, works_ = 0;
};

/// Says of one partition, once, that it holds other records than before.
class Probe : public RecordProbe {
 public:
  Result<Found> look(const PartitionKey& partition, const RecordMark& mark) override {
    const std::lock_guard lock(mutex_);
    marks_[partition.partition].push_back(mark);
    return partition.partition == std::exchange(other_, -1) ? Found::kOther : Found::kSame;
  }
  Result<Ends> ends(const PartitionKey&) override { return Ends{}; }
  std::vector<RecordMark> marks(int32_t partition) {
    const std::lock_guard lock(mutex_);
    return marks_[partition];
  }

  std::mutex mutex_;
  std::map<int32_t, std::vector<RecordMark>> marks_;
  int32_t other_ = -1;
};

/// Runs 20 times as fast.
class FastClock final : public Clock {
 public:
  int64_t wall_ns() const override { return clock_.wall_ns(); }
  int64_t monotonic_ns() const override { return 20 * clock_.monotonic_ns(); }

 private:
  const SystemClock clock_{};
};

class PumpTest : public ::testing::Test {
 protected:
  PumpTest() {
    auto broker = EmbeddedBroker::start({{"logs", 2}});
    EXPECT_TRUE(broker) << broker.error().message;
    broker_ = *std::move(broker);
    fakes::produce(broker_->bootstrap(), kRecords, 2);
    options_.group.brokers = broker_->bootstrap();
    options_.group.group = "readers";
    options_.group.topics = {"logs"};
    options_.group.settings = {{"session.timeout.ms", "6000"}, {"heartbeat.interval.ms", "200"}};
  }

  /// Pumps until `enough`, at most 30 s.
  Status pump(Outlet& outlet, const std::function<bool()>& enough) {
    const int64_t deadline = clock_.monotonic_ns() + 30'000'000'000;
    const Clock& pumps = fast_ ? static_cast<const Clock&>(fast_clock_) : clock_;
    Pump pump(
        options_, outlet, pumps, [&](int) { return enough() || clock_.monotonic_ns() > deadline; },
        complaints_);
    Status status = pump.run();
    EXPECT_LT(clock_.monotonic_ns(), deadline) << "it waited in vain";
    return status;
  }

  std::unique_ptr<EmbeddedBroker> broker_;
  const SystemClock clock_;
  const FastClock fast_clock_;
  bool fast_ = false;
  Complaints complaints_{clock_};
  PumpOptions options_;
};

TEST_F(PumpTest, once_ends_when_all_is_read_and_the_next_pump_finds_nothing) {
  options_.once = true;
  Bucket bucket;
  EXPECT_TRUE(pump(bucket, [] { return false; }));
  EXPECT_EQ(bucket.records_, kRecords);
  EXPECT_EQ(bucket.revoked_, 1);
  Bucket next;
  EXPECT_TRUE(pump(next, [] { return false; }));
  EXPECT_EQ(next.records_, 0);
}

TEST_F(PumpTest, what_is_not_done_is_read_again_by_the_next) {
  Bucket slow;
  slow.idle_ = false;
  slow.done_max_ = 100;
  EXPECT_TRUE(pump(slow, [&slow] { return slow.records_ == kRecords; }));
  options_.once = true;
  Bucket next;
  EXPECT_TRUE(pump(next, [] { return false; }));
  EXPECT_EQ(next.records_, kRecords - 2 * slow.done_max_);
  EXPECT_EQ(next.next_[0], kRecords / 2);
  EXPECT_EQ(next.next_[1], kRecords / 2);
}

TEST_F(PumpTest, a_full_outlet_gets_nothing_and_keeps_its_partitions) {
  Bucket bucket;
  int waits = 0;
  bucket.on_work_ = [&](int wait_ms) {
    std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    waits += wait_ms > 0 ? 1 : 0;
    bucket.full_ = bucket.records_ > 0 && waits < 60;  // For 3 s.
    return ok();
  };
  options_.poll_records = 10;
  options_.report_s = 1;
  int records_when_full = 0;
  EXPECT_TRUE(pump(bucket, [&] {
    if (bucket.full_) {
      if (records_when_full == 0) records_when_full = bucket.records_;
      EXPECT_EQ(bucket.records_, records_when_full);
    }
    return bucket.records_ == kRecords;
  }));
  EXPECT_GT(records_when_full, 0);
  EXPECT_TRUE(bucket.waited_) << "it was not full for long enough to be paused";
  EXPECT_EQ(bucket.assignments_, 1);
}

TEST_F(PumpTest, a_partition_that_is_held_back_waits_alone) {
  Bucket bucket;
  bucket.held_back_ = 0;
  options_.poll_records = 10;
  int64_t held_at = -1;
  EXPECT_TRUE(pump(bucket, [&] {
    if (bucket.next_[1] == kRecords / 2 && held_at < 0) {
      held_at = bucket.next_[0];
      bucket.held_back_ = -1;
    }
    return bucket.records_ == kRecords;
  }));
  EXPECT_GE(held_at, 0);
  EXPECT_LT(held_at, kRecords / 2);
}

TEST_F(PumpTest, a_parked_partition_is_read_again_and_its_end_is_not_committed_before) {
  Bucket bucket;
  const PartitionKey zero{"logs", 0};
  int parked = 0;
  bucket.on_work_ = [&](int) {
    if (bucket.next_[0] > 300 && parked < 2) {
      bucket.parked_.push_back({zero, 300, "its index is closed"});
      bucket.done_[zero] = 300;
      parked += 1;
    }
    return ok();
  };
  options_.report_s = 1;
  size_t parked_seen = 0;
  bool other_done = false;
  EXPECT_TRUE(pump(bucket, [&] {
    parked_seen = std::max(parked_seen, bucket.standing_.parked.size());
    other_done = other_done || (parked < 2 && bucket.next_[1] == kRecords / 2);
    return parked == 2 && bucket.next_[0] == kRecords / 2;
  }));
  EXPECT_EQ(bucket.assignments_, 1) << "nobody else was disturbed";
  EXPECT_TRUE(other_done);
  EXPECT_EQ(parked_seen, 1u);
  options_.once = true;
  Bucket next;
  EXPECT_TRUE(pump(next, [] { return false; }));
  EXPECT_EQ(next.records_, 0) << "in the end all is committed";
}

TEST_F(PumpTest, once_does_not_wait_for_ever_for_what_is_parked) {
  Bucket bucket;
  bucket.on_work_ = [&bucket](int) {
    if (bucket.next_[0] > 300) bucket.parked_.push_back({{"logs", 0}, 300, "its disk is broken"});
    if (bucket.next_[0] > 300) bucket.done_[{"logs", 0}] = 300;
    return ok();
  };
  options_.once = true;
  const Status status = pump(bucket, [] { return false; });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kFatal);
  EXPECT_NE(status.error().message.find("logs[0] at offset 300: its disk is broken"),
            std::string::npos);
  EXPECT_EQ(bucket.next_[1], kRecords / 2);
}

TEST_F(PumpTest, after_an_error_it_joins_again_and_goes_on_from_what_was_done) {
  Bucket bucket;
  bool failed = false;
  bucket.on_work_ = [&](int) -> Status {
    if (failed || bucket.records_ == 0) return ok();
    failed = true;
    return Error{ErrorCode::kRetryable, "the disk hiccuped"};
  };
  options_.once = true;
  EXPECT_TRUE(pump(bucket, [] { return false; }));
  EXPECT_TRUE(failed);
  EXPECT_EQ(bucket.assignments_, 2);
  EXPECT_EQ(bucket.records_, kRecords) << "done is committed even when a membership fails";
  EXPECT_EQ(bucket.next_[0] + bucket.next_[1], kRecords);
}

TEST_F(PumpTest, a_fatal_error_ends_it) {
  Bucket bucket;
  bucket.on_work_ = [&bucket](int) -> Status {
    if (bucket.records_ == 0) return ok();
    return Error{ErrorCode::kFatal, "no"};
  };
  const Status status = pump(bucket, [] { return false; });
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kFatal);
  EXPECT_EQ(bucket.assignments_, 1);
  EXPECT_GE(bucket.discarded_, 1);
}

TEST_F(PumpTest, a_refusal_ends_a_resilient_pump_only_before_the_first_record) {
  options_.resilient = true;
  Bucket bucket;
  bucket.on_work_ = [](int) -> Status { return Error{ErrorCode::kInvalid, "not permitted"}; };
  const Status first = pump(bucket, [] { return false; });
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().code, ErrorCode::kFatal);
  int refusals = 0;
  bucket.on_work_ = [&](int) -> Status {
    if (bucket.records_ == 0 || refusals > 0) return ok();
    refusals += 1;
    return Error{ErrorCode::kInvalid, "not permitted"};
  };
  options_.once = true;
  EXPECT_TRUE(pump(bucket, [] { return false; }));
  EXPECT_EQ(refusals, 1);
  EXPECT_EQ(bucket.records_, kRecords);
}

TEST_F(PumpTest, the_standing_counts_what_is_unread_and_uncommitted) {
  Bucket bucket;
  bucket.idle_ = false;
  bucket.done_max_ = 0;
  EXPECT_TRUE(pump(bucket, [&bucket] { return bucket.records_ == kRecords; }));
  EXPECT_EQ(bucket.standing_.partitions, 2u);
  EXPECT_EQ(bucket.standing_.unread, 0);
  EXPECT_EQ(bucket.standing_.uncommitted, kRecords);
}

TEST_F(PumpTest, a_topic_that_is_made_anew_while_it_is_read_is_read_from_its_beginning) {
  fast_ = true;
  Probe probe;
  options_.probe = &probe;
  Bucket bucket;
  EXPECT_TRUE(pump(bucket, [&] {
    const std::lock_guard lock(probe.mutex_);
    if (bucket.assignments_ == 1 && probe.marks_[0].size() == 1) probe.other_ = 0;
    if (bucket.records_ == kRecords && probe.marks_[0].size() == 1)
      fakes::produce(broker_->bootstrap(), 2, 2);
    return bucket.assignments_ == 2 && bucket.next_[0] == bucket.next_[1];
  }));
  EXPECT_GE(bucket.records_, kRecords + kRecords / 2);
}

TEST_F(PumpTest, a_topic_that_was_made_anew_while_nobody_read_it_is_read_from_its_beginning) {
  Probe probe;
  options_.probe = &probe;
  options_.once = true;
  Bucket bucket;
  EXPECT_TRUE(pump(bucket, [] { return false; }));
  EXPECT_EQ(bucket.records_, kRecords);
  options_.once = false;
  probe.other_ = 0;
  Bucket next;
  EXPECT_TRUE(pump(next, [&next] { return next.records_ == kRecords / 2; }));
  EXPECT_EQ(next.next_[0], kRecords / 2);
  EXPECT_EQ(next.next_[1], kRecords / 2);
  EXPECT_EQ(next.assignments_, 2);
  const auto marks = probe.marks(0);
  ASSERT_FALSE(marks.empty());
  EXPECT_EQ(marks.front().offset, 0) << "the first record, which nobody had looked at again";
  EXPECT_NE(marks.front().hash, 0u);
}

TEST(Progress, is_due_each_period_and_measures_since_the_last_line) {
  class StepClock final : public Clock {
   public:
    int64_t wall_ns() const override { return now_ns; }
    int64_t monotonic_ns() const override { return now_ns; }
    int64_t now_ns = 5'000'000'000;
  } clock;
  Progress progress(clock, Progress::To::kLog, 10'000);
  clock.now_ns += 9'999'999'999;
  EXPECT_FALSE(progress.due());
  clock.now_ns += 1;
  EXPECT_TRUE(progress.due());
  EXPECT_DOUBLE_EQ(progress.seconds(), 10);
  progress.show("a line");
  EXPECT_FALSE(progress.due());
  clock.now_ns += 4'000'000'000;
  EXPECT_DOUBLE_EQ(progress.seconds(), 4);
  EXPECT_DOUBLE_EQ(progress.seconds_in_all(), 14);
  Progress never(clock, Progress::To::kLog, 0);
  clock.now_ns += 1'000'000'000'000;
  EXPECT_FALSE(never.due());
}

}  // namespace
}  // namespace longshore::kafka
