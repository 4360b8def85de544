// Where the program's own log goes: standard error, of which nobody may be reading. A line that the
// reader has no room for waits in memory, and a thread writes it later; lines beyond
// kLogWaitingBytesMax are dropped and counted. So a stalled reader never stalls who logs.
//
//   any thread --log()--> room: write(2) at once
//                '------> no room: [ waiting ] --thread--> write(2)
#pragma once

#include <spdlog/sinks/base_sink.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "config/fd.h"

namespace longshore {

/// Thread: any. Levels have colours if `fd` is a terminal.
class StderrSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  /// `fd` stays the caller's.
  explicit StderrSink(int fd);
  /// Waits for the reader a little, then drops what is left.
  ~StderrSink() override;

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}

 private:
  void write_or_keep(std::string_view line);
  size_t write_now(std::string_view text);
  void keep(std::string_view text, bool is_rest);
  void write_waiting();

  const Fd own_;  // None if `fd` is neither a pipe nor a terminal, or may not be opened.
  const int fd_;
  const bool is_terminal_;
  // Under mutex_ of the base.
  std::string waiting_;
  uint64_t dropped_ = 0;
  bool is_closing_ = false;
  std::chrono::steady_clock::time_point close_by_;
  std::condition_variable changed_;
  std::thread writer_;  // Started when something has to wait.
};

}  // namespace longshore
