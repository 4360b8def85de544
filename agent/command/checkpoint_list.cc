#include "agent/command/checkpoint_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "shipper/record/printable.h"

namespace longshore::agent {
namespace {

using shipper::json_string;
using shipper::printable;

constexpr int64_t kSecondNs = 1'000'000'000;

// Cells to lines with columns as wide as their widest cell, in bytes.
template <size_t kColumns>
std::string table(const std::vector<std::array<std::string, kColumns>>& rows) {
  std::array<size_t, kColumns> widths{};
  for (const auto& row : rows) {
    for (size_t i = 0; i < kColumns; ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i + 1 < kColumns; ++i) out += fmt::format("{:<{}}  ", row[i], widths[i]);
    out += row[kColumns - 1] + "\n";
  }
  return out;
}

std::string utc(int64_t time_ns) {
  const time_t seconds = time_ns / kSecondNs;
  tm parts{};
  char text[32];
  ::gmtime_r(&seconds, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

std::string or_dash(const std::string& text) { return text.empty() ? "-" : printable(text); }

std::string prepared_of(const CheckpointLane& lane, const char* none) {
  return lane.record.prepared ? std::to_string(lane.record.prepared->value) : none;
}

std::string path_of(const checkpoint::SourceRow& row) {
  return printable(row.host_path) + (row.stream.empty() ? "" : " (" + row.stream + ")");
}

std::string source_as_json(const checkpoint::StoredSource& source) {
  const auto& [row, state] = source;
  return fmt::format(
      "{{\"id\":\"{}\",\"lane\":{},\"name\":{},\"container_id\":{},\"container_name\":{},"
      "\"path\":{},\"stream\":{},\"generation\":{},\"offset\":{},\"position\":{},\"topic\":{},"
      "\"partition\":{},\"device\":{},\"inode\":{},\"first_seen_ns\":{},\"gone_ns\":{}}}",
      to_string(row.id), row.lane.value, json_string(row.name), json_string(row.container_id),
      json_string(row.container_name), json_string(row.host_path), json_string(row.stream),
      state.generation, state.offset, state.covered.bytes, json_string(state.topic),
      state.partition, state.file.device, state.file.inode, row.first_seen_ns, row.gone_ns);
}

std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("[{}]", fmt::join(parts, ","));
}

}  // namespace

Result<CheckpointContents> read_contents(checkpoint::Store& store) {
  CheckpointContents contents;
  auto host = store.value("host_id");
  if (!host) return host.error();
  auto cluster = store.value("cluster_id");
  if (!cluster) return cluster.error();
  contents.host_id = std::move(host).value();
  contents.cluster_id = std::move(cluster).value();
  const auto lanes = store.lanes();
  if (!lanes) return lanes.error();
  for (const LaneId id : lanes.value()) {
    auto record = store.lane(id);
    if (!record) return record.error();
    auto sources = store.sources(id);
    if (!sources) return sources.error();
    contents.lanes.push_back({id, std::move(record).value(), std::move(sources).value()});
  }
  auto ledger = store.ledger();
  if (!ledger) return ledger.error();
  contents.ledger = std::move(ledger).value();
  // What merely waits to be shipped says nothing of losses.
  std::erase_if(contents.ledger, [](const auto& entry) { return !entry.is_loss(); });
  return contents;
}

std::string sources_as_text(const CheckpointContents& contents) {
  std::string out = "host " + or_dash(contents.host_id) + ", Kafka cluster " +
                    or_dash(contents.cluster_id) + "\n\n";
  std::vector<std::array<std::string, 4>> lanes = {{"LANE", "CONFIRMED", "PREPARED", "SOURCES"}};
  std::vector<std::array<std::string, 9>> sources = {{"SOURCE", "NAME", "CONTAINER", "GENERATION",
                                                      "OFFSET", "POSITION", "TOPIC", "PARTITION",
                                                      "PATH"}};
  for (const CheckpointLane& lane : contents.lanes) {
    lanes.push_back({std::to_string(lane.id.value), std::to_string(lane.record.confirmed.value),
                     prepared_of(lane, "-"), std::to_string(lane.sources.size())});
    for (const auto& [row, state] : lane.sources) {
      sources.push_back({to_string(row.id), or_dash(row.name), or_dash(row.container_name),
                         std::to_string(state.generation), std::to_string(state.offset),
                         std::to_string(state.covered.bytes), or_dash(state.topic),
                         state.topic.empty() ? "-" : std::to_string(state.partition),
                         path_of(row) + (row.gone_ns == 0 ? "" : ", gone " + utc(row.gone_ns))});
    }
  }
  out += table(lanes);
  if (sources.size() > 1) out += "\n" + table(sources);
  return out;
}

std::string sources_as_json(const CheckpointContents& contents) {
  std::vector<std::string> lanes, sources;
  for (const CheckpointLane& lane : contents.lanes) {
    lanes.push_back(fmt::format("{{\"lane\":{},\"confirmed\":{},\"prepared\":{}}}", lane.id.value,
                                lane.record.confirmed.value, prepared_of(lane, "null")));
    for (const auto& source : lane.sources) sources.push_back(source_as_json(source));
  }
  return fmt::format("{{\"host_id\":{},\"cluster_id\":{},\"lanes\":{},\"sources\":{}}}\n",
                     json_string(contents.host_id), json_string(contents.cluster_id), joined(lanes),
                     joined(sources));
}

std::string ledger_as_text(const CheckpointContents& contents) {
  if (contents.ledger.empty()) return "The ledger is empty: nothing is lost or doubled.\n";
  std::vector<std::array<std::string, 6>> rows = {
      {"TIME", "LANE", "SOURCE", "BYTES", "REASON", "DETAIL"}};
  for (const auto& entry : contents.ledger) {
    const bool known = entry.start != entry.end;
    rows.push_back({utc(entry.time_ns), std::to_string(entry.lane.value),
                    entry.source == SourceId{} ? "(lane)" : to_string(entry.source),
                    known ? fmt::format("[{}, {})", entry.start.bytes, entry.end.bytes)
                          : fmt::format("from {}, unknown length", entry.start.bytes),
                    printable(entry.reason), printable(entry.detail)});
  }
  return table(rows);
}

std::string ledger_as_json(const CheckpointContents& contents) {
  std::vector<std::string> rows;
  for (const auto& entry : contents.ledger) {
    rows.push_back(fmt::format(
        "{{\"time_ns\":{},\"lane\":{},\"source\":{},\"start\":{},\"end\":{},"
        "\"reason\":{},\"detail\":{}}}",
        entry.time_ns, entry.lane.value,
        entry.source == SourceId{} ? "null" : json_string(to_string(entry.source)),
        entry.start.bytes, entry.end.bytes, json_string(entry.reason), json_string(entry.detail)));
  }
  return fmt::format("{{\"ledger\":{}}}\n", joined(rows));
}

}  // namespace longshore::agent
