#include "agent/command/progress.h"

#include <algorithm>
#include <cstdio>

namespace longshore::agent {
namespace {

constexpr double kMega = 1e6;
constexpr int64_t kQuietNs = 1'000'000'000;  // Short work shows nothing.

}  // namespace

Progress::Progress(bool enabled, const Clock& clock)
    : enabled_(enabled), clock_(clock), began_ns_(clock.monotonic_ns()) {}

void Progress::show(const AgentProgress& progress) {
  const int64_t elapsed_ns = clock_.monotonic_ns() - began_ns_;
  if (!enabled_ || elapsed_ns < kQuietNs) return;
  const auto& [sources, read, opened] = progress;
  const uint64_t total = std::max(opened, read);  // Files grow, and may be compressed.
  const double seconds = static_cast<double>(elapsed_ns) / 1e9;
  const double rate = static_cast<double>(read) / kMega / seconds;
  const double left = static_cast<double>(total - read) / kMega;
  std::fprintf(stderr, "\r%llu files  %.0f of %.0f MB  %.1f MB/s  %.0f s left   ",
               static_cast<unsigned long long>(sources), static_cast<double>(read) / kMega,
               static_cast<double>(total) / kMega, rate, rate > 0 ? left / rate : 0.0);
  std::fflush(stderr);
  shown_ = true;
}

void Progress::finish() {
  if (shown_) std::fputc('\n', stderr);
}

}  // namespace longshore::agent
