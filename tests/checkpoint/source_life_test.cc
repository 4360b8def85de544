// Goal: each event has one meaning in each life of a source, and an impossible event stops the
// program.
// Method: all pairs of life and event are checked against rules that are stated without the table;
// then which lives can follow each other.

#include "checkpoint/source_life.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>

namespace longshore::checkpoint {
namespace {

// The rules: what each event does, whatever the table says. Empty: it cannot happen.
std::optional<SourceLife> by_the_rules(SourceLife life, SourceEvent event) {
  const bool known_only = life == SourceLife::kRemembered || life == SourceLife::kGone;
  const bool declared = life == SourceLife::kWritten || life == SourceLife::kEnded;
  switch (event) {
    case SourceEvent::kOpened:
      return SourceLife::kWritten;
    case SourceEvent::kEnded:
      if (known_only) return std::nullopt;
      return declared ? SourceLife::kEnded : life;
    case SourceEvent::kReleased:
      if (known_only) return std::nullopt;
      return life == SourceLife::kVanished ? life : SourceLife::kReleased;
    case SourceEvent::kDeleted:
      if (known_only) return std::nullopt;
      return life == SourceLife::kVanished ? life : SourceLife::kDeleted;
    case SourceEvent::kVanished:
      if (!known_only && life != SourceLife::kReleased) return std::nullopt;
      return SourceLife::kVanished;
    case SourceEvent::kForgotten:
      if (!is_released(life)) return std::nullopt;
      return is_file_gone(life) ? SourceLife::kGone : SourceLife::kRemembered;
  }
  return std::nullopt;
}

TEST(SourceLife, every_event_in_every_life_follows_the_rules) {
  size_t pairs = 0, illegal = 0;
  for (size_t life = 0; life < kSourceLives; ++life) {
    for (size_t event = 0; event < kSourceEvents; ++event, ++pairs) {
      SCOPED_TRACE(testing::Message() << "life " << life << " event " << event);
      const auto rule =
          by_the_rules(static_cast<SourceLife>(life), static_cast<SourceEvent>(event));
      const SourceLife next = kSourceLifeTable[life][event];
      illegal += rule ? 0 : 1;
      EXPECT_EQ(next, rule.value_or(kIllegalLife));
      if (rule) {
        EXPECT_EQ(after(static_cast<SourceLife>(life), static_cast<SourceEvent>(event)), *rule);
      }
    }
  }
  EXPECT_EQ(pairs, 42u);
  EXPECT_EQ(illegal, 14u);
}

TEST(SourceLife, every_life_is_reached_and_none_is_a_dead_end) {
  for (size_t first = 0; first < kSourceLives; ++first) {
    std::set<SourceLife> reached{static_cast<SourceLife>(first)};
    for (size_t before = 0; before != reached.size();) {
      before = reached.size();
      for (const SourceLife life : std::set(reached)) {
        for (const SourceLife next : kSourceLifeTable[static_cast<size_t>(life)]) {
          if (next != kIllegalLife) reached.insert(next);
        }
      }
    }
    EXPECT_EQ(reached.size(), kSourceLives) << "from life " << first;
  }
}

TEST(SourceLifeDeathTest, what_cannot_happen_stops_us) {
  EXPECT_DEATH(after(SourceLife::kWritten, SourceEvent::kForgotten), "kIllegalLife");
}

TEST(SourceLife, the_checkpoint_tells_only_whether_its_file_is_gone) {
  SourceRow row;
  EXPECT_EQ(life_of(row), SourceLife::kRemembered);
  row.gone_ns = 1;
  EXPECT_EQ(life_of(row), SourceLife::kGone);
}

}  // namespace
}  // namespace longshore::checkpoint
