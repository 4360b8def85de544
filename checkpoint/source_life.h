// The life of a source: whether its log is written to, declared, and still exists.
//
//                     opened       +----> Ended -----+ released
//   Remembered, Gone ---------> Written -------------+--> Released --forgotten--> Remembered
//        |                         ^ opened          | deleted
//        | vanished                | (any state)     +--> Deleted ---forgotten--> Gone
//        +----------------------> Vanished --------------------------forgotten--> Gone
//
// The watch loop and the lane each keep the life of a source as they know it: the watch loop
// decides, and its messages (agent/link/messages.h) tell the lane, which may lag behind.
//
// Three facts are not part of it, because they are true of something else: that the container of a
// declared log does not run (its source may have other writers), that the ledger has an entry
// "ended" at the confirmed position (SourceState::ended), and that a deleted file was read to its
// end in this run of the agent (Tail::set_read_whole).
#pragma once

#include <array>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "checkpoint/source_state.h"

namespace longshore::checkpoint {

/// Not stored: the checkpoint keeps only SourceRow::gone_ns.
enum class SourceLife : uint8_t {
  kRemembered,  ///< Nobody declares it; its file may exist.
  kWritten,     ///< Declared, and processes may write to it.
  kEnded,       ///< Declared, but no process writes to it: an unterminated last line is complete.
  kReleased,    ///< Nobody declares it any more; its lane ships what is open.
  kDeleted,     ///< The same, and its file was deleted while it was open here.
  kVanished,    ///< Its file was deleted while no agent had it open: its unread rest is lost.
  kGone,        ///< Nobody declares it, its file does not exist, and all of it is accounted for.
};
inline constexpr size_t kSourceLives = 7;

enum class SourceEvent : uint8_t {
  kOpened,     ///< A declared log names it: it was opened, or its container runs again.
  kEnded,      ///< The last container that writes to it has ended.
  kReleased,   ///< No declared log names it any more; its file exists.
  kDeleted,    ///< The same, and its file is deleted.
  kVanished,   ///< Nobody declares it, and its file was looked for and does not exist.
  kForgotten,  ///< All that was read is confirmed, and its lane let go of it.
};
inline constexpr size_t kSourceEvents = 6;

inline constexpr auto kIllegalLife = static_cast<SourceLife>(0xff);

/// What each event (column) makes of each life (row). kIllegalLife: it cannot happen.
inline constexpr auto kSourceLifeTable = [] {
  using enum SourceLife;
  constexpr SourceLife kNever = kIllegalLife;
  return std::array<std::array<SourceLife, kSourceEvents>, kSourceLives>{{
      // opened   ended      released   deleted    vanished   forgotten
      {kWritten, kNever, kNever, kNever, kVanished, kNever},               // kRemembered
      {kWritten, kEnded, kReleased, kDeleted, kNever, kNever},             // kWritten
      {kWritten, kEnded, kReleased, kDeleted, kNever, kNever},             // kEnded
      {kWritten, kReleased, kReleased, kDeleted, kVanished, kRemembered},  // kReleased
      {kWritten, kDeleted, kReleased, kDeleted, kNever, kGone},            // kDeleted
      {kWritten, kVanished, kVanished, kVanished, kNever, kGone},          // kVanished
      {kWritten, kNever, kNever, kNever, kVanished, kNever},               // kGone
  }};
}();

/// The life after `event`. REQUIRES: the event may happen in `life`.
constexpr SourceLife after(SourceLife life, SourceEvent event) {
  const SourceLife next = kSourceLifeTable[static_cast<size_t>(life)][static_cast<size_t>(event)];
  assert(next != kIllegalLife);
  return next;
}

/// Whether nobody declares it: its lane lets go of it once all is confirmed.
constexpr bool is_released(SourceLife life) {
  return life == SourceLife::kReleased || life == SourceLife::kDeleted ||
         life == SourceLife::kVanished;
}

/// Whether its file is known not to exist.
constexpr bool is_file_gone(SourceLife life) {
  return life == SourceLife::kDeleted || life == SourceLife::kVanished || life == SourceLife::kGone;
}

/// The life that the checkpoint knows of, before any event of this run.
inline SourceLife life_of(const SourceRow& row) {
  return row.gone_ns != 0 ? SourceLife::kGone : SourceLife::kRemembered;
}

}  // namespace longshore::checkpoint
