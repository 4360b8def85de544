#include "integrations/kafka/metrics_file.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

namespace longshore::kafka {

void Metrics::add(std::string_view name, std::string_view type, double value) {
  text_ += fmt::format("# TYPE {0}{1} {2}\n{0}{1} {3}\n", prefix_, name, type, value);
}

void Metrics::parked(const std::vector<PartitionKey>& partitions) {
  gauge("partitions_parked", static_cast<double>(partitions.size()));
  if (!partitions.empty()) text_ += fmt::format("# TYPE {}partition_parked gauge\n", prefix_);
  for (const PartitionKey& key : partitions) {
    text_ += fmt::format("{}partition_parked{{topic=\"{}\",partition=\"{}\"}} 1\n", prefix_,
                         key.topic, key.partition);
  }
}

void MetricsFile::write(const Metrics& metrics) {
  if (path_.empty()) return;
  const std::string temporary = path_ + ".new";
  std::ofstream file(temporary, std::ios::trunc);
  file << metrics.text();
  file.close();
  const bool written = file && std::rename(temporary.c_str(), path_.c_str()) == 0;
  if (!written && !has_failed_) {
    spdlog::warn("could not write --metrics-file {}: {}; metrics are out of date", path_,
                 std::strerror(errno));
  }
  has_failed_ = !written;
}

}  // namespace longshore::kafka
