// The one error type. Operating errors travel as values, never as exceptions.
#pragma once

#include <cassert>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>

namespace longshore {

/// What the caller can do about a failure. A new kind needs a caller that acts on it.
enum class ErrorCode : uint8_t {
  kNotFound,     ///< The file, container or topic does not exist (any more). Forget it.
  kRetryable,    ///< The same call may succeed later.
  kUndecided,    ///< The answer depends on a transaction that is still open. Ask again.
  kCorrupt,      ///< Bytes on disk or on the wire fail their check. Report it; never skip silently.
  kFull,         ///< A limit in config/limits.h was reached. Stop reading until it drains.
  kInvalid,      ///< The operator's configuration is wrong. Only at start-up.
  kFatal,        ///< Going on would break a promise made in README.md. Stop the process.
  kSessionGone,  ///< The Kafka session failed. Destroy it and open a new one.
};

struct [[nodiscard]] Error {
  ErrorCode code;
  std::string message;  ///< One sentence: what was tried, on what, and the system's own words.
};

/// The operator's configuration is wrong, as `sentence` says.
inline Error invalid(std::string sentence) { return {ErrorCode::kInvalid, std::move(sentence)}; }

/// A T or an Error. Member names follow std::expected (C++23), which g++ 12 lacks in C++20 mode,
/// so that this file can become an alias.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Error error) : state_(std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  const T& value() const& {
    assert(has_value());
    return *std::get_if<0>(&state_);
  }
  T&& value() && {
    assert(has_value());
    return std::move(*std::get_if<0>(&state_));
  }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  const Error& error() const {
    assert(!has_value());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, Error> state_;
};

using Status = Result<std::monostate>;
inline Status ok() { return std::monostate{}; }

}  // namespace longshore
