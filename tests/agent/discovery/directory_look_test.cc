// Goal: the rotated files of a log are returned in the order in which they were written, a file is
// found by its identity, and one look gives the same answers as separate listings.
// Method: real directories.

#include "agent/discovery/directory_look.h"

#include <fcntl.h>

#include "tests/fakes/discovery_fixture.h"

namespace longshore::agent {
namespace {

using DirectoryLookTest = DiscoveryTest;

TEST_F(DirectoryLookTest, dated_names_come_before_numbered_ones_whatever_their_birth) {
  for (const char* name : {"x.log.2", "x.log-20261121", "x.log.1", "x.log-20261122", "x.log.3"}) {
    write(name);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  Fd directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::vector<std::string> names;
  const auto files = rotated_files(directory, "x.log");
  ASSERT_TRUE(files);
  for (const NamedFile& each : *files) names.push_back(each.file_name);
  EXPECT_EQ(names, (std::vector<std::string>{"x.log-20261121", "x.log-20261122", "x.log.3",
                                             "x.log.2", "x.log.1"}));
}

// The first question is answered on its own, the later ones from one listing of the directory.
TEST_F(DirectoryLookTest, many_questions_get_the_same_answers_as_each_alone) {
  std::vector<std::string> bases;
  for (const char* base : {"a.log", "b.log", "c.log", "none.log"}) bases.push_back(base);
  for (const char* name : {"a.log.2", "a.log.1", "a.log.3.gz", "b.log-20261121", "b.log.7",
                           "c.log.1", "c.log", "a.log"}) {
    write(name);
  }
  Fd directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DirectoryLook look;
  size_t found = 0;
  for (int round = 0; round < 2; ++round) {
    for (const std::string& base : bases) {
      const auto alone = rotated_files(directory, base), together = look.rotated(directory, base);
      ASSERT_TRUE(alone && together);
      ASSERT_EQ(alone->size(), together->size()) << base;
      for (size_t i = 0; i < alone->size(); ++i, ++found) {
        EXPECT_EQ((*alone)[i].file_name, (*together)[i].file_name);
        const auto renamed = look.find(directory, (*alone)[i].facts.identity);
        ASSERT_TRUE(renamed);
        EXPECT_EQ(renamed->file_name, (*alone)[i].file_name);
      }
    }
  }
  EXPECT_EQ(found, 10u);
  EXPECT_FALSE(look.find(directory, {}));
}

TEST_F(DirectoryLookTest, a_file_that_one_listing_missed_is_found_in_the_next) {
  write("a.log");
  const auto first = stored("a.log").state.file;
  Fd directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DirectoryLook look;
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(look.find(directory, first));
  write("b.log");
  EXPECT_TRUE(look.find(directory, stored("b.log").state.file));
  EXPECT_TRUE(look.find(directory, first));
}

}  // namespace
}  // namespace longshore::agent
