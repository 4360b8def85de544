// Goal: after a restart the agent resumes each source wherever its file is now, under the log that
// declares it, and reports the sources whose file is gone.
// Method: the real Discovery over real directories, given what a checkpoint remembers. Between two
// runs of the agent, files are renamed, replaced and removed.

#include <sys/resource.h>

#include "agent/discovery/discovery.h"
#include "tests/fakes/discovery_fixture.h"

namespace longshore::agent {
namespace {

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
  EXPECT_EQ(vanished(), std::vector<SourceId>{all[1].row.id});
  EXPECT_EQ(opened().size(), 1u);
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

TEST_F(DiscoveryTest, what_was_compressed_at_once_is_offered_between_the_log_and_what_it_was) {
  write("x.log");
  const auto remembered = stored("x.log");
  fs::remove(path("x.log"));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  write("x.log.9");
  fs::rename(path("x.log.9"),
             path("x.log.2.gz"));  // Its bytes are no archive: it is read as it is.
  Inodes expected;
  for (const char* name : {"x.log.2.gz", "x.log.1.gz", "x.log"}) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    write(name);
    expected.push_back(write(name));  // Too short a file may be an archive that is being made.
  }
  // What is older than the log is history, and what is being made is not complete.
  write("x.log.5.gz");
  const timespec old[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("x.log.5.gz").c_str(), old, 0), 0);
  write("x.log.4");
  write("x.log.4.gz");
  ASSERT_EQ(::utimensat(AT_FDCWD, path("x.log.4").c_str(), old, 0), 0);
  restart({remembered});
  declare("x.log");
  Inodes found = opened();
  std::erase_if(found,
                [&](uint64_t each) { return std::ranges::find(expected, each) == expected.end(); });
  EXPECT_EQ(found, expected);
  EXPECT_LE(opened().size(), 4u);
}

TEST_F(DiscoveryTest, what_was_compressed_before_anything_was_stored_is_read_too) {
  write("x.log.1.gz");
  Inodes expected{write("x.log.1.gz")};
  expected.push_back(write("x.log"));
  declare("x.log");
  EXPECT_EQ(opened(), expected);
}

TEST_F(DiscoveryTest, a_log_of_which_only_compressed_files_are_left_is_read_on) {
  write("x.1.log");
  const auto remembered = stored("x.1.log");
  fs::remove(path("x.1.log"));
  write("x.1.log.gz");
  const Inodes packed{write("x.1.log.gz")};
  restart({remembered});
  declare("*");
  EXPECT_EQ(opened(), packed);
  restart({});
  declare("x.log");
  EXPECT_EQ(collected(), std::vector<std::string>{"app x.log"});
}

TEST_F(DiscoveryTest, a_plain_generation_comes_after_an_older_one_that_was_compressed_later) {
  const int64_t rotated_ns = clock_.wall_ns();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const uint64_t plain = write("x.log.1");
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  write("x.log.2.gz");
  Inodes expected{write("x.log.2.gz"), plain};
  const timespec then{.tv_sec = rotated_ns / 1'000'000'000, .tv_nsec = rotated_ns % 1'000'000'000};
  const timespec times[2] = {then, then};
  ASSERT_EQ(::utimensat(AT_FDCWD, path("x.log.2.gz").c_str(), times, 0), 0);
  auto remembered = stored("x.log.2.gz");
  expected.push_back(write("x.log"));
  remembered.row = stored("x.log").row;
  restart({remembered});
  declare("x.log");
  EXPECT_EQ(opened(), expected);
}

TEST_F(DiscoveryTest, a_compressed_file_may_be_the_copy_of_a_truncated_log) {
  write("x.log");
  declare("x.log");
  write("x.log.1.gz");
  const uint64_t packed = write("x.log.1.gz");
  discovery_->look_for_copy(make_source_id("host", path("x.log"), ""));
  const auto* copies = std::get_if<CopiesFound>(&messages_.back());
  ASSERT_NE(copies, nullptr);
  ASSERT_EQ(copies->files.size(), 1u);
  EXPECT_EQ(copies->files[0]->identity.inode, packed);
}

TEST_F(DiscoveryTest, a_closed_generation_that_was_written_to_later_is_offered_again) {
  const Inodes closed{write("x.log.1")};
  const auto old_worker = stored("x.log.1").state.file;
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const uint64_t log = write("x.log");
  auto remembered = stored("x.log");
  remembered.state.closed = {old_worker};
  restart({remembered});
  declare("x.log");
  EXPECT_EQ(opened(), Inodes{log});
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  write("x.log.1");
  restart({remembered});
  declare("x.log");
  EXPECT_EQ(opened(), (Inodes{log, closed[0]}));
}

TEST_F(DiscoveryTest, a_file_that_was_renamed_and_not_made_anew_is_still_read) {
  const Inodes expected{write("x.log")};
  const auto remembered = stored("x.log");
  fs::rename(path("x.log"), path("x.log.1"));
  restart({remembered});
  declare("x.log");
  EXPECT_EQ(opened(), expected);
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

TEST_F(DiscoveryTest, what_was_born_while_no_agent_ran_begins_at_its_first_byte) {
  write("old.log");
  ::usleep(50'000);
  alive_ns_ = clock_.wall_ns();
  ::usleep(50'000);
  write("new.log");
  restart({});
  Declaration at_end = declaration("*.log");
  at_end.start_given = true;
  at_end.start = StartAt::kEnd;
  declare(at_end);
  std::vector<uint64_t> offsets;
  for (const ToLane& message : messages_) {
    if (const auto* opened = std::get_if<SourceOpened>(&message)) {
      offsets.push_back(opened->start_offset);
    }
  }
  EXPECT_EQ(offsets, (std::vector<uint64_t>{0, 5}));
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

TEST_F(DiscoveryTest, what_was_renamed_where_nobody_declares_it_has_not_vanished) {
  write("x.log");
  const auto known = stored("x.log");
  fs::rename(path("x.log"), path("x.log-20261121"));
  restart({known});
  discovery_->look_for_vanished();
  EXPECT_TRUE(messages_.empty());
}

TEST_F(DiscoveryTest, what_was_rotated_on_where_nobody_declares_it_waits_for_who_does) {
  write("x.log");
  const auto known = stored("x.log");
  fs::remove(path("x.log"));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const uint64_t second = write("x.log.2");
  const uint64_t third = write("x.log.1");
  restart({known});
  discovery_->look_for_vanished();
  EXPECT_TRUE(messages_.empty());
  declare("x.log");
  EXPECT_EQ(opened(), (Inodes{second, third}));
}

TEST_F(DiscoveryTest, what_was_rotated_before_does_not_keep_what_is_gone_from_having_vanished) {
  write("x.log.1");
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  write("x.log");
  const auto known = stored("x.log");
  fs::remove(path("x.log"));
  restart({known});
  discovery_->look_for_vanished();
  EXPECT_EQ(vanished(), std::vector<SourceId>{known.row.id});
}

TEST_F(DiscoveryTest, what_has_vanished_is_told_with_who_declared_it_last) {
  write("x.log");
  auto known = stored("x.log");
  known.row.name = "access";
  known.row.container_id = "c1";
  known.row.container_name = "shop";
  for (const bool declared_again : {false, true}) {
    write("x.log");
    known.state.file = stored("x.log").state.file;
    restart({known});
    if (declared_again) {
      declare("x.log", "c2", "errors");
      discovery_->gone("c2");
      look();
      messages_.clear();
      clock_.ahead_ns += 2 * limits::kVanishedLookNs;
    }
    fs::remove(path("x.log"));
    discovery_->look_for_vanished();
    ASSERT_EQ(messages_.size(), 1u);
    const SourceSpec& spec = *std::get<SourceVanished>(messages_[0]).spec;
    EXPECT_EQ(spec.declaration->name, declared_again ? "errors" : "access");
    EXPECT_EQ(spec.container_id, declared_again ? "c2" : "c1");
    EXPECT_EQ(spec.container_name, declared_again ? "c2" : "shop");
    EXPECT_EQ(spec.host_path, path("x.log"));
  }
}

TEST_F(DiscoveryTest, what_cannot_be_looked_for_has_not_vanished) {
  write("x.log");
  const auto known = stored("x.log");
  fs::rename(path("x.log"), path("x.log.1"));
  rlimit limit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  // UBSan opens descriptors at code it meets for the first time, so the first look is not limited.
  restart({known});
  discovery_->look_for_vanished();
  EXPECT_TRUE(vanished().empty());
  for (rlim_t room = 8; room-- > 0;) {
    restart({known});
    const Fd lowest(::open("/", O_PATH | O_CLOEXEC));
    const rlimit full{.rlim_cur = static_cast<rlim_t>(lowest.get()) + room,
                      .rlim_max = limit.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &full), 0);
    discovery_->look_for_vanished();
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
    EXPECT_TRUE(vanished().empty()) << room;
  }
}

TEST_F(DiscoveryTest, a_symlink_leads_to_nothing_that_could_be_remembered) {
  fs::create_directory(path("sub"));
  write("sub/x.log");
  const auto known = stored("sub/x.log");
  fs::rename(path("sub"), path("other"));
  fs::create_symlink(path("other"), path("sub"));
  restart({known});
  discovery_->look_for_vanished();
  EXPECT_EQ(vanished(), std::vector<SourceId>{known.row.id});
}

TEST_F(DiscoveryTest, what_is_deleted_long_after_it_was_let_go_has_vanished) {
  write("x.log");
  write("y.log");
  declare("*.log", "c");
  discovery_->look_for_vanished();
  discovery_->gone("c");
  fs::remove(path("x.log"));
  discovery_->sweep();
  EXPECT_TRUE(vanished().empty());
  for (int hour = 0; hour < 3; ++hour) {
    clock_.ahead_ns += 3'600'000'000'001;
    discovery_->sweep();
    EXPECT_EQ(vanished(), std::vector<SourceId>{make_source_id("host", path("x.log"), "")});
  }
}

TEST_F(DiscoveryTest, both_streams_of_a_container_go_on_as_themselves) {
  write("c-json.log");
  const std::vector<checkpoint::StoredSource> both{stored("c-json.log", Stream::kStdout),
                                                   stored("c-json.log", Stream::kStderr)};
  Declaration out = declaration("c-json.log", "out");
  Declaration error = declaration("c-json.log", "error");
  out.stream = Stream::kStdout;
  error.stream = Stream::kStderr;
  for (const bool rotated : {false, true}) {
    if (rotated) fs::rename(path("c-json.log"), path("c-json.log.1"));
    restart(both);
    declare(out, "c");
    declare(error, "c");
    EXPECT_EQ(collected(), (std::vector<std::string>{"out c-json.log", "error c-json.log"}));
    for (const ToLane& message : messages_) {
      const auto* opened = std::get_if<SourceOpened>(&message);
      if (opened == nullptr) continue;
      const Stream stream = opened->spec->declaration->stream;
      EXPECT_EQ(opened->spec->id, make_source_id("host", path("c-json.log"), stream_name(stream)));
    }
  }
}

TEST_F(DiscoveryTest, a_log_that_one_declaration_leaves_out_goes_on_as_the_others) {
  write("access.log");
  write("app.log");
  const std::vector<checkpoint::StoredSource> known{stored("access.log"), stored("app.log")};
  Declaration all = declaration("*.log", "a");
  all.exclude = "access.log";
  const std::vector<std::string> expected{"a app.log", "b access.log"};
  for (const bool rotated : {false, true}) {
    if (rotated) fs::rename(path("access.log"), path("access.log.1"));
    restart(known);
    declare(all);
    declare("access.log", "", "b");
    EXPECT_EQ(collected(), expected);
  }
}

TEST_F(DiscoveryTest, a_log_on_the_way_to_where_a_pattern_ends_is_not_its_own) {
  write("x.log");
  fs::create_directory(path("sub"));
  const std::vector<checkpoint::StoredSource> known{stored("x.log")};
  fs::rename(path("x.log"), path("x.log.1"));
  restart(known);
  declare("*/x.log", "", "below");
  declare("x.log", "", "here");
  EXPECT_EQ(collected(), std::vector<std::string>{"here x.log"});
}

}  // namespace
}  // namespace longshore::agent
