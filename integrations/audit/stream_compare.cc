#include "integrations/audit/stream_compare.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "config/printable.h"
#include "config/utf8.h"
#include "shipper/record/record_encoder.h"

namespace longshore::audit {

namespace {

constexpr size_t kReadBytes = 256 << 10;
constexpr size_t kExcerptBytes = 40;

Error unreadable(const std::string& path) {
  return {ErrorCode::kNotFound,
          fmt::format("--source: could not read {}: {}.", path, std::strerror(errno))};
}

std::string excerpt(std::string_view text) {
  if (text.empty()) return "the end";
  return '"' + printable(text.substr(0, kExcerptBytes)) + '"';
}

}  // namespace

Result<FileChain> FileChain::open(std::vector<std::string> paths) {
  FileChain chain;
  for (std::string& path : paths) {
    const Fd probe(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    struct stat facts {};
    if (!probe || ::fstat(probe.get(), &facts) != 0) return unreadable(path);
    if (!S_ISREG(facts.st_mode)) {
      return Error{ErrorCode::kNotFound, fmt::format("--source: {} is not a regular file.", path)};
    }
    chain.files_.push_back({std::move(path), chain.size_});
    chain.size_ += static_cast<uint64_t>(facts.st_size);
  }
  return chain;
}

std::string_view FileChain::peek(size_t bytes) {
  while (buffer_.size() - used_ < bytes) {
    const size_t before = buffer_.size() - used_;
    refill();
    if (buffer_.size() - used_ == before) break;
  }
  return std::string_view(buffer_).substr(used_);
}

void FileChain::refill() {
  buffer_.erase(0, used_);
  used_ = 0;
  const size_t kept = buffer_.size();
  buffer_.resize(kept + kReadBytes);
  size_t got = 0;
  while (got == 0) {
    if (!fd_) {
      if (next_ == files_.size()) break;
      fd_.reset(::open(files_[next_++].path.c_str(), O_RDONLY | O_CLOEXEC));
      if (!fd_) continue;  // Gone since open(): what is missing of it shows as a difference.
    }
    const ssize_t n = ::read(fd_.get(), buffer_.data() + kept, kReadBytes);
    if (n > 0) {
      got = static_cast<size_t>(n);
    } else {
      fd_.reset();
    }
  }
  buffer_.resize(kept + got);
}

void FileChain::skip(size_t bytes) {
  used_ += bytes;
  position_ += bytes;
  size_ = std::max(size_, position_);  // A file may have grown since.
}

bool FileChain::at_file_begin() const {
  return std::any_of(files_.begin(), files_.end(),
                     [this](const File& file) { return file.begin == position_; });
}

std::string FileChain::place() const {
  const auto at = std::find_if(files_.rbegin(), files_.rend(),
                               [this](const File& file) { return file.begin <= position_; });
  return fmt::format("{}:{}", at->path, position_ - at->begin);
}

void StreamCompare::add(const shipper::RecordView& record) {
  if (!difference_.empty()) return;
  const bool ends_line =
      (!record.part || record.last_part) && !(record.flags & shipper::kFlagUnterminated);
  // Agents used to keep NULs.
  if (record.part.value_or(0) == 0 && !record.text.starts_with('\0')) pass_not_text();
  if (record.embedded) {
    pass_blanks();
    match(record.text);
    pass_blanks();
  } else if (record.flags & shipper::kFlagReplaced) {
    match_replaced(record);
  } else {
    match(record.text);
  }
  if (ends_line) pass_line_end();
}

void StreamCompare::match(std::string_view expected) {
  while (!expected.empty() && difference_.empty()) {
    const std::string_view found = files_.peek(1);
    const size_t bytes = std::min(found.size(), expected.size());
    if (bytes == 0) return differ(expected);
    if (std::memcmp(found.data(), expected.data(), bytes) != 0) {
      const auto at = std::mismatch(expected.begin(), expected.begin() + bytes, found.begin());
      const auto same = static_cast<size_t>(at.first - expected.begin());
      files_.skip(same);
      return differ(expected.substr(same));
    }
    files_.skip(bytes);
    expected.remove_prefix(bytes);
  }
}

void StreamCompare::match_replaced(const shipper::RecordView& record) {
  // A part is not all of its line, but it covers just its own bytes.
  const bool inner = record.part && !record.last_part;
  const uint64_t covered = record.end.bytes - record.start.bytes;
  line_.clear();
  while (true) {
    std::string_view found = files_.peek(1);
    if (inner) found = found.substr(0, covered - line_.size());
    if (found.empty()) break;
    const size_t newline = inner ? std::string_view::npos : found.find('\n');
    line_ += found.substr(0, newline);
    files_.skip(std::min(found.size(), newline));
    if (newline != std::string_view::npos) break;
  }
  if (!inner && line_.ends_with('\r') && !record.text.ends_with('\r')) line_.pop_back();
  repair_utf8(line_, repaired_);
  if (repaired_ == record.text) return;
  difference_ = fmt::format("before {}: the file's line, repaired, holds {}, the topic {}",
                            files_.place(), excerpt(repaired_), excerpt(record.text));
}

void StreamCompare::pass_blanks() {
  while (true) {
    const std::string_view found = files_.peek(1);
    const size_t blanks = std::min(found.find_first_not_of(" \t\r"), found.size());
    files_.skip(blanks);
    if (blanks == 0 || blanks < found.size()) return;
  }
}

void StreamCompare::pass_line_end() {
  if (difference_.empty() && files_.peek(1).starts_with('\r')) files_.skip(1);
  match("\n");
}

void StreamCompare::pass_not_text() {
  constexpr std::string_view kBom = "\xEF\xBB\xBF";
  for (uint64_t before = UINT64_MAX; before != files_.position();) {
    before = files_.position();
    if (files_.at_file_begin() && files_.peek(kBom.size()).starts_with(kBom)) {
      files_.skip(kBom.size());
    }
    const std::string_view found = files_.peek(1);
    files_.skip(std::min(found.find_first_not_of('\0'), found.size()));
  }
}

void StreamCompare::differ(std::string_view stream) {
  difference_ = fmt::format("at {}: the file holds {}, the topic {}", files_.place(),
                            excerpt(files_.peek(kExcerptBytes)), excerpt(stream));
}

std::string StreamCompare::finish() {
  if (difference_.empty()) pass_not_text();
  if (difference_.empty() && !files_.peek(1).empty()) {
    difference_ =
        fmt::format("from {} on: {} bytes at the end of the file are missing in the topic",
                    files_.place(), files_.remaining());
  }
  return difference_;
}

}  // namespace longshore::audit
