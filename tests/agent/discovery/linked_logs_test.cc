// Goal: a log that is a symlink, or lies below one, is one source whatever the link leads to; each
// target is read to its end before the next, also those of the time without an agent. The same
// where a directory above the log is renamed and another takes its place.
// Method: the real Discovery over real directories. Links are turned and directories renamed with
// the agent up, and between two runs of it.

#include "agent/discovery/discovery.h"
#include "tests/fakes/discovery_fixture.h"

namespace longshore::agent {
namespace {

using namespace std::chrono_literals;

class LinkedLogs : public DiscoveryTest {
 protected:
  void link(const std::string& target, const std::string& name = "app.log") {
    fs::remove(path(name));
    fs::create_symlink(target, path(name));
  }
  uint64_t write_later(const std::string& name) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return write(name);
  }
  // What a checkpoint knows of the log `name` while its target was `target`.
  checkpoint::StoredSource stored_link(const std::string& target,
                                       const std::string& name = "app.log") {
    checkpoint::StoredSource source = stored(target);
    source.row.id = make_source_id("host", path(name), "");
    source.row.host_path = path(name);
    source.state.file_path = path(target);
    return source;
  }
  std::set<SourceId> sources() const {
    std::set<SourceId> ids;
    for (const ToLane& message : messages_) {
      if (const auto* opened = std::get_if<SourceOpened>(&message)) ids.insert(opened->spec->id);
    }
    return ids;
  }
  std::set<SourceId> only(const std::string& name = "app.log") const {
    return {make_source_id("host", path(name), "")};
  }
  bool any_gap() const {
    return std::ranges::any_of(messages_, [](const ToLane& message) {
      const auto* opened = std::get_if<SourceOpened>(&message);
      return opened != nullptr && opened->step != Step::kAdjacent;
    });
  }
};

TEST_F(LinkedLogs, a_link_that_is_turned_is_a_rotation) {
  Inodes expected{write("a-1.txt")};
  link("a-1.txt");
  declare("app.log");
  for (const char* next : {"a-2.txt", "a-3.txt", "b.txt"}) {
    expected.push_back(write(next));
    link(next);
    look();
    EXPECT_EQ(opened(), expected);
  }
  EXPECT_EQ(sources(), only());
  EXPECT_FALSE(any_gap());
}

TEST_F(LinkedLogs, after_a_restart_the_former_target_is_read_to_its_end_first) {
  Inodes expected{write("a-1.txt")};
  const auto known = stored_link("a-1.txt");
  expected.push_back(write("b.txt"));
  link("b.txt");
  restart({known});
  declare("app.log");
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only());
}

TEST_F(LinkedLogs, targets_of_the_time_without_an_agent_come_in_their_order) {
  Inodes expected{write("app.host.log.INFO.20261128-235959.77")};
  const auto known = stored_link("app.host.log.INFO.20261128-235959.77");
  write_later("app.host.log.WARNING.20261129-000001.77");
  expected.push_back(write_later("app.host.log.INFO.20261129-000000.77"));
  expected.push_back(write_later("app.host.log.INFO.20261130-000000.9"));
  expected.push_back(write_later("app.host.log.INFO.20261201-000000.77"));
  link("app.host.log.INFO.20261201-000000.77", "app.INFO");
  write_later("app.host.log.INFO.20261202-000000.77");  // Not yet the target.
  auto info = known;
  info.row.id = make_source_id("host", path("app.INFO"), "");
  info.row.host_path = path("app.INFO");
  restart({info});
  declare("app.INFO");
  // The pid of the third is another: it may be another program's.
  expected.erase(expected.begin() + 2);
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only("app.INFO"));
}

TEST_F(LinkedLogs, targets_before_the_first_look_are_collected_and_old_ones_are_not) {
  write("h0.log.INFO.1");
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  alive_ns_ = clock_.wall_ns();
  Inodes expected{write_later("h0.log.INFO.2")};
  write_later("h1.log.INFO.3");  // Another log's.
  expected.push_back(write_later("h0.log.INFO.4"));
  expected.push_back(write_later("h0.log.INFO.5"));
  write_later("h0.log.INFO.6");
  link("h0.log.INFO.5", "h0.log");
  restart({});
  declare("h0.log");
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only("h0.log"));
}

TEST_F(LinkedLogs, no_file_outside_the_directories_of_the_log_is_taken_for_a_target) {
  for (const char* volume : {"volumes/1/x.log", "volumes/2/x.log", "volumes/3/x.log"}) {
    fs::create_directories(path(volume).substr(0, path(volume).size() - 6));
  }
  fs::create_directory(path("logs"));
  Inodes expected{write_later("volumes/1/x.log")};
  write_later("volumes/2/x.log");  // Perhaps another container's.
  link("../volumes/1/x.log", "logs/app.log");
  restart({});
  declare("logs/app.log");
  expected.push_back(write_later("volumes/3/x.log"));
  link("../volumes/3/x.log", "logs/app.log");
  look();
  EXPECT_EQ(opened(), expected);
}

TEST_F(LinkedLogs, releases_that_came_and_went_are_read_one_after_the_other) {
  Inodes expected;
  for (const char* release : {"41", "42", "43"}) {
    fs::create_directories(path(std::string("releases/") + release));
    expected.push_back(write_later(std::string("releases/") + release + "/app.log"));
    write(std::string("releases/") + release + "/other.log");
  }
  link("releases/43", "current");
  restart({stored_link("releases/41/app.log", "current/app.log")});
  declare("current/app.log");
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only("current/app.log"));
}

TEST_F(LinkedLogs, the_former_target_is_found_wherever_it_may_have_gone) {
  const auto run = [&](const std::string& from, const std::string& to, bool path_known) {
    fs::create_directories(path("logs/old"));
    fs::create_directories(path("data"));
    Inodes expected{write(from)};
    auto known = stored_link(from, "logs/app.log");
    if (!path_known) known.state.file_path.clear();
    if (from != to) fs::rename(path(from), path(to));
    expected.push_back(write("data/new.txt"));
    link("../data/new.txt", "logs/app.log");
    restart({known});
    declare("logs/app.log");
    EXPECT_EQ(opened(), expected) << from << " " << to;
    EXPECT_EQ(sources(), only("logs/app.log"));
    fs::remove_all(path("logs"));
    fs::remove_all(path("data"));
  };
  run("data/a.txt", "data/a.txt", false);
  run("data/a.txt", "data/a.txt.1", true);
  run("logs/a.txt", "logs/old/a.txt", false);
  run("logs/a.txt", "logs/a.txt", false);
}

TEST_F(LinkedLogs, what_cannot_be_found_is_left_to_the_tail_as_a_loss) {
  write("a-1.txt");
  const auto known = stored_link("a-1.txt");
  fs::remove(path("a-1.txt"));
  const Inodes expected{write("b.txt")};
  link("b.txt");
  restart({known});
  declare("app.log");
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only());
}

TEST_F(LinkedLogs, a_link_to_nothing_leaves_its_last_target_to_be_read) {
  const Inodes expected{write("a-1.txt")};
  const auto known = stored_link("a-1.txt");
  link("a-2.txt");
  restart({known});
  declare("app.log");
  discovery_->look_for_vanished();
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only());
  EXPECT_TRUE(vanished().empty());
}

TEST_F(LinkedLogs, a_link_that_is_gone_leaves_its_last_target_to_be_read) {
  const Inodes expected{write("a-1.txt")};
  restart({stored_link("a-1.txt")});
  declare("app.log");
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only());
}

TEST_F(LinkedLogs, a_turn_that_nobody_saw_is_in_doubt_unless_the_targets_abut) {
  for (const bool quiet : {false, true}) {
    write("a-1.txt");
    const auto known = stored_link("a-1.txt");
    if (quiet) std::this_thread::sleep_for(1100ms);
    write("b.txt");
    link("b.txt");
    restart({known});
    declare("app.log");
    EXPECT_EQ(any_gap(), quiet);
    fs::remove(path("a-1.txt"));
    fs::remove(path("b.txt"));
  }
}

TEST_F(LinkedLogs, the_new_target_may_have_been_rotated_already) {
  fs::create_directories(path("releases/41"));
  fs::create_directories(path("releases/42"));
  Inodes expected{write("releases/41/app.log")};
  const auto known = stored_link("releases/41/app.log", "current/app.log");
  expected.push_back(write_later("releases/42/app.log.1"));
  expected.push_back(write_later("releases/42/app.log"));
  link("releases/42", "current");
  restart({known});
  declare("current/app.log");
  EXPECT_EQ(opened(), expected);
  EXPECT_FALSE(any_gap());
}

TEST_F(LinkedLogs, a_target_whose_link_is_gone_has_vanished_when_it_is_deleted) {
  write("a-1.txt");
  const auto known = stored_link("a-1.txt");
  restart({known});
  discovery_->look_for_vanished();
  EXPECT_TRUE(vanished().empty());
  fs::remove(path("a-1.txt"));
  restart({known});
  discovery_->look_for_vanished();
  EXPECT_EQ(vanished(), std::vector<SourceId>{known.row.id});
}

TEST_F(LinkedLogs, a_target_that_an_earlier_version_knew_by_its_name_goes_on) {
  const uint64_t first = write("a-1.txt");
  Inodes expected{first};
  link("a-1.txt");
  const auto known = stored("a-1.txt");
  restart({known});
  declare("app.log");
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only("a-1.txt"));
  for (const bool same_place : {true, false}) {
    if (same_place) {
      fs::rename(path("a-1.txt"), path("a-1.txt.1"));
      expected.push_back(write("a-1.txt"));
    } else {
      fs::remove(path("a-1.txt"));
      fs::rename(path("a-1.txt.1"), path("a-1.txt"));
      expected = {first, write("b.txt")};
      link("b.txt");
    }
    restart({known});
    declare("app.log");
    std::ranges::sort(expected);
    Inodes all = opened();
    std::ranges::sort(all);
    EXPECT_EQ(all, expected) << same_place;
  }
}

TEST_F(LinkedLogs, a_target_may_be_called_like_a_rotated_file_of_the_link) {
  Inodes expected{write("access.log.20261128")};
  link("access.log.20261128", "access.log");
  declare("access.log");
  expected.push_back(write("access.log.20261129"));
  link("access.log.20261129", "access.log");
  look();
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only("access.log"));
}

TEST_F(LinkedLogs, the_target_itself_may_be_rotated) {
  fs::create_directory(path("data"));
  Inodes expected{write("data/x.log")};
  link("data/x.log");
  declare("app.log");
  const auto known = stored_link("data/x.log");
  for (const bool restarted : {false, true}) {
    fs::remove(path("data/x.log.2"));
    if (restarted) fs::rename(path("data/x.log.1"), path("data/x.log.2"));
    fs::rename(path("data/x.log"), path("data/x.log.1"));
    expected.push_back(write_later("data/x.log"));
    if (restarted) restart({known});
    if (restarted) declare("app.log");
    look();
    EXPECT_EQ(opened(), expected) << restarted;
    EXPECT_EQ(sources(), only());
  }
}

TEST_F(LinkedLogs, a_file_that_the_pattern_names_itself_is_its_own_log) {
  const Inodes expected{write("a-1.log"), write("a-2.log")};
  link("a-1.log", "current.log");
  declare("*.log");
  link("a-2.log", "current.log");
  look();
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(discovery_->sources(), 2u);
}

TEST_F(LinkedLogs, logs_below_a_linked_directory_are_rotated_as_others) {
  fs::create_directory(path("data"));
  Inodes expected{write("data/x.log")};
  link("data", "log");
  const auto known = stored_link("data/x.log", "log/x.log");
  fs::rename(path("data/x.log"), path("data/x.log.1"));
  restart({known});
  declare("log/*.log");
  EXPECT_EQ(opened(), expected);  // Renamed, and not made anew.
  expected.push_back(write_later("data/x.log"));
  look();
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only("log/x.log"));
}

TEST_F(LinkedLogs, a_directory_that_takes_the_place_of_a_renamed_one_is_followed) {
  fs::create_directories(path("app/logs"));
  Inodes expected{write("app/logs/app.log")};
  declare("app/logs/app.log");
  fs::rename(path("app"), path("app.old"));
  fs::create_directories(path("app/logs"));
  expected.push_back(write("app/logs/app.log"));
  discovery_->sweep();
  look();
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only("app/logs/app.log"));
  expected.push_back(0);
  fs::rename(path("app/logs/app.log"), path("app/logs/app.log.1"));
  expected.back() = write("app/logs/app.log");
  look();
  EXPECT_EQ(opened(), expected);
}

TEST_F(LinkedLogs, a_directory_that_is_renamed_before_another_comes_is_noticed_too) {
  fs::create_directories(path("app/logs"));
  Inodes expected{write("app/logs/app.log")};
  declare("app/logs/*.log");
  fs::rename(path("app"), path("app.old"));
  discovery_->sweep();
  look();
  fs::create_directories(path("app/logs"));
  look();
  expected.push_back(write("app/logs/app.log"));
  look();
  EXPECT_EQ(opened(), expected);
}

TEST_F(LinkedLogs, after_a_restart_the_file_of_a_renamed_directory_is_read_to_its_end) {
  for (const char* renamed : {"app", "app/logs"}) {
    fs::create_directories(path("app/logs"));
    Inodes expected{write("app/logs/app.log"), write("app/logs/error.log")};
    const auto known = stored("app/logs/app.log"), other = stored("app/logs/error.log");
    fs::rename(path(renamed), path(std::string(renamed) + ".old"));
    fs::create_directories(path("app/logs"));
    expected.insert(expected.begin() + 1, write("app/logs/app.log"));
    expected.push_back(write("app/logs/error.log"));
    restart({known, other});
    declare("app/logs/*.log");
    EXPECT_EQ(opened(), expected) << renamed;
    fs::remove_all(path("app"));
    fs::remove_all(path("app.old"));
  }
}

TEST_F(LinkedLogs, a_log_that_became_a_link_leaves_its_targets_to_be_read) {
  Inodes expected{write("app.log")};
  auto known = stored("app.log");
  fs::rename(path("app.log"), path("app-0.log"));
  for (const char* target : {"app-1.log", "app-2.log", "app-3.log"}) {
    expected.push_back(write_later(target));
    link(target);
  }
  restart({known});
  declare("app.log");
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only());
}

TEST_F(LinkedLogs, a_glob_that_names_link_and_targets_finds_those_of_the_time_without_an_agent) {
  for (const bool is_gone : {false, true}) {
    Inodes expected{write("app-1.log")};
    const auto known = stored_link("app-1.log");
    for (const char* target : {"app-2.log", "app-3.log", "app-4.log"}) {
      expected.push_back(write_later(target));
      link(target);
    }
    if (is_gone) {
      fs::remove(path("app-1.log"));
      expected.erase(expected.begin());
    }
    std::this_thread::sleep_for(1100ms);
    write("app-4.log");  // Long after its link was made.
    restart({known});
    declare("*");
    EXPECT_EQ(opened(), expected) << is_gone;
    EXPECT_EQ(sources(), only());
    EXPECT_EQ(any_gap(), is_gone);
    discovery_.reset();
    for (const auto& each : fs::directory_iterator(directory_.path())) fs::remove(each);
  }
}

TEST_F(LinkedLogs, a_link_that_is_gone_at_the_first_look_is_no_name_for_other_logs) {
  const Inodes expected{write("a-1.txt")};
  fs::create_directories(path("there"));
  write("there/b.txt");
  const auto link = stored_link("a-1.txt"), other = stored_link("there/b.txt", "there/app.log");
  ASSERT_EQ(link.row.name, other.row.name);  // Of one declaration, which had another path.
  restart({link, other});
  declare("app.log");
  EXPECT_EQ(opened(), expected);
  EXPECT_EQ(sources(), only());
}

TEST_F(LinkedLogs, directories_that_were_renamed_one_after_the_other_are_read_in_their_order) {
  for (const bool is_up : {false, true}) {
    fs::create_directories(path("app"));
    Inodes expected{write("app/app.log")};
    const auto known = stored("app/app.log");
    if (is_up) {
      restart({});
      declare("app/app.log");
    }
    for (const char* renamed : {"app-before-1", "app-before-2", "app-before-3"}) {
      std::this_thread::sleep_for(20ms);
      fs::rename(path("app"), path(renamed));
      fs::create_directories(path("app"));
      expected.push_back(write("app/app.log"));
    }
    if (is_up) {
      discovery_->sweep();
      look();
    } else {
      restart({known});
      declare("app/app.log");
    }
    EXPECT_EQ(opened(), expected) << is_up;
    EXPECT_FALSE(any_gap());
    discovery_.reset();
    for (const auto& each : fs::directory_iterator(directory_.path())) fs::remove_all(each);
  }
}

TEST_F(LinkedLogs, where_others_may_have_been_renamed_out_of_sight_is_a_doubt) {
  fs::create_directories(path("app"));
  Inodes expected{write("app/app.log")};
  declare("app/app.log", "c");
  for (const char* renamed : {"app-before-1", "app-before-2"}) {
    fs::rename(path("app"), path(renamed));
    fs::create_directories(path("app"));
    write("app/app.log");
  }
  expected.push_back(write("app/app.log"));
  discovery_->sweep();
  look();
  EXPECT_EQ(opened(), expected);
  EXPECT_TRUE(any_gap());
}

TEST_F(LinkedLogs, a_directory_that_took_the_place_of_a_watched_one_was_not_watched) {
  fs::create_directories(path("app"));
  Inodes expected{write("app/app.log")};
  declare("app/app.log", "c");
  fs::rename(path("app"), path("app-before-1"));
  fs::create_directories(path("app"));
  expected.push_back(write("app/app.log"));
  write("app-before-1/other");  // An event, before the sweep.
  look();
  EXPECT_EQ(opened(), expected);
  EXPECT_TRUE(any_gap());
}

}  // namespace
}  // namespace longshore::agent
