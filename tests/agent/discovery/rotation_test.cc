// Goal: finds which files follow the newest generation of a source, in which order, and where a gap
// is.
// Method: real files in one directory, and a KnownSources that knows some of them.

#include "agent/discovery/rotation.h"

#include <fcntl.h>

#include "tests/fakes/discovery_fixture.h"

namespace longshore::agent {
namespace {

constexpr SourceId kSource{1};

/// Thread: the test's.
class RotationTest : public DiscoveryTest {
 protected:
  FoundFile found(const std::string& name) {
    FoundFile file;
    file.host_path = path(name);
    file.directory =
        std::make_shared<Fd>(::open(directory_.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    file.file_name = name;
    file.facts = checkpoint::file_facts_at(file.directory->get(), name.c_str()).value();
    return file;
  }
  // Writes x.log and knows it as the newest generation of the source.
  void know_log() {
    write("x.log");
    known_.learn(kSource, path("x.log"), Stream::kFile);
    known_.add_generation(kSource, found("x.log").facts.identity);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // The next file is born later.
  }
  void follow() { known_.at(kSource).spec = std::make_shared<SourceSpec>(); }
  // As "x.log.1 gap" for a file with a gap before it.
  std::vector<std::string> after_newest() {
    DirectoryLook look;
    const auto next = rotation_.after_newest(known_.at(kSource), found("x.log"), look);
    std::vector<std::string> names;
    for (const NextGeneration& each : next.value()) {
      names.push_back(each.file.file_name + (each.gap_before ? " gap" : ""));
    }
    return names;
  }

  KnownSources known_{"host", 1};
  Rotation rotation_{known_, 0};
};

using Names = std::vector<std::string>;

TEST_F(RotationTest, a_followed_source_continues_after_its_newest_generation) {
  know_log();
  follow();
  fs::rename(path("x.log"), path("x.log.2"));
  write("x.log.1");
  write("x.log");
  EXPECT_EQ(after_newest(), (Names{"x.log.1", "x.log"}));
}

TEST_F(RotationTest, a_remembered_source_begins_with_its_newest_generation) {
  know_log();
  EXPECT_EQ(after_newest(), Names{"x.log"});
  fs::rename(path("x.log"), path("elsewhere"));
  write("x.log.1");
  write("x.log");
  EXPECT_EQ(after_newest(), (Names{"elsewhere", "x.log.1", "x.log"}));
}

TEST_F(RotationTest, a_gap_precedes_what_follows_a_generation_that_left_the_directory) {
  know_log();
  follow();
  write("x.log.2");
  fs::remove(path("x.log"));
  write("x.log.1");
  write("x.log");
  EXPECT_EQ(after_newest(), (Names{"x.log.2 gap", "x.log.1", "x.log"}));
}

TEST_F(RotationTest, a_file_with_two_names_is_one_generation) {
  know_log();
  follow();
  fs::rename(path("x.log"), path("x.log.3"));
  write("x.log.2");
  fs::create_hard_link(path("x.log.2"), path("x.log.1"));
  fs::create_hard_link(path("x.log.2"), path("x.log"));
  EXPECT_EQ(after_newest(), Names{"x.log.2"});
}

TEST_F(RotationTest, the_rotated_file_of_a_known_log_is_no_source) {
  write("x.log.1");
  write("y.log.1.gz");
  const auto own = known_.id_of(path("x.log.1"), Stream::kFile);
  EXPECT_EQ(rotation_.source_of(found("x.log.1"), Stream::kFile, {}), own);
  EXPECT_FALSE(rotation_.source_of(found("y.log.1.gz"), Stream::kFile, {}));
  const std::string log = path("x.log");
  EXPECT_FALSE(rotation_.source_of(found("x.log.1"), Stream::kFile, {log}));
  known_.learn(known_.id_of(log, Stream::kFile), log, Stream::kFile);
  EXPECT_FALSE(rotation_.source_of(found("x.log.1"), Stream::kFile, {}));
}

TEST_F(RotationTest, a_known_generation_stays_with_its_source_under_any_name) {
  know_log();
  fs::rename(path("x.log"), path("y.log"));
  EXPECT_EQ(rotation_.source_of(found("y.log"), Stream::kFile, {}), kSource);
  EXPECT_NE(rotation_.source_of(found("y.log"), Stream::kStdout, {}), kSource);
}

}  // namespace
}  // namespace longshore::agent
