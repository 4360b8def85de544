// Goal: an operator can see what a state directory holds while its agent runs, and can resolve a
// refusal to start without losing a byte silently. A wrong command changes nothing.
// Method: run the command itself on the test's own directories and capture its output; test
// adoption on the stores and a scripted Kafka, and check the result with the recovery table.

#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "agent/command/checkpoint_adopt.h"
#include "agent/command/checkpoint_list.h"
#include "agent/command/commands.h"
#include "checkpoint/state_dir.h"
#include "tests/fakes/command_table.h"
#include "tests/fakes/memory_store.h"
#include "tests/fakes/scripted_kafka.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::agent {
namespace {

using checkpoint::RecoveryAction;
using fakes::Ran;
using fakes::Words;

constexpr LaneId kLane{0};
constexpr char kHostile[] = "evil\x1b[2J\"name\n";

fakes::Ran run(const Words& arguments) { return fakes::run_captured(run_checkpoint, arguments); }

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

checkpoint::SourceRow row(uint64_t id, const std::string& name, int64_t gone_ns = 0) {
  checkpoint::SourceRow row;
  row.id = {id};
  row.name = name;
  row.host_path = "/var/log/" + name + ".log";
  row.container_name = "shop";
  row.gone_ns = gone_ns;
  return row;
}

checkpoint::PreparedSource move(uint64_t id, uint64_t offset) {
  checkpoint::PreparedSource source{{id}, {}};
  source.state.offset = offset;
  source.state.covered = {offset};
  source.state.topic = "logs";
  source.state.partition = 3;
  return source;
}

// Transaction 1 confirmed, transaction 2 prepared, one of three sources gone.
void fill(checkpoint::Store& store) {
  ASSERT_TRUE(store.lane(kLane));
  ASSERT_TRUE(store.set_value("host_id", "host-1"));
  ASSERT_TRUE(store.put_sources({row(1, "access"), row(2, kHostile), row(3, "old", 1'000'000)}));
  ASSERT_TRUE(store.prepare({kLane, {1}, {move(1, 4711), move(2, 5)}}));
  ASSERT_TRUE(store.confirm(kLane));
  ASSERT_TRUE(store.prepare({kLane, {2}, {move(1, 9999)}}));
}

std::unique_ptr<checkpoint::Store> open(const fakes::TemporaryDir& dir) {
  auto opened = checkpoint::open_store(dir.path());
  EXPECT_TRUE(opened);
  return std::move(opened).value();
}

TEST(CheckpointCommand, ls_shows_lanes_and_confirmed_positions_while_an_agent_runs) {
  const fakes::TemporaryDir dir;
  const auto lock = checkpoint::StateDir::open(dir.path(), true);
  const auto store = open(dir);
  fill(*store);
  const Ran ran = run({"ls", "--state-dir", dir.path()});
  EXPECT_EQ(ran.status, 0) << ran.err;
  EXPECT_TRUE(contains(ran.out, "host-1")) << ran.out;
  EXPECT_TRUE(contains(ran.out, "0     1          2         3")) << ran.out;
  EXPECT_TRUE(contains(ran.out, "0000000000000001  access")) << ran.out;
  EXPECT_TRUE(contains(ran.out, "4711")) << ran.out;
  EXPECT_FALSE(contains(ran.out, "9999")) << "prepared, not confirmed";
  EXPECT_TRUE(contains(ran.out, "/var/log/old.log, gone 1970-01-01T00:00:00Z")) << ran.out;
}

TEST(CheckpointCommand, ls_shows_a_containers_names_and_never_obeys_them) {
  const fakes::TemporaryDir dir;
  fill(*open(dir));
  const Ran ran = run({"ls", "--state-dir", dir.path()});
  EXPECT_FALSE(contains(ran.out, "\x1b"));
  EXPECT_TRUE(contains(ran.out, "evil\\x1b[2J")) << ran.out;
}

TEST(CheckpointCommand, ls_json_is_one_object_that_says_it_all) {
  const fakes::TemporaryDir dir;
  fill(*open(dir));
  const Ran ran = run({"ls", "--json", "--state-dir", dir.path()});
  ASSERT_EQ(ran.status, 0) << ran.err;
  simdjson::dom::parser parser;
  simdjson::dom::element all;
  ASSERT_EQ(parser.parse(ran.out).get(all), simdjson::SUCCESS) << ran.out;
  EXPECT_EQ(std::string(all["host_id"]), "host-1");
  EXPECT_EQ(uint64_t(all["lanes"].at(0)["confirmed"]), 1u);
  EXPECT_EQ(uint64_t(all["lanes"].at(0)["prepared"]), 2u);
  EXPECT_EQ(all["sources"].get_array().size(), 3u);
  EXPECT_EQ(uint64_t(all["sources"].at(0)["position"]), 4711u);
  EXPECT_EQ(std::string(all["sources"].at(1)["name"]), kHostile);
}

TEST(CheckpointCommand, the_ledger_is_listed) {
  const fakes::TemporaryDir dir;
  EXPECT_TRUE(open(dir)->lane(kLane));
  EXPECT_TRUE(contains(run({"ls", "--ledger", "--state-dir", dir.path()}).out, "is empty"));
  LedgerEntry lost;
  lost.source = {7};
  lost.start = {10};
  lost.end = {20};
  lost.reason = "possibly lost";
  ASSERT_TRUE(open(dir)->append_ledger({lost, LedgerEntry{}}));
  const Ran text = run({"ls", "--ledger", "--state-dir", dir.path()});
  EXPECT_TRUE(contains(text.out, "0000000000000007  [10, 20)")) << text.out;
  EXPECT_TRUE(contains(text.out, "unknown length")) << text.out;
  const Ran json = run({"ls", "--ledger", "--json", "--state-dir", dir.path()});
  simdjson::dom::parser parser;
  simdjson::dom::element all;
  ASSERT_EQ(parser.parse(json.out).get(all), simdjson::SUCCESS) << json.out;
  EXPECT_EQ(uint64_t(all["ledger"].at(0)["end"]), 20u);
  EXPECT_TRUE(all["ledger"].at(1)["source"].is_null());
}

TEST(CheckpointCommand, the_ledger_names_logs_and_obeys_no_name) {
  const fakes::TemporaryDir dir;
  fill(*open(dir));
  LedgerEntry lost;
  lost.source = {1};
  lost.reason = "deleted";
  LedgerEntry hostile = lost;
  hostile.source = {2};
  ASSERT_TRUE(open(dir)->append_ledger({lost, hostile}));
  const Ran text = run({"ls", "--ledger", "--state-dir", dir.path()});
  EXPECT_TRUE(contains(text.out, "0000000000000001 access of ")) << text.out;
  EXPECT_FALSE(contains(text.out, "\x1b"));
  const Ran json = run({"ls", "--ledger", "--json", "--state-dir", dir.path()});
  simdjson::dom::parser parser;
  simdjson::dom::element all;
  ASSERT_EQ(parser.parse(json.out).get(all), simdjson::SUCCESS) << json.out;
  EXPECT_EQ(std::string_view(all["ledger"].at(0)["name"]), "access");
}

TEST(CheckpointCommand, what_is_not_there_is_said_and_not_made) {
  const fakes::TemporaryDir dir;
  for (const Words& words : {Words{"ls"}, Words{"forget", "--gone"},
                             Words{"adopt", "--lane", "0", "--brokers", "127.0.0.1:1"}}) {
    Words arguments = words;
    arguments.insert(arguments.end(), {"--state-dir", dir.path()});
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.status, 2);
    EXPECT_TRUE(contains(ran.err, "There is no checkpoint in " + dir.path())) << ran.err;
  }
  EXPECT_TRUE(std::filesystem::is_empty(dir.path()));
}

TEST(CheckpointCommand, changes_are_refused_while_an_agent_holds_the_directory) {
  const fakes::TemporaryDir dir;
  const auto lock = checkpoint::StateDir::open(dir.path(), true);
  fill(*open(dir));
  const Ran ran = run({"forget", "--gone", "--state-dir", dir.path()});
  EXPECT_EQ(ran.status, 2);
  EXPECT_TRUE(contains(ran.err, "in use by pid " + std::to_string(::getpid()))) << ran.err;
  EXPECT_EQ(open(dir)->sources(kLane).value().size(), 3u);
}

TEST(CheckpointCommand, forget_takes_ids_or_all_that_is_gone) {
  const fakes::TemporaryDir dir;
  fill(*open(dir));
  EXPECT_EQ(run({"forget", "--gone", "--state-dir", dir.path()}).out, "Forgot 1 source.\n");
  EXPECT_EQ(open(dir)->sources(kLane).value().size(), 2u);
  EXPECT_EQ(run({"forget", "0000000000000001", "--state-dir", dir.path()}).status, 0);
  ASSERT_EQ(open(dir)->sources(kLane).value().size(), 1u);
  EXPECT_EQ(open(dir)->sources(kLane).value()[0].row.id, SourceId{2});
}

TEST(CheckpointCommand, forget_refuses_what_it_does_not_know_and_then_forgets_nothing) {
  const fakes::TemporaryDir dir;
  fill(*open(dir));
  for (const Words& words : {Words{"forget"}, Words{"forget", "--gone", "0000000000000001"},
                             Words{"forget", "0000000000000001", "000000000000000f"},
                             Words{"forget", "0000000000000001", "shop"}}) {
    Words arguments = words;
    arguments.insert(arguments.end(), {"--state-dir", dir.path()});
    const Ran ran = run(arguments);
    EXPECT_EQ(ran.status, 2);
    EXPECT_TRUE(ran.err.starts_with("longshore checkpoint: ")) << ran.err;
  }
  EXPECT_EQ(open(dir)->sources(kLane).value().size(), 3u);
}

TEST(CheckpointCommand, wrong_words_get_one_sentence) {
  for (const Words& words :
       {Words{}, Words{"list"}, Words{"ls", "--gone"}, Words{"adopt"},
        Words{"adopt", "--lane", "-1", "--brokers", "b:1"}, Words{"adopt", "--lane", "0"},
        Words{"adopt", "--lane", "0", "--brokers", "b:1", "--kafka", "acks"},
        Words{"adopt", "--lane", "0", "--brokers", "b:1", "--kafka", "acks=0"}}) {
    const Ran ran = run(words);
    EXPECT_EQ(ran.status, 2);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(std::count(ran.err.begin(), ran.err.end(), '\n'), 1) << ran.err;
  }
  EXPECT_EQ(run({"--help"}).status, 0);
  EXPECT_TRUE(contains(run({"adopt", "--help"}).out, "--lane"));
}

TEST(CheckpointCommand, the_agents_other_variables_are_no_mistake_here) {
  const fakes::TemporaryDir dir;
  fill(*open(dir));
  ::setenv("LONGSHORE_LANES", "2", 1);
  ::setenv("LONGSHORE_BROKERS", "127.0.0.1:1", 1);
  ::setenv("LONGSHORE_STATE_DIR", dir.path().c_str(), 1);
  const Ran listed = run({"ls"});
  const Ran adopted = run({"adopt", "--lane", "9"});
  for (const char* name : {"LONGSHORE_LANES", "LONGSHORE_BROKERS", "LONGSHORE_STATE_DIR"}) {
    ::unsetenv(name);
  }
  EXPECT_EQ(listed.status, 0) << listed.err;
  EXPECT_TRUE(contains(adopted.err, "no lane 9")) << adopted.err;
}

class CheckpointAdopt : public testing::Test {
 protected:
  CheckpointAdopt() {
    fill(store);
    EXPECT_TRUE(store.set_value("cluster_id", "cluster-1"));
    kafka.set_cluster_id("cluster-1");
  }
  RecoveryAction recovery() {
    const auto offset = kafka.offset(kGroup);
    checkpoint::CommittedOffset committed;
    if (offset.known) committed.number = offset.number;
    committed.digest = offset.digest;
    return checkpoint::recover(store.lane(kLane).value(), committed, InDoubt::kResend).action;
  }
  Result<std::string> adopt(LaneId lane = kLane) {
    return adopt_lane(lane, store, kafka, SystemClock());
  }

  static constexpr char kGroup[] = "longshore-agent.host-1.0";
  fakes::MemoryStore store;
  fakes::ScriptedKafka kafka;
};

TEST_F(CheckpointAdopt, a_refused_lane_goes_on_and_the_ledger_says_what_may_be_doubled) {
  kafka.set_offset(kGroup, {true, {17}, "of a later state"});
  ASSERT_EQ(recovery(), RecoveryAction::kRefuse);
  const auto said = adopt();
  ASSERT_TRUE(said) << said.error().message;
  EXPECT_TRUE(contains(said.value(), "transaction 17 in place of 1")) << said.value();
  EXPECT_EQ(recovery(), RecoveryAction::kContinue);
  EXPECT_EQ(store.source({1}).value()->state.offset, 4711u) << "the confirmed position";
  const auto ledger = store.ledger().value();
  ASSERT_EQ(ledger.size(), 3u);
  EXPECT_EQ(ledger[0].reason, "possible duplicates");
  EXPECT_EQ(ledger[0].source, SourceId{1});
  EXPECT_EQ(ledger[0].start, Position{4711});
  EXPECT_EQ(ledger[0].end, ledger[0].start) << "unknown length";
  EXPECT_GT(ledger[0].time_ns, 0);
}

TEST_F(CheckpointAdopt, a_lane_that_is_not_refused_is_left_alone) {
  kafka.set_offset(kGroup, {true, {1}, store.lane(kLane).value().confirmed_digest});
  const size_t changes = store.changes();
  const auto said = adopt();
  ASSERT_TRUE(said);
  EXPECT_TRUE(contains(said.value(), "needs no adoption")) << said.value();
  EXPECT_EQ(store.changes(), changes);
}

TEST_F(CheckpointAdopt, nothing_in_kafka_is_no_reason_to_adopt) {
  const size_t changes = store.changes();
  ASSERT_TRUE(adopt());
  EXPECT_EQ(store.changes(), changes);
}

TEST_F(CheckpointAdopt, another_cluster_is_another_way_out) {
  kafka.set_offset(kGroup, {true, {17}, "x"});
  kafka.set_cluster_id("cluster-2");
  const size_t changes = store.changes();
  const auto said = adopt();
  ASSERT_FALSE(said);
  EXPECT_TRUE(contains(said.error().message, "--new-cluster")) << said.error().message;
  EXPECT_EQ(store.changes(), changes);
}

TEST_F(CheckpointAdopt, an_unknown_lane_and_a_kafka_that_is_away_change_nothing) {
  kafka.set_offset(kGroup, {true, {17}, "x"});
  const size_t changes = store.changes();
  EXPECT_FALSE(adopt({4}));
  kafka.set_away(true);
  const auto away = adopt();
  ASSERT_FALSE(away);
  EXPECT_EQ(away.error().code, ErrorCode::kInvalid);
  EXPECT_EQ(store.changes(), changes);
}

TEST_F(CheckpointAdopt, a_store_that_fails_in_between_is_still_refused_later) {
  kafka.set_offset(kGroup, {true, {17}, "x"});
  store.fail_change(ErrorCode::kRetryable, 1);  // The ledger is written, the adoption is not.
  EXPECT_FALSE(adopt());
  EXPECT_EQ(recovery(), RecoveryAction::kRefuse);
  ASSERT_TRUE(adopt());
  EXPECT_EQ(recovery(), RecoveryAction::kContinue);
}

}  // namespace
}  // namespace longshore::agent
