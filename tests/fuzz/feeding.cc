#include "tests/fuzz/feeding.h"

#include <simdjson.h>

#include "config/limits.h"
#include "shipper/record/record_view.h"

namespace longshore::fuzz {
namespace {

constexpr size_t kLargeBytes = 64 << 10;
constexpr size_t kBase = 1'000'000;  // The stream position of the file's first byte.

class Feeder {
 public:
  Feeder(const std::string& content, const Plan& plan)
      : content_(content),
        plan_(plan),
        encoder_(shipper::Envelope{
            .source = {7}, .format = plan.format, .name = "n", .path = "/p", .host_name = "h"}),
        decoder_(agent::make_decoder(plan.stream)) {
    state_.covered.bytes = kBase;
  }

  Fed run() {
    size_t turn = 0, grown = 0, size = next_size();
    for (size_t visible = grow(grown);; ++turn) {
      const size_t had = std::min<size_t>(visible - state_.offset, size);
      const bool at_end = had < size;
      const bool full = size >= limits::kReadBytesMax && !at_end;
      const bool whole = visible == content_.size();
      const bool last = at_end && whole && plan_.ended;
      const bool moved = decode(had, full, last) || (full && pass_nuls(had, visible));
      if (moved) {
        size = next_size();
      } else if (!at_end) {
        size = std::min(size * 2, limits::kReadBytesMax);
      } else if (whole) {
        break;
      } else {
        visible = grow(grown);
      }
    }
    require(state_.covered.bytes <= kBase + state_.offset, "no record covers what was not read");
    fed_.consumed = state_.offset;
    return std::move(fed_);
  }

 private:
  // A large file byte by byte would take minutes.
  size_t next_size() {
    const size_t size = plan_.windows[windows_++ % plan_.windows.size()];
    return content_.size() < kLargeBytes ? size : std::max(size, kLargeBytes / 16);
  }

  size_t grow(size_t& grown) const {
    while (grown < plan_.growth.size()) {
      const size_t size = plan_.growth[grown++];
      if (size >= state_.offset && size < content_.size()) return size;
    }
    return content_.size();
  }

  // What a tail does with a full window that ends with NULs (agent/tail/nul_run.h).
  bool pass_nuls(size_t bytes, size_t visible) {
    const std::string_view window = std::string_view(content_).substr(state_.offset, bytes);
    const size_t text = std::min(window.find_last_not_of('\0') + 1, bytes);
    require(text < bytes, "only NULs keep a full window from being used");
    const std::string_view rest = std::string_view(content_).substr(state_.offset + text);
    const size_t nuls = std::min(rest.find_first_not_of('\0'), rest.size());
    const bool to_the_end = state_.offset + text + nuls >= visible;
    if (to_the_end && !(plan_.ended && visible == content_.size())) return false;
    if (!to_the_end && nuls < limits::kBlockBytes) return decode(bytes, true, false, true);
    if (text > 0) return decode(text, false, true);
    state_.offset += nuls;
    return true;
  }

  bool decode(size_t bytes, bool full, bool last, bool nuls_are_text = false) {
    shipper::Chunk chunk;
    chunk.read.reserve(bytes + simdjson::SIMDJSON_PADDING);
    std::fill_n(chunk.read.data(), chunk.read.capacity(), '"');  // What lies behind must not count.
    chunk.read.resize(bytes);
    std::copy_n(content_.data() + state_.offset, bytes, chunk.read.data());
    const agent::Window window{.bytes = {chunk.read.data(), bytes},
                               .base = {kBase},
                               .now_ns = 1'000'000'000,
                               .flags = 0,
                               .full = full,
                               .last = last,
                               .nuls_are_text = nuls_are_text};
    const uint64_t before = state_.offset;
    const Position covered = state_.covered;
    if (bytes > 0 || last) decoder_->decode(window, state_, encoder_, chunk);
    require(state_.offset >= before && state_.offset <= before + bytes,
            "what is consumed lies in the window");
    encoder_.finish(chunk);
    require(chunk.messages.size() <= limits::kChunkRecordsMax + 16, "a chunk is bounded");
    for (const rd_kafka_message_t& message : chunk.messages) take(message);
    require(chunk.messages.empty() || covered < state_.covered, "a record moves its source");
    return state_.offset > before || covered < state_.covered;
  }

  void take(const rd_kafka_message_t& message) {
    require(message.payload != nullptr, "no record is a tombstone");
    require(message.len <= limits::kRecordBytesMax, "a record is no larger than Kafka takes");
    FedRecord record;
    record.value.assign(static_cast<const char*>(message.payload), message.len);
    if (plan_.format == RecordFormat::kRaw) {
      record.text = record.value;
      fed_.records.push_back(std::move(record));
      return;
    }
    simdjson::dom::element root;
    require(!json_.parse(record.value).get(root), "a record is JSON");
    const auto view = parser_.parse(record.value);
    require(view.has_value(), "a record is read back");
    uint64_t offset = 0;
    require(!root["log"]["offset"].get(offset), "a record says its offset");
    record.start = view->start.bytes;
    record.end = view->end.bytes;
    record.offset = offset;
    record.text = view->text;
    record.embedded = view->embedded;
    record.split = view->part.has_value();
    record.part = view->part.value_or(0);
    record.last_part = view->last_part;
    record.flags = view->flags;
    require(record.start == at_ && record.end > record.start, "ranges meet exactly");
    at_ = record.end;
    fed_.records.push_back(std::move(record));
  }

  const std::string& content_;
  const Plan& plan_;
  shipper::RecordEncoder encoder_;
  std::unique_ptr<agent::Decoder> decoder_;
  agent::DecodeState state_;
  simdjson::dom::parser json_;
  shipper::RecordParser parser_;
  size_t windows_ = 0;
  uint64_t at_ = kBase;
  Fed fed_;
};

}  // namespace

Plan take_plan(Input& input) {
  Plan plan;
  const uint8_t kind = input.byte();
  plan.format = static_cast<RecordFormat>(kind % 3);
  plan.ended = (kind & 4) != 0;
  for (int i = kind >> 3 & 3; i >= 0; --i) {
    // From one byte to more than a real window, most of them small.
    const uint8_t size = input.byte();
    plan.windows.push_back(size < 0xf0 ? size + 1u : size_t{1} << (size - 0xf0 + 8));
    plan.windows.back() = std::min(plan.windows.back(), limits::kReadBytesMax);
  }
  for (int i = kind >> 5; i > 0; --i) {
    plan.growth.push_back((plan.growth.empty() ? 0 : plan.growth.back()) + input.byte());
  }
  return plan;
}

Fed feed(const std::string& content, const Plan& plan) { return Feeder(content, plan).run(); }

Fed feed_at_once(const std::string& content, const Plan& plan) {
  Plan whole = plan;
  whole.windows = {limits::kReadBytesMax};
  whole.growth.clear();
  return feed(content, whole);
}

void require_same(const Fed& left, const Fed& right) {
  require(left.consumed == right.consumed, "windows do not change what is consumed");
  require(left.records.size() == right.records.size(), "windows do not change how many records");
  for (size_t i = 0; i < left.records.size(); ++i) {
    require(left.records[i].value == right.records[i].value, "windows do not change a record");
  }
}

}  // namespace longshore::fuzz
