// Goal: each way in which Docker's socket can fail is named, with its path and a remedy.
// Method: one path for each way, in the test's own directory.

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include "config/fd.h"
#include "integrations/containers/docker/socket_trouble.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::docker {
namespace {

class DockerSocket : public testing::Test {
 protected:
  // A socket that is bound, and that processes may connect to while `backlog` is not negative.
  Fd bound(int backlog, int kind = SOCK_STREAM) {
    Fd fd(::socket(AF_UNIX, kind | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    if (backlog >= 0) {
      EXPECT_EQ(::listen(fd.get(), backlog), 0);
    }
    return fd;
  }

  void expect(const char* what, const char* remedy) {
    const std::string sentence = socket_trouble(path_);
    EXPECT_TRUE(sentence.starts_with("Docker's socket " + path_)) << sentence;
    EXPECT_NE(sentence.find(what), std::string::npos) << sentence;
    EXPECT_NE(sentence.find(remedy), std::string::npos) << sentence;
    EXPECT_EQ(sentence.find("port"), std::string::npos) << sentence;
  }

  const fakes::TemporaryDir dir_;
  std::string path_ = dir_.path() + "/d.sock";
};

TEST_F(DockerSocket, that_can_be_connected_to_is_no_trouble) {
  const Fd socket = bound(4);
  EXPECT_EQ(socket_trouble(path_), "");
}

TEST_F(DockerSocket, that_is_missing_or_something_else) {
  expect("does not exist", "start Docker");
  std::ofstream(path_) << "x";
  expect("is not a socket", "--docker unix:///PATH");
  path_ += "/below";
  expect("does not exist", "--docker off");
}

TEST_F(DockerSocket, that_is_a_directory_was_made_by_a_mount) {
  ASSERT_EQ(::mkdir(path_.c_str(), 0755), 0);
  expect("is a directory", "remove the directory");
}

TEST_F(DockerSocket, that_nobody_listens_on) {
  { const Fd socket = bound(4); }
  expect("no process listens", "start Docker");
}

TEST_F(DockerSocket, whose_listener_accepts_nothing) {
  const Fd socket = bound(0);
  Fd waiting[4];
  for (Fd& each : waiting) {
    each = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path_.c_str(), sizeof address.sun_path - 1);
    static_cast<void>(::connect(each.get(), reinterpret_cast<sockaddr*>(&address), sizeof address));
  }
  expect("takes no more connections", "restart");
}

TEST_F(DockerSocket, of_another_kind) {
  const Fd socket = bound(-1, SOCK_DGRAM);
  expect("cannot be used", "--docker");
}

TEST_F(DockerSocket, that_is_forbidden_tells_whose_it_is) {
  const Fd socket = bound(4);
  ASSERT_EQ(::chmod(path_.c_str(), 0600), 0);
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
  ASSERT_EQ(::seteuid(65534), 0) << "needs root";
  expect("is forbidden to user id 65534 (it belongs to user id 0", "mode 600");
  expect("forbidden", "run the agent as root");
  ASSERT_EQ(::seteuid(0), 0);
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0700), 0);
  ASSERT_EQ(::seteuid(65534), 0);
  expect("lies in a directory that user id 65534 may not enter", "run the agent as root");
  ASSERT_EQ(::seteuid(0), 0);
}

}  // namespace
}  // namespace longshore::docker
