// Goal: a lane confirms only those parts of a source's state that Kafka is known to have committed,
// and the store holds everything that a later run needs.
// Method: real files and a checkpoint database, and the calls of a lane one by one.

#include "agent/lane/sources.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "config/limits.h"
#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using fakes::Lines;

class SourcesTest : public testing::Test, protected fakes::TailReader {
 protected:
  SourcesTest() {
    auto store = checkpoint::open_store(path("."));
    EXPECT_TRUE(store);
    store_ = std::move(store).value();
    spec_->id = {7};
    spec_->declaration = std::make_shared<const Declaration>();
    spec_->host_path = path("x");
  }

  SourceOpened opened(const std::string& name, uint64_t start_offset = 0) {
    return {spec_, open(name), start_offset};
  }

  // All that is ready is read, as in an open transaction.
  Lines read(Sources& sources) {
    Lines lines;
    while (LaneSource* source = sources.next()) {
      for (std::string& line : drain(source->tail)) lines.push_back(std::move(line));
      sources.moved().move(*source);
    }
    return lines;
  }

  // That transaction is confirmed.
  void confirm(Sources& sources) {
    const auto states = sources.moved().states();
    ASSERT_TRUE(sources.unstored().store({0}));
    ASSERT_TRUE(store_->advance({0}, states));
    sources.confirmed(states);
  }

  // What is drained and released is let go, and the store learns of it.
  void let_go(Sources& sources) {
    while (LaneSource* source = sources.next()) {
      EXPECT_EQ(drain(source->tail), Lines{});
      sources.drained(*source);
    }
    EXPECT_EQ(sources.size(), 0u);
    ASSERT_TRUE(sources.unstored().store({0}));
    EXPECT_NE(stored().row.gone_ns, 0);
  }

  checkpoint::StoredSource stored() { return store_->source({7}).value().value(); }

  SystemClock clock_;
  std::unique_ptr<checkpoint::Store> store_;
  std::shared_ptr<SourceSpec> spec_ = std::make_shared<SourceSpec>();
};

TEST_F(SourcesTest, the_store_learns_who_declares_a_source_now) {
  Sources sources({}, *store_, clock_);
  append("x", "line\n");
  ASSERT_TRUE(sources.opened(opened("x")));
  ASSERT_TRUE(sources.unstored().store({0}));
  const int64_t first_seen_ns = stored().row.first_seen_ns;
  auto other = std::make_shared<SourceSpec>(*spec_);
  other->container_id = "green";
  ASSERT_TRUE(sources.opened({other, nullptr, 0}));
  ASSERT_TRUE(sources.unstored().store({0}));
  EXPECT_EQ(stored().row.container_id, "green");
  EXPECT_EQ(stored().row.first_seen_ns, first_seen_ns);
}

TEST_F(SourcesTest, the_state_tells_where_the_target_of_a_symlink_stood) {
  Sources sources({}, *store_, clock_);
  append("x", "line\n");
  const auto linked = std::make_shared<OpenFile>(OpenFile{
      Fd(::open(path("x").c_str(), O_RDONLY | O_CLOEXEC)), open("x")->identity, path("x")});
  ASSERT_TRUE(sources.opened({spec_, linked, 0}));
  EXPECT_EQ(read(sources), Lines{"line"});
  confirm(sources);
  EXPECT_EQ(stored().state.file_path, path("x"));
}

TEST_F(SourcesTest, what_was_read_before_it_was_known_where_it_begins_is_not_confirmed) {
  Sources sources({}, *store_, clock_);
  append("x", "old\n");
  ASSERT_TRUE(sources.opened(opened("x", 8)));  // Shorter than that, for now.
  EXPECT_EQ(read(sources), Lines{});
  append("x", "old\nnew\n");
  at_ = 8;
  sources.touched({{{7}}});
  EXPECT_EQ(read(sources), Lines{"new"});
  fs::rename(path("x"), path("x.1"));
  append("x", "next\n");
  ASSERT_TRUE(sources.opened(opened("x")));
  ASSERT_TRUE(sources.unstored().store({0}));
  EXPECT_EQ(stored().state.offset, 8u);
  // The open transaction is aborted.
  sources.rewind();
  at_ = 8;
  EXPECT_EQ(read(sources), (Lines{"new", "next"}));
}

TEST_F(SourcesTest, a_log_that_was_read_whole_and_deleted_and_is_made_anew_lost_nothing) {
  Sources sources({}, *store_, clock_);
  append("x", "first\n");
  ASSERT_TRUE(sources.opened(opened("x")));
  EXPECT_EQ(read(sources), Lines{"first"});
  confirm(sources);
  for (int turn = 0; turn < 2; ++turn) {
    const Fd busy(::open(path("x").c_str(), O_RDONLY | O_CLOEXEC));  // Its inode stays its own.
    fs::remove(path("x"));
    sources.released({7}, true);
    EXPECT_EQ(read(sources), Lines{});
    confirm(sources);
    let_go(sources);
    append("x", "again\n");
    ASSERT_TRUE(sources.opened(opened("x")));
    EXPECT_EQ(read(sources), Lines{"again"});
    // Aborted, and read again.
    sources.rewind();
    at_ -= 6;
    EXPECT_EQ(read(sources), Lines{"again"});
    confirm(sources);
  }
  EXPECT_TRUE(events(LedgerEvent::kLost).empty());
  EXPECT_EQ(stored().row.gone_ns, 0);
}

TEST_F(SourcesTest, files_that_came_and_went_between_two_lives_may_have_been_lost) {
  append("x", "first\n");
  {
    Sources sources({}, *store_, clock_);
    ASSERT_TRUE(sources.opened(opened("x")));
    sources.released({7}, true);
    EXPECT_EQ(read(sources), Lines{"first"});
    confirm(sources);
    let_go(sources);
  }
  fs::rename(path("x"), path("y"));
  append("x", "next\n");
  Sources sources({}, *store_, clock_);
  ASSERT_TRUE(sources.opened(opened("x")));
  EXPECT_EQ(read(sources), Lines{"next"});
  EXPECT_EQ(events(LedgerEvent::kLost).size(), 1u);
}

TEST_F(SourcesTest, a_line_ends_with_its_run_also_if_the_next_run_is_faster_than_the_lane) {
  Sources sources({}, *store_, clock_);
  append("x", "one\nfatal");
  const SourceOpened message = opened("x");
  ASSERT_TRUE(sources.opened(message));
  sources.ended({.source = {7}, .file = message.file->identity, .size_bytes = 9});
  ASSERT_TRUE(sources.opened({spec_, nullptr, 0}));
  append("x", "started\n");
  EXPECT_EQ(read(sources), (Lines{"one", "fatal", "started"}));
}

TEST_F(SourcesTest, beginnings_of_lines_share_the_memory_of_their_lane) {
  Sources sources({}, *store_, clock_);
  const std::string piece(16'384, 'x');
  constexpr size_t kPieces = 60;
  size_t all = 0;
  for (uint64_t id = 1; id <= 20; ++id) {
    auto spec = std::make_shared<SourceSpec>(*spec_);
    Declaration declaration;
    declaration.stream = Stream::kStdout;
    spec->declaration = std::make_shared<const Declaration>(declaration);
    spec->id = {id};
    const std::string name = "s" + std::to_string(id);
    for (size_t i = 0; i < kPieces; ++i) {
      append(name, R"({"log":")" + piece +
                       R"(","stream":"stdout","time":"2026-11-21T04:50:00.1Z"})" + "\n");
    }
    ASSERT_TRUE(sources.opened({spec, open(name), 0}));
    append(name + ".next", "");
    ASSERT_TRUE(sources.opened({spec, open(name + ".next"), 0}));
    all += kPieces * piece.size();
  }
  ASSERT_GT(all, limits::kBegunBytesMax);
  size_t held = 0, shipped = 0;
  shipper::RecordEncoder encoder({.source = {7}, .name = "n", .path = "/p"});
  while (LaneSource* const source = sources.next()) {
    for (auto outcome = FillOutcome::kMoved; outcome != FillOutcome::kDrained;) {
      shipper::Chunk chunk;
      sources.limit_begun(*source);
      outcome = source->tail.fill(chunk, encoder, 1, 1).value();
      sources.limit_begun(*source);
      shipped += chunk.messages.size();
    }
    held += source->tail.begun_bytes();
  }
  EXPECT_LE(held, limits::kBegunBytesMax);
  EXPECT_GT(held, limits::kBegunBytesMax / 2);
  EXPECT_GT(shipped, 0u);
}

TEST_F(SourcesTest, what_ended_and_went_while_nobody_looked_may_have_gone_on_before) {
  append("x", "first\n");
  {
    Sources sources({}, *store_, clock_);
    ASSERT_TRUE(sources.opened(opened("x")));
    sources.ended({.source = {7}});
    EXPECT_EQ(read(sources), Lines{"first"});
    confirm(sources);
    EXPECT_TRUE(stored().state.ended);
  }
  fs::rename(path("x"), path("y"));
  append("y", "unseen\n");
  append("x", "next\n");
  Sources sources({}, *store_, clock_);
  ASSERT_TRUE(sources.opened(opened("x")));
  EXPECT_EQ(read(sources), Lines{"next"});
  ASSERT_EQ(events(LedgerEvent::kLost).size(), 1u);
  EXPECT_EQ(events(LedgerEvent::kLost)[0].reason, "generation unseen");
}

}  // namespace
}  // namespace longshore::agent
