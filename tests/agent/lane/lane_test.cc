// Goal: whichever call fails and whatever Kafka forgets, Kafka holds every line of every source
// once and in order, or the lane refuses to go on and says so.
// Method: a real lane with real files and a real checkpoint database against a scripted Kafka. Each
// call fails at each early opportunity, with and without an answer; then each row of the recovery
// table is tested.

#include "agent/lane/lane.h"

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <thread>
#include <vector>

#include "tests/fakes/lane_host.h"
#include "tests/fakes/logged_words.h"

namespace longshore::agent {
namespace {

using fakes::Call;
using fakes::Fault;
using Shipped = std::map<std::string, Lines>;

class LaneTest : public testing::Test, protected Host {};

TEST_F(LaneTest, all_that_is_there_is_shipped_once_over_several_lives) {
  append("a", 10'000);
  append("b", 50);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped(), written_);
  const size_t commits = kafka_.commits();
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(kafka_.commits(), commits);  // Nothing new: no transaction.
  append("a", 3);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped(), written_);
  EXPECT_FALSE(record().prepared);
}

TEST_F(LaneTest, more_logs_than_a_turn_takes_in_and_a_transaction_holds_are_all_shipped) {
  const size_t logs = limits::kTransactionSources + limits::kMessagesAtOnce + 1;
  for (size_t i = 0; i < logs; ++i) append(std::to_string(i), 1);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped(), written_);
  EXPECT_GE(kafka_.commits(), 2u);
}

// Else a source that is rotated while Kafka is away would begin with the wrong file after a kill.
TEST_F(LaneTest, where_a_source_begins_is_stored_before_kafka_was_ever_there) {
  append("a", 10);
  stay_ = true;
  kafka_.fail({.call = Call::kClusterId, .nth = 1, .times = 3, .code = ErrorCode::kRetryable});
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(kafka_.commits(), 0u);
  const auto stored = checkpoint::open_store(directory_.path()).value()->sources({0}).value();
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_EQ(stored[0].state.file, opened("a").file->identity);
  EXPECT_EQ(stored[0].state.offset, 0u);
  stay_ = false;
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped(), written_);
}

TEST_F(LaneTest, a_lane_that_is_never_idle_forgets_what_is_gone_all_the_same) {
  append("a", 2'000);
  first_ = [](Sources&, checkpoint::Store& store) {
    ASSERT_TRUE(store.lane({0}));
    checkpoint::SourceRow gone;
    gone.id = {99};
    gone.host_path = gone.name = "gone";
    gone.first_seen_ns = gone.gone_ns = 1;
    ASSERT_TRUE(store.put_sources({gone}));
  };
  // It ends in the middle of its work.
  kafka_.fail({.call = Call::kCommit, .nth = 3, .code = ErrorCode::kInvalid});
  EXPECT_EQ(live({.batch_bytes = 2'000}).exit_status, 2);
  const auto stored = checkpoint::open_store(directory_.path()).value()->sources({0}).value();
  ASSERT_EQ(stored.size(), 1u);
  EXPECT_NE(stored[0].row.id, SourceId{99});
  EXPECT_LT(stored[0].state.offset, bytes_written("a"));
}

/// A life in which one call fails, and a second one.
void one_call_fails(const Fault& fault) {
  SCOPED_TRACE(testing::Message() << "call " << static_cast<int>(fault.call) << " nth " << fault.nth
                                  << " done " << fault.done_anyway << " code "
                                  << static_cast<int>(fault.code));
  Host life;
  life.ends_ = true;
  life.kafka_.add_topic(kLedger, 4);
  life.kafka_.fail(fault);
  life.append("a", 4000);
  life.append("b", 7);
  ASSERT_EQ(life.live({.ledger_topic = kLedger}).exit_status, 0);
  ASSERT_EQ(life.shipped(), life.written_);
  const auto first = std::to_string(life.bytes_written("a"));
  const auto other = std::to_string(life.bytes_written("b"));
  life.append("a", 100);
  ASSERT_EQ(life.live({.ledger_topic = kLedger}).exit_status, 0);
  ASSERT_EQ(life.shipped(), life.written_);
  const auto total = std::to_string(life.bytes_written("a"));
  ASSERT_EQ(life.ledger_records()["a"],
            (Lines{"opened 0 0", "ended 0 " + first, "ended 0 " + total}));
  ASSERT_EQ(life.ledger_records()["b"], (Lines{"opened 0 0", "ended 0 " + other}));
}

TEST_F(LaneTest, any_call_may_fail_at_any_time_answered_or_not) {
  std::atomic<int> cases = 0;
  // A lane waits before it tries again, so each call has a thread of its own.
  std::vector<std::thread> threads;
  for (int call = 0; call < static_cast<int>(Call::kCount); ++call) {
    if (static_cast<Call>(call) == Call::kCreateTopic) continue;
    const bool of_session =
        call > static_cast<int>(Call::kOpen) && call <= static_cast<int>(Call::kFlush);
    const ErrorCode final = of_session ? ErrorCode::kSessionGone : ErrorCode::kNotFound;
    threads.emplace_back([call, final, &cases] {
      for (size_t nth = 1; nth <= 3; ++nth) {
        for (const bool done_anyway : {false, true}) {
          for (const ErrorCode code : {final, ErrorCode::kRetryable}) {
            one_call_fails({.call = static_cast<Call>(call),
                            .nth = nth,
                            .times = 1,
                            .code = code,
                            .trouble = shipper::Trouble::kBroker,
                            .done_anyway = done_anyway});
            if (HasFatalFailure()) return;
            ++cases;
          }
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cases, (static_cast<int>(Call::kCount) - 1) * 12);
}

TEST_F(LaneTest, a_ledger_without_its_topic_waits_for_it_and_nothing_else_does) {
  append("a", 10);
  EXPECT_EQ(live({.ledger_topic = kLedger}).exit_status, 0);
  EXPECT_EQ(shipped(), written_);
  fs::resize_file(path("a"), 0);
  written_["a"].clear();
  append("a", 3);
  EXPECT_EQ(live({.ledger_topic = kLedger}).exit_status, 0);
  ASSERT_EQ(ledger().size(), 2u);
  EXPECT_EQ(ledger()[1].reason, "truncated?");
  EXPECT_FALSE(ledger()[1].shipped);
  kafka_.add_topic(kLedger, 4);
  EXPECT_EQ(live({.ledger_topic = kLedger}).exit_status, 0);
  EXPECT_EQ(ledger_records()["a"], (Lines{"opened 0 0", "doubt 40 40 truncated?"}));
  EXPECT_EQ(live({.ledger_topic = kLedger}).exit_status, 0);
  EXPECT_EQ(ledger_records()["a"].size(), 2u);
}

TEST_F(LaneTest, a_forbidden_ledger_stops_no_record) {
  kafka_.add_topic(kLedger, 4);
  kafka_.fail_deliveries({kLedger, 0}, 1000, shipper::Trouble::kPartition);
  for (int32_t partition = 1; partition < 4; ++partition) {
    kafka_.fail_deliveries({kLedger, partition}, 1000, shipper::Trouble::kPartition);
  }
  append("a", 10);
  EXPECT_EQ(live({.ledger_topic = kLedger}).exit_status, 0);
  EXPECT_EQ(shipped(), written_);
  EXPECT_TRUE(ledger_records().empty());
  EXPECT_EQ(ledger().size(), 1u);
}

TEST_F(LaneTest, the_ledger_is_shipped_at_least_once_too) {
  kafka_.add_topic(kLedger, 4);
  ends_ = true;
  append("a", 10);
  EXPECT_EQ(live({.ledger_topic = kLedger, .exactly_once = false}).exit_status, 0);
  EXPECT_EQ(ledger_records()["a"], (Lines{"opened 0 0", "ended 0 40"}));
  EXPECT_EQ(live({.ledger_topic = kLedger, .exactly_once = false}).exit_status, 0);
  EXPECT_EQ(ledger_records()["a"].size(), 2u);
}

TEST_F(LaneTest, before_it_stops_it_ships_what_is_left_of_deleted_files) {
  append("a", 20'000);
  append("b", 20'000);
  deleted_ = "a";
  stops_ = true;
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped()["a"], written_["a"]);
  EXPECT_TRUE(shipped()["b"].empty());
}

TEST_F(LaneTest, a_source_that_comes_back_at_once_goes_on_where_it_stood) {
  append("a", 1);
  append("b", 1);
  stay_ = true;
  meanwhile_ = [this](Mailbox<ToLane>& inbox) {
    const SourceOpened busy = opened("b");
    for (int i = 0; i < 1500; ++i) {
      append("b", 1);
      inbox.post(SourcesTouched{{busy.spec->id}});
      if (i % 5 == 0) {
        append("a", 1);
        const SourceOpened message = opened("a");
        inbox.post(message);
        inbox.post(SourceReleased{message.spec->id, false});
      }
      std::this_thread::sleep_for(std::chrono::microseconds(700));
    }
  };
  EXPECT_EQ(live({.linger_ns = 2'000'000}).exit_status, 0);
  stay_ = false;
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped(), written_);
}

TEST_F(LaneTest, a_small_queue_and_small_transactions_change_nothing) {
  kafka_.set_queue_records_max(100);
  append("a", 9000);
  append("b", 9000);
  EXPECT_EQ(live({.batch_bytes = 1000}).exit_status, 0);
  EXPECT_EQ(shipped(), written_);
}

TEST_F(LaneTest, a_refusal_reaches_the_ledger_although_no_record_comes_with_it) {
  kafka_.add_topic(kLedger, 1);
  stay_ = true;
  meanwhile_ = [](Mailbox<ToLane>& inbox) {
    LedgerEntry entry;
    entry.source = {7};
    entry.event = LedgerEvent::kRefused;
    entry.reason = "limit directories";
    entry.refused.name = "app";
    entry.refused.count = 320;
    inbox.post(LogRefused{entry});
  };
  EXPECT_EQ(live({.ledger_topic = kLedger}).exit_status, 0);
  EXPECT_EQ(ledger_records()["app"], Lines{"refused 0 0 limit directories"});
  ASSERT_EQ(ledger().size(), 1u);
  EXPECT_TRUE(ledger()[0].shipped);
  EXPECT_EQ(ledger()[0].refused.count, 320u);
}

TEST_F(LaneTest, an_expired_offset_is_committed_again_before_any_data) {
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  kafka_.set_offset(kGroup, {});
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped(), written_);
  EXPECT_TRUE(ledger().empty());
}

TEST_F(LaneTest, a_commit_that_the_broker_lost_is_sent_again) {
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  kafka_.undo_last_commit();
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped(), written_);
  ASSERT_FALSE(ledger().empty());
  EXPECT_EQ(ledger()[0].reason, "possible duplicates");
}

TEST_F(LaneTest, a_commit_that_the_broker_lost_before_it_was_confirmed_is_sent_again) {
  append("a", 3000);
  // Offset 0, a first chunk; the next begins when the store still calls that one prepared.
  kafka_.fail({.call = fakes::Call::kBegin, .nth = 3, .undoes_last = true});
  EXPECT_EQ(live({.batch_bytes = 1}).exit_status, 0);
  EXPECT_EQ(shipped(), written_);
}

TEST_F(LaneTest, a_transaction_in_doubt_is_sent_again_and_stands_in_the_ledger) {
  const fakes::LoggedWords words;
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  {
    // The agent dies between PREPARE and commit, and Kafka forgets the group.
    auto store = checkpoint::open_store(directory_.path());
    const uint64_t next = store.value()->lane({0}).value().confirmed.value + 1;
    const SourceId id = opened("a").spec->id;
    const auto state = store.value()->source(id).value()->state;
    ASSERT_TRUE(store.value()->prepare({.lane = {0}, .number = {next}, .sources = {{id, state}}}));
  }
  kafka_.set_offset(kGroup, {});
  append("a", 5);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped(), written_);
  ASSERT_EQ(ledger().size(), 1u);
  EXPECT_EQ(ledger()[0].reason, "possible duplicates");
  EXPECT_EQ(words.count("possible duplicates: log a of the host ("), 1u);
}

TEST_F(LaneTest, a_broker_that_lost_more_than_what_is_in_doubt_is_named_too) {
  for (int life = 0; life < 3; ++life) {
    append("a", 10);
    EXPECT_EQ(live().exit_status, 0);
  }
  {
    auto store = checkpoint::open_store(directory_.path());
    const uint64_t next = store.value()->lane({0}).value().confirmed.value + 1;
    ASSERT_TRUE(store.value()->prepare({.lane = {0}, .number = {next}, .sources = {}}));
  }
  kafka_.set_offset(kGroup, {.known = true, .number = {1}, .digest = "forgotten"});
  EXPECT_EQ(live().exit_status, 0);
  ASSERT_EQ(ledger().size(), 2u);
  EXPECT_EQ(ledger()[0].reason, "possible duplicates");
  EXPECT_EQ(ledger()[1].reason, "broker went back");
}

TEST_F(LaneTest, a_broker_that_went_back_is_named_once_however_often_its_offset_fails) {
  for (int life = 0; life < 4; ++life) {
    append("a", 10);
    EXPECT_EQ(live().exit_status, 0);
  }
  kafka_.set_offset(kGroup, {.known = true, .number = {1}, .digest = "forgotten"});
  // The offset of nothing and four transactions went before.
  kafka_.fail({.call = Call::kSendOffset, .nth = 6, .times = 5});
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped(), written_);
  ASSERT_EQ(ledger().size(), 1u);
  EXPECT_EQ(ledger()[0].reason, "broker went back");
}

TEST_F(LaneTest, in_doubt_halt_stops_and_changes_nothing) {
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  {
    auto store = checkpoint::open_store(directory_.path());
    const uint64_t next = store.value()->lane({0}).value().confirmed.value + 1;
    ASSERT_TRUE(store.value()->prepare({.lane = {0}, .number = {next}, .sources = {}}));
  }
  kafka_.set_offset(kGroup, {});
  const LaneStopped stopped = live({.in_doubt = InDoubt::kHalt});
  EXPECT_EQ(stopped.exit_status, 2);
  EXPECT_NE(stopped.message.find("--in-doubt"), std::string::npos);
  EXPECT_TRUE(record().prepared);
}

TEST_F(LaneTest, a_state_behind_kafka_refuses_before_it_fences_anyone) {
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  const size_t inits = kafka_.calls(Call::kInit);
  kafka_.set_offset(kGroup, {.known = true, .number = {99}, .digest = "99:other"});
  append("a", 10);
  const LaneStopped stopped = live();
  EXPECT_EQ(stopped.exit_status, 2);
  EXPECT_NE(stopped.message.find("checkpoint adopt"), std::string::npos);
  EXPECT_EQ(kafka_.calls(Call::kInit), inits);
}

TEST_F(LaneTest, another_agents_digest_is_refused) {
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  auto offset = kafka_.offset(kGroup);
  offset.digest = "somebody else's";
  kafka_.set_offset(kGroup, offset);
  EXPECT_EQ(live().exit_status, 2);
}

TEST_F(LaneTest, another_cluster_is_refused_unless_it_is_meant) {
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  kafka_.set_cluster_id("another");
  kafka_.set_offset(kGroup, {});
  append("a", 10);
  EXPECT_EQ(live().exit_status, 2);
  EXPECT_EQ(live({.new_cluster = NewCluster::kContinue}).exit_status, 0);
  EXPECT_EQ(shipped(), written_);
}

TEST_F(LaneTest, another_cluster_gets_all_files_again_once_whichever_lane_sees_it_first) {
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  const std::string old =
      checkpoint::open_store(directory_.path()).value()->value("cluster_id").value();
  Lines twice = written_["a"];
  for (const bool other_lane : {false, true}) {
    const std::string fresh = other_lane ? "third" : "second";
    kafka_.set_cluster_id(fresh);
    kafka_.set_offset(kGroup, {});
    // Our source is known before; we learn of the cluster only then.
    const size_t asked = kafka_.calls(Call::kClusterId);
    if (!other_lane) {
      kafka_.fail(
          {.call = Call::kClusterId, .nth = asked + 1, .times = 1, .code = ErrorCode::kRetryable});
    } else {
      first_ = [&](Sources& sources, checkpoint::Store& store) {
        ASSERT_TRUE(sources.opened(opened("a")));
        ASSERT_TRUE(sources.unstored().store({0}));
        ASSERT_TRUE(store.start_over(fresh));
      };
    }
    const auto restart =
        LaneOptions{.cluster_id = other_lane ? "second" : old, .new_cluster = NewCluster::kRestart};
    EXPECT_EQ(live(restart).exit_status, 0);
    first_ = nullptr;
    twice.insert(twice.end(), written_["a"].begin(), written_["a"].end());
    EXPECT_EQ(shipped()["a"], twice);
    EXPECT_EQ(checkpoint::open_store(directory_.path()).value()->sources({0}).value().size(), 1u);
    EXPECT_EQ(live().exit_status, 0);
    EXPECT_EQ(shipped()["a"], twice);
  }
}

TEST_F(LaneTest, a_missing_topic_parks_its_own_sources_only) {
  append("a", 10);
  append("b", 10);
  topics_["b"] = "missing";
  stay_ = true;
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped()["a"], written_["a"]);
  kafka_.add_topic("missing", 4);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped("missing")["b"], written_["b"]);
  EXPECT_EQ(shipped()["a"], written_["a"]);
}

TEST_F(LaneTest, what_is_too_large_for_a_topic_goes_in_smaller_batches) {
  append("a", 10);
  for (int32_t i = 0; i < 4; ++i) kafka_.fail_deliveries({"logs", i}, 1, fakes::Trouble::kTooLarge);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped(), written_);
  const auto sizes = kafka_.batch_sizes();
  ASSERT_EQ(sizes.size(), 2u);
  EXPECT_LT(sizes[1], sizes[0]);
}

TEST_F(LaneTest, a_record_that_no_batch_is_small_enough_for_waits_and_holds_up_nobody_else) {
  append("a", 10);
  append("b", 10);
  topics_["b"] = "narrow";
  kafka_.add_topic("narrow", 4);
  for (int32_t i = 0; i < 4; ++i)
    kafka_.fail_deliveries({"narrow", i}, 1000, fakes::Trouble::kTooLarge);
  stay_ = true;
  stay_for_ = std::chrono::seconds(4);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped()["a"], written_["a"]);
  EXPECT_TRUE(shipped("narrow").empty());
  EXPECT_EQ(kafka_.batch_sizes().back(), 1u);
  for (int32_t i = 0; i < 4; ++i) kafka_.fail_deliveries({"narrow", i}, 0, fakes::Trouble::kNone);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped("narrow")["b"], written_["b"]);
}

TEST_F(LaneTest, a_topic_that_no_transaction_may_include_is_found_and_holds_up_nobody_else) {
  kafka_.add_topic(kLedger, 1);
  for (const char* const barred : {"closed", kLedger}) {
    SCOPED_TRACE(barred);
    append("a", 10);
    append("b", 10);
    topics_["b"] = "closed";
    kafka_.add_topic("closed", 4);
    kafka_.forbid_joining(barred, true);
    stay_ = true;
    stay_for_ = std::chrono::seconds(4);
    EXPECT_EQ(live({.ledger_topic = kLedger}).exit_status, 0);
    EXPECT_EQ(shipped()["a"], written_["a"]);
    EXPECT_EQ(shipped("closed")["b"] == written_["b"], barred == std::string(kLedger));
    kafka_.forbid_joining(barred, false);
    EXPECT_EQ(live({.ledger_topic = kLedger}).exit_status, 0);
    EXPECT_EQ(shipped(), Shipped({{"a", written_["a"]}}));
    EXPECT_EQ(shipped("closed"), Shipped({{"b", written_["b"]}}));
  }
  EXPECT_FALSE(ledger_records()["b"].empty());
}

TEST_F(LaneTest, kafka_away_is_waited_for_and_stopping_does_not_need_it) {
  append("a", 10);
  stay_ = true;
  kafka_.set_away(true);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_TRUE(shipped().empty());
  kafka_.set_away(false);
  stay_ = false;
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped(), written_);
}

TEST_F(LaneTest, at_least_once_keeps_number_and_digest_so_that_the_mode_can_change_back) {
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  const auto before = record();
  append("a", 10);
  EXPECT_EQ(live({.exactly_once = false}).exit_status, 0);
  EXPECT_EQ(record().confirmed, before.confirmed);
  EXPECT_EQ(record().confirmed_digest, before.confirmed_digest);
  append("a", 10);
  EXPECT_EQ(live().exit_status, 0);
  EXPECT_EQ(shipped(), written_);
}

}  // namespace
}  // namespace longshore::agent
