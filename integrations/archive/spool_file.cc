#include "integrations/archive/spool_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <stdlib.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstring>

#include "config/limits.h"
#include "integrations/archive/history.h"

namespace longshore::archive {

namespace {

Error spool_error(const std::string& what, int code) {
  ErrorCode kind = ErrorCode::kRetryable;
  if (code == ENOSPC || code == EDQUOT) kind = ErrorCode::kFull;
  if (code == ENOENT || code == EACCES || code == EROFS || code == ENOTDIR)
    kind = ErrorCode::kInvalid;
  return {kind, fmt::format("--work-dir: could not {}: {}", what, std::strerror(code))};
}

}  // namespace

Result<SpoolFile> SpoolFile::open(const SpoolOptions& options, int64_t first, Hour hour,
                                  int64_t now_ns) {
  SpoolFile file;
  file.fd_.reset(::open(options.folder.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!file.fd_ && (errno == EOPNOTSUPP || errno == EISDIR)) {
    std::string name = options.folder + "/longshore-spool-XXXXXX";
    file.fd_.reset(::mkostemp(name.data(), O_CLOEXEC));
    if (file.fd_) ::unlink(name.c_str());
  }
  if (!file.fd_) return spool_error("make a file in " + options.folder, errno);
  file.encoder_ = make_encoder(options.codec, options.level);
  file.codec_ = options.codec;
  file.lines_.reserve(limits::kSpoolGatherBytes * 2);
  file.first_ = first;
  file.hour_ = hour;
  file.opened_ns_ = now_ns;
  return file;
}

Status SpoolFile::write(std::string_view bytes) {
  bytes_ += static_cast<int64_t>(bytes.size());
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_.get(), bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return spool_error("write", errno);
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return ok();
}

Status SpoolFile::pack() {
  Status status = encoder_->add(lines_, [this](std::string_view bytes) { return write(bytes); });
  lines_.clear();
  return status;
}

Status SpoolFile::added(const kafka::RecordMark& mark, int64_t now_ns) {
  assert(mark.offset >= first_ && mark.offset > last_);
  if (line_count_ == 0 || now_ns - added_ns_ >= limits::kResumptionNs) {
    resumptions_.push_back({mark, line_count_});
    // Keep every second one, the first among them.
    if (resumptions_.size() > limits::kResumptionsMax) {
      size_t i = 0;
      std::erase_if(resumptions_, [&i](const Resumption&) { return i++ % 2 == 1; });
    }
  }
  added_ns_ = now_ns;
  mark_ = mark;
  last_ = mark.offset;
  line_count_ += 1;
  return lines_.size() >= limits::kSpoolGatherBytes ? pack() : ok();
}

Status SpoolFile::seal() {
  if (Status status = pack(); !status) return status;
  return encoder_->finish([this](std::string_view bytes) { return write(bytes); });
}

SealedFile SpoolFile::sealed() const {
  return {.first = first_,
          .last = last_,
          .lines = line_count_,
          .codec = codec_,
          .hour = hour_,
          .fd = fd_.get(),
          .bytes = bytes_,
          .mark = mark_};
}

Result<SpoolFile> SpoolFile::head(const SpoolOptions& options, size_t at) const {
  assert(at > 0 && at < resumptions_.size());
  const Resumption& end = resumptions_[at];
  Result<SpoolFile> head = open(options, first_, hour_, opened_ns_);
  if (!head) return head;
  const std::function<Status(std::string_view)> take = [&](std::string_view line) {
    if (head->line_count_ == end.lines) return ok();
    head->lines_ += line;
    head->lines_ += '\n';
    head->line_count_ += 1;
    return head->lines_.size() >= limits::kSpoolGatherBytes ? head->pack() : ok();
  };
  if (Status status = read_spool(fd_.get(), codec_, take); !status) return status.error();
  head->last_ = end.mark.offset - 1;
  // Any record of it will do.
  head->mark_ = resumptions_[at - 1].mark;
  if (Status status = head->seal(); !status) return status.error();
  return head;
}

}  // namespace longshore::archive
