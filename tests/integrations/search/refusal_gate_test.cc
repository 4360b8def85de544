// Goal: when a service refuses everything, nothing is put aside; when one log writes what no
// service takes, only that is. Method: bulks with chosen rejections, on a clock that stands.

#include "integrations/search/refusal_gate.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace longshore::search {
namespace {

class StepClock final : public Clock {
 public:
  int64_t wall_ns() const override { return now_ns; }
  int64_t monotonic_ns() const override { return now_ns; }
  int64_t now_ns = 0;
};

/// `items` of `topic`, of which the last `refused` were refused.
std::unique_ptr<Bulk> bulk_of(const char* topic, int items, int refused, const char* key,
                              const char* reason = "mapper_parsing_exception: no",
                              int status = 400) {
  auto bulk = std::make_unique<Bulk>();
  for (int i = 0; i < items; ++i) {
    kafka::ReadRecord record;
    record.topic = topic;
    const std::string own = std::string(key) + (*key == '*' ? std::to_string(i) : "");
    record.key = own;
    record.offset = i;
    BulkItem& item = bulk->add(record);
    bulk->body += "{}";
    item.end = bulk->body.size();
    if (i >= items - refused)
      bulk->rejections.push_back({static_cast<uint32_t>(i), status, reason + std::to_string(i)});
  }
  return bulk;
}

TEST(RefusalGate, what_is_refused_of_several_sources_waits) {
  StepClock clock;
  RefusalGate gate(clock, 5);
  const auto few = bulk_of("logs", 200, 99, "*");
  gate.hold(*few);
  EXPECT_EQ(few->rejections.size(), 99u);
  const auto many = bulk_of("logs", 200, 99, "*");
  gate.hold(*many);
  EXPECT_TRUE(many->rejections.empty());
  ASSERT_EQ(many->parked.size(), 99u);
  EXPECT_NE(many->parked[0].reason.find("198 of 400 documents"), std::string::npos);
  EXPECT_NE(many->parked[0].reason.find("--refused-within 100"), std::string::npos);
  // Other topics and other reasons are judged by themselves, and a minute is over some time.
  const auto other = bulk_of("other", 200, 99, "*");
  gate.hold(*other);
  EXPECT_EQ(other->rejections.size(), 99u);
  clock.now_ns += 90'000'000'000;
  const auto later = bulk_of("logs", 200, 99, "*");
  gate.hold(*later);
  EXPECT_EQ(later->rejections.size(), 99u);
}

TEST(RefusalGate, one_source_stops_nothing_unless_nothing_else_is_stored) {
  StepClock clock;
  RefusalGate gate(clock, 5);
  const auto one = bulk_of("logs", 2'000, 1'000, "abc");
  gate.hold(*one);
  EXPECT_EQ(one->rejections.size(), 1'000u);
  RefusalGate anew(clock, 5);
  const auto all = bulk_of("logs", 1'000, 1'000, "abc");
  anew.hold(*all);
  EXPECT_EQ(all->parked.size(), 1'000u);
}

TEST(RefusalGate, shares_below_the_limit_sizes_and_unsent_records_pass) {
  StepClock clock;
  RefusalGate gate(clock, 5);
  for (const auto& bulk : {bulk_of("a", 4'000, 200, "*"),
                           bulk_of("b", 300, 300, "*", "413: larger than the server accepts", 413),
                           bulk_of("c", 300, 300, "*", "not a longshore record", 0)}) {
    const size_t refused = bulk->rejections.size();
    gate.hold(*bulk);
    EXPECT_EQ(bulk->rejections.size(), refused);
  }
  // What --keep leaves out is no document that was stored.
  const auto backlog = bulk_of("d", 2'100, 100, "*");
  for (size_t i = 0; i < 2'000; ++i) backlog->items[i].end = backlog->items[i].action;
  gate.hold(*backlog);
  EXPECT_EQ(backlog->parked.size(), 100u);
  RefusalGate open(clock, 100);
  const auto bulk = bulk_of("a", 300, 300, "*");
  open.hold(*bulk);
  EXPECT_EQ(bulk->rejections.size(), 300u);
}

TEST(RefusalGate, what_lies_behind_a_parked_record_counts_when_it_is_read_again) {
  StepClock clock;
  RefusalGate gate(clock, 5);
  for (int tries = 0; tries < 100; ++tries) {
    const auto again = bulk_of("logs", 1'000, 0, "*");
    again->hold_behind({"logs", 0}, 9);
    gate.hold(*again);
  }
  // 1,000 were accepted, not 100,000: 100 of 1,200 are more than 5 %.
  const auto refused = bulk_of("logs", 200, 100, "*");
  gate.hold(*refused);
  EXPECT_EQ(refused->parked.size(), 100u);
}

}  // namespace
}  // namespace longshore::search
