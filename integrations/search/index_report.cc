#include "integrations/search/index_report.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace longshore::search {

void IndexReport::add(const Bulk& bulk, int64_t wall_ms) {
  for (const BulkItem& item : bulk.items) {
    if (item.action == item.end) continue;  // It was not sent.
    const double delay_s = static_cast<double>(wall_ms - item.time_ms) / 1000;
    delay_sum_s_ += delay_s;
    delay_max_s_ = documents_ == 0 ? delay_s : std::max(delay_max_s_, delay_s);
    documents_ += 1;
  }
}

std::string IndexReport::line(const IndexStanding& standing) {
  const uint64_t documents = tally_.created + tally_.there + tally_.rejected;
  const double rate = static_cast<double>(documents - reported_documents_) / standing.pump.seconds;
  const std::string delay =
      documents_ == 0 ? "-"
                      : fmt::format("{:.1f}s delay-max={:.1f}s",
                                    delay_sum_s_ / static_cast<double>(documents_), delay_max_s_);
  if (!metrics_file_.empty()) write_metrics(metrics(standing, rate));
  reported_documents_ = documents;
  documents_ = 0;
  delay_sum_s_ = delay_max_s_ = 0;
  return fmt::format(
      "partitions={} lag={} documents/s={:.0f} created={} already-there={} rejected={} "
      "dead-lettered={} expired={} put-off={} parked={} in-flight={}{} delay={}",
      standing.pump.partitions, standing.pump.uncommitted, rate, tally_.created.load(),
      tally_.there.load(), tally_.rejected.load(), tally_.dead_lettered.load(), standing.expired,
      tally_.put_off.load(), standing.pump.parked.size(), standing.in_flight,
      standing.pump.waiting ? " waiting" : "", delay);
}

std::string IndexReport::metrics(const IndexStanding& standing, double rate) const {
  std::string text;
  const auto add = [&text](const char* name, const char* type, double value) {
    text +=
        fmt::format("# TYPE longshore_index_{0} {1}\nlongshore_index_{0} {2}\n", name, type, value);
  };
  const auto count = [](const std::atomic<uint64_t>& value) {
    return static_cast<double>(value.load());
  };
  add("documents_created_total", "counter", count(tally_.created));
  add("documents_already_there_total", "counter", count(tally_.there));
  add("documents_rejected_total", "counter", count(tally_.rejected));
  add("documents_dead_lettered_total", "counter", count(tally_.dead_lettered));
  add("documents_put_off_total", "counter", count(tally_.put_off));
  add("documents_foreign_total", "counter", static_cast<double>(standing.foreign));
  add("documents_expired_total", "counter", static_cast<double>(standing.expired));
  add("requests_total", "counter", count(tally_.requests));
  add("requests_failed_total", "counter", count(tally_.failures));
  add("requests_too_large_total", "counter", count(tally_.too_large));
  add("request_bytes_total", "counter", count(tally_.body_bytes));
  add("partitions", "gauge", static_cast<double>(standing.pump.partitions));
  add("lag_records", "gauge", static_cast<double>(standing.pump.uncommitted));
  add("bulks_in_flight", "gauge", static_cast<double>(standing.in_flight));
  add("waiting", "gauge", standing.pump.waiting ? 1 : 0);
  add("partitions_parked", "gauge", static_cast<double>(standing.pump.parked.size()));
  if (!standing.pump.parked.empty()) text += "# TYPE longshore_index_partition_parked gauge\n";
  for (const kafka::PartitionKey& key : standing.pump.parked) {
    text += fmt::format("longshore_index_partition_parked{{topic=\"{}\",partition=\"{}\"}} 1\n",
                        key.topic, key.partition);
  }
  add("documents_per_second", "gauge", rate);
  if (documents_ > 0) {
    add("delay_seconds", "gauge", delay_sum_s_ / static_cast<double>(documents_));
    add("delay_max_seconds", "gauge", delay_max_s_);
  }
  return text;
}

// Renamed when complete, so that a collector never reads half of it.
void IndexReport::write_metrics(const std::string& text) {
  const std::string temporary = metrics_file_ + ".new";
  std::ofstream file(temporary, std::ios::trunc);
  file << text;
  file.close();
  const bool written = file && std::rename(temporary.c_str(), metrics_file_.c_str()) == 0;
  if (!written && !metrics_failed_) {
    spdlog::warn("could not write --metrics-file {}: {}; metrics are out of date", metrics_file_,
                 std::strerror(errno));
  }
  metrics_failed_ = !written;
}

}  // namespace longshore::search
