// Goal: records that were read while the archive did not answer are still archived, once.
// Method: an archiver on a directory gets partitions and records as from a pump; complete files
// wait because the directory refuses them.

#include "integrations/archive/archiver.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "integrations/archive/archive_files.h"
#include "integrations/archive/history.h"
#include "integrations/archive/targets/file_target.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::archive {
namespace {

constexpr int64_t kHourMs = 3'600'000;

/// Time that moves when the test says so.
class StillClock final : public Clock {
 public:
  int64_t wall_ns() const override { return now_ns_; }
  int64_t monotonic_ns() const override { return now_ns_; }
  void advance_hours(int64_t hours) { now_ns_ += hours * kHourMs * 1'000'000; }

 private:
  int64_t now_ns_ = 1000 * kHourMs * 1'000'000;
};

/// A directory that takes files unless it is full.
class FillableTarget final : public ArchiveTarget {
 public:
  explicit FillableTarget(const std::string& root) : inner_(root) {}

  Result<std::vector<Entry>> list(const std::string& folder) override {
    return inner_.list(folder);
  }
  Result<Entry> stat(const std::string& path) override { return inner_.stat(path); }
  Status make_folder(const std::string& folder) override { return inner_.make_folder(folder); }
  Status put(const std::string& path, int fd, int64_t bytes) override {
    if (full) return Error{ErrorCode::kFull, "it is full"};
    const std::string hung = "_longshore/logs+0/";
    while (hangs && path.starts_with(hung))
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return inner_.put(path, fd, bytes);
  }
  Status put(const std::string& path, std::string_view content) override {
    return inner_.put(path, content);
  }
  Result<Renamed> rename_new(const std::string& from, const std::string& to) override {
    return inner_.rename_new(from, to);
  }
  Status remove(const std::string& path) override { return inner_.remove(path); }
  Status read(const std::string& path,
              const std::function<Status(std::string_view)>& take) override {
    return inner_.read(path, take);
  }

  std::atomic<bool> full = false;
  std::atomic<bool> hangs = false;  ///< A file of partition 0 waits until it is false.

 private:
  FileTarget inner_;
};

/// A topic of one life after the other: its records are "<life>-<offset>".
class Topic final : public kafka::RecordProbe {
 public:
  Result<kafka::Found> look(const kafka::PartitionKey&, const kafka::RecordMark& mark) override {
    const std::lock_guard lock(mutex_);
    looks_ += 1;
    if (away_) return Error{ErrorCode::kRetryable, "Kafka is away"};
    if (mark.offset < low_) return kafka::Found::kDeleted;
    if (mark.offset >= high_) return kafka::Found::kOther;
    const std::string value = this->value(mark.offset);
    return kafka::mark_of(record(mark.offset, value)) == mark ? kafka::Found::kSame
                                                              : kafka::Found::kOther;
  }
  std::string value(int64_t offset) const {
    return std::to_string(life_) + "-" + std::to_string(offset);
  }
  static kafka::ReadRecord record(int64_t offset, const std::string& value, int64_t hour = 100,
                                  int32_t partition = 0) {
    return {.topic = "logs",
            .partition = partition,
            .offset = offset,
            .key = {},
            .value = value,
            .timestamp_ms = hour * kHourMs};
  }
  /// It is deleted and made anew with that many records.
  void renew(int64_t high) {
    const std::lock_guard lock(mutex_);
    life_ += 1;
    high_ = high;
  }
  void set_high(int64_t high) {
    const std::lock_guard lock(mutex_);
    high_ = high;
  }
  void set_away(bool away) {
    const std::lock_guard lock(mutex_);
    away_ = away;
  }
  int looks() {
    const std::lock_guard lock(mutex_);
    return looks_;
  }

 private:
  std::mutex mutex_;
  int life_ = 1, looks_ = 0;
  int64_t low_ = 0, high_ = 1'000'000;
  bool away_ = false;
};

class ArchiverTest : public ::testing::Test {
 protected:
  explicit ArchiverTest(bool once = false)
      : layout_(*Layout::parse(Layout::kUsual)),
        target_((std::filesystem::create_directory(dir_.path() + "/archive"),
                 dir_.path() + "/archive")),
        archiver_(
            {.spool = {dir_.path(), Codec::kNone}, .layout = layout_, .once = once}, target_,
            topic_, clock_, [](int) { return false; }, complaints_) {}

  /// The group gives the partition to this member. Returns where it begins to read.
  int64_t assign(int64_t low, int64_t high) {
    std::vector<kafka::AssignedPartition> partitions(1);
    partitions[0] = {.key = {"logs", 0}, .low = low, .high = high};
    const Status status = archiver_.assigned(partitions);
    EXPECT_TRUE(status) << status.error().message;
    return partitions[0].start;
  }

  void read(int64_t offset, int64_t hour = 100) {
    const std::string value = topic_.value(offset);
    archiver_.record(Topic::record(offset, value, hour));
  }

  /// Works until the archiver has something to say.
  Status work() {
    for (int i = 0; i < 500; ++i) {
      if (Status status = archiver_.work(0); !status) return status;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return ok();
  }

  /// Every line of the archive with its file, in reading order.
  std::vector<std::string> lines() {
    Result<std::vector<ArchivedFile>> files = find_files(target_, layout_, {});
    EXPECT_TRUE(files);
    EXPECT_TRUE(find_tiling_faults(*files).empty());
    sort_for_reading(*files);
    std::vector<std::string> found;
    for (const ArchivedFile& file : *files) {
      LineReader reader;
      const Status status = read_lines(target_, file, [&](std::string_view line) {
        found.push_back(shown_partition(file.name.partition, file.name.generation) + ": " +
                        std::string(reader.parse(line).text));
        return ok();
      });
      EXPECT_TRUE(status) << status.error().message;
    }
    return found;
  }

  /// What was read becomes a file that the archive refuses.
  void seal() {
    target_.full = true;
    EXPECT_TRUE(archiver_.flush());
    EXPECT_FALSE(archiver_.idle());
    EXPECT_TRUE(archiver_.holds_back({"logs", 0}));
    target_.full = false;
  }

  /// Publishes all that is there. Returns "first-last: lines" of each file.
  std::vector<std::string> publish() {
    for (int i = 0; i < 2; ++i) {
      clock_.advance_hours(1);  // What was refused is tried again.
      EXPECT_TRUE(archiver_.flush());
    }
    EXPECT_TRUE(archiver_.idle());
    Result<std::vector<ArchivedFile>> files = find_files(target_, layout_, {});
    EXPECT_TRUE(files);
    sort_for_reading(*files);
    std::vector<std::string> found;
    for (const ArchivedFile& file : *files) {
      int lines = 0;
      const Status status = read_lines(target_, file, [&lines](std::string_view) {
        lines += 1;
        return ok();
      });
      EXPECT_TRUE(status) << status.error().message;
      found.push_back(std::to_string(file.name.first) + "-" + std::to_string(file.name.last) +
                      ": " + std::to_string(lines));
    }
    return found;
  }

  fakes::TemporaryDir dir_;
  const Layout layout_;
  FillableTarget target_;
  Topic topic_;
  StillClock clock_;
  kafka::Complaints complaints_{clock_};
  Archiver archiver_;
};

TEST_F(ArchiverTest, a_file_that_waits_is_not_replaced_when_the_hour_ends) {
  EXPECT_EQ(assign(0, 10), 0);
  read(0, 100);
  seal();
  read(1, 100);
  // It waits still when the group shares out anew, and a record of the next hour comes.
  EXPECT_EQ(assign(0, 10), 2);
  read(2, 101);
  EXPECT_EQ(publish(), (std::vector<std::string>{"0-0: 1", "1-2: 2"}));
}

TEST_F(ArchiverTest, what_was_read_behind_a_file_that_waits_outlives_its_deletion_in_kafka) {
  EXPECT_EQ(assign(0, 10), 0);
  read(0, 100);
  seal();
  read(1, 100);
  EXPECT_EQ(assign(5, 10), 5);
  read(5, 100);
  EXPECT_EQ(publish(), (std::vector<std::string>{"0-0: 1", "1-5: 2"}));
}

TEST_F(ArchiverTest, what_is_published_may_be_committed_once) {
  EXPECT_EQ(assign(0, 10), 0);
  for (int64_t offset = 0; offset < 3; ++offset) read(offset, 100);
  kafka::Offsets done;
  archiver_.take_done(done);
  EXPECT_TRUE(done.empty());
  publish();
  archiver_.take_done(done);
  EXPECT_EQ(done, (kafka::Offsets{{{"logs", 0}, 3}}));
  done.clear();
  archiver_.take_done(done);
  EXPECT_TRUE(done.empty());
}

TEST_F(ArchiverTest, files_that_another_member_archived_are_dropped_and_end_the_membership) {
  EXPECT_EQ(assign(0, 10), 0);
  read(0, 100);
  Archiver other(
      {.spool = {dir_.path(), Codec::kNone}, .layout = layout_}, target_, topic_, clock_,
      [](int) { return false; }, complaints_);
  std::vector<kafka::AssignedPartition> partitions(1);
  partitions[0] = {.key = {"logs", 0}, .low = 0, .high = 10};
  ASSERT_TRUE(other.assigned(partitions));
  for (int64_t offset = 0; offset < 2; ++offset) {
    const std::string value = topic_.value(offset);
    other.record(Topic::record(offset, value));
  }
  ASSERT_TRUE(other.flush());
  EXPECT_TRUE(archiver_.flush());
  const Status status = archiver_.work(0);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kRetryable);
  EXPECT_FALSE(archiver_.idle()) << "nothing may be committed";
  archiver_.discard();
  EXPECT_TRUE(archiver_.work(0)) << "until partitions are assigned again";
  EXPECT_EQ(assign(0, 10), 2);
  EXPECT_EQ(publish(), (std::vector<std::string>{"0-1: 2"}));
}

TEST_F(ArchiverTest, a_topic_made_anew_while_nobody_looked_begins_another_chain) {
  EXPECT_EQ(assign(0, 3), 0);
  for (int64_t offset = 0; offset < 3; ++offset) read(offset);
  publish();
  archiver_.discard();
  topic_.renew(5);
  EXPECT_EQ(assign(0, 5), 0) << "though it is longer than the chain";
  for (int64_t offset = 0; offset < 5; ++offset) read(offset);
  publish();
  EXPECT_EQ(lines(), (std::vector<std::string>{"0: 1-0", "0: 1-1", "0: 1-2", "0.2: 2-0", "0.2: 2-1",
                                               "0.2: 2-2", "0.2: 2-3", "0.2: 2-4"}));
  archiver_.discard();
  EXPECT_EQ(assign(0, 5), 5) << "it is known again";
  topic_.renew(1);
  archiver_.discard();
  EXPECT_EQ(assign(0, 1), 0) << "a third life, shorter";
  read(0);
  publish();
  EXPECT_EQ(lines().back(), "0.3: 3-0");
}

TEST_F(ArchiverTest, a_topic_made_anew_while_a_file_grows_is_cut_where_it_begins) {
  EXPECT_EQ(assign(0, 3), 0);
  read(0);
  publish();
  read(1);
  read(2);
  topic_.renew(6);
  clock_.advance_hours(1);  // A pause: the fetch failed.
  for (int64_t offset = 3; offset < 6; ++offset) read(offset);
  const Status status = work();
  ASSERT_FALSE(status);
  EXPECT_NE(status.error().message.find("made anew"), std::string::npos) << status.error().message;
  archiver_.discard();
  EXPECT_EQ(assign(0, 6), 0);
  for (int64_t offset = 0; offset < 6; ++offset) read(offset);
  publish();
  EXPECT_EQ(lines(), (std::vector<std::string>{"0: 1-0", "0: 1-1", "0: 1-2", "0.2: 2-0", "0.2: 2-1",
                                               "0.2: 2-2", "0.2: 2-3", "0.2: 2-4", "0.2: 2-5"}));
}

TEST_F(ArchiverTest, what_was_read_of_a_deleted_topic_is_published_before_the_new_one_is_read) {
  EXPECT_EQ(assign(0, 3), 0);
  for (int64_t offset = 0; offset < 3; ++offset) read(offset);
  archiver_.discard();
  topic_.renew(2);
  assign(0, 2);
  EXPECT_TRUE(archiver_.holds_back({"logs", 0}));
  ASSERT_FALSE(work());
  archiver_.discard();
  EXPECT_EQ(assign(0, 2), 0);
  read(0);
  read(1);
  publish();
  EXPECT_EQ(lines(),
            (std::vector<std::string>{"0: 1-0", "0: 1-1", "0: 1-2", "0.2: 2-0", "0.2: 2-1"}));
}

TEST_F(ArchiverTest, a_file_of_the_new_topic_alone_is_read_again_from_its_beginning) {
  EXPECT_EQ(assign(0, 2), 0);
  read(0);
  read(1);
  publish();
  topic_.renew(4);
  read(2);
  read(3);
  clock_.advance_hours(1);
  ASSERT_FALSE(work());
  archiver_.discard();
  EXPECT_EQ(assign(0, 4), 0);
  for (int64_t offset = 0; offset < 4; ++offset) read(offset);
  publish();
  EXPECT_EQ(lines(), (std::vector<std::string>{"0: 1-0", "0: 1-1", "0.2: 2-0", "0.2: 2-1",
                                               "0.2: 2-2", "0.2: 2-3"}));
}

TEST_F(ArchiverTest, nothing_is_published_while_kafka_cannot_say_which_topic_it_is) {
  EXPECT_EQ(assign(0, 3), 0);
  read(0);
  topic_.set_away(true);
  ASSERT_TRUE(archiver_.flush());
  EXPECT_FALSE(archiver_.idle());
  EXPECT_TRUE(lines().empty());
  topic_.set_away(false);
  publish();
  EXPECT_EQ(lines(), std::vector<std::string>{"0: 1-0"});
}

TEST_F(ArchiverTest, markers_after_the_last_record_belong_to_its_file_or_to_an_empty_one) {
  EXPECT_EQ(assign(0, 3), 0);
  read(0);
  archiver_.read_to({"logs", 0}, 2);
  EXPECT_EQ(publish(), std::vector<std::string>{"0-1: 1"});
  archiver_.read_to({"logs", 0}, 5);
  kafka::Offsets done;
  archiver_.take_done(done);
  EXPECT_EQ(done, (kafka::Offsets{{{"logs", 0}, 5}})) << "there is no lag";
  EXPECT_EQ(publish(), (std::vector<std::string>{"0-1: 1", "2-4: 0"}));
  archiver_.discard();
  EXPECT_EQ(assign(5, 5), 5) << "nothing was lost";
  read(5);
  EXPECT_EQ(publish(), (std::vector<std::string>{"0-1: 1", "2-4: 0", "5-5: 1"}));
}

TEST_F(ArchiverTest, a_partition_whose_chain_does_not_fit_is_parked_alone_and_comes_back) {
  const std::string claim = "_longshore/logs+1/00000000000000000000.claim";
  ASSERT_TRUE(target_.make_folder("_longshore/logs+1"));
  ASSERT_TRUE(target_.put(claim, "damaged"));
  const auto assign_both = [this] {
    std::vector<kafka::AssignedPartition> both(2);
    both[0] = {.key = {"logs", 0}, .low = 0, .high = 9};
    both[1] = {.key = {"logs", 1}, .low = 0, .high = 9};
    EXPECT_TRUE(archiver_.assigned(both));
    return both[1].start;
  };
  assign_both();
  EXPECT_TRUE(archiver_.holds_back({"logs", 1}));
  EXPECT_FALSE(archiver_.holds_back({"logs", 0}));
  const std::string value = topic_.value(0);
  archiver_.record(Topic::record(0, value, 100, 1));
  read(0);
  ASSERT_TRUE(archiver_.flush());
  EXPECT_EQ(lines(), std::vector<std::string>{"0: 1-0"}) << "the other one goes on";
  ASSERT_EQ(archiver_.parked().size(), 1u);
  EXPECT_NE(archiver_.parked()[0].find("is not a claim of longshore"), std::string::npos);
  kafka::Offsets done;
  archiver_.take_done(done);
  EXPECT_FALSE(done.contains({"logs", 1}));
  EXPECT_FALSE(archiver_.idle());
  ASSERT_TRUE(target_.remove(claim));
  clock_.advance_hours(1);
  const Status status = work();
  ASSERT_FALSE(status) << "it joins again";
  archiver_.discard();
  EXPECT_EQ(assign_both(), 0);
  EXPECT_TRUE(archiver_.parked().empty());
  archiver_.record(Topic::record(0, value, 100, 1));
  publish();
  EXPECT_EQ(lines(), (std::vector<std::string>{"0: 1-0", "1: 1-0"}));
}

TEST_F(ArchiverTest, an_archive_that_hangs_over_one_file_holds_up_no_other_partition) {
  std::vector<kafka::AssignedPartition> both(2);
  both[0] = {.key = {"logs", 0}, .low = 0, .high = 9};
  both[1] = {.key = {"logs", 1}, .low = 0, .high = 9};
  ASSERT_TRUE(archiver_.assigned(both));
  target_.hangs = true;
  int published = 0;
  for (int64_t offset = 0; offset < 3; ++offset) {
    const std::string value = topic_.value(offset);
    for (const int32_t partition : {0, 1})
      archiver_.record(Topic::record(offset, value, 100, partition));
    clock_.advance_hours(1);  // Both are due.
    for (int i = 0; i < 500 && lines().size() <= static_cast<size_t>(offset); ++i) {
      ASSERT_TRUE(archiver_.work(0));
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    published += 1;
    EXPECT_EQ(lines().back(), "1: 1-" + std::to_string(offset));
  }
  EXPECT_EQ(published, 3);
  EXPECT_FALSE(archiver_.holds_back({"logs", 1}));
  target_.hangs = false;
  publish();
  EXPECT_EQ(lines(),
            (std::vector<std::string>{"0: 1-0", "0: 1-1", "0: 1-2", "1: 1-0", "1: 1-1", "1: 1-2"}));
}

class ArchiverOnce : public ArchiverTest {
 protected:
  ArchiverOnce() : ArchiverTest(true) {}
};

TEST_F(ArchiverOnce, records_that_come_meanwhile_are_left) {
  EXPECT_EQ(assign(0, 3), 0);
  EXPECT_FALSE(archiver_.finished());
  for (int64_t offset = 0; offset < 2; ++offset) read(offset);
  EXPECT_FALSE(archiver_.finished());
  read(3);
  read(4);
  archiver_.read_to({"logs", 0}, 5);
  for (int i = 0; i < 500 && !archiver_.finished(); ++i) {
    ASSERT_TRUE(archiver_.work(0));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(archiver_.finished());
  kafka::Offsets done;
  archiver_.take_done(done);
  EXPECT_EQ(done, (kafka::Offsets{{{"logs", 0}, 3}}));
  EXPECT_EQ(lines(), (std::vector<std::string>{"0: 1-0", "0: 1-1"}));
}

TEST_F(ArchiverOnce, what_cannot_be_read_is_left_out_and_what_came_before_is_archived) {
  EXPECT_EQ(assign(0, 3), 0);
  read(0);
  archiver_.unreadable({"logs", 0}, limits::kReadTriesOnce - 1, "its checksum is wrong");
  EXPECT_TRUE(archiver_.left_out().empty());
  archiver_.unreadable({"logs", 0}, limits::kReadTriesOnce, "its checksum is wrong");
  EXPECT_FALSE(archiver_.finished());
  for (int i = 0; i < 500 && !archiver_.finished(); ++i) {
    ASSERT_TRUE(archiver_.work(0));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  EXPECT_TRUE(archiver_.finished());
  EXPECT_EQ(lines(), std::vector<std::string>{"0: 1-0"});
  EXPECT_EQ(archiver_.left_out(), std::vector<std::string>{"logs[0]: its checksum is wrong"});
}

}  // namespace
}  // namespace longshore::archive
