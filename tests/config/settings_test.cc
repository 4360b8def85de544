// Goal: every flag of the agent sets the right field, from the arguments, the environment and the
// file; a setting that cannot be used is refused with one sentence that says what to write instead.
// Method: the agent's own flags given in every way; command_line_test.cc tests the mechanism
// itself.

#include "config/settings.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace longshore {
namespace {

using Strings = std::vector<std::string>;

class Settings : public testing::Test {
 protected:
  Settings() { std::filesystem::create_directories(folder_); }
  ~Settings() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& text) {
    const std::string path = folder_ / ("config" + std::to_string(++files_));
    std::ofstream(path) << text;
    return path;
  }

  const std::filesystem::path folder_ =
      std::filesystem::temp_directory_path() / ("settings_test." + std::to_string(::getpid()));

 private:
  int files_ = 0;
};

// With brokers, for all that is not about them.
Result<std::optional<AgentSettings>> parse(Strings arguments, const Environment& environment = {}) {
  arguments.insert(arguments.begin(), "--brokers=kafka:9092");
  return parse_agent_settings(arguments, environment);
}

AgentSettings accepted(const Strings& arguments, const Environment& environment = {}) {
  const auto parsed = parse(arguments, environment);
  if (!parsed) {
    ADD_FAILURE() << parsed.error().message;
    return {};
  }
  return parsed.value().value();
}

std::string refusal(const Result<std::optional<AgentSettings>>& parsed) {
  if (parsed) return "accepted";
  EXPECT_EQ(parsed.error().code, ErrorCode::kInvalid);
  const std::string& sentence = parsed.error().message;
  EXPECT_TRUE(sentence.ends_with('.') || sentence.ends_with('?')) << sentence;
  EXPECT_EQ(sentence.find('\n'), std::string::npos) << sentence;
  return sentence;
}

void expect_in(const std::string& sentence, const Strings& parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(sentence.find(part), std::string::npos) << part << " in: " << sentence;
  }
}

TEST_F(Settings, the_defaults_are_those_of_the_readme) {
  const AgentSettings usual = accepted({});
  EXPECT_EQ(usual.brokers, "kafka:9092");
  EXPECT_EQ(usual.topic, "logs");
  EXPECT_TRUE(usual.allow_topic.empty());
  EXPECT_EQ(usual.state_dir, "/var/lib/longshore");
  EXPECT_EQ(usual.docker_socket, "/var/run/docker.sock");
  EXPECT_EQ(usual.host_root, "/");
  EXPECT_FALSE(usual.host_name.empty());
  EXPECT_TRUE(usual.sources.empty());
  EXPECT_EQ(usual.prefixes, Strings({"LONGSHORE_LOGS_"}));
  EXPECT_EQ(usual.delivery, Delivery::kExactlyOnce);
  EXPECT_TRUE(usual.kafka.empty());
  EXPECT_EQ(usual.linger_ms, 1000);
  EXPECT_EQ(usual.batch_bytes, 128u << 20);
  EXPECT_EQ(usual.lanes, 1u);
  EXPECT_FALSE(usual.create_topics);
  EXPECT_EQ(usual.partitions_per_host, 4);
  EXPECT_FALSE(usual.once);
  EXPECT_EQ(usual.in_doubt, InDoubt::kResend);
  EXPECT_EQ(usual.new_cluster, NewCluster::kRefuse);
  EXPECT_FALSE(usual.ephemeral_state);
  EXPECT_EQ(usual.rotate_wait_ms, 5000);
  EXPECT_EQ(usual.first_start, StartAt::kBeginning);
  EXPECT_EQ(usual.retention_hours, 168);
  EXPECT_EQ(usual.ledger_topic, "longshore-ledger");
  EXPECT_EQ(usual.deleted_bytes, uint64_t{4} << 30);
  EXPECT_EQ(usual.log_level, "info");
}

TEST_F(Settings, every_flag_arrives_where_it_belongs) {
  const AgentSettings all = accepted({"--topic=web",
                                      "--allow-topic",
                                      "shop-*",
                                      "--allow-topic=web.?",
                                      "--state-dir=/s",
                                      "--docker=unix:///run/d.sock",
                                      "--host-root=/host",
                                      "--host-name=h1",
                                      "--source=a=/var/log/a*.log",
                                      "--source",
                                      "a_topic=host",
                                      "--declaration-prefix=MY_",
                                      "--delivery",
                                      "at-least-once",
                                      "--kafka=compression.codec=zstd",
                                      "--kafka=client.id=a=b",
                                      "--linger-ms=0",
                                      "--batch-bytes=2M",
                                      "--lanes=3",
                                      "--create-topics",
                                      "--topic-partitions=12",
                                      "--topic-replicas=3",
                                      "--partitions-per-host=2",
                                      "--once",
                                      "--in-doubt=skip",
                                      "--new-cluster=restart",
                                      "--ephemeral-state",
                                      "--allow-fs=nfs4",
                                      "--allow-fs=fuse",
                                      "--rotate-wait-ms=1",
                                      "--first-start=end",
                                      "--retention-hours=0",
                                      "--sweep-ms=100",
                                      "--ledger-topic=off",
                                      "--deleted-bytes=1M",
                                      "--log-level=debug"});
  EXPECT_EQ(all.topic, "web");
  EXPECT_EQ(all.allow_topic, Strings({"shop-*", "web.?"}));
  EXPECT_EQ(all.state_dir, "/s");
  EXPECT_EQ(all.docker_socket, "/run/d.sock");
  EXPECT_EQ(all.host_root, "/host");
  EXPECT_EQ(all.host_name, "h1");
  ASSERT_EQ(all.sources.size(), 1u);
  EXPECT_EQ(all.sources[0].path, "/var/log/a*.log");
  EXPECT_EQ(all.sources[0].topic, "host");
  EXPECT_EQ(all.prefixes, Strings({"LONGSHORE_LOGS_", "MY_"}));
  EXPECT_EQ(all.delivery, Delivery::kAtLeastOnce);
  ASSERT_EQ(all.kafka.size(), 2u);
  EXPECT_EQ(all.kafka[1], std::make_pair(std::string("client.id"), std::string("a=b")));
  EXPECT_EQ(all.linger_ms, 0);
  EXPECT_EQ(all.batch_bytes, 2u << 20);
  EXPECT_EQ(all.lanes, 3u);
  EXPECT_TRUE(all.create_topics);
  EXPECT_EQ(all.topic_partitions, 12);
  EXPECT_EQ(all.topic_replicas, 3);
  EXPECT_EQ(all.partitions_per_host, 2);
  EXPECT_TRUE(all.once);
  EXPECT_EQ(all.in_doubt, InDoubt::kSkip);
  EXPECT_EQ(all.new_cluster, NewCluster::kRestart);
  EXPECT_TRUE(all.ephemeral_state);
  EXPECT_EQ(all.allow_fs, Strings({"nfs4", "fuse"}));
  EXPECT_EQ(all.rotate_wait_ms, 1);
  EXPECT_EQ(all.first_start, StartAt::kEnd);
  EXPECT_EQ(all.retention_hours, 0);
  EXPECT_EQ(all.ledger_topic, "");
  EXPECT_EQ(all.deleted_bytes, 1u << 20);
  EXPECT_EQ(all.sweep_ms, 100);
  EXPECT_EQ(all.log_level, "debug");
}

TEST_F(Settings, a_flag_beats_a_variable_and_a_variable_the_file) {
  const std::string config =
      "--config=" + file("topic = file\nlanes=2\nlinger-ms = 7\nonce = yes\n");
  const Environment environment = {{"LONGSHORE_TOPIC", "variable"}, {"LONGSHORE_LINGER_MS", "8"}};
  const AgentSettings all = accepted({config, "--topic=flag"}, environment);
  EXPECT_EQ(all.topic, "flag");
  EXPECT_EQ(all.linger_ms, 8);
  EXPECT_EQ(all.lanes, 2u);
  EXPECT_TRUE(all.once);
  EXPECT_EQ(accepted({config}, environment).topic, "variable");
  EXPECT_EQ(accepted({config}).topic, "file");
  EXPECT_FALSE(accepted({config}, {{"LONGSHORE_ONCE", "false"}}).once);
}

TEST_F(Settings, a_list_that_is_beaten_counts_for_nothing) {
  const std::string config = file("kafka = client.id=file\nkafka=linger.ms=1\n");
  const Environment environment = {{"LONGSHORE_CONFIG", config},
                                   {"LONGSHORE_SOURCE", "a=/x\n\n  a_topic=t \nb=/y,z\n"}};
  AgentSettings all = accepted({}, environment);
  EXPECT_EQ(all.kafka.size(), 2u);
  ASSERT_EQ(all.sources.size(), 2u);
  EXPECT_EQ(all.sources[0].topic, "t");
  EXPECT_EQ(all.sources[1].path, "/y,z");
  all = accepted({"--kafka=client.id=flag", "--source=c=/z"}, environment);
  ASSERT_EQ(all.kafka.size(), 1u);
  EXPECT_EQ(all.kafka[0].second, "flag");
  ASSERT_EQ(all.sources.size(), 1u);
  EXPECT_EQ(all.sources[0].name, "c");
}

TEST_F(Settings, every_option_is_a_variable_and_a_line_of_the_file) {
  const std::vector<std::pair<std::string, std::string>> options = {{"topic", "t"},
                                                                    {"allow-topic", "x"},
                                                                    {"state-dir", "/s"},
                                                                    {"docker", "off"},
                                                                    {"host-root", "/h"},
                                                                    {"source", "a=/x"},
                                                                    {"delivery", "exactly-once"},
                                                                    {"kafka", "a=b"},
                                                                    {"linger-ms", "5"},
                                                                    {"batch-bytes", "1k"},
                                                                    {"lanes", "2"},
                                                                    {"create-topics", "true"},
                                                                    {"topic-partitions", "1"},
                                                                    {"topic-replicas", "1"},
                                                                    {"partitions-per-host", "1"},
                                                                    {"once", "1"},
                                                                    {"in-doubt", "halt"},
                                                                    {"new-cluster", "continue"},
                                                                    {"ephemeral-state", "on"},
                                                                    {"allow-fs", "nfs"},
                                                                    {"rotate-wait-ms", "9"},
                                                                    {"first-start", "end"},
                                                                    {"retention-hours", "1"},
                                                                    {"declaration-prefix", "P_"},
                                                                    {"host-name", "h"},
                                                                    {"log-level", "warn"},
                                                                    {"sweep-ms", "500"}};
  Environment environment;
  std::string lines = "# all of them\n\n";
  for (const auto& [name, value] : options) {
    std::string variable = "LONGSHORE_";
    for (const char c : name) {
      variable += c == '-' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    }
    environment.emplace_back(variable, value);
    lines += name + " = " + value + "\n";
  }
  for (const AgentSettings& all :
       {accepted({}, environment), accepted({"--config", file(lines)})}) {
    EXPECT_EQ(all.topic, "t");
    EXPECT_TRUE(all.docker_socket.empty());
    EXPECT_EQ(all.batch_bytes, 1024u);
    EXPECT_TRUE(all.create_topics && all.once && all.ephemeral_state);
    EXPECT_EQ(all.new_cluster, NewCluster::kContinue);
    EXPECT_EQ(all.log_level, "warn");
    EXPECT_EQ(all.sweep_ms, 500);
  }
}

TEST_F(Settings, a_file_keeps_what_a_value_holds) {
  const AgentSettings all = accepted({"--config", file("\t kafka = sasl.password=p#w;d =x \r\n"
                                                       "; comment = 1\n   # lanes = 9\n"
                                                       "source=a=/with blank\nlanes\t=\t4")});
  ASSERT_EQ(all.kafka.size(), 1u);
  EXPECT_EQ(all.kafka[0].second, "p#w;d =x");
  ASSERT_EQ(all.sources.size(), 1u);
  EXPECT_EQ(all.sources[0].path, "/with blank");
  EXPECT_EQ(all.lanes, 4u);
}

TEST_F(Settings, an_unknown_option_is_refused_with_the_nearest) {
  expect_in(refusal(parse({"--brokres=x"})), {"'--brokres'", "did you mean '--brokers'?"});
  expect_in(refusal(parse({"--brokres", "x"})), {"'--brokres'", "did you mean '--brokers'?"});
  expect_in(refusal(parse({"--onc"})), {"'--onc'", "'--once'"});
  expect_in(refusal(parse({"--linger_ms=5"})), {"'--linger-ms'"});
  expect_in(refusal(parse({"-topic", "x"})), {"'-topic'", "'--topic'"});
  expect_in(refusal(parse({"-x"})), {"'-x'", "--help"});
  expect_in(refusal(parse({"--xyzzyplugh"})), {"'--xyzzyplugh'", "longshore agent --help"});
  expect_in(refusal(parse({}, {{"LONGSHORE_TOPIK", "x"}})),
            {"variable 'LONGSHORE_TOPIK'", "did you mean LONGSHORE_TOPIC?"});
  const std::string path = file("\nlanes = 1\nlinger = 5\nlingerms = 5\n");
  expect_in(refusal(parse({"--config", path})), {"'linger'", path + ":3: "});
  expect_in(refusal(parse({"--config", file("lingerms = 5\n")})),
            {"'lingerms'", "did you mean 'linger-ms'?"});
  expect_in(refusal(parse({"--config", file("confgi = x\n")})), {"'confgi'"});
}

TEST_F(Settings, the_environment_of_others_is_passed_over) {
  const AgentSettings all = accepted({}, {{"LONGSHORE_LOGS_topic", "/x"},
                                          {"LONGSHORE_LOGS_a", "/y"},
                                          {"LONGSHORE_VERSION", "3"},
                                          {"LONGSHORE_TOPIC", ""},
                                          {"LONGSHORE_ONCE", ""},
                                          {"LONGSHORE_LANES", ""},
                                          {"LONGSHORE_", "x"},
                                          {"LONGSHORE", "x"},
                                          {"TOPIC", "x"},
                                          {"longshore_topic", "x"}});
  EXPECT_EQ(all.topic, "logs");
  EXPECT_FALSE(all.once);
  EXPECT_EQ(all.lanes, 1u);
  EXPECT_TRUE(all.sources.empty());
}

TEST_F(Settings, words_and_missing_values_are_refused) {
  expect_in(refusal(parse({"start"})), {"'start'", "--help"});
  expect_in(refusal(parse({"--topic"})), {"topic", "--help"});
  expect_in(refusal(parse({"--topic=a", "--topic=b"})), {"--topic=b", "twice"});
  expect_in(refusal(parse({"--once=5"})), {"once"});
  expect_in(refusal(parse({}, {{"LONGSHORE_ONCE", "ture"}})),
            {"LONGSHORE_ONCE=ture", "true or false"});
  expect_in(refusal(parse({"--config", file("once =\n")})), {"once", "true or false"});
  expect_in(refusal(parse({"--config", file("once = maybe\n")})), {"once", "maybe"});
}

TEST_F(Settings, an_unusable_file_is_refused) {
  const std::string gone = folder_ / "gone";
  expect_in(refusal(parse({"--config", gone})), {gone, "No such file", "--config"});
  expect_in(refusal(parse({"--config", folder_})), {folder_, "cannot be read"});
  expect_in(refusal(parse({"--config", file("topic = a\njunk\n")})), {":2: ", "name = value"});
  expect_in(refusal(parse({"--config", file("[agent]\ntopic = a\n")})), {":1: ", "name = value"});
  expect_in(refusal(parse({"--config", file("lanes = many\n")})), {":1: lanes = many is not"});
  expect_in(refusal(parse({"--config", file("topic = a\ntopic = b\n")})), {"topic"});
  expect_in(refusal(parse({"--config", file("config = x\n")})), {"config"});
  expect_in(refusal(parse({"--config", file(" = x\n")})), {":1: "});
  EXPECT_EQ(accepted({"--config", file("")}).topic, "logs");
}

TEST_F(Settings, values_out_of_range_are_refused_with_the_range) {
  const std::vector<std::pair<std::string, Strings>> cases = {
      {"--lanes=0", {"1 to 64"}},
      {"--lanes=65", {"1 to 64"}},
      {"--lanes=x", {"lanes"}},
      {"--lanes=99999999999999999999", {"lanes"}},
      {"--linger-ms=-1", {"0 to"}},
      {"--topic-partitions=0", {"1 to"}},
      {"--topic-replicas=0", {"1 to"}},
      {"--partitions-per-host=0", {"1 to"}},
      {"--rotate-wait-ms=-5", {"0 to"}},
      {"--retention-hours=-5", {"0 to"}},
      {"--sweep-ms=1", {"100 to"}},
      {"--ledger-topic=a b", {"Kafka topic"}},
      {"--deleted-bytes=x", {"give a size from 0"}},
      {"--batch-bytes=0", {"from 1 to 16G"}},
      {"--batch-bytes=1T", {"16G"}},
      {"--batch-bytes=17G", {"16G"}},
      {"--batch-bytes=", {"16G"}},
      {"--delivery=twice", {"exactly-once", "at-least-once"}},
      {"--in-doubt=x", {"resend", "halt", "skip"}},
      {"--new-cluster=x", {"continue", "restart"}},
      {"--first-start=x", {"beginning", "end"}},
      {"--log-level=x", {"debug", "info", "warn", "error"}},
      {"--docker=tcp://x:1", {"unix:///", "off", "this host's own disk"}},
      {"--docker=https://x:1", {"unix:///", "off", "this host's own disk"}},
      {"--docker=unix:///" + std::string(107, 'x'), {"at most 107 bytes"}},
      {"--docker=/run/docker.sock", {"unix:///", "off"}},
      {"--docker=", {"unix:///", "off"}},
      {"--docker=off", {"--source"}},
      {"--host-root=rel", {"absolute"}},
      {"--host-name=", {"host-name"}},
      {"--state-dir=", {"state-dir"}},
      {"--topic=", {"topic"}},
      {"--topic=a b", {"topic", "249"}},
      {"--kafka=novalue", {"key=value"}},
      {"--kafka==x", {"key=value"}},
      {"--declaration-prefix=", {"prefix"}},
      {"--source=a=stdout", {"a", "path"}},
      {"--source=a=rel", {"rel", "absolute"}},
      {"--source=a", {"name=/path"}},
      {"--source=a_topic=x", {"a", "path"}},
  };
  for (const auto& [argument, parts] : cases) {
    if (argument.ends_with('=')) {
      expect_in(refusal(parse({argument.substr(0, argument.size() - 1), ""})), parts);
    }
    const std::string sentence = refusal(parse({argument}));
    if (!argument.ends_with('=')) expect_in(sentence, parts);
  }
  expect_in(refusal(parse_agent_settings({}, {})), {"--brokers", "longshore broker"});
  expect_in(refusal(parse_agent_settings({"--brokers="}, {})), {"--brokers"});
}

TEST_F(Settings, help_is_printed_and_nothing_else_happens) {
  for (const std::string flag : {"--help", "-h"}) {
    testing::internal::CaptureStdout();
    const auto parsed = parse_agent_settings({flag}, {{"LONGSHORE_LANES", "x"}});
    const std::string help = testing::internal::GetCapturedStdout();
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_FALSE(parsed.value());
    expect_in(help, {"Usage: longshore agent", "--brokers", "--state-dir", "(=1000)", "--config",
                     "LONGSHORE_LINGER_MS"});
    EXPECT_EQ(help.find('\x1b'), std::string::npos);
  }
}

}  // namespace
}  // namespace longshore
