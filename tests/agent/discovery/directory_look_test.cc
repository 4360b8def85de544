// Goal: the rotated files of a log are returned in the order in which they were written, a file is
// found by its identity, and one look gives the same answers as separate listings.
// Method: real directories.

#include "agent/discovery/directory_look.h"

#include <fcntl.h>

#include "tests/fakes/discovery_fixture.h"

namespace longshore::agent {
namespace {

using DirectoryLookTest = DiscoveryTest;

std::vector<std::string> names_of(const std::optional<std::vector<NamedFile>>& files) {
  std::vector<std::string> names;
  for (const NamedFile& each : files.value()) names.push_back(each.file_name);
  return names;
}

TEST_F(DirectoryLookTest, rotated_files_are_ordered_by_birth_whatever_their_names) {
  const std::vector<std::string> written{"x.log.1",       "x.3.log",   "x.log-20261122",
                                         "x.log.2",       "x_old.log", "x-2026-11-21.log",
                                         "x.log.bak",     "x1.log",    "x.2026-11-29.1.log",
                                         "20261101-x.log"};
  for (const std::string& name : written) {
    write(name);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  for (const char* other : {"y.log.1", "x.log", "xx.log", "x.txt.1", "x.logs.1"}) write(other);
  Fd directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_EQ(names_of(rotated_files(directory, "x.log")), written);
}

TEST_F(DirectoryLookTest, births_at_one_tick_are_ordered_in_the_direction_of_the_numbers) {
  Fd directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (const bool rising : {false, true}) {
    const std::string base = rising ? "up.log" : "down.log";
    const auto numbered = [&](int age) {
      return base + "." + std::to_string(rising ? age : 9 - age);
    };
    std::vector<std::string> expected;
    for (int age = 1; age < 9; ++age) {
      expected.push_back(numbered(age));
      write(expected.back());
      if (age % 3 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_EQ(names_of(rotated_files(directory, base)), expected);
  }
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

TEST_F(DirectoryLookTest, a_large_directory_is_listed_little_by_little_for_the_same_answers) {
  constexpr size_t kNames = 2'000, kAtOnce = 100;
  for (size_t n = 0; n < kNames; n += 2) {
    write("a.log." + std::to_string(n));
    write("other" + std::to_string(n));
  }
  write("a.log.1.gz");
  Fd directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DirectoryLook look;
  size_t steps = 1;
  for (; !look.list_on(directory, kAtOnce); ++steps) {
    // One listing has its old name, the other its new one.
    if (steps == kNames / kAtOnce + 2) fs::rename(path("other0"), path("b.log.1"));
  }
  EXPECT_GE(steps, 2 * kNames / kAtOnce);
  EXPECT_EQ(names_of(look.rotated(directory, "a.log")),
            names_of(rotated_files(directory, "a.log")));
  EXPECT_EQ(names_of(look.rotated(directory, "b.log")), std::vector<std::string>{"b.log.1"});
  EXPECT_EQ(names_of(look.compressed(directory, "a.log")), std::vector<std::string>{"a.log.1.gz"});
  EXPECT_EQ(look.identities(directory)->size(), kNames + 1);
  for (const char* name : {"a.log.0", "other2", "a.log.1.gz"}) {
    const auto found = look.find(directory, stored(name).state.file);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->file_name, name);
  }
  EXPECT_FALSE(look.find(directory, {}));
  EXPECT_FALSE(look.has_too_many_names());
}

TEST_F(DirectoryLookTest, a_small_directory_needs_no_preparation) {
  write("a.log.1");
  Fd directory(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  DirectoryLook look;
  EXPECT_TRUE(look.list_on(directory, 1));
  write("a.log.2");
  EXPECT_EQ(look.rotated(directory, "a.log")->size(), 2u);
}

}  // namespace
}  // namespace longshore::agent
