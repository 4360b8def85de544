#include "integrations/archive/history.h"

#include <fmt/format.h>

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

}  // namespace

Status read_lines(ArchiveTarget& target, const ArchivedFile& file,
                  const std::function<Status(std::string_view)>& each) {
  const std::unique_ptr<Decoder> decoder = make_decoder(file.name.codec);
  LineCutter cutter(each);
  int64_t bytes = 0;
  const Sink cut = [&cutter](std::string_view piece) { return cutter.add(piece); };
  Status status = target.read(file.path, [&](std::string_view piece) {
    bytes += static_cast<int64_t>(piece.size());
    return decoder->add(piece, cut);
  });
  if (status && bytes != file.bytes) {
    status =
        Error{ErrorCode::kCorrupt, fmt::format("read {1} of its {0} bytes", file.bytes, bytes)};
  }
  if (status) status = decoder->finish();
  if (status) status = cutter.finish();
  if (status || status.error().code != ErrorCode::kCorrupt) return status;
  return Error{ErrorCode::kCorrupt, fmt::format("{}: {}", file.path, status.error().message)};
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
