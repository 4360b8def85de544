// Goal: every name of a directory is returned once, and a failure is never taken for an empty
// directory. Method: directories on the disk, and descriptors that are none.

#include "config/directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <fstream>
#include <map>
#include <string>

#include "tests/fakes/temporary_dir.h"

namespace longshore {
namespace {

TEST(Directory, every_name_is_visited_once_with_its_type) {
  const fakes::TemporaryDir dir;
  constexpr int kFiles = 1000;  // More than one read of the kernel's gives.
  for (int i = 0; i < kFiles; ++i) std::ofstream(dir.path() + "/file" + std::to_string(i));
  std::filesystem::create_directory(dir.path() + "/sub");
  std::map<std::string, int> seen;
  ASSERT_EQ(for_each_name(Fd(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY)),
                          [&seen](const char* name, unsigned char type) {
                            EXPECT_TRUE(type == DT_UNKNOWN ||
                                        type == (std::string(name) == "sub" ? DT_DIR : DT_REG));
                            seen[name] += 1;
                            return true;
                          }),
            0);
  EXPECT_EQ(seen.size(), size_t{kFiles} + 1);
  for (const auto& [name, times] : seen) EXPECT_EQ(times, 1) << name;
}

TEST(Directory, a_visit_may_end_early) {
  const fakes::TemporaryDir dir;
  for (const char* name : {"/a", "/b", "/c"}) std::ofstream(dir.path() + name);
  int visits = 0;
  EXPECT_EQ(for_each_name(Fd(::open(dir.path().c_str(), O_RDONLY | O_DIRECTORY)),
                          [&visits](const char*, unsigned char) { return ++visits < 2; }),
            0);
  EXPECT_EQ(visits, 2);
}

TEST(Directory, a_failure_is_an_errno) {
  const auto none = [](const char*, unsigned char) {
    ADD_FAILURE();
    return true;
  };
  EXPECT_EQ(for_each_name(Fd(), none), EBADF);
  EXPECT_EQ(for_each_name(Fd(::open("/proc/self/status", O_RDONLY)), none), ENOTDIR);
}

}  // namespace
}  // namespace longshore
