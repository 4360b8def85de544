// Goal: every file of a lineage is opened once, oldest first, whatever happens while it is looked
// for; no file is opened as two sources.
// Method: the real Discovery over real directories and inotify, its messages recorded; then a
// thread that rotates as fast as it can against the list of what it made.

#include "agent/discovery.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/fakes/temporary_dir.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using Inodes = std::vector<uint64_t>;

class DiscoveryTest : public testing::Test {
 protected:
  DiscoveryTest() : mounts_({}), inotify_(std::move(Inotify::open()).value()) {
    mounts_.refresh();
    restart({});
  }

  // A new agent that remembers `stored`.
  void restart(const std::vector<checkpoint::StoredSource>& stored) {
    messages_.clear();
    discovery_ = std::make_unique<Discovery>(
        DiscoveryOptions{.host_id = "host",
                         .host_root = "/",
                         .lanes = 1,
                         .alive_ns = alive_ns_,
                         .first_start_at_end = false,
                         .deleted_bytes_max = deleted_bytes_max_},
        mounts_, inotify_,
        [this](LaneId, ToLane message) { messages_.push_back(std::move(message)); }, clock_);
    discovery_->remember(stored);
  }

  std::string path(const std::string& name) const { return directory_.path() + "/" + name; }
  uint64_t write(const std::string& name) {
    std::ofstream(path(name), std::ios::app) << "line\n";
    struct stat stat {};
    EXPECT_EQ(::stat(path(name).c_str(), &stat), 0);
    return stat.st_ino;
  }

  void declare(const std::string& pattern, const std::string& container = "",
               const std::string& name = "app") {
    Declaration declaration;
    declaration.name = name;
    declaration.path = path(pattern);
    FsSpec spec;
    spec.layers = {"/"};
    spec.layers_are_overlay = false;
    discovery_->declare({container, container, ""}, declaration, spec);
    look();
  }

  void look() {
    inotify_.read([this](const DirectoryEvent& event) { discovery_->on_event(event); });
    for (int64_t next = discovery_->settle(); next != 0; next = discovery_->settle()) {
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }

  Inodes opened() const {
    Inodes inodes;
    for (const ToLane& message : messages_) {
      const auto* opened = std::get_if<SourceOpened>(&message);
      if (opened != nullptr && opened->file != nullptr) {
        inodes.push_back(opened->file->identity.inode);
      }
    }
    return inodes;
  }

  checkpoint::StoredSource stored(const std::string& name) {
    checkpoint::StoredSource source;
    source.row.id = make_source_id("host", path(name), "");
    source.row.host_path = path(name);
    source.row.name = "app";
    Fd directory(::open(directory_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    source.state.file = checkpoint::file_facts_at(directory.get(), name.c_str()).value().identity;
    source.state.offset = 5;
    return source;
  }

  fakes::TemporaryDir directory_;
  SystemClock clock_;
  HostMounts mounts_;
  Inotify inotify_;
  std::unique_ptr<Discovery> discovery_;
  std::vector<ToLane> messages_;
  uint64_t deleted_bytes_max_ = UINT64_MAX;
  int64_t alive_ns_ = clock_.wall_ns();
};

TEST_F(DiscoveryTest, files_are_found_when_they_are_there_and_when_they_come) {
  const uint64_t first = write("a.log");
  declare("*.log");
  EXPECT_EQ(opened(), Inodes{first});
  const uint64_t second = write("b.log");
  look();
  EXPECT_EQ(opened(), (Inodes{first, second}));
  EXPECT_EQ(discovery_->sources(), 2u);
}

TEST_F(DiscoveryTest, what_is_remembered_and_cannot_be_found_any_more_has_vanished) {
  write("kept.log");
  write("gone.log");
  write("known.log");
  std::vector<checkpoint::StoredSource> all{stored("kept.log"), stored("gone.log"),
                                            stored("known.log")};
  all[2].row.gone_ns = 1;
  fs::remove(path("gone.log"));
  fs::remove(path("known.log"));
  restart(all);
  declare("*.log");
  discovery_->look_for_vanished();
  std::vector<SourceId> vanished;
  for (const ToLane& message : messages_) {
    if (const auto* gone = std::get_if<SourceVanished>(&message))
      vanished.push_back(gone->spec->id);
  }
  EXPECT_EQ(vanished, std::vector<SourceId>{all[1].row.id});
  EXPECT_EQ(opened().size(), 1u);
}

TEST_F(DiscoveryTest, the_copy_of_a_truncated_file_is_the_youngest_that_is_nobodys) {
  write("a.log");
  declare("*.log");
  const SourceId id = make_source_id("host", path("a.log"), "");
  const auto copy = [&] {
    messages_.clear();
    discovery_->look_for_copy(id);
    EXPECT_EQ(messages_.size(), 1u);
    const auto file = std::get<CopyFound>(messages_.at(0)).file;
    return file == nullptr ? 0 : file->identity.inode;
  };
  EXPECT_EQ(copy(), 0u);
  write("a.log.2");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const uint64_t youngest = write("a.log.1");
  EXPECT_EQ(copy(), youngest);
  write("b.log.1");
  EXPECT_EQ(copy(), youngest);
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
    discovery_->sweep();  // Once is enough to say it.
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

TEST_F(DiscoveryTest, a_restart_goes_on_in_the_rotated_file_and_then_in_those_born_since) {
  write("x.log.3");  // Read and closed long ago.
  Inodes expected{write("x.log")};
  const auto remembered = stored("x.log");
  fs::rename(path("x.log"), path("x.log.2"));
  expected.push_back(write("x.log.1"));
  expected.push_back(write("x.log"));
  restart({remembered});
  declare("*");
  EXPECT_EQ(opened(), expected);
}

TEST_F(DiscoveryTest, a_file_that_was_renamed_and_not_made_anew_is_still_read) {
  const Inodes expected{write("x.log")};
  const auto remembered = stored("x.log");
  fs::rename(path("x.log"), path("x.log.1"));
  restart({remembered});
  declare("x.log");
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
  EXPECT_EQ(touched->sources, std::vector<SourceId>{make_source_id("host", path("a.log"), "")});
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

TEST_F(DiscoveryTest, what_rotated_before_the_first_look_is_collected_and_old_history_is_not) {
  write("x.log.2");
  const timespec old[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("x.log.2").c_str(), old, 0), 0);
  restart({});
  Inodes expected{write("x.log.1")};
  expected.push_back(write("x.log"));
  declare("x.log");
  EXPECT_EQ(opened(), expected);
}

TEST_F(DiscoveryTest, what_came_and_was_rotated_while_no_agent_was_up_is_no_history) {
  Inodes expected{write("x.log.1")};
  expected.push_back(write("x.log"));
  ::usleep(50'000);
  restart({});  // It knows nothing of them, but an agent had run here before they were written.
  declare("x.log");
  EXPECT_EQ(opened(), expected);
}

TEST_F(DiscoveryTest, dated_names_come_before_numbered_ones_whatever_their_birth) {
  for (const char* name : {"x.log.2", "x.log-20261121", "x.log.1", "x.log-20261122", "x.log.3"}) {
    write(name);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  Fd directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::vector<std::string> names;
  const auto siblings = rotated_siblings(directory, "x.log");
  ASSERT_TRUE(siblings);
  for (const Sibling& each : *siblings) names.push_back(each.file_name);
  EXPECT_EQ(names, (std::vector<std::string>{"x.log-20261121", "x.log-20261122", "x.log.3",
                                             "x.log.2", "x.log.1"}));
}

TEST_F(DiscoveryTest, rotated_files_are_found_though_the_known_one_and_the_named_one_are_gone) {
  write("x.log");
  const auto known = stored("x.log");
  fs::rename(path("x.log"), path("x.log.1"));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const uint64_t second = write("x.log");
  fs::remove(path("x.log.1"));
  fs::rename(path("x.log"), path("x.log.1"));
  restart({known});
  declare("x.log");
  EXPECT_EQ(opened(), Inodes{second});
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

TEST_F(DiscoveryTest, what_was_renamed_where_nobody_declares_it_has_not_vanished) {
  write("x.log");
  const auto known = stored("x.log");
  fs::rename(path("x.log"), path("x.log-20261121"));
  restart({known});
  discovery_->look_for_vanished();
  EXPECT_TRUE(messages_.empty());
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

TEST_F(DiscoveryTest, the_sweep_finds_what_no_event_told) {
  const uint64_t first = write("a.log");
  declare("*.log");
  const uint64_t second = write("b.log");
  inotify_.read([](const DirectoryEvent&) {});  // Lost.
  look();
  EXPECT_EQ(opened(), Inodes{first});
  discovery_->sweep();
  look();
  EXPECT_EQ(opened(), (Inodes{first, second}));
  const std::vector<ToLane> held = std::exchange(messages_, {});
  write("a.log");
  inotify_.read([](const DirectoryEvent&) {});
  discovery_->sweep();
  look();
  ASSERT_EQ(messages_.size(), 1u);
  EXPECT_TRUE(std::holds_alternative<SourcesTouched>(messages_[0]));
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
  while (!done) look();
  rotator.join();
  look();
  discovery_->sweep();
  look();
  EXPECT_EQ(opened(), made);
  EXPECT_EQ(made.size(), static_cast<size_t>(kRotations) + 1);
}

}  // namespace
}  // namespace longshore::agent
