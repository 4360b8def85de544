// Goal: whatever scheme a rotator uses, each generation of a log is opened once, in the order in
// which they were written, and files that are written side by side are logs of their own.
// Method: the real Discovery over real directories. Files are rotated as log libraries do it, while
// an agent runs and while none does, declared by their path and by a glob.

#include <fcntl.h>
#include <sys/stat.h>

#include <functional>

#include "config/limits.h"
#include "tests/fakes/discovery_fixture.h"

namespace longshore::agent {
namespace {

/// Renames x.log when it is rotated the `n`th time; n = 1, 2, ...
using Scheme = std::function<void(int n)>;

/// Thread: the test's.
class LineageTest : public DiscoveryTest {
 protected:
  void tick() { std::this_thread::sleep_for(std::chrono::milliseconds(15)); }
  void rename(const std::string& from, const std::string& to) { fs::rename(path(from), path(to)); }
  // "app.1.log", ... by how it is numbered.
  static std::string numbered(const std::string& form, int number) {
    std::string name = form;
    return name.replace(name.find('#'), 1, std::to_string(number));
  }
  Scheme rising(const std::string& form) {
    return [this, form](int n) { rename("x.log", numbered(form, n)); };
  }
  Scheme falling(const std::string& form) {
    return [this, form](int n) {
      for (int each = n - 1; each > 0; --each) {
        rename(numbered(form, each), numbered(form, each + 1));
      }
      rename("x.log", numbered(form, 1));
    };
  }
  // Writes x.log, and rotates it `times` times; gives the inodes in the order of the stream.
  Inodes rotate(const Scheme& scheme, int times) {
    Inodes written;
    for (int n = 1; n <= times; ++n) {
      if (!fs::exists(path("x.log"))) written.push_back(write("x.log"));
      tick();
      scheme(++rotations_);
      written.push_back(write("x.log"));
    }
    return written;
  }
  size_t named_logs() const {
    const auto all = collected();
    return std::set<std::string>(all.begin(), all.end()).size();
  }
  // How many of the files that were opened do not follow their predecessor for certain.
  size_t steps_in_doubt() const {
    return static_cast<size_t>(std::ranges::count_if(messages_, [](const ToLane& message) {
      const auto* opened = std::get_if<SourceOpened>(&message);
      return opened != nullptr && opened->step != Step::kAdjacent;
    }));
  }

  int rotations_ = 0;
};

struct Named {
  const char* form;
  const char* glob;
};
constexpr Named kForms[] = {{"x.log.#", "x.log*"},        {"x.#.log", "*.log"},
                            {"x-2026-11-#.log", "*.log"}, {"x.2026-11-29.#.log", "x*.log"},
                            {"x.log-2026112#", "x.log*"}, {"x__2026-11-29_00-00-0#.log", "*.log"},
                            {"x#.log", "*.log"},          {"#-x.log", "*"}};

TEST_F(LineageTest, generations_are_read_in_the_order_of_their_births_after_a_restart) {
  size_t tried = 0;
  for (const auto& [form, glob] : kForms) {
    for (const bool up : {true, false}) {
      for (const std::string& pattern : {std::string("x.log"), std::string(glob)}) {
        SCOPED_TRACE(std::string(form) + (up ? " rising, " : " falling, ") + pattern);
        Inodes expected{write("x.log")};
        const auto remembered = stored("x.log");
        for (const uint64_t inode : rotate(up ? rising(form) : falling(form), 4)) {
          expected.push_back(inode);
        }
        restart({remembered});
        declare(pattern);
        EXPECT_EQ(opened(), expected);
        EXPECT_EQ(named_logs(), 1u);
        EXPECT_EQ(discovery_->sources(), 1u);
        EXPECT_EQ(steps_in_doubt(), 0u);
        discovery_.reset();
        for (const auto& each : fs::directory_iterator(directory_.path())) fs::remove(each);
        rotations_ = 0;
        ++tried;
      }
    }
  }
  EXPECT_EQ(tried, std::size(kForms) * 4);
}

TEST_F(LineageTest, a_pause_in_which_a_file_may_have_come_and_gone_leaves_a_doubt) {
  for (const char* pattern : {"x.log", "x.log*"}) {
    Inodes expected{write("x.log")};
    const auto remembered = stored("x.log");
    std::this_thread::sleep_for(std::chrono::nanoseconds(limits::kAbutNs + 100'000'000));
    for (const uint64_t inode : rotate(falling("x.log.#"), 2)) expected.push_back(inode);
    restart({remembered});
    declare(pattern);
    EXPECT_EQ(opened(), expected);
    EXPECT_EQ(steps_in_doubt(), 1u);
    discovery_.reset();
    for (const auto& each : fs::directory_iterator(directory_.path())) fs::remove(each);
    rotations_ = 0;
  }
}

TEST_F(LineageTest, a_file_that_comes_and_goes_while_a_scan_runs_leaves_a_doubt) {
  watcher_.reads_late = true;
  write("x.log");
  declare("x.log");
  look();
  look();
  const auto read_changes = [&] {
    inotify_.read_changes([&](const DirectoryEvent& event) { discovery_->on_event(event); });
  };
  fs::remove(path("x.log"));
  read_changes();  // The scan begins because of this,
  write("x.log");
  fs::remove(path("x.log"));
  const uint64_t last = write("x.log");  // and finds the third file before its event is read.
  discovery_->settle();
  EXPECT_EQ(opened().size(), 1u);
  read_changes();
  discovery_->settle();
  EXPECT_EQ(opened().size(), 2u);
  EXPECT_EQ(opened().back(), last);
  EXPECT_EQ(steps_in_doubt(), 1u);
}

TEST_F(LineageTest, a_first_start_with_a_glob_finds_one_log_in_order) {
  for (const auto& [form, glob] : kForms) {
    for (const bool up : {true, false}) {
      SCOPED_TRACE(std::string(form) + (up ? " rising" : " falling"));
      const Inodes written = rotate(up ? rising(form) : falling(form), 3);
      restart({});
      declare(glob);
      EXPECT_EQ(opened(), written);
      EXPECT_EQ(named_logs(), 1u);
      discovery_.reset();
      for (const auto& each : fs::directory_iterator(directory_.path())) fs::remove(each);
      rotations_ = 0;
    }
  }
}

TEST_F(LineageTest, generations_that_come_between_two_looks_are_all_found) {
  for (const auto& [form, glob] : kForms) {
    for (const std::string& pattern : {std::string("x.log"), std::string(glob)}) {
      SCOPED_TRACE(std::string(form) + ", " + pattern);
      Inodes expected{write("x.log")};
      restart({});
      declare(pattern);
      for (const int times : {1, 3, 2}) {
        const Inodes written = rotate(rising(form), times);
        expected.insert(expected.end(), written.end() - times, written.end());
        look();
      }
      EXPECT_EQ(opened(), expected);
      EXPECT_EQ(named_logs(), 1u);
      EXPECT_EQ(steps_in_doubt(), 0u);
      discovery_.reset();
      for (const auto& each : fs::directory_iterator(directory_.path())) fs::remove(each);
      rotations_ = 0;
    }
  }
}

TEST_F(LineageTest, what_was_rotated_twice_and_not_created_again_is_found_while_we_watch) {
  Inodes expected{write("x.log")};
  declare("x.log");
  rename("x.log", "x.log.1");
  tick();
  expected.push_back(write("x.log"));
  rename("x.log.1", "x.log.2");
  rename("x.log", "x.log.1");
  look();
  EXPECT_EQ(opened(), expected);
  tick();
  expected.push_back(write("x.log"));
  look();
  EXPECT_EQ(opened(), expected);
}

TEST_F(LineageTest, multilogs_files_are_generations_of_current) {
  write("current");
  const auto remembered = stored("current");
  Inodes expected;
  for (const char* name : {"@400000006563a1f10b2c3d4e.s", "@400000006563a1f20b2c3d4e.u"}) {
    expected.push_back(write("current"));
    tick();
    rename("current", name);
  }
  expected.push_back(write("current"));
  restart({remembered});
  declare("current");
  EXPECT_EQ(opened(), expected);
}

TEST_F(LineageTest, names_that_are_not_made_of_the_logs_are_found_by_the_one_that_is_known) {
  for (const bool is_up : {false, true}) {
    Inodes expected{write("x.log")};
    const auto known = stored("x.log");
    if (is_up) {
      restart({});
      declare("x.log");
    }
    for (int n = 1; n <= 3; ++n) {
      tick();
      rename("x.log", "@40000000674c00000000000" + std::to_string(n) + ".s");
      expected.push_back(write("x.log"));
    }
    if (!is_up) {
      restart({known});
      declare("x.log");
    }
    look();
    EXPECT_EQ(opened(), expected);
    EXPECT_EQ(steps_in_doubt(), 0u);
    discovery_.reset();
    for (const auto& each : fs::directory_iterator(directory_.path())) fs::remove(each);
  }
}

// A transaction that is in doubt when the agent starts has read some of them.
TEST_F(LineageTest, files_that_only_a_prepared_transaction_has_read_are_no_logs_of_their_own) {
  const std::string aside = "@40000000674c00000000000";
  for (const bool is_there : {false, true}) {
    Inodes expected{write("x.log")};
    const auto known = stored("x.log");
    tick();
    rename("x.log", aside + "1.s");
    expected.push_back(write("x.log"));
    tick();
    rename("x.log", aside + "2.s");
    expected.push_back(write("x.log"));
    checkpoint::SourceState state = stored("x.log").state;
    state.closed = {known.state.file, stored(aside + "2.s").state.file};
    tick();
    rename("x.log", aside + "3.s");
    if (is_there) expected.push_back(write("x.log"));
    prepared_ = {{known.row.id, state}};
    restart({known});
    declare("*");
    look();
    EXPECT_EQ(opened(), expected);
    EXPECT_EQ(collected(), std::vector<std::string>(expected.size(), "app x.log"));
    EXPECT_EQ(steps_in_doubt(), 0u);
    discovery_.reset();
    for (const auto& each : fs::directory_iterator(directory_.path())) fs::remove(each);
  }
}

TEST_F(LineageTest, a_copy_that_a_prepared_transaction_has_closed_is_no_later_generation) {
  const Inodes expected{write("x.log")};
  const auto known = stored("x.log");
  tick();
  write("x.log.1");
  checkpoint::SourceState state = known.state;
  state.closed = {stored("x.log.1").state.file};
  prepared_ = {{known.row.id, state}};
  restart({known});
  declare("x.log");
  EXPECT_EQ(opened(), expected);
}

TEST_F(LineageTest, what_a_prepared_transaction_has_read_is_found_in_other_directories) {
  Inodes expected{write("x.log")};
  const auto known = stored("x.log");
  fs::create_directory(path("old"));
  tick();
  rename("x.log", "old/first");
  expected.push_back(write("x.log"));
  checkpoint::SourceState state = stored("x.log").state;
  state.closed = {known.state.file};
  tick();
  rename("x.log", "old/second");
  expected.push_back(write("x.log"));
  prepared_ = {{known.row.id, state}};
  restart({known});
  declare("**");
  look();
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(collected(), std::vector<std::string>(expected.size(), "app x.log"));
}

TEST_F(LineageTest, a_file_that_has_a_rotated_name_too_is_one_log) {
  write("x.1732838400.log");
  fs::create_hard_link(path("x.1732838400.log"), path("x.log"));
  const timespec later{.tv_sec = clock_.wall_ns() / 1'000'000'000 + 60, .tv_nsec = 0};
  const timespec times[2] = {later, later};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("x.log").c_str(), times, 0), 0);
  restart({});
  declare("*.log");
  EXPECT_EQ(collected(), std::vector<std::string>{"app x.log"});
}

TEST_F(LineageTest, logs_that_are_written_side_by_side_are_followed_each_by_itself) {
  const std::vector<std::string> names{"server.log.1", "server.log", "server.log.2"};
  std::vector<std::ofstream> writers;
  for (const std::string& name : names) {
    writers.emplace_back(path(name), std::ios::app);
    writers.back() << "line" << std::endl;
    tick();
  }
  restart({});
  clock_.ahead_ns += 2 * limits::kLateWritesNs;
  declare("server.log*");
  EXPECT_EQ(named_logs(), 3u);
  messages_.clear();
  for (std::ofstream& writer : writers) writer << "more" << std::endl;
  look();
  for (const std::string& name : names) EXPECT_TRUE(touched(name)) << name;
}

TEST_F(LineageTest, what_looks_like_a_port_is_no_rotation_at_first_sight) {
  for (const char* name : {"server.log.8081", "server.log", "server.log.8082"}) {
    write(name);
    tick();
  }
  restart({});
  declare("server.log*");
  EXPECT_EQ(named_logs(), 3u);
}

TEST_F(LineageTest, copies_that_were_made_before_the_first_look_come_before_their_log) {
  const uint64_t log = write("x.log");
  tick();
  Inodes expected{write("x.2.log")};
  tick();
  expected.push_back(write("x.1.log"));
  expected.push_back(log);
  write("x.log");  // It was truncated after it was copied.
  for (const char* pattern : {"x.log", "*.log"}) {
    restart({});
    declare(pattern);
    EXPECT_EQ(opened(), expected);
    EXPECT_EQ(discovery_->sources(), 1u);
  }
}

TEST_F(LineageTest, a_log_that_comes_beside_another_is_followed_if_its_content_is_another) {
  write("server.log");
  declare("server.log*");
  tick();
  write("server.log.8082");
  look();
  EXPECT_EQ(collected(), (std::vector<std::string>{"app server.log", "app server.log.8082"}));
}

TEST_F(LineageTest, a_copy_that_a_glob_names_is_not_collected) {
  const Inodes expected{write("x.log")};
  declare("*.log");
  tick();
  verdict_ = CopyVerdict::kCopy;
  write("x.1.log");
  look();
  fs::rename(path("x.1.log"), path("x.2.log"));
  write("x.1.log");
  look();
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(discovery_->sources(), 1u);
}

TEST_F(LineageTest, a_copy_that_goes_on_with_lines_of_its_own_is_followed) {
  write("x.log");
  declare("*.log");
  tick();
  verdict_ = CopyVerdict::kCopy;
  write("x.1.log");
  look();
  verdict_ = CopyVerdict::kOther;
  write("x.1.log");
  for (size_t sweep = 0; sweep < limits::kSweepTurns; ++sweep) discovery_->sweep();
  look();
  EXPECT_EQ(collected(), (std::vector<std::string>{"app x.log", "app x.1.log"}));
}

TEST_F(LineageTest, what_is_deleted_while_a_lane_judges_it_is_read_all_the_same) {
  for (const bool removed : {false, true}) {
    const std::string name = removed ? "y.log" : "x.log";
    write(name);
    restart({});
    declare(name + "*", "c");
    tick();
    const uint64_t beside = write(name + ".8081");
    inotify_.read_changes([this](const DirectoryEvent& event) { discovery_->on_event(event); });
    clock_.ahead_ns += 1'000'000'000;
    discovery_->settle();
    ASSERT_EQ(questions_.size(), 1u);
    fs::remove(path(name + ".8081"));
    if (removed) discovery_->gone("c");
    answer_questions();
    ASSERT_EQ(opened().size(), 2u);
    EXPECT_EQ(opened()[1], beside);
  }
}

TEST_F(LineageTest,
       rotated_files_that_a_glob_names_are_not_collected_again_after_their_log_is_gone) {
  write("x.log");
  declare("*.log");
  rename("x.log", "x.1.log");
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

TEST_F(LineageTest, an_empty_file_beside_a_log_becomes_one_when_it_is_written_to) {
  write("x.log");
  declare("*.log");
  tick();
  std::ofstream beside(path("x.1.log"));
  look();
  clock_.ahead_ns += 10'000'000'000;
  discovery_->sweep();
  look();
  EXPECT_EQ(opened().size(), 1u);
  beside << "line" << std::endl;
  lose_events();
  discovery_->sweep();
  look();
  EXPECT_EQ(opened().size(), 2u);
}

TEST_F(LineageTest, a_copy_that_has_just_appeared_and_is_still_empty_is_waited_for) {
  clock_.ahead_ns = -60'000'000'000;
  write("x.log");
  declare("*.log");
  tick();
  std::ofstream copy(path("x.1.log"));
  inotify_.read_changes([this](const DirectoryEvent& event) { discovery_->on_event(event); });
  for (int turn = 0; turn < 5; ++turn) discovery_->settle();
  EXPECT_EQ(opened().size(), 1u);
  EXPECT_TRUE(questions_.empty());
  verdict_ = CopyVerdict::kCopy;
  copy << "line" << std::endl;
  look();
  EXPECT_EQ(opened().size(), 1u);
}

}  // namespace
}  // namespace longshore::agent
