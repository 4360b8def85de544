// Goal: what was read while the archive did not answer comes into it all the same, once.
// Method: an archiver on a directory is told of partitions and records as by a group; files that
// are complete wait as they do while the archive is away.

#include "integrations/archive/archiver.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "integrations/archive/archive_files.h"
#include "integrations/archive/history.h"
#include "integrations/archive/targets/file_target.h"
#include "integrations/kafka/embedded_broker.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::archive {
namespace {

constexpr int64_t kHourMs = 3'600'000;

class ArchiverTest : public ::testing::Test {
 protected:
  ArchiverTest()
      : layout_(*Layout::parse(Layout::kUsual)),
        target_(dir_.path() + "/archive"),
        archiver_({.spool = {dir_.path(), Codec::kNone}, .layout = layout_}, target_, clock_,
                  stopping_) {
    auto broker = kafka::EmbeddedBroker::start({{"logs", 1}});
    EXPECT_TRUE(broker) << broker.error().message;
    broker_ = *std::move(broker);
    kafka::GroupOptions options;
    options.brokers = broker_->bootstrap();
    options.group = "archive";
    options.topics = {"logs"};
    auto reader = kafka::GroupReader::open(options, archiver_);
    EXPECT_TRUE(reader) << reader.error().message;
    reader_ = *std::move(reader);
  }

  /// The group gives the partition to this member. Returns where it begins to read.
  int64_t assign(int64_t low, int64_t high) {
    std::vector<kafka::AssignedPartition> partitions(1);
    partitions[0] = {.topic = "logs", .partition = 0, .low = low, .high = high};
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

  /// Publishes all that is there. Returns "first-last: lines" of each file.
  std::vector<std::string> publish() {
    archiver_.publish_sealed(*reader_);
    EXPECT_TRUE(archiver_.seal_all());
    archiver_.publish_sealed(*reader_);
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

  std::unique_ptr<kafka::EmbeddedBroker> broker_;
  fakes::TemporaryDir dir_;
  const Layout layout_;
  FileTarget target_;
  const SystemClock clock_;
  const std::atomic<bool> stopping_ = false;
  Archiver archiver_;
  std::unique_ptr<kafka::GroupReader> reader_;
};

TEST_F(ArchiverTest, a_file_that_waits_is_not_replaced_when_the_hour_ends) {
  EXPECT_EQ(assign(0, 10), 0);
  read(0, 100);
  ASSERT_TRUE(archiver_.seal_all());
  read(1, 100);
  // It waits still when the group shares out anew, and a record of the next hour comes.
  EXPECT_EQ(assign(0, 10), 2);
  read(2, 101);
  EXPECT_EQ(publish(), (std::vector<std::string>{"0-0: 1", "1-2: 2"}));
}

TEST_F(ArchiverTest, what_was_read_behind_a_file_that_waits_outlives_its_deletion_in_kafka) {
  EXPECT_EQ(assign(0, 10), 0);
  read(0, 100);
  ASSERT_TRUE(archiver_.seal_all());
  read(1, 100);
  EXPECT_EQ(assign(5, 10), 5);
  read(5, 100);
  EXPECT_EQ(publish(), (std::vector<std::string>{"0-0: 1", "1-5: 2"}));
}

}  // namespace
}  // namespace longshore::archive
