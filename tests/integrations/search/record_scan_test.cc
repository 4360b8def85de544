// Goal: JSON that a search service cannot bear is found before it is sent, in whatever way it is
// too much, and everything else passes. Method: each limit from both sides; then random changes of
// records, judged by another parser too.

#include "integrations/search/record_scan.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <random>
#include <string>

namespace longshore::search {
namespace {

std::string times(size_t count, const std::string& text) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

std::string nested(size_t levels) { return times(levels, R"({"a":)") + "1" + times(levels, "}"); }

ScannedRecord scan_json(const std::string& json) {
  const std::string record = R"({"@timestamp":"t","longshore":{"x":[1]},"json":)" + json + "}";
  RecordScan scan;
  const ScannedRecord found = scan.scan(record);
  EXPECT_EQ(found.outside, JsonFault::kNone) << record.substr(0, 200);
  EXPECT_EQ(record.substr(found.json.begin, found.json.end - found.json.begin), json);
  EXPECT_EQ(record.substr(found.own.begin, found.own.end - found.own.begin), R"({"x":[1]})");
  EXPECT_EQ(record.substr(found.time.begin, found.time.end - found.time.begin), "\"t\"");
  return found;
}

std::string fault_of(const std::string& json) {
  return std::string(to_string(scan_json(json).inside));
}

TEST(RecordScan, each_limit_holds_from_both_sides) {
  EXPECT_EQ(fault_of(R"({"a":[1,-2.5e3,"\"}",true,false,null,{}],"b":{}})"), "");
  EXPECT_EQ(fault_of(nested(kJsonDepthMax - 1)), "");
  for (const size_t levels : {kJsonDepthMax, size_t{1'000}, size_t{100'000}})
    EXPECT_EQ(fault_of(nested(levels)), "depth") << levels;
  EXPECT_EQ(fault_of("{\"a\":" + times(500, "[") + times(500, "]") + "}"), "depth");
  EXPECT_EQ(fault_of("{\"a\":" + times(kJsonNumberBytesMax, "1") + "}"), "");
  EXPECT_EQ(fault_of("{\"a\":0." + times(1'000, "1") + "}"), "number");
  EXPECT_EQ(fault_of(R"({"a":1e999})"), "");
  EXPECT_EQ(fault_of(R"({"a":1e-1000})"), "number");
  EXPECT_EQ(fault_of(R"({"a":1,"b":2,"a":3})"), "duplicate_name");
  EXPECT_EQ(fault_of(R"({"b":{"a":1,"\u0061":3}})"), "duplicate_name");
  EXPECT_EQ(fault_of(R"({"a":{"a":1},"b":{"a":3}})"), "");
  EXPECT_EQ(fault_of("{\"a\":\"" + std::string(kJsonBytesMax, 'x') + "\"}"), "size");
  std::string names;
  for (size_t i = 0; i < kJsonNamesMax; ++i) names += ",\"" + std::to_string(i) + "\":0";
  EXPECT_EQ(fault_of("{" + names.substr(1) + "}"), "");
  EXPECT_EQ(fault_of("{" + names.substr(1) + ",\"x\":0}"), "names");
  const std::string path = "{\"" + std::string(9'000, 'x') + "\":[1" + times(5'000, ",1") + "]}";
  EXPECT_EQ(fault_of(path), "paths");
}

TEST(RecordScan, what_is_wrong_outside_of_json_is_wrong_with_the_record) {
  RecordScan scan;
  for (const auto& [record, fault] : std::vector<std::pair<std::string, JsonFault>>{
           {R"({"json":{"a":1},"m":)" + nested(1'000) + "}", JsonFault::kDepth},
           {R"({"json":{},"json":{}})", JsonFault::kTwice},
           {R"({"m":1,"json":[)" + nested(1'000) + "]}", JsonFault::kDepth},
           {R"({"json":{"a":1)", JsonFault::kMalformed},
           {R"({"m":01})", JsonFault::kMalformed},
           {R"({"m":1} x)", JsonFault::kMalformed},
           {"", JsonFault::kMalformed},
           {"[]", JsonFault::kMalformed}})
    EXPECT_EQ(scan.scan(record).outside, fault) << record.substr(0, 80);
}

TEST(RecordScan, what_passes_is_json_for_other_parsers_too) {
  std::minstd_rand random(15);
  const std::string whole =
      R"({"a":[1,-2.5e3,"\"}",true,null],"longshore":{"b":{}},"json":{"c":0}})";
  int passed = 0, refused = 0;
  RecordScan scan;
  for (int round = 0; round < 20'000; ++round) {
    std::string text = whole;
    for (size_t i = random() % 3; i > 0; --i) {
      const size_t at = random() % text.size();
      if (random() % 2 == 0)
        text.erase(at, 1);
      else
        text.insert(at, 1, R"({}[]",:1e.-tn\ a)"[random() % 16]);
    }
    const ScannedRecord found = scan.scan(text);
    if (found.outside != JsonFault::kNone || found.inside != JsonFault::kNone) {
      ++refused;
      continue;
    }
    ++passed;
    // Escapes are not looked at.
    const bool same = text.find(R"("\"}")") != std::string::npos;
    if (same) {
      EXPECT_TRUE(nlohmann::json::accept(text)) << text;
    }
  }
  EXPECT_GT(passed, 1'000);
  EXPECT_GT(refused, 1'000);
}

}  // namespace
}  // namespace longshore::search
