// Goal: the client follows a daemon through everything that daemons do: restarts, hangs, malformed
// answers, absence; and its loop never blocks.
// Method: a scripted daemon on a Unix socket in /tmp, and the client on its own loop in the test's
// thread.

#include <gtest/gtest.h>
#include <unistd.h>
#include <uv.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "integrations/containers/docker/client.h"
#include "tests/fakes/fake_docker.h"

namespace longshore::docker {
namespace {

using fakes::FakeDocker;
using Calls = std::vector<std::string>;

std::string id_of(char c) { return std::string(64, c); }

std::string path_of(char c) { return "/containers/" + id_of(c) + "/json"; }

std::string inspect_of(char c, bool running) {
  return R"({"Id":")" + id_of(c) + R"(","Name":"/x","Config":{},"State":{"Running":)" +
         (running ? "true" : "false") + "}}";
}

std::string event_of(const std::string& action, char c, int64_t time_nano = 1) {
  return R"({"Type":"container","Action":")" + action + R"(","Actor":{"ID":")" + id_of(c) +
         R"("},"timeNano":)" + std::to_string(time_nano) + "}\n";
}

std::string list_of(const std::vector<std::pair<char, std::string>>& containers) {
  std::string list;
  for (const auto& [c, state] : containers)
    list +=
        (list.empty() ? "" : ",") + (R"({"Id":")" + id_of(c) + R"(","State":")" + state + "\"}");
  return "[" + list + "]";
}

// A client, its loop, and what it told.
class Following final : public Listener {
 public:
  explicit Following(Patience patience = {})
      : socket_("/tmp/fake-docker-" + std::to_string(::getpid()) + ".sock"),
        client_((uv_loop_init(&loop_), &loop_), socket_, *this, patience) {
    uv_timer_init(&loop_, &tick_);
    uv_timer_start(
        &tick_, [](uv_timer_t*) {}, 5, 5);
    client_.start();
  }
  ~Following() override {
    client_.stop();
    uv_close(reinterpret_cast<uv_handle_t*>(&tick_), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    EXPECT_EQ(uv_loop_close(&loop_), 0);
  }

  void on_container(const Container& container) override {
    calls.push_back(std::string(container.running ? "up " : "down ") + container.id[0]);
  }
  void on_died(const std::string& id, int64_t) override {
    calls.push_back(std::string("died ") + id[0]);
  }
  void on_gone(const std::string& id) override { calls.push_back(std::string("gone ") + id[0]); }
  void on_reconciled() override { calls.push_back("reconciled"); }
  void on_disconnected(const std::string& reason) override {
    calls.push_back("disconnected");
    reasons.push_back(reason);
  }

  /// Runs the loop until `done`; false after 10 s.
  bool until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done()) {
      if (std::chrono::steady_clock::now() > end) return false;
      const auto before = std::chrono::steady_clock::now();
      uv_run(&loop_, UV_RUN_ONCE);
      longest_turn = std::max(longest_turn, std::chrono::steady_clock::now() - before);
    }
    return true;
  }
  bool hears(const Calls& expected) {
    const bool heard = until([&] { return calls.size() >= expected.size(); });
    EXPECT_EQ(calls, expected);
    const bool right = heard && calls == expected;
    calls.clear();
    return right;
  }

  const std::string& socket() const { return socket_; }
  const Client& client() const { return client_; }

  Calls calls;
  Calls reasons;
  std::chrono::steady_clock::duration longest_turn{};

 private:
  std::string socket_;
  uv_loop_t loop_{};
  uv_timer_t tick_{};
  Client client_;
};

Patience impatient() {
  Patience patience;
  patience.request_ms = 200;
  patience.silence_ms = 300;
  patience.retry_ms = 20;
  patience.back_off_ms_max = 100;
  return patience;
}

TEST(DockerClient, waits_for_an_absent_socket_and_says_so_once) {
  Following following(impatient());
  ASSERT_TRUE(following.hears({"disconnected"}));
  EXPECT_TRUE(following.reasons[0].starts_with("Docker's socket " + following.socket() +
                                               " does not exist: start Docker"))
      << following.reasons[0];
  const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  following.until([&] { return std::chrono::steady_clock::now() > later; });
  EXPECT_TRUE(following.calls.empty());
  FakeDocker docker(following.socket());
  EXPECT_TRUE(following.hears({"reconciled"}));
  EXPECT_EQ(following.client().docker_root(), "/fake");
}

TEST(DockerClient, an_outage_that_lasts_reports_another_reason_once) {
  Following following(impatient());
  ASSERT_TRUE(following.hears({"disconnected"}));
  std::ofstream(following.socket()) << "no socket";
  ASSERT_TRUE(following.hears({"disconnected"}));
  EXPECT_NE(following.reasons[1].find("is not a socket"), std::string::npos)
      << following.reasons[1];
  const auto later = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  following.until([&] { return std::chrono::steady_clock::now() > later; });
  EXPECT_TRUE(following.calls.empty());
  FakeDocker docker(following.socket());
  EXPECT_TRUE(following.hears({"reconciled"}));
}

TEST(DockerClient, something_that_is_not_docker_is_named_with_what_it_answers) {
  Following following(impatient());
  FakeDocker docker(following.socket());
  docker.answer("/_ping", 403, "");
  ASSERT_TRUE(following.hears({"disconnected"}));
  EXPECT_EQ(following.reasons[0].find("Docker at " + following.socket() +
                                      " does not answer as Docker does: GET /_ping: status 403. "
                                      "A proxy in front of Docker must allow GET of /_ping,"),
            0u)
      << following.reasons[0];
}

TEST(DockerClient, asks_for_the_events_before_the_list_in_the_version_that_is_offered) {
  Following following;
  FakeDocker docker(following.socket());
  docker.answer("/containers/json", 200, list_of({{'a', "running"}, {'b', "exited"}}));
  docker.answer(path_of('a'), 200, inspect_of('a', true));
  docker.answer(path_of('b'), 200, inspect_of('b', false));
  ASSERT_TRUE(following.until([&] { return following.calls.size() >= 4; }));
  EXPECT_EQ(following.calls.back(), "reconciled");
  const std::vector<std::string> requests = docker.requests();
  const auto at = [&](const std::string& target) {
    return std::find(requests.begin(), requests.end(), target) - requests.begin();
  };
  EXPECT_EQ(at("/_ping"), 0);
  EXPECT_LT(at("/v1.41/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D"),
            at("/v1.41/containers/json?all=1"));
  EXPECT_LT(at("/v1.41/containers/json?all=1"), at("/v1.41" + path_of('a')));
  EXPECT_LT(at("/v1.41" + path_of('b')), static_cast<std::ptrdiff_t>(requests.size()));
}

TEST(DockerClient, a_life_is_told_in_order_from_torn_events) {
  Following following;
  FakeDocker docker(following.socket());
  ASSERT_TRUE(following.hears({"reconciled"}));
  docker.answer(path_of('a'), 200, inspect_of('a', false));
  const std::string created = event_of("create", 'a');
  for (const char c : created) docker.send_event(std::string(1, c));
  ASSERT_TRUE(following.hears({"down a"}));
  docker.answer(path_of('a'), 200, inspect_of('a', true));
  docker.send_event(event_of("start", 'a'));
  ASSERT_TRUE(following.hears({"up a"}));
  docker.send_event(event_of("die", 'a') + event_of("destroy", 'a'));
  EXPECT_TRUE(following.hears({"died a", "gone a"}));
}

TEST(DockerClient, an_inspect_that_is_held_up_holds_up_no_other_container_and_no_end) {
  Following following;
  FakeDocker docker(following.socket());
  docker.answer(path_of('a'), 200, inspect_of('a', false));
  docker.answer(path_of('b'), 200, inspect_of('b', false));
  ASSERT_TRUE(following.hears({"reconciled"}));
  docker.send_event(event_of("create", 'a'));
  ASSERT_TRUE(following.hears({"down a"}));
  docker.hold(path_of('a'));
  docker.send_event(event_of("start", 'a') + event_of("create", 'b'));
  ASSERT_TRUE(following.hears({"down b"}));
  docker.send_event(event_of("die", 'a'));
  ASSERT_TRUE(following.hears({"died a"}));
  docker.let_go(path_of('a'));
  docker.send_event(event_of("destroy", 'a'));
  EXPECT_TRUE(following.hears({"gone a"}));
}

TEST(DockerClient, a_container_that_is_gone_when_it_is_inspected_is_gone) {
  Following following;
  FakeDocker docker(following.socket());
  ASSERT_TRUE(following.hears({"reconciled"}));
  docker.send_event(event_of("create", 'a'));
  EXPECT_TRUE(following.hears({"gone a"}));
}

TEST(DockerClient, connects_again_with_since_and_makes_up_for_what_it_missed) {
  Following following(impatient());
  FakeDocker docker(following.socket());
  for (const char c : {'a', 'b', 'c'}) docker.answer(path_of(c), 200, inspect_of(c, true));
  docker.answer("/containers/json", 200, list_of({{'a', "running"}, {'b', "running"}}));
  ASSERT_TRUE(following.until([&] { return following.calls.size() >= 3; }));
  EXPECT_EQ(std::exchange(following.calls, {}).back(), "reconciled");
  docker.send_event(event_of("start", 'c', 1'795'240'721'000'000'007));
  ASSERT_TRUE(following.hears({"up c"}));

  docker.answer("/containers/json", 200, list_of({{'a', "exited"}, {'c', "running"}}));
  docker.answer(path_of('a'), 200, inspect_of('a', false));
  docker.hang_up();
  ASSERT_TRUE(following.until([&] { return following.calls.size() >= 6; }));
  Calls calls = following.calls;
  EXPECT_EQ(calls.front(), "disconnected");
  EXPECT_EQ(calls.back(), "reconciled");
  const auto down = std::find(calls.begin(), calls.end(), "down a");
  ASSERT_NE(down, calls.end());
  EXPECT_EQ(*(down + 1), "died a");
  std::sort(calls.begin(), calls.end());
  EXPECT_EQ(calls, (Calls{"died a", "disconnected", "down a", "gone b", "reconciled", "up c"}));
  size_t with_since = 0;
  for (const std::string& target : docker.requests())
    with_since += target.ends_with("&since=1795240721.000000007") ? 1 : 0;
  EXPECT_GE(with_since, 1u);
}

TEST(DockerClient, a_restarted_daemon_is_followed_again) {
  Following following(impatient());
  for (int round = 0; round < 3; ++round) {
    FakeDocker docker(following.socket());
    ASSERT_TRUE(following.until(
        [&] { return !following.calls.empty() && following.calls.back() == "reconciled"; }));
    following.calls.clear();
  }
  EXPECT_TRUE(following.hears({"disconnected"}));
}

TEST(DockerClient, rubbish_among_the_events_is_survived) {
  Following following;
  FakeDocker docker(following.socket());
  ASSERT_TRUE(following.hears({"reconciled"}));
  docker.answer(path_of('a'), 200, inspect_of('a', false));
  docker.send_event(
      "rubbish\n{\"Type\":\n[1]\n\xff\n{\"Type\":\"container\",\"Action\":\"die\"}\n");
  // More than a socket holds: it is sent while the loop runs.
  std::thread sender([&] {
    docker.send_event("{\"x\":\"" + std::string(3 << 20, 'x') + "\"}\n" + event_of("create", 'a'));
  });
  EXPECT_TRUE(following.hears({"down a"}));
  sender.join();
}

TEST(DockerClient, an_answer_that_is_huge_or_wrong_costs_that_container_only) {
  Patience patience;  // A slow machine must not be taken for a Docker that is silent.
  patience.retry_ms = 20;
  Following following(patience);
  FakeDocker docker(following.socket());
  ASSERT_TRUE(following.hears({"reconciled"}));
  docker.answer(path_of('a'), 200, std::string(17 << 20, ' '));
  docker.answer(path_of('b'), 200, inspect_of('a', true));
  docker.answer(path_of('c'), 200, "{}");
  docker.answer(path_of('d'), 200, inspect_of('d', false));
  docker.send_event(event_of("create", 'a') + event_of("create", 'b') + event_of("create", 'c'));
  ASSERT_TRUE(following.until([&] { return docker.requests().size() >= 7; }));
  docker.send_event(event_of("create", 'd'));
  EXPECT_TRUE(following.hears({"down d"}));
}

TEST(DockerClient, an_inspect_that_fails_is_tried_again) {
  Following following(impatient());
  FakeDocker docker(following.socket());
  docker.answer("/containers/json", 200, list_of({{'a', "running"}}));
  docker.answer(path_of('a'), 500, "{}");
  ASSERT_TRUE(following.hears({"reconciled"}));
  docker.answer(path_of('a'), 200, inspect_of('a', true));
  EXPECT_TRUE(following.hears({"up a"}));
}

TEST(DockerClient, a_daemon_that_hangs_is_noticed_and_the_loop_goes_on) {
  Following following(impatient());
  FakeDocker docker(following.socket());
  ASSERT_TRUE(following.hears({"reconciled"}));
  docker.hold("/_ping");
  ASSERT_TRUE(following.hears({"disconnected"}));
  EXPECT_LT(following.longest_turn, std::chrono::milliseconds(500));
  docker.let_go("/_ping");
  EXPECT_TRUE(following.hears({"reconciled"}));
}

TEST(DockerClient, a_quiet_daemon_that_answers_is_not_left) {
  Following following(impatient());
  FakeDocker docker(following.socket());
  ASSERT_TRUE(following.hears({"reconciled"}));
  const auto probes = [&] {
    const auto requests = docker.requests();
    return std::count(requests.begin(), requests.end(), "/_ping");
  };
  ASSERT_TRUE(following.until([&] { return probes() >= 4; }));
  EXPECT_TRUE(following.calls.empty());
  EXPECT_EQ(docker.streams(), 1u);
}

TEST(DockerClient, works_without_an_answer_to_info) {
  Following following(impatient());
  FakeDocker docker(following.socket());
  docker.answer("/info", 500, "");
  EXPECT_TRUE(following.hears({"reconciled"}));
  EXPECT_EQ(following.client().docker_root(), "");
}

TEST(DockerClient, can_be_stopped_with_everything_under_way) {
  std::optional<Following> following(std::in_place);
  FakeDocker docker(following->socket());
  ASSERT_TRUE(following->hears({"reconciled"}));
  docker.hold(path_of('a'));
  docker.send_event(event_of("create", 'a'));
  ASSERT_TRUE(following->until([&] { return docker.requests().size() >= 5; }));
  following.reset();
  EXPECT_TRUE(docker.requests().back().ends_with(path_of('a')));
  docker.let_go(path_of('a'));
}

}  // namespace
}  // namespace longshore::docker
