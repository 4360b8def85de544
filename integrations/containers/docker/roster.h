// The containers of the daemon and what each still needs. It keeps the order of calls that Listener
// promises. Passive: it does no I/O.
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

#include "config/limits.h"
#include "integrations/containers/docker/answers.h"
#include "integrations/containers/docker/client.h"
#include "integrations/containers/docker/container.h"
#include "integrations/containers/docker/events.h"

namespace longshore::docker {

/// Thread: the loop's. An inspect is under way from next_inspect() until one of on_inspected(),
/// on_missing(), on_failed() or on_disconnected().
class Roster {
 public:
  explicit Roster(Listener& listener) : listener_(listener) {}

  /// Returns false if the event was ignored because of limits::kContainersMax.
  bool on_event(const Event& event);

  /// Call it when the list is requested: events from now on are newer than the list.
  void expect_list();
  /// Returns how many were ignored because of limits::kContainersMax.
  size_t on_list(const std::vector<Listed>& listed);

  /// The most urgent container to inspect: those of events first, the newest of them first.
  std::optional<std::string> next_inspect();
  void on_inspected(Container container);
  /// The container does not exist any more.
  void on_missing(const std::string& id);
  /// The inspect failed. Returns true if retry_failed() will repeat it, false once it has failed
  /// too often.
  bool on_failed(const std::string& id, bool try_again);
  void retry_failed();

  /// The connection is lost: no inspect is under way any more.
  void on_disconnected();

 private:
  enum class Step : uint8_t { kInspect, kStart, kDied, kGone };

  // What the listener knows of the container's present life.
  enum class Life : uint8_t {
    kUntold,         // on_container() was not called yet.
    kUntoldStarted,  // The same, but a start was seen before the connection was lost.
    kDown,           // Reported as not running.
    kUp,             // Reported as running, or known to have started when the connection was lost.
    kDied,           // on_died() was called, and no start was reported since.
  };
  enum class Inspect : uint8_t {
    kNone,
    kQueued,
    kUnderWay,
    kOutdated,  // Under way, but the container ended since: the answer is ignored.
    kFailed,    // Waits for retry_failed().
  };
  // The list is done when every container in it was inspected or has failed.
  enum class Listing : uint8_t { kNone, kListed, kListedEnded };

  // One container. `steps` waits for the inspect that is queued or under way; it holds at most
  // "died, start, gone".
  struct Entry {
    Life life = Life::kUntold;
    bool started = false;  // A start event came, its on_died() not yet.
    bool touched = false;  // An event came since the list was asked for.
    Listing listing = Listing::kNone;
    Inspect inspect = Inspect::kNone;
    int64_t queue_key = 0;  // While kQueued.
    int failures = 0;
    int64_t died_ns = 0;  // Of the newest event about its end.
    std::vector<Step> steps;

    bool is_told() const { return life >= Life::kDown; }
    bool is_under_way() const {
      return inspect == Inspect::kUnderWay || inspect == Inspect::kOutdated;
    }
    bool owes_died() const { return !steps.empty() && steps.front() == Step::kDied; }
  };
  using Entries = std::unordered_map<std::string, Entry>;

  void enqueue(const std::string& id, Entry& entry, bool urgent);
  void dequeue(Entry& entry);
  void want_inspect(const std::string& id, Entry& entry, Step step);
  void died(const std::string& id, Entry& entry);
  void removed(const std::string& id, Entry& entry);
  void tell_died(const std::string& id, Entry& entry);
  void erase(const std::string& id);
  bool finish_listing(Entry& entry);
  void run_steps(const std::string& id);
  void report_reconciled();

  Listener& listener_;
  Entries entries_;
  std::map<int64_t, std::string> queue_;  // The largest key is the most urgent.
  int64_t urgent_key_ = 0;
  int64_t backlog_key_ = 0;
  size_t backlog_ = 0;  // Entries of the list that are not done yet.
  bool reconciling_ = false;
};

}  // namespace longshore::docker
