// Goal: no answer of a Docker Engine crashes the agent, and everything taken from an answer is safe
// to use in paths and URLs.
// Method: the same bytes as an answer of each kind; the event stream is also cut into pieces, and
// must resynchronise at the next line.

#include <vector>

#include "config/limits.h"
#include "integrations/containers/docker/answers.h"
#include "integrations/containers/docker/container.h"
#include "integrations/containers/docker/events.h"
#include "tests/fuzz/input.h"

namespace longshore::fuzz {
namespace {

struct Cut {
  std::vector<std::string> objects;
  size_t skipped = 0;
};

Cut cut(std::string_view stream, size_t piece) {
  docker::EventSplitter splitter;
  Cut out;
  while (!stream.empty()) {
    out.skipped += splitter.feed(stream.substr(0, piece), [&out](std::string_view object) {
      out.objects.emplace_back(object);
    });
    stream.remove_prefix(std::min(piece, stream.size()));
  }
  return out;
}

void events(std::string_view stream, size_t piece) {
  const Cut whole = cut(stream, stream.size()), pieces = cut(stream, piece);
  require(whole.objects == pieces.objects && whole.skipped == pieces.skipped,
          "pieces do not change the events");
  for (const std::string& object : whole.objects) {
    require(object.size() <= limits::kDockerEventBytesMax, "an event is bounded");
    const auto event = docker::parse_event(object);
    if (!event) {
      require(event.error().code == ErrorCode::kCorrupt, "what is no event is corrupt");
    } else if (event->kind != docker::Event::Kind::kOther) {
      require(docker::is_container_id(event->container_id), "an event names a container");
    }
  }
  const std::string next = R"({"Type":"container","Action":"die","Actor":{"ID":")" +
                           std::string(64, 'a') + R"("},"timeNano":1})";
  const Cut found = cut(std::string(stream) + "\n" + next + "\n", piece);
  require(!found.objects.empty() && found.objects.back() == next, "a newline ends what is damaged");
  const auto event = docker::parse_event(next);
  require(event && event->kind == docker::Event::Kind::kDied && event->time_nano == 1,
          "an event is read");
}

bool is_path(std::string_view path) {
  return path.starts_with('/') && path.find('\0') == std::string_view::npos;
}

void inspect(std::string_view answer) {
  const auto container = docker::parse_inspect(answer);
  if (!container) {
    require(container.error().code == ErrorCode::kCorrupt, "what is no container is corrupt");
    return;
  }
  require(docker::is_container_id(container->id), "a container has an id");
  require(container->pid >= 0, "no pid stands for a group of processes");
  require(container->upper_dir.empty() || is_path(container->upper_dir), "the layer is a path");
  require(container->log_path.empty() || is_path(container->log_path), "the log is a path");
  for (const std::string& layer : container->lower_dirs)
    require(is_path(layer), "layers are paths");
  for (const docker::Mount& mount : container->mounts) {
    require(is_path(mount.destination), "a mount's destination is a path");
    const bool on_host =
        mount.kind == docker::Mount::Kind::kBind || mount.kind == docker::Mount::Kind::kVolume;
    require(on_host ? is_path(mount.source) : true, "a mount's source is a path");
  }
}

void smaller_answers(std::string_view answer) {
  if (const auto listed = docker::parse_list(answer); listed) {
    for (const docker::Listed& entry : listed.value()) {
      require(docker::is_container_id(entry.id), "a listed container has an id");
    }
  }
  if (const auto root = docker::parse_docker_root(answer); root) {
    require(is_path(root.value()), "Docker's root is a path");
  }
  if (const auto version = docker::choose_api_version(answer); version) {
    require(version->starts_with("1.") && version->size() <= 4, "a version is 1.N");
    require(version->find_first_not_of("0123456789", 2) == std::string::npos, "N is a number");
  }
}

}  // namespace
}  // namespace longshore::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace longshore::fuzz;
  Input input(data, size);
  const size_t piece = input.byte() + 1u;
  const std::string_view rest = input.rest();
  events(rest, piece);
  inspect(rest);
  smaller_answers(rest);
  return 0;
}
