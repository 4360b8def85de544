#include "agent/tail/generations.h"

#include <algorithm>
#include <cassert>
#include <iterator>
#include <utility>

#include "config/limits.h"

namespace longshore::agent {

std::vector<Generation>::iterator Generations::where(const checkpoint::FileIdentity& identity) {
  return std::find_if(files_.begin(), files_.end(),
                      [&](const Generation& known) { return known.file->identity == identity; });
}

void Generations::add(std::shared_ptr<const OpenFile> file, uint64_t start_offset, Step step) {
  const checkpoint::FileIdentity& identity = file->identity;
  const auto& closed = cursor_.closed();
  // A copy of the log may have been closed as such before it was read on in.
  if (identity != cursor_.file() && std::ranges::find(closed, identity) != closed.end()) return;
  // Older than every file that is remembered as closed: it was closed too, and forgotten.
  const bool all_known = closed.size() < limits::kClosedGenerationsMax;
  const auto oldest = std::ranges::find_if(
      closed, [](const auto& each) { return each != checkpoint::FileIdentity{}; });
  if (!all_known && oldest != closed.end() && identity.born_ns() < oldest->born_ns()) return;
  if (const auto known = where(identity); known != files_.end()) {
    known->file = std::move(file);
  } else {
    files_.push_back({std::move(file), start_offset, step, false, false});
  }
}

void Generations::insert_copies(std::vector<std::shared_ptr<const OpenFile>> copies) {
  const checkpoint::FileIdentity file = cursor_.file();
  bool is_first = true;
  for (std::shared_ptr<const OpenFile>& copy : copies) {
    const auto original = where(file);
    assert(original != files_.end());
    original->truncated = true;
    // The log was truncated after each of them was made.
    const bool is_after_another = !std::exchange(is_first, false);
    if (where(copy->identity) != files_.end()) continue;
    files_.insert(original, {std::move(copy), 0, Step::kAdjacent, false, is_after_another});
  }
}

void Generations::give_up(const checkpoint::FileIdentity& identity) {
  if (const auto found = where(identity); found != files_.end()) found->given_up = true;
}

void Generations::drop(const checkpoint::FileIdentity& identity) {
  assert(identity != cursor_.file());
  std::erase_if(files_, [&](const Generation& each) { return each.file->identity == identity; });
}

const Generation* Generations::find(const checkpoint::FileIdentity& identity) const {
  for (const Generation& generation : files_) {
    if (generation.file->identity == identity) return &generation;
  }
  return nullptr;
}

const Generation* Generations::current() const { return find(cursor_.file()); }

const Generation& Generations::next() const {
  assert(has_next());
  const Generation* const current = this->current();
  return current == nullptr ? files_.front() : *(current + 1);
}

bool Generations::next_is_truncated() const {
  if (next().truncated) return true;
  const Generation* const current = this->current();
  const OpenFile& last = *files_.back().file;
  // A symlink may be turned to an older file.
  if (current != nullptr && current->file->host_path != last.host_path) return false;
  if (current == nullptr || current->file->compression == Compression::kNone) {
    return last.identity.born_ns() < cursor_.file().born_ns();
  }
  // A compressed file is younger than whatever followed the file that it was. But what followed a
  // renamed file was born after the last write to that.
  const auto facts = checkpoint::file_facts(current->file->fd.get());
  return facts && last.identity.born_ns() != 0 &&
         last.identity.born_ns() + limits::kSideBySideNs < facts->modified_ns;
}

bool Generations::has_packed_next() const {
  const Generation* const current = this->current();
  const auto from =
      current == nullptr ? files_.begin() : files_.begin() + (current - files_.data()) + 1;
  return std::any_of(from, files_.end(), [](const Generation& each) {
    return each.file->compression != Compression::kNone;
  });
}

bool Generations::holds_deleted() const {
  return std::any_of(files_.begin(), files_.end(), [](const Generation& generation) {
    const auto facts = checkpoint::file_facts(generation.file->fd.get());
    return facts && facts.value().links == 0;
  });
}

bool Generations::confirmed(const checkpoint::SourceState& state) {
  const auto at = where(state.file);
  if (at == files_.end()) return false;
  const bool let_go = at->given_up && state.offset >= state.seen_bytes;
  files_.erase(files_.begin(), let_go ? std::next(at) : at);
  return true;
}

void Generations::drop_closed() {
  const auto& closed = cursor_.closed();
  std::erase_if(files_, [&](const Generation& known) {
    return std::ranges::find(closed, known.file->identity) != closed.end();
  });
}

}  // namespace longshore::agent
