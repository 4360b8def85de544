// Goal: which of the files that a log left elsewhere come between two that are known.
// Method: real directories, whose files are born at the same tick of the file system's clock.

#include "agent/discovery/former_files.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "tests/fakes/temporary_dir.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;

class FormerFilesTest : public testing::Test {
 protected:
  FormerFilesTest() : mounts_({}) { mounts_.refresh(); }

  FormerFile at(const std::string& name) const {
    const std::string path = directory_.path() + "/" + name;
    const auto parent = fs::path(path).parent_path();
    auto fd = std::make_shared<Fd>(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const std::string file = fs::path(path).filename();
    return {fd, {file, checkpoint::file_facts_at(fd->get(), file.c_str()).value()}, path};
  }
  // Makes the files anew until the clock does not tell their births apart.
  std::vector<FormerFile> born_at_once(const std::vector<std::string>& names) const {
    for (int again = 0; again < 1000; ++again) {
      std::vector<FormerFile> files;
      for (const std::string& name : names) {
        const fs::path path(directory_.path() + "/" + name);
        fs::remove(path);
        fs::create_directories(path.parent_path());
        // Somebody has just asked when the directory changed: its next change moves the clock on.
        fs::remove(path.parent_path() / "other");
        std::ofstream(path.parent_path() / "other") << "line\n";
      }
      for (const std::string& name : names)
        std::ofstream(directory_.path() + "/" + name) << "line\n";
      for (const std::string& name : names) files.push_back(at(name));
      const int64_t first = age_ns(files.front().file.facts);
      if (first == age_ns(files.back().file.facts)) return files;
    }
    return {};
  }
  std::vector<WatchDir> watched() const {
    WatchDir directory;
    directory.host_path = directory.container_path = directory_.path();
    return {directory};
  }
  static std::vector<std::string> paths(const FormerFiles::Found& found) {
    std::vector<std::string> all;
    for (const FormerFile& each : found.value()) all.push_back(each.host_path);
    return all;
  }
  static bool knows_none(const checkpoint::FileIdentity&) { return false; }

  fakes::TemporaryDir directory_;
  HostMounts mounts_;
  std::string root_ = "/";
};

TEST_F(FormerFilesTest, targets_that_were_born_at_once_are_ordered_by_their_numbers) {
  const auto files = born_at_once({"app-8.log", "app-9.log", "app-10.log", "app-11.log"});
  ASSERT_EQ(files.size(), 4u);
  // Late writes to the first ones.
  std::ofstream(files[0].host_path, std::ios::app) << "late\n";
  FormerFiles former(root_, mounts_);
  EXPECT_EQ(paths(former.between(files[0], files[3], watched(), knows_none)),
            (std::vector{files[1].host_path, files[2].host_path}));
  EXPECT_EQ(paths(former.between(files[1], files[2], watched(), knows_none)),
            std::vector<std::string>());
}

TEST_F(FormerFilesTest, directories_that_were_renamed_at_once_are_ordered_by_their_numbers) {
  const auto files = born_at_once(
      {"x-before-9/app.log", "x-before-10/app.log", "x-before-11/app.log", "x/app.log"});
  ASSERT_EQ(files.size(), 4u);
  FormerFiles former(root_, mounts_);
  EXPECT_EQ(paths(former.moved(files[1], files[3], watched(), false, knows_none)),
            std::vector{files[2].host_path});
  EXPECT_FALSE(former.moved(files[1], files[3], {}, false, knows_none).has_value())
      << "out of sight";
  EXPECT_EQ(paths(former.moved(files[0], files[3], {}, true, knows_none)),
            (std::vector{files[1].host_path, files[2].host_path}));
}

}  // namespace
}  // namespace longshore::agent
