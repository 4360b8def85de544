// Which containers there are and what is to be done about each: the order of calls that Listener
// promises is kept here. Passive: it does no I/O.
//
//   events, list, inspect answers --> Roster --> Listener
//                                      `--next_inspect()--> the client's requests
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "integrations/containers/docker/answers.h"
#include "integrations/containers/docker/client.h"
#include "integrations/containers/docker/container.h"
#include "integrations/containers/docker/events.h"

namespace longshore::docker {

/// Thread: the loop's. An inspect is under way from next_inspect() until one of on_inspected(),
/// on_missing(), on_failed() or on_disconnected().
class Roster {
 public:
  /// A bound for a daemon gone mad; a host has hundreds.
  static constexpr size_t kContainersMax = 65'536;

  explicit Roster(Listener& listener) : listener_(listener) {}

  /// Returns false if it was ignored because of kContainersMax.
  bool on_event(const Event& event);

  /// Call it when the list is asked for: what events say from now on is newer than the list.
  void expect_list();
  /// Returns how many were ignored because of kContainersMax.
  size_t on_list(const std::vector<Listed>& listed);

  /// The most urgent container to inspect: those of events first, the newest of them first.
  std::optional<std::string> next_inspect();
  void on_inspected(Container container);
  /// It is not there any more.
  void on_missing(const std::string& id);
  /// It cannot be told: tried again by retry_failed() (returns true) unless it failed too often.
  bool on_failed(const std::string& id, bool try_again);
  void retry_failed();

  /// Nothing is under way any more.
  void on_disconnected();

 private:
  enum class Step : uint8_t { kInspect, kStart, kDied, kGone };

  // One container. `steps` waits for the inspect that is queued or under way; it holds at most
  // "died, start, gone".
  struct Entry {
    bool told = false;     // on_container() was called.
    bool alive = false;    // By what was told or is known to be told.
    bool ended = false;    // on_died() was called after the last start.
    bool started = false;  // A start event came, its on_died() not yet.
    bool touched = false;  // An event came since the list was asked for.
    bool listed_ended = false;
    bool backlog = false;  // The list is not worked off without it.
    bool under_way = false;
    bool outdated = false;  // What is under way was overtaken by its end.
    bool failed = false;    // Waits for retry_failed().
    int failures = 0;
    std::optional<int64_t> queued;  // Its key in queue_.
    std::vector<Step> steps;
  };
  using Entries = std::unordered_map<std::string, Entry>;

  void enqueue(const std::string& id, Entry& entry, bool urgent);
  void dequeue(Entry& entry);
  void want_inspect(const std::string& id, Entry& entry, Step step);
  void died(const std::string& id, Entry& entry);
  void removed(const std::string& id, Entry& entry);
  void tell_died(const std::string& id, Entry& entry);
  void erase(const std::string& id);
  void finish_backlog(Entry& entry);
  void run_steps(const std::string& id);
  void say_reconciled();

  Listener& listener_;
  Entries entries_;
  std::map<int64_t, std::string> queue_;  // The largest key is the most urgent.
  int64_t urgent_key_ = 0;
  int64_t backlog_key_ = 0;
  size_t backlog_ = 0;
  bool reconciling_ = false;
};

}  // namespace longshore::docker
