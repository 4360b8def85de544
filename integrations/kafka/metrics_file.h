// What a consumer writes for Prometheus' textfile collector.
// Format: https://prometheus.io/docs/instrumenting/exposition_formats/ (text, 0.0.4).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "integrations/kafka/reader.h"

namespace longshore::kafka {

/// Thread: one.
class Metrics {
 public:
  /// Each name gets `prefix` before it, such as "longshore_index_".
  explicit Metrics(std::string_view prefix) : prefix_(prefix) {}

  void counter(std::string_view name, double value) { add(name, "counter", value); }
  void gauge(std::string_view name, double value) { add(name, "gauge", value); }
  /// How many partitions are parked, and which.
  void parked(const std::vector<PartitionKey>& partitions);

  const std::string& text() const { return text_; }

 private:
  void add(std::string_view name, std::string_view type, double value);

  const std::string prefix_;
  std::string text_;
};

/// Thread: one.
class MetricsFile {
 public:
  /// An empty path: nothing is written.
  explicit MetricsFile(std::string path) : path_(std::move(path)) {}

  /// Replaces the file, so that a collector never reads half of it. What prevents that is logged
  /// once, until it works again.
  void write(const Metrics& metrics);

 private:
  const std::string path_;
  bool has_failed_ = false;
};

}  // namespace longshore::kafka
