// An archiver on a directory, and a topic of several lives, for tests.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "integrations/archive/archive_files.h"
#include "integrations/archive/archiver.h"
#include "integrations/archive/history.h"
#include "integrations/archive/targets/file_target.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::archive {

inline constexpr int64_t kHourMs = 3'600'000;

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
    hang(folder + "/");
    return inner_.list(folder);
  }
  Result<Entry> stat(const std::string& path) override { return inner_.stat(path); }
  Status make_folder(const std::string& folder) override { return inner_.make_folder(folder); }
  Status put(const std::string& path, int fd, int64_t bytes) override {
    if (full) return Error{ErrorCode::kFull, "it is full"};
    hang(path);
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
  std::atomic<bool> hangs = false;  ///< What is asked of partition 0 waits until it is false.

 private:
  void hang(const std::string& path) const {
    while (hangs && path.starts_with("_longshore/logs+0/"))
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

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
  Result<kafka::Ends> ends(const kafka::PartitionKey&) override {
    const std::lock_guard lock(mutex_);
    if (away_) return Error{ErrorCode::kRetryable, "Kafka is away"};
    return kafka::Ends{low_, high_};
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
  void set_ends(int64_t low, int64_t high) {
    const std::lock_guard lock(mutex_);
    low_ = low;
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
            topic_, clock_, [this](int) { return looks_left_ >= 0 && looks_left_-- == 0; },
            complaints_) {}

  void TearDown() override { target_.hangs = false; }

  /// The group gives the partition to this member. Returns where it begins to read.
  int64_t assign(int64_t low, int64_t high) {
    topic_.set_ends(low, high);
    return join(low, high);
  }

  /// The same, but these ends may have been asked long ago.
  int64_t join(int64_t low, int64_t high) {
    std::vector<kafka::AssignedPartition> partitions(1);
    partitions[0] = {.key = {"logs", 0}, .low = low, .high = high};
    const Status status = archiver_.assigned(partitions);
    EXPECT_TRUE(status) << status.error().message;
    return partitions[0].start;
  }

  /// The same for partitions 0 and 1. Looks for half a second at most at what is not there.
  std::vector<kafka::AssignedPartition> assign_both() {
    std::vector<kafka::AssignedPartition> both(2);
    both[0] = {.key = {"logs", 0}, .low = 0, .high = 9};
    both[1] = {.key = {"logs", 1}, .low = 0, .high = 9};
    looks_left_ = 25;
    EXPECT_TRUE(archiver_.assigned(both));
    return both;
  }

  /// Works until a partition that was parked goes on: the pump is to read from there.
  std::vector<kafka::Parking> resumed() {
    std::vector<kafka::Parking> resumed;
    for (int i = 0; i < 500 && resumed.empty(); ++i) {
      const Status status = archiver_.work(0);
      EXPECT_TRUE(status) << status.error().message;
      archiver_.take_parked(resumed);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return resumed;
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
  int looks_left_ = -1;  ///< After so many questions it is to stop; less than 0: never.
  Archiver archiver_;
};

class ArchiverOnce : public ArchiverTest {
 protected:
  ArchiverOnce() : ArchiverTest(true) {}

  bool finishes() {
    for (int i = 0; i < 500 && !archiver_.finished(); ++i) {
      EXPECT_TRUE(archiver_.work(0));
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return archiver_.finished();
  }
};

}  // namespace longshore::archive
