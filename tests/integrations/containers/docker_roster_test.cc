// Goal: the listener is told the life of each container in order, in whatever order answers and
// events arrive, and everything that happened while disconnected is reported later.
// Method: drive the passive parts, event splitter and roster, by hand; then compare random lives
// with the promises.

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "config/limits.h"
#include "integrations/containers/docker/events.h"
#include "integrations/containers/docker/roster.h"
#include "tests/fakes/seed.h"

namespace longshore::docker {
namespace {

using Kind = Event::Kind;
using Calls = std::vector<std::string>;

std::string id_of(char c) { return std::string(64, c); }

class Recorder final : public Listener {
 public:
  void on_container(const Container& container) override {
    calls.push_back(std::string(container.running ? "up " : "down ") + container.id[0]);
  }
  void on_died(const std::string& id, int64_t) override {
    calls.push_back(std::string("died ") + id[0]);
  }
  void on_gone(const std::string& id) override { calls.push_back(std::string("gone ") + id[0]); }
  void on_reconciled() override { calls.push_back("reconciled"); }
  void on_disconnected(const std::string&) override { calls.push_back("disconnected"); }

  Calls take() { return std::exchange(calls, {}); }
  Calls calls;
};

struct Scene {
  Recorder listener;
  Roster roster{listener};

  void event(Kind kind, char c = 'a') { roster.on_event({kind, id_of(c), 0}); }
  void list(std::vector<Listed> listed) {
    roster.expect_list();
    roster.on_list(listed);
  }
  std::string next() {
    const auto id = roster.next_inspect();
    return id ? id->substr(0, 1) : "";
  }
  void answer(bool running, char c = 'a') {
    Container container;
    container.id = id_of(c);
    container.running = running;
    roster.on_inspected(container);
  }
};

TEST(Roster, an_ordinary_life_is_told_in_order) {
  Scene scene;
  scene.event(Kind::kCreated);
  EXPECT_EQ(scene.next(), "a");
  scene.answer(false);
  scene.event(Kind::kStarted);
  EXPECT_EQ(scene.next(), "a");
  scene.answer(true);
  scene.event(Kind::kDied);
  scene.event(Kind::kRemoved);
  EXPECT_EQ(scene.listener.take(), (Calls{"down a", "up a", "died a", "gone a"}));
  EXPECT_EQ(scene.next(), "");
}

TEST(Roster, the_end_does_not_wait_for_the_inspect_of_the_start) {
  Scene scene;
  scene.event(Kind::kCreated);
  scene.next();
  scene.answer(false);
  scene.event(Kind::kStarted);
  scene.next();
  scene.event(Kind::kDied);
  EXPECT_EQ(scene.listener.take(), (Calls{"down a", "died a"}));
  scene.answer(false);
  EXPECT_EQ(scene.listener.take(), Calls{});
  scene.event(Kind::kRemoved);
  EXPECT_EQ(scene.listener.take(), Calls{"gone a"});
}

TEST(Roster, a_life_that_ends_before_its_first_inspect_is_told_after_it) {
  Scene scene;
  scene.event(Kind::kCreated);
  scene.next();
  scene.event(Kind::kStarted);
  scene.event(Kind::kDied);
  scene.event(Kind::kRemoved);
  EXPECT_EQ(scene.listener.take(), Calls{});
  scene.answer(false);
  EXPECT_EQ(scene.listener.take(), (Calls{"up a", "died a", "gone a"}));
}

TEST(Roster, gone_before_its_first_inspect_is_gone_only) {
  Scene scene;
  scene.event(Kind::kCreated);
  scene.next();
  scene.event(Kind::kStarted);
  scene.event(Kind::kDied);
  scene.roster.on_missing(id_of('a'));
  EXPECT_EQ(scene.listener.take(), Calls{"gone a"});
}

TEST(Roster, a_second_short_life_is_told_alive_before_its_end) {
  Scene scene;
  scene.event(Kind::kCreated);
  scene.next();
  scene.answer(false);
  scene.event(Kind::kDied);
  EXPECT_EQ(scene.listener.take(), (Calls{"down a", "died a"}));
  scene.event(Kind::kStarted);
  EXPECT_EQ(scene.next(), "a");
  scene.event(Kind::kDied);
  EXPECT_EQ(scene.listener.take(), Calls{});
  scene.answer(false);
  EXPECT_EQ(scene.listener.take(), (Calls{"up a", "died a"}));
}

TEST(Roster, a_restart_during_an_inspect_ends_alive) {
  Scene scene;
  scene.event(Kind::kCreated);
  scene.next();
  scene.event(Kind::kStarted);
  scene.event(Kind::kDied);
  scene.event(Kind::kStarted);
  scene.answer(true);
  EXPECT_EQ(scene.listener.take(), (Calls{"up a", "died a"}));
  EXPECT_EQ(scene.next(), "a");
  scene.answer(true);
  EXPECT_EQ(scene.listener.take(), Calls{"up a"});
}

TEST(Roster, new_containers_are_inspected_before_the_backlog_and_the_newest_first) {
  Scene scene;
  scene.list({{id_of('a'), false}, {id_of('b'), false}});
  scene.event(Kind::kCreated, 'c');
  scene.event(Kind::kCreated, 'd');
  EXPECT_EQ(scene.next(), "d");
  EXPECT_EQ(scene.next(), "c");
  EXPECT_EQ(scene.next(), "a");
  EXPECT_EQ(scene.next(), "b");
  EXPECT_EQ(scene.next(), "");
}

TEST(Roster, reconciled_is_told_once_when_the_list_is_worked_off) {
  Scene scene;
  scene.list({});
  EXPECT_EQ(scene.listener.take(), Calls{"reconciled"});
  scene.list({{id_of('a'), true}, {id_of('b'), false}, {id_of('c'), false}});
  for (int i = 0; i < 3; ++i) EXPECT_NE(scene.next(), "");
  scene.answer(false, 'a');
  scene.roster.on_missing(id_of('b'));
  EXPECT_EQ(scene.listener.take(), (Calls{"down a", "died a", "gone b"}));
  EXPECT_TRUE(scene.roster.on_failed(id_of('c'), true));
  EXPECT_EQ(scene.listener.take(), Calls{"reconciled"});
  scene.roster.retry_failed();
  EXPECT_EQ(scene.next(), "c");
  scene.answer(true, 'c');
  EXPECT_EQ(scene.listener.take(), Calls{"up c"});
}

TEST(Roster, what_ended_or_vanished_while_disconnected_is_told) {
  Scene scene;
  scene.list({{id_of('a'), false}, {id_of('b'), false}, {id_of('c'), false}});
  for (int i = 0; i < 3; ++i) scene.next();
  scene.answer(true, 'a'), scene.answer(true, 'b'), scene.answer(true, 'c');
  scene.listener.take();
  scene.roster.on_disconnected();
  scene.list({{id_of('a'), true}, {id_of('c'), false}, {id_of('d'), true}});
  EXPECT_EQ(scene.listener.take(), Calls{"gone b"});
  for (int i = 0; i < 3; ++i) scene.next();
  scene.answer(false, 'a'), scene.answer(true, 'c'), scene.answer(false, 'd');
  EXPECT_EQ(scene.listener.take(),
            (Calls{"down a", "died a", "up c", "down d", "died d", "reconciled"}));
}

TEST(Roster, a_start_that_was_seen_and_an_end_that_was_not_are_made_up_for) {
  Scene scene;
  scene.event(Kind::kCreated);
  scene.next();
  scene.answer(false);
  scene.event(Kind::kStarted);
  scene.next();
  scene.roster.on_disconnected();
  scene.list({{id_of('a'), true}});
  scene.next();
  scene.answer(false);
  EXPECT_EQ(scene.listener.take(), (Calls{"down a", "down a", "died a", "reconciled"}));
}

TEST(Roster, a_container_created_after_the_list_was_asked_for_is_not_taken_for_gone) {
  Scene scene;
  scene.roster.expect_list();
  scene.event(Kind::kCreated);
  scene.next();
  scene.answer(false);
  scene.roster.on_list({});
  EXPECT_EQ(scene.listener.take(), (Calls{"down a", "reconciled"}));
}

TEST(Roster, an_end_that_is_told_again_is_not_told_again) {
  Scene scene;
  scene.list({{id_of('a'), true}});
  scene.next();
  scene.answer(false);
  scene.event(Kind::kDied);
  EXPECT_EQ(scene.listener.take(), (Calls{"down a", "died a", "reconciled"}));
}

TEST(Roster, an_inspect_that_always_fails_is_given_up) {
  Scene scene;
  scene.event(Kind::kCreated);
  int tries = 0;
  while (scene.next() == "a") {
    ++tries;
    scene.roster.on_failed(id_of('a'), true);
    scene.roster.retry_failed();
  }
  EXPECT_EQ(tries, 6);
  scene.event(Kind::kStarted);
  EXPECT_EQ(scene.next(), "a");
}

TEST(Roster, a_daemon_gone_mad_cannot_fill_it) {
  Scene scene;
  size_t taken = 0;
  std::string id(64, '0');
  for (size_t i = 0; i < limits::kContainersMax + 10; ++i) {
    const std::string digits = std::to_string(i);
    id.replace(64 - digits.size(), digits.size(), digits);
    taken += scene.roster.on_event({Kind::kCreated, id, 0}) ? 1 : 0;
  }
  EXPECT_EQ(taken, limits::kContainersMax);
}

// The model: an end is told only of what was told, once a life; nothing follows "gone"; when all is
// quiet, what was told is the truth.
TEST(Roster, random_lives_with_random_answers_keep_the_promises) {
  const unsigned seed = fakes::seed();
  std::mt19937 random(seed);
  SCOPED_TRACE("seed " + std::to_string(seed));
  size_t lives = 0;
  for (int round = 0; round < 3000; ++round) {
    Scene scene;
    bool there = true, alive = false, under_way = false;
    scene.event(Kind::kCreated);
    const auto settle = [&] {
      if (!under_way && scene.next() == "a") under_way = true;
      if (!under_way) return false;
      under_way = false;
      there ? scene.answer(alive) : scene.roster.on_missing(id_of('a'));
      return true;
    };
    for (int step = 0; step < 12 && there; ++step) {
      switch (random() % 6) {
        case 0:
        case 1:
          alive = !alive;
          scene.event(alive ? Kind::kStarted : Kind::kDied);
          break;
        case 2:
          scene.event(Kind::kRenamed);
          break;
        case 3:
          settle();
          break;
        case 4:
          if (!under_way) under_way = scene.next() == "a";
          break;
        default:
          if (random() % 8 != 0) break;
          if (std::exchange(alive, false)) scene.event(Kind::kDied);
          there = false;
          scene.event(Kind::kRemoved);
      }
    }
    while (settle()) {
    }
    ++lives;
    bool told = false, up = false, gone = false;
    for (const std::string& call : scene.listener.calls) {
      EXPECT_FALSE(gone) << call;
      EXPECT_TRUE(told || call != "died a");
      told = told || call == "up a" || call == "down a";
      up = call == "up a" || (up && call != "died a" && call != "gone a" && call != "down a");
      gone = call == "gone a";
    }
    EXPECT_EQ(gone, !there);
    EXPECT_EQ(up, alive);
    if (::testing::Test::HasFailure()) {
      FAIL() << "round " << round << ": " << ::testing::PrintToString(scene.listener.calls);
    }
  }
  EXPECT_EQ(lives, 3000u);
}

TEST(Events, pieces_of_any_size_make_the_same_objects) {
  const std::string stream = "{\"a\":\"}{\\\"\\\\\"}\n{\"b\":{\"c\":1}}{\"d\":2}\r\n\n {\"e\":3}";
  const Calls expected = {"{\"a\":\"}{\\\"\\\\\"}", "{\"b\":{\"c\":1}}", "{\"d\":2}", "{\"e\":3}"};
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    EventSplitter splitter;
    Calls objects;
    for (size_t at = 0; at < stream.size(); at += piece) {
      const auto keep = [&](std::string_view object) { objects.emplace_back(object); };
      EXPECT_EQ(splitter.feed(std::string_view(stream).substr(at, piece), keep), 0u);
    }
    EXPECT_EQ(objects, expected) << piece;
  }
}

TEST(Events, a_newline_ends_what_is_damaged) {
  EventSplitter splitter;
  Calls objects;
  splitter.feed("{\"a\":{\"b\"\nrubbish}\n{\"c\":\"\n{\"d\":1}\n",
                [&](std::string_view object) { objects.emplace_back(object); });
  ASSERT_FALSE(objects.empty());
  EXPECT_EQ(objects.back(), "{\"d\":1}");
}

TEST(Events, one_that_is_too_large_is_skipped_and_the_next_is_read) {
  for (const std::string head : {"{\"a\":\"", "{", "x"}) {
    EventSplitter splitter;
    Calls objects;
    size_t skipped = 0;
    const auto keep = [&](std::string_view object) { objects.emplace_back(object); };
    skipped += splitter.feed(head, keep);
    const std::string piece(1 << 16, 'x');
    for (int i = 0; i < 40; ++i) skipped += splitter.feed(piece, keep);
    skipped += splitter.feed("\"}\n{\"b\":1}\n", keep);
    EXPECT_EQ(skipped, 1u) << head;
    ASSERT_EQ(objects.size(), 1u) << head;
    EXPECT_EQ(objects[0], "{\"b\":1}") << head;
  }
}

TEST(Events, dockers_and_podmans_names_are_understood) {
  const std::vector<std::pair<std::string, Kind>> cases = {
      {"create", Kind::kCreated}, {"start", Kind::kStarted},  {"restart", Kind::kStarted},
      {"die", Kind::kDied},       {"died", Kind::kDied},      {"destroy", Kind::kRemoved},
      {"remove", Kind::kRemoved}, {"rename", Kind::kRenamed}, {"exec_start: sh", Kind::kOther},
      {"init", Kind::kOther},     {"attach", Kind::kOther},   {"kill", Kind::kOther}};
  for (const auto& [name, kind] : cases) {
    const auto event =
        parse_event(R"({"Type":"container","Action":")" + name + R"(","Actor":{"ID":")" +
                    id_of('a') + R"("},"timeNano":1795240721000000001})");
    ASSERT_TRUE(event) << name;
    EXPECT_EQ(event->kind, kind) << name;
    EXPECT_EQ(event->container_id, id_of('a'));
    EXPECT_EQ(event->time_nano, 1795240721000000001);
  }
}

TEST(Events, what_names_no_container_is_corrupt_and_other_types_are_nothing) {
  for (const std::string text :
       {"", "{", "[]x", R"({"Type":"container","Action":"die"})",
        R"({"Type":"container","Action":"die","Actor":{"ID":"../../etc"}})",
        R"({"Type":"container","Action":"die","Actor":{"ID":7}})"}) {
    EXPECT_FALSE(parse_event(text)) << text;
  }
  for (const std::string text : {R"({"Type":"network","Action":"destroy"})", "{}", "[]", "7",
                                 R"({"Type":"container","Action":7})"}) {
    const auto event = parse_event(text);
    ASSERT_TRUE(event) << text;
    EXPECT_EQ(event->kind, Kind::kOther) << text;
  }
}

}  // namespace
}  // namespace longshore::docker
