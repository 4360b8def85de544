// Goal: a pattern finds the regular files that the container itself wrote, through overlay layers
// and symlinks as the container sees them, and never a file of the host.
// Method: directories used as layers, with everything in them that a hostile image could hold.
#include "agent/files/container_fs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <atomic>
#include <chrono>
#include <set>
#include <thread>

#include "config/limits.h"
#include "tests/fakes/container_tree.h"

namespace longshore::agent {
namespace {

using Paths = std::vector<std::string>;

TEST(ContainerFs, a_written_file_is_found_with_its_path_on_the_host) {
  const ContainerTree tree;
  tree.file("upper/app/a.log", "12345");
  const auto result = tree.scan("/app/a.log");
  ASSERT_EQ(result.files.size(), 1U);
  EXPECT_EQ(result.files[0].host_path, tree.path("upper/app/a.log"));
  EXPECT_EQ(result.files[0].container_path, "/app/a.log");
  EXPECT_EQ(result.files[0].file_name, "a.log");
  EXPECT_EQ(result.files[0].facts.size_bytes, 5U);
  EXPECT_EQ(watched(result), Paths{tree.path("upper/app")});
  EXPECT_TRUE(result.problems.empty());
}

TEST(ContainerFs, a_file_of_the_image_alone_is_not_collected) {
  const ContainerTree tree;
  tree.file("lower/app/a.log");
  const auto result = tree.scan("/app/*.log");
  EXPECT_TRUE(result.files.empty());
  EXPECT_TRUE(result.problems.empty());
  EXPECT_EQ(watched(result), Paths{tree.path("upper")});
}

TEST(ContainerFs, a_file_that_was_copied_up_starts_behind_the_images_part) {
  const ContainerTree tree;
  const std::string image(100'000, 'i');
  tree.file("lower/app/copied.log", image);
  tree.file("upper/app/copied.log", image + "new\n");
  tree.file("lower/app/emptied.log", image);
  tree.file("upper/app/emptied.log", "fresh\n");
  tree.file("lower/app/anew.log", "old line\n");
  tree.file("upper/app/anew.log", "a log that was begun anew\n");
  const auto result = tree.scan("/app/*.log");
  ASSERT_EQ(result.files.size(), 3U);
  EXPECT_EQ(result.files[0].file_name, "anew.log");
  EXPECT_EQ(result.files[0].image_bytes, 0U);
  EXPECT_EQ(result.files[1].image_bytes, image.size());
  EXPECT_EQ(result.files[2].image_bytes, 0U);
}

TEST(ContainerFs, a_whiteout_hides_what_lies_below) {
  const ContainerTree tree;
  tree.file("lower/app/x/a.log");
  tree.link("lower/app/y", "z");
  tree.file("upper/app/z/a.log");
  EXPECT_EQ(container_paths(tree.scan("/app/y/*.log")), Paths{"/app/z/a.log"});
  ASSERT_TRUE(tree.node("upper/app/y", S_IFCHR | 0600, makedev(0, 0)));
  const auto result = tree.scan("/app/y/*.log");
  EXPECT_TRUE(result.files.empty());
  EXPECT_TRUE(result.problems.empty());
}

TEST(ContainerFs, an_opaque_directory_hides_what_lies_below) {
  const ContainerTree tree;
  tree.link("lower/app/current.log", "real.log");
  tree.file("upper/app/real.log");
  EXPECT_EQ(tree.scan("/app/current.log").files.size(), 1U);
  for (const char* name : {"trusted.overlay.opaque", "user.overlay.opaque"}) {
    ASSERT_EQ(::setxattr(tree.path("upper/app").c_str(), name, "y", 1, 0), 0);
    EXPECT_EQ(tree.scan("/app/current.log").files.size(), 0U);
    ASSERT_EQ(::removexattr(tree.path("upper/app").c_str(), name), 0);
  }
}

TEST(ContainerFs, a_file_hides_a_directory_of_the_image) {
  const ContainerTree tree;
  tree.link("lower/app/logs/current", "/data.log");
  tree.file("upper/data.log");
  tree.file("upper/app/logs");
  EXPECT_TRUE(tree.scan("/app/logs/current").files.empty());
  EXPECT_TRUE(tree.scan("/app/logs/*").files.empty());
}

TEST(ContainerFs, a_file_without_data_is_told_by_its_blocks_where_the_mark_is_hidden) {
  const ContainerTree tree;
  tree.file("lower/app/a.log", "of the image\n");
  tree.file("upper/app/a.log", "");
  std::filesystem::resize_file(tree.path("upper/app/a.log"), 13);
  auto result = tree.scan("/app/a.log");
  EXPECT_TRUE(result.files.empty());
  EXPECT_EQ(result.problems.size(), 1U);
  EXPECT_TRUE(result.is_passing);
  tree.file("upper/app/a.log", "of the image\nof the container\n");
  result = tree.scan("/app/a.log");
  ASSERT_EQ(result.files.size(), 1U);
  EXPECT_EQ(result.files[0].image_bytes, 13U);
  EXPECT_FALSE(result.is_passing);
}

TEST(ContainerFs, what_may_be_the_containers_is_collected_where_marks_are_hidden) {
  const ContainerTree tree;
  tree.file("lower/app/a.log", "starting\n");
  tree.file("upper/app/a.log", "starting\nof the container\n");
  FsSpec spec = tree.spec();
  spec.reads_trusted_marks = false;
  const auto result = tree.scan(spec, "/app/a.log");
  ASSERT_EQ(result.files.size(), 1U);
  EXPECT_EQ(result.files[0].image_bytes, 0U);
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_NE(result.problems[0].find("CAP_SYS_ADMIN"), std::string::npos);
}

TEST(ContainerFs, redirects_and_files_without_data_are_said_and_not_followed) {
  const ContainerTree tree;
  tree.file("lower/app/meta.log");
  tree.file("upper/app/meta.log");
  tree.directory("lower/moved");
  tree.file("upper/moved/a.log");
  const auto set = [&](const char* path, const char* name) {
    return ::setxattr(tree.path(path).c_str(), name, "/x", 2, 0) == 0;
  };
  ASSERT_TRUE(set("upper/app/meta.log", "trusted.overlay.metacopy"));
  ASSERT_TRUE(set("upper/moved", "trusted.overlay.redirect"));
  EXPECT_TRUE(tree.scan("/app/meta.log").files.empty());
  EXPECT_EQ(tree.scan("/app/meta.log").problems.size(), 1U);
  EXPECT_EQ(tree.scan("/moved/a.log").files.size(), 1U);
  EXPECT_EQ(tree.scan("/moved/a.log").problems.size(), 1U);
}

TEST(ContainerFs, symlinks_resolve_inside_the_container) {
  const ContainerTree tree;
  tree.file("upper/data/logs/a.log");
  tree.link("upper/absolute", "/data/logs");
  tree.link("upper/srv/relative", "../data/./logs/");
  tree.link("upper/srv/last.log", "/absolute/../logs/a.log");
  tree.link("upper/up", "../../../../../../../../data/logs/a.log");
  const Paths expected = {"/data/logs/a.log"};
  EXPECT_EQ(container_paths(tree.scan("/absolute/a.log")), expected);
  EXPECT_EQ(container_paths(tree.scan("/srv/relative/*.log")), expected);
  EXPECT_EQ(container_paths(tree.scan("/srv/last.log")), expected);
  EXPECT_EQ(container_paths(tree.scan("/up")), expected);
  const Paths both = {tree.path("upper"), tree.path("upper/data/logs")};
  EXPECT_EQ(watched(tree.scan("/absolute/a.log")), both);
}

TEST(ContainerFs, no_symlink_leads_to_the_host) {
  const ContainerTree tree;
  tree.file("outside/secret.log");
  tree.link("upper/etc-absolute", "/etc");
  tree.link("upper/a/etc-relative", "../../../../../../../../../../etc");
  tree.link("upper/outside", "../outside");
  tree.link("upper/path", tree.path("outside"));
  tree.link("upper/passwd", "/etc/passwd");
  tree.link("upper/proc", "/proc/self/root/etc");
  tree.link("lower/image", "/etc/passwd");
  for (const char* pattern :
       {"/etc-absolute/passwd", "/a/etc-relative/*", "/outside/*", "/path/*.log", "/passwd",
        "/proc/passwd", "/image", "/../../etc/passwd", "/a/../../../etc/passwd", "/*", "/**"}) {
    const auto result = tree.scan(pattern);
    EXPECT_TRUE(result.files.empty()) << pattern;
  }
  EXPECT_TRUE(tree.scan(std::string("/..\0x/..\0x/etc/passwd", 22)).files.empty());
}

TEST(ContainerFs, symlinks_in_a_circle_end) {
  const ContainerTree tree;
  tree.link("upper/a", "b");
  tree.link("upper/b", "/a");
  tree.link("upper/self", "self/self");
  const auto result = tree.scan("/a");
  EXPECT_TRUE(result.files.empty());
  EXPECT_EQ(result.problems.size(), 1U);
  EXPECT_TRUE(tree.scan("/self/x").files.empty());
}

TEST(ContainerFs, long_symlink_chains_are_stopped_by_the_budget_of_a_name) {
  const ContainerTree tree;
  std::string target;
  while (target.size() < 4000) target += "d/../";
  tree.directory("upper/d");
  tree.link("upper/gone", target + "gone2");
  tree.link("upper/gone2", target + "gone3");
  tree.link("upper/gone3", target + "gone4");
  for (int i = 0; i < 20; ++i) tree.link("upper/l" + std::to_string(i), target + "gone");
  tree.file("upper/last.log");
  const auto begin = std::chrono::steady_clock::now();
  const auto result = tree.scan("/l*");
  EXPECT_EQ(container_paths(result), Paths{"/last.log"});
  EXPECT_EQ(result.problems.size(), 1U);
  EXPECT_FALSE(result.refused.any());
  // There is one for all of them as well, and it is told.
  for (int i = 20; i < 100; ++i) tree.link("upper/l" + std::to_string(i), target + "gone");
  EXPECT_TRUE(tree.scan("/l*").refused.names);
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(20));
}

TEST(ContainerFs, a_symlink_is_followed_only_if_root_or_the_targets_owner_made_it) {
  const ContainerTree tree;
  tree.file("upper/root.log");
  tree.file("upper/hers.log");
  ASSERT_TRUE(tree.own("upper/hers.log", 1001));
  for (const char* name : {"to-root", "to-hers"}) {
    tree.link(std::string("upper/") + name, std::string(name + 3) + ".log");
    EXPECT_EQ(tree.scan(std::string("/") + name).files.size(), 1U) << name;
    ASSERT_TRUE(tree.own(std::string("upper/") + name, 1001));
  }
  EXPECT_EQ(tree.scan("/to-hers").files.size(), 1U);
  const auto refused = tree.scan("/to-root");
  EXPECT_TRUE(refused.files.empty());
  ASSERT_EQ(refused.problems.size(), 1U);
  EXPECT_NE(refused.problems[0].find("uid 1001"), std::string::npos);
}

TEST(ContainerFs, a_dangling_symlink_is_watched_where_its_target_may_appear) {
  const ContainerTree tree;
  tree.link("upper/app/current", "/data/new/a.log");
  tree.directory("upper/data");
  const Paths expected = {tree.path("upper/app"), tree.path("upper/data")};
  EXPECT_EQ(watched(tree.scan("/app/current")), expected);
  tree.file("upper/data/new/a.log");
  EXPECT_EQ(tree.scan("/app/current").files.size(), 1U);
}

TEST(ContainerFs, stdout_by_symlink_is_said) {
  const ContainerTree tree;
  tree.link("lower/var/log/access.log", "/dev/stdout");
  const auto result = tree.scan("/var/log/access.log");
  EXPECT_TRUE(result.files.empty());
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_NE(result.problems[0].find("declare stdout"), std::string::npos);
}

TEST(ContainerFs, what_is_no_regular_file_is_a_problem_and_blocks_nothing) {
  const ContainerTree tree;
  ASSERT_TRUE(tree.node("upper/a.log", S_IFIFO | 0600));
  ASSERT_TRUE(tree.node("upper/b.log", S_IFCHR | 0600, makedev(1, 5)));
  ASSERT_TRUE(tree.node("upper/c.log", S_IFSOCK | 0600));
  tree.directory("upper/d.log");
  tree.file("upper/e.log");
  const auto result = tree.scan("/*.log");
  EXPECT_EQ(container_paths(result), Paths{"/e.log"});
  EXPECT_EQ(result.problems.size(), 4U);
}

TEST(ContainerFs, names_in_problems_hold_no_control_bytes) {
  const ContainerTree tree;
  ASSERT_TRUE(tree.node("upper/a\n\033[2J.log", S_IFIFO | 0600));
  const auto result = tree.scan("/a*");
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_EQ(result.problems[0].find('\n'), std::string::npos);
  EXPECT_EQ(result.problems[0].find('\033'), std::string::npos);
}

TEST(ContainerFs, excluded_files_are_left_out) {
  const ContainerTree tree;
  for (const char* name : {"a.log", "b.log", "sub/c.log", "sub/deep/d.log"}) {
    tree.file(std::string("upper/app/") + name);
  }
  EXPECT_EQ(tree.scan("/app/**/*.log").files.size(), 4U);
  EXPECT_EQ(tree.scan("/app/**/*.log", "[ab].log").files.size(), 2U);
  EXPECT_EQ(tree.scan("/app/**/*.log", "/app/sub/**").files.size(), 2U);
  EXPECT_EQ(tree.scan("/app/**/*.log", "/app/*.log").files.size(), 2U);
  EXPECT_EQ(tree.scan("/app/**/*.log", "/**/deep/*").files.size(), 3U);
}

TEST(ContainerFs, two_stars_reach_sixteen_directories_down_and_no_symlinked_ones) {
  const ContainerTree tree;
  std::string path = "upper/app";
  for (int depth = 0; depth < 20; ++depth) {
    tree.file(path + "/a.log");
    path += "/d";
  }
  tree.link("upper/app/loop", "/app");
  EXPECT_EQ(tree.scan("/app/**/a.log").files.size(), 17U);
  EXPECT_EQ(tree.scan("/app/**").files.size(), 17U);
  EXPECT_EQ(tree.scan("/**/d/a.log").files.size(), 16U);
}

TEST(ContainerFs, a_mistaken_pattern_over_many_stars_ends) {
  const ContainerTree tree;
  for (int i = 0; i < 200; ++i) tree.file("upper/a/" + std::to_string(i) + "/b/c/f");
  const auto result = tree.scan("/**/*/**/*/**/*/**/*/**/f");
  EXPECT_LE(result.files.size(), 200U);
}

TEST(ContainerFs, each_missing_directory_is_waited_for_in_the_deepest_one_that_exists) {
  const ContainerTree tree;
  const std::string pattern = "/app/logs/*/a.log";
  EXPECT_EQ(watched(tree.scan(pattern)), Paths{tree.path("upper")});
  tree.directory("lower/app/logs/one");
  EXPECT_EQ(watched(tree.scan(pattern)), Paths{tree.path("upper")});
  tree.directory("upper/app");
  EXPECT_EQ(watched(tree.scan(pattern)), Paths{tree.path("upper/app")});
  tree.directory("upper/app/logs");
  EXPECT_EQ(watched(tree.scan(pattern)), Paths{tree.path("upper/app/logs")});
  tree.directory("upper/app/logs/one");
  const Paths both = {tree.path("upper/app/logs"), tree.path("upper/app/logs/one")};
  EXPECT_EQ(watched(tree.scan(pattern)), both);
  tree.file("upper/app/logs/one/a.log");
  EXPECT_EQ(tree.scan(pattern).files.size(), 1U);
}

TEST(ContainerFs, of_more_files_than_the_limit_the_newest_are_kept_and_the_rest_counted) {
  const ContainerTree tree;
  tree.directory("lower/app");
  for (int i = 0; i < 10'003; ++i) tree.file("upper/app/" + std::to_string(i) + ".log", "");
  for (const char* name : {"0.log", "5.log", "77.log"}) {
    const timespec old[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
    ::utimensat(AT_FDCWD, tree.path(std::string("upper/app/") + name).c_str(), old, 0);
  }
  const auto begin = std::chrono::steady_clock::now();
  const auto result = tree.scan("/app/*.log");
  const auto took = std::chrono::steady_clock::now() - begin;
  RecordProperty("scan_ms", static_cast<int>(took / std::chrono::milliseconds(1)));
  EXPECT_EQ(result.files.size(), 10'000U);
  EXPECT_EQ(result.refused.files, 3U);
  for (const FoundFile& file : result.files) EXPECT_GT(file.facts.modified_ns, 1'000'000'000);
  EXPECT_TRUE(
      std::is_sorted(result.files.begin(), result.files.end(),
                     [](const auto& a, const auto& b) { return a.host_path < b.host_path; }));
  EXPECT_LT(took, std::chrono::seconds(10));
  EXPECT_FALSE(tree.scan("/app/1*.log").refused.any());
}

TEST(ContainerFs, of_more_directories_than_the_limit_the_newest_are_kept_and_the_rest_counted) {
  const ContainerTree tree;
  for (int i = 0; i < 1'344; ++i) tree.file("upper/logs/" + std::to_string(i) + "/a/x.log");
  // The first by name are the newest, and two of the others.
  for (int i = 0; i < 1'344; ++i) {
    const int age = i == 1'343 || i == 1'000 ? 0 : i + 1;
    const timespec times[2] = {{.tv_sec = 2'000'000 - age, .tv_nsec = 0},
                               {.tv_sec = 2'000'000 - age, .tv_nsec = 0}};
    const std::string path = tree.path("upper/logs/" + std::to_string(i));
    ::utimensat(AT_FDCWD, (path + "/a").c_str(), times, 0);
    const timespec older[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 1, .tv_nsec = 0}};
    ::utimensat(AT_FDCWD, path.c_str(), older, 0);
  }
  for (const char* pattern : {"/logs/**/x.log", "/logs/*/a/*.log"}) {
    const auto result = tree.scan(pattern);
    EXPECT_GT(result.refused.directories, 300U) << pattern;
    EXPECT_LE(result.directories.size(), limits::kScanDirectoriesMax) << pattern;
    std::set<std::string> found;
    for (const FoundFile& file : result.files) found.insert(file.container_path);
    EXPECT_GT(found.size(), 300U) << pattern;
    for (const char* newest : {"1343", "1000", "0", "1", "100", "299"}) {
      EXPECT_TRUE(found.contains(std::string("/logs/") + newest + "/a/x.log")) << newest;
    }
    EXPECT_FALSE(found.contains("/logs/1342/a/x.log"));
    EXPECT_EQ(result.problems.size(), 1U);
  }
}

TEST(ContainerFs, a_scan_stops_and_goes_on_anywhere) {
  const ContainerTree tree;
  tree.file("lower/a/image/y.log");
  tree.directory("upper/a/image");
  Paths expected;
  for (int i = 0; i < 300; ++i) {
    expected.push_back("/a/d" + std::to_string(i) + "/x.log");
    tree.file("upper" + expected.back());
  }
  std::sort(expected.begin(), expected.end());
  const HostMounts mounts({});
  const ContainerFs fs(tree.spec(), "/", mounts);
  const auto scan = fs.begin_scan("/a/**/*.log", "", [](const auto&) { return Interest::kNew; });
  const SystemClock clock;
  int slices = 0;
  for (bool is_complete = false; !is_complete; ++slices) {
    Slice slice(clock, 1'000'000'000, 10);
    is_complete = scan->go_on(slice);
  }
  EXPECT_GT(slices, 100);
  EXPECT_EQ(container_paths(scan->take()), expected);
}

TEST(ContainerFs, files_that_need_nothing_take_nobodys_place) {
  const ContainerTree tree;
  tree.file("upper/a.log", "1");
  tree.file("upper/b.log", "22");
  tree.file("upper/c.log", "333");
  const HostMounts mounts({});
  const ContainerFs fs(tree.spec(), "/", mounts);
  const auto scan = fs.begin_scan("/*.log", "", [](const auto& facts) {
    return facts.size_bytes == 1 ? Interest::kNone : Interest::kNew;
  });
  const SystemClock clock;
  Slice slice(clock, 1'000'000'000, 10'000);
  ASSERT_TRUE(scan->go_on(slice));
  EXPECT_EQ(container_paths(scan->take()), (Paths{"/b.log", "/c.log"}));
}

TEST(ContainerFs, a_directory_swapped_with_a_symlink_never_yields_a_host_file) {
  const ContainerTree tree;
  tree.file("upper/app/logs/passwd", "inside\n");
  tree.link("upper/app/other", "/etc");
  std::atomic<bool> is_over = false;
  std::thread swapper([&] {
    const std::string one = tree.path("upper/app/logs");
    const std::string other = tree.path("upper/app/other");
    while (!is_over) {
      ::renameat2(AT_FDCWD, one.c_str(), AT_FDCWD, other.c_str(), RENAME_EXCHANGE);
    }
  });
  struct stat host {};
  ASSERT_EQ(::stat("/etc/passwd", &host), 0);
  int scans = 0;
  int found = 0;
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(2);
  while (std::chrono::steady_clock::now() < end) {
    const auto result = tree.scan("/app/logs/pass*");
    ++scans;
    for (const FoundFile& file : result.files) {
      ++found;
      EXPECT_NE(file.facts.identity.inode, host.st_ino);
      const auto fd = open_found(*file.directory, file.file_name, file.facts.identity);
      struct stat opened {};
      if (fd) {
        ASSERT_EQ(::fstat(fd->get(), &opened), 0);
      }
      EXPECT_NE(opened.st_ino, host.st_ino);
    }
  }
  is_over = true;
  swapper.join();
  EXPECT_GT(scans, 100);
  EXPECT_GT(found, 10);
}

class OpenFound : public testing::Test {
 protected:
  OpenFound() {
    tree_.file("upper/a.log");
    found_ = tree_.scan("/a.log").files.at(0);
    tree_.remove("upper/a.log");
  }
  Result<Fd> open() const {
    return open_found(*found_.directory, found_.file_name, found_.facts.identity);
  }

  ContainerTree tree_;
  FoundFile found_;
};

TEST_F(OpenFound, what_is_still_there_is_opened_for_reading) {
  tree_.file("upper/b.log", "text");
  const auto found = tree_.scan("/b.log").files.at(0);
  const auto fd = open_found(*found.directory, found.file_name, found.facts.identity);
  ASSERT_TRUE(fd);
  char text[8];
  EXPECT_EQ(::read(fd->get(), text, sizeof(text)), 4);
  EXPECT_NE(::fcntl(fd->get(), F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(OpenFound, a_removed_file_is_gone) { EXPECT_EQ(open().error().code, ErrorCode::kNotFound); }

TEST_F(OpenFound, what_took_its_place_is_not_opened) {
  const auto expect_gone = [&] {
    const auto fd = open();
    ASSERT_FALSE(fd);
    EXPECT_EQ(fd.error().code, ErrorCode::kNotFound);
    tree_.remove("upper/a.log");
  };
  ASSERT_TRUE(tree_.node("upper/a.log", S_IFIFO | 0600));
  expect_gone();
  ASSERT_TRUE(tree_.node("upper/a.log", S_IFCHR | 0600, makedev(1, 5)));
  expect_gone();
  tree_.link("upper/a.log", "/etc/passwd");
  expect_gone();
  tree_.directory("upper/a.log");
  expect_gone();
  tree_.file("upper/keeps-the-inode-from-being-used-again");
  tree_.file("upper/a.log");
  expect_gone();
}

}  // namespace
}  // namespace longshore::agent
