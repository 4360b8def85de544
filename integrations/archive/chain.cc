#include "integrations/archive/chain.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>

#include "config/path.h"
#include "integrations/archive/archive_files.h"
#include "shipper/record/json_text.h"

namespace longshore::archive {

namespace {

constexpr std::string_view kClaimSuffix = ".claim";
constexpr size_t kClaimBytesMax = 64 << 10;
constexpr size_t kOffsetDigits = 20, kAttemptDigits = 16;
/// Claims that are never removed. One would do, but a listing may miss entries while others change.
constexpr size_t kClaimsKept = 8;

std::string claim_name(int64_t next) { return fmt::format("{:0{}}.claim", next, kOffsetDigits); }

std::optional<int64_t> parse_claim_name(std::string_view name) {
  if (name.size() != kOffsetDigits + kClaimSuffix.size() || !name.ends_with(kClaimSuffix))
    return std::nullopt;
  int64_t next = 0;
  const auto [end, failed] = std::from_chars(name.data(), name.data() + kOffsetDigits, next);
  if (failed != std::errc() || end != name.data() + kOffsetDigits || next < 0) return std::nullopt;
  return next;
}

std::string attempt_name() {
  std::random_device random;
  const uint64_t high = random(), low = random();
  return fmt::format("{:08x}{:08x}", high & 0xffffffff, low & 0xffffffff);
}

std::string draft_of(const std::string& attempt) { return attempt + std::string(kClaimSuffix); }

std::string folder_of(const kafka::PartitionKey& key, int32_t generation) {
  return fmt::format("{}/{}+{}", kOwnFolder, shown_topic(key.topic),
                     shown_partition(key.partition, generation));
}

}  // namespace

Chain::Chain(ArchiveTarget& target, const Layout& layout, kafka::PartitionKey key,
             int32_t generation)
    : target_(target),
      layout_(layout),
      key_(std::move(key)),
      generation_(generation),
      folder_(folder_of(key_, generation)) {}

Result<int32_t> Chain::newest_generation(ArchiveTarget& target, const kafka::PartitionKey& key) {
  for (int32_t generation = 1;; ++generation) {
    const Result<Entry> next = target.stat(folder_of(key, generation + 1));
    if (!next && next.error().code == ErrorCode::kNotFound) return generation;
    if (!next) return next.error();
  }
}

Result<std::map<int64_t, std::string>> Chain::claims() {
  Result<std::vector<Entry>> entries = target_.list(folder_);
  if (!entries) return entries.error();
  std::map<int64_t, std::string> found;
  for (const Entry& entry : *entries) {
    if (const auto next = parse_claim_name(entry.name)) found[*next] = entry.name;
  }
  return found;
}

Result<Chain::Claim> Chain::read_claim(const std::string& name) {
  Result<std::string> text = read_small(target_, own(name), kClaimBytesMax);
  if (!text) return text.error();
  simdjson::dom::parser parser;
  Claim claim;
  try {
    const simdjson::dom::element document = parser.parse(*text);
    claim.first = document["first"].get_int64();
    claim.last = document["last"].get_int64();
    claim.bytes = document["bytes"].get_int64();
    claim.data = std::string_view(document["data"].get_string());
    claim.file = std::string_view(document["file"].get_string());
    // Claims of older versions remember no record.
    if (document["record"].get(claim.mark.offset) || document["hash"].get(claim.mark.hash))
      claim.mark = {};
  } catch (const simdjson::simdjson_error&) {
    claim.last = -1;
  }
  // Nothing could follow the last number.
  if (claim.first < 0 || claim.last < claim.first ||
      claim.last == std::numeric_limits<int64_t>::max() ||
      claim.data.find('/') != std::string::npos) {
    return Error{ErrorCode::kCorrupt,
                 fmt::format("{} is not a claim of longshore: look at what it holds, and remove it "
                             "if it is not needed",
                             own(name))};
  }
  return claim;
}

Result<ChainEnd> Chain::end_of_names() {
  Result<std::vector<ArchivedFile>> files = find_files(target_, layout_, {.topic = key_.topic});
  if (!files) return files.error();
  ChainEnd end;
  for (const ArchivedFile& file : *files) {
    if (file.name.partition != key_.partition || file.name.generation != generation_) continue;
    end.empty = false;
    end.next = std::max(end.next, file.name.last + 1);
  }
  return end;
}

Result<ChainEnd> Chain::settle() {
  settled_ = false;
  Result<std::map<int64_t, std::string>> found = claims();
  if (!found && found.error().code == ErrorCode::kNotFound) {
    if (Status status = target_.make_folder(folder_); !status) return status.error();
    found = claims();
  }
  if (!found) return found.error();
  for (;;) {
    if (found->empty()) {
      Result<ChainEnd> end = end_of_names();
      settled_ = end.has_value();
      return end;
    }
    const auto [next, name] = *found->rbegin();
    Result<Claim> claim = read_claim(name);
    // Its writer was overtaken and withdrew it.
    if (!claim && claim.error().code != ErrorCode::kNotFound) return claim.error();
    found = claims();
    if (!found) return found.error();
    if (!claim || found->empty() || found->rbegin()->first != next) continue;
    if (Status status = finish(*claim); !status) return status.error();
    settled_ = true;
    return ChainEnd{.next = claim->last + 1, .empty = false, .mark = claim->mark};
  }
}

// Renames the data to its final name, unless that was done before.
Status Chain::finish(const Claim& claim) {
  const std::string folder(parent_path(claim.file));
  if (folder != made_) {
    if (Status status = target_.make_folder(folder); !status) return status;
    made_ = folder;
  }
  Result<Renamed> renamed = target_.rename_new(own(claim.data), claim.file);
  if (!renamed) {
    made_.clear();
    return renamed.error();
  }
  return *renamed == Renamed::kDone ? ok() : check(claim);
}

Status Chain::check(const Claim& claim) {
  const Result<Entry> entry = target_.stat(claim.file);
  if (!entry && entry.error().code == ErrorCode::kNotFound) {
    // Neither exists: the file was published, and something else removed it since.
    spdlog::warn("archive: {} was published and has been removed since; continuing after it",
                 claim.file);
    return ok();
  }
  if (!entry) return entry.error();
  if (entry->bytes == claim.bytes) return target_.remove(own(claim.data));
  return Error{ErrorCode::kCorrupt, fmt::format("{} has {} bytes instead of {}: another "
                                                "program changed it",
                                                claim.file, entry->bytes, claim.bytes)};
}

std::string Chain::Claim::text() const {
  return shipper::json_text({{"first", first},
                             {"last", last},
                             {"bytes", bytes},
                             {"data", data},
                             {"file", file},
                             {"record", mark.offset},
                             {"hash", mark.hash}}) +
         '\n';
}

// Sends the draft of the claim, then the data.
Status Chain::send(const std::string& attempt, const SealedFile& file, const Claim& claim) {
  Status sent = target_.put(own(draft_of(attempt)), claim.text());
  if (sent) sent = target_.put(own(claim.data), file.fd, file.bytes);
  if (sent) return sent;
  // The partial files may themselves fill a quota. If this fails too, a sweep removes them.
  static_cast<void>(target_.remove(own(draft_of(attempt))));
  static_cast<void>(target_.remove(own(claim.data)));
  return sent;
}

Result<bool> Chain::claim(const std::string& attempt, const Claim& claim, int64_t next) {
  const std::string draft = draft_of(attempt), final = claim_name(next);
  Result<Renamed> renamed = target_.rename_new(own(draft), own(final));
  if (!renamed) return renamed.error();
  if (*renamed != Renamed::kDone) {
    // Another writer's claim, or our draft was swept; or our claim, if the rename was executed
    // twice.
    Result<std::string> there = read_small(target_, own(final), kClaimBytesMax);
    if (!there && there.error().code != ErrorCode::kNotFound) return there.error();
    if (!there || *there != claim.text()) {
      if (Status status = target_.remove(own(draft)); !status) return status.error();
      return false;
    }
  }
  Result<std::map<int64_t, std::string>> found = claims();
  if (!found) return found.error();
  if (found->empty() || found->rbegin()->first < next) {
    return Error{
        ErrorCode::kRetryable,
        fmt::format("the archive does not list {}, which was just created there", own(final))};
  }
  if (found->rbegin()->first == next) return true;
  if (Status status = target_.remove(own(final)); !status) return status.error();
  return false;
}

Result<int64_t> Chain::publish(const SealedFile& file, int64_t next) {
  if (!settled_) {
    Result<ChainEnd> end = settle();
    if (!end) return end.error();
    if (end->next != next) return end->next;
  }
  settled_ = false;
  const std::string attempt = attempt_name();
  const ArchiveName name{.topic = key_.topic,
                         .partition = key_.partition,
                         .generation = generation_,
                         .first = file.first,
                         .last = file.last,
                         .lines = file.lines,
                         .codec = file.codec};
  const Claim wanted{.first = file.first,
                     .last = file.last,
                     .bytes = file.bytes,
                     .data = attempt + ".data",
                     .file = layout_.folder(key_.topic, file.hour) + "/" + to_string(name),
                     .mark = file.mark};
  if (Status sent = send(attempt, file, wanted); !sent) return sent.error();
  Result<bool> won = claim(attempt, wanted, next);
  // From here on the claim may exist, and needs the data.
  if (!won) return won.error();
  if (!*won) {
    if (Status status = target_.remove(own(wanted.data)); !status) return status.error();
    Result<ChainEnd> end = settle();
    if (!end) return end.error();
    return end->next;
  }
  if (Status status = finish(wanted); !status) return status.error();
  settled_ = true;
  clear_old(next);
  return file.last + 1;
}

// Best effort: what is left is removed next time.
void Chain::clear_old(int64_t next) {
  Result<std::map<int64_t, std::string>> found = claims();
  if (!found) return;
  size_t left = found->size();
  for (const auto& [key, name] : *found) {
    if (left <= kClaimsKept || key >= next) return;
    static_cast<void>(target_.remove(own(name)));
    left -= 1;
  }
}

// Drafts go first. Then settle() finishes claims made before that, so that their data has its final
// name and is not removed.
Status Chain::sweep(int64_t older_than_ms) {
  Result<std::vector<Entry>> entries = target_.list(folder_);
  if (!entries) return entries.error();
  std::erase_if(*entries, [older_than_ms](const Entry& entry) {
    return entry.folder || entry.name.find('.') != kAttemptDigits ||
           entry.modified_ms >= older_than_ms;
  });
  if (entries->empty()) return ok();
  for (const Entry& entry : *entries) {
    const std::string draft = draft_of(entry.name.substr(0, kAttemptDigits));
    if (Status status = target_.remove(own(draft)); !status) return status;
  }
  if (Result<ChainEnd> end = settle(); !end) return end.error();
  for (const Entry& entry : *entries) {
    if (Status status = target_.remove(own(entry.name)); !status) return status;
    spdlog::info("archive: removed {}, left by a failed attempt", own(entry.name));
  }
  return ok();
}

}  // namespace longshore::archive
