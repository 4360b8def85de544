// Goal: what is sent to the service as a template is ours, or the operator's, whole.
// Method: bodies compared as JSON; files with every fault that can be seen without a server; a
// server with chosen answers.

#include "integrations/search/index_template.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "integrations/search/search_node.h"
#include "tests/fakes/http_server.h"

namespace longshore::search {
namespace {

using Json = nlohmann::json;

const IndexName& index_name() {
  static const IndexName name = IndexName::parse("logs-{topic}-{yyyy.MM.dd}").value();
  return name;
}

TEST(IndexTemplate, it_says_its_version_and_who_made_it) {
  const Json root = Json::parse(template_body(index_name(), "app", {}));
  EXPECT_EQ(root["version"], kTemplateVersion);
  EXPECT_EQ(root["_meta"]["made_by"], "longshore " LONGSHORE_VERSION);
  EXPECT_EQ(template_version({}), kTemplateVersion);
}

TEST(IndexTemplate, the_operators_own_takes_its_place) {
  TemplateOptions options;
  options.own = check_template(R"({"priority":7,"template":{"settings":{"a":1}}})").value();
  Json root = Json::parse(template_body(index_name(), "app", options));
  EXPECT_EQ(root, Json::parse(R"({"index_patterns":["logs-app-*.*.*"],"priority":7,
                                  "template":{"settings":{"a":1}}})"));
  EXPECT_EQ(template_version(options), std::nullopt);
  options.own = check_template(R"({"version":-3})").value();
  root = Json::parse(template_body(index_name(), "app", options));
  EXPECT_GT(root["priority"], 100);
  EXPECT_EQ(root["version"], -3);
  EXPECT_EQ(template_version(options), -3);
}

TEST(TemplateFile, a_fault_is_named_with_its_place) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "line 1, column 1"},
      {"{\n\"a\": 1,}", "line 2, column 8"},
      {"{\"a\":\"\xff\"}", "UTF-8"},
      {"\"text\"", "JSON object"},
      {R"({"index_patterns":["x"]})", "--topic"},
      {R"({"version":1.5})", "whole number"},
      {R"({"version":18446744073709551615})", "whole number"},
      {std::string((1 << 20) + 1, ' '), "1 MiB"},
      {std::string(100'000, '['), "line 1, column"}};
  for (const auto& [text, words] : cases) {
    const auto file = check_template(text);
    ASSERT_FALSE(file) << text.substr(0, 40);
    EXPECT_NE(file.error().message.find(words), std::string::npos) << file.error().message;
    EXPECT_EQ(file.error().message.find('\n'), std::string::npos);
  }
  const auto nested = [](int levels) {
    std::string text = "1";
    for (int i = 0; i < levels; ++i) text = "{\"a\":" + text + "}";
    return text;
  };
  EXPECT_TRUE(check_template(nested(64)));
  EXPECT_FALSE(check_template(nested(66)));
  EXPECT_FALSE(check_template(nested(100'000)));
  EXPECT_FALSE(read_template("/nonexistent/template"));
  EXPECT_FALSE(read_template("/"));
}

TEST(SearchNode, the_version_of_a_template_is_read_or_its_absence) {
  fakes::HttpReply reply;
  const fakes::HttpServer server([&reply](const fakes::HttpRequest&) { return reply; });
  SearchNode node({{server.url()}, {}, false, 20'000}, nullptr);
  reply.body = R"({"index_templates":[{"index_template":{"version":7}}]})";
  EXPECT_EQ(node.template_version("x").value(), 7);
  reply.body = "{}";
  EXPECT_EQ(node.template_version("x").value(), 0);
  reply = {.status = 404, .body = R"({"error":{"type":"resource_not_found_exception"}})"};
  EXPECT_EQ(node.template_version("x").value(), std::nullopt);
  reply = {.status = 503};
  EXPECT_EQ(node.template_version("x").error().code, ErrorCode::kRetryable);
  reply = {.status = 403};
  EXPECT_EQ(node.template_version("x").error().code, ErrorCode::kInvalid);
}

TEST(SearchNode, a_refused_template_is_shown_with_the_innermost_cause) {
  std::string cause = R"({"type":"mapper_parsing_exception","reason":"No handler for [txt]"})";
  for (int i = 0; i < 3; ++i)
    cause = fmt::format(R"({{"type":"t","reason":"outer {}","caused_by":{}}})", i, cause);
  const fakes::HttpServer server([&cause](const fakes::HttpRequest&) {
    return fakes::HttpReply{.status = 400, .body = R"({"error":)" + cause + R"(,"status":400})"};
  });
  SearchNode node({{server.url()}, {}, false, 20'000}, nullptr);
  const Status put = node.put_template("x", "{}");
  ASSERT_FALSE(put);
  EXPECT_NE(put.error().message.find("t: outer 2 (No handler for [txt])"), std::string::npos)
      << put.error().message;
}

}  // namespace
}  // namespace longshore::search
