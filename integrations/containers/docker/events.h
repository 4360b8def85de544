// The stream of GET /events: JSON objects one after the other, in pieces of any size.
//
// Source: Docker Engine API, "Monitor events". Engines end each object with a newline, and no
// object contains one, so a newline also ends a damaged object.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "config/result.h"

namespace longshore::docker {

/// What happened to one container.
struct Event {
  enum class Kind : uint8_t { kCreated, kStarted, kRenamed, kDied, kRemoved, kOther };
  Kind kind = Kind::kOther;
  std::string container_id;
  int64_t time_nano = 0;  ///< 0 if not told.
};

/// Errors: kCorrupt.
Result<Event> parse_event(std::string_view json);

/// Cuts the stream into objects. An object larger than limits::kDockerEventBytesMax is skipped up
/// to its end.
class EventSplitter {
 public:
  /// Calls `on_object` for each object that ends in `data`. Returns how many were skipped as too
  /// large.
  size_t feed(std::string_view data, const std::function<void(std::string_view)>& on_object);
  void reset();

 private:
  bool closes_object(char c);
  bool add(char c);  // False once for an object, where it becomes too large.

  std::string object_;
  size_t depth_ = 0;
  bool in_text_ = false;
  bool escaped_ = false;
  bool skipping_ = false;
};

}  // namespace longshore::docker
