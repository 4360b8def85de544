// What is logged while it lives, for tests of what users are told.
#pragma once

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace longshore::fakes {

/// Takes the place of the process's log. Thread: any.
class LoggedWords {
 public:
  LoggedWords() : lines_(std::make_shared<Lines>()), before_(spdlog::default_logger()) {
    spdlog::set_default_logger(std::make_shared<spdlog::logger>("words", lines_));
  }
  ~LoggedWords() { spdlog::set_default_logger(before_); }
  LoggedWords(const LoggedWords&) = delete;
  LoggedWords& operator=(const LoggedWords&) = delete;

  /// How many messages contain `words`.
  size_t count(const std::string& words) const { return lines_->count(words); }

 private:
  class Lines final : public spdlog::sinks::base_sink<std::mutex> {
   public:
    size_t count(const std::string& words) {
      const std::lock_guard lock(mutex_);
      return static_cast<size_t>(std::ranges::count_if(
          lines_, [&](const std::string& line) { return line.find(words) != std::string::npos; }));
    }

   private:
    void sink_it_(const spdlog::details::log_msg& message) override {
      lines_.emplace_back(message.payload.data(), message.payload.size());
    }
    void flush_() override {}

    std::vector<std::string> lines_;
  };

  const std::shared_ptr<Lines> lines_;
  const std::shared_ptr<spdlog::logger> before_;
};

}  // namespace longshore::fakes
