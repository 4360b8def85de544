// Goal: a dead letter becomes the document that its record was to become, with the same id in the
// same index; no header makes anything else of it, or more work than a look.
// Method: headers and records by hand; the document of a letter compared with that of its record.

#include "integrations/search/letter.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "integrations/kafka/record_probe.h"
#include "integrations/search/letter_writer.h"
#include "tests/fakes/seed.h"

namespace longshore::search {
namespace {

constexpr int64_t kNoon = 1'795'262'400'000;  // 2026-11-21T12:00:00Z
constexpr int64_t kDayMs = 86'400'000;
constexpr std::string_view kKey = "00000000000000ab";
constexpr std::string_view kOwn =
    R"({"@timestamp":"2026-11-20T23:59:59.5Z","log":{"file":{"path":"/a"},"offset":0},)"
    R"("host":{"name":"h"},"longshore":{"source":"00000000000000ab","name":"n","start":17,)"
    R"("end":20},"message":"m"})";

class StoppedClock final : public Clock {
 public:
  explicit StoppedClock(int64_t ms) : ms_(ms) {}
  int64_t wall_ns() const override { return ms_ * 1'000'000; }
  int64_t monotonic_ns() const override { return 0; }

 private:
  const int64_t ms_;
};

/// Headers that live as long as this.
class Headers {
 public:
  Headers& set(std::string_view name, std::string value) {
    for (auto& [known, old] : all_) {
      if (known != name) continue;
      old = std::move(value);
      return *this;
    }
    return add(std::string(name), std::move(value));
  }
  Headers& add(std::string name, std::string value) {
    all_.emplace_back(std::move(name), std::move(value));
    return *this;
  }
  Headers& drop(std::string_view name) {
    std::erase_if(all_, [name](const auto& one) { return one.first == name; });
    return *this;
  }
  std::vector<kafka::Header> view() const {
    std::vector<kafka::Header> headers;
    for (const auto& [name, value] : all_) headers.push_back({name, value});
    return headers;
  }
  Result<Letter> read() const { return read_letter(view()); }

 private:
  std::vector<std::pair<std::string, std::string>> all_;
};

kafka::ReadRecord record_of(std::string_view value, std::string_view key = kKey) {
  return {.topic = "App.x",
          .partition = 3,
          .offset = 41,
          .key = key,
          .value = value,
          .timestamp_ms = kNoon};
}

DocumentOptions options_of(const char* pattern = "logs-{topic}-{yyyy.MM.dd}") {
  return {IndexName::parse(pattern).value()};
}

/// What `longshore index` makes of the record at noon.
std::string indexed(const kafka::ReadRecord& record) {
  const StoppedClock noon(kNoon);
  DocumentWriter writer(options_of(), noon);
  writer.set_cluster("cluster-1");
  Bulk bulk;
  writer.add(record, bulk);
  return bulk.body;
}

/// The headers of its letter.
Headers headers_of_letter(const kafka::ReadRecord& record) {
  const std::string body = indexed(record);
  return Headers()
      .add("longshore.reason", "mapper_parsing_exception: failed to parse")
      .add("longshore.status", "400")
      .add("longshore.topic", std::string(record.topic))
      .add("longshore.partition", std::to_string(record.partition))
      .add("longshore.offset", std::to_string(record.offset))
      .add("longshore.timestamp", std::to_string(record.timestamp_ms))
      .add("longshore.cluster", "cluster-1")
      .add("longshore.hash", fmt::format("{:016x}", kafka::mark_of(record).hash))
      .add("longshore.action", body.substr(0, body.find('\n')));
}

TEST(Letter, tells_all_that_its_headers_say) {
  const Headers headers = headers_of_letter(record_of("x"));
  const Result<Letter> letter = headers.read();
  ASSERT_TRUE(letter) << letter.error().message;
  EXPECT_EQ(letter->topic, "App.x");
  EXPECT_EQ(letter->partition, 3);
  EXPECT_EQ(letter->offset, 41);
  EXPECT_EQ(letter->kafka_ms, kNoon);
  EXPECT_EQ(letter->reason, "mapper_parsing_exception: failed to parse");
  EXPECT_EQ(letter->cluster, "cluster-1");
  EXPECT_EQ(letter->index, "logs-app.x-2026.11.21");
  EXPECT_TRUE(letter->id.starts_with("App.x+3+41."));
  EXPECT_EQ(letter->hash, kafka::mark_of(record_of("x")).hash);
  EXPECT_FALSE(letter->is_cut());
}

TEST(Letter, of_earlier_versions_and_with_others_headers_is_read) {
  Headers headers = headers_of_letter(record_of("x"));
  headers.drop("longshore.cluster").drop("longshore.hash").set("longshore.action", "");
  headers.add("traceparent", std::string(100'000, 'x')).add("traceparent", "again");
  headers.add("longshore.of-a-later-version", "?");
  const Result<Letter> letter = headers.read();
  ASSERT_TRUE(letter) << letter.error().message;
  EXPECT_TRUE(letter->cluster.empty() && letter->index.empty() && !letter->hash);
}

TEST(Letter, no_header_of_longshores_is_no_letter) {
  EXPECT_EQ(Headers().read().error().code, ErrorCode::kNotFound);
  EXPECT_EQ(Headers().add("other", "x").read().error().code, ErrorCode::kNotFound);
}

TEST(Letter, what_longshore_never_writes_is_refused_and_named) {
  const std::string quote = R"({"create":{"_index":"a"b","_id":"c"}})";
  const std::string two = R"({"create":{"_index":"a","_id":"c"}})"
                          "\n"
                          R"({"delete":{}})"
                          R"("}})";
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"topic", ""},
      {"topic", "a/b"},
      {"topic", std::string(250, 'a')},
      {"topic", "a\nb"},
      {"topic", ".."},
      {"topic", std::string("a\0b", 3)},
      {"partition", "-1"},
      {"partition", "x"},
      {"partition", "2147483648"},
      {"partition", " 1"},
      {"offset", "-1"},
      {"offset", "1e3"},
      {"offset", ""},
      {"offset", "9223372036854775808"},
      {"timestamp", "now"},
      {"timestamp", std::string(3'000, '1')},
      {"hash", "12"},
      {"hash", "000000000000000g"},
      {"cluster", "a b"},
      {"cluster", std::string(300, 'c')},
      {"action", "{}"},
      {"action", quote},
      {"action", two},
      {"action", R"({"delete":{"_index":"a","_id":"b"}})"},
      {"action", R"({"create":{"_index":"","_id":"b"}})"},
      {"action", R"({"create":{"_index":"a","_id":")" + std::string(600, 'i') + R"("}})"},
      {"cut", "0"},
      {"cut", "-5"},
      {"key_cut", "0"},
      {"key_cut", "99999999999999999999"}};
  for (const auto& [name, value] : rows) {
    Headers headers = headers_of_letter(record_of("x"));
    const Result<Letter> letter = headers.set("longshore." + name, value).read();
    ASSERT_FALSE(letter) << name << ": " << value;
    EXPECT_EQ(letter.error().code, ErrorCode::kCorrupt);
    EXPECT_NE(letter.error().message.find("longshore." + name), std::string::npos)
        << letter.error().message;
    EXPECT_LT(letter.error().message.size(), 200u);
  }
  for (const char* name : {"reason", "topic", "partition", "offset", "timestamp"}) {
    const std::string full = std::string("longshore.") + name;
    const Result<Letter> none = headers_of_letter(record_of("x")).drop(full).read();
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().message, "its header " + full + " is missing");
    const Result<Letter> twice = headers_of_letter(record_of("x")).add(full, "1").read();
    ASSERT_FALSE(twice);
    EXPECT_EQ(twice.error().message, "its header " + full + " is there twice");
  }
  Headers many = headers_of_letter(record_of("x"));
  for (size_t i = 0; i < kLetterHeadersMax; ++i) many.add("h" + std::to_string(i), "");
  EXPECT_EQ(many.read().error().code, ErrorCode::kCorrupt);
}

TEST(Letter, any_bytes_are_refused_or_read) {
  std::mt19937_64 random(fakes::seed());
  const std::vector<std::string> names = {"reason",  "topic", "partition", "offset", "timestamp",
                                          "cluster", "hash",  "action",    "cut",    "key_cut"};
  int read = 0, refused = 0;
  for (int i = 0; i < 20'000; ++i) {
    Headers headers = headers_of_letter(record_of("x"));
    std::string value(random() % 40, '\0');
    for (char& c : value) c = static_cast<char>(random());
    headers.set("longshore." + names[random() % names.size()], value);
    const Result<Letter> letter = headers.read();
    read += letter ? 1 : 0;
    refused += letter ? 0 : 1;
    if (!letter) continue;
    for (const char c : letter->reason) EXPECT_TRUE(c != '\n' && c != '\x1b');
  }
  EXPECT_GT(read, 100);
  EXPECT_GT(refused, 100);
}

/// A writer a year later, with Kafka's `original`.
class Replaying {
 public:
  std::optional<kafka::RecordCopy> original;
  bool silent = false;  ///< Kafka does not answer.
  int reads = 0;
  ReplayReport report{"dead"};
  Bulk bulk;

  explicit Replaying(DocumentOptions options = options_of(), LetterFilter filter = {})
      : writer_(std::move(options), std::move(filter),
                {[this](const kafka::ReadRecord&) { return headers_.view(); },
                 [this](const kafka::PartitionKey& key,
                        int64_t offset) -> Result<std::optional<kafka::RecordCopy>> {
                   reads += key == kafka::PartitionKey{"App.x", 3} && offset == 41 ? 1 : 0;
                   if (silent) return Error{ErrorCode::kRetryable, "Kafka is away"};
                   return original;
                 }},
                later_, report) {
    writer_.set_cluster("cluster-2");
  }

  /// What is sent for the letter with these headers.
  std::string body_of(const Headers& headers, std::string_view value, std::string_view key = kKey,
                      int64_t at = 7) {
    headers_ = headers;
    const size_t from = bulk.body.size();
    writer_.add({.topic = "dead",
                 .partition = 0,
                 .offset = at,
                 .key = key,
                 .value = value,
                 .timestamp_ms = kNoon + 60'000},
                bulk);
    const BulkItem& item = bulk.items.back();
    EXPECT_EQ(bulk.topic_of(item), "dead");
    EXPECT_EQ(item.offset, at);
    EXPECT_EQ(item.end, bulk.body.size());
    EXPECT_EQ(bulk.body.substr(from), bulk.body.substr(item.action));
    return bulk.body.substr(from);
  }

 private:
  const StoppedClock later_{kNoon + 400 * kDayMs};
  Headers headers_;
  LetterWriter writer_;
};

TEST(LetterWriter, makes_the_document_that_the_record_was_to_become) {
  const std::string number_time =
      R"({"@timestamp":"9999-01-01T00:00:00Z",)" + std::string(kOwn.substr(kOwn.find("\"log\"")));
  for (const auto& [value, key] :
       std::vector<std::pair<std::string, std::string>>{{std::string(kOwn), std::string(kKey)},
                                                        {std::string(kOwn), "another"},
                                                        {number_time, std::string(kKey)},
                                                        {"text\nof \"others\"\xff", ""},
                                                        {"", "key"}}) {
    const kafka::ReadRecord record = record_of(value, key);
    Headers headers = headers_of_letter(record);
    EXPECT_EQ(Replaying().body_of(headers, value, key), indexed(record));
    // Without an action too, a year later.
    headers.drop("longshore.action");
    EXPECT_EQ(Replaying().body_of(headers, value, key), indexed(record));
  }
  // The action's index counts, if --index may have given it on any day.
  Headers old = headers_of_letter(record_of(kOwn));
  old.set("longshore.action",
          R"({"create":{"_index":"logs-app.x-1970.01.01","_id":"00000000000000ab-17"}})");
  EXPECT_TRUE(Replaying().body_of(old, kOwn).starts_with(
      R"({"create":{"_index":"logs-app.x-1970.01.01","_id":"00000000000000ab-17"}})"
      "\n"));
}

TEST(LetterWriter, sends_nothing_for_what_is_no_letter_of_this_record) {
  const kafka::ReadRecord record = record_of(kOwn);
  const auto left = [&](const Headers& headers, LetterFate fate, std::string_view value) {
    Replaying replaying;
    EXPECT_EQ(replaying.body_of(headers, value), "");
    EXPECT_EQ(replaying.report.count(fate), 1u);
    // Only what another replay can store holds back what is committed.
    EXPECT_EQ(replaying.report.held({"dead", 0}, 9), fate == LetterFate::kWaiting ? 7 : 9);
    EXPECT_TRUE(replaying.bulk.rejections.empty());
    EXPECT_EQ(replaying.bulk.next_offsets().at({"dead", 0}), 8);
  };
  left(Headers(), LetterFate::kNoLetter, kOwn);
  left(headers_of_letter(record).drop("longshore.offset"), LetterFate::kDamaged, kOwn);
  left(headers_of_letter(record), LetterFate::kDamaged, "another value");
  const auto action = [&](const std::string& index, const std::string& id) {
    return headers_of_letter(record).set(
        "longshore.action", R"({"create":{"_index":")" + index + R"(","_id":")" + id + R"("}})");
  };
  left(action("logs-app.x-2026.11.21", "00000000000000ab-18"), LetterFate::kDamaged, kOwn);
  left(action("logs-app.x-2026.11.21", "00000000000000ab-17.0"), LetterFate::kDamaged, kOwn);
  left(action("logs-app.x-2026.11.21", "00000000000000ab-17-4.01234567"), LetterFate::kDamaged,
       kOwn);
  left(action("secrets", "00000000000000ab-17"), LetterFate::kWaiting, kOwn);
  left(action("logs-app.x-2026.11.2x", "00000000000000ab-17"), LetterFate::kWaiting, kOwn);
  left(action("logs-app.x-2026.11.211", "00000000000000ab-17"), LetterFate::kWaiting, kOwn);
}

TEST(LetterWriter, a_cut_letter_is_replayed_with_the_whole_record_or_named) {
  const kafka::ReadRecord record = record_of(kOwn);
  Headers cut = headers_of_letter(record);
  cut.set("longshore.cut", std::to_string(kOwn.size() - 10));
  const std::string_view part = kOwn.substr(0, 10);
  const kafka::RecordCopy whole{std::string(kKey), std::string(kOwn), kNoon};
  Replaying there;
  there.original = whole;
  EXPECT_EQ(there.body_of(cut, part), indexed(record));
  EXPECT_EQ(there.reads, 1);
  // Without key and action.
  Headers bare = cut;
  bare.drop("longshore.action").set("longshore.cut", std::to_string(kOwn.size()));
  bare.set("longshore.key_cut", std::to_string(kKey.size()));
  EXPECT_EQ(there.body_of(bare, "", "", 8), indexed(record));
  for (const bool known : {true, false}) {  // Earlier versions wrote no hash.
    if (!known) cut.drop("longshore.hash");
    std::vector<std::optional<kafka::RecordCopy>> others(known ? 5 : 4, whole);
    others[0].reset();
    others[1]->timestamp_ms += 1;
    others[2]->value += "x";
    others[3]->key = "k";
    if (known) others[4]->value.back() = 'x';
    for (const auto& other : others) {
      Replaying gone;
      gone.original = other;
      EXPECT_EQ(gone.body_of(cut, part), "");
      EXPECT_EQ(gone.report.count(LetterFate::kGone), 1u);
      EXPECT_EQ(gone.report.held({"dead", 0}, 9), 9);
    }
  }
  Replaying silent;
  silent.silent = true;
  EXPECT_EQ(silent.body_of(cut, part), "");
  EXPECT_EQ(silent.report.count(LetterFate::kWaiting), 1u);
  EXPECT_EQ(silent.report.held({"dead", 0}, 9), 7);
}

TEST(LetterWriter, filters_leave_letters_to_another_replay_and_each_counts_once) {
  const kafka::ReadRecord record = record_of(kOwn);
  const Headers headers = headers_of_letter(record);
  Replaying other(options_of(), {{"App"}, ""}), reason(options_of(), {{}, "no such"});
  for (Replaying* replaying : {&other, &reason}) {
    EXPECT_EQ(replaying->body_of(headers, kOwn), "");
    EXPECT_EQ(replaying->report.count(LetterFate::kFiltered), 1u);
    EXPECT_EQ(replaying->report.held({"dead", 0}, 9), 7);
    EXPECT_EQ(replaying->report.letters(), 0u);
  }
  Replaying wanted(options_of(), {{"x", "App.x"}, "mapper_"});
  EXPECT_EQ(wanted.body_of(headers, kOwn), indexed(record));
  EXPECT_EQ(wanted.body_of(headers, kOwn), indexed(record));  // Its partition was parked.
  EXPECT_EQ(wanted.report.letters(), 1u);
  EXPECT_EQ(
      wanted.report.lines(),
      std::vector<std::string>{"        1  App.x  mapper_parsing_exception: failed to parse"});
}

}  // namespace
}  // namespace longshore::search
