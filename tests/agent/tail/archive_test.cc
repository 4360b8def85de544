// Goal: a generation that was compressed is read on where it was left, or is known as one that was
// read already; one that was never seen is read whole. What cannot be unpacked is named.
// Method: real files, compressed while the tail is up and between its lives, in every format.

#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "agent/tail/archive_proof.h"
#include "config/limits.h"
#include "tests/fakes/packed.h"
#include "tests/fakes/seed.h"
#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using fakes::kWaitNs;
using fakes::Lines;

constexpr Compression kFormats[] = {Compression::kGzip, Compression::kZstd, Compression::kXz,
                                    Compression::kBzip2};

class ArchiveTest : public testing::Test, protected fakes::TailReader {
 protected:
  std::string content(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  // As logrotate does: the file is gone, its compressed copy is there.
  void compress(const std::string& name, const std::string& to,
                Compression format = Compression::kGzip) {
    std::ofstream(path(to), std::ios::binary) << fakes::packed(format, content(name));
    fs::remove(path(name));
  }
  std::shared_ptr<const OpenFile> open_packed(const std::string& name) {
    const auto plain = open(name);
    Fd fd(::open(path(name).c_str(), O_RDONLY | O_CLOEXEC));
    return std::make_shared<OpenFile>(
        OpenFile{.fd = std::move(fd),
                 .identity = plain->identity,
                 .compression = compression_of(content(name).substr(0, 6))});
  }
  Lines drain_all(Tail& tail) {
    Lines all;
    for (int turn = 0; turn < 1000; ++turn) {
      for (auto& line : drain(tail)) all.push_back(std::move(line));
      if (tail.recheck_at_ns() == 0) return all;
      now_ns_ = tail.recheck_at_ns();
    }
    ADD_FAILURE() << "the tail never rests";
    return all;
  }
  std::string numbered(const std::string& name, size_t from, size_t lines) {
    std::string text;
    for (size_t i = from; i < from + lines; ++i) text += name + " " + std::to_string(i) + "\n";
    return text;
  }
};

TEST_F(ArchiveTest, the_unread_rest_of_a_file_that_was_compressed_meanwhile_comes_once) {
  for (const Compression format : kFormats) {
    at_ = 0;
    append("x", numbered("old", 0, 100));
    const auto state = read_all("x");
    const uint64_t at = at_;
    append("x", numbered("old", 100, 100));
    compress("x", "x.1.gz", format);
    append("x", numbered("new", 0, 10));
    Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
    tail.add(open_packed("x.1.gz"), 0);
    tail.add(open("x"), 0);
    at_ = at;
    const Lines lines = drain_all(tail);
    ASSERT_EQ(lines.size(), 110u) << name_of(format);
    EXPECT_EQ(lines[0], "old 100");
    EXPECT_EQ(lines[100], "new 0");
    EXPECT_EQ(tail.state().generation, 1u);
    EXPECT_TRUE(events(LedgerEvent::kLost).empty());
    EXPECT_TRUE(events(LedgerEvent::kDoubt).empty());
    events_.clear();
    fs::remove(path("x"));
    fs::remove(path("x.1.gz"));
  }
}

TEST_F(ArchiveTest, several_compressed_rotations_are_read_in_order) {
  append("x", numbered("a", 0, 50'000));
  const auto state = read_all("x");
  append("x", numbered("a", 50'000, 50'000));
  compress("x", "x.3.gz", Compression::kXz);
  append("x", numbered("b", 0, 50'000));
  compress("x", "x.2.gz", Compression::kZstd);
  append("x", numbered("c", 0, 50'000));
  compress("x", "x.1.gz", Compression::kBzip2);
  append("x", numbered("d", 0, 10));
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  for (const char* name : {"x.3.gz", "x.2.gz", "x.1.gz"}) tail.add(open_packed(name), 0);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain_all(tail).size(), 150'010u);
  EXPECT_EQ(tail.state().generation, 3u);
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
  EXPECT_EQ(events(LedgerEvent::kClosed).size(), 3u);
}

TEST_F(ArchiveTest, a_restart_or_a_rewind_in_the_middle_of_one_changes_nothing) {
  std::mt19937_64 random(fakes::seed());
  append("x", numbered("old", 0, 20'000));
  auto state = read_all("x");
  append("x", numbered("old", 20'000, 40'000));
  compress("x", "x.1.gz");
  append("x", numbered("new", 0, 10));
  Lines all;
  for (int life = 0; life < 100 && all.size() < 40'010; ++life) {
    Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
    tail.add(open_packed("x.1.gz"), 0);
    tail.add(open("x"), 0);
    auto lines = drain(tail, 1 + static_cast<int>(random() % 12));
    if (random() % 2 == 0) {
      tail.rewind(state);
      at_ = state.covered.bytes;
      lines = drain(tail, 1 + static_cast<int>(random() % 12));
    }
    all.insert(all.end(), lines.begin(), lines.end());
    state = tail.state();
  }
  ASSERT_EQ(all.size(), 40'010u);
  for (size_t i = 0; i < 40'000; ++i) ASSERT_EQ(all[i], "old " + std::to_string(20'000 + i));
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
}

TEST_F(ArchiveTest, a_generation_that_was_read_to_its_end_is_not_read_again_when_it_is_compressed) {
  append("x", numbered("a", 0, 30'000));
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain_all(tail).size(), 30'000u);
  fs::rename(path("x"), path("x.1"));
  append("x", numbered("b", 0, 100));
  tail.add(open("x"), 0);
  EXPECT_EQ(drain_all(tail).size(), 100u);
  compress("x.1", "x.1.gz");
  fs::rename(path("x"), path("x.0"));
  append("x", numbered("c", 0, 100));
  // While it is up, and by a later life.
  const auto state = tail.state();
  tail.add(open_packed("x.1.gz"), 0);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain_all(tail).size(), 100u);
  Tail later(Stream::kFile, state, kWaitNs, {1, 0});
  for (const char* name : {"x.0"}) later.add(open(name), 0);
  later.add(open_packed("x.1.gz"), 0);
  later.add(open("x"), 0);
  at_ = state.covered.bytes;
  EXPECT_EQ(drain_all(later).size(), 100u);
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
}

TEST_F(ArchiveTest, a_log_of_which_only_a_compressed_file_is_left_that_was_read_was_deleted) {
  append("x", numbered("a", 0, 100));
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain_all(tail).size(), 100u);
  fs::rename(path("x"), path("x.1"));
  append("x", numbered("b", 0, 10));
  tail.add(open("x"), 0);
  EXPECT_EQ(drain_all(tail).size(), 10u);
  compress("x.1", "x.1.gz");
  append("x", "unread\n");
  const auto state = tail.state();
  for (const bool is_deleted : {false, true}) {
    events_.clear();
    Tail later(Stream::kFile, state, kWaitNs, {1, 0});
    later.add(open_packed("x.1.gz"), 0);
    at_ = state.covered.bytes;
    EXPECT_EQ(drain(later), Lines{});
    if (!is_deleted) later.add(open("x"), 0);
    EXPECT_EQ(drain_all(later).size(), is_deleted ? 0u : 1u);
    EXPECT_EQ(events(LedgerEvent::kLost).size(), is_deleted ? 1u : 0u);
    EXPECT_EQ(events(LedgerEvent::kEnded).size(), is_deleted ? 1u : 0u);
  }
}

TEST_F(ArchiveTest, what_came_late_to_a_closed_generation_is_read_from_its_compressed_copy) {
  append("x", numbered("a", 0, 10));
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain_all(tail).size(), 10u);
  fs::rename(path("x"), path("x.1"));
  append("x", numbered("b", 0, 10));
  tail.add(open("x"), 0);
  EXPECT_EQ(drain_all(tail).size(), 10u);
  const auto state = tail.state();
  append("x.1", "late\n");
  compress("x.1", "x.2.gz");
  fs::rename(path("x"), path("x.1"));
  append("x", numbered("c", 0, 10));
  Tail later(Stream::kFile, state, kWaitNs, {1, 0});
  later.add(open("x.1"), 0);
  later.add(open_packed("x.2.gz"), 0);
  later.add(open("x"), 0);
  const Lines lines = drain_all(later);
  EXPECT_EQ(lines.size(), 11u);
  EXPECT_EQ(std::ranges::count(lines, "late"), 1);
}

TEST_F(ArchiveTest, the_compressed_copy_of_a_truncated_file_gives_up_what_was_unread) {
  no_copies_ = false;
  append("x", numbered("a", 0, 10));
  const auto state = read_all("x");
  append("x", numbered("a", 10, 10));
  std::ofstream(path("x.1.gz"), std::ios::binary)
      << fakes::packed(Compression::kGzip, content("x"));
  fs::resize_file(path("x"), 0);
  append("x", "new\n");
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  ASSERT_TRUE(tail.take_copy_wish());
  tail.add_copies({open_packed("x.1.gz")});
  const Lines lines = drain_all(tail);
  ASSERT_EQ(lines.size(), 11u);
  EXPECT_EQ(lines[0], "a 10");
  EXPECT_EQ(lines[10], "new");
}

TEST_F(ArchiveTest, after_each_compressed_copy_of_a_truncated_file_something_may_be_missing) {
  no_copies_ = false;
  append("x", numbered("a", 0, 10));
  const auto state = read_all("x");
  for (const char* name : {"x.3.gz", "x.2.gz", "x.1.gz"}) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::ofstream(path(name), std::ios::binary) << fakes::packed(Compression::kGzip, content("x"));
    fs::resize_file(path("x"), 0);
    append("x", std::string("after ") + name + "\n");
  }
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  tail.add_copies({open_packed("x.3.gz"), open_packed("x.2.gz"), open_packed("x.1.gz")});
  EXPECT_EQ(drain(tail), (Lines{"after x.3.gz", "after x.2.gz", "after x.1.gz"}));
  EXPECT_EQ(events(LedgerEvent::kDoubt).size(), 1u);
  EXPECT_EQ(tail.state().truncations.count, 2u);
}

TEST_F(ArchiveTest, a_copy_of_which_the_compressed_one_was_read_is_known) {
  no_copies_ = false;
  append("x", numbered("a", 0, 1000));
  const auto state = read_all("x");
  append("x", numbered("a", 1000, 1000));
  fs::copy_file(path("x"), path("x.1"));
  std::ofstream(path("x.1.gz"), std::ios::binary)
      << fakes::packed(Compression::kGzip, content("x"));
  fs::resize_file(path("x"), 0);
  append("x", "new\n");
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.add(open("x"), 0);
  EXPECT_EQ(drain(tail), Lines{});
  tail.add_copies({open_packed("x.1.gz")});
  EXPECT_EQ(drain_all(tail).size(), 1001u);
  ASSERT_TRUE(tail.can_judge());
  CopyJudged judged;
  tail.judge(*open("x.1"), judged);
  EXPECT_EQ(judged.verdict, CopyVerdict::kCopy);
}

TEST_F(ArchiveTest, a_copy_that_is_collected_as_another_log_is_not_read_when_it_is_compressed) {
  no_copies_ = false;
  append("x", "old\n");
  auto state = read_all("x");
  append("x.2", "old\n");
  compress("x.2", "x.2.gz");
  append("x.1", numbered("unseen", 0, 1000));
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.add(open("x"), 0);
  CopyJudged judged;
  tail.judge(*open("x.1"), judged);
  EXPECT_EQ(judged.verdict, CopyVerdict::kOther);
  compress("x.1", "x.1.gz");
  fs::resize_file(path("x"), 0);
  append("x", "new\n");
  EXPECT_EQ(drain(tail), Lines{});
  tail.add_copies({open_packed("x.2.gz"), open_packed("x.1.gz")});
  EXPECT_EQ(drain_all(tail), Lines{"new"});
}

TEST_F(ArchiveTest, one_that_was_never_seen_is_read_whole_and_ends) {
  append("y", numbered("a", 0, 1000) + "rest");
  compress("y", "y.gz", Compression::kZstd);
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open_packed("y.gz"), 0);
  const Lines lines = drain_all(tail);
  EXPECT_EQ(lines.size(), 1001u);
  EXPECT_EQ(lines.back(), "rest");
  EXPECT_EQ(events(LedgerEvent::kEnded).size(), 1u);
  Tail later(Stream::kFile, tail.state(), kWaitNs, {1, 0});
  later.add(open_packed("y.gz"), 0);
  EXPECT_EQ(drain_all(later), Lines{});
  EXPECT_EQ(events(LedgerEvent::kEnded).size(), 1u);
}

TEST_F(ArchiveTest, one_that_is_cut_short_waits_for_its_writer_and_then_names_the_loss) {
  append("x", numbered("a", 0, 30'000));
  const std::string packed = fakes::packed(Compression::kGzip, content("x"));
  fs::remove(path("x"));
  std::ofstream writer(path("x.1.gz"), std::ios::binary);
  writer << packed.substr(0, packed.size() / 2) << std::flush;
  append("x", "next\n");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open_packed("x.1.gz"), 0);
  tail.add(open("x"), 0);
  const size_t first = drain(tail).size();
  EXPECT_GT(first, 1000u);
  EXPECT_GT(tail.recheck_at_ns(), now_ns_);
  const auto half = tail.state();
  writer << packed.substr(packed.size() / 2);
  writer.close();
  EXPECT_EQ(drain_all(tail).size(), 30'001 - first);
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
  // Its writer died.
  fs::resize_file(path("x.1.gz"), packed.size() * 2 / 3);
  Tail later(Stream::kFile, half, kWaitNs, {1, 0});
  at_ = half.covered.bytes;
  later.add(open_packed("x.1.gz"), 0);
  later.add(open("x"), 0);
  const Lines lines = drain_all(later);
  EXPECT_EQ(lines.back(), "next");
  EXPECT_GT(lines.size(), 100u);
  const auto lost = events(LedgerEvent::kLost);
  ASSERT_EQ(lost.size(), 1u);
  EXPECT_EQ(lost[0].reason, "damaged archive");
}

TEST_F(ArchiveTest, one_of_which_nothing_was_read_is_read_with_a_doubt) {
  append("x", numbered("a", 0, 10));
  Tail first(Stream::kFile, {}, kWaitNs);
  first.add(open("x"), 0);
  first.begin();
  const auto state = first.state();
  compress("x", "x.1.gz");
  append("x", "next\n");
  Tail tail(Stream::kFile, state, kWaitNs, {1, 0});
  tail.add(open_packed("x.1.gz"), 0);
  tail.add(open("x"), 0);
  EXPECT_EQ(drain_all(tail).size(), 11u);
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
  EXPECT_EQ(events(LedgerEvent::kDoubt).size(), 1u);
}

TEST_F(ArchiveTest, nuls_are_passed_over) {
  append("x", "one\n" + std::string(3 << 20, '\0') + "two\nthree" + std::string(2 << 20, '\0'));
  compress("x", "x.gz");
  Tail tail(Stream::kFile, {}, kWaitNs);
  tail.add(open_packed("x.gz"), 0);
  EXPECT_EQ(drain_all(tail), (Lines{"one", "two", "three"}));
  EXPECT_EQ(events(LedgerEvent::kEnded).size(), 1u);
}

TEST_F(ArchiveTest, few_unpackers_serve_many_tails) {
  const auto reader = std::make_shared<LogReader>();
  std::vector<std::unique_ptr<Tail>> tails;
  for (int i = 0; i < 12; ++i) {
    const std::string name = "x" + std::to_string(i);
    append(name, numbered("a", 0, 30'000));
    compress(name, name + ".gz");
    tails.push_back(
        std::make_unique<Tail>(Stream::kFile, checkpoint::SourceState{}, kWaitNs, Boots{}, reader));
    tails.back()->add(open_packed(name + ".gz"), 0);
  }
  std::vector<size_t> lines(tails.size());
  size_t all = 0;
  for (int turn = 0; turn < 20'000 && all < 12 * 30'000; ++turn) {
    const size_t i = static_cast<size_t>(turn) % tails.size();
    at_ = tails[i]->state().covered.bytes;
    const size_t read = drain(*tails[i], 1).size();
    lines[i] += read;
    all += read;
    now_ns_ += 1'000'000;
  }
  for (const size_t each : lines) EXPECT_EQ(each, 30'000u);
}

}  // namespace
}  // namespace longshore::agent
