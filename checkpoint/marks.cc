#include "checkpoint/marks.h"

#include <xxhash.h>

#include <algorithm>
#include <cassert>

#include "config/limits.h"
#include "config/read_at.h"

namespace longshore::checkpoint {
namespace {

constexpr size_t kWordBytes = sizeof(uint64_t);
constexpr size_t kFewBytes = 256;  // Kept as they are; more are hashed as they come.

void put_u64(std::string& out, uint64_t value) {
  for (size_t i = 0; i < kWordBytes; ++i) {
    out.push_back(static_cast<char>(value & 0xff));
    value >>= 8;
  }
}

uint64_t get_u64(std::string_view bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = kWordBytes; i-- > 0;) {
    value = value << 8 | static_cast<unsigned char>(bytes[at + i]);
  }
  return value;
}

}  // namespace

std::string MarkList::encode() const {
  std::string out;
  out.reserve(kWordBytes * (1 + 2 * marks.size()));
  put_u64(out, begin);
  for (const Mark& mark : marks) {
    put_u64(out, mark.end);
    put_u64(out, mark.hash);
  }
  return out;
}

Result<MarkList> MarkList::decode(std::string_view bytes) {
  if (bytes.empty()) return MarkList{};
  const bool whole = bytes.size() % (2 * kWordBytes) == kWordBytes;
  if (!whole || bytes.size() > kWordBytes * (1 + 2 * limits::kMarksMax)) {
    return Error{ErrorCode::kCorrupt,
                 "Marks of " + std::to_string(bytes.size()) +
                     " bytes have no valid length: the checkpoint is damaged."};
  }
  MarkList list;
  list.begin = get_u64(bytes, 0);
  uint64_t before = list.begin;
  for (size_t at = kWordBytes; at < bytes.size(); at += 2 * kWordBytes) {
    const Mark mark{get_u64(bytes, at), get_u64(bytes, at + kWordBytes)};
    if (mark.end <= before || mark.end - before > limits::kMarkSpanBytes) {
      return Error{ErrorCode::kCorrupt,
                   "The spans of a file's marks are not adjacent: the checkpoint is damaged."};
    }
    before = mark.end;
    list.marks.push_back(mark);
  }
  return list;
}

struct Marker::OpenSpan {
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  OpenSpan() = default;
  OpenSpan(const OpenSpan& other) : few(other.few), bytes(other.bytes) {
    if (other.state == nullptr) return;
    state.reset(XXH3_createState());
    XXH3_copyState(state.get(), other.state.get());
  }
  void add(std::string_view more) {
    bytes += more.size();
    if (bytes <= kFewBytes) {
      few += more;
      return;
    }
    if (state == nullptr) {
      state.reset(XXH3_createState());
      XXH3_64bits_reset(state.get());
      XXH3_64bits_update(state.get(), few.data(), few.size());
      few = std::string();
    }
    XXH3_64bits_update(state.get(), more.data(), more.size());
  }
  uint64_t hash() const {
    return state == nullptr ? XXH3_64bits(few.data(), few.size()) : XXH3_64bits_digest(state.get());
  }

  std::string few;  // The whole span, while it is this short.
  std::unique_ptr<XXH3_state_t, Free> state;
  uint64_t bytes = 0;
};

Marker::Marker() = default;
Marker::Marker(MarkList list) : list_(std::move(list)) {}
Marker::~Marker() = default;
Marker::Marker(Marker&&) noexcept = default;
Marker& Marker::operator=(Marker&&) noexcept = default;

Marker::Marker(const Marker& other)
    : list_(other.list_),
      open_(other.open_ == nullptr ? nullptr : std::make_unique<OpenSpan>(*other.open_)) {}

Marker& Marker::operator=(const Marker& other) {
  if (this != &other) *this = Marker(other);
  return *this;
}

void Marker::reset(uint64_t offset) {
  list_ = {.begin = offset, .marks = {}};
  open_.reset();
}

void Marker::skip(uint64_t offset) {
  const uint64_t head = list_.head;
  reset(offset);
  list_.head = head;
}

uint64_t Marker::end() const { return list_.end() + (open_ == nullptr ? 0 : open_->bytes); }

void Marker::add(std::string_view bytes) {
  if (end() < limits::kHeadBytes && !bytes.empty())
    list_.head = 0;  // It was that of a shorter file.
  while (!bytes.empty()) {
    if (open_ == nullptr) open_ = std::make_unique<OpenSpan>();
    const size_t take = std::min<size_t>(bytes.size(), limits::kMarkSpanBytes - open_->bytes);
    open_->add(bytes.substr(0, take));
    bytes.remove_prefix(take);
    if (open_->bytes == limits::kMarkSpanBytes) {
      list_ = list();
      open_.reset();
    }
  }
}

std::optional<Span> Marker::open_span() const {
  if (open_ == nullptr) return std::nullopt;
  return Span{list_.end(), end(), open_->hash()};
}

MarkList Marker::list() const {
  MarkList all = list_;
  if (open_ != nullptr) all.marks.push_back({end(), open_->hash()});
  if (all.marks.size() > limits::kMarksMax) {
    const auto surplus = static_cast<std::ptrdiff_t>(all.marks.size() - limits::kMarksMax);
    all.begin = all.marks[static_cast<size_t>(surplus) - 1].end;
    all.marks.erase(all.marks.begin(), all.marks.begin() + surplus);
  }
  return all;
}

uint64_t content_hash(std::string_view bytes) {
  return std::max<uint64_t>(1, XXH3_64bits(bytes.data(), bytes.size()));
}

Result<uint64_t> head_hash(int fd, uint64_t bytes) {
  const auto head = read_at(fd, 0, std::min<uint64_t>(bytes, limits::kHeadBytes));
  if (!head) return head.error();
  return content_hash(*head);
}

Result<bool> holds_spans(int fd, const MarkList& list, std::span<const size_t> which) {
  std::string span;
  for (const size_t index : which) {
    const uint64_t begin = index == 0 ? list.begin : list.marks[index - 1].end;
    const Mark& mark = list.marks[index];
    span.resize(mark.end - begin);
    const ReadBytes read = read_at(fd, begin, span.data(), span.size());
    if (!read.status) return read.status.error();
    if (read.bytes < span.size()) return false;
    if (XXH3_64bits(span.data(), span.size()) != mark.hash) return false;
  }
  return true;
}

Result<uint64_t> proven_prefix(int fd, const MarkList& list) {
  std::string span;
  uint64_t proven = list.begin;
  for (const Mark& mark : list.marks) {
    assert(mark.end > proven);
    span.resize(mark.end - proven);
    const ReadBytes read = read_at(fd, proven, span.data(), span.size());
    if (!read.status) return read.status.error();
    if (read.bytes < span.size()) return proven;
    if (XXH3_64bits(span.data(), span.size()) != mark.hash) return proven;
    proven = mark.end;
  }
  return proven;
}

bool holds_beginning(int fd, uint64_t size_bytes, const Beginning& read) {
  const Span* last = nullptr;
  for (const Span& each : read.recent) {
    if (each.end <= size_bytes && (last == nullptr || each.end > last->end)) last = &each;
  }
  if (last == nullptr || size_bytes - last->end > limits::kMarkSpanBytes) return false;
  MarkList list = read.marks;
  while (!list.marks.empty() && list.end() > last->begin) list.marks.pop_back();
  if (list.end() != last->begin) return false;
  list.marks.push_back({last->end, last->hash});
  const auto proven = proven_prefix(fd, list);
  return proven && *proven == last->end;
}

}  // namespace longshore::checkpoint
