#include "integrations/docker/events.h"

#include <simdjson.h>

#include <array>
#include <utility>

#include "integrations/docker/answers.h"

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
    return Error{ErrorCode::kCorrupt, std::string("an event of Docker is unreadable: ") +
                                          simdjson::error_message(root.error())};
  Event event;
  std::string_view type, action, id;
  // `status` and `id` are what API versions before 1.22 told instead.
  if (root["Type"].get(type) || type != "container") return event;
  if (root["Action"].get(action) && root["status"].get(action)) return event;
  for (const auto& [name, kind] : kActions) {
    if (action == name) event.kind = kind;
  }
  if (root["Actor"]["ID"].get(id) && root["id"].get(id)) id = {};
  if (event.kind != Event::Kind::kOther && !is_container_id(id))
    return Error{ErrorCode::kCorrupt, "an event of Docker names no container"};
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
    if (c == '\n') {
      // Of an object that is whole nothing is left here; handed on, a damaged one is said.
      if (!object_.empty()) on_object(object_);
      reset();
      continue;
    }
    if (depth_ == 0 && c != '{') {
      if (c != ' ' && c != '\t' && c != '\r' && !skipping_) add(c);
      continue;
    }
    add(c);
    if (in_text_) {
      in_text_ = escaped_ || c != '"';
      escaped_ = !escaped_ && c == '\\';
    } else if (c == '"') {
      in_text_ = true;
    } else if (c == '{') {
      ++depth_;
    } else if (c == '}' && --depth_ == 0) {
      if (!skipping_) on_object(object_);
      reset();
    }
    if (object_.size() > kEventBytesMax) {
      ++skipped;
      object_.clear();
      object_.shrink_to_fit();
      skipping_ = true;
    }
  }
  return skipped;
}

void EventSplitter::add(char c) {
  if (!skipping_) object_.push_back(c);
}

}  // namespace longshore::docker
