// Goal: Docker's descriptions of containers are read correctly, and those of a hostile image or
// daemon are refused or harmless.
// Method: answers as Docker 20.10 and Podman 4.3 give them, and the same with each field damaged.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "integrations/containers/docker/answers.h"
#include "integrations/containers/docker/container.h"

namespace longshore::docker {
namespace {

const std::string kId(64, 'a');

std::string inspect_with(const std::string& fields) {
  return R"({"Id":")" + kId + R"(","Name":"/shop","Config":{"Image":"shop:1.7"})" +
         (fields.empty() ? "" : "," + fields) + "}";
}

TEST(Inspect, a_running_container_is_read_whole) {
  const Result<Container> container =
      parse_inspect(R"({"Id":")" + kId + R"(","Name":"/shop","LogPath":"/d/containers/x/x-json.log",
      "State":{"Status":"running","Running":true,"Pid":4711},
      "HostConfig":{"LogConfig":{"Type":"json-file","Config":{}},"Tmpfs":{"/scratch":"size=1m"}},
      "GraphDriver":{"Name":"overlay2","Data":{"UpperDir":"/d/o/1/diff",
        "LowerDir":"/d/o/1-init/diff:/d/o/0/diff"}},
      "Mounts":[{"Type":"bind","Source":"/srv/logs","Destination":"/logs"},
        {"Type":"volume","Name":"v","Source":"/d/volumes/v/_data","Destination":"/v"},
        {"Type":"tmpfs","Source":"","Destination":"/t"}],
      "Config":{"Image":"shop:1.7","Env":["A=1","B=","C=x=y","D"],
        "Labels":{"longshore.logs.a":"stdout"}}})");
  ASSERT_TRUE(container) << container.error().message;
  EXPECT_EQ(container->id, kId);
  EXPECT_EQ(container->name, "shop");
  EXPECT_EQ(container->image, "shop:1.7");
  EXPECT_EQ(container->pid, 4711);
  EXPECT_TRUE(container->running);
  const std::vector<std::pair<std::string, std::string>> environment = {
      {"A", "1"}, {"B", ""}, {"C", "x=y"}};
  EXPECT_EQ(container->environment, environment);
  ASSERT_EQ(container->labels.size(), 1u);
  EXPECT_EQ(container->labels[0].second, "stdout");
  EXPECT_EQ(container->upper_dir, "/d/o/1/diff");
  EXPECT_EQ(container->lower_dirs, (std::vector<std::string>{"/d/o/1-init/diff", "/d/o/0/diff"}));
  ASSERT_EQ(container->mounts.size(), 4u);
  EXPECT_EQ(container->mounts[0].kind, Mount::Kind::kBind);
  EXPECT_EQ(container->mounts[0].source, "/srv/logs");
  EXPECT_EQ(container->mounts[1].kind, Mount::Kind::kVolume);
  EXPECT_EQ(container->mounts[1].source, "/d/volumes/v/_data");
  EXPECT_EQ(container->mounts[2].kind, Mount::Kind::kTmpfs);
  EXPECT_EQ(container->mounts[3].kind, Mount::Kind::kTmpfs);
  EXPECT_EQ(container->mounts[3].destination, "/scratch");
  EXPECT_EQ(container->mounts[3].source, "");
  EXPECT_EQ(container->log_driver, "json-file");
  EXPECT_EQ(container->log_path, "/d/containers/x/x-json.log");
}

TEST(Inspect, what_does_not_apply_may_be_missing_or_null) {
  for (const std::string fields :
       {R"()", R"("State":null,"GraphDriver":null,"Mounts":null,"HostConfig":null,"LogPath":"")",
        R"("GraphDriver":{"Name":"vfs","Data":null})", R"("HostConfig":{"Tmpfs":null})"}) {
    const Result<Container> container = parse_inspect(inspect_with(fields));
    ASSERT_TRUE(container) << fields << ": " << container.error().message;
    EXPECT_EQ(container->pid, 0) << fields;
    EXPECT_FALSE(container->running) << fields;
    EXPECT_TRUE(container->upper_dir.empty() && container->mounts.empty()) << fields;
    EXPECT_TRUE(container->environment.empty() && container->labels.empty()) << fields;
  }
}

TEST(Inspect, a_spoilt_field_is_corrupt) {
  for (const std::string fields :
       {R"("State":"up")", R"("State":{"Running":1})", R"("State":{"Pid":"1"})",
        R"("State":{"Pid":-1})", R"("State":{"Pid":4294967296})",
        R"("State":{"Pid":123456789012345678901234567890})", R"("State":{"Pid":1.5})",
        R"("GraphDriver":{"Data":{"UpperDir":"relative"}})",
        R"("GraphDriver":{"Data":{"UpperDir":"/a\u0000b"}})",
        R"("GraphDriver":{"Data":{"UpperDir":"/u","LowerDir":"/a:b"}})",
        R"("GraphDriver":{"Data":{"UpperDir":"/u","LowerDir":"/a::/b"}})", R"("Mounts":{})",
        R"("Mounts":[1])", R"("Mounts":[{"Type":"bind","Source":"/a","Destination":"b"}])",
        R"("Mounts":[{"Type":"bind","Source":"/a","Destination":"/b\u0000c"}])",
        R"("HostConfig":{"Tmpfs":["/t"]})", R"("HostConfig":{"Tmpfs":{"t":""}})",
        R"("LogPath":"x-json.log")", R"("LogPath":"/a\u0000b")"}) {
    const Result<Container> container = parse_inspect(inspect_with(fields));
    ASSERT_FALSE(container) << fields;
    EXPECT_EQ(container.error().code, ErrorCode::kCorrupt) << fields;
  }
  for (const std::string config :
       {R"("x")", R"({"Env":{}})", R"({"Env":[1]})", R"({"Labels":[]})", R"({"Labels":{"a":1}})"}) {
    EXPECT_FALSE(parse_inspect(R"({"Id":")" + kId + R"(","Config":)" + config + "}")) << config;
  }
}

TEST(Inspect, an_id_is_64_hexadecimal_digits) {
  for (const std::string& id :
       {std::string(), std::string(63, 'a'), std::string(65, 'a'), std::string(64, 'A'),
        std::string(64, 'g'), "../../" + std::string(58, 'a'), std::string(60, 'a') + "\\u0000"}) {
    EXPECT_FALSE(parse_inspect(R"({"Id":")" + id + R"(","Config":{}})")) << id;
  }
  EXPECT_FALSE(parse_inspect(R"({"Id":7,"Config":{}})"));
  EXPECT_FALSE(parse_inspect(R"({"Config":{}})"));
}

TEST(Inspect, what_is_no_json_object_is_corrupt) {
  const std::string good = inspect_with("");
  size_t cut = 0;
  for (; cut < good.size(); ++cut) EXPECT_FALSE(parse_inspect(good.substr(0, cut))) << cut;
  EXPECT_EQ(cut, good.size());
  for (const std::string text : {"[]", "null", "7", "\"x\"", "{}{}", "\xff\xfe"}) {
    EXPECT_FALSE(parse_inspect(text)) << text;
  }
  std::string deep(100'000, '[');
  EXPECT_FALSE(parse_inspect(deep));
  EXPECT_FALSE(parse_inspect(inspect_with("\"x\":\"\xff\"")));
}

TEST(Inspect, a_nul_in_a_variable_or_label_stays_what_it_is) {
  const Result<Container> container = parse_inspect(
      R"({"Id":")" + kId + R"(","Config":{"Env":["A=\u0000b"],"Labels":{"\u0000":"c"}}})");
  ASSERT_TRUE(container);
  EXPECT_EQ(container->environment[0].second, std::string("\0b", 2));
  EXPECT_EQ(container->labels[0].first, std::string("\0", 1));
}

TEST(Inspect, a_mount_without_a_place_on_the_host_is_of_another_kind) {
  const Result<Container> container = parse_inspect(inspect_with(
      R"("Mounts":[{"Type":"volume","Source":"","Destination":"/v"},{"Destination":"/w"},
      {"Type":"npipe","Source":"/x","Destination":"/y"}])"));
  ASSERT_TRUE(container);
  ASSERT_EQ(container->mounts.size(), 3u);
  for (const Mount& mount : container->mounts) EXPECT_EQ(mount.kind, Mount::Kind::kOther);
}

TEST(Inspect, a_million_variables_are_read) {
  std::string variables = R"("A=1")";
  for (int i = 1; i < 1'000'000; ++i) variables += R"(,"A=1")";
  const Result<Container> container =
      parse_inspect(R"({"Id":")" + kId + R"(","Config":{"Env":[)" + variables + "]}}");
  ASSERT_TRUE(container);
  EXPECT_EQ(container->environment.size(), 1'000'000u);
}

TEST(Answers, a_list_says_who_has_ended) {
  const std::string other(64, 'b'), third(64, 'c');
  const auto listed = parse_list(R"([{"Id":")" + kId + R"(","State":"running"},{"Id":")" + other +
                                 R"(","State":"exited"},{"Id":")" + third + R"("}])");
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 3u);
  EXPECT_EQ(listed.value()[0].id, kId);
  EXPECT_FALSE(listed.value()[0].ended);
  EXPECT_TRUE(listed.value()[1].ended);
  EXPECT_FALSE(listed.value()[2].ended);
  EXPECT_TRUE(parse_list("[]"));
  for (const std::string text : {"", "{}", "[1]", R"([{"Id":"../x"}])", "[{}", "null"}) {
    EXPECT_FALSE(parse_list(text)) << text;
  }
}

TEST(Answers, the_docker_root_is_an_absolute_path) {
  const auto root = parse_docker_root(R"({"DockerRootDir":"/var/lib/docker"})");
  ASSERT_TRUE(root);
  EXPECT_EQ(root.value(), "/var/lib/docker");
  for (const std::string text : {"", "{}", R"({"DockerRootDir":7})", R"({"DockerRootDir":"x"})",
                                 R"({"DockerRootDir":"/a\u0000"})"}) {
    EXPECT_FALSE(parse_docker_root(text)) << text;
  }
}

TEST(Answers, the_newest_api_version_that_both_know_is_spoken) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"1.41", "1.41"}, {"1.24", "1.24"}, {"1.12", "1.12"},
      {"1.47", "1.47"}, {"1.52", "1.47"}, {"", "1.24"}};
  for (const auto& [offered, spoken] : cases) {
    const Result<std::string> chosen = choose_api_version(offered);
    ASSERT_TRUE(chosen) << offered;
    EXPECT_EQ(chosen.value(), spoken);
  }
  for (const std::string offered :
       {"2.0", "1.", "1.4x", "1.-4", "1.99999999999", "/../x", "1.4/"}) {
    EXPECT_FALSE(choose_api_version(offered)) << offered;
  }
}

}  // namespace
}  // namespace longshore::docker
