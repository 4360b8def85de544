#include "integrations/search/index_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

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
  write_metrics(standing, rate);
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

void IndexReport::write_metrics(const IndexStanding& standing, double rate) {
  kafka::Metrics metrics("longshore_index_");
  const auto count = [&metrics](std::string_view name, const std::atomic<uint64_t>& value) {
    metrics.counter(name, static_cast<double>(value.load()));
  };
  count("documents_created_total", tally_.created);
  count("documents_already_there_total", tally_.there);
  count("documents_rejected_total", tally_.rejected);
  count("documents_dead_lettered_total", tally_.dead_lettered);
  count("documents_put_off_total", tally_.put_off);
  metrics.counter("documents_foreign_total", static_cast<double>(standing.foreign));
  metrics.counter("documents_expired_total", static_cast<double>(standing.expired));
  count("requests_total", tally_.requests);
  count("requests_failed_total", tally_.failures);
  count("requests_too_large_total", tally_.too_large);
  count("request_bytes_total", tally_.body_bytes);
  metrics.gauge("partitions", static_cast<double>(standing.pump.partitions));
  metrics.gauge("lag_records", static_cast<double>(standing.pump.uncommitted));
  metrics.gauge("bulks_in_flight", static_cast<double>(standing.in_flight));
  metrics.gauge("waiting", standing.pump.waiting ? 1 : 0);
  metrics.parked(standing.pump.parked);
  metrics.gauge("documents_per_second", rate);
  if (documents_ > 0) {
    metrics.gauge("delay_seconds", delay_sum_s_ / static_cast<double>(documents_));
    metrics.gauge("delay_max_seconds", delay_max_s_);
  }
  metrics_.write(metrics);
}

}  // namespace longshore::search
