// Takes what the watch loop tells a lane, applies it to the sources, and knows when to stop.
#pragma once

#include <cstdint>
#include <deque>

#include "agent/lane/lane_setup.h"
#include "agent/lane/last_delivered.h"
#include "agent/lane/sources.h"
#include "agent/link/messages.h"

namespace longshore::agent {

/// Thread: its lane's.
class Inbox {
 public:
  Inbox(const LaneSetup& setup, Sources& sources, LastDelivered& delivered);

  /// Applies messages that have come, in order, but at once those that a source was touched. Many
  /// others wait for the next call, and so do those that need the store while it fails.
  void apply();
  /// Answers which files are copies, some at a time; those that cannot be answered yet are kept.
  /// REQUIRES: a session. Without one nobody knows what was read: a
  /// transaction that is in doubt may turn out to have been delivered.
  void judge_copies();
  bool has_questions() const { return !questions_.empty(); }
  bool all_applied() const { return unapplied_.empty(); }
  /// Some wait, and not for the store.
  bool has_more() const { return !all_applied() && !store_fails_; }

  /// Everything that was there at the start has been announced.
  bool start_scanned() const { return start_scanned_; }
  bool stopping() const { return stopping_; }
  /// While stopping, the last part of the grace is for the commit.
  bool stop_reading() const;
  /// The grace of stopping is over: the open transaction is given up.
  bool out_of_time() const;

 private:
  void take();
  Status apply(const ToLane& message);
  Status confirm_for(SourceId source);

  const LaneSetup& setup_;
  Sources& sources_;
  LastDelivered& delivered_;
  std::deque<ToLane> unapplied_;
  bool store_fails_ = false, stop_waits_ = false;
  std::deque<JudgeCopy> questions_;
  bool start_scanned_ = false;
  bool stopping_ = false;
  int64_t stop_by_ns_ = 0;
};

}  // namespace longshore::agent
