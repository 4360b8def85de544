// Goal: volumes, bind mounts and tmpfs are found where the container sees them, and a mount of the
// host is touched only if the mount table admits it.
// Method: plain directories as sources, real mounts where the kernel's behaviour matters, and a
// child in its own mount namespace.
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/files/container_fs.h"
#include "tests/fakes/container_tree.h"

namespace longshore::agent {
namespace {

using Paths = std::vector<std::string>;

/// Something mounted for the length of a test.
class Mounted {
 public:
  Mounted(const std::string& point, const char* type, const std::string& options = "")
      : point_(point) {
    std::filesystem::create_directories(point);
    is_mounted_ = ::mount(type, point.c_str(), type, 0, options.c_str()) == 0;
  }
  ~Mounted() {
    if (is_mounted_) ::umount2(point_.c_str(), MNT_DETACH);
  }
  bool is_mounted() const { return is_mounted_; }

 private:
  std::string point_;
  bool is_mounted_ = false;
};

TEST(ContainerMounts, the_longest_matching_destination_wins) {
  const ContainerTree tree;
  tree.file("upper/data/hidden.log");
  tree.file("volume/v.log");
  tree.file("volume/nested/hidden.log");
  tree.file("nested/n.log");
  FsSpec spec = tree.spec();
  spec.mounts = {{"/data/nested", tree.path("nested")}, {"/data", tree.path("volume")}};
  const auto result = tree.scan(spec, "/data/**/*.log");
  const Paths expected = {"/data/nested/n.log", "/data/v.log"};
  EXPECT_EQ(container_paths(result), expected);
  EXPECT_EQ(result.files[0].host_path, tree.path("nested/n.log"));
  EXPECT_EQ(result.files[1].host_path, tree.path("volume/v.log"));
}

TEST(ContainerMounts, a_mount_is_seen_before_its_mount_point_exists) {
  const ContainerTree tree;
  tree.file("volume/v.log");
  FsSpec spec = tree.spec();
  spec.mounts = {{"/not/yet/there", tree.path("volume")}};
  EXPECT_EQ(tree.scan(spec, "/not/yet/there/v.log").files.size(), 1U);
  EXPECT_EQ(tree.scan(spec, "/n*/*/t*/*.log").files.size(), 1U);
  EXPECT_EQ(watched(tree.scan(spec, "/not/yet/there/v.log")), Paths{tree.path("volume")});
}

TEST(ContainerMounts, a_destination_below_a_symlink_is_where_the_runtime_mounted_it) {
  const ContainerTree tree;
  tree.link("lower/var/run", "/run");
  tree.directory("lower/run");
  tree.file("volume/v.log");
  FsSpec spec = tree.spec();
  spec.mounts = {{"/var/run/app", tree.path("volume")}};
  EXPECT_EQ(container_paths(tree.scan(spec, "/var/run/app/*.log")), Paths{"/run/app/v.log"});
  EXPECT_EQ(container_paths(tree.scan(spec, "/run/app/*.log")), Paths{"/run/app/v.log"});
}

TEST(ContainerMounts, symlinks_cross_from_layers_to_mounts_and_back) {
  const ContainerTree tree;
  tree.file("upper/app/a.log");
  tree.link("upper/to-volume", "/data/v.log");
  tree.link("volume/to-layer", "../../../app/a.log");
  tree.link("volume/to-host", "/etc/passwd");
  tree.link("volume/beside", "../outside.log");
  tree.file("outside.log");
  tree.file("volume/v.log");
  FsSpec spec = tree.spec();
  spec.mounts = {{"/data", tree.path("volume")}};
  EXPECT_EQ(container_paths(tree.scan(spec, "/to-volume")), Paths{"/data/v.log"});
  EXPECT_EQ(container_paths(tree.scan(spec, "/data/to-layer")), Paths{"/app/a.log"});
  EXPECT_TRUE(tree.scan(spec, "/data/to-host").files.empty());
  EXPECT_TRUE(tree.scan(spec, "/data/beside").files.empty());
}

TEST(ContainerMounts, a_single_file_may_be_mounted) {
  const ContainerTree tree;
  tree.file("host/one.log");
  FsSpec spec = tree.spec();
  spec.mounts = {{"/app/a.log", tree.path("host/one.log")}};
  const auto result = tree.scan(spec, "/app/*.log");
  ASSERT_EQ(result.files.size(), 1U);
  EXPECT_EQ(result.files[0].container_path, "/app/a.log");
  EXPECT_EQ(result.files[0].host_path, tree.path("host/one.log"));
  EXPECT_EQ(result.files[0].file_name, "one.log");
}

TEST(ContainerMounts, a_source_or_layer_with_a_symlink_in_it_is_refused) {
  const ContainerTree tree;
  tree.file("volume/v.log");
  tree.link("link", tree.path("volume"));
  tree.link("way", tree.path(""));
  for (const char* source : {"link", "way/volume"}) {
    FsSpec spec = tree.spec();
    spec.mounts = {{"/data", tree.path(source)}};
    const auto result = tree.scan(spec, "/data/v.log");
    EXPECT_TRUE(result.files.empty()) << source;
    EXPECT_EQ(result.problems.size(), 1U) << source;
    spec.layers = {tree.path(source)};
    spec.mounts.clear();
    EXPECT_TRUE(tree.scan(spec, "/v.log").files.empty()) << source;
    EXPECT_EQ(tree.scan(spec, "/v.log").problems.size(), 1U) << source;
  }
}

TEST(ContainerMounts, what_does_not_exist_is_told_apart_from_what_is_wrong) {
  const ContainerTree tree;
  FsSpec spec = tree.spec();
  spec.mounts = {{"/data", tree.path("volume/_data")}};
  spec.layers.push_back(tree.path("removed"));
  const auto result = tree.scan(spec, "/data/v.log");
  EXPECT_TRUE(result.problems.empty());
  EXPECT_EQ(result.missing.size(), 2U);
  spec.layers = {tree.path("removed")};
  EXPECT_TRUE(tree.scan(spec, "/v.log").problems.empty());
  EXPECT_EQ(tree.scan(spec, "/v.log").missing.size(), 1U);
}

TEST(ContainerMounts, strange_words_of_a_specification_are_refused) {
  const ContainerTree tree;
  FsSpec spec = tree.spec();
  spec.mounts = {{"/data/../..", "/etc"},
                 {"relative", "/etc"},
                 {std::string("/a/..\0b", 7), "/etc"},
                 {"/d", "/var/../etc"},
                 {"/e", "etc"}};
  for (const char* pattern : {"/data/passwd", "/d/passwd", "/e/passwd", "/relative/passwd"}) {
    EXPECT_TRUE(tree.scan(spec, pattern).files.empty()) << pattern;
  }
}

TEST(ContainerMounts, without_layers_only_mounts_are_seen_and_it_is_said) {
  const ContainerTree tree;
  tree.file("volume/v.log");
  FsSpec spec;
  spec.container_id = "c0ffee";
  spec.mounts = {{"/data", tree.path("volume")}};
  EXPECT_EQ(tree.scan(spec, "/data/*.log").files.size(), 1U);
  EXPECT_TRUE(tree.scan(spec, "/data/*.log").problems.empty());
  const auto result = tree.scan(spec, "/app/*.log");
  ASSERT_EQ(result.problems.size(), 1U);
  EXPECT_NE(result.problems[0].find("storage driver does not tell"), std::string::npos);
}

TEST(ContainerMounts, the_hosts_own_files_go_the_same_way) {
  const ContainerTree tree;
  tree.file("logs/a.log");
  tree.link("logs/shadow", "/etc/shadow");
  tree.link("way", "logs");
  ASSERT_TRUE(tree.own("logs/shadow", 1001));
  FsSpec host;
  host.layers = {"/"};
  host.layers_are_overlay = false;
  const auto result = tree.scan(host, tree.path("way/*"));
  ASSERT_EQ(result.files.size(), 1U);
  EXPECT_EQ(result.files[0].host_path, tree.path("logs/a.log"));
  EXPECT_EQ(result.problems.size(), 1U);
}

TEST(ContainerMounts, a_mount_of_the_host_is_entered_if_the_table_admits_it) {
  const ContainerTree tree;
  const Mounted tmpfs(tree.path("upper/mounted"), "tmpfs");
  ASSERT_TRUE(tmpfs.is_mounted());
  tree.file("upper/mounted/logs/a.log");
  EXPECT_EQ(tree.scan("/mounted/logs/*.log").files.size(), 1U);

  // The same mount under a table that calls it a network file system.
  std::string table = read_proc_file("/proc/self/mountinfo").value();
  const size_t line = table.find(tree.path("upper/mounted"));
  ASSERT_NE(line, std::string::npos);
  table.replace(table.find(" - tmpfs", line), 8, " - nfs4");
  tree.file("mountinfo", table);
  const HostMounts mounts({}, tree.path("mountinfo"));
  const ContainerFs fs(tree.spec(), "/", mounts);
  for (const char* pattern : {"/mounted/logs/*.log", "/**/a.log", "/mounted", "/*"}) {
    const auto result = fs.scan(pattern, "");
    EXPECT_TRUE(result.files.empty()) << pattern;
    ASSERT_FALSE(result.problems.empty()) << pattern;
    EXPECT_NE(result.problems[0].find("nfs4"), std::string::npos) << pattern;
    for (const std::string& path : watched(result)) EXPECT_EQ(path, tree.path("upper"));
  }
  const HostMounts allowing({"nfs4"}, tree.path("mountinfo"));
  EXPECT_EQ(ContainerFs(tree.spec(), "/", allowing).scan("/**/a.log", "").files.size(), 1U);
}

TEST(ContainerMounts, a_layer_or_source_on_an_unadmitted_mount_is_not_opened) {
  const ContainerTree tree;
  tree.file("upper/a.log");
  tree.file("nfs/volume/v.log");
  tree.file("mountinfo", "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / " + tree.path("nfs") +
                             " rw - nfs4 server: rw\n");
  const HostMounts mounts({}, tree.path("mountinfo"));
  FsSpec spec = tree.spec();
  spec.mounts = {{"/data", tree.path("nfs/volume")}};
  const auto result = ContainerFs(spec, "/", mounts).scan("/data/*.log", "");
  EXPECT_TRUE(result.files.empty());
  EXPECT_EQ(watched(result), Paths{tree.path("upper")});
  spec.layers = {tree.path("nfs/volume")};
  EXPECT_TRUE(ContainerFs(spec, "/", mounts).scan("/v.log", "").files.empty());
  spec = tree.spec();
  EXPECT_FALSE(result.problems.empty());
  EXPECT_EQ(ContainerFs(spec, "/", mounts).scan("/a.log", "").files.size(), 1U);
}

TEST(ContainerMounts, a_mount_that_is_younger_than_the_table_waits_for_the_next_scan) {
  const ContainerTree tree;
  HostMounts mounts({});
  const Mounted tmpfs(tree.path("upper/mounted"), "tmpfs");
  ASSERT_TRUE(tmpfs.is_mounted());
  tree.file("upper/mounted/a.log");
  const ContainerFs fs(tree.spec(), "/", mounts);
  EXPECT_TRUE(fs.scan("/mounted/a.log", "").files.empty());
  mounts.refresh();
  EXPECT_EQ(fs.scan("/mounted/a.log", "").files.size(), 1U);
}

TEST(ContainerMounts, paths_are_the_hosts_where_its_root_is_seen_elsewhere) {
  const ContainerTree tree;
  tree.file("host/var/upper/a.log");
  const Mounted tmpfs(tree.path("host/var/volume"), "tmpfs");
  ASSERT_TRUE(tmpfs.is_mounted());
  tree.file("host/var/volume/v.log");
  FsSpec spec;
  spec.layers = {"/var/upper"};
  spec.mounts = {{"/data", "/var/volume"}};
  const HostMounts mounts({});
  const ContainerFs fs(spec, tree.path("host/"), mounts);
  EXPECT_EQ(fs.scan("/a.log", "").files.at(0).host_path, "/var/upper/a.log");
  EXPECT_EQ(fs.scan("/data/v.log", "").files.at(0).host_path, "/var/volume/v.log");
}

TEST(ContainerMounts, a_real_overlay_is_read_as_its_container_sees_it) {
  const ContainerTree tree;
  tree.file("lower/app/copied.log", "image\n");
  tree.file("lower/app/removed.log", "image\n");
  tree.file("lower/gone/a.log");
  tree.directory("work");
  const Mounted overlay(tree.path("merged"), "overlay",
                        "lowerdir=" + tree.path("lower") + ",upperdir=" + tree.path("upper") +
                            ",workdir=" + tree.path("work"));
  ASSERT_TRUE(overlay.is_mounted());
  std::ofstream(tree.path("merged/app/copied.log"), std::ios::app) << "new\n";
  tree.remove("merged/app/removed.log");
  tree.remove("merged/gone");
  tree.directory("merged/gone");
  tree.file("merged/app/sub/new.log");
  const auto result = tree.scan("/**/*.log");
  const Paths expected = {"/app/copied.log", "/app/sub/new.log"};
  EXPECT_EQ(container_paths(result), expected);
  EXPECT_EQ(result.files[0].image_bytes, 6U);
  EXPECT_TRUE(result.problems.empty());
}

/// A process that stands for a container's init: in a mount namespace of its own, its root another
/// directory, with a tmpfs at /cache and `volume` at /data. A bind mount's root names the
/// container.
class ContainerInit {
 public:
  ContainerInit(const ContainerTree& tree, const std::string& container_id,
                const std::string& volume = "root/data") {
    for (const char* name : {"root/cache", "root/named", "root/data"}) tree.directory(name);
    const std::string named = "ids/" + container_id;
    tree.directory(named);
    int ready[2];
    if (::pipe(ready) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      const auto mount_at = [&](const char* at, const std::string& from, const char* type,
                                unsigned long flags) {
        return ::mount(from.c_str(), tree.path(at).c_str(), type, flags, nullptr) == 0;
      };
      const bool fine = ::unshare(CLONE_NEWNS) == 0 &&
                        ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                        mount_at("root", tree.path("root"), nullptr, MS_BIND) &&
                        mount_at("root/named", tree.path(named), nullptr, MS_BIND) &&
                        mount_at("root/data", tree.path(volume), nullptr, MS_BIND) &&
                        mount_at("root/cache", "tmpfs", "tmpfs", 0);
      if (fine) tree.file("root/cache/logs/a.log", "in memory\n");
      if (fine) tree.link("root/cache/passwd", "/etc/passwd");
      if (fine && ::chroot(tree.path("root").c_str()) == 0 && ::write(ready[1], "r", 1) == 1) {
        while (true) ::pause();
      }
      ::_exit(1);
    }
    ::close(ready[1]);
    char byte = 0;
    is_ready_ = ::read(ready[0], &byte, 1) == 1;
    ::close(ready[0]);
  }
  ~ContainerInit() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  bool is_ready() const { return is_ready_; }
  int pid() const { return pid_; }

 private:
  bool is_ready_ = false;
  int pid_ = 0;
};

TEST(ContainerMounts, a_tmpfs_is_reached_through_the_live_process) {
  const ContainerTree tree;
  const ContainerInit init(tree, "c0ffee");
  ASSERT_TRUE(init.is_ready());
  FsSpec spec = tree.spec();
  spec.mounts = {{"/cache", ""}};
  spec.pid = init.pid();
  const auto result = tree.scan(spec, "/cache/*/*.log");
  ASSERT_EQ(result.files.size(), 1U) << (result.problems.empty() ? "" : result.problems[0]);
  EXPECT_EQ(result.files[0].host_path, "tmpfs:c0ffee:/cache/logs/a.log");
  EXPECT_EQ(result.files[0].container_path, "/cache/logs/a.log");
  EXPECT_TRUE(open_found(*result.files[0].directory, "a.log", result.files[0].facts.identity));
  EXPECT_TRUE(tree.scan(spec, "/cache/passwd").files.empty());
}

TEST(ContainerMounts, a_container_keeps_the_directory_that_is_renamed_on_the_host) {
  const ContainerTree tree;
  tree.file("volume/a.log", "the container's\n");
  const ContainerInit init(tree, "c0ffee", "volume");
  ASSERT_TRUE(init.is_ready());
  FsSpec spec = tree.spec();
  spec.mounts = {{"/data", tree.path("volume")}};
  spec.pid = init.pid();
  const auto before = tree.scan(spec, "/data/*.log");
  ASSERT_EQ(before.files.size(), 1U);
  EXPECT_EQ(before.files[0].host_path, tree.path("volume/a.log"));
  std::filesystem::rename(tree.path("volume"), tree.path("volume.old"));
  tree.file("volume/a.log", "not the container's\n");
  const auto after = tree.scan(spec, "/data/*.log");
  ASSERT_EQ(after.files.size(), 1U);
  EXPECT_EQ(after.files[0].facts.identity, before.files[0].facts.identity);
  EXPECT_EQ(after.files[0].container_path, "/data/a.log");
}

TEST(ContainerMounts, a_pid_that_belongs_to_something_else_is_not_used) {
  const ContainerTree tree;
  const ContainerInit init(tree, "another");
  ASSERT_TRUE(init.is_ready());
  FsSpec spec = tree.spec();
  spec.mounts = {{"/cache", ""}};
  for (const int pid : {init.pid(), ::getpid(), 0}) {
    spec.pid = pid;
    EXPECT_TRUE(tree.scan(spec, "/cache/*/*.log").files.empty());
  }
}

}  // namespace
}  // namespace longshore::agent
