#include "agent/discovery/refusals.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string_view>

#include "config/limits.h"

namespace longshore::agent {

void Refusals::remember(const std::vector<LedgerEntry>& ledger) {
  for (const LedgerEntry& entry : ledger) {
    if (entry.event != LedgerEvent::kRefused) continue;
    constexpr std::string_view kLimit = "limit ";
    if (!entry.reason.starts_with(kLimit)) continue;
    uint64_t& count = recorded_[{entry.source, entry.reason.substr(kLimit.size())}];
    count = std::max(count, entry.refused.count);
  }
}

void Refusals::note(const DeclaredLog& log, const std::string& limit, uint64_t count,
                    const std::string& sentence) {
  const Declaration& declaration = *log.declaration;
  const SourceId id = make_declared_id(host_id_, log.who.container_id, declaration.name);
  if (noted_.size() >= limits::kRefusalsKnown) noted_.clear();
  if (recorded_.size() >= limits::kRefusalsKnown) recorded_.clear();
  const bool is_first = noted_.insert({id, limit}).second;
  const auto [recorded, is_new] = recorded_.try_emplace({id, limit}, 0);
  const bool is_more = is_new || count >= 2 * recorded->second;
  if (is_first || is_more) spdlog::error("{}: refused: limit {}: {}", log.title(), limit, sentence);
  if (!is_more) return;
  recorded->second = std::max<uint64_t>(count, 1);
  LedgerEntry entry;
  entry.source = id;
  entry.lane = LaneId{static_cast<uint32_t>(id.value % lanes_)};
  entry.event = LedgerEvent::kRefused;
  entry.reason = "limit " + limit;
  entry.detail = sentence;
  entry.refused = {.name = declaration.name,
                   .path = declaration.stream == Stream::kFile ? declaration.path
                                                               : stream_name(declaration.stream),
                   .container_id = log.who.container_id,
                   .container_name = log.who.container_name,
                   .topic = declaration.topic,
                   .count = count};
  post_(entry.lane, LogRefused{entry});
}

}  // namespace longshore::agent
