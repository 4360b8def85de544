// Goal: an exchange returns either a complete answer or an error that says what the caller can do;
// bodies arrive as they were sent, and secrets go only where they belong.
// Method: a scripted server on 127.0.0.1.

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>

#include "integrations/http/client.h"
#include "integrations/http/gzip.h"
#include "tests/fakes/http_server.h"

namespace longshore::http {
namespace {

using fakes::HttpReply;
using fakes::HttpRequest;
using fakes::HttpServer;

HttpReply echo(const HttpRequest& request) {
  return {.body = request.method + " " + request.target + " " + request.body};
}

TEST(HttpClient, requests_share_a_connection) {
  HttpServer server(echo);
  Client client({});
  for (const std::string method : {"GET", "PUT", "POST", "DELETE"}) {
    const Result<Answer> answer = client.exchange({.method = method, .url = server.url() + "/a?b"});
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer.value().body, method + " /a?b ");
  }
  EXPECT_EQ(client.exchange({.method = "HEAD", .url = server.url()}).value().status, 200);
  EXPECT_EQ(server.connections(), 1u);
}

TEST(HttpClient, a_body_goes_out_of_memory_or_out_of_a_reader) {
  HttpServer server(echo);
  Client client({});
  const std::string body(3'000'000, 'x');
  Request request{.method = "POST", .url = server.url(), .headers = {"Content-Type: text/x"}};
  request.body = body;
  request.answer_bytes_max = 4'000'000;
  EXPECT_EQ(client.exchange(request).value().body, "POST / " + body);
  EXPECT_EQ(server.requests().back().headers.at("content-type"), "text/x");
  for (const int64_t announced : {int64_t{-1}, static_cast<int64_t>(body.size())}) {
    size_t given = 0;
    request.read = [&](char* to, size_t size) -> Result<size_t> {
      const size_t count = std::min(size, body.size() - given);
      std::copy_n(body.data() + given, count, to);
      given += count;
      return count;
    };
    request.read_bytes = announced;
    request.method = "PUT";
    EXPECT_EQ(client.exchange(request).value().body, "PUT / " + body);
    EXPECT_EQ(server.requests().back().headers.contains("content-length"), announced >= 0);
    EXPECT_FALSE(server.requests().back().headers.contains("expect"));
  }
}

TEST(HttpClient, a_reader_that_fails_ends_the_exchange_with_its_own_error) {
  HttpServer server(echo);
  Client client({});
  Request request{.method = "PUT", .url = server.url()};
  request.read = [](char*, size_t) -> Result<size_t> {
    return Error{ErrorCode::kCorrupt, "the file is torn"};
  };
  const Result<Answer> answer = client.exchange(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().message, "the file is torn");
  EXPECT_TRUE(client.exchange({.url = server.url()}));
}

TEST(HttpClient, a_stream_is_handed_on_only_when_it_is_what_was_asked_for) {
  HttpServer server([](const HttpRequest& request) {
    return request.target == "/data" ? HttpReply{.body = std::string(100'000, 'd')}
                                     : HttpReply{.status = 404, .body = "none"};
  });
  Client client({});
  std::string taken;
  Request request{.url = server.url() + "/data"};
  request.write = [&taken](std::string_view bytes) {
    taken += bytes;
    return ok();
  };
  EXPECT_EQ(client.exchange(request).value().body, "");
  EXPECT_EQ(taken, std::string(100'000, 'd'));
  request.url = server.url() + "/other";
  EXPECT_EQ(client.exchange(request).value().body, "none");
  EXPECT_EQ(taken.size(), 100'000u);
  request.url = server.url() + "/data";
  request.write = [](std::string_view) { return Error{ErrorCode::kFull, "stdout is closed"}; };
  EXPECT_EQ(client.exchange(request).error().message, "stdout is closed");
}

TEST(HttpClient, half_an_answer_is_none) {
  HttpServer server([](const HttpRequest& request) {
    return HttpReply{.body = "abc", .hang_up = request.target == "/1", .cut = true};
  });
  Client client({});
  for (const std::string target : {"/1", "/2"}) {
    const Result<Answer> answer = client.exchange({.url = server.url() + target});
    ASSERT_FALSE(answer) << target;
    EXPECT_EQ(answer.error().code, ErrorCode::kRetryable);
  }
}

TEST(HttpClient, an_answer_without_end_is_refused) {
  HttpServer server([](const HttpRequest&) { return HttpReply{.body = std::string(1001, 'x')}; });
  Client client({});
  Request request{.url = server.url() + "/large?token=1"};
  request.answer_bytes_max = 1000;
  const Result<Answer> answer = client.exchange(request);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kFull);
  EXPECT_EQ(answer.error().message.find("token"), std::string::npos);
}

TEST(HttpClient, redirects_are_shown_and_not_followed) {
  HttpServer server([](const HttpRequest&) {
    return HttpReply{.status = 307, .headers = {"Location: http://other/x", "Retry-After: 7"}};
  });
  Client client({});
  const Result<Answer> answer = client.exchange({.method = "PUT", .url = server.url()});
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer.value().status, 307);
  EXPECT_EQ(answer.value().location, "http://other/x");
  EXPECT_EQ(answer.value().retry_after, "7");
}

TEST(HttpClient, secrets_go_only_to_the_service_they_are_for) {
  HttpServer server(echo);
  Client basic({.user = "u", .password = "p:w"});
  ASSERT_TRUE(basic.exchange({.url = server.url()}));
  EXPECT_EQ(server.requests().back().headers.at("authorization"), "Basic dTpwOnc=");
  Request foreign{.url = server.url()};
  foreign.credentials = false;
  ASSERT_TRUE(basic.exchange(foreign));
  EXPECT_FALSE(server.requests().back().headers.contains("authorization"));
  Client key({.api_key = "abc"});
  ASSERT_TRUE(key.exchange({.url = server.url()}));
  EXPECT_EQ(server.requests().back().headers.at("authorization"), "ApiKey abc");
}

TEST(HttpClient, an_exchange_ends_soon_after_it_was_told_to_stop) {
  std::atomic<bool> stop = false, answered = false;
  HttpServer server([&answered](const HttpRequest&) {
    while (!answered) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    return HttpReply{};
  });
  Client client({}, &stop);
  std::thread stopper([&stop] {
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    stop = true;
  });
  const auto started = std::chrono::steady_clock::now();
  const Result<Answer> answer = client.exchange({.url = server.url()});
  EXPECT_LT(std::chrono::steady_clock::now() - started, std::chrono::seconds(5));
  stopper.join();
  answered = true;
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code, ErrorCode::kRetryable);
}

TEST(HttpClient, nobody_there_is_worth_another_try_and_a_bad_certificate_file_is_not) {
  std::string url;
  {
    const HttpServer gone(echo);
    url = gone.url();
  }
  Client client({});
  EXPECT_EQ(client.exchange({.url = url}).error().code, ErrorCode::kRetryable);
  const HttpServer server(echo);
  Client wrong({.ca_file = "/nonexistent"});
  const Result<Answer> answer = wrong.exchange({.url = "https" + server.url().substr(4)});
  EXPECT_EQ(answer.error().code, ErrorCode::kInvalid);
}

TEST(HttpClient, who_hangs_up_without_a_word_may_want_tls) {
  const HttpServer server([](const HttpRequest&) { return HttpReply{.hang_up = true}; });
  Client client({});
  const Result<Answer> plain = client.exchange({.url = server.url()});
  ASSERT_FALSE(plain);
  EXPECT_EQ(plain.error().code, ErrorCode::kRetryable);
  EXPECT_NE(plain.error().message.find("https://"), std::string::npos) << plain.error().message;
}

TEST(HttpClient, a_secret_that_others_can_read_is_warned_of_and_not_shown) {
  const Access password{.user = "u", .password = "geheim"}, key{.api_key = "geheim"};
  for (const Access& access : {password, key}) {
    for (const std::string url : {"http://search:9200", "HTTP://search:9200"}) {
      const std::string warning = warning_of("--to", url, access);
      EXPECT_EQ(warning.substr(0, 5 + url.size()), "--to " + url);
      EXPECT_EQ(warning.find("geheim"), std::string::npos);
    }
    EXPECT_EQ(warning_of("--to", "https://search:9200", access), "");
    EXPECT_EQ(warning_of("--to", "HTTPS://search:9200", access), "");
  }
  EXPECT_EQ(warning_of("--to", "http://search:9200", {}), "");
  EXPECT_EQ(warning_of("--to", "http://search:9200", {.user = "u"}), "");
}

TEST(HttpClient, addresses_are_checked_and_never_shown_with_a_password) {
  EXPECT_TRUE(check_url("--to", "https://search:9200/logs"));
  for (const std::string wrong : {"", "ftp://x", "http://", "http://u:geheim@x", "file:///x"}) {
    const Status status = check_url("--to", wrong);
    ASSERT_FALSE(status) << wrong;
    EXPECT_EQ(status.error().message.substr(0, 5), "--to:");
    EXPECT_EQ(status.error().message.find("geheim"), std::string::npos);
  }
}

TEST(Gzip, what_was_packed_unpacks) {
  std::string packed, text;
  for (int i = 0; i < 20'000; ++i) text += "line " + std::to_string(i * 7919) + "\n";
  Gzip gzip(1);
  const Gzip::Sink append = [&packed](std::string_view piece) {
    packed += piece;
    return ok();
  };
  // One after the other, by the same object.
  for (const std::string& wanted : {text, std::string(), text}) {
    packed.clear();
    ASSERT_TRUE(gzip.add(wanted, append));
    ASSERT_TRUE(gzip.finish(append));
    EXPECT_LE(packed.size(), wanted.size() / 2 + 20);
    std::string unpacked(wanted.size() + 1, '\0');
    z_stream stream{};
    ASSERT_EQ(inflateInit2(&stream, 15 + 16), Z_OK);
    stream.next_in = reinterpret_cast<Bytef*>(packed.data());
    stream.avail_in = static_cast<uInt>(packed.size());
    stream.next_out = reinterpret_cast<Bytef*>(unpacked.data());
    stream.avail_out = static_cast<uInt>(unpacked.size());
    EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
    unpacked.resize(stream.total_out);
    inflateEnd(&stream);
    EXPECT_EQ(unpacked, wanted);
  }
}

}  // namespace
}  // namespace longshore::http
