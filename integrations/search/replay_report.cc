#include "integrations/search/replay_report.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "config/printable.h"

namespace longshore::search {
namespace {

constexpr size_t kRowsMax = 200;  // Topics and types beyond share one row.
// Of each fate; more are counted only.
constexpr uint64_t kNamedMax = 100, kGoneNamedMax = 10'000, kNoLettersNamedMax = 10;
constexpr size_t kExampleBytesMax = 160;
constexpr size_t kTypeBytesMax = 80;

bool holds(LetterFate fate) {
  return fate == LetterFate::kFiltered || fate == LetterFate::kRefused ||
         fate == LetterFate::kWaiting;
}

std::string_view index_in(std::string_view action) {
  constexpr std::string_view kHead = R"({"create":{"_index":")";
  if (!action.starts_with(kHead)) return "(none)";
  action.remove_prefix(kHead.size());
  return action.substr(0, action.find('"'));
}

}  // namespace

void ReplayReport::add_row(const std::string& place, std::string_view reason, Rows& rows) {
  const std::string type = printable(type_of_reason(reason), kTypeBytesMax);
  std::pair key(place, type);
  if (rows.size() >= kRowsMax && !rows.contains(key)) key = {"(others)", ""};
  Row& row = rows[key];
  if (row.count++ == 0) row.example = printable(reason, kExampleBytesMax);
}

void ReplayReport::add(const Letter& letter) {
  const std::lock_guard lock(mutex_);
  letters_ += 1;
  add_row(letter.topic, letter.reason, rows_);
}

void ReplayReport::hold(const kafka::PartitionKey& partition, int64_t offset) {
  const auto [at, fresh] = held_.try_emplace(partition, offset);
  at->second = std::min(at->second, offset);
}

void ReplayReport::leave(const kafka::PartitionKey& partition, int64_t offset, LetterFate fate,
                         const std::string& words) {
  const std::lock_guard lock(mutex_);
  const uint64_t count = ++counts_[static_cast<size_t>(fate)];
  if (holds(fate)) hold(partition, offset);
  const uint64_t named_max = fate == LetterFate::kGone       ? kGoneNamedMax
                             : fate == LetterFate::kNoLetter ? kNoLettersNamedMax
                                                             : kNamedMax;
  if (fate == LetterFate::kFiltered || count > named_max) return;
  spdlog::warn("{} at offset {} is {}: {}{}", to_string(partition), offset,
               holds(fate) ? "left for another replay" : "passed over", words,
               count == named_max ? "; more of its kind are counted only" : "");
}

Status ReplayReport::send(const Bulk& bulk, const std::function<bool()>&) {
  const std::lock_guard lock(mutex_);
  for (const Rejection& rejection : bulk.rejections) {
    const BulkItem& item = bulk.items[rejection.item];
    counts_[static_cast<size_t>(LetterFate::kRefused)] += 1;
    hold(bulk.partition_of(item), item.offset);
    add_row(std::string(index_in(bulk.action_of(item))), rejection.reason, refused_rows_);
  }
  return ok();
}

int64_t ReplayReport::held(const kafka::PartitionKey& partition, int64_t next) const {
  const std::lock_guard lock(mutex_);
  const auto at = held_.find(partition);
  return at == held_.end() ? next : std::min(next, at->second);
}

uint64_t ReplayReport::letters() const {
  const std::lock_guard lock(mutex_);
  return letters_;
}

uint64_t ReplayReport::count(LetterFate fate) const {
  const std::lock_guard lock(mutex_);
  return counts_[static_cast<size_t>(fate)];
}

std::vector<std::string> ReplayReport::lines_of(const Rows& rows) {
  size_t width = 0;
  for (const auto& [key, row] : rows) width = std::max(width, key.first.size());
  std::vector<std::string> lines;
  for (const auto& [key, row] : rows)
    lines.push_back(fmt::format("{:>9}  {:<{}}  {}", row.count, key.first, width,
                                key.second.empty() ? "" : row.example));
  return lines;
}

std::vector<std::string> ReplayReport::lines() const {
  const std::lock_guard lock(mutex_);
  return lines_of(rows_);
}

std::vector<std::string> ReplayReport::refused_lines() const {
  const std::lock_guard lock(mutex_);
  return lines_of(refused_rows_);
}

}  // namespace longshore::search
