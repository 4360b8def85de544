#include "shipper/record/record_encoder.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <cstring>
#include <limits>

#include "config/utf8.h"
#include "shipper/record/json_escape.h"
#include "shipper/record/json_object.h"

namespace longshore::shipper {

namespace {

constexpr std::string_view kBeforeTime = R"({"@timestamp":")";
constexpr std::string_view kBeforeEnd = R"(,"end":)";
constexpr std::string_view kBeforePart = R"(,"part":)";
constexpr std::string_view kLastPart = R"(,"last_part":true)";
constexpr std::string_view kBeforeFlags = R"(,"flags":[)";
constexpr std::string_view kBeforeMessage = R"(},"message":")";
constexpr std::string_view kAfterMessage = R"("})";
constexpr std::string_view kBeforeJson = R"(},"json":)";
constexpr std::string_view kAfterJson = "}";

// In the order of the bits.
constexpr std::array<std::string_view, 5> kFlagNames = {
    R"("replaced")", R"("not_json")", R"("gap_before")", R"("late")", R"("unterminated")"};

constexpr size_t kNumberBytesMax = std::numeric_limits<uint64_t>::digits10 + 1;

// Until finish(), a message keeps the buffer and offset of its value in two fields that librdkafka
// uses only for consumers.
enum class Place : int32_t { kRead, kEncoded };

void add_message(Place place, size_t offset, size_t bytes, Chunk& chunk) {
  rd_kafka_message_t& message = chunk.messages.emplace_back();
  message.partition = static_cast<int32_t>(place);
  message.offset = static_cast<int64_t>(offset);
  message.len = bytes;
}

char* put(std::string_view piece, char* out) {
  std::memcpy(out, piece.data(), piece.size());
  return out + piece.size();
}

char* put(uint64_t number, char* out) {
  return std::to_chars(out, out + kNumberBytesMax, number).ptr;
}

char* put_flags(uint32_t flags, char* out) {
  assert(flags >> kFlagNames.size() == 0);
  out = put(kBeforeFlags, out);
  for (size_t bit = 0; bit < kFlagNames.size(); ++bit) {
    if (!(flags >> bit & 1)) continue;
    out = put(kFlagNames[bit], out);
    *out++ = ',';
  }
  out[-1] = ']';  // In place of the last comma.
  return out;
}

std::string container_pieces(const Envelope& envelope) {
  std::string out;
  if (!envelope.container_id.empty()) {
    out += R"("container":{"id":)" + json_string(envelope.container_id);
    out += R"(,"name":)" + json_string(envelope.container_name);
    out += R"(,"image":{"name":)" + json_string(envelope.image) + "}},";
  }
  if (!envelope.labels.empty()) {
    out += R"("labels":{)";
    for (const auto& [key, value] : envelope.labels)
      out += json_string(key) + ':' + json_string(value) + ',';
    out.back() = '}';
    out += ',';
  }
  return out;
}

size_t flags_bytes_max() {
  size_t bytes = kBeforeFlags.size();
  for (const std::string_view name : kFlagNames) bytes += name.size() + 1;
  return bytes;
}

bool lies_in(std::string_view text, const Buffer& buffer) {
  const std::less<const char*> before;
  return !before(text.data(), buffer.data()) &&
         !before(buffer.data() + buffer.capacity(), text.data() + text.size());
}

}  // namespace

RecordEncoder::RecordEncoder(const Envelope& envelope)
    : source_(envelope.source), format_(envelope.format), key_(to_string(envelope.source)) {
  if (format_ == RecordFormat::kRaw) {
    key_ += kRawKeyEnd;
    return;
  }
  before_offset_ = R"(","log":{"file":{"path":)" + json_string(envelope.path) + R"(},"offset":)";
  before_start_ = R"(},"host":{"name":)" + json_string(envelope.host_name) + "}," +
                  container_pieces(envelope) + R"("longshore":{"source":")" + key_ +
                  R"(","name":)" + json_string(envelope.name) + R"(,"start":)";
  head_bytes_max_ = kBeforeTime.size() + TimeText::kBytes + before_offset_.size() +
                    before_start_.size() + kBeforeEnd.size() + kBeforePart.size() +
                    4 * kNumberBytesMax + kLastPart.size() + flags_bytes_max() +
                    kBeforeMessage.size();
  if (format_ == RecordFormat::kJson) json_ = std::make_unique<JsonObject>();
}

RecordEncoder::RecordEncoder(RecordEncoder&&) noexcept = default;
RecordEncoder& RecordEncoder::operator=(RecordEncoder&&) noexcept = default;
RecordEncoder::~RecordEncoder() = default;

void RecordEncoder::append(const Line& line, Chunk& chunk) {
  if (format_ == RecordFormat::kRaw) return append_raw(line.text, chunk);

  std::string_view text = line.text;
  uint32_t flags = line.flags;
  std::string_view object;
  if (json_) {
    // A part of a line may look like an object by accident.
    if (!line.split) object = json_->find(text);
    if (object.empty()) flags |= kFlagNotJson;
  }
  if (object.empty() && !is_utf8(text)) {
    repair_utf8(text, repaired_);
    text = repaired_;
    flags |= kFlagReplaced;
  }

  Buffer& out = chunk.encoded;
  const size_t begin = out.size();
  append_head(line, flags, !object.empty(), out);
  if (object.empty()) {
    append_escaped(text, out);
  } else {
    const size_t size = out.size();
    out.resize(size + object.size());
    put(object, out.data() + size);
  }
  const std::string_view after = object.empty() ? kAfterMessage : kAfterJson;
  const size_t size = out.size();
  out.resize(size + after.size());
  put(after, out.data() + size);
  add_message(Place::kEncoded, begin, out.size() - begin, chunk);
}

void RecordEncoder::append_raw(std::string_view text, Chunk& chunk) const {
  if (text.empty()) return add_message(Place::kRead, 0, 0, chunk);
  const bool read = lies_in(text, chunk.read);
  assert(read || lies_in(text, chunk.encoded));
  const char* const base = read ? chunk.read.data() : chunk.encoded.data();
  add_message(read ? Place::kRead : Place::kEncoded, static_cast<size_t>(text.data() - base),
              text.size(), chunk);
}

void RecordEncoder::append_head(const Line& line, uint32_t flags, bool embedded, Buffer& out) {
  const size_t size = out.size();
  out.reserve(size + head_bytes_max_ + line.text.size() + 64);  // The usual line grows it once.
  char* to = out.data() + size;
  to = put(kBeforeTime, to);
  to = put(time_.at(line.time_ns), to);
  to = put(before_offset_, to);
  to = put(line.offset, to);
  to = put(before_start_, to);
  to = put(line.start.bytes, to);
  to = put(kBeforeEnd, to);
  to = put(line.end.bytes, to);
  if (line.split) {
    to = put(kBeforePart, to);
    to = put(uint64_t{line.part}, to);
    if (line.last_part) to = put(kLastPart, to);
  }
  if (flags != 0) to = put_flags(flags, to);
  to = put(embedded ? kBeforeJson : kBeforeMessage, to);
  out.resize(static_cast<size_t>(to - out.data()));
}

void RecordEncoder::finish(Chunk& chunk) {
  chunk.source = source_;
  chunk.key = key_;
  chunk.value_bytes = 0;
  for (rd_kafka_message_t& message : chunk.messages) {
    Buffer& buffer =
        message.partition == static_cast<int32_t>(Place::kRead) ? chunk.read : chunk.encoded;
    // A null payload would be a tombstone, not an empty line.
    message.payload = message.len == 0 ? chunk.key.data() : buffer.data() + message.offset;
    message.key = chunk.key.data();
    message.key_len = chunk.key.size();
    message._private = &chunk;
    chunk.value_bytes += message.len;
  }
}

size_t RecordEncoder::fitting_prefix(std::string_view text, size_t record_bytes_max) const {
  if (format_ == RecordFormat::kRaw) {
    if (text.size() <= record_bytes_max) return text.size();
    const size_t cut = std::max(record_bytes_max, utf8_unit(text).bytes);
    if (text.size() == cut) return cut;
    // Cut before the character that does not fit, if it is one.
    for (size_t back = cut; back > 0 && cut - back < 4; --back) {
      const Utf8Unit unit = utf8_unit(text.substr(back));
      if (unit.valid) return back + unit.bytes > cut ? back : cut;
      if ((static_cast<uint8_t>(text[back]) & 0xC0) != 0x80) break;
    }
    return cut;
  }
  const size_t frame = head_bytes_max_ + kAfterMessage.size();
  const size_t room = record_bytes_max > frame ? record_bytes_max - frame : 0;
  if (text.size() <= room / 6) return text.size();  // No escape is longer.
  size_t used = 0, cut = 0;
  while (cut < text.size()) {
    const Utf8Unit unit = utf8_unit(text.substr(cut));
    // U+FFFD takes three bytes.
    used += !unit.valid ? 3 : unit.bytes == 1 ? escaped_bytes(text[cut]) : unit.bytes;
    if (used > room) break;
    cut += unit.bytes;
  }
  if (cut == text.size()) return cut;
  if (json_ && text.size() <= room && !json_->find(text).empty()) return text.size();
  return cut > 0 ? cut : utf8_unit(text).bytes;
}

}  // namespace longshore::shipper
