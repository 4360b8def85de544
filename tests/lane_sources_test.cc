// Goal: what a lane holds of a source is confirmed only by what was confirmed, and what the store
// holds of it is what a later life needs.
// Method: real files and a checkpoint database, and the calls of a lane one by one.

#include "agent/lane_sources.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/fakes/tail_reader.h"

namespace longshore::agent {
namespace {

namespace fs = std::filesystem;
using checkpoint::LedgerEvent;
using fakes::Lines;

class LaneSourcesTest : public testing::Test, protected fakes::TailReader {
 protected:
  LaneSourcesTest() {
    auto store = checkpoint::open_store(path("."));
    EXPECT_TRUE(store);
    store_ = std::move(store).value();
    spec_->id = {7};
    spec_->host_path = path("x");
  }

  SourceOpened opened(const std::string& name, uint64_t start_offset = 0) {
    return {spec_, open(name), start_offset};
  }

  // All that is ready is read, as in an open transaction.
  Lines read(LaneSources& sources) {
    Lines lines;
    while (LaneSource* source = sources.next()) {
      for (std::string& line : drain(source->tail)) lines.push_back(std::move(line));
      sources.mark_moved(*source);
    }
    return lines;
  }

  // That transaction is confirmed.
  void confirm(LaneSources& sources) {
    std::vector<checkpoint::PreparedSource> states;
    for (const LaneSource* source : sources.moved()) {
      states.push_back({source->spec->id, source->tail.state()});
    }
    ASSERT_TRUE(sources.store_new({0}));
    ASSERT_TRUE(store_->advance({0}, states));
    sources.confirmed(states);
  }

  checkpoint::StoredSource stored() { return store_->source({7}).value().value(); }

  SystemClock clock_;
  std::unique_ptr<checkpoint::Store> store_;
  std::shared_ptr<SourceSpec> spec_ = std::make_shared<SourceSpec>();
};

TEST_F(LaneSourcesTest, what_was_read_before_it_was_known_where_it_begins_is_not_confirmed) {
  LaneSources sources({}, *store_, clock_);
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
  ASSERT_TRUE(sources.store_new({0}));
  EXPECT_EQ(stored().state.offset, 8u);
  // The open transaction is aborted.
  sources.rewind();
  at_ = 8;
  EXPECT_EQ(read(sources), (Lines{"new", "next"}));
}

}  // namespace
}  // namespace longshore::agent
