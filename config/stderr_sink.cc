#include "config/stderr_sink.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <climits>
#include <string>

#include "config/limits.h"

namespace longshore {
namespace {

constexpr std::string_view kPlain = "\x1b[0m";

std::string_view colour_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::warn:
      return "\x1b[33m\x1b[1m";
    case spdlog::level::err:
    case spdlog::level::critical:
      return "\x1b[31m\x1b[1m";
    case spdlog::level::info:
      return "\x1b[32m";
    default:
      return "\x1b[36m";
  }
}

// The same pipe or terminal, opened once more: O_NONBLOCK on the given descriptor would hit whoever
// shares it. Without one, for a file or a socket, has_room() alone decides.
Fd nonblocking(int fd) {
  struct stat about {};
  if (::fstat(fd, &about) != 0 || (!S_ISFIFO(about.st_mode) && !S_ISCHR(about.st_mode)))
    return Fd();
  const std::string path = fmt::format("/proc/self/fd/{}", fd);
  return Fd(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
}

bool has_room(int fd, int wait_ms) {
  pollfd wait{.fd = fd, .events = POLLOUT, .revents = 0};
  return ::poll(&wait, 1, wait_ms) > 0;
}

}  // namespace

StderrSink::StderrSink(int fd)
    : own_(nonblocking(fd)), fd_(own_ ? own_.get() : fd), is_terminal_(::isatty(fd) == 1) {}

StderrSink::~StderrSink() {
  {
    const std::lock_guard lock(mutex_);
    is_closing_ = true;
    close_by_ = std::chrono::steady_clock::now() + std::chrono::milliseconds(limits::kLogCloseMs);
  }
  changed_.notify_all();
  if (writer_.joinable()) writer_.join();
}

void StderrSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t line;
  formatter_->format(message, line);
  const std::string_view text(line.data(), line.size());
  const size_t from = message.color_range_start, to = message.color_range_end;
  if (!is_terminal_ || to <= from) return write_or_keep(text);
  write_or_keep(fmt::format("{}{}{}{}{}", text.substr(0, from), colour_of(message.level),
                            text.substr(from, to - from), kPlain, text.substr(to)));
}

void StderrSink::write_or_keep(std::string_view line) {
  if (!waiting_.empty()) return keep(line, false);
  const size_t written = write_now(line);
  if (written < line.size()) keep(line.substr(written), written > 0);
}

// Returns how many bytes need no further attempt: written, or there is no reader at all.
size_t StderrSink::write_now(std::string_view text) {
  size_t done = 0;
  while (done < text.size() && has_room(fd_, 0)) {
    const ssize_t written =
        ::write(fd_, text.data() + done, std::min<size_t>(text.size() - done, PIPE_BUF));
    if (written < 0 && errno == EAGAIN) break;
    if (written < 0 && errno != EINTR) return text.size();
    if (written > 0) done += static_cast<size_t>(written);
  }
  return done;
}

// The rest of a line whose beginning is written is never dropped. After a line that was, all are
// until the notice: it stands where they are missing.
void StderrSink::keep(std::string_view text, bool is_rest) {
  const bool fits = dropped_ == 0 && waiting_.size() + text.size() <= limits::kLogWaitingBytesMax;
  if (!is_rest && !fits) {
    ++dropped_;
    return;
  }
  waiting_ += text;
  if (!writer_.joinable()) writer_ = std::thread([this] { write_waiting(); });
  changed_.notify_all();
}

void StderrSink::write_waiting() {
  constexpr int kRoomWaitMs = 100;
  std::unique_lock lock(mutex_);
  while (!is_closing_ || std::chrono::steady_clock::now() < close_by_) {
    changed_.wait(lock, [this] { return is_closing_ || !waiting_.empty(); });
    if (waiting_.empty()) return;
    lock.unlock();
    has_room(fd_, kRoomWaitMs);
    lock.lock();
    waiting_.erase(0, write_now(waiting_));
    if (!waiting_.empty() || dropped_ == 0) continue;
    waiting_ = fmt::format(
        "longshore: {} messages were dropped here: nobody read standard error.\n", dropped_);
    dropped_ = 0;
  }
}

}  // namespace longshore
