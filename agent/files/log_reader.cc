#include "agent/files/log_reader.h"

#include <algorithm>

#include "config/limits.h"
#include "config/read_at.h"

namespace longshore::agent {

Result<LogBytes> LogReader::read(const std::shared_ptr<const OpenFile>& file, uint64_t offset,
                                 size_t bytes, char* into, int64_t now_ns) {
  LogBytes found;
  if (file->compression == Compression::kNone) {
    const ReadBytes got = read_at(file->fd.get(), offset, into, bytes);
    if (!got.status && got.bytes == 0) return got.status.error();
    found.bytes = {into, got.bytes};
    found.at_end = got.status && got.bytes < bytes;
    return found;
  }
  ArchiveReader* const reader = unpacker_of(file, now_ns);
  if (reader == nullptr) {
    found.again_at_ns = now_ns + limits::kUnpackWaitNs;
    return found;
  }
  reader->try_again();
  const auto got = reader->read(offset, bytes);
  if (!got) return got.error();
  std::ranges::copy(*got, into);
  found.bytes = {into, got->size()};
  if (reader->is_pending()) found.again_at_ns = std::max<int64_t>(now_ns, 1);
  found.at_end = got->size() < bytes && !reader->is_pending();
  found.is_complete = reader->total() && *reader->total() <= offset + got->size();
  found.at_end = found.at_end || found.is_complete;
  found.broken = reader->broken();
  found.is_cut_short = reader->is_cut_short();
  return found;
}

void LogReader::release(const OpenFile& file) {
  std::erase_if(unpackers_, [&](const Unpacker& each) { return &each.reader->file() == &file; });
}

ArchiveReader* LogReader::unpacker_of(const std::shared_ptr<const OpenFile>& file, int64_t now_ns) {
  for (Unpacker& each : unpackers_) {
    if (&each.reader->file() != file.get()) continue;
    each.used_ns = now_ns;
    return each.reader.get();
  }
  if (unpackers_.size() >= limits::kUnpackersMax) {
    const auto idle = std::ranges::min_element(unpackers_, {}, &Unpacker::used_ns);
    if (now_ns - idle->used_ns < limits::kUnpackerIdleNs) return nullptr;
    unpackers_.erase(idle);
  }
  unpackers_.push_back({std::make_unique<ArchiveReader>(file), now_ns});
  return unpackers_.back().reader.get();
}

}  // namespace longshore::agent
