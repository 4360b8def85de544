#include "agent/lane/inbox.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

namespace longshore::agent {

Inbox::Inbox(const LaneSetup& setup, Sources& sources, LastDelivered& delivered)
    : setup_(setup), sources_(sources), delivered_(delivered) {}

bool Inbox::stop_reading() const {
  return stopping_ &&
         setup_.clock.monotonic_ns() >= stop_by_ns_ - limits::kStopCommitMs * limits::kMs;
}

bool Inbox::out_of_time() const { return stopping_ && setup_.clock.monotonic_ns() >= stop_by_ns_; }

void Inbox::take() {
  for (ToLane& message : setup_.inbox.take()) {
    if (const auto* touched = std::get_if<SourcesTouched>(&message)) {
      sources_.touched(*touched);
      continue;
    }
    stop_waits_ = stop_waits_ || std::holds_alternative<StopLane>(message);
    unapplied_.push_back(std::move(message));
  }
}

void Inbox::apply() {
  take();
  store_fails_ = false;
  const size_t most = stop_waits_ ? unapplied_.size() : limits::kMessagesAtOnce;
  for (size_t i = 0; i < most && !unapplied_.empty(); ++i) {
    if (Status applied = apply(unapplied_.front()); !applied) {
      spdlog::error(
          "lane {}: cannot read the checkpoint, so new logs are not collected yet: {} Trying "
          "again.",
          setup_.options.lane.value, applied.error().message);
      store_fails_ = true;
      return;
    }
    unapplied_.pop_front();
  }
  // If this fails it is repeated, and reported, before any of their records is produced.
  static_cast<void>(sources_.unstored().store(setup_.options.lane));
  setup_.progress.sources = sources_.size();
  setup_.progress.bytes_total = sources_.bytes_seen();
}

void Inbox::judge_copies() {
  const size_t count = std::min(questions_.size(), limits::kJudgedAtOnce);
  for (size_t i = 0; i < count; ++i) {
    JudgeCopy question = std::move(questions_.front());
    questions_.pop_front();
    if (auto judged = sources_.judge(question)) {
      setup_.outbox.post(std::move(*judged));
    } else {
      questions_.push_back(std::move(question));
    }
  }
}

Status Inbox::apply(const ToLane& message) {
  if (const auto* opened = std::get_if<SourceOpened>(&message)) {
    const Status confirmed = confirm_for(opened->spec->id);
    return confirmed ? sources_.opened(*opened) : confirmed;
  }
  if (const auto* vanished = std::get_if<SourceVanished>(&message)) {
    const Status confirmed = confirm_for(vanished->spec->id);
    return confirmed ? sources_.vanished(*vanished) : confirmed;
  }
  if (const auto* ended = std::get_if<SourceEnded>(&message)) {
    sources_.ended(*ended);
  } else if (const auto* released = std::get_if<SourceReleased>(&message)) {
    sources_.released(released->source, released->deleted);
  } else if (const auto* given_up = std::get_if<FileGivenUp>(&message)) {
    sources_.given_up(*given_up);
  } else if (const auto* copy = std::get_if<CopiesFound>(&message)) {
    sources_.copies_found(*copy);
  } else if (const auto* question = std::get_if<JudgeCopy>(&message)) {
    questions_.push_back(*question);
  } else if (const auto* refused = std::get_if<LogRefused>(&message)) {
    sources_.refused(refused->entry);
  } else if (std::holds_alternative<StartScanned>(message)) {
    start_scanned_ = true;
  } else {
    stopping_ = true;
    stop_by_ns_ = setup_.clock.monotonic_ns() + limits::kStopGraceMs * limits::kMs;
    sources_.ready_deleted();
  }
  return ok();
}

// A source that was let go and comes back resumes at the stored position, so the store must hold
// what was delivered.
Status Inbox::confirm_for(SourceId source) {
  if (sources_.find(source) != nullptr) return ok();
  return delivered_.confirm(setup_.store, setup_.options.lane);
}

}  // namespace longshore::agent
