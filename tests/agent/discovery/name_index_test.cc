// Goal: an event of a directory reaches the sources that its name stands for, also after renames,
// and causes a scan of the logs that look in that directory.
// Method: real directories, a watcher that only hands out numbers, events made by the test.

#include "agent/discovery/name_index.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "agent/discovery/declared_log.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::agent {
namespace {

using Kind = DirectoryEvent::Kind;
using Sources = std::set<SourceId>;
using Logs = std::vector<DeclaredLog*>;

/// Thread: the test's.
class NumberingWatcher final : public DirectoryWatcher {
 public:
  Result<int> watch(const Fd& directory) override {
    const uint64_t inode = checkpoint::file_facts(directory.get()).value().identity.inode;
    if (!numbers.contains(inode) && numbers.size() == room) return Error{ErrorCode::kFull, "full"};
    return numbers.try_emplace(inode, static_cast<int>(numbers.size())).first->second;
  }
  void unwatch(int watch) override { unwatched.push_back(watch); }

  size_t room = SIZE_MAX;
  std::map<uint64_t, int> numbers;
  std::vector<int> unwatched;
};

/// Thread: the test's.
class NameIndexTest : public testing::Test {
 protected:
  WatchDir directory(const std::string& name) {
    const std::string path = root_.path() + "/" + name;
    std::filesystem::create_directory(path);
    auto fd = std::make_shared<Fd>(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return {.host_path = path, .directory = fd, .identity = {}, .container_path = path};
  }
  // Watches one directory for `log_`, in which "x.log" stands for source 1.
  int watch_one() {
    const WatchDir one = directory("one");
    const int watch = names_.watch(log_, {one}).watches.at(one.directory.get());
    names_.add(watch, "x.log", SourceId{1});
    return watch;
  }
  Logs tell(DirectoryEvent event) { return names_.on_event(event); }

  fakes::TemporaryDir root_;
  NumberingWatcher watcher_;
  NameIndex names_{watcher_};
  DeclaredLog log_, other_log_;
};

TEST_F(NameIndexTest, a_write_touches_the_sources_of_its_name_and_scans_nothing) {
  const int watch = watch_one();
  EXPECT_EQ(tell({.kind = Kind::kGrown, .watch = watch, .name = "y.log"}), Logs{});
  EXPECT_EQ(names_.take_touched(), Sources{});
  EXPECT_EQ(tell({.kind = Kind::kGrown, .watch = watch, .name = "x.log"}), Logs{});
  EXPECT_EQ(names_.take_touched(), Sources{SourceId{1}});
  EXPECT_EQ(names_.take_touched(), Sources{});
}

TEST_F(NameIndexTest, a_rename_within_the_directory_takes_the_sources_along) {
  const int watch = watch_one();
  const DirectoryEvent left{.kind = Kind::kChanged, .watch = watch, .name = "x.log", .cookie = 7};
  EXPECT_EQ(tell(left), Logs{&log_});
  EXPECT_EQ(tell({.kind = Kind::kChanged,
                  .watch = watch,
                  .name = "x.log.1",
                  .cookie = 7,
                  .arrived = true}),
            Logs{&log_});
  EXPECT_EQ(names_.take_touched(), Sources{SourceId{1}});
  tell({.kind = Kind::kGrown, .watch = watch, .name = "x.log"});
  EXPECT_EQ(names_.take_touched(), Sources{});
  tell({.kind = Kind::kGrown, .watch = watch, .name = "x.log.1"});
  EXPECT_EQ(names_.take_touched(), Sources{SourceId{1}});
}

TEST_F(NameIndexTest, a_name_that_was_removed_stands_for_nothing) {
  const int watch = watch_one();
  tell({.kind = Kind::kChanged, .watch = watch, .name = "x.log"});
  EXPECT_EQ(names_.take_touched(), Sources{SourceId{1}});
  tell({.kind = Kind::kGrown, .watch = watch, .name = "x.log"});
  EXPECT_EQ(names_.take_touched(), Sources{});
}

TEST_F(NameIndexTest, a_directory_is_watched_while_any_log_looks_at_it) {
  const WatchDir one = directory("one"), two = directory("two");
  EXPECT_TRUE(names_.watch(log_, {one, two}).any_new);
  EXPECT_FALSE(names_.watch(other_log_, {one}).any_new);
  names_.watch(log_, {one});
  EXPECT_EQ(watcher_.unwatched, std::vector<int>{1});
  names_.unwatch(log_);
  EXPECT_EQ(watcher_.unwatched, std::vector<int>{1});
  names_.unwatch(other_log_);
  EXPECT_EQ(watcher_.unwatched, (std::vector<int>{1, 0}));
}

TEST_F(NameIndexTest, a_directory_without_a_watch_is_reported) {
  watcher_.room = 1;
  const WatchDir one = directory("one"), two = directory("two");
  const WatchOutcome outcome = names_.watch(log_, {one, two});
  ASSERT_EQ(outcome.refused.size(), 1u);
  EXPECT_EQ(outcome.refused[0].host_path, two.host_path);
  EXPECT_EQ(outcome.watches.size(), 1u);
}

TEST_F(NameIndexTest, a_change_that_no_event_told_is_found_by_the_directorys_times) {
  watch_one();
  EXPECT_EQ(names_.changed(), Logs{});
  std::filesystem::create_directory(root_.path() + "/one/new");
  EXPECT_EQ(names_.changed(), Logs{&log_});
  EXPECT_EQ(names_.changed(), Logs{});
}

}  // namespace
}  // namespace longshore::agent
