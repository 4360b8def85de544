#include "checkpoint/state_columns.h"

#include <algorithm>
#include <cstring>

namespace longshore::checkpoint {
namespace {

constexpr size_t kIdentityBytes = 24;

// Each identity as three 64-bit words, little-endian as x86-64 and aarch64 have them in memory.
std::string encode_closed(const std::vector<FileIdentity>& closed) {
  std::string out;
  for (const FileIdentity& identity : closed) {
    const uint64_t words[] = {identity.device, identity.inode,
                              static_cast<uint64_t>(identity.birth_ns)};
    static_assert(sizeof words == kIdentityBytes);
    out.append(reinterpret_cast<const char*>(words), sizeof words);
  }
  return out;
}

Result<std::vector<FileIdentity>> decode_closed(std::string_view bytes) {
  if (bytes.size() % kIdentityBytes != 0) {
    return Error{ErrorCode::kCorrupt, "The checkpoint's list of closed files is damaged."};
  }
  std::vector<FileIdentity> closed;
  for (; !bytes.empty(); bytes.remove_prefix(kIdentityBytes)) {
    uint64_t words[3];
    std::memcpy(words, bytes.data(), sizeof words);
    closed.push_back({words[0], words[1], static_cast<int64_t>(words[2])});
  }
  return closed;
}

// Two 64-bit words in the same order, offset and time, and the text. Empty: no line is begun.
std::string encode_begun(const BegunLine& begun) {
  if (begun.empty()) return {};
  const uint64_t words[] = {begun.offset, static_cast<uint64_t>(begun.time_ns)};
  return std::string(reinterpret_cast<const char*>(words), sizeof words).append(begun.text);
}

Result<BegunLine> decode_begun(std::string_view bytes) {
  if (bytes.empty()) return BegunLine{};
  uint64_t words[2];
  if (bytes.size() <= sizeof words) {
    return Error{ErrorCode::kCorrupt, "The checkpoint's beginning of a line is damaged."};
  }
  std::memcpy(words, bytes.data(), sizeof words);
  return BegunLine{.text = std::string(bytes.substr(sizeof words)),
                   .offset = words[0],
                   .time_ns = static_cast<int64_t>(words[1])};
}

// 64-bit words, little-endian in memory as above. A row of an older version has fewer of them, or
// none, and the missing ones read as 0; further ones may be added at the end.
std::string encode_words(const std::vector<uint64_t>& words) {
  if (words.empty()) return {};
  return {reinterpret_cast<const char*>(words.data()), words.size() * sizeof(uint64_t)};
}

std::vector<uint64_t> decode_words(std::string_view bytes) {
  std::vector<uint64_t> words(bytes.size() / sizeof(uint64_t));
  // memcpy(3) takes no null pointers, not even for nothing.
  if (!words.empty()) std::memcpy(words.data(), bytes.data(), words.size() * sizeof(uint64_t));
  return words;
}

std::string encode_ends(const std::vector<ClosedEnd>& ends) {
  std::vector<uint64_t> words;
  for (const ClosedEnd& end : ends) words.insert(words.end(), {end.bytes, end.head, end.tail});
  return encode_words(words);
}

std::vector<ClosedEnd> decode_ends(std::string_view bytes) {
  const std::vector<uint64_t> words = decode_words(bytes);
  std::vector<ClosedEnd> ends;
  for (size_t at = 0; at + 3 <= words.size(); at += 3) {
    ends.push_back({words[at], words[at + 1], words[at + 2]});
  }
  return ends;
}

std::string encode_proof(const SourceState& state) {
  return encode_words({state.stamp.size_bytes, static_cast<uint64_t>(state.stamp.modified_ns),
                       static_cast<uint64_t>(state.stamp.changed_ns), state.truncations.count,
                       state.truncations.first.bytes, state.truncations.last.bytes,
                       state.truncations.lost_bytes, uint64_t{state.settled}, state.marks.head});
}

void decode_proof(std::string_view bytes, SourceState& state) {
  std::vector<uint64_t> words = decode_words(bytes);
  words.resize(std::max<size_t>(words.size(), 9));
  state.stamp = {words[0], static_cast<int64_t>(words[1]), static_cast<int64_t>(words[2])};
  state.truncations = {words[3], {words[4]}, {words[5]}, words[6]};
  state.settled = words[7] != 0;
  state.marks.head = words[8];
}

}  // namespace

void bind_state(Statement& statement, const SourceState& state) {
  statement.bind(state.generation)
      .bind(state.file.device)
      .bind(state.file.inode)
      .bind(state.file.birth_ns)
      .bind(state.base.bytes)
      .bind(state.offset)
      .bind(state.covered.bytes)
      .bind(int64_t{state.part})
      .bind(int64_t{state.gap_pending})
      .bind_text(state.topic)
      .bind(int64_t{state.partition})
      .bind_blob(state.tail)
      .bind_blob(state.marks.encode())
      .bind_blob(encode_closed(state.closed))
      .bind(int64_t{state.ended})
      .bind(state.seen_bytes)
      .bind(state.boot)
      .bind_blob(encode_begun(state.begun))
      .bind_text(state.file_path)
      .bind_blob(encode_ends(state.ends))
      .bind_blob(encode_proof(state));
}

Result<SourceState> read_state(const Statement& statement, int column) {
  SourceState state;
  state.generation = statement.bits(column);
  state.file = {statement.bits(column + 1), statement.bits(column + 2),
                statement.number(column + 3)};
  state.base.bytes = statement.bits(column + 4);
  state.offset = statement.bits(column + 5);
  state.covered.bytes = statement.bits(column + 6);
  state.part = static_cast<uint32_t>(statement.number(column + 7));
  state.gap_pending = statement.number(column + 8) != 0;
  state.topic = statement.bytes(column + 9);
  state.partition = state.topic.empty() ? -1 : static_cast<int32_t>(statement.number(column + 10));
  state.tail = statement.bytes(column + 11);
  auto marks = MarkList::decode(statement.bytes(column + 12));
  if (!marks) return marks.error();
  state.marks = std::move(marks).value();
  auto closed = decode_closed(statement.bytes(column + 13));
  if (!closed) return closed.error();
  state.closed = std::move(closed).value();
  state.ended = statement.number(column + 14) != 0;
  state.seen_bytes = statement.bits(column + 15);
  state.boot = statement.bits(column + 16);
  auto begun = decode_begun(statement.bytes(column + 17));
  if (!begun) return begun.error();
  state.begun = std::move(begun).value();
  state.file_path = statement.bytes(column + 18);
  state.ends = decode_ends(statement.bytes(column + 19));
  decode_proof(statement.bytes(column + 20), state);
  return state;
}

void bind_source(Statement& statement, const SourceRow& row) {
  statement.bind(row.id.value)
      .bind(int64_t{row.lane.value})
      .bind_text(row.host_path)
      .bind_text(row.stream)
      .bind_text(row.name)
      .bind_text(row.container_id)
      .bind_text(row.container_name)
      .bind(row.first_seen_ns)
      .bind(row.gone_ns);
}

SourceRow read_source(const Statement& statement) {
  SourceRow row;
  row.id = {statement.bits(0)};
  row.lane = {static_cast<uint32_t>(statement.number(1))};
  row.host_path = statement.bytes(2);
  row.stream = statement.bytes(3);
  row.name = statement.bytes(4);
  row.container_id = statement.bytes(5);
  row.container_name = statement.bytes(6);
  row.first_seen_ns = statement.number(7);
  row.gone_ns = statement.number(8);
  return row;
}

std::string state_bytes(const PreparedSource& source) {
  const SourceState& state = source.state;
  std::string out;
  for (const uint64_t word :
       {source.source.value, state.generation, state.file.device, state.file.inode,
        static_cast<uint64_t>(state.file.birth_ns), state.base.bytes, state.offset,
        state.covered.bytes, uint64_t{state.part}, uint64_t{state.gap_pending}}) {
    out.append(std::to_string(word)).append(1, ' ');
  }
  out.append(state.topic).append(1, ' ').append(std::to_string(state.partition));
  out.append(1, ' ').append(state.tail).append(state.marks.encode());
  return out.append(encode_begun(state.begun));
}

}  // namespace longshore::checkpoint
