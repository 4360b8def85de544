// How fast the single steps of a line's way are. One iteration is one window or one chunk, as a
// lane processes it. Bytes a second are those of the file; `encoded` counts the values.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <string>
#include <vector>

#include "agent/decode/decoder.h"
#include "checkpoint/marks.h"
#include "config/limits.h"
#include "config/utf8.h"
#include "shipper/record/json_escape.h"
#include "shipper/record/record_encoder.h"

namespace longshore {
namespace {

constexpr int64_t kTimeNs = 1'795'236'600'000'000'000;

const std::string kPlain = std::string("GET /api/v1/items/4711 200 1234us ").append(166, 'x');
const std::string kQuotes = [] {
  std::string line;
  while (line.size() < 190) line += R"(GET "/x" HTTP/1.1 agent "200" )";
  return line;
}();
const std::string kUtf8 = [] {
  std::string line;
  while (line.size() < 195) line += "größe 日本 ";
  return line;
}();
const std::string kObject =
    R"({"level":"info","path":"/api","ms":12,"text":")" + std::string(150, 'x') + "\"}";
const std::string kShort = "GET /x 200";
const std::string kLong = std::string(1023, 'y');

shipper::Envelope envelope(RecordFormat format) {
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

std::string window_of(const std::string& line) {
  std::string window;
  while (window.size() + line.size() < limits::kReadBytesUsual) window += line + "\n";
  return window;
}

std::string entry_of(const std::string& line) {
  shipper::Buffer escaped;
  shipper::append_escaped(line, escaped);
  return "{\"log\":\"" + std::string(escaped.data(), escaped.size()) +
         R"(\n","stream":"stdout","time":"2026-11-21T04:50:00.123456789Z"})";
}

void count(benchmark::State& state, size_t bytes, size_t lines) {
  const auto runs = static_cast<int64_t>(state.iterations());
  state.SetItemsProcessed(runs * static_cast<int64_t>(lines));
  state.SetBytesProcessed(runs * static_cast<int64_t>(bytes));
}

// From the bytes of a file to messages that could be handed over.
void decode(benchmark::State& state, Stream stream, RecordFormat format, const std::string& line) {
  const std::string window = window_of(line);
  const auto decoder = agent::make_decoder(stream);
  shipper::RecordEncoder encoder(envelope(format));
  shipper::Chunk chunk;
  size_t consumed = 0, lines = 0, value_bytes = 0;
  for (auto _ : state) {
    chunk.encoded.clear();
    chunk.messages.clear();
    // As the tail reads it, with room behind it for the parser.
    chunk.read.clear();
    chunk.read.reserve(window.size() + 128);
    chunk.read.resize(window.size());
    std::copy(window.begin(), window.end(), chunk.read.data());
    agent::DecodeState at;
    decoder->decode({.bytes = {chunk.read.data(), window.size()}, .base = {}, .now_ns = kTimeNs},
                    at, encoder, chunk);
    encoder.finish(chunk);
    consumed = at.offset;
    lines = chunk.messages.size();
    value_bytes += chunk.value_bytes;
  }
  count(state, consumed, lines);
  state.counters["encoded"] =
      benchmark::Counter(static_cast<double>(value_bytes), benchmark::Counter::kIsRate);
}

void encode(benchmark::State& state, RecordFormat format, const std::string& line) {
  shipper::RecordEncoder encoder(envelope(format));
  const size_t lines = std::min(limits::kChunkRecordsMax, limits::kChunkBytesMax / 500);
  shipper::Chunk chunk;
  chunk.read.resize(lines * line.size());
  for (size_t i = 0; i < lines; ++i) {
    std::copy(line.begin(), line.end(), chunk.read.data() + i * line.size());
  }
  int64_t time_ns = kTimeNs;
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
  }
  count(state, lines * line.size(), lines);
}

void utf8(benchmark::State& state, const std::string& line) {
  const std::string window = window_of(line);
  bool valid = true;
  for (auto _ : state) {
    for (size_t at = 0; at < window.size(); at += line.size() + 1) {
      valid = is_utf8(std::string_view(window).substr(at, line.size())) && valid;
    }
    benchmark::DoNotOptimize(valid);
  }
  count(state, window.size(), window.size() / (line.size() + 1));
}

void escape(benchmark::State& state, const std::string& line) {
  shipper::Buffer out;
  for (auto _ : state) {
    out.clear();
    for (int i = 0; i < 1000; ++i) shipper::append_escaped(line, out);
    benchmark::DoNotOptimize(out.data());
  }
  count(state, 1000 * line.size(), 1000);
}

void marks(benchmark::State& state, size_t window_bytes) {
  const std::string window(window_bytes, 'm');
  checkpoint::Marker marker;
  for (auto _ : state) marker.add(window);
  benchmark::DoNotOptimize(marker.end());
  count(state, window.size(), 1);
}

BENCHMARK_CAPTURE(decode, lines_raw_10, Stream::kFile, RecordFormat::kRaw, kShort);
BENCHMARK_CAPTURE(decode, lines_raw_200, Stream::kFile, RecordFormat::kRaw, kPlain);
BENCHMARK_CAPTURE(decode, lines_raw_1k, Stream::kFile, RecordFormat::kRaw, kLong);
BENCHMARK_CAPTURE(decode, lines_text_10, Stream::kFile, RecordFormat::kText, kShort);
BENCHMARK_CAPTURE(decode, lines_text_200, Stream::kFile, RecordFormat::kText, kPlain);
BENCHMARK_CAPTURE(decode, lines_text_1k, Stream::kFile, RecordFormat::kText, kLong);
BENCHMARK_CAPTURE(decode, container_log_raw, Stream::kStdout, RecordFormat::kRaw, entry_of(kPlain));
BENCHMARK_CAPTURE(decode, container_log_text, Stream::kStdout, RecordFormat::kText,
                  entry_of(kPlain));
BENCHMARK_CAPTURE(decode, container_log_quotes, Stream::kStdout, RecordFormat::kText,
                  entry_of(kQuotes));
BENCHMARK_CAPTURE(encode, text_plain, RecordFormat::kText, kPlain);
BENCHMARK_CAPTURE(encode, text_quotes, RecordFormat::kText, kQuotes);
BENCHMARK_CAPTURE(encode, text_utf8, RecordFormat::kText, kUtf8);
BENCHMARK_CAPTURE(encode, json, RecordFormat::kJson, kObject);
BENCHMARK_CAPTURE(encode, raw, RecordFormat::kRaw, kPlain);
BENCHMARK_CAPTURE(utf8, ascii, kPlain);
BENCHMARK_CAPTURE(utf8, mixed, kUtf8);
BENCHMARK_CAPTURE(escape, plain, kPlain);
BENCHMARK_CAPTURE(escape, quotes, kQuotes);
BENCHMARK_CAPTURE(marks, of_256k, 256 << 10);
BENCHMARK_CAPTURE(marks, of_2k, 2 << 10);

}  // namespace
}  // namespace longshore

BENCHMARK_MAIN();
