// Goal: a compressed file is never read as text, neither while it is being made nor later, and it
// belongs to the log that it was rotated from.
// Method: real directories; files are compressed as kubelet and logrotate do it.

#include "agent/discovery/compressed_files.h"

#include <fcntl.h>

#include "tests/fakes/discovery_fixture.h"
#include "tests/fakes/logged_words.h"
#include "tests/fakes/packed.h"

namespace longshore::agent {
namespace {

class CompressedFilesTest : public DiscoveryTest {
 protected:
  void tick() { std::this_thread::sleep_for(std::chrono::milliseconds(15)); }
  void pack(const std::string& name, Compression format = Compression::kGzip) {
    std::ofstream(path(name), std::ios::binary) << fakes::packed(format, "line\n");
  }
  void sweep() {
    discovery_->sweep();
    look();
  }
};

TEST_F(CompressedFilesTest, what_is_being_compressed_under_another_name_is_no_log) {
  for (const std::string pattern : {"x.log", "x.log*"}) {
    Inodes expected{write("x.log")};
    restart({});
    declare(pattern);
    for (const Compression format :
         {Compression::kGzip, Compression::kZstd, Compression::kXz, Compression::kBzip2}) {
      tick();
      fs::rename(path("x.log"), path("x.log.1"));
      expected.push_back(write("x.log"));
      look();
      std::ofstream(path("x.log.1.tmp"));
      look();
      pack("x.log.1.tmp", format);
      sweep();
      fs::rename(path("x.log.1.tmp"), path("x.log.1.gz"));
      fs::remove(path("x.log.1"));
      look();
      sweep();
      EXPECT_EQ(opened(), expected) << pattern;
      fs::remove(path("x.log.1.gz"));
    }
    EXPECT_EQ(discovery_->sources(), 1u);
  }
}

TEST_F(CompressedFilesTest, an_empty_file_that_another_is_compressed_to_is_waited_for) {
  write("x.log");
  declare("x.log*");
  tick();
  const uint64_t other = write("x.log.8081");
  look();
  ASSERT_EQ(opened().size(), 2u);
  std::ofstream(path("x.log.8081.tmp"));
  for (int turn = 0; turn < 5; ++turn) {
    clock_.ahead_ns += 2'000'000'000;
    sweep();
  }
  EXPECT_EQ(opened().size(), 2u);
  EXPECT_EQ(opened().back(), other);
}

TEST_F(CompressedFilesTest, one_that_keeps_its_misleading_name_is_reported_once) {
  const fakes::LoggedWords words;
  pack("y.tmp");
  declare("*");
  EXPECT_TRUE(opened().empty());
  EXPECT_EQ(words.count("y.tmp"), 0u);
  clock_.ahead_ns += 61'000'000'000;
  sweep();
  sweep();
  EXPECT_TRUE(opened().empty());
  EXPECT_EQ(words.count("y.tmp holds compressed data"), 1u);
}

TEST_F(CompressedFilesTest, one_that_stays_empty_holds_the_log_up_for_a_minute_at_most) {
  std::ofstream(path("x.log.1.gz"));
  tick();
  const uint64_t log = write("x.log");
  declare("x.log*");
  sweep();
  EXPECT_TRUE(opened().empty());
  clock_.ahead_ns += 61'000'000'000;
  sweep();
  ASSERT_EQ(opened().size(), 2u);
  EXPECT_EQ(opened().back(), log);
}

TEST_F(CompressedFilesTest, a_copy_that_was_taken_for_a_log_gets_no_compressed_file_of_its_log) {
  write("x.log");
  declare("x.log*");
  tick();
  write("x.log.1");
  look();
  ASSERT_EQ(opened().size(), 2u);
  fs::remove(path("x.log.1"));
  pack("x.log.1.gz");
  look();
  sweep();
  EXPECT_EQ(opened().size(), 2u);
}

// kubelet compresses the last but one file when it rotates the log, and keeps no times.
TEST_F(CompressedFilesTest, a_file_compressed_while_a_log_was_written_precedes_it) {
  const Inodes plain{write("0.log.2")};
  tick();
  write("0.log.2");
  tick();
  pack("0.log.1.gz");
  struct stat packed {};
  ASSERT_EQ(::stat(path("0.log.1.gz").c_str(), &packed), 0);
  tick();
  const uint64_t log = write("0.log");
  declare("0.log*");
  EXPECT_EQ(opened(), (Inodes{packed.st_ino, plain[0], log}));
}

}  // namespace
}  // namespace longshore::agent
