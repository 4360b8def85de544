#include "agent/discovery/held_files.h"

#include <sys/stat.h>

#include <algorithm>
#include <functional>
#include <utility>

#include "config/limits.h"

namespace longshore::agent {
namespace {

// The space that a deleted file still takes on disk.
uint64_t deleted_bytes(const struct stat& stat) {
  return stat.st_nlink == 0 ? static_cast<uint64_t>(stat.st_blocks) * 512 : 0;
}

}  // namespace

void HeldFiles::hold(SourceId source, LaneId lane, const std::shared_ptr<const OpenFile>& file,
                     uint64_t size_bytes) {
  Source& held = sources_[source];
  held.lane = lane;
  held.files.push_back({.open = file, .size_bytes = size_bytes});
}

bool HeldFiles::holds(SourceId source, const checkpoint::FileIdentity& file) const {
  const auto held = sources_.find(source);
  if (held == sources_.end()) return false;
  return std::any_of(held->second.files.begin(), held->second.files.end(), [&](const File& each) {
    const auto open = each.open.lock();
    return open != nullptr && open->identity == file;
  });
}

size_t HeldFiles::open_files(SourceId source) const {
  const auto held = sources_.find(source);
  if (held == sources_.end()) return 0;
  return static_cast<size_t>(std::ranges::count_if(
      held->second.files, [](const File& each) { return !each.open.expired(); }));
}

std::optional<checkpoint::FileFacts> HeldFiles::newest_facts(SourceId source) const {
  const auto open = newest(source);
  if (open == nullptr) return std::nullopt;
  const auto facts = checkpoint::file_facts(open->fd.get());
  return facts ? std::optional(facts.value()) : std::nullopt;
}

std::shared_ptr<const OpenFile> HeldFiles::newest(SourceId source) const {
  const auto held = sources_.find(source);
  if (held == sources_.end() || held->second.files.empty()) return nullptr;
  return held->second.files.back().open.lock();
}

void HeldFiles::keep_lively(SourceId source, int64_t until_ns) {
  if (sources_.contains(source)) lively_until_[source] = until_ns;
}

bool HeldFiles::release(SourceId source) {
  const auto held = sources_.find(source);
  if (held == sources_.end()) return false;
  auto& [lane, files] = held->second;
  bool deleted = false;
  if (const auto newest = files.empty() ? nullptr : files.back().open.lock()) {
    struct stat stat {};
    deleted = ::fstat(newest->fd.get(), &stat) == 0 && stat.st_nlink == 0;
  }
  for (File& file : files) {
    struct stat stat {};
    const auto open = file.open.lock();
    if (!deleted || open == nullptr || ::fstat(open->fd.get(), &stat) != 0) continue;
    file.deleted_bytes = deleted_bytes(stat);
    deleted_.push_back({source, lane, std::move(file)});
  }
  sources_.erase(held);
  lively_until_.erase(source);
  return deleted;
}

Swept HeldFiles::sweep(int64_t now_ns) {
  Swept swept;
  std::erase_if(lively_until_, [&](const auto& lively) {
    const auto held = sources_.find(lively.first);
    if (held == sources_.end()) return true;
    return !sweep_source(held->first, held->second, swept) && lively.second <= now_ns;
  });
  const size_t buckets = sources_.bucket_count();
  const size_t from = buckets * turn_ / limits::kSweepTurns;
  const size_t to = buckets * (turn_ + 1) / limits::kSweepTurns;
  turn_ = (turn_ + 1) % limits::kSweepTurns;
  for (size_t bucket = from; bucket < to; ++bucket) {
    for (auto held = sources_.begin(bucket); held != sources_.end(bucket); ++held) {
      if (lively_until_.contains(held->first)) continue;
      if (sweep_source(held->first, held->second, swept)) lively_until_[held->first] = now_ns;
    }
  }
  return swept;
}

// Returns whether one of its files is deleted.
bool HeldFiles::sweep_source(SourceId id, Source& source, Swept& swept) {
  bool deleted = false;
  bool resized = false;
  std::erase_if(source.files, [](const File& file) { return file.open.expired(); });
  for (File& file : source.files) {
    const auto open = file.open.lock();
    struct stat stat {};
    if (open == nullptr || ::fstat(open->fd.get(), &stat) != 0) continue;
    file.deleted_bytes = deleted_bytes(stat);
    deleted = deleted || stat.st_nlink == 0;
    const auto size = static_cast<uint64_t>(stat.st_size);
    resized = size != std::exchange(file.size_bytes, size) || resized;
    // A file that was allocated in advance does not grow.
    const int64_t modified_ns = stat.st_mtim.tv_sec * 1'000'000'000 + stat.st_mtim.tv_nsec;
    resized = modified_ns != std::exchange(file.modified_ns, modified_ns) || resized;
    const bool newest = &file == &source.files.back();
    if (newest && stat.st_nlink == 0 && !checkpoint::has_writer(open->fd.get())) {
      swept.dead.push_back(id);
    }
  }
  if (resized) swept.resized.push_back(id);
  return deleted;
}

std::vector<OverBudget> HeldFiles::over_budget() {
  struct Taken {
    uint64_t bytes;
    OverBudget file;
    File* held;
  };
  std::vector<Taken> all;
  uint64_t total = 0;
  const auto count = [&](SourceId source, LaneId lane, File& file) {
    if (file.given_up || file.deleted_bytes == 0) return;
    const auto open = file.open.lock();
    if (open == nullptr) return;
    all.push_back({file.deleted_bytes, {lane, source, open->identity}, &file});
    total += file.deleted_bytes;
  };
  std::erase_if(deleted_, [](const Deleted& each) { return each.file.open.expired(); });
  for (Deleted& each : deleted_) count(each.source, each.lane, each.file);
  for (const auto& [id, until] : lively_until_) {
    const auto held = sources_.find(id);
    if (held == sources_.end()) continue;
    for (File& file : held->second.files) count(id, held->second.lane, file);
  }
  std::vector<OverBudget> over;
  std::ranges::sort(all, std::greater<>(), &Taken::bytes);
  for (const Taken& taken : all) {
    if (total <= deleted_bytes_max_) break;
    total -= taken.bytes;
    taken.held->given_up = true;
    over.push_back(taken.file);
  }
  return over;
}

}  // namespace longshore::agent
