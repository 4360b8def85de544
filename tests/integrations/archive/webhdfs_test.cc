// Goal: answers of NameNodes, DataNodes and HttpFS in trouble are understood: another node is
// asked, errors that may be retried are told from those that may not, and a rename reports what it
// did.
// Method: a server that gives the answers that were observed from real services.

#include <gtest/gtest.h>

#include "integrations/archive/targets/webhdfs_target.h"
#include "tests/fakes/http_server.h"

namespace longshore::archive {
namespace {

using fakes::HttpReply;
using fakes::HttpRequest;
using fakes::HttpServer;

HttpReply refusal(int status, const std::string& exception) {
  return {.status = status,
          .body = R"({"RemoteException":{"exception":")" + exception +
                  R"(","javaClassName":"org.apache.hadoop.X","message":"words\nand more"}})"};
}

constexpr char kStatus[] =
    R"({"FileStatus":{"length":5,"modificationTime":17,"pathSuffix":"","type":"FILE"}})";

class Server {
 public:
  explicit Server(std::function<HttpReply(const HttpRequest&)> respond)
      : server_(std::move(respond)) {}

  std::string node() const { return server_.url(); }
  WebHdfsTarget target(std::vector<std::string> before = {}) const {
    before.push_back(server_.url());
    return WebHdfsTarget({before, "/logs"}, "alice", {}, nullptr);
  }
  std::vector<HttpRequest> requests() const { return server_.requests(); }

 private:
  HttpServer server_;
};

TEST(WebHdfs, the_url_names_nodes_and_folder) {
  const auto place = parse_webhdfs_url("--to", "webhdfs://a:9870,b:9871/x/y/");
  ASSERT_TRUE(place);
  EXPECT_EQ(place.value().nodes, (std::vector<std::string>{"http://a:9870", "http://b:9871"}));
  EXPECT_EQ(place.value().root, "/x/y");
  EXPECT_EQ(parse_webhdfs_url("--to", "swebhdfs://a:9871/").value().nodes[0], "https://a:9871");
  for (const char* url :
       {"webhdfs://", "webhdfs://a/x", "webhdfs://a:/x", "webhdfs://a:1,/x", "webhdfs://:1/x",
        "webhdfs://u@a:1/x", "webhdfs://a:x1/x", "webhdfs://a:1/x:y", "webhdfs://a:1/x?op=DELETE"})
    EXPECT_FALSE(parse_webhdfs_url("--to", url)) << url;
}

TEST(WebHdfs, a_path_is_escaped_and_the_user_is_named) {
  const Server server([](const HttpRequest&) { return HttpReply{.body = kStatus}; });
  WebHdfsTarget target = server.target();
  const auto entry = target.stat("topic=a/x+1 %.jsonl");
  ASSERT_TRUE(entry) << entry.error().message;
  EXPECT_EQ(entry.value().bytes, 5);
  EXPECT_EQ(server.requests().at(0).target,
            "/webhdfs/v1/logs/topic=a/x%2B1%20%25.jsonl?op=GETFILESTATUS&user.name=alice");
}

TEST(WebHdfs, a_standby_is_left_for_the_active_node_which_is_kept) {
  const Server standby([](const HttpRequest&) { return refusal(403, "StandbyException"); });
  const Server active([](const HttpRequest&) { return HttpReply{.body = kStatus}; });
  WebHdfsTarget target = active.target({"http://127.0.0.1:1", standby.node()});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(target.stat("x"));
  EXPECT_EQ(standby.requests().size(), 1u);
  EXPECT_EQ(active.requests().size(), 3u);
}

TEST(WebHdfs, trouble_is_told_from_refusals) {
  std::string exception;
  int status = 403;
  const Server server([&](const HttpRequest&) { return refusal(status, exception); });
  WebHdfsTarget target = server.target();
  const auto kind_of = [&](int code, const std::string& name) {
    status = code, exception = name;
    const auto entry = target.stat("x");
    EXPECT_FALSE(entry);
    return entry.error().code;
  };
  EXPECT_EQ(kind_of(403, "SafeModeException"), ErrorCode::kRetryable);
  EXPECT_EQ(kind_of(403, "IOException"), ErrorCode::kRetryable);
  EXPECT_EQ(kind_of(500, "RuntimeException"), ErrorCode::kRetryable);
  EXPECT_EQ(kind_of(403, "DSQuotaExceededException"), ErrorCode::kFull);
  EXPECT_EQ(kind_of(403, "NSQuotaExceededException"), ErrorCode::kFull);
  EXPECT_EQ(kind_of(404, "FileNotFoundException"), ErrorCode::kNotFound);
  EXPECT_EQ(kind_of(403, "AccessControlException"), ErrorCode::kInvalid);
  EXPECT_EQ(kind_of(401, "X"), ErrorCode::kInvalid);
}

TEST(WebHdfs, a_rename_says_what_it_did_in_both_dialects) {
  HttpReply renamed;
  bool source = true, destination = true;
  const Server server([&](const HttpRequest& request) {
    if (request.target.find("op=RENAME") != std::string::npos) return renamed;
    const bool there = request.target.find("/from") != std::string::npos ? source : destination;
    return there ? HttpReply{.body = kStatus} : refusal(404, "FileNotFoundException");
  });
  WebHdfsTarget target = server.target();
  const auto outcome = [&](HttpReply reply, bool from, bool to) {
    renamed = std::move(reply), source = from, destination = to;
    return target.rename_new("from", "to");
  };
  EXPECT_EQ(outcome({}, false, true).value(), Renamed::kDone);
  EXPECT_EQ(outcome({.body = R"({"boolean":true})"}, false, true).value(), Renamed::kDone);
  EXPECT_EQ(outcome(refusal(403, "FileAlreadyExistsException"), true, true).value(),
            Renamed::kTaken);
  EXPECT_EQ(outcome({.body = R"({"boolean":false})"}, true, true).value(), Renamed::kTaken);
  EXPECT_EQ(outcome({.body = R"({"boolean":false})"}, false, true).value(), Renamed::kGone);
  EXPECT_EQ(outcome(refusal(404, "FileNotFoundException"), false, true).value(), Renamed::kGone);
  EXPECT_FALSE(outcome({.body = R"({"boolean":false})"}, true, false));
  EXPECT_FALSE(outcome(refusal(403, "IOException"), true, true));
  // Of somebody in between, who wants to be asked otherwise.
  EXPECT_FALSE(outcome({.status = 302}, true, false));
  EXPECT_FALSE(outcome({.body = "<html>"}, true, false));
  EXPECT_NE(server.requests().at(0).target.find("renameoptions=NONE&destination=/logs/to"),
            std::string::npos);
}

TEST(WebHdfs, a_file_goes_where_the_name_node_says_and_only_201_counts) {
  int status = 201;
  std::string location;
  const Server node([&](const HttpRequest& request) {
    if (request.target.starts_with("/data")) return HttpReply{.status = status};
    return HttpReply{.body = R"({"Location":")" + location + R"("})"};
  });
  location = node.node() + "/data?op=CREATE";
  WebHdfsTarget target = node.target();
  EXPECT_TRUE(target.put("x", "content"));
  EXPECT_EQ(node.requests().at(1).body, "content");
  EXPECT_EQ(node.requests().at(1).method, "PUT");
  EXPECT_NE(node.requests().at(0).target.find("overwrite=false&noredirect=true"),
            std::string::npos);
  for (const int other : {200, 204, 307, 403, 500}) {
    status = other;
    EXPECT_FALSE(target.put("x", "content")) << other;
  }
  location = "ftp://elsewhere/";
  EXPECT_FALSE(target.put("x", "content"));
}

TEST(WebHdfs, a_node_that_is_not_trusted_does_not_keep_from_the_other) {
  const Server server([](const HttpRequest&) { return HttpReply{.body = kStatus}; });
  const http::Access access{.ca_file = "/nonexistent"};
  const std::string secured = "https" + server.node().substr(4);
  WebHdfsTarget both({{secured, server.node()}, "/logs"}, "", access, nullptr);
  EXPECT_TRUE(both.stat("x"));
  const auto kind_of = [&](std::vector<std::string> nodes) {
    return WebHdfsTarget({std::move(nodes), ""}, "", access, nullptr).stat("x").error().code;
  };
  EXPECT_EQ(kind_of({secured, "http://127.0.0.1:1"}), ErrorCode::kRetryable);
  EXPECT_EQ(kind_of({"http://127.0.0.1:1", secured}), ErrorCode::kRetryable);
  EXPECT_EQ(kind_of({secured, secured}), ErrorCode::kInvalid);
}

TEST(WebHdfs, who_is_not_known_is_told_how_to_say_it) {
  const Server server([](const HttpRequest&) {
    return HttpReply{.status = 401, .body = "<html>", .headers = {"WWW-Authenticate: Negotiate"}};
  });
  for (const bool negotiate : {false, true}) {
    http::Access access;
    access.negotiate = negotiate;
    WebHdfsTarget target({{server.node()}, "/logs"}, "", access, nullptr);
    const Status status = target.make_folder("x");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kInvalid);
    EXPECT_NE(status.error().message.find("kinit"), std::string::npos);
    EXPECT_EQ(status.error().message.find("--negotiate") == std::string::npos, negotiate);
  }
}

TEST(WebHdfs, a_page_instead_of_an_answer_gives_its_title_as_the_reason) {
  std::string body = "<html><title>Error 403 GSSException: Checksum failed</title></html>";
  const Server server([&](const HttpRequest&) { return HttpReply{.status = 403, .body = body}; });
  WebHdfsTarget target = server.target();
  const auto said = [&target] { return target.stat("x").error().message; };
  EXPECT_TRUE(said().ends_with("403  Error 403 GSSException: Checksum failed")) << said();
  EXPECT_EQ(target.stat("x").error().code, ErrorCode::kRetryable);
  body = "<title>" + std::string(100'000, 'x');
  EXPECT_LT(said().size(), 300u);
  body = "nothing to go by";
  EXPECT_TRUE(said().ends_with(": 403  ")) << said();
}

TEST(WebHdfs, an_answer_that_is_none_is_corrupt) {
  const Server server([](const HttpRequest&) { return HttpReply{.body = "<html>"}; });
  WebHdfsTarget target = server.target();
  EXPECT_EQ(target.stat("x").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(target.list("x").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(target.put("x", "y").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(target.make_folder("x").error().code, ErrorCode::kCorrupt);
  EXPECT_EQ(target.remove("x").error().code, ErrorCode::kCorrupt);
}

}  // namespace
}  // namespace longshore::archive
