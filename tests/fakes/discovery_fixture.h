// A Discovery over a real directory and real inotify, and what it tells the lanes.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "agent/discovery/discovery.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::agent {

namespace fs = std::filesystem;
using Inodes = std::vector<uint64_t>;

/// inotify with room for `room` directories.
class FewWatches final : public DirectoryWatcher {
 public:
  explicit FewWatches(Inotify& inotify) : inotify_(inotify) {}

  Result<int> watch(const Fd& directory) override {
    auto watch = inotify_.watch(directory);
    if (!watch || watches_.contains(*watch)) return watch;
    if (watches_.size() >= room) {
      inotify_.unwatch(*watch);
      return Error{ErrorCode::kFull, "no room for another watch"};
    }
    watches_.insert(*watch);
    return watch;
  }
  void unwatch(int watch) override {
    watches_.erase(watch);
    inotify_.unwatch(watch);
  }

  bool has_unread() const override { return reads_late && inotify_.has_unread(); }

  size_t room = SIZE_MAX;
  bool reads_late = false;  // Its owner reads events while it settles.

 private:
  Inotify& inotify_;
  std::set<int> watches_;
};

/// The system's clock, moved forward by the test.
class ForwardClock final : public Clock {
 public:
  int64_t wall_ns() const override { return system_.wall_ns() + ahead_ns; }
  int64_t monotonic_ns() const override { return system_.monotonic_ns() + ahead_ns; }

  int64_t ahead_ns = 0;

 private:
  SystemClock system_;
};

/// Thread: the test's.
class DiscoveryTest : public testing::Test {
 protected:
  DiscoveryTest() : mounts_({}), inotify_(std::move(Inotify::open()).value()) {
    mounts_.refresh();
    restart({});
  }

  // A new agent that remembers `stored`.
  void restart(const std::vector<checkpoint::StoredSource>& stored) {
    messages_.clear();
    discovery_ = std::make_unique<Discovery>(
        DiscoveryOptions{.host_id = "host",
                         .host_root = "/",
                         .lanes = 1,
                         .alive_ns = alive_ns_,
                         .first_start_at_end = false,
                         .deleted_bytes_max = deleted_bytes_max_,
                         .turn_steps = turn_steps_,
                         .open = open_limits_},
        mounts_, watcher_,
        [this](LaneId, ToLane message) {
          if (const auto* question = std::get_if<JudgeCopy>(&message)) {
            questions_.push_back(*question);
          } else {
            messages_.push_back(std::move(message));
          }
        },
        clock_);
    questions_.clear();
    discovery_->remember(stored, ledger_, prepared_);
  }

  std::string path(const std::string& name) const { return directory_.path() + "/" + name; }
  uint64_t write(const std::string& name) {
    std::ofstream(path(name), std::ios::app) << "line\n";
    struct stat stat {};
    EXPECT_EQ(::stat(path(name).c_str(), &stat), 0);
    return stat.st_ino;
  }

  Declaration declaration(const std::string& pattern, const std::string& name = "app") const {
    Declaration declaration;
    declaration.name = name;
    declaration.path = path(pattern);
    return declaration;
  }
  void declare(const std::string& pattern, const std::string& container = "",
               const std::string& name = "app") {
    declare(declaration(pattern, name), container);
  }
  void declare(const Declaration& declaration, const std::string& container = "") {
    FsSpec spec;
    spec.layers = {"/"};
    spec.layers_are_overlay = false;
    discovery_->declare({container, container, ""}, declaration, spec);
    look();
  }

  void look() {
    const auto tell = [this](const DirectoryEvent& event) { discovery_->on_event(event); };
    inotify_.read_changes(tell);
    inotify_.read_writes(tell);
    int pauses = 0;  // Not for ever: files may wait for room that nobody makes.
    for (int64_t next = 1; (next != 0 && pauses < pauses_max_) || !questions_.empty();) {
      next = discovery_->settle();
      const int64_t wait_ns = next - clock_.monotonic_ns();
      if (next != 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
      if (next != 0 && wait_ns > limits::kRoomLookNs / 2) {
        ++pauses;
        if (pauses < pauses_max_) clock_.ahead_ns += wait_ns;
      }
      answer_questions();
    }
  }
  // As a lane would whose log is not like any other file, or as `verdict_` says.
  void answer_questions() {
    for (const JudgeCopy& question : std::exchange(questions_, {})) {
      const auto facts = checkpoint::file_facts(question.file->fd.get());
      discovery_->copy_judged({.file = question.file->identity,
                               .stream = question.stream,
                               .size_bytes = facts->size_bytes,
                               .verdict = verdict_});
    }
  }

  void lose_events() {
    inotify_.read_changes([](const DirectoryEvent&) {});
    inotify_.read_writes([](const DirectoryEvent&) {});
  }

  Inodes opened() const {
    Inodes inodes;
    for (const ToLane& message : messages_) {
      const auto* opened = std::get_if<SourceOpened>(&message);
      if (opened != nullptr && opened->file != nullptr) {
        inodes.push_back(opened->file->identity.inode);
      }
    }
    return inodes;
  }

  // "<declaration> <file>" for each file, in the order in which they were opened.
  std::vector<std::string> collected() const {
    std::vector<std::string> all;
    for (const ToLane& message : messages_) {
      const auto* opened = std::get_if<SourceOpened>(&message);
      if (opened == nullptr || opened->file == nullptr) continue;
      const std::string& host_path = opened->spec->host_path;
      all.push_back(opened->spec->declaration->name + " " +
                    host_path.substr(host_path.rfind('/') + 1));
    }
    return all;
  }

  std::vector<LedgerEntry> refused() const {
    std::vector<LedgerEntry> entries;
    for (const ToLane& message : messages_) {
      const auto* refused = std::get_if<LogRefused>(&message);
      if (refused != nullptr) entries.push_back(refused->entry);
    }
    return entries;
  }

  std::vector<SourceId> vanished() const {
    std::vector<SourceId> sources;
    for (const ToLane& message : messages_) {
      const auto* gone = std::get_if<SourceVanished>(&message);
      if (gone != nullptr) sources.push_back(gone->spec->id);
    }
    return sources;
  }
  bool touched(const std::string& name) const {
    const SourceId id = make_source_id("host", path(name), "");
    return std::any_of(messages_.begin(), messages_.end(), [&](const ToLane& message) {
      const auto* touched = std::get_if<SourcesTouched>(&message);
      return touched != nullptr &&
             std::ranges::find(touched->sources, id) != touched->sources.end();
    });
  }

  checkpoint::StoredSource stored(const std::string& name, Stream stream = Stream::kFile) {
    checkpoint::StoredSource source;
    source.row.id = make_source_id("host", path(name), stream_name(stream));
    source.row.stream = stream_name(stream);
    source.row.host_path = path(name);
    source.row.name = "app";
    Fd directory(::open(directory_.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    source.state.file = checkpoint::file_facts_at(directory.get(), name.c_str()).value().identity;
    source.state.offset = 5;
    return source;
  }

  fakes::TemporaryDir directory_;
  ForwardClock clock_;
  HostMounts mounts_;
  Inotify inotify_;
  FewWatches watcher_{inotify_};
  std::unique_ptr<Discovery> discovery_;
  std::vector<ToLane> messages_;
  std::vector<JudgeCopy> questions_;  // Not answered yet.
  CopyVerdict verdict_ = CopyVerdict::kOther;
  // What the checkpoint has when an agent starts.
  std::vector<LedgerEntry> ledger_;
  std::vector<checkpoint::PreparedSource> prepared_;
  uint64_t deleted_bytes_max_ = UINT64_MAX;
  size_t turn_steps_ = limits::kTurnSteps;
  int pauses_max_ = 20;  // Of a look.
  OpenLimits open_limits_;
  int64_t alive_ns_ = clock_.wall_ns();
};

}  // namespace longshore::agent
