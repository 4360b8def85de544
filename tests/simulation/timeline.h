// Virtual time, randomness and the trace of one simulated run. Everything that happens, happens on
// one thread: the agent's lane runs until it calls one of its seams, and there the world goes on.
//
//   lane --seam()--> Timeline --> events that are due (applications, watch loop, brokers)
//                        '------> Crash, thrown through the agent at a moment that the seed chose
#pragma once

#include <fmt/format.h>
#include <xxhash.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "config/clock.h"

namespace longshore::simulation {

inline constexpr int64_t kMs = 1'000'000;
inline constexpr int64_t kSecond = 1'000 * kMs;

/// SplitMix64 (Steele, Lea, Flood 2014).
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint64_t next();
  /// In [0, bound); 0 for 0.
  uint64_t below(uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low + 1)));
  }
  bool chance(double probability) {
    return static_cast<double>(next() >> 11) * 0x1.0p-53 < probability;
  }
  /// In [1, max], every order of magnitude as likely as the next.
  int64_t magnitude(int64_t max);

 private:
  uint64_t state_;
};

/// kill -9, thrown by a seam and caught where the agent's life is driven.
struct Crash {};

/// What is wrong with the agent; ends the run.
struct Violation {
  std::string what;
};

/// Thread: the run's.
class Timeline final : public Clock {
 public:
  Timeline(uint64_t seed, bool verbose);

  Random& random() { return random_; }
  int64_t wall_ns() const override { return now_ + wall_offset_; }
  int64_t monotonic_ns() const override { return now_; }
  int64_t now() const { return now_; }
  void jump_wall(int64_t ns) { wall_offset_ += ns; }

  /// `what` happens at `when`, or at once where that is over. Equal times: in the order of calls.
  void at(int64_t when, std::function<void()> what);
  /// The same, if the agent's present life lasts until then.
  void at_in_life(int64_t when, std::function<void()> what);
  /// The next event until then; false: there is none, and it is `until` now.
  bool step(int64_t until);
  void pass(int64_t ns);

  /// A life of the agent, killed at its `seams`-th seam; 0: not by count.
  void begin_life(int64_t seams);
  void end_life() { ++life_, seams_left_ = 0; }
  /// Killed at its next seam.
  void kill() { seams_left_ = 1; }
  /// From here on nothing is random and nothing crashes.
  void calm_down() { calm_ = true, seams_left_ = 0; }
  bool calm() const { return calm_; }

  /// Called wherever the agent touches the world. Throws Crash.
  void seam(const char* where);

  template <typename... Args>
  void trace(fmt::format_string<Args...> format, Args&&... args) {
    say(fmt::format(format, std::forward<Args>(args)...));
  }
  uint64_t hash() const { return XXH3_64bits_digest(hash_.get()); }

 private:
  struct Event {
    uint64_t life;  // 0: of the world.
    std::function<void()> what;
  };
  struct FreeHash {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  void say(const std::string& line);

  Random random_;
  const bool verbose_;
  std::unique_ptr<XXH3_state_t, FreeHash> hash_;
  std::multimap<int64_t, Event> events_;
  int64_t now_ = 1'000 * kSecond;
  int64_t wall_offset_ = int64_t{1'795'000'000} * kSecond;
  uint64_t life_ = 1;
  int64_t seams_left_ = 0;
  bool in_event_ = false;
  bool calm_ = false;
};

}  // namespace longshore::simulation
