#include "tests/simulation/ledger_view.h"

#include <simdjson.h>

#include <algorithm>
#include <set>

#include "tests/simulation/world.h"

namespace longshore::simulation {
namespace {

LedgerLine line_of(const LedgerEntry& entry) {
  constexpr const char* kWords[] = {"opened", "closed", "ended", "lost", "doubt", "refused"};
  return {.source = entry.source,
          .start = entry.start.bytes,
          .end = entry.end.bytes,
          .event = kWords[static_cast<size_t>(entry.event)],
          .reason = entry.reason};
}

bool same(const LedgerLine& left, const LedgerLine& right) {
  return left.source == right.source && left.event == right.event && left.start == right.start &&
         left.end == right.end && left.reason == right.reason;
}

}  // namespace

std::vector<LedgerLine> shipped_ledger(const World& world) {
  std::vector<LedgerLine> lines;
  simdjson::dom::parser parser;
  for (const Committed& each : world.broker().committed()) {
    if (each.where.topic != kLedgerTopic) continue;
    simdjson::dom::object entry;
    std::string_view event;
    LedgerLine line;
    if (parser.parse(each.value)["longshore"].get(entry) != simdjson::SUCCESS ||
        entry["event"].get(event) != simdjson::SUCCESS ||
        entry["start"].get(line.start) != simdjson::SUCCESS ||
        entry["end"].get(line.end) != simdjson::SUCCESS) {
      throw Violation{"no entry of the ledger: " + each.value};
    }
    std::string_view reason;
    if (entry["reason"].get(reason) == simdjson::SUCCESS) line.reason = reason;
    line.event = event;
    line.source = parse_source_id(each.key).value_or(SourceId{});
    lines.push_back(std::move(line));
  }
  return lines;
}

std::vector<LedgerLine> read_ledger(World& world) {
  std::vector<LedgerLine> lines = shipped_ledger(world);
  const auto stored = world.store().ledger();
  if (!stored) throw Violation{"the ledger cannot be read: " + stored.error().message};
  for (const auto& entry : stored.value()) lines.push_back(line_of(entry));
  return lines;
}

void check_shipped_once(World& world) {
  const std::vector<LedgerLine> shipped = shipped_ledger(world);
  const auto stored = world.store().ledger();
  if (!stored) throw Violation{"the ledger cannot be read: " + stored.error().message};
  for (const auto& entry : stored.value()) {
    const LedgerLine line = line_of(entry);
    const auto is_line = [&](const LedgerLine& other) { return same(line, other); };
    if (entry.is_kept() && std::none_of(shipped.begin(), shipped.end(), is_line)) {
      throw Violation{"in the checkpoint's ledger, but not in Kafka's: " + line.event + " " +
                      line.reason + " of " + to_string(line.source)};
    }
  }
  std::set<std::string> values;
  for (const Committed& each : world.broker().committed()) {
    if (each.where.topic == kLedgerTopic && !values.insert(each.key + each.value).second) {
      throw Violation{"the ledger says it twice: " + each.value};
    }
  }
}

}  // namespace longshore::simulation
