#include "agent/files/archive_reader.h"

#include <algorithm>
#include <cassert>

#include "config/limits.h"
#include "config/read_at.h"

namespace longshore::agent {

Status ArchiveReader::restart() {
  auto made = make_decompressor(file_->compression);
  if (!made) return made.error();
  decompressor_ = std::move(made).value();
  input_.clear();
  window_.clear();
  input_used_ = input_offset_ = begin_ = 0;
  input_ended_ = at_member_end_ = cut_short_ = false;
  broken_.clear();
  total_.reset();
  return ok();
}

void ArchiveReader::try_again() {
  if (!cut_short_) return;
  cut_short_ = input_ended_ = false;
  broken_.clear();
}

void ArchiveReader::fail(std::string why) {
  broken_ = std::move(why) + ", after " + std::to_string(end()) + " bytes of the log";
}

Result<std::string_view> ArchiveReader::read(uint64_t offset, size_t bytes) {
  pending_ = false;
  if (decompressor_ == nullptr || offset < begin_) {
    if (Status begun = restart(); !begun) return begun.error();
  }
  const uint64_t wanted = offset + bytes;
  for (size_t unpacked = 0; end() < wanted && !total_ && broken_.empty();) {
    if (unpacked >= limits::kUnpackStepBytes) {
      pending_ = true;
      break;
    }
    // What stands before the offset is not needed any more.
    const uint64_t pass = std::min(offset, end());
    window_.erase(0, static_cast<size_t>(pass - begin_));
    begin_ = pass;
    const size_t before = window_.size();
    if (Status status = unpack(limits::kUnpackPieceBytes); !status) return status.error();
    unpacked += std::max<size_t>(window_.size() - before, limits::kUnpackPieceBytes / 16);
  }
  if (offset >= end()) return std::string_view();
  return std::string_view(window_).substr(static_cast<size_t>(offset - begin_), bytes);
}

// More compressed bytes, if the file has any. Returns whether there are some to unpack.
Result<bool> ArchiveReader::take_input() {
  if (input_used_ < input_.size()) return true;
  input_.resize(limits::kUnpackInputBytes);
  input_used_ = 0;
  const ReadBytes got =
      read_at(file_->fd.get(), input_offset_, input_.data(), limits::kUnpackInputBytes);
  input_.resize(got.bytes);
  input_offset_ += got.bytes;
  size_bytes_ = std::max(size_bytes_, input_offset_);
  if (!got.status && got.bytes == 0) return got.status.error();
  input_ended_ = got.status && got.bytes < limits::kUnpackInputBytes;
  return got.bytes > 0;
}

Status ArchiveReader::unpack(size_t room) {
  const auto input = take_input();
  if (!input) return input.error();
  const std::string_view in = std::string_view(input_).substr(input_used_);
  const bool nothing_follows = in.empty() && input_ended_;
  // Some writers pad the last member with zeros.
  if (at_member_end_ && in.find_first_not_of('\0') == std::string_view::npos &&
      file_->compression != Compression::kXz) {
    input_used_ = input_.size();
    if (input_ended_) total_ = end();
    return ok();
  }
  const size_t before = window_.size();
  window_.resize(before + room);
  const auto step = decompressor_->step(in, input_ended_, window_.data() + before, room);
  window_.resize(before + (step ? step->produced : 0));
  if (!step) {
    fail(step.error().message);
    return ok();
  }
  input_used_ += step->consumed;
  at_member_end_ = step->at_end;
  const bool all_used = input_used_ == input_.size() && input_ended_;
  if (step->at_end && all_used) total_ = end();
  const bool stuck = step->consumed == 0 && step->produced == 0;
  if (!step->at_end && stuck && (nothing_follows || all_used)) {
    cut_short_ = true;
    fail("the compressed file is cut short");
  } else if (stuck && !step->at_end && !in.empty() && input_ended_) {
    fail("the compressed file ends with something else");
  }
  const uint64_t most = std::max(limits::kUnpackedFreeBytes,
                                 limits::kUnpackedRatioMax * std::max(input_offset_, uint64_t{1}));
  if (end() > most && !total_) fail("it unpacks to more than a log may");
  return ok();
}

}  // namespace longshore::agent
