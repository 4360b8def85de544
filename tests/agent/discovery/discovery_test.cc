// Goal: every generation of a source is opened once, oldest first, whatever happens during a scan;
// no file is opened as two sources.
// Method: the real Discovery over real directories and inotify, its messages recorded. In the last
// test a thread rotates as fast as it can, and the files that were opened are compared with those
// that it made.

#include "agent/discovery/discovery.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>

#include "config/limits.h"
#include "tests/fakes/discovery_fixture.h"

namespace longshore::agent {
namespace {

TEST_F(DiscoveryTest, log_files_leave_descriptors_to_others_and_wait_for_room) {
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  for (int i = 0; i < 100; ++i) write(std::to_string(i) + ".log");
  const rlimit few{.rlim_cur = 80, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
  declare("*.log");
  const Fd another(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const size_t first = opened().size();
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(another);
  EXPECT_GT(first, 20u);
  EXPECT_LT(first, 60u);
  discovery_->sweep();
  look();
  EXPECT_EQ(opened().size(), 100u);
}

TEST_F(DiscoveryTest, files_are_found_when_they_are_there_and_when_they_come) {
  const uint64_t first = write("a.log");
  declare("*.log");
  EXPECT_EQ(opened(), Inodes{first});
  const uint64_t second = write("b.log");
  look();
  EXPECT_EQ(opened(), (Inodes{first, second}));
  EXPECT_EQ(discovery_->sources(), 2u);
}

TEST_F(DiscoveryTest, what_may_be_copies_of_a_truncated_file_is_nobodys_oldest_first) {
  write("a.log");
  declare("a.log");
  const SourceId id = make_source_id("host", path("a.log"), "");
  const auto copies = [&] {
    messages_.clear();
    discovery_->look_for_copy(id);
    EXPECT_EQ(messages_.size(), 1u);
    Inodes inodes;
    for (const auto& file : std::get<CopiesFound>(messages_.at(0)).files) {
      inodes.push_back(file->identity.inode);
    }
    return inodes;
  };
  EXPECT_EQ(copies(), Inodes{});
  Inodes expected{write("a.log.2")};
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  expected.push_back(write("a.1.log"));
  EXPECT_EQ(copies(), expected);
  write("b.log.1");
  EXPECT_EQ(copies(), expected);
  messages_.clear();
  discovery_->look_for_copy(SourceId{1});
  EXPECT_TRUE(messages_.empty());
}

TEST_F(DiscoveryTest, deleted_files_beyond_their_budget_are_given_up_largest_first) {
  deleted_bytes_max_ = 300'000;
  restart({});
  std::vector<std::shared_ptr<const OpenFile>> held;  // As the lane does while Kafka is away.
  for (const char* name : {"a.log", "b.log", "c.log"}) write(name);
  std::ofstream(path("b.log"), std::ios::app) << std::string(400'000, 'b');
  std::ofstream(path("c.log"), std::ios::app) << std::string(200'000, 'c');
  declare("*.log");
  for (const ToLane& message : messages_) {
    if (const auto* opened = std::get_if<SourceOpened>(&message)) held.push_back(opened->file);
  }
  ASSERT_EQ(held.size(), 3u);
  const auto given_up = [&] {
    discovery_->sweep();
    discovery_->sweep();  // Each file is given up once.
    std::vector<SourceId> sources;
    for (const ToLane& message : messages_) {
      if (const auto* file = std::get_if<FileGivenUp>(&message)) sources.push_back(file->source);
    }
    return sources;
  };
  EXPECT_TRUE(given_up().empty());
  for (const char* name : {"a.log", "b.log", "c.log"}) fs::remove(path(name));
  EXPECT_EQ(given_up(), std::vector<SourceId>{make_source_id("host", path("b.log"), "")});
}

TEST_F(DiscoveryTest, rotations_between_two_looks_are_opened_oldest_first) {
  Inodes expected{write("x.log")};
  declare("x.log");
  for (int i = 0; i < 3; ++i) {
    for (int n = i; n > 0; --n) {
      fs::rename(path("x.log." + std::to_string(n)), path("x.log." + std::to_string(n + 1)));
    }
    fs::rename(path("x.log"), path("x.log.1"));
    expected.push_back(write("x.log"));
  }
  look();
  EXPECT_EQ(opened(), expected);
}

TEST_F(DiscoveryTest, a_renamed_file_that_the_glob_matches_stays_its_old_source) {
  const Inodes expected{write("a.log")};
  declare("*.log");
  fs::rename(path("a.log"), path("b.log"));
  look();
  EXPECT_EQ(opened(), expected);
  write("b.log");
  look();
  const auto* touched = std::get_if<SourcesTouched>(&messages_.back());
  ASSERT_NE(touched, nullptr);
  EXPECT_EQ(touched->sources, std::set<SourceId>{make_source_id("host", path("a.log"), "")});
}

TEST_F(DiscoveryTest, two_declarers_of_one_file_give_one_source) {
  const Inodes expected{write("a.log")};
  declare("*.log", "c1");
  declare("a.log", "c2");
  EXPECT_EQ(opened(), expected);
  discovery_->gone("c1");
  for (const ToLane& message : messages_) {
    EXPECT_FALSE(std::holds_alternative<SourceReleased>(message));
  }
  discovery_->gone("c2");
  EXPECT_TRUE(std::holds_alternative<SourceReleased>(messages_.back()));
}

TEST_F(DiscoveryTest, a_new_directory_is_looked_at_again_without_an_event) {
  declare("late/x.log");
  fs::create_directory(path("late"));
  lose_events();
  discovery_->sweep();                 // The directory's parent has changed.
  EXPECT_NE(discovery_->settle(), 0);  // The watch is new: something may have come before it.
  const Inodes expected{write("late/x.log")};
  lose_events();
  for (int64_t next = 1; next != 0; next = discovery_->settle()) ::usleep(200);
  EXPECT_EQ(opened(), expected);
}

TEST_F(DiscoveryTest, each_of_many_logs_of_one_directory_is_followed_through_its_rotations) {
  std::vector<Inodes> expected;
  for (int i = 0; i < 30; ++i) {
    const std::string name = "n" + std::to_string(i) + ".log";
    expected.push_back({write(name + ".1")});
    expected.back().push_back(write(name));
  }
  declare("*.log*");
  const Inodes all = opened();
  EXPECT_EQ(all.size(), 60u);
  for (const Inodes& pair : expected) {
    const auto rotated = std::find(all.begin(), all.end(), pair[0]);
    ASSERT_NE(rotated, all.end());
    ASSERT_NE(std::next(rotated), all.end());
    EXPECT_EQ(*std::next(rotated), pair[1]);
  }
}

TEST_F(DiscoveryTest, what_was_rotated_away_before_anything_was_stored_of_it_is_collected) {
  write("old.log.1");
  const timespec old[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("old.log.1").c_str(), old, 0), 0);
  write("other.txt.1");
  Inodes expected{write("x.log.2")};
  expected.push_back(write("x.log.1"));
  restart({});
  declare("*.log");
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(discovery_->sources(), 1u);
  expected.push_back(write("x.log"));
  look();
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(discovery_->sources(), 1u);
}

TEST_F(DiscoveryTest, a_log_that_was_let_go_is_not_found_again_in_its_rotated_files) {
  write("x.log");
  declare("*.log");
  fs::rename(path("x.log"), path("x.log.1"));
  write("x.log");
  look();
  const std::vector<ToLane> held = std::exchange(messages_, {});
  fs::remove(path("x.log"));
  look();
  discovery_->sweep();
  EXPECT_EQ(discovery_->sources(), 0u);
  write("y.txt");
  look();
  EXPECT_TRUE(opened().empty());
}

TEST_F(DiscoveryTest, old_history_that_the_glob_names_comes_first) {
  Inodes expected{write("x.log.2")};
  expected.push_back(write("x.log.1"));
  expected.push_back(write("x.log"));
  const timespec old[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  for (const char* name : {"x.log.2", "x.log.1", "x.log"}) {
    ASSERT_EQ(::utimensat(AT_FDCWD, path(name).c_str(), old, 0), 0);
  }
  restart({});
  declare("x.log*");
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(discovery_->sources(), 1u);
}

TEST_F(DiscoveryTest, what_was_written_before_a_rename_is_told_with_it) {
  write("x.log");
  declare("x.log*");
  messages_.clear();
  write("x.log");
  fs::rename(path("x.log"), path("x.log.1"));
  inotify_.read_changes([this](const DirectoryEvent& event) { discovery_->on_event(event); });
  discovery_->settle();
  EXPECT_TRUE(touched("x.log"));
}

TEST_F(DiscoveryTest, files_that_are_quiet_for_long_are_swept_in_turns) {
  write("a.log");
  declare("*.log");
  clock_.ahead_ns += int64_t{60} * 1'000'000'000;
  discovery_->sweep();
  look();
  const std::vector<ToLane> held = std::exchange(messages_, {});
  write("a.log");
  lose_events();
  for (size_t turn = 0; turn < limits::kSweepTurns; ++turn) discovery_->sweep();
  look();
  EXPECT_TRUE(touched("a.log"));
}

TEST_F(DiscoveryTest, a_deleted_file_that_goes_on_growing_is_swept_each_time) {
  write("a.log");
  declare("*.log");
  std::ofstream writer(path("a.log"), std::ios::app);
  fs::remove(path("a.log"));
  look();
  clock_.ahead_ns += int64_t{60} * 1'000'000'000;
  discovery_->sweep();
  discovery_->sweep();
  look();
  const std::vector<ToLane> held = std::exchange(messages_, {});
  for (int i = 0; i < 3; ++i) {
    writer << "more" << std::endl;
    discovery_->sweep();
    look();
    EXPECT_TRUE(touched("a.log"));
    messages_.clear();
  }
}

TEST_F(DiscoveryTest, writes_that_were_too_many_to_be_told_are_told_as_an_overflow) {
  write("a.log");
  write("b.log");
  declare("*.log");
  lose_events();
  size_t queue = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> queue;
  ASSERT_GT(queue, 0u);
  std::ofstream a(path("a.log"), std::ios::app), b(path("b.log"), std::ios::app);
  for (size_t i = 0; i < queue; ++i) a << 'a' << std::flush, b << 'b' << std::flush;
  bool overflowed = false;
  for (size_t i = 0; i < queue && !overflowed; ++i) {
    inotify_.read_writes([&](const DirectoryEvent& event) {
      overflowed = overflowed || event.kind == DirectoryEvent::Kind::kOverflow;
    });
  }
  EXPECT_TRUE(overflowed);
}

TEST_F(DiscoveryTest, the_sweep_finds_what_no_event_told) {
  const uint64_t first = write("a.log");
  declare("*.log");
  const uint64_t second = write("b.log");
  lose_events();
  look();
  EXPECT_EQ(opened(), Inodes{first});
  discovery_->sweep();
  look();
  EXPECT_EQ(opened(), (Inodes{first, second}));
  const std::vector<ToLane> held = std::exchange(messages_, {});
  write("a.log");
  lose_events();
  discovery_->sweep();
  look();
  ASSERT_EQ(messages_.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<SourcesTouched>(messages_[0]));
}

TEST_F(DiscoveryTest, the_sweep_finds_writes_that_do_not_make_a_file_grow) {
  write("a.log");
  declare("*.log");
  discovery_->sweep();
  look();
  const std::vector<ToLane> held = std::exchange(messages_, {});
  discovery_->sweep();
  look();
  EXPECT_TRUE(messages_.empty());
  std::this_thread::sleep_for(std::chrono::milliseconds(20));  // The clock of files is coarse.
  std::ofstream(path("a.log"), std::ios::in | std::ios::out) << "LINE";
  lose_events();
  discovery_->sweep();
  look();
  ASSERT_EQ(messages_.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<SourcesTouched>(messages_[0]));
}

TEST_F(DiscoveryTest, a_container_that_died_says_how_long_its_file_was) {
  const auto died_at = [this] {
    for (const ToLane& message : messages_) {
      if (const auto* ended = std::get_if<SourceEnded>(&message)) return ended->size_bytes;
    }
    return UINT64_MAX;
  };
  write("a.log");
  declare("*.log", "c");
  const int64_t before = clock_.wall_ns() - 1'000'000'000;
  discovery_->ended("c", clock_.wall_ns() + 1'000'000'000);
  EXPECT_EQ(died_at(), 5u);
  const std::vector<ToLane> held = messages_;
  // What was written after it died is the next run's.
  for (const int64_t died_ns : {before, int64_t{0}}) {
    messages_.clear();
    discovery_->revived("c");
    discovery_->ended("c", died_ns);
    EXPECT_EQ(died_at(), 0u);
  }
}

TEST_F(DiscoveryTest, the_sweep_finds_what_comes_where_no_watch_could_be_had) {
  fs::create_directory(path("one"));
  fs::create_directory(path("two"));
  watcher_.room = 2;
  declare("*/x.log");
  Inodes expected{write("one/x.log")};
  look();
  EXPECT_EQ(opened(), expected);
  for (const char* name : {"two/x.log", "two/x.log.1"}) {
    if (name == std::string("two/x.log.1")) fs::rename(path("two/x.log"), path(name));
    expected.push_back(write("two/x.log"));
    look();
    EXPECT_EQ(opened().size(), expected.size() - 1);
    discovery_->sweep();
    clock_.ahead_ns += 1'000'000'000;
    look();
    EXPECT_EQ(opened(), expected);
  }
}

TEST_F(DiscoveryTest, a_log_behind_a_symlink_is_followed_where_it_is) {
  fs::create_directory(path("real"));
  Inodes expected{write("real/a.log"), write("real/b.log")};
  for (const char* name : {"a.log", "b.log"}) {
    fs::create_symlink(path("real/") + name, path(name));
  }
  declare("*.log");
  EXPECT_EQ(opened(), expected);
  for (const std::string log : {"a.log", "b.log"}) {
    const std::string name = "real/" + log;
    write(name);
    look();
    EXPECT_TRUE(touched(log)) << log;
    fs::rename(path(name), path(name) + ".1");
    expected.push_back(write(name));
    look();
    EXPECT_EQ(opened(), expected);
  }
}

TEST_F(DiscoveryTest, generations_without_a_file_are_forgotten_and_those_with_one_are_not) {
  fs::create_directory(path("out"));
  const auto rotated = [](size_t i) { return "x.log.2026-11-21-" + std::to_string(1000 + i); };
  constexpr size_t kRotations = 3 * (limits::kClosedGenerationsMax + 1);
  Inodes made{write("x.log")};
  declare("*.log");
  for (size_t i = 0; i < kRotations; ++i) {
    messages_.clear();  // As the lane lets go of what it shipped.
    fs::rename(path("x.log"), path(rotated(i)));
    made.push_back(write("x.log"));
    look();
    discovery_->sweep();
    if (i > 0) fs::rename(path(rotated(i)), path("out/" + rotated(i)));
  }
  messages_.clear();
  fs::rename(path(rotated(0)), path("kept.log"));
  look();
  EXPECT_TRUE(opened().empty());
  fs::rename(path("out/" + rotated(kRotations - 5)), path("known.log"));
  look();
  EXPECT_TRUE(opened().empty());
  fs::rename(path("out/" + rotated(1)), path("forgotten.log"));
  look();
  EXPECT_EQ(opened(), Inodes{made[1]});
}

TEST_F(DiscoveryTest, names_that_were_moved_away_are_forgotten) {
  fs::create_directory(path("out"));
  const auto name = [](int i) { return "n" + std::to_string(i) + ".txt"; };
  write("x.log");
  declare("*.log");
  for (int i = 0; i < 200; ++i) {
    fs::rename(path("x.log"), path(name(i)));
    fs::rename(path(name(i)), path("out/" + name(i)));
    write("x.log");
    look();
  }
  const std::vector<ToLane> held = std::exchange(messages_, {});
  for (int i = 0; i < 100; ++i) write(name(i));
  look();
  EXPECT_FALSE(touched("x.log"));
  write("x.log");
  look();
  EXPECT_TRUE(touched("x.log"));
}

TEST_F(DiscoveryTest, a_rotator_at_full_speed_hides_no_generation) {
  constexpr int kRotations = 150;
  Inodes made{write("x.log")};
  declare("x.log");
  std::atomic<bool> done = false;
  std::thread rotator([&] {
    for (int i = 0; i < kRotations; ++i) {
      for (int n = i; n > 0; --n) {
        fs::rename(path("x.log." + std::to_string(n)), path("x.log." + std::to_string(n + 1)));
      }
      fs::rename(path("x.log"), path("x.log.1"));
      made.push_back(write("x.log"));
    }
    done = true;
  });
  Inodes found;
  const auto read = [&] {
    look();
    const Inodes now = opened();
    found.insert(found.end(), now.begin(), now.end());
    messages_.clear();  // Makes room for others.
  };
  while (!done) read();
  rotator.join();
  read();
  discovery_->sweep();
  read();
  EXPECT_EQ(found, made);
  EXPECT_EQ(made.size(), static_cast<size_t>(kRotations) + 1);
}

}  // namespace
}  // namespace longshore::agent
