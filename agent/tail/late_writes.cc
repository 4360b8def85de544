#include "agent/tail/late_writes.h"

#include <simdjson.h>

#include <algorithm>

#include "config/limits.h"
#include "shipper/record/record_encoder.h"

namespace longshore::agent {

void LateWrites::watch(std::shared_ptr<const OpenFile> file, const checkpoint::FileIdentity& closed,
                       int64_t now_ns) {
  next_look_ns_ = 0;
  const int64_t until = now_ns == 0 ? 0 : now_ns + limits::kLateWatchNs;
  for (File& each : files_) {
    if (each.open->identity != file->identity) continue;
    each.until_ns = until;
    return;
  }
  if (files_.size() >= limits::kLateFilesMax) {
    reader_.release(*files_.front().open);
    files_.erase(files_.begin());
  }
  files_.push_back({.open = std::move(file), .closed = closed, .until_ns = until});
}

void LateWrites::give_up(const checkpoint::FileIdentity& file) {
  std::erase_if(files_, [&](const File& each) { return each.open->identity == file; });
}

Result<LateWrites::Read> LateWrites::read(Decoder& decoder, shipper::Chunk& chunk,
                                          shipper::RecordEncoder& encoder, int64_t now_ns,
                                          int64_t wall_ns) {
  next_look_ns_ = now_ns + limits::kLateLookNs;
  Read read;
  // The rest of a long line comes first.
  if (cursor_.part() > 0 || cursor_.has_begun()) return read;
  for (File& file : files_) {
    const auto one = read_file(file, decoder, chunk, encoder, now_ns, wall_ns);
    if (!one) return one;
    if (one->again_at_ns != 0 && (read.again_at_ns == 0 || one->again_at_ns < read.again_at_ns)) {
      read.again_at_ns = one->again_at_ns;
    }
    read.moved = one->moved;
    if (read.moved) break;
  }
  std::erase_if(files_, [this](const File& each) {
    if (each.done) reader_.release(*each.open);
    return each.done;
  });
  if (read.again_at_ns != 0) next_look_ns_ = std::min(next_look_ns_, read.again_at_ns);
  if (read.moved) next_look_ns_ = 0;
  return read;
}

// Nothing more can come, or it was watched for long enough.
bool LateWrites::is_over(File& file, const checkpoint::FileFacts& facts, int64_t now_ns) const {
  if (now_ns >= file.until_ns) return true;
  return facts.links == 0 && !checkpoint::has_writer(file.open->fd.get());
}

// The window begins at `offset` of its file.
DecodeState LateWrites::decode(Window window, uint64_t offset, Decoder& decoder,
                               shipper::Chunk& chunk, shipper::RecordEncoder& encoder) const {
  DecodeState to{.offset = offset, .covered = cursor_.covered()};
  window.base = {cursor_.position().bytes - offset};
  window.flags = cursor_.gap_pending() ? uint32_t{shipper::kFlagGapBefore} : 0u;
  window.all_flags = shipper::kFlagLate;
  window.nuls_are_text = true;
  decoder.decode(window, to, encoder, chunk);
  if (window.full && to.offset == offset) to.offset += window.bytes.size();  // It is all NULs.
  // The present file may have lines of its own before the rest of this one comes.
  if (to.begun.empty()) return to;
  window.bytes = {};
  window.flags = chunk.messages.empty() ? window.flags : 0;
  window.last = true;
  decoder.decode(window, to, encoder, chunk);
  return to;
}

Result<LateWrites::Read> LateWrites::read_file(File& file, Decoder& decoder, shipper::Chunk& chunk,
                                               shipper::RecordEncoder& encoder, int64_t now_ns,
                                               int64_t wall_ns) {
  const auto& closed = cursor_.closed();
  const auto found = std::ranges::find(closed, file.closed);
  const size_t index = static_cast<size_t>(found - closed.begin());
  if (found == closed.end() || cursor_.ends()[index].head == 0) {
    file.done = true;
    return Read{};
  }
  if (file.until_ns == 0) file.until_ns = now_ns + limits::kLateWatchNs;
  const bool plain = file.open->compression == Compression::kNone;
  const auto facts = checkpoint::file_facts(file.open->fd.get());
  if (!facts) return facts.error();
  const bool over = is_over(file, *facts, now_ns);
  const checkpoint::ClosedEnd end = cursor_.ends()[index];
  if (plain && facts->size_bytes <= end.bytes) {
    file.done = over;
    return Read{};
  }
  const size_t overlap = std::min<uint64_t>(end.bytes, limits::kOverlapBytes);
  const size_t want = overlap + window_.bytes();
  chunk.read.clear();
  chunk.read.reserve(want + simdjson::SIMDJSON_PADDING);
  const auto bytes = reader_.read(file.open, end.bytes - overlap, want, chunk.read.data(), now_ns);
  if (!bytes) return bytes.error();
  chunk.read.resize(bytes->bytes.size());
  if (bytes->again_at_ns != 0) return Read{.moved = false, .again_at_ns = bytes->again_at_ns};
  const std::string_view before = bytes->bytes.substr(0, overlap);
  // Somebody overwrote it (shred does), or the archive ends before.
  if (before.size() < overlap || checkpoint::content_hash(before) != end.tail ||
      bytes->bytes.size() == overlap) {
    file.done = true;
    return Read{};
  }
  // An unterminated line waits until the file is quiet.
  if (file.seen_bytes != facts->size_bytes || file.seen_ns == 0) {
    file.seen_bytes = facts->size_bytes;
    file.seen_ns = std::max<int64_t>(now_ns, 1);
  }
  const int64_t quiet_at_ns = file.seen_ns + quiet_ns_;
  const bool quiet =
      over || !plain || now_ns >= quiet_at_ns || !checkpoint::has_writer(file.open->fd.get());
  const std::string_view late = bytes->bytes.substr(overlap);
  const DecodeState to = decode({.bytes = late,
                                 .base = {},
                                 .now_ns = wall_ns,
                                 .full = window_.at_max() && bytes->bytes.size() == want,
                                 .last = bytes->at_end && quiet},
                                end.bytes, decoder, chunk, encoder);
  const size_t consumed = to.offset - end.bytes;
  if (consumed == 0) {
    if (!bytes->at_end) window_.widen();
    const bool waits = bytes->at_end && !quiet;
    return Read{.moved = false, .again_at_ns = waits ? quiet_at_ns : bytes->at_end ? 0 : now_ns};
  }
  window_.follow(late.size(), consumed);
  cursor_.take_late(index, bytes->bytes.substr(0, overlap + consumed), to);
  if (!chunk.messages.empty()) cursor_.gap_shipped();
  return Read{.moved = true, .again_at_ns = 0};
}

}  // namespace longshore::agent
