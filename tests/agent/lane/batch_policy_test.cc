// Goal: transactions and batches shrink when Kafka cannot take them, never below one record, and
// grow again afterwards.
// Method: the calls of a lane one by one.

#include "agent/lane/batch_policy.h"

#include <gtest/gtest.h>

namespace longshore::agent {
namespace {

using shipper::Trouble;

constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kHour = 3600 * kSecond;

TEST(BatchPolicy, a_time_out_makes_transactions_smaller_until_they_grow_back) {
  BatchPolicy policy(1000, kSecond);
  EXPECT_FALSE(policy.shrink(Trouble::kTimeout, 0));
  EXPECT_FALSE(policy.shrink(Trouble::kBroker, 0));
  EXPECT_EQ(policy.transaction_bytes(), 500u);
  EXPECT_EQ(policy.session_bytes(), limits::kBatchBytes);
  int commits = 0;
  for (; policy.transaction_bytes() < 1000; ++commits) policy.committed();
  EXPECT_EQ(commits, 6);
  policy.committed();
  EXPECT_EQ(policy.transaction_bytes(), 1000u);
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(policy.shrink(Trouble::kTimeout, 0));
  EXPECT_EQ(policy.transaction_bytes(), 1u);
}

TEST(BatchPolicy, what_is_too_large_is_tried_at_once_in_smaller_batches_down_to_one_record) {
  BatchPolicy policy(100'000'000, kSecond);
  int tries = 0;
  for (; policy.shrink(Trouble::kTooLarge, 0); ++tries) {
    EXPECT_TRUE(policy.session_bytes() >= limits::kBatchBytesMin || policy.one_record_at_a_time());
  }
  EXPECT_EQ(tries, 3);
  EXPECT_TRUE(policy.one_record_at_a_time());
  EXPECT_FALSE(policy.shrink(Trouble::kTooLarge, 0));
}

TEST(BatchPolicy, larger_batches_are_tried_ever_more_rarely) {
  BatchPolicy policy(1000, kSecond);
  EXPECT_FALSE(policy.growth_is_due(kHour));
  int64_t now = 0;
  for (int64_t wait_s = 60; wait_s < 3600; wait_s *= 2) {
    EXPECT_TRUE(policy.shrink(Trouble::kTooLarge, now));
    EXPECT_FALSE(policy.growth_is_due(now + wait_s * kSecond - 1));
    now += wait_s * kSecond;
    EXPECT_TRUE(policy.growth_is_due(now));
    policy.grow(now);
    EXPECT_EQ(policy.session_bytes(), limits::kBatchBytes);
    EXPECT_FALSE(policy.growth_is_due(now + kHour));
  }
  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(policy.shrink(Trouble::kTooLarge, now));
    now += kHour;
    EXPECT_TRUE(policy.growth_is_due(now));
    policy.grow(now);
  }
}

TEST(BatchPolicy, a_transaction_lingers_and_its_sources_are_looked_at_meanwhile) {
  const BatchPolicy policy(1000, kSecond / 2);
  EXPECT_EQ(policy.due_at_ns(7), kSecond / 2 + 7);
  EXPECT_EQ(policy.next_look_ns(7), kSecond / 20 + 7);
  EXPECT_EQ(BatchPolicy(1000, kHour).next_look_ns(7), limits::kLookAgainNsMax + 7);
}

}  // namespace
}  // namespace longshore::agent
