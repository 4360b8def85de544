// Goal: a path is judged by the mount that the kernel would reach, and only known local file
// systems are admitted.
// Method: mount tables written in the test, and the overlay of a live process.
#include "agent/files/host_mounts.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "agent/files/container_process.h"

namespace longshore::agent {
namespace {

constexpr const char* kTable =
    "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
    "22 21 0:5 / /proc rw - proc proc rw\n"
    "30 21 8:2 / /data rw master:3 propagate_from:1 - xfs /dev/sdb rw\n"
    "31 30 0:40 / /data/nfs rw shared:9 - nfs4 server:/export rw\n"
    "32 31 8:3 / /data/nfs/local rw - btrfs /dev/sdc rw\n"
    "33 21 8:4 / /with\\040space\\134end rw - f2fs /dev/sdd rw\n"
    "not a line\n"
    "34 21 0:50 / /twice rw - ext4 /dev/sde rw\n"
    "35 34 0:51 / /twice rw - fuse.sshfs host: rw\n"
    "36 21 0:52 / /hidden/below rw - nfs4 server:/other rw\n"
    "37 21 8:5 / /hidden rw - xfs /dev/sdf rw\n";

class HostMountsTest : public testing::Test {
 protected:
  HostMountsTest() {
    std::string name = testing::TempDir() + "mountinfo.XXXXXX";
    directory_ = ::mkdtemp(name.data());
    write(kTable);
  }
  ~HostMountsTest() override { std::filesystem::remove_all(directory_); }

  std::string table() const { return directory_ + "/mountinfo"; }
  void write(const std::string& text) const { std::ofstream(table()) << text; }

  std::string directory_;
};

TEST_F(HostMountsTest, a_path_lies_on_the_mount_that_is_nearest_above_it) {
  const HostMounts mounts({}, table());
  EXPECT_EQ(mounts.admits("/").value(), "ext4");
  EXPECT_EQ(mounts.admits("/var/log").value(), "ext4");
  EXPECT_EQ(mounts.admits("/data").value(), "xfs");
  EXPECT_EQ(mounts.admits("/database").value(), "ext4");
  EXPECT_EQ(mounts.admits("/data/nfs/local/x").value(), "btrfs");
}

TEST_F(HostMountsTest, an_unknown_type_is_refused_with_its_mount_point) {
  const HostMounts mounts({}, table());
  const auto refused = mounts.admits("/data/nfs/logs");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_NE(refused.error().message.find("nfs4"), std::string::npos);
  EXPECT_NE(refused.error().message.find("/data/nfs"), std::string::npos);
  EXPECT_FALSE(mounts.admits("/proc/1"));
}

TEST_F(HostMountsTest, the_operator_admits_a_type) {
  const HostMounts mounts({"nfs4"}, table());
  EXPECT_EQ(mounts.admits("/data/nfs/logs").value(), "nfs4");
}

TEST_F(HostMountsTest, escapes_are_undone) {
  const HostMounts mounts({}, table());
  EXPECT_EQ(mounts.admits("/with space\\end/x").value(), "f2fs");
  EXPECT_EQ(unescape_octal("a\\040b\\011c\\134"), "a b\tc\\");
  EXPECT_EQ(unescape_octal("\\04"), "\\04");
}

TEST_F(HostMountsTest, of_two_mounts_on_one_point_the_upper_one_counts) {
  const HostMounts mounts({}, table());
  EXPECT_FALSE(mounts.admits("/twice/x"));
}

TEST_F(HostMountsTest, a_mount_over_the_parent_hides_what_was_mounted_below) {
  const HostMounts mounts({}, table());
  EXPECT_EQ(mounts.admits("/hidden/below/x").value(), "xfs");
}

TEST_F(HostMountsTest, a_changed_table_is_read_with_refresh) {
  HostMounts mounts({}, table());
  write("21 1 8:1 / / rw - nfs server: rw\n");
  EXPECT_TRUE(mounts.admits("/x"));
  mounts.refresh();
  EXPECT_FALSE(mounts.admits("/x"));
}

TEST_F(HostMountsTest, an_unreadable_table_admits_nothing) {
  const HostMounts mounts({"ext4"}, directory_ + "/none");
  EXPECT_FALSE(mounts.admits("/"));
}

TEST(OverlayLayers, are_read_from_the_mount_options) {
  const auto layers = parse_overlay_layers(
      "rw,lowerdir=/l\\0402:/with\\134:colon:/with\\054comma,upperdir=/s/9/fs,workdir=/s/9/work");
  const std::vector<std::string> expected = {"/s/9/fs", "/l 2", "/with:colon", "/with,comma"};
  EXPECT_EQ(layers, expected);
  const auto relative = parse_overlay_layers("rw,lowerdir=8/fs:7/fs,upperdir=/s/9/fs");
  const std::vector<std::string> absolute = {"/s/9/fs", "/s/8/fs", "/s/7/fs"};
  EXPECT_EQ(relative, absolute);
  const auto single = parse_overlay_layers("rw,upperdir=/s/9/fs,lowerdir+=/a:b,lowerdir+=/c");
  EXPECT_EQ(single.back(), "/c");
  EXPECT_TRUE(parse_overlay_layers("ro,lowerdir=/a:/b").empty());
}

// A child with the overlay as its root, mounted by us or, hostile, by itself in its own namespace.
class OverlayProcess {
 public:
  OverlayProcess(const std::string& directory, bool mounts_itself) : merged_(directory + "/m") {
    for (const char* name : {"/u", "/l", "/w", "/m"}) {
      std::filesystem::create_directories(directory + name);
    }
    const std::string options =
        "lowerdir=" + directory + "/l,upperdir=" + directory + "/u,workdir=" + directory + "/w";
    const auto mount_it = [&] {
      return ::mount("overlay", merged_.c_str(), "overlay", 0, options.c_str()) == 0;
    };
    is_mounted_ = !mounts_itself && mount_it();
    int ready[2];
    if (::pipe(ready) != 0) return;
    pid_ = ::fork();
    if (pid_ == 0) {
      bool fine = true;
      if (mounts_itself) {
        fine = ::unshare(CLONE_NEWNS) == 0 &&
               ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 && mount_it();
      }
      fine = fine && ::chroot(merged_.c_str()) == 0 && ::write(ready[1], "r", 1) == 1;
      while (fine) ::pause();
      ::_exit(1);
    }
    ::close(ready[1]);
    char byte = 0;
    is_ready_ = ::read(ready[0], &byte, 1) == 1;
    ::close(ready[0]);
  }
  ~OverlayProcess() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    if (is_mounted_) ::umount(merged_.c_str());
  }
  bool is_ready() const { return is_ready_; }
  int pid() const { return pid_; }

 private:
  std::string merged_;
  bool is_mounted_ = false;
  bool is_ready_ = false;
  int pid_ = 0;
};

TEST_F(HostMountsTest, the_layers_of_a_process_are_those_that_the_host_mounted) {
  const OverlayProcess process(directory_, false);
  ASSERT_TRUE(process.is_ready());
  const auto layers = overlay_layers_of(process.pid());
  ASSERT_TRUE(layers) << layers.error().message;
  const std::vector<std::string> expected = {directory_ + "/u", directory_ + "/l"};
  EXPECT_EQ(layers.value(), expected);
}

TEST_F(HostMountsTest, an_overlay_that_the_container_mounted_itself_proves_nothing) {
  const OverlayProcess process(directory_, true);
  ASSERT_TRUE(process.is_ready());
  EXPECT_FALSE(overlay_layers_of(process.pid()));
  EXPECT_FALSE(overlay_layers_of(::getpid()));
}

}  // namespace
}  // namespace longshore::agent
