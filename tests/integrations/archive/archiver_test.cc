// Goal: records that were read while the archive did not answer are still archived, once.
// Method: an archiver on a directory gets partitions and records as from a pump; complete files
// wait because the directory refuses them.

#include "integrations/archive/archiver.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <string>
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

  bool full = false;

 private:
  FileTarget inner_;
};

class ArchiverTest : public ::testing::Test {
 protected:
  ArchiverTest()
      : layout_(*Layout::parse(Layout::kUsual)),
        target_((std::filesystem::create_directory(dir_.path() + "/archive"),
                 dir_.path() + "/archive")),
        archiver_(
            {.spool = {dir_.path(), Codec::kNone}, .layout = layout_}, target_, clock_,
            [](int) { return false; }, complaints_) {}

  /// The group gives the partition to this member. Returns where it begins to read.
  int64_t assign(int64_t low, int64_t high) {
    std::vector<kafka::AssignedPartition> partitions(1);
    partitions[0] = {.key = {"logs", 0}, .low = low, .high = high};
    const Status status = archiver_.assigned(partitions);
    EXPECT_TRUE(status) << status.error().message;
    return partitions[0].start;
  }

  void read(int64_t offset, int64_t hour) {
    const std::string value = std::to_string(offset);
    archiver_.record({.topic = "logs",
                      .partition = 0,
                      .offset = offset,
                      .key = {},
                      .value = value,
                      .timestamp_ms = hour * kHourMs});
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
      {.spool = {dir_.path(), Codec::kNone}, .layout = layout_}, target_, clock_,
      [](int) { return false; }, complaints_);
  std::vector<kafka::AssignedPartition> partitions(1);
  partitions[0] = {.key = {"logs", 0}, .low = 0, .high = 10};
  ASSERT_TRUE(other.assigned(partitions));
  for (int64_t offset = 0; offset < 2; ++offset) {
    other.record({.topic = "logs",
                  .partition = 0,
                  .offset = offset,
                  .key = {},
                  .value = "x",
                  .timestamp_ms = 100 * kHourMs});
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

}  // namespace
}  // namespace longshore::archive
