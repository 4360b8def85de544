#include "integrations/archive/history.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <thread>

namespace longshore::archive {

namespace {

/// Kafka allows records of up to 2 GiB, but no log has such lines.
constexpr size_t kLineBytesMax = 256 << 20;

/// Cuts pieces at newlines.
class LineCutter {
 public:
  explicit LineCutter(const std::function<Status(std::string_view)>& each) : each_(each) {}

  Status add(std::string_view bytes) {
    for (;;) {
      const size_t newline = bytes.find('\n');
      if (newline == std::string_view::npos) break;
      Status status = ok();
      if (begun_.empty()) {
        status = each_(bytes.substr(0, newline));
      } else {
        begun_ += bytes.substr(0, newline);
        status = each_(begun_);
        begun_.clear();
      }
      if (!status) return status;
      bytes.remove_prefix(newline + 1);
    }
    if (begun_.size() + bytes.size() > kLineBytesMax)
      return Error{ErrorCode::kCorrupt, "a line is too long"};
    begun_ += bytes;
    return ok();
  }

  Status finish() const {
    return begun_.empty() ? ok() : Error{ErrorCode::kCorrupt, "its last line is cut off"};
  }

 private:
  const std::function<Status(std::string_view)>& each_;
  std::string begun_;
};

Error corrupt(const std::string& what) { return {ErrorCode::kCorrupt, what}; }

/// Whether a file may hold that many lines.
Status check_lines(const ArchiveName& name, int64_t lines) {
  if (name.lines && lines != *name.lines)
    return corrupt(fmt::format("it holds {} of its {} lines", lines, *name.lines));
  const int64_t offsets = name.last - name.first + 1;
  if (!name.lines && lines == 0) return corrupt("it holds no line");
  if (lines > offsets)
    return corrupt(fmt::format("it holds {} lines of {} offsets", lines, offsets));
  return ok();
}

/// One attempt of read_lines(). `failed` is set if an error is that of `each`.
Status try_read(ArchiveTarget& target, const ArchivedFile& file,
                const std::function<Status(std::string_view)>& each, int64_t& bytes, bool& failed) {
  const std::unique_ptr<Decoder> decoder = make_decoder(file.name.codec);
  int64_t lines = 0;
  const std::function<Status(std::string_view)> count = [&](std::string_view line) {
    lines += 1;
    Status status = each(line);
    failed = !status;
    return status;
  };
  LineCutter cutter(count);
  const Sink cut = [&cutter](std::string_view piece) { return cutter.add(piece); };
  Status status = target.read(file.path, [&](std::string_view piece) {
    bytes += static_cast<int64_t>(piece.size());
    return decoder->add(piece, cut);
  });
  if (status && bytes != file.bytes)
    status = corrupt(fmt::format("read {1} of its {0} bytes", file.bytes, bytes));
  if (status) status = decoder->finish();
  if (status) status = cutter.finish();
  return status ? check_lines(file.name, lines) : status;
}

}  // namespace

Status read_lines(ArchiveTarget& target, const ArchivedFile& file,
                  const std::function<Status(std::string_view)>& each) {
  constexpr int kTries = 5;
  for (int attempt = 1;; ++attempt) {
    int64_t bytes = 0;
    bool failed = false;
    const Status status = try_read(target, file, each, bytes, failed);
    if (status || failed) return status;
    const bool away = status.error().code == ErrorCode::kRetryable;
    if (away && bytes == 0 && attempt < kTries) {
      std::this_thread::sleep_for(std::chrono::seconds(1));
      continue;
    }
    // A block of the file may be missing, or the whole archive be away.
    const bool here = !away || target.stat(file.path);
    if (!here) return status;
    return corrupt(fmt::format("{}: {}", file.path, status.error().message));
  }
}

Status read_spool(int fd, Codec codec, const std::function<Status(std::string_view)>& each) {
  const std::unique_ptr<Decoder> decoder = make_decoder(codec);
  LineCutter cutter(each);
  const Sink cut = [&cutter](std::string_view piece) { return cutter.add(piece); };
  std::vector<char> piece(256 << 10);
  int64_t at = 0;
  for (;;) {
    const ssize_t n = ::pread(fd, piece.data(), piece.size(), at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return corrupt(fmt::format("could not read a spool: {}", std::strerror(errno)));
    if (n == 0) break;
    at += n;
    if (Status status = decoder->add({piece.data(), static_cast<size_t>(n)}, cut); !status)
      return status;
  }
  if (Status status = decoder->finish(); !status) return status;
  return cutter.finish();
}

FileQuery TimeRange::query(const std::string& topic) const {
  FileQuery query{.topic = topic};
  // Clocks of hosts and brokers differ a little.
  if (since_ms) query.from = Hour{hour_of_ms(*since_ms).number - 1};
  if (until_ms) query.to = Hour{hour_of_ms(*until_ms).number + late_hours};
  return query;
}

bool TimeRange::holds(int64_t ms) const {
  return (!since_ms || ms >= *since_ms) && (!until_ms || ms < *until_ms);
}

}  // namespace longshore::archive
