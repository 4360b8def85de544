#include "integrations/kafka/progress.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdio>

namespace longshore::kafka {

namespace {

constexpr double kSecondsMin = 0.001;
constexpr char kClearLine[] = "\r\x1b[K";

}  // namespace

Progress::Progress(const Clock& clock, To to, int64_t period_ms)
    : clock_(clock),
      to_(to),
      period_ns_(period_ms * 1'000'000),
      began_ns_(clock.monotonic_ns()),
      shown_ns_(began_ns_) {}

Progress::~Progress() {
  if (to_ == To::kTerminal && shown_ns_ != began_ns_) fmt::print(stderr, kClearLine);
}

bool Progress::due() const {
  return period_ns_ > 0 && clock_.monotonic_ns() - shown_ns_ >= period_ns_;
}

double Progress::seconds() const {
  return std::max(static_cast<double>(clock_.monotonic_ns() - shown_ns_) / 1e9, kSecondsMin);
}

double Progress::seconds_in_all() const {
  return std::max(static_cast<double>(clock_.monotonic_ns() - began_ns_) / 1e9, kSecondsMin);
}

void Progress::show(const std::string& line) {
  shown_ns_ = clock_.monotonic_ns();
  if (to_ == To::kLog) {
    spdlog::info("{}", line);
  } else {
    fmt::print(stderr, "{}{}", kClearLine, line);
    std::fflush(stderr);
  }
}

}  // namespace longshore::kafka
