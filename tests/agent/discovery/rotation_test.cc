// Goal: finds which files follow the newest generation of a source, in which order, and where a gap
// is.
// Method: real files in one directory, and a KnownSources that knows some of them.

#include "agent/discovery/rotation.h"

#include <fcntl.h>

#include "config/limits.h"
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
  void follow() {
    known_.at(kSource).spec = std::make_shared<SourceSpec>();
    known_.at(kSource).is_watched = true;
  }
  // As "x.log.1 gap" for a file with a gap before it, "x.log.1 ?" if that is not known.
  std::vector<std::string> after_newest(const std::string& pattern = "x.log") {
    DirectoryLook look;
    const auto next =
        rotation_.after_newest(known_.at(kSource), declaration(pattern), found("x.log"), {}, look);
    std::vector<std::string> names;
    if (!next) return {"later"};
    for (const NextGeneration& each : *next) {
      constexpr const char* kSteps[] = {"", " ?", " gap"};
      names.push_back(each.file.file_name + kSteps[static_cast<size_t>(each.step)]);
    }
    return names;
  }
  // Writes to `name` until `seconds` from now, as far as its times tell.
  void write_until(const std::string& name, int64_t seconds) {
    write(name);
    const timespec until{.tv_sec = clock_.wall_ns() / 1'000'000'000 + seconds, .tv_nsec = 0};
    const timespec times[2] = {until, until};
    ASSERT_EQ(::utimensat(AT_FDCWD, path(name).c_str(), times, 0), 0);
  }
  void tick() { std::this_thread::sleep_for(std::chrono::milliseconds(20)); }

  KnownSources known_{"host", 1};
  Rotation rotation_{known_, 0, clock_};
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

TEST_F(RotationTest, after_a_restart_a_pause_between_two_files_leaves_a_doubt) {
  know_log();
  write_until("x.log", -5);
  fs::rename(path("x.log"), path("x.log.2"));
  write("x.log.1");
  tick();
  write("x.log");
  EXPECT_EQ(after_newest(), (Names{"x.log.2", "x.log.1 ?", "x.log"}));
  write_until("x.log.1", -5);
  EXPECT_EQ(after_newest(), (Names{"x.log.2", "x.log.1 ?", "x.log"})) << "renamed just now";
  std::this_thread::sleep_for(std::chrono::nanoseconds(limits::kAbutNs * 21 / 20));
  fs::remove(path("x.log"));
  write("x.log");
  EXPECT_EQ(after_newest(), (Names{"x.log.2", "x.log.1 ?", "x.log ?"}));
  follow();
  EXPECT_EQ(after_newest(), (Names{"x.log.1", "x.log"}));
}

TEST_F(RotationTest, a_file_that_was_written_beside_the_log_is_none_of_its_generations) {
  know_log();
  fs::rename(path("x.log"), path("x.log.2"));
  write_until("x.log.8081", 60);
  tick();
  write("x.log.1");
  tick();
  write("x.log");
  EXPECT_EQ(after_newest(), (Names{"x.log.2", "x.log.1", "x.log"}));
  EXPECT_EQ(after_newest("x.log*"), (Names{"x.log.2", "x.log.1", "x.log"}));
  const SourceId log = known_.id_of(path("x.log"), Stream::kFile);
  known_.learn(log, path("x.log"), Stream::kFile);
  EXPECT_EQ(rotation_.source_of(found("x.log.8081"), Stream::kFile, {}).source,
            known_.id_of(path("x.log.8081"), Stream::kFile));
  EXPECT_FALSE(rotation_.source_of(found("x.log.1"), Stream::kFile, {}).source);
}

TEST_F(RotationTest, late_writes_to_a_rotated_file_do_not_make_it_another_log) {
  know_log();
  fs::rename(path("x.log"), path("x.log.2"));
  write_until("x.log.1", 8);
  write("x.log");
  EXPECT_EQ(after_newest(), (Names{"x.log.2", "x.log.1", "x.log"}));
}

TEST_F(RotationTest, a_file_that_is_named_and_open_for_writing_is_a_log_of_its_own) {
  know_log();
  fs::rename(path("x.log"), path("x.log.2"));
  std::ofstream writer(path("x.log.1"));
  writer << "line" << std::endl;
  tick();
  write("x.log");
  EXPECT_EQ(after_newest("x.log*"), Names{"later"});  // Its writer may close it yet.
  clock_.ahead_ns += 2 * limits::kLateWritesNs;
  EXPECT_EQ(after_newest("x.log*"), (Names{"x.log.2", "x.log"}));
  EXPECT_EQ(after_newest(), (Names{"x.log.2", "x.log.1", "x.log"}));
  writer.close();
  EXPECT_EQ(after_newest("x.log*"), (Names{"x.log.2", "x.log.1", "x.log"}));
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
  EXPECT_EQ(rotation_.source_of(found("x.log.1"), Stream::kFile, {}).source, own);
  const auto packed = known_.id_of(path("y.log.1.gz"), Stream::kFile);
  EXPECT_EQ(rotation_.source_of(found("y.log.1.gz"), Stream::kFile, {}).source, packed);
  const std::string of_packed = path("y.log");
  EXPECT_FALSE(rotation_.source_of(found("y.log.1.gz"), Stream::kFile, {of_packed}).source);
  const std::string log = path("x.log");
  EXPECT_FALSE(rotation_.source_of(found("x.log.1"), Stream::kFile, {log}).source);
  known_.learn(known_.id_of(log, Stream::kFile), log, Stream::kFile);
  EXPECT_FALSE(rotation_.source_of(found("x.log.1"), Stream::kFile, {}).source);
}

TEST_F(RotationTest, a_known_generation_stays_with_its_source_under_any_name) {
  know_log();
  fs::rename(path("x.log"), path("y.log"));
  EXPECT_EQ(rotation_.source_of(found("y.log"), Stream::kFile, {}).source, kSource);
  EXPECT_NE(rotation_.source_of(found("y.log"), Stream::kStdout, {}).source, kSource);
}

}  // namespace
}  // namespace longshore::agent
