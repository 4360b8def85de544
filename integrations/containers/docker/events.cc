#include "integrations/containers/docker/events.h"

#include <simdjson.h>

#include <array>
#include <utility>

#include "config/limits.h"
#include "integrations/containers/docker/answers.h"

namespace longshore::docker {
namespace {

// Docker's names and Podman's.
constexpr std::array<std::pair<std::string_view, Event::Kind>, 8> kActions = {{
    {"create", Event::Kind::kCreated},
    {"start", Event::Kind::kStarted},
    {"restart", Event::Kind::kStarted},
    {"rename", Event::Kind::kRenamed},
    {"die", Event::Kind::kDied},
    {"died", Event::Kind::kDied},
    {"destroy", Event::Kind::kRemoved},
    {"remove", Event::Kind::kRemoved},
}};

}  // namespace

Result<Event> parse_event(std::string_view json) {
  simdjson::dom::parser parser;
  const auto root = parser.parse(json.data(), json.size());
  if (root.error())
    return Error{ErrorCode::kCorrupt, std::string("Docker sent an event that is not JSON: ") +
                                          simdjson::error_message(root.error())};
  Event event;
  std::string_view type, action, id;
  // API versions before 1.22 have `status` and `id` instead.
  if (root["Type"].get(type) || type != "container") return event;
  if (root["Action"].get(action) && root["status"].get(action)) return event;
  for (const auto& [name, kind] : kActions) {
    if (action == name) event.kind = kind;
  }
  if (root["Actor"]["ID"].get(id) && root["id"].get(id)) id = {};
  if (event.kind != Event::Kind::kOther && !is_container_id(id))
    return Error{ErrorCode::kCorrupt, "Docker sent an event without a container id"};
  event.container_id = id;
  if (root["timeNano"].get(event.time_nano)) event.time_nano = 0;
  return event;
}

void EventSplitter::reset() {
  object_.clear();
  depth_ = 0;
  in_text_ = escaped_ = skipping_ = false;
}

size_t EventSplitter::feed(std::string_view data,
                           const std::function<void(std::string_view)>& on_object) {
  size_t skipped = 0;
  for (const char c : data) {
    // Nothing is left of a complete object at its newline. The rest of a damaged one is passed on,
    // so that it is reported.
    const bool ends = c == '\n' || closes_object(c);
    if (c != '\n' && !add(c)) ++skipped;
    if (!ends) continue;
    if (!object_.empty()) on_object(object_);
    reset();
  }
  return skipped;
}

bool EventSplitter::closes_object(char c) {
  if (in_text_) {
    in_text_ = escaped_ || c != '"';
    escaped_ = !escaped_ && c == '\\';
  } else if (c == '{') {
    ++depth_;
  } else if (depth_ > 0 && c == '"') {
    in_text_ = true;
  } else if (depth_ > 0 && c == '}') {
    return --depth_ == 0;
  }
  return false;
}

bool EventSplitter::add(char c) {
  const bool between = object_.empty() && (c == ' ' || c == '\t' || c == '\r');
  if (skipping_ || between) return true;
  object_.push_back(c);
  if (object_.size() <= limits::kDockerEventBytesMax) return true;
  object_ = std::string();
  skipping_ = true;
  return false;
}

}  // namespace longshore::docker
