// How fast lines become records: one iteration is one chunk, as a lane encodes it.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "config/limits.h"
#include "shipper/record_encoder.h"

namespace longshore::shipper {
namespace {

Envelope envelope(RecordFormat format) {
  return {.source = SourceId{1},
          .format = format,
          .name = "access",
          .path = "/app/logs/access.log",
          .host_name = "host-1",
          .container_id = std::string(64, 'c'),
          .container_name = "shop",
          .image = "shop:1.7",
          .labels = {{"team", "web"}}};
}

void encode(benchmark::State& state, RecordFormat format, const std::string& line) {
  RecordEncoder encoder(envelope(format));
  const size_t lines = std::min(limits::kChunkRecordsMax, limits::kChunkBytesMax / 500);
  Chunk chunk;
  chunk.read.resize(lines * line.size());
  for (size_t i = 0; i < lines; ++i) {
    std::copy(line.begin(), line.end(), chunk.read.data() + i * line.size());
  }
  int64_t time_ns = 1'795'236'600'000'000'000;
  size_t value_bytes = 0;
  for (auto _ : state) {
    chunk.encoded.clear();
    chunk.messages.clear();
    for (size_t i = 0; i < lines; ++i) {
      const uint64_t at = i * line.size();
      encoder.append({.text = {chunk.read.data() + at, line.size()},
                      .start = {at},
                      .end = {at + line.size()},
                      .offset = at,
                      .time_ns = time_ns},
                     chunk);
    }
    time_ns += 1'000'000;
    encoder.finish(chunk);
    value_bytes += chunk.value_bytes;
  }
  const auto all = static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(lines);
  state.SetItemsProcessed(all);
  state.SetBytesProcessed(all * static_cast<int64_t>(line.size()));
  state.counters["encoded"] =
      benchmark::Counter(static_cast<double>(value_bytes), benchmark::Counter::kIsRate);
}

const std::string kPlain = std::string("GET /api/v1/items/4711 200 1234us ").append(166, 'x');
const std::string kQuotes = [] {
  std::string line;
  while (line.size() < 190) line += R"("GET /x" "200" )";
  return line;
}();
const std::string kUtf8 = [] {
  std::string line;
  while (line.size() < 195) line += "größe 日本 ";
  return line;
}();
const std::string kObject =
    R"({"level":"info","path":"/api","ms":12,"text":")" + std::string(150, 'x') + "\"}";

BENCHMARK_CAPTURE(encode, text_plain, RecordFormat::kText, kPlain);
BENCHMARK_CAPTURE(encode, text_quotes, RecordFormat::kText, kQuotes);
BENCHMARK_CAPTURE(encode, text_utf8, RecordFormat::kText, kUtf8);
BENCHMARK_CAPTURE(encode, json, RecordFormat::kJson, kObject);
BENCHMARK_CAPTURE(encode, raw, RecordFormat::kRaw, kPlain);

}  // namespace
}  // namespace longshore::shipper

BENCHMARK_MAIN();
