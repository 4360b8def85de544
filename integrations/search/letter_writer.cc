#include "integrations/search/letter_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace longshore::search {
namespace {

constexpr int64_t kTimeMsEnd = 7'258'118'400'000;  // 2200-01-01.

/// Whether `id` is `plain`, with the hash of --ids 2 or without.
bool is_id_of(std::string_view id, std::string_view plain) {
  if (!id.starts_with(plain)) return false;
  id.remove_prefix(plain.size());
  if (id.empty()) return true;
  constexpr size_t kOwnDigits = 8, kForeignDigits = 16;
  if (id.front() != '.') return false;
  id.remove_prefix(1);
  return (id.size() == kOwnDigits || id.size() == kForeignDigits) &&
         id.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

/// Whether `whole` is what the letter is the beginning of.
bool is_whole_of(const kafka::RecordCopy& whole, const Letter& letter,
                 const kafka::ReadRecord& part) {
  const bool same_key =
      letter.cut_key ? whole.key.size() == *letter.cut_key : whole.key == part.key;
  return same_key && whole.timestamp_ms == letter.kafka_ms &&
         whole.value.size() - part.value.size() == letter.cut &&
         whole.value.starts_with(part.value);
}

}  // namespace

LetterWriter::LetterWriter(const DocumentOptions& options, LetterFilter filter,
                           LetterSources sources, const Clock& clock, ReplayReport& report)
    : index_(options.index),
      filter_(std::move(filter)),
      sources_(std::move(sources)),
      report_(report),
      clock_(clock),
      document_(options, clock_) {}

void LetterWriter::LetterClock::set(int64_t letter_ms) {
  const bool likely = letter_ms > 0 && letter_ms < kTimeMsEnd;
  wall_ns_ = likely ? letter_ms * 1'000'000 : real_.wall_ns();
}

void LetterWriter::add(const kafka::ReadRecord& record, Bulk& bulk) {
  BulkItem& item = bulk.add(record);
  slow_ = false;
  const kafka::PartitionKey partition = bulk.partition_of(item);
  int64_t& counted = counted_[partition];
  const bool fresh = record.offset >= counted;
  counted = std::max(counted, record.offset + 1);
  const Result<Letter> letter = read_letter(sources_.headers(record));
  std::optional<Left> left;
  if (!letter) {
    const bool none = letter.error().code == ErrorCode::kNotFound;
    left = {none ? LetterFate::kNoLetter : LetterFate::kDamaged, letter.error().message};
  } else {
    left = check(*letter);
    if (fresh && (!left || left->fate != LetterFate::kFiltered)) report_.add(*letter);
    if (!left) left = write(record, *letter, bulk, item);
  }
  if (left && fresh) report_.leave(partition, record.offset, left->fate, left->words);
}

// Before its record is looked at.
std::optional<LetterWriter::Left> LetterWriter::check(const Letter& letter) const {
  const bool topic_wanted = filter_.topics.empty() ||
                            std::ranges::find(filter_.topics, letter.topic) != filter_.topics.end();
  if (!topic_wanted || letter.reason.find(filter_.reason) == std::string::npos)
    return Left{LetterFate::kFiltered, ""};
  if (Status usable = index_.check(letter.topic); !usable)
    return Left{LetterFate::kWaiting, "--index: " + usable.error().message};
  if (!letter.index.empty() && !index_.gives(letter.index, letter.topic)) {
    return Left{LetterFate::kWaiting,
                fmt::format("its document was to go into the index {}, which --index does not give "
                            "for topic {}; use the --index with which it was indexed",
                            letter.index, letter.topic)};
  }
  return std::nullopt;
}

std::optional<LetterWriter::Left> LetterWriter::write(const kafka::ReadRecord& record,
                                                      const Letter& letter, Bulk& bulk,
                                                      BulkItem& item) {
  kafka::ReadRecord whole{.topic = letter.topic,
                          .partition = letter.partition,
                          .offset = letter.offset,
                          .key = record.key,
                          .value = record.value,
                          .timestamp_ms = letter.kafka_ms};
  if (auto left = complete(letter, whole)) return left;
  clock_.set(record.timestamp_ms);
  document_.set_cluster(letter.cluster.empty() ? cluster_ : letter.cluster);
  const size_t refused = bulk.rejections.size();
  document_.write(whole, bulk, item);
  if (bulk.rejections.size() > refused || letter.index.empty()) return std::nullopt;
  return use_action(letter, bulk, item);
}

// Fills `whole` with the record that the letter is of.
std::optional<LetterWriter::Left> LetterWriter::complete(const Letter& letter,
                                                         kafka::ReadRecord& whole) {
  const auto differs = [&letter, &whole] {
    return letter.hash && kafka::mark_of(whole).hash != *letter.hash;
  };
  if (!letter.is_cut()) {
    if (!differs()) return std::nullopt;
    return Left{LetterFate::kDamaged, "its header longshore.hash is that of another record"};
  }
  slow_ = true;
  const kafka::PartitionKey place{letter.topic, letter.partition};
  auto found = sources_.original(place, letter.offset);
  if (!found) return Left{LetterFate::kWaiting, "it was cut, and " + found.error().message};
  original_ = *std::move(found);
  const std::string where = fmt::format("offset {} of {}", letter.offset, to_string(place));
  if (!original_) {
    return Left{LetterFate::kGone,
                fmt::format("it was cut, and Kafka does not hold the whole at {} any more", where)};
  }
  const bool whole_of = is_whole_of(*original_, letter, whole);
  whole.key = original_->key;
  whole.value = original_->value;
  if (whole_of && !differs()) return std::nullopt;
  return Left{LetterFate::kGone,
              fmt::format("it was cut, and another record stands at {} now", where)};
}

std::optional<LetterWriter::Left> LetterWriter::use_action(const Letter& letter, Bulk& bulk,
                                                           BulkItem& item) const {
  if (!is_id_of(letter.id, document_.plain_id())) {
    bulk.withdraw(item);
    return Left{LetterFate::kDamaged,
                fmt::format("its header longshore.action has the id {}, and its record is {}",
                            letter.id, document_.plain_id())};
  }
  bulk.set_action(item, fmt::format("{{\"create\":{{\"_index\":\"{}\",\"_id\":\"{}\"}}}}\n",
                                    letter.index, letter.id));
  return std::nullopt;
}

}  // namespace longshore::search
