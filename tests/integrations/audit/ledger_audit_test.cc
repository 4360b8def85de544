// Goal: with the ledger the audit reports for every source whether it is complete; if not, exactly
// which bytes are missing and why.
// Method: records and ledger entries written by hand, one case for each kind of entry, joined; then
// random coverage and losses compared with a model of single bytes.

#include "integrations/audit/ledger_audit.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <random>

#include "integrations/audit/topic_audit.h"

namespace longshore::audit {
namespace {

constexpr char kId[] = "00000000000000aa";

class Auditing {
 public:
  Auditing& record(uint64_t start, uint64_t end, std::string_view topic = "logs") {
    const std::string value = fmt::format(
        R"({{"message":"m","longshore":{{"source":"{}","name":"app","start":{},"end":{}}}}})", kId,
        start, end);
    EXPECT_TRUE(topics_.add(read(topic, kId, value)));
    return *this;
  }
  Auditing& raw_record() {
    EXPECT_TRUE(topics_.add(read("logs", kId, "just a line")));
    return *this;
  }
  Auditing& entry(std::string_view event, uint64_t start, uint64_t end,
                  std::string_view reason = "", std::string_view source = kId) {
    entries_.add(read("longshore-ledger", source,
                      fmt::format(R"({{"host":{{"name":"h"}},"log":{{"file":{{"path":"/l"}}}},)"
                                  R"("longshore":{{"source":"{}","name":"app","topic":"{}",)"
                                  R"("lane":3,"event":"{}","reason":"{}","detail":"why",)"
                                  R"("start":{},"end":{}}}}})",
                                  source, names_topic, event, reason, start, end)));
    return *this;
  }
  /// An entry that a container printed into the ledger's topic.
  Auditing& forged_entry(std::string_view event, uint64_t start, uint64_t end) {
    entries_.add(read("longshore-ledger", "00000000000000bb",
                      fmt::format(R"({{"host":{{"name":"h"}},"log":{{"file":{{"path":"/l"}}}},)"
                                  R"("longshore":{{"source":"{}","name":"app","topic":"logs",)"
                                  R"("lane":3,"event":"{}","start":{},"end":{}}}}})",
                                  kId, event, start, end)));
    return *this;
  }
  Auditing& refusal(uint64_t count, std::string_view reason = "limit files") {
    entries_.add(read("longshore-ledger", kId,
                      fmt::format(R"({{"host":{{"name":"h"}},"container":{{"name":"shop"}},)"
                                  R"("log":{{"file":{{"path":"/l/*.log"}}}},)"
                                  R"("longshore":{{"source":"{}","name":"app","topic":"{}",)"
                                  R"("lane":0,"event":"refused","reason":"{}","count":{},)"
                                  R"("detail":"why","start":0,"end":0}}}})",
                                  kId, names_topic, reason, count)));
    return *this;
  }
  AuditReport report() {
    AuditReport report = topics_.finish();
    entries_.join({{"logs", "other"}, ends, topics_.raw_sources()}, report);
    return report;
  }
  LedgerFindings findings() { return report().sources.at(0).ledger; }

  std::string names_topic = "logs";
  std::vector<kafka::PartitionEnds> ends = {{"logs", 0, 0, 0}};

 private:
  static kafka::ReadRecord read(std::string_view topic, std::string_view key,
                                std::string_view value) {
    return {.topic = topic, .partition = 0, .offset = 0, .key = key, .value = value};
  }
  TopicAudit topics_ = std::move(*TopicAudit::make({}));
  LedgerAudit entries_;
};

void expect_range(const NamedRange& range, uint64_t start, uint64_t end, std::string_view reason) {
  EXPECT_EQ(range.start.bytes, start);
  EXPECT_EQ(range.end.bytes, end);
  EXPECT_EQ(range.reason, reason);
}

TEST(LedgerAudit, a_source_that_ended_with_every_byte_there_is_complete) {
  Auditing audit;
  audit.entry("opened", 0, 0).record(0, 10).record(10, 30).entry("closed", 0, 20);
  EXPECT_EQ(audit.findings().verdict, Verdict::kOpen);
  audit.entry("ended", 0, 30);
  EXPECT_EQ(audit.findings().verdict, Verdict::kComplete);
  EXPECT_EQ(audit.findings().total, Position{30});
  EXPECT_TRUE(audit.report().clean());
}

TEST(LedgerAudit, an_entry_under_another_key_is_not_believed) {
  Auditing audit;
  audit.entry("opened", 0, 0).record(0, 10).forged_entry("ended", 0, 10);
  EXPECT_EQ(audit.findings().verdict, Verdict::kOpen);
  ASSERT_EQ(audit.report().notes.size(), 1u);
  EXPECT_NE(audit.report().notes[0].find("1 records of the ledger's topic are not"),
            std::string::npos);
}

TEST(LedgerAudit, a_source_that_goes_on_after_its_end_is_open_until_it_ends_again) {
  Auditing audit;
  audit.entry("opened", 0, 0).record(0, 10).entry("ended", 0, 10).record(10, 20);
  EXPECT_EQ(audit.findings().verdict, Verdict::kOpen);
  audit.entry("ended", 0, 20);
  EXPECT_EQ(audit.findings().verdict, Verdict::kComplete);
}

TEST(LedgerAudit, what_a_limit_refused_is_never_clean_and_counts_once_for_each_limit) {
  Auditing audit;
  audit.record(0, 10).refusal(100).refusal(200).refusal(1, "limit directories");
  const AuditReport report = audit.report();
  EXPECT_FALSE(report.clean());
  ASSERT_EQ(report.refusals.size(), 2u);
  EXPECT_EQ(report.refusals[1].reason, "limit files");
  EXPECT_EQ(report.refusals[1].count, 200u);
  EXPECT_NE(
      as_table(report, false).find("app of container shop, /l/*.log: refused: limit files: why\n"),
      std::string::npos);
  EXPECT_NE(as_table(report, false).find(", 2 refusals"), std::string::npos);
  EXPECT_NE(as_json(report).find(R"("count":200)"), std::string::npos);
}

TEST(LedgerAudit, bytes_missing_before_the_total_are_listed_although_nothing_follows_them) {
  Auditing audit;
  audit.entry("opened", 0, 0).record(0, 10).entry("ended", 0, 30);
  const LedgerFindings found = audit.findings();
  EXPECT_EQ(found.verdict, Verdict::kIncomplete);
  ASSERT_EQ(found.missing.size(), 1u);
  expect_range(found.missing[0], 10, 30, "");
  EXPECT_EQ(found.unexplained_bytes, 20u);
  EXPECT_FALSE(audit.report().clean());
  EXPECT_NE(as_table(audit.report(), false).find("bytes [10, 30) are not there: not in the ledger"),
            std::string::npos);
}

TEST(LedgerAudit, bytes_missing_after_the_beginning_are_listed) {
  Auditing audit;
  audit.entry("opened", 5, 5).record(10, 20);
  const LedgerFindings found = audit.findings();
  EXPECT_EQ(found.verdict, Verdict::kOpen);
  ASSERT_EQ(found.missing.size(), 1u);
  expect_range(found.missing[0], 5, 10, "");
  EXPECT_FALSE(audit.report().clean());
}

TEST(LedgerAudit, a_closed_generation_that_did_not_arrive_is_missing_from_an_open_source_too) {
  Auditing audit;
  audit.entry("opened", 0, 0).record(0, 10).entry("closed", 0, 25);
  EXPECT_EQ(audit.findings().verdict, Verdict::kOpen);
  EXPECT_EQ(audit.findings().unexplained_bytes, 15u);
}

TEST(LedgerAudit, a_gap_that_a_loss_names_has_its_reason_and_what_it_does_not_name_has_none) {
  Auditing audit;
  audit.entry("opened", 0, 0).record(0, 10).entry("lost", 15, 25, "truncated").record(30, 40);
  audit.entry("ended", 0, 40);
  const LedgerFindings found = audit.findings();
  EXPECT_EQ(found.verdict, Verdict::kIncomplete);
  ASSERT_EQ(found.missing.size(), 3u);
  expect_range(found.missing[0], 10, 15, "");
  expect_range(found.missing[1], 15, 25, "truncated");
  expect_range(found.missing[2], 25, 30, "");
  EXPECT_EQ(found.losses, 1u);
  EXPECT_EQ(found.lost_bytes, 10u);
  EXPECT_EQ(found.unexplained_bytes, 10u);
}

TEST(LedgerAudit, a_loss_alone_makes_the_audit_fail) {
  Auditing audit;
  audit.entry("opened", 0, 0).record(0, 10).entry("lost", 10, 20, "deleted").record(20, 30);
  audit.entry("ended", 0, 30);
  EXPECT_EQ(audit.findings().unexplained, 0u);
  EXPECT_FALSE(audit.report().clean());
  const std::string table = as_table(audit.report(), false);
  EXPECT_NE(table.find("bytes [10, 20) are not there: deleted"), std::string::npos) << table;
  EXPECT_NE(table.find("1 loss in the ledger (10 bytes)"), std::string::npos) << table;
}

TEST(LedgerAudit, a_loss_of_unknown_length_fails_although_the_ranges_meet) {
  Auditing audit;
  audit.entry("opened", 0, 0).record(0, 10).entry("lost", 10, 10, "generation unseen");
  audit.record(10, 20).entry("ended", 0, 20);
  const LedgerFindings found = audit.findings();
  EXPECT_EQ(found.verdict, Verdict::kIncomplete);
  ASSERT_EQ(found.missing.size(), 1u);
  expect_range(found.missing[0], 10, 10, "generation unseen");
  EXPECT_FALSE(audit.report().clean());
}

TEST(LedgerAudit, what_was_feared_lost_and_is_there_is_no_loss) {
  Auditing audit;
  audit.entry("opened", 0, 0).record(0, 10).entry("lost", 2, 8, "possibly lost");
  audit.entry("ended", 0, 10);
  EXPECT_EQ(audit.findings().verdict, Verdict::kComplete);
  EXPECT_TRUE(audit.report().clean());
}

TEST(LedgerAudit, a_doubt_is_shown_and_only_what_stands_there_twice_is_wrong) {
  Auditing audit;
  audit.entry("opened", 0, 0).record(0, 10).record(10, 20).entry("ended", 0, 20);
  audit.entry("doubt", 10, 20, "possible duplicates");
  EXPECT_TRUE(audit.report().clean());
  EXPECT_NE(as_table(audit.report(), false).find("possible duplicates: bytes [10, 20)"),
            std::string::npos);
  audit.record(10, 20);
  EXPECT_FALSE(audit.report().clean());
  EXPECT_EQ(audit.report().sources[0].counts.duplicates, 1u);
}

TEST(LedgerAudit, what_the_topic_no_longer_keeps_is_not_missing) {
  Auditing audit;
  audit.ends = {{"logs", 0, 500, 0}};
  audit.entry("opened", 0, 0).record(70, 80).record(90, 100).entry("ended", 0, 100);
  const LedgerFindings found = audit.findings();
  EXPECT_EQ(found.expired_bytes, 70u);
  EXPECT_EQ(found.unexplained_bytes, 10u);
}

TEST(LedgerAudit, what_may_still_become_readable_is_not_missing_yet) {
  Auditing audit;
  audit.ends = {{"logs", 0, 0, 7}};
  audit.entry("opened", 0, 0).record(0, 10).entry("ended", 0, 30);
  EXPECT_EQ(audit.findings().verdict, Verdict::kOpen);
  EXPECT_TRUE(audit.findings().whole());
}

TEST(LedgerAudit, a_source_whose_topic_changed_is_one_stream) {
  Auditing audit;
  audit.entry("opened", 0, 0).record(0, 10, "logs").record(10, 20, "other").record(20, 30, "logs");
  audit.entry("ended", 0, 30);
  const AuditReport report = audit.report();
  ASSERT_EQ(report.sources.size(), 2u);
  EXPECT_EQ(report.sources[1].ledger.verdict, Verdict::kComplete);
}

TEST(LedgerAudit, a_source_of_which_no_record_came_is_missing_as_a_whole) {
  Auditing audit;
  audit.entry("opened", 0, 0).entry("ended", 0, 30);
  AuditReport report = audit.report();
  ASSERT_EQ(report.unseen.size(), 1u);
  EXPECT_EQ(report.unseen[0].ledger.unexplained_bytes, 30u);
  EXPECT_FALSE(report.clean());

  Auditing empty;
  empty.entry("opened", 0, 0).entry("ended", 0, 0);
  EXPECT_EQ(empty.report().unseen[0].ledger.verdict, Verdict::kComplete);

  Auditing elsewhere;
  elsewhere.names_topic = "not audited";
  elsewhere.entry("opened", 0, 0).entry("ended", 0, 30);
  EXPECT_TRUE(elsewhere.report().clean());
  EXPECT_EQ(elsewhere.report().elsewhere, 1u);
}

TEST(LedgerAudit, records_without_ranges_leave_the_ledger_the_only_word) {
  Auditing audit;
  audit.entry("opened", 0, 0).raw_record().entry("ended", 0, 30);
  EXPECT_EQ(audit.report().unseen.at(0).ledger.verdict, Verdict::kUnknown);
  EXPECT_TRUE(audit.report().clean());
  audit.entry("lost", 5, 7, "unreadable");
  EXPECT_EQ(audit.report().unseen.at(0).ledger.verdict, Verdict::kIncomplete);
  EXPECT_FALSE(audit.report().clean());
}

TEST(LedgerAudit, what_speaks_of_a_whole_lane_is_a_problem_when_it_is_a_loss_and_else_a_note) {
  Auditing audit;
  audit.entry("doubt", 0, 0, "possible duplicates", "0000000000000000");
  EXPECT_TRUE(audit.report().clean());
  ASSERT_FALSE(audit.report().notes.empty());
  EXPECT_EQ(audit.report().notes[0], "lane 3 of h: possible duplicates: why");
  audit.entry("lost", 0, 0, "broker went back", "0000000000000000");
  EXPECT_EQ(audit.report().problems.at(0), "lane 3 of h: broker went back: why");
  EXPECT_FALSE(audit.report().clean());
}

TEST(LedgerAudit, what_is_no_entry_is_counted) {
  Auditing audit;
  audit.record(0, 10).entry("opened", 10, 5).entry("surprise", 0, 0);
  ASSERT_EQ(audit.report().notes.size(), 1u);
  EXPECT_EQ(audit.report().notes[0], "2 records of the ledger's topic are not ledger entries.");
  EXPECT_EQ(audit.findings().verdict, Verdict::kUnknown);
}

TEST(LedgerAudit, of_thousands_of_sources_only_the_wrong_ones_are_shown) {
  AuditReport report;
  for (int i = 0; i < 3000; ++i) report.sources.emplace_back().counts.records = 1;
  report.sources[1234].name = "broken";
  report.sources[1234].container = "shop";
  report.sources[1234].counts.gaps = 1;
  const std::string table = as_table(report, false);
  EXPECT_NE(table.find("broken of container shop: "), std::string::npos) << table;
  EXPECT_NE(table.find("audit: 3000 sources"), std::string::npos);
  EXPECT_LT(table.size(), 1000u) << table;
  for (SourceReport& source : report.sources) source.counts.gaps = 1;
  EXPECT_LT(as_table(report, false).size(), 20'000u);
}

TEST(LedgerAudit, random_losses_explain_as_a_model_of_single_bytes_does) {
  std::mt19937 random(20261121);
  int rounds = 0;
  for (; rounds < 2000; ++rounds) {
    Auditing audit;
    std::vector<bool> there(64, false), named(64, false);
    audit.entry("opened", 0, 0);
    for (int i = 0; i < 6; ++i) {
      const uint64_t start = random() % 60, end = start + 1 + random() % 4;
      audit.record(start, end);
      std::fill(there.begin() + static_cast<long>(start), there.begin() + static_cast<long>(end),
                true);
    }
    for (int i = 0; i < 6; ++i) {
      const uint64_t start = random() % 60, end = start + 1 + random() % 4;
      audit.entry("lost", start, end, "deleted");
      std::fill(named.begin() + static_cast<long>(start), named.begin() + static_cast<long>(end),
                true);
    }
    audit.entry("ended", 0, 64);
    uint64_t lost = 0, unexplained = 0;
    for (size_t byte = 0; byte < 64; ++byte) {
      lost += !there[byte] && named[byte];
      unexplained += !there[byte] && !named[byte];
    }
    const LedgerFindings found = audit.findings();
    ASSERT_EQ(found.lost_bytes, lost) << "round " << rounds;
    ASSERT_EQ(found.unexplained_bytes, unexplained) << "round " << rounds;
    ASSERT_EQ(found.verdict, Verdict::kIncomplete);
  }
  EXPECT_EQ(rounds, 2000);
}

}  // namespace
}  // namespace longshore::audit
