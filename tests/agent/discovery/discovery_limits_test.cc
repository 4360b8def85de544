// Goal: what limits keep from being collected is the oldest, and stands once in the ledger; and no
// tenant's directories take the time of the others.
// Method: the real Discovery over more directories and files than limits allow, in small turns.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "agent/discovery/tenant.h"
#include "config/limits.h"
#include "tests/fakes/discovery_fixture.h"

namespace longshore::agent {
namespace {

/// Thread: the test's.
class DiscoveryLimitsTest : public DiscoveryTest {
 protected:
  uint64_t write_below(const std::string& directory, const std::string& name) {
    fs::create_directories(path(directory));
    return write(directory + "/" + name);
  }
  bool has_opened(uint64_t inode) const {
    const Inodes all = opened();
    return std::ranges::find(all, inode) != all.end();
  }
};

TEST_F(DiscoveryLimitsTest, of_too_many_directories_the_newest_are_collected_and_the_rest_is_told) {
  uint64_t newest = 0;
  for (int i = 0; i < 1'344; ++i) {
    const std::string directory = "d" + std::to_string(i);
    newest = write_below(directory, "x.log");
    const timespec times[2] = {{.tv_sec = 1'000 + i, .tv_nsec = 0},
                               {.tv_sec = 1'000 + i, .tv_nsec = 0}};
    ::utimensat(AT_FDCWD, path(directory).c_str(), times, 0);
  }
  declare("*/x.log", "shop");
  EXPECT_TRUE(has_opened(newest));
  EXPECT_EQ(opened().size(), limits::kScanDirectoriesMax - 1);
  ASSERT_EQ(refused().size(), 1u);
  const LedgerEntry entry = refused()[0];
  EXPECT_EQ(entry.reason, "limit directories");
  EXPECT_EQ(entry.refused.count, 1'344 + 1 - limits::kScanDirectoriesMax);
  EXPECT_EQ(entry.refused.name, "app");
  EXPECT_EQ(entry.refused.container_name, "shop");
  EXPECT_EQ(entry.refused.path, path("*/x.log"));
  EXPECT_EQ(entry.source, make_declared_id("host", "shop", "app"));
  EXPECT_EQ(discovery_->refusals(), 1u);
  // Once, also over restarts, until twice as much is refused.
  const uint64_t another = write_below("new", "x.log");
  look();
  EXPECT_TRUE(has_opened(another));
  EXPECT_EQ(refused().size(), 1u);
  ledger_ = {entry};
  restart({});
  declare("*/x.log", "shop");
  EXPECT_TRUE(refused().empty());
  EXPECT_EQ(discovery_->refusals(), 1u);
}

TEST_F(DiscoveryLimitsTest, more_files_than_one_scan_opens_are_opened_by_the_next_one) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit many{.rlim_cur = before.rlim_max, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &many), 0);
  for (int i = 0; i < 10'050; ++i) std::ofstream(path(std::to_string(i) + ".log")) << "line\n";
  declare("*.log");
  for (int i = 0; i < 100 && !discovery_->all_opened(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    look();
  }
  EXPECT_TRUE(discovery_->all_opened());
  EXPECT_EQ(opened().size(), 10'050u);
  messages_.clear();
  ::setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_TRUE(refused().empty());
}

// As a lane does that has shipped everything: lets go of what was released.
size_t let_go(std::vector<ToLane>& messages) {
  std::set<SourceId> released;
  for (const ToLane& message : messages) {
    if (const auto* each = std::get_if<SourceReleased>(&message)) released.insert(each->source);
  }
  std::erase_if(messages, [&](const ToLane& message) {
    const auto* each = std::get_if<SourceOpened>(&message);
    return each != nullptr && released.contains(each->spec->id);
  });
  return released.size();
}

TEST_F(DiscoveryLimitsTest, the_files_that_rest_longest_make_room_and_come_back_when_they_change) {
  pauses_max_ = 1;
  open_limits_ = {.of_tenant = 10, .of_all = 100};
  restart({});
  Inodes first;
  for (int i = 0; i < 10; ++i) first.push_back(write(std::to_string(i) + ".log"));
  declare("*.log", "c");
  EXPECT_EQ(opened().size(), 10u);
  const uint64_t newest = write("new.log");
  look();
  EXPECT_EQ(opened().size(), 10u);
  EXPECT_FALSE(discovery_->all_opened());
  // All were written to just now. Later the one that was touched last stays.
  clock_.ahead_ns += 5 * limits::kRestNs;
  write("3.log");
  look();
  clock_.ahead_ns += limits::kRestNs / 2;
  look();
  EXPECT_EQ(let_go(messages_), 1u);
  clock_.ahead_ns += 2 * limits::kRoomLookNs;
  look();
  EXPECT_TRUE(discovery_->all_opened());
  EXPECT_EQ(opened().size(), 10u);
  EXPECT_EQ(opened().back(), newest);
  EXPECT_TRUE(has_opened(first[3]));
  // What rests is not opened again until it changes.
  Inodes resting;
  for (size_t i = 0; i < first.size(); ++i) {
    if (!has_opened(first[i])) resting.push_back(i);
  }
  ASSERT_EQ(resting.size(), 1u);
  discovery_->sweep();
  look();
  EXPECT_EQ(opened().size(), 10u);
  messages_.clear();  // Room for all.
  const uint64_t again = write(std::to_string(resting[0]) + ".log");
  look();
  look();
  EXPECT_EQ(opened(), Inodes{again});
  EXPECT_TRUE(refused().empty());
}

TEST_F(DiscoveryLimitsTest, files_that_find_no_room_for_long_are_told) {
  pauses_max_ = 1;
  open_limits_ = {.of_tenant = 2, .of_all = 100};
  restart({});
  for (int i = 0; i < 5; ++i) write(std::to_string(i) + ".log");
  declare("*.log", "c");
  EXPECT_EQ(opened().size(), 2u);
  EXPECT_TRUE(refused().empty());
  for (int i = 0; i < 5; ++i) {
    clock_.ahead_ns += limits::kRoomToldNs / 2;
    look();
  }
  ASSERT_EQ(refused().size(), 1u);
  EXPECT_EQ(refused()[0].reason, "limit files");
  EXPECT_EQ(refused()[0].refused.count, 3u);
}

TEST_F(DiscoveryLimitsTest, of_very_many_rotated_files_a_few_are_open_at_a_time_and_none_is_lost) {
  Inodes expected;
  for (int i = 0; i < 200; ++i) {
    expected.push_back(write("x.log"));
    const std::string number = std::to_string(1000 - i);
    fs::rename(path("x.log"), path("x.log." + number));
  }
  expected.push_back(write("x.log"));
  Inodes found;
  declare("x.log", "c");
  while (found.size() < expected.size()) {
    const Inodes now = opened();
    ASSERT_FALSE(now.empty());
    ASSERT_LE(now.size(), limits::kGenerationsOpenMax);
    found.insert(found.end(), now.begin(), now.end());
    messages_.clear();  // They were read.
    clock_.ahead_ns += 2 * limits::kRoomLookNs;
    look();
  }
  EXPECT_EQ(found, expected);
}

TEST_F(DiscoveryLimitsTest, in_the_smallest_turns_everything_is_found_once_and_in_order) {
  turn_steps_ = 1;
  restart({});
  Inodes expected;
  for (int i = 0; i < 3; ++i) {
    expected.push_back(write("x.log"));
    fs::rename(path("x.log"), path("x.log." + std::to_string(3 - i)));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  expected.push_back(write("x.log"));
  for (int i = 0; i < 50; ++i) write_below("other", std::to_string(i) + ".log");
  declare("**/*.log", "c", "all");
  const Inodes found = opened();
  EXPECT_EQ(found.size(), 54u);
  Inodes of_x;
  for (const uint64_t inode : found) {
    if (std::ranges::find(expected, inode) != expected.end()) of_x.push_back(inode);
  }
  EXPECT_EQ(of_x, expected);
}

TEST_F(DiscoveryLimitsTest, a_container_ends_when_its_last_scan_is_complete) {
  turn_steps_ = 1;
  restart({});
  for (int i = 0; i < 50; ++i) write(std::to_string(i) + ".log");
  declare("*.log", "c");
  messages_.clear();
  const uint64_t last = write("last.log");
  discovery_->ended("c", 0);
  EXPECT_FALSE(discovery_->all_opened());
  look();
  EXPECT_TRUE(discovery_->all_opened());
  EXPECT_EQ(opened(), Inodes{last});
  const auto ended = std::ranges::count_if(messages_, [](const ToLane& message) {
    return std::holds_alternative<SourceEnded>(message);
  });
  EXPECT_EQ(ended, 51);
  EXPECT_TRUE(refused().empty());
}

TEST_F(DiscoveryLimitsTest, a_container_that_goes_before_it_was_scanned_is_told) {
  turn_steps_ = 1;
  restart({});
  for (int i = 0; i < 50; ++i) write(std::to_string(i) + ".log");
  FsSpec spec;
  spec.layers = {"/"};
  spec.layers_are_overlay = false;
  discovery_->declare({"c", "shop", ""}, declaration("*.log"), spec);
  discovery_->gone("c");
  ASSERT_EQ(refused().size(), 1u);
  EXPECT_EQ(refused()[0].reason, "limit time");
}

TEST(Tenant, scans_take_a_fifth_of_the_time_after_a_first_rush) {
  Tenant tenant;
  int64_t now = 1'000'000'000'000;
  int64_t scanned = 0;
  const int64_t end = now + 60'000'000'000;
  const int64_t begin = now;
  while (now < end) {
    now = std::max(now, tenant.may_scan_at_ns(now));
    tenant.scanned(now, now + 3'000'000);
    now += 3'000'000;
    scanned += 3'000'000;
    if (now < begin + limits::kTenantRushNs) {
      EXPECT_EQ(scanned, now - begin);
    }
  }
  EXPECT_LT(scanned, 60'000'000'000 / 5 + 2 * limits::kTenantRushNs);
  EXPECT_GT(scanned, 60'000'000'000 / 6);
}

}  // namespace
}  // namespace longshore::agent
