// Goal: a lane that starts does what the recovery table of docs/internals.md says, row by row, and
// continues only if the numbers and the digests of both sides agree.
// Method: one named test for each row; then every combination of small numbers, digests and choices
// is checked against a second statement of the table: a list of conditions of which exactly one
// must hold.

#include "checkpoint/recovery.h"

#include <gtest/gtest.h>

namespace longshore::checkpoint {
namespace {

using Action = RecoveryAction;

std::string digest_of(uint64_t number) { return "ours " + std::to_string(number); }

LaneRecord confirmed(uint64_t number) {
  LaneRecord lane;
  lane.confirmed = {number};
  lane.confirmed_digest = digest_of(number);
  if (number > 0) lane.previous_digest = digest_of(number - 1);
  lane.is_new = false;
  return lane;
}

LaneRecord prepared(uint64_t number) {
  LaneRecord lane = confirmed(number - 1);
  lane.prepared = TransactionNumber{number};
  lane.prepared_digest = digest_of(number);
  return lane;
}

CommittedOffset nothing() { return {}; }
CommittedOffset holds(uint64_t number) { return {TransactionNumber{number}, digest_of(number)}; }
CommittedOffset holds_anothers(uint64_t number) { return {TransactionNumber{number}, "another's"}; }

Action action(const LaneRecord& lane, const CommittedOffset& kafka,
              InDoubt in_doubt = InDoubt::kResend) {
  const Recovery recovery = recover(lane, kafka, in_doubt);
  EXPECT_TRUE(recovery.reason.ends_with(".")) << recovery.reason;
  return recovery.action;
}

TEST(Recovery, a_new_lane_commits_its_offset_before_any_data) {
  LaneRecord lane = confirmed(0);
  lane.is_new = true;
  EXPECT_EQ(action(lane, nothing()), Action::kCommitOffsetFirst);
}

TEST(Recovery, an_expired_offset_of_a_confirmed_transaction_is_committed_again) {
  EXPECT_EQ(action(confirmed(0), nothing()), Action::kCommitOffsetFirst);
  EXPECT_EQ(action(confirmed(7), nothing()), Action::kCommitOffsetFirst);
}

TEST(Recovery, agreement_goes_on) {
  EXPECT_EQ(action(confirmed(0), holds(0)), Action::kContinue);
  EXPECT_EQ(action(confirmed(7), holds(7)), Action::kContinue);
}

TEST(Recovery, a_prepared_transaction_that_kafka_holds_was_delivered) {
  EXPECT_EQ(action(prepared(8), holds(8)), Action::kConfirmPrepared);
}

TEST(Recovery, a_prepared_transaction_behind_kafkas_was_aborted) {
  EXPECT_EQ(action(prepared(8), holds(7)), Action::kDropPrepared);
  EXPECT_EQ(action(prepared(1), holds(0)), Action::kDropPrepared);
}

TEST(Recovery, a_prepared_transaction_is_in_doubt_when_the_offset_expired) {
  EXPECT_EQ(action(prepared(8), nothing()), Action::kResendPrepared);
  EXPECT_EQ(action(prepared(8), nothing(), InDoubt::kSkip), Action::kSkipPrepared);
  EXPECT_EQ(action(prepared(8), nothing(), InDoubt::kHalt), Action::kHalt);
}

TEST(Recovery, a_prepared_transaction_of_a_new_lane_is_in_doubt_too) {
  LaneRecord lane = prepared(1);
  lane.is_new = true;
  EXPECT_EQ(action(lane, nothing()), Action::kResendPrepared);
}

TEST(Recovery, a_prepared_transaction_is_in_doubt_when_the_broker_went_back) {
  EXPECT_EQ(action(prepared(8), holds(6)), Action::kResendPrepared);
  EXPECT_EQ(action(prepared(8), holds_anothers(0)), Action::kResendPrepared);
  EXPECT_EQ(action(prepared(8), holds(6), InDoubt::kSkip), Action::kSkipPrepared);
  EXPECT_EQ(action(prepared(8), holds(6), InDoubt::kHalt), Action::kHalt);
}

TEST(Recovery, a_confirmed_transaction_that_the_broker_lost_is_in_doubt) {
  EXPECT_EQ(action(confirmed(8), holds(7)), Action::kResendConfirmed);
  EXPECT_EQ(action(confirmed(1), holds(0)), Action::kResendConfirmed);
  EXPECT_EQ(action(confirmed(8), holds(7), InDoubt::kSkip), Action::kSkipConfirmed);
  EXPECT_EQ(action(confirmed(8), holds(7), InDoubt::kHalt), Action::kHalt);
}

TEST(Recovery, a_broker_that_went_back_further_gets_the_offset_again) {
  EXPECT_EQ(action(confirmed(8), holds(6)), Action::kRestoreOffset);
  EXPECT_EQ(action(confirmed(8), holds_anothers(0)), Action::kRestoreOffset);
  LaneRecord adopted = confirmed(8);
  adopted.previous_digest.clear();
  EXPECT_EQ(action(adopted, holds(7)), Action::kRestoreOffset);
}

TEST(Recovery, kafka_ahead_of_the_checkpoint_is_refused) {
  EXPECT_EQ(action(confirmed(7), holds(8)), Action::kRefuse);
  EXPECT_EQ(action(confirmed(0), holds(1)), Action::kRefuse);
  EXPECT_EQ(action(prepared(8), holds(9)), Action::kRefuse);
}

TEST(Recovery, anothers_transaction_is_refused) {
  EXPECT_EQ(action(confirmed(0), holds_anothers(0)), Action::kRefuse);
  EXPECT_EQ(action(confirmed(7), holds_anothers(7)), Action::kRefuse);
  EXPECT_EQ(action(confirmed(7), holds_anothers(6)), Action::kRefuse);
  EXPECT_EQ(action(prepared(8), holds_anothers(8)), Action::kRefuse);
  EXPECT_EQ(action(prepared(8), holds_anothers(7)), Action::kRefuse);
}

TEST(Recovery, a_refusal_names_both_numbers_and_the_way_out) {
  const std::string reason = recover(confirmed(7), holds(9), InDoubt::kResend).reason;
  EXPECT_NE(reason.find("transaction 7"), std::string::npos) << reason;
  EXPECT_NE(reason.find("Kafka holds 9"), std::string::npos) << reason;
  EXPECT_NE(reason.find("longshore checkpoint adopt"), std::string::npos) << reason;
}

TEST(Recovery, a_halt_says_how_to_go_on) {
  const std::string reason = recover(prepared(7), nothing(), InDoubt::kHalt).reason;
  EXPECT_NE(reason.find("--in-doubt=resend"), std::string::npos) << reason;
  EXPECT_NE(reason.find("--in-doubt=skip"), std::string::npos) << reason;
}

// The table once more, as one condition a row. Exactly one row must hold.
Action by_the_table(const LaneRecord& lane, const CommittedOffset& kafka, InDoubt in_doubt) {
  const bool known = kafka.number.has_value();
  const uint64_t at = known ? kafka.number->value : 0, n = lane.confirmed.value;
  const bool has_prepared = lane.prepared.has_value();
  const bool ours_n = kafka.digest == lane.confirmed_digest;
  const bool ours_before = kafka.digest == lane.previous_digest;
  const bool ours_prepared = kafka.digest == lane.prepared_digest;
  const bool keeps_before = !lane.previous_digest.empty();
  const auto doubt = [&](Action resend, Action skip) {
    return in_doubt == InDoubt::kResend ? resend
           : in_doubt == InDoubt::kSkip ? skip
                                        : Action::kHalt;
  };
  struct Row {
    bool holds;
    Action action;
  };
  const Row rows[] = {
      {!has_prepared && !known, Action::kCommitOffsetFirst},
      {!has_prepared && known && at == n && ours_n, Action::kContinue},
      {!has_prepared && known && at == n && !ours_n, Action::kRefuse},
      {!has_prepared && known && at > n, Action::kRefuse},
      {!has_prepared && known && at + 1 == n && keeps_before && ours_before,
       doubt(Action::kResendConfirmed, Action::kSkipConfirmed)},
      {!has_prepared && known && at + 1 == n && keeps_before && !ours_before, Action::kRefuse},
      {!has_prepared && known && (at + 1 < n || (at + 1 == n && !keeps_before)),
       Action::kRestoreOffset},
      {has_prepared && !known, doubt(Action::kResendPrepared, Action::kSkipPrepared)},
      {has_prepared && known && at > n + 1, Action::kRefuse},
      {has_prepared && known && at == n + 1 && ours_prepared, Action::kConfirmPrepared},
      {has_prepared && known && at == n + 1 && !ours_prepared, Action::kRefuse},
      {has_prepared && known && at == n && ours_n, Action::kDropPrepared},
      {has_prepared && known && at == n && !ours_n, Action::kRefuse},
      {has_prepared && known && at < n, doubt(Action::kResendPrepared, Action::kSkipPrepared)},
  };
  int applied = 0;
  Action action = Action::kRefuse;
  for (const Row& row : rows) {
    if (!row.holds) continue;
    ++applied;
    action = row.action;
  }
  EXPECT_EQ(applied, 1);
  return action;
}

// Calls `check` with every lane record of small numbers.
template <typename Check>
int for_every_record(const Check& check) {
  int records = 0;
  for (uint64_t n = 0; n <= 4; ++n) {
    for (const bool with_prepared : {false, true}) {
      for (const bool keeps_before : {false, true}) {
        for (const bool is_new : {false, true}) {
          LaneRecord lane = with_prepared ? prepared(n + 1) : confirmed(n);
          if (!keeps_before) lane.previous_digest.clear();
          lane.is_new = is_new;
          check(lane);
          ++records;
        }
      }
    }
  }
  return records;
}

TEST(Recovery, every_combination_is_exactly_one_row_of_the_table) {
  int combinations = 0, continued = 0;
  const auto check = [&](const LaneRecord& lane, const CommittedOffset& kafka) {
    for (const InDoubt choice : {InDoubt::kResend, InDoubt::kHalt, InDoubt::kSkip}) {
      const Recovery recovery = recover(lane, kafka, choice);
      EXPECT_EQ(recovery.action, by_the_table(lane, kafka, choice)) << recovery.reason;
      EXPECT_FALSE(recovery.reason.empty());
      ++combinations;
      if (recovery.action == Action::kContinue) {
        EXPECT_EQ(kafka.number, lane.confirmed);
        EXPECT_EQ(kafka.digest, lane.confirmed_digest);
        EXPECT_FALSE(lane.prepared);
        ++continued;
      }
    }
  };
  for_every_record([&](const LaneRecord& lane) {
    check(lane, nothing());
    for (uint64_t at = 0; at <= 6; ++at) {
      check(lane, {TransactionNumber{at}, ""});
      check(lane, holds_anothers(at));
      for (uint64_t digest = 0; digest <= 6; ++digest) {
        check(lane, {TransactionNumber{at}, digest_of(digest)});
      }
    }
  });
  EXPECT_EQ(combinations, 5 * 2 * 2 * 2 * (1 + 7 * 9) * 3);
  EXPECT_EQ(continued, 5 * 2 * 2 * 3);
}

TEST(Recovery, the_choice_matters_only_in_doubt) {
  int in_doubt = 0;
  for_every_record([&](const LaneRecord& lane) {
    for (uint64_t at = 0; at <= 6; ++at) {
      const Action resend = action(lane, holds(at), InDoubt::kResend);
      const Action skip = action(lane, holds(at), InDoubt::kSkip);
      const Action halt = action(lane, holds(at), InDoubt::kHalt);
      if (halt == Action::kHalt) {
        EXPECT_NE(resend, skip);
        ++in_doubt;
      } else {
        EXPECT_EQ(resend, skip);
        EXPECT_EQ(resend, halt);
      }
    }
  });
  EXPECT_GT(in_doubt, 20);
}

}  // namespace
}  // namespace longshore::checkpoint
