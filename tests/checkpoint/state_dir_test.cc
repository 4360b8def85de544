// Goal: a state directory belongs to one agent and lies on a disk that keeps it; every refusal is
// one sentence that says what to do, and leaves nothing behind. (Full disks and tmpfs:
// store_disk_test.cc.)
// Method: one test for each fact, in the test's own directory; a child process holds the lock.

#include "checkpoint/state_dir.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>

#include "tests/fakes/memory_store.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::checkpoint {
namespace {

// Whether the tests' own directory lies where checkpoints do not last decides nothing here.
Result<StateDir> open(const std::string& path) { return StateDir::open(path, true); }

std::string refusal(const std::string& path, bool ephemeral_allowed = true) {
  const auto opened = StateDir::open(path, ephemeral_allowed);
  EXPECT_FALSE(opened);
  if (opened) return "";
  EXPECT_EQ(opened.error().code, ErrorCode::kInvalid);
  EXPECT_TRUE(opened.error().message.ends_with(".")) << opened.error().message;
  EXPECT_NE(opened.error().message.find("/"), std::string::npos);
  return opened.error().message;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(StateDir, a_missing_directory_is_made_for_the_owner_alone) {
  const fakes::TemporaryDir dir;
  for (const std::string& path : {dir.path() + "/one", dir.path() + "/two/"}) {
    const auto opened = open(path);
    ASSERT_TRUE(opened) << opened.error().message;
    EXPECT_EQ(opened.value().path(), path);
    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms::owner_all);
  }
}

TEST(StateDir, a_relative_path_is_taken_from_where_we_are) {
  const fakes::TemporaryDir dir;
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(dir.path());
  EXPECT_TRUE(open("state"));
  std::filesystem::current_path(before);
  EXPECT_TRUE(std::filesystem::exists(dir.path() + "/state/lock"));
}

TEST(StateDir, a_missing_parent_is_named) {
  const fakes::TemporaryDir dir;
  const std::string sentence = refusal(dir.path() + "/no/state");
  EXPECT_TRUE(contains(sentence, dir.path() + "/no:")) << sentence;
  EXPECT_FALSE(std::filesystem::exists(dir.path() + "/no"));
}

TEST(StateDir, what_is_no_directory_is_refused) {
  const fakes::TemporaryDir dir;
  std::ofstream(dir.path() + "/file") << "x";
  EXPECT_TRUE(contains(refusal(dir.path() + "/file"), "is not a directory"));
  EXPECT_TRUE(contains(refusal(dir.path() + "/file/state"), "cannot be opened"));
  EXPECT_FALSE(open(""));
}

TEST(StateDir, opening_leaves_only_the_lock_with_our_pid) {
  const fakes::TemporaryDir dir;
  const auto opened = open(dir.path());
  ASSERT_TRUE(opened);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir.path())) {
    EXPECT_EQ(entry.path().filename(), "lock");
    ++files;
  }
  EXPECT_EQ(files, 1);
  long pid = 0;
  std::ifstream(dir.path() + "/lock") >> pid;
  EXPECT_EQ(pid, ::getpid());
}

TEST(StateDir, a_second_agent_is_told_who_holds_it) {
  const fakes::TemporaryDir dir;
  int ready[2];
  ASSERT_EQ(::pipe2(ready, O_CLOEXEC), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto held = open(dir.path());
    if (!held || ::write(ready[1], "x", 1) != 1) ::_exit(1);
    for (;;) ::pause();
  }
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  const std::string sentence = refusal(dir.path());
  EXPECT_TRUE(contains(sentence, "pid " + std::to_string(child) + ", started 20")) << sentence;
  EXPECT_FALSE(contains(sentence, "checkpoint_test")) << "arguments may hold secrets: " << sentence;

  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(open(dir.path())) << "a dead agent holds nothing";
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST(StateDir, a_lock_of_an_older_version_names_the_pid_alone) {
  const fakes::TemporaryDir dir;
  const auto held = open(dir.path());
  for (const auto& [text, holder] : {std::pair("4711\n", "in use by pid 4711: stop"),
                                     std::pair("", "in use by another process: stop"),
                                     std::pair("no pid\n", "in use by another process: stop")}) {
    std::ofstream(dir.path() + "/lock") << text;
    EXPECT_TRUE(contains(refusal(dir.path()), holder)) << refusal(dir.path());
  }
}

TEST(StateDir, the_lock_is_free_when_its_holder_goes) {
  const fakes::TemporaryDir dir;
  {
    const auto held = open(dir.path());
    ASSERT_TRUE(held);
    EXPECT_TRUE(contains(refusal(dir.path()), "in use by pid"));
  }
  EXPECT_TRUE(open(dir.path()));
}

TEST(StateDir, a_directory_that_cannot_be_written_is_refused) {
  const fakes::TemporaryDir dir;
  const std::string path = dir.path() + "/state";
  ASSERT_TRUE(open(path));
  // Root may write where permissions forbid it: only a read-only mount stops it.
  ASSERT_EQ(::mount(path.c_str(), path.c_str(), nullptr, MS_BIND, nullptr), 0) << "needs root";
  ASSERT_EQ(::mount(nullptr, path.c_str(), nullptr, MS_BIND | MS_REMOUNT | MS_RDONLY, nullptr), 0);
  const std::string sentence = refusal(path);
  ::umount2(path.c_str(), MNT_DETACH);
  EXPECT_TRUE(contains(sentence, "is not writable")) << sentence;
}

TEST(StateDir, a_lock_that_is_a_symlink_is_not_followed) {
  const fakes::TemporaryDir dir;
  std::filesystem::create_symlink(dir.path() + "/elsewhere", dir.path() + "/lock");
  EXPECT_TRUE(contains(refusal(dir.path()), "lock"));
  EXPECT_FALSE(std::filesystem::exists(dir.path() + "/elsewhere"));
}

TEST(StateDir, an_overlay_is_refused_unless_it_is_meant) {
  const fakes::TemporaryDir dir;
  for (const char* name : {"/tmpfs", "/merged"}) {
    std::filesystem::create_directory(dir.path() + name);
  }
  // The layers lie on a tmpfs, since an overlay cannot stand on an overlay.
  const std::string disk = dir.path() + "/tmpfs", merged = dir.path() + "/merged";
  ASSERT_EQ(::mount("t", disk.c_str(), "tmpfs", 0, "size=1m"), 0) << "needs root";
  for (const char* name : {"/lower", "/upper", "/work"}) {
    std::filesystem::create_directory(disk + name);
  }
  const std::string options =
      "lowerdir=" + disk + "/lower,upperdir=" + disk + "/upper,workdir=" + disk + "/work";
  const bool mounted = ::mount("o", merged.c_str(), "overlay", 0, options.c_str()) == 0;
  EXPECT_TRUE(mounted) << std::strerror(errno);
  const std::string sentence = refusal(merged, false);
  EXPECT_TRUE(contains(sentence, "overlay") && contains(sentence, "--ephemeral-state")) << sentence;
  EXPECT_TRUE(StateDir::open(merged, true));
  ::umount2(merged.c_str(), MNT_DETACH);
  ::umount2(disk.c_str(), MNT_DETACH);
}

TEST(HostId, is_a_random_uuid_made_once) {
  fakes::MemoryStore one, other;
  const auto id = host_id(one);
  ASSERT_TRUE(id);
  const std::string pattern = "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx";
  ASSERT_EQ(id.value().size(), pattern.size());
  for (size_t i = 0; i < pattern.size(); ++i) {
    const std::string allowed = pattern[i] == 'x'   ? "0123456789abcdef"
                                : pattern[i] == 'y' ? "89ab"
                                                    : std::string(1, pattern[i]);
    EXPECT_TRUE(contains(allowed, std::string(1, id.value()[i]))) << id.value();
  }
  EXPECT_EQ(host_id(one).value(), id.value());
  EXPECT_NE(host_id(other).value(), id.value());
}

TEST(HostId, that_cannot_be_stored_is_not_used) {
  fakes::MemoryStore store;
  store.fail_change(ErrorCode::kRetryable);
  EXPECT_FALSE(host_id(store));
  EXPECT_EQ(store.value("host_id").value(), "");
}

TEST(LastAlive, is_never_later_than_what_an_agent_saw) {
  fakes::MemoryStore store;
  EXPECT_EQ(last_alive(store, 1000).value(), 1000);
  EXPECT_EQ(last_alive(store, 2000).value(), 1000);
  EXPECT_EQ(last_alive(store, 500).value(), 0);  // The clock went back: all may be new.
}

TEST(Boots, the_one_before_is_the_last_in_which_an_agent_lived) {
  fakes::MemoryStore store;
  EXPECT_EQ(note_boot(store, 11).value().before, 0u);
  EXPECT_EQ(note_boot(store, UINT64_MAX).value().before, 11u);
  EXPECT_EQ(note_boot(store, UINT64_MAX).value().before, 11u);
  EXPECT_EQ(note_boot(store, 12).value().before, UINT64_MAX);
}

}  // namespace
}  // namespace longshore::checkpoint
