#include "agent/command/checkpoint_list.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>

#include "config/printable.h"
#include "config/time_text.h"
#include "shipper/record/json_text.h"

namespace longshore::agent {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kSecondNs = 1'000'000'000;

// Lines with columns as wide as their widest cell, in bytes.
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

std::string or_dash(const std::string& text) { return text.empty() ? "-" : printable(text); }

std::string prepared_of(const CheckpointLane& lane) {
  return lane.record.prepared ? std::to_string(lane.record.prepared->value) : "-";
}

std::string path_of(const checkpoint::SourceRow& row) {
  return printable(row.host_path) + (row.stream.empty() ? "" : " (" + row.stream + ")");
}

std::string of_whom(const std::string& container_name) {
  return container_name.empty() ? " of the host" : " of " + printable(container_name);
}

// The sources that the checkpoint knows, for entries that hold only their ids.
using KnownRows = std::map<SourceId, const checkpoint::SourceRow*>;

KnownRows rows_of(const CheckpointContents& contents) {
  KnownRows rows;
  for (const CheckpointLane& lane : contents.lanes) {
    for (const auto& source : lane.sources) rows[source.row.id] = &source.row;
  }
  return rows;
}

// Which source, or which declared log.
std::string about_of(const LedgerEntry& entry, const KnownRows& known) {
  if (entry.event == LedgerEvent::kRefused) {
    return printable(entry.refused.name) + of_whom(entry.refused.container_name);
  }
  if (entry.source == SourceId{}) return "(lane)";
  const auto row = known.find(entry.source);
  const std::string id = to_string(entry.source);
  if (row == known.end()) return id;
  return id + " " + printable(row->second->name) + of_whom(row->second->container_name);
}

std::string extent_of(const LedgerEntry& entry) {
  if (entry.event == LedgerEvent::kRefused) {
    return entry.refused.count == 0 ? "refused" : std::to_string(entry.refused.count) + " refused";
  }
  if (entry.start == entry.end) return fmt::format("from {}, unknown length", entry.start.bytes);
  return fmt::format("[{}, {})", entry.start.bytes, entry.end.bytes);
}

Json source_as_json(const checkpoint::StoredSource& source) {
  const auto& [row, state] = source;
  return {{"id", to_string(row.id)},
          {"lane", row.lane.value},
          {"name", row.name},
          {"container_id", row.container_id},
          {"container_name", row.container_name},
          {"path", row.host_path},
          {"stream", row.stream},
          {"generation", state.generation},
          {"offset", state.offset},
          {"position", state.covered.bytes},
          {"topic", state.topic},
          {"partition", state.partition},
          {"device", state.file.device},
          {"inode", state.file.inode},
          {"first_seen_ns", row.first_seen_ns},
          {"gone_ns", row.gone_ns}};
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
  // Entries that only wait to be shipped are no losses, doubts or refusals.
  std::erase_if(contents.ledger, [](const auto& entry) { return !entry.is_kept(); });
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
                     prepared_of(lane), std::to_string(lane.sources.size())});
    for (const auto& [row, state] : lane.sources) {
      sources.push_back(
          {to_string(row.id), or_dash(row.name), or_dash(row.container_name),
           std::to_string(state.generation), std::to_string(state.offset),
           std::to_string(state.covered.bytes), or_dash(state.topic),
           state.topic.empty() ? "-" : std::to_string(state.partition),
           path_of(row) +
               (row.gone_ns == 0 ? "" : ", gone " + utc_text_of_seconds(row.gone_ns / kSecondNs))});
    }
  }
  out += table(lanes);
  if (sources.size() > 1) out += "\n" + table(sources);
  return out;
}

std::string sources_as_json(const CheckpointContents& contents) {
  Json lanes = Json::array(), sources = Json::array();
  for (const CheckpointLane& lane : contents.lanes) {
    const auto& prepared = lane.record.prepared;
    lanes.push_back({{"lane", lane.id.value},
                     {"confirmed", lane.record.confirmed.value},
                     {"prepared", prepared ? Json(prepared->value) : Json()}});
    for (const auto& source : lane.sources) sources.push_back(source_as_json(source));
  }
  return shipper::json_text({{"host_id", contents.host_id},
                             {"cluster_id", contents.cluster_id},
                             {"lanes", std::move(lanes)},
                             {"sources", std::move(sources)}}) +
         '\n';
}

std::string ledger_as_text(const CheckpointContents& contents) {
  if (contents.ledger.empty()) {
    return "The ledger is empty: nothing is lost, doubled or refused.\n";
  }
  std::vector<std::array<std::string, 6>> rows = {
      {"TIME", "LANE", "SOURCE", "BYTES", "REASON", "DETAIL"}};
  const KnownRows known = rows_of(contents);
  for (const auto& entry : contents.ledger) {
    rows.push_back({utc_text_of_seconds(entry.time_ns / kSecondNs),
                    std::to_string(entry.lane.value), about_of(entry, known), extent_of(entry),
                    printable(entry.reason), printable(entry.detail)});
  }
  return table(rows);
}

std::string ledger_as_json(const CheckpointContents& contents) {
  Json rows = Json::array();
  const KnownRows known = rows_of(contents);
  for (const auto& entry : contents.ledger) {
    rows.push_back({{"time_ns", entry.time_ns},
                    {"lane", entry.lane.value},
                    {"source", entry.source == SourceId{} ? Json() : Json(to_string(entry.source))},
                    {"start", entry.start.bytes},
                    {"end", entry.end.bytes},
                    {"reason", entry.reason},
                    {"detail", entry.detail}});
    if (const auto row = known.find(entry.source); row != known.end()) {
      rows.back()["name"] = row->second->name;
      rows.back()["container_name"] = row->second->container_name;
      rows.back()["path"] = row->second->host_path;
    }
    if (entry.event != LedgerEvent::kRefused) continue;
    rows.back()["refused"] = {{"name", entry.refused.name},
                              {"path", entry.refused.path},
                              {"container_id", entry.refused.container_id},
                              {"container_name", entry.refused.container_name},
                              {"count", entry.refused.count}};
  }
  return shipper::json_text({{"ledger", std::move(rows)}}) + '\n';
}

}  // namespace longshore::agent
