// Files in a temporary directory, and what a tail makes of them: lines, with the check that each
// record begins where its predecessor, or a loss of known length, ended.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "agent/tail/tail.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::fakes {

using Lines = std::vector<std::string>;
constexpr int64_t kWaitNs = 5'000'000'000;  ///< Of a rotated file for its last writes.

/// Thread: one.
class TailReader {
 public:
  std::string path(const std::string& name) const { return directory_.path() + "/" + name; }

  void append(const std::string& name, const std::string& text) {
    std::ofstream(path(name), std::ios::app | std::ios::binary) << text;
  }

  std::shared_ptr<const agent::OpenFile> open(const std::string& name) {
    Fd fd(::open(path(name).c_str(), O_RDONLY | O_CLOEXEC));
    const auto facts = checkpoint::file_facts(fd.get());
    EXPECT_TRUE(facts);
    return std::make_shared<agent::OpenFile>(
        agent::OpenFile{std::move(fd), facts.value().identity});
  }

  /// One life: reads all that is there, into read_, and gives the state that a checkpoint would
  /// hold.
  checkpoint::SourceState read_all(const std::string& name, uint64_t boot = 1) {
    agent::Tail tail(Stream::kFile, {}, kWaitNs, {boot, boot - 1});
    tail.add(open(name), 0);
    read_ = drain(tail);
    events_.clear();
    return tail.state();
  }

  /// What the next life reads of it.
  Lines resume(const checkpoint::SourceState& state, const std::string& name, uint64_t boot) {
    agent::Tail tail(Stream::kFile, state, kWaitNs, {boot, boot - 1});
    tail.add(open(name), 0);
    return drain(tail);
  }

  /// Everything that is there now, as lines; generations are closed as `now_ns_` allows. With
  /// `turns` it may stop before.
  Lines drain(agent::Tail& tail, int turns = 0) {
    Lines lines;
    drained_ = false;
    for (int turn = 0; turn < (turns > 0 ? turns : 10'000); ++turn) {
      shipper::Chunk chunk;
      const auto filled = tail.fill(chunk, encoder_, now_ns_, wall_ns_);
      take_events(tail);
      if (no_copies_ && tail.take_copy_wish()) {
        tail.add_copies({});
        continue;
      }
      if (filled && tail.recheck_at_ns() != 0 && tail.recheck_at_ns() <= now_ns_) continue;
      if (!filled || filled.value() == agent::FillOutcome::kDrained) {
        failed_ = !filled;
        drained_ = true;
        return lines;
      }
      encoder_.finish(chunk);
      for (const auto& message : chunk.messages) take(message, lines);
    }
    EXPECT_GT(turns, 0) << "the tail never drains";
    return lines;
  }

  /// The events of this kind that drain() met.
  std::vector<LedgerEntry> events(LedgerEvent event) const {
    std::vector<LedgerEntry> found;
    for (const auto& entry : events_) {
      if (entry.event == event) found.push_back(entry);
    }
    return found;
  }

  Lines read_;
  int64_t now_ns_ = 1'000'000'000'000;
  int64_t wall_ns_ = now_ns_;
  uint64_t at_ = 0;    ///< Where the next record should begin.
  std::string flags_;  ///< Of the last record.
  int parts_ = 0;      ///< Records that were parts of a line.
  std::vector<LedgerEntry> events_;
  bool no_copies_ = true;  ///< A wish for the copy of a truncated file is answered: there is none.
  bool failed_ = false;    ///< The last drain() ended with an error.
  bool drained_ = false;   ///< It was not stopped before it had all.

 private:
  void take(const rd_kafka_message_t& message, Lines& lines) {
    const simdjson::padded_string json(static_cast<const char*>(message.payload), message.len);
    const simdjson::dom::element root = parser_.parse(json);
    const uint64_t start = root["longshore"]["start"], end = root["longshore"]["end"];
    EXPECT_EQ(start, at_);
    EXPECT_GT(end, start);
    at_ = end;
    parts_ += root["longshore"]["part"].error() ? 0 : 1;
    flags_ = root["longshore"]["flags"].error()
                 ? ""
                 : simdjson::minify(root["longshore"]["flags"].value());
    lines.emplace_back(std::string_view(root["message"]));
  }

  void take_events(agent::Tail& tail) {
    for (auto& entry : tail.take_events()) {
      if (entry.event == LedgerEvent::kLost && entry.end > entry.start) {
        EXPECT_EQ(entry.start.bytes, at_);
        at_ = entry.end.bytes;
      }
      events_.push_back(std::move(entry));
    }
  }

  TemporaryDir directory_;
  simdjson::dom::parser parser_;
  shipper::RecordEncoder encoder_{
      shipper::Envelope{.source = {7}, .format = RecordFormat::kText, .name = "n", .path = "/p"}};
};

}  // namespace longshore::fakes
