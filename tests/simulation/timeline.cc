#include "tests/simulation/timeline.h"

#include <algorithm>
#include <cstdio>

namespace longshore::simulation {

uint64_t Random::next() {
  uint64_t z = (state_ += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

int64_t Random::magnitude(int64_t max) {
  int64_t bound = 1;
  int digits = 0;
  for (int64_t at = max; at > 1; at /= 2) ++digits;
  bound <<= below(static_cast<uint64_t>(digits) + 1);
  return std::min(between(bound, bound * 2 - 1), max);
}

Timeline::Timeline(uint64_t seed, bool verbose)
    : random_(seed * 0xd1342543de82ef95 + 1), verbose_(verbose), hash_(XXH3_createState()) {
  XXH3_64bits_reset(hash_.get());
}

void Timeline::say(const std::string& line) {
  const std::string whole = fmt::format("{:>12.3f} {}\n", static_cast<double>(now_) / kMs, line);
  XXH3_64bits_update(hash_.get(), whole.data(), whole.size());
  if (verbose_) std::fputs(whole.c_str(), stdout);
}

void Timeline::at(int64_t when, std::function<void()> what) {
  events_.emplace(std::max(when, now_), Event{0, std::move(what)});
}

void Timeline::at_in_life(int64_t when, std::function<void()> what) {
  events_.emplace(std::max(when, now_), Event{life_, std::move(what)});
}

bool Timeline::step(int64_t until) {
  const auto next = events_.begin();
  if (in_event_ || next == events_.end() || next->first > until) {
    now_ = std::max(now_, until);
    return false;
  }
  now_ = std::max(now_, next->first);
  const Event event = std::move(next->second);
  events_.erase(next);
  if (event.life != 0 && event.life != life_) return true;
  struct Guard {
    bool& flag;
    ~Guard() { flag = false; }
  } guard{in_event_};
  in_event_ = true;
  event.what();
  return true;
}

void Timeline::pass(int64_t ns) {
  const int64_t until = now_ + ns;
  while (step(until)) continue;
}

void Timeline::begin_life(int64_t seams) {
  ++life_;
  seams_left_ = calm_ ? 0 : seams;
}

void Timeline::seam(const char* where) {
  if (seams_left_ > 0 && --seams_left_ == 0) {
    trace("killed at {}", where);
    throw Crash{};
  }
  if (calm_ || in_event_ || !random_.chance(0.2)) return;
  pass(random_.magnitude(20 * kMs));
}

}  // namespace longshore::simulation
