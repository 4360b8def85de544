// Goal: a time that was written reads back unchanged, and nothing else is accepted as a time.
// Method: compare written values with gmtime(3), try texts that are almost times, and make round
// trips.

#include "config/time_text.h"

#include <gtest/gtest.h>

#include <ctime>
#include <random>

#include "tests/fakes/seed.h"

namespace longshore {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;
constexpr int64_t kTimeNs = 1'795'236'600'123'456'789;

std::string by_the_system(int64_t seconds) {
  const time_t time = seconds;
  tm parts{};
  char text[64];
  ::gmtime_r(&time, &parts);
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  return text;
}

TEST(TimeText, times_are_written_in_utc) {
  EXPECT_EQ(utc_text_of_seconds(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(utc_text_of_seconds(-1), "1969-12-31T23:59:59Z");
  EXPECT_EQ(utc_text_of_ms(kTimeNs / 1'000'000), "2026-11-21T04:50:00.123Z");
  EXPECT_EQ(utc_text_of_ms(-1), "1969-12-31T23:59:59.999Z");
  TimeText text;
  EXPECT_EQ(text.at(0), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(text.at(kTimeNs), "2026-11-21T04:50:00.123456789Z");
  EXPECT_EQ(text.at(kTimeNs + 1), "2026-11-21T04:50:00.123456790Z");
  EXPECT_EQ(text.at(-1), "1969-12-31T23:59:59.999999999Z");
}

TEST(TimeText, any_time_is_written_as_the_system_writes_it_and_read_back) {
  const auto seed = fakes::seed();
  SCOPED_TRACE(seed);
  std::mt19937_64 random(seed);
  TimeText text;
  int64_t time_ns = 0;
  for (int i = 0; i < 20'000; ++i) {
    // Some in the second of the one before.
    time_ns = i % 3 == 0 ? time_ns / kSecondNs * kSecondNs + int64_t(random() % kSecondNs)
                         : int64_t(random() % (uint64_t(230) * 365 * 86'400 * kSecondNs));
    const std::string written(text.at(time_ns));
    const std::string seconds = by_the_system(time_ns / kSecondNs);
    ASSERT_TRUE(written.starts_with(seconds)) << written << " " << seconds;
    ASSERT_EQ(utc_text_of_seconds(time_ns / kSecondNs), seconds + "Z");
    ASSERT_EQ(utc_text_of_ms(time_ns / 1'000'000), written.substr(0, 23) + "Z");
    ASSERT_EQ(parse_rfc3339(written), time_ns) << written;
    ASSERT_EQ(parse_time_ms(written), time_ns / 1'000'000) << written;
  }
}

TEST(TimeText, rfc3339_is_read_to_the_nanosecond_with_its_offset) {
  EXPECT_EQ(parse_rfc3339("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(parse_rfc3339("2026-11-21T04:50:00.123456789Z"), kTimeNs);
  EXPECT_EQ(parse_rfc3339("2026-11-21T05:50:00.5+01:00"), kTimeNs / kSecondNs * kSecondNs + 5e8);
  EXPECT_EQ(parse_rfc3339("2026-11-21T04:20:00-00:30"), kTimeNs / kSecondNs * kSecondNs);
  EXPECT_EQ(parse_rfc3339("2026-11-21T04:50:00.1234567899Z"), kTimeNs);
  EXPECT_EQ(parse_rfc3339("2024-02-29T23:59:59Z"), 1'709'251'199 * kSecondNs);
  EXPECT_EQ(parse_rfc3339("2016-12-31T23:59:60Z"), parse_rfc3339("2017-01-01T00:00:00Z"));
  EXPECT_TRUE(parse_rfc3339("2200-12-31T23:59:59Z"));
}

TEST(TimeText, what_is_no_rfc3339_is_refused) {
  for (const char* wrong : {"",
                            "Z",
                            "2026",
                            "2026-11-21",
                            "2026-13-01T00:00:00Z",
                            "2026-02-30T12:00:00Z",
                            "2026-11-21T24:00:00Z",
                            "2026-11-21T12:60:00Z",
                            "2026-11-21T12:00:61Z",
                            "2026-11-21T12:00:00",
                            "2026-11-21T12:00:00.Z",
                            "2026-11-21T12:00:00.1x2Z",
                            "2026-11-21T12:00:00.1+1",
                            "2026-11-21T12:00:00+0100",
                            "2026-11-21 12:00:00Z",
                            "2026/11/21T12:00:00Z",
                            "2026-11-21T12.00.00Z",
                            "x026-11-21T12:00:00Z",
                            "2026-11-21T12:00:00ZZ",
                            "1969-12-31T23:59:59Z",
                            "2201-01-01T00:00:00Z"})
    EXPECT_FALSE(parse_rfc3339(wrong)) << wrong;
}

TEST(TimeText, a_typed_time_may_stop_early_and_may_leave_its_offset_out) {
  constexpr int64_t kTwoMs = 1'795'269'600'000;
  EXPECT_EQ(parse_time_ms("1970-01-01"), 0);
  for (const char* right :
       {"2026-11-21T14", "2026-11-21 14:00", "2026-11-21T14:00:00", "2026-11-21T14:00Z",
        "2026-11-21 14:00:00.0", "2026-11-21T14:00:00z", "2026-11-21T15:00+01:00",
        "2026-11-21T15+01", "2026-11-21T13:30:00-00:30"})
    EXPECT_EQ(parse_time_ms(right), kTwoMs) << right;
  EXPECT_EQ(parse_time_ms("2026-11-21T24:00"), parse_time_ms("2026-11-22"));
  EXPECT_EQ(parse_time_ms("2026-11-21T14:00:00.123456789Z"), kTwoMs + 123);
  EXPECT_EQ(parse_time_ms("9999-12-31"), 253'402'214'400'000);
  for (const char* wrong : {"", "2026", "2026-11", "2026-13-01", "2026-02-30", "2026-11-21T",
                            "2026-11-21Tx", "2026-11-21Z", "2026-11-21T1", "2026-11-21T14:00:00X",
                            "2026-11-21T14:00:00+", "2026-11-21T25", "21.11.2026"})
    EXPECT_FALSE(parse_time_ms(wrong)) << wrong;
}

}  // namespace
}  // namespace longshore
