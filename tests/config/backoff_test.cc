// Goal: waits grow from the first to the longest and no further, and start again after a success.
// Method: sequences by hand, and every spread of small waits.

#include "config/backoff.h"

#include <gtest/gtest.h>

namespace longshore {
namespace {

TEST(Backoff, waits_double_from_the_first_to_the_last) {
  Backoff backoff(100, 1000);
  for (const int64_t expected : {100, 200, 400, 800, 1000, 1000})
    EXPECT_EQ(backoff.next(), expected);
  backoff.reset();
  EXPECT_EQ(backoff.next(), 100);
}

TEST(Backoff, the_last_wait_may_be_the_largest_number) {
  Backoff backoff(INT64_MAX / 3, INT64_MAX);
  for (const int64_t expected : {INT64_MAX / 3, INT64_MAX / 3 * 2, INT64_MAX, INT64_MAX})
    EXPECT_EQ(backoff.next(), expected);
}

TEST(Backoff, a_first_wait_that_is_the_last_one_stays) {
  Backoff backoff(7, 7);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(backoff.next(), 7);
}

TEST(Backoff, a_spread_wait_is_at_least_half_and_at_most_all_of_it) {
  int waits = 0;
  for (const int64_t wait : {1, 2, 3, 100, 101}) {
    for (uint64_t random = 0; random < 200; ++random, ++waits) {
      Backoff backoff(wait, 1000);
      const int64_t spread = backoff.next_spread(random);
      EXPECT_LE(spread, wait);
      EXPECT_GE(spread * 2, wait);
      EXPECT_EQ(backoff.next(), wait * 2) << "a spread does not shorten the waits after it";
    }
  }
  EXPECT_EQ(waits, 1000);
  Backoff shortest(100, 1000), longest(100, 1000);
  EXPECT_EQ(longest.next_spread(0), 100);
  EXPECT_EQ(shortest.next_spread(50), 50);
}

}  // namespace
}  // namespace longshore
