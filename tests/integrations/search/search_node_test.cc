// Goal: who is refused by a service learns why and what to do, and one bad node keeps nobody from
// the next. Method: servers with chosen answers.

#include "integrations/search/search_node.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/fakes/http_server.h"

namespace longshore::search {
namespace {

using fakes::HttpReply;
using fakes::HttpRequest;
using fakes::HttpServer;

TEST(SearchNode, a_refusal_is_one_line_with_its_remedy) {
  HttpReply reply;
  const HttpServer server([&reply](const HttpRequest&) { return reply; });
  SearchNode node({{server.url()}, {}, false, 20'000}, nullptr);
  const std::vector<std::pair<HttpReply, std::string>> cases = {
      {{.status = 401, .body = "<html>\n<title>401 Who?</title>\n"},
       "with 401: 401 Who? (check --user"},
      {{.status = 403}, "--api-key-file"},
      {{.status = 400, .body = "<title>400 HTTPS port</title>"},
       "400 HTTPS port (answered by a proxy"},
      {{.status = 301, .headers = {"Location: https://s/a?token=1"}}, "--to https://s/a)"}};
  for (const auto& [answer, wanted] : cases) {
    reply = answer;
    const auto found = node.find_type();
    ASSERT_FALSE(found);
    EXPECT_EQ(found.error().code, ErrorCode::kInvalid);
    EXPECT_NE(found.error().message.find(wanted), std::string::npos) << found.error().message;
    EXPECT_EQ(found.error().message.find('\n'), std::string::npos);
  }
}

TEST(SearchNode, a_node_that_is_not_believed_keeps_nobody_from_the_next) {
  const HttpServer server([](const HttpRequest&) {
    return HttpReply{.body = R"({"version":{"number":"2.19.1","distribution":"opensearch"}})"};
  });
  const std::string unbelieved = "https" + server.url().substr(4);
  const http::Access access{.ca_file = "/nonexistent"};
  SearchNode node({{unbelieved, server.url()}, access, false, 20'000}, nullptr);
  EXPECT_TRUE(node.find_type());
  SearchNode alone({{unbelieved, unbelieved}, access, false, 20'000}, nullptr);
  const auto found = alone.find_type();
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ErrorCode::kInvalid);
}

}  // namespace
}  // namespace longshore::search
