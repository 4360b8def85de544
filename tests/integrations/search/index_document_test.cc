// Goal: the same record always becomes the same document under the same id in the same index, and
// no content of a record can be taken for another action.
// Method: records made by the encoder and by other producers; names and templates compared as text.

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "integrations/search/document.h"
#include "integrations/search/index_template.h"

namespace longshore::search {
namespace {

constexpr int64_t kNoon = 1'795'262'400'000;  // 2026-11-21T12:00:00Z

std::string own(const std::string& time, const std::string& fields, const std::string& tail) {
  return R"({"@timestamp":")" + time +
         R"(","log":{"file":{"path":"/a"},"offset":0},"host":{"name":"h"},)" +
         R"("longshore":{"source":"00000000000000ab","name":"n","start":17,"end":20)" + fields +
         "}," + tail + "}";
}

constexpr std::string_view kKey = "00000000000000ab";

class StoppedClock final : public Clock {
 public:
  int64_t wall_ns() const override { return kNoon * 1'000'000; }
  int64_t monotonic_ns() const override { return 0; }
};
const StoppedClock stopped;

kafka::ReadRecord record_of(std::string_view value, std::string_view key = kKey) {
  kafka::ReadRecord record;
  record.topic = "App";
  record.partition = 3;
  record.offset = 41;
  record.key = key;
  record.value = value;
  record.timestamp_ms = kNoon;
  return record;
}

DocumentWriter writer_of(bool store_foreign = true, int ids = 1) {
  return DocumentWriter(
      {IndexName::parse("logs-{topic}-{yyyy.MM.dd}").value(), 31, store_foreign, 366, ids},
      stopped);
}

/// The body of one record's `_bulk`, with ids of the first form.
std::string body_of(std::string_view value, std::string_view key = kKey) {
  DocumentWriter writer = writer_of();
  Bulk bulk;
  writer.add(record_of(value, key), bulk);
  EXPECT_EQ(bulk.value_of(bulk.items[0]), value);
  EXPECT_EQ(bulk.key_of(bulk.items[0]), key);
  return bulk.body;
}

TEST(Document, a_record_of_ours_is_stored_as_it_stands) {
  const std::string value = own("2026-11-20T23:59:59.5Z", "", R"("message":"m")");
  EXPECT_EQ(body_of(value),
            R"({"create":{"_index":"logs-app-2026.11.20","_id":"00000000000000ab-17"}})"
            "\n" +
                value + "\n");
}

TEST(Document, parts_of_a_line_have_ids_of_their_own) {
  const std::string value = own("2026-11-21T00:00:00Z", R"(,"part":2)", R"("message":"m")");
  EXPECT_NE(body_of(value).find(R"("_id":"00000000000000ab-17-2")"), std::string::npos);
}

TEST(Document, a_record_of_others_is_stored_under_its_place_in_kafka) {
  EXPECT_EQ(body_of("say \"hi\"\n\xff", ""),
            R"({"create":{"_index":"logs-app-2026.11.21","_id":"App+3+41"}})"
            "\n"
            R"({"@timestamp":"2026-11-21T12:00:00.000Z","message":"say \"hi\"\n)"
            "\xef\xbf\xbd"
            R"(","kafka":{"topic":"App","partition":3,"offset":41}})"
            "\n");
  EXPECT_NE(body_of("x", "a\"b").find(R"("key":"a\"b")"), std::string::npos);
}

TEST(Document, a_line_feed_inside_a_record_cannot_begin_an_action) {
  const std::string tail =
      "\"message\":\"m\"}\n{\"delete\":{\"_index\":\"x\",\"_id\":\"1\"}}\n{\"a\":1";
  const std::string body = body_of(own("2026-11-21T00:00:00Z", "", tail));
  EXPECT_EQ(std::count(body.begin(), body.end(), '\n'), 2);
  EXPECT_NE(body.find("App+3+41"), std::string::npos);
}

TEST(Document, a_large_json_object_becomes_text) {
  const std::string large = "{\"k\":\"" + std::string(kJsonBytesMax, 'v') + "\"}";
  const std::string value = own("2026-11-21T00:00:00Z", "", "\"json\":" + large);
  const std::string body = body_of(value);
  EXPECT_EQ(body.find("\"json\":"), std::string::npos);
  EXPECT_NE(body.find(R"("json_refused":"size")"), std::string::npos);
  EXPECT_NE(body.find(R"("message":"{\"k\":\"vvv)"), std::string::npos);
  simdjson::dom::parser parser;
  const std::string document = body.substr(body.find('\n') + 1);
  EXPECT_EQ(std::string_view(parser.parse(document)["message"]), large);
  const std::string small = own("2026-11-21T00:00:00Z", "", R"("json":{"k":"v"})");
  EXPECT_NE(body_of(small).find(small), std::string::npos);
}

TEST(Document, a_time_out_of_all_bounds_makes_no_index) {
  for (const std::string time : {"1970-01-01T00:00:00Z", "2262-01-01T00:00:00Z",
                                 "2026-11-23T00:00:00Z", "2026-10-20T00:00:00Z", "yesterday"}) {
    EXPECT_NE(body_of(own(time, "", R"("message":"m")")).find("logs-app-2026.11.21"),
              std::string::npos)
        << time;
  }
  EXPECT_NE(body_of(own("2026-10-22T00:00:00Z", "", R"("message":"m")")).find("2026.10.22"),
            std::string::npos);
}

TEST(Document, only_the_key_of_its_source_makes_a_record_ours) {
  const std::string value = own("2026-11-21T00:00:00Z", "", R"("message":"m")");
  for (const std::string_view key : {"", "00000000000000ac", "ab"}) {
    const std::string body = body_of(value, key);
    EXPECT_NE(body.find(R"("_id":"App+3+41")"), std::string::npos) << body;
    EXPECT_NE(body.find(R"("refused":"key"}})"), std::string::npos) << body;
  }
  EXPECT_EQ(body_of(value).find("refused"), std::string::npos);
}

TEST(Document, json_that_would_harm_the_service_becomes_text_with_the_reason) {
  std::string deep = "1";
  for (int i = 0; i < 1'000; ++i) deep = R"({"a":)" + deep + "}";
  for (const auto& [json, reason] :
       std::vector<std::pair<std::string, std::string>>{{deep, "depth"},
                                                        {R"({"a":1,"a":2})", "duplicate_name"},
                                                        {R"({"a":1e9999})", "number"}}) {
    const std::string body = body_of(own("2026-11-21T00:00:00Z", "", "\"json\":" + json));
    const std::string document = body.substr(body.find('\n') + 1);
    simdjson::dom::parser parser;
    const simdjson::dom::element root = parser.parse(document);
    EXPECT_EQ(std::string_view(root["message"]), json);
    EXPECT_EQ(std::string_view(root["longshore"]["json_refused"]), reason);
    EXPECT_EQ(uint64_t(root["longshore"]["end"]), 20u);
    EXPECT_EQ(root["json"].error(), simdjson::NO_SUCH_FIELD);
  }
  // Beside "json" nothing of ours is deep: such a record is not believed.
  const std::string around = own("2026-11-21T00:00:00Z", "", "\"message\":\"m\",\"x\":" + deep);
  EXPECT_NE(body_of(around).find(R"("refused":"depth"}})"), std::string::npos);
}

TEST(Document, numbers_that_are_asked_for_are_repeated_where_they_can_be_compared) {
  DocumentWriter writer({IndexName::parse("logs").value(),
                         31,
                         true,
                         366,
                         2,
                         {"status", "http.took", "none", "text.deeper"}},
                        stopped);
  const auto document = [&writer](const std::string& json) {
    const std::string value = own("2026-11-21T00:00:00Z", "", "\"json\":" + json);
    Bulk bulk;
    writer.add(record_of(value), bulk);
    EXPECT_EQ(bulk.value_of(bulk.items[0]), value);
    return bulk.body.substr(bulk.body.find('\n') + 1);
  };
  EXPECT_TRUE(document(R"({"text":"x","http":{"a":[1],"took":0.25},"status":500})")
                  .starts_with(R"({"number":{"status":500,"http.took":0.25},"@timestamp")"));
  for (const char* without : {R"({"status":"500"})", R"({"status":{"x":1}})", R"({"http":1})", "{}",
                              R"({"status":1e999})", R"({"status":500,"status":500})"})
    EXPECT_EQ(document(without).find("\"number\":"), std::string::npos) << without;
}

TEST(Document, a_name_with_an_escape_is_the_same_name) {
  const std::string own_field = R"(:{"source":"00000000000000ab","start":0,"end":1})";
  const auto document_of = [](const std::string& value) {
    const std::string body = body_of(value);
    return nlohmann::json::parse(body.substr(body.find('\n') + 1));
  };
  const nlohmann::json first =
      document_of(R"({"longshor\u0065")" + own_field +
                  R"(,"message":"x","@timestamp":"9999-01-01T00:00:00Z"})");
  EXPECT_EQ(first.at("longshore").at("time_refused"), "9999-01-01T00:00:00Z");
  EXPECT_EQ(first.at("@timestamp"), "2026-11-21T12:00:00.000Z");
  const nlohmann::json second = document_of(R"({"longshore")" + own_field +
                                            R"(,"message":"x","@tim\u0065stamp":"yesterday"})");
  EXPECT_EQ(second.at("longshore").at("time_refused"), "yesterday");
  EXPECT_EQ(second.at("@timestamp"), "2026-11-21T12:00:00.000Z");
  const nlohmann::json third =
      document_of(R"({"longshore")" + own_field + R"(,"js\u006fn":{"a":1,"a":2}})");
  EXPECT_EQ(third.at("message"), R"({"a":1,"a":2})");
  EXPECT_EQ(third.at("longshore").at("json_refused"), "duplicate_name");
}

TEST(Document, what_is_put_before_a_record_does_not_overlap_its_first_field) {
  const std::string body = body_of(
      R"({"json":{"a":1,"a":2},"longshore":{"source":"00000000000000ab","start":0,"end":1}})");
  EXPECT_EQ(body.substr(body.find('\n') + 1),
            R"({"@timestamp":"2026-11-21T12:00:00.000Z","message":"{\"a\":1,\"a\":2}",)"
            R"("longshore":{"source":"00000000000000ab","start":0,"end":1,)"
            R"("json_refused":"duplicate_name"}})"
            "\n");
}

/// A record's text of random fields, most of which make it ours.
class RandomRecord {
 public:
  explicit RandomRecord(unsigned seed) : random_(seed) {}

  std::string next() {
    std::vector<std::string> fields = {
        name("longshore") +
        object({name("source") + R"("00000000000000ab")", name("start") + "0", name("end") + "1"})};
    if (!one_of(20)) fields.push_back(one_of(2) ? name("message") + R"("x\"y")" : json());
    if (!one_of(3))
      fields.push_back(
          name("@timestamp") +
          pick({R"("2026-11-21T00:00:00Z")", R"("9999-01-01T00:00:00Z")",
                R"("1969-01-01T00:00:00Z")", R"("yes\u0074erday")", R"("")", "1", "{}", "null"}));
    if (one_of(4)) fields.push_back(name("host") + pick({"{}", R"({"name":"h"})", "[]", "1"}));
    if (one_of(4)) fields.push_back(name("x") + pick({"{}", "[[],{}]", "1e999", R"("\u00e9\\")"}));
    if (one_of(10)) fields.push_back(fields[random_() % fields.size()]);
    if (one_of(10)) fields.push_back(json());
    std::string value = object(fields);
    if (one_of(3)) {
      const std::string any = "{}[]\",:\\ \n\tu0e1\xff";
      for (int changes = static_cast<int>(random_() % 3); changes >= 0; --changes) {
        const size_t at = random_() % value.size();
        const char c = any[random_() % any.size()];
        if (one_of(2))
          value[at] = c;
        else if (one_of(2))
          value.insert(at, 1, c);
        else if (value.size() > 1)
          value.erase(at, 1 + random_() % 3);
      }
    }
    return value;
  }

 private:
  bool one_of(unsigned count) { return random_() % count == 0; }
  std::string pick(const std::vector<std::string>& from) { return from[random_() % from.size()]; }
  std::string blank() { return one_of(8) ? pick({" ", "\t", "  ", "\r"}) : ""; }

  std::string name(std::string text) {
    if (one_of(8)) {
      const size_t at = random_() % text.size();
      text.replace(at, 1, fmt::format("\\u{:04x}", static_cast<unsigned>(text[at])));
    }
    return blank() + '"' + text + '"' + blank() + ":" + blank();
  }

  std::string object(std::vector<std::string> fields) {
    std::shuffle(fields.begin(), fields.end(), random_);
    std::string text = "{" + blank();
    for (const std::string& field : fields) text += (&field == &fields[0] ? "" : ",") + field;
    return text + blank() + "}";
  }

  std::string json() {
    return name("json") +
           pick({"{}", R"({"a":1})", R"({"a":1,"a":2})", R"({"a":1,"\u0061":2})", R"({"a":1e9999})",
                 "{ }", R"({"a":{"b":-0.5}})", "[]", "1", R"({"a":tru})", R"({"a":1} )"});
  }

  std::minstd_rand random_;
};

TEST(Document, whatever_a_record_holds_the_document_is_one_line_of_json) {
  DocumentWriter writer({IndexName::parse("logs").value(), 31, true, 366, 2, {"a", "a.b", "x"}},
                        stopped);
  int ours = 0, edited = 0;
  for (unsigned seed = 1; seed <= 20; ++seed) {
    RandomRecord records(seed);
    for (int i = 0; i < 2'000; ++i) {
      const std::string value = records.next();
      Bulk bulk;
      ASSERT_NO_THROW(writer.add(record_of(value), bulk)) << value;
      ASSERT_EQ(bulk.value_of(bulk.items[0]), value);
      ASSERT_EQ(std::count(bulk.body.begin(), bulk.body.end(), '\n'), 2) << bulk.body;
      const std::string document = bulk.body.substr(bulk.body.find('\n') + 1);
      const bool is_ours = bulk.body.find("_id\":\"00000000000000ab-") != std::string::npos;
      // What stands in strings of ours is the service's to judge.
      if (!is_ours || nlohmann::json::accept(value)) {
        ASSERT_TRUE(nlohmann::json::accept(document)) << value << "\n" << document;
      }
      ours += is_ours ? 1 : 0;
      edited += is_ours && !bulk.items[0].value_in_body ? 1 : 0;
    }
  }
  EXPECT_GT(ours, 10'000);
  EXPECT_GT(edited, 5'000);
}

TEST(Document, a_time_of_its_own_that_no_service_can_store_is_named) {
  const std::string body = body_of(own("9999-01-01T00:00:00Z", "", R"("message":"m")"));
  EXPECT_NE(body.find(R"({"@timestamp":"2026-11-21T12:00:00.000Z","log")"), std::string::npos);
  EXPECT_NE(body.find(R"("end":20,"time_refused":"9999-01-01T00:00:00Z"},"message")"),
            std::string::npos)
      << body;
}

TEST(Document, nonsense_times_in_kafka_share_one_index) {
  const auto with_time = [](int64_t ms, std::string_view value = "x") {
    kafka::ReadRecord record = record_of(value);
    record.timestamp_ms = ms;
    DocumentWriter writer = writer_of();
    Bulk bulk;
    writer.add(record, bulk);
    return bulk.body;
  };
  const auto holds = [](const std::string& body, const std::string& index, const std::string& time,
                        const std::string& refused) {
    EXPECT_NE(body.find("logs-app-" + index + "\""), std::string::npos) << body;
    EXPECT_NE(body.find(R"("@timestamp":")" + time), std::string::npos) << body;
    EXPECT_EQ(body.find("time_refused") != std::string::npos, !refused.empty()) << body;
    EXPECT_NE(body.find(refused), std::string::npos) << body;
  };
  holds(with_time(kNoon), "2026.11.21", "2026-11-21T12", "");
  holds(with_time(kNoon * 1'000), "2026.11.21", "2026-11-21T12",
        R"("time_refused":"1795262400000000")");
  holds(with_time(kNoon * 1'000'000), "2026.11.21", "2026-11-21T12",
        R"("time_refused":"1795262400000000000")");
  for (const int64_t ms : {INT64_MAX, INT64_MIN, int64_t{-2}, int64_t{8'000'000'000'000}})
    holds(with_time(ms), "1970.01.01", "1970-01-01T00", std::to_string(ms));
  holds(with_time(-1), "1970.01.01", "1970-01-01T00", "");
  // Old, or ahead of the clock, and possible: only the day of the index is bounded.
  holds(with_time(kNoon - 367LL * 86'400'000), "1970.01.01", "2025-11-19", "");
  holds(with_time(kNoon - 365LL * 86'400'000), "2025.11.21", "2025-11-21", "");
  holds(with_time(kNoon + 3LL * 86'400'000), "1970.01.01", "2026-11-24", "");
  // What Kafka does not tell, the line itself may.
  holds(with_time(-1, own("2026-11-20T00:00:00Z", "", R"("message":"m")")), "2026.11.20",
        "2026-11-20", "");
}

TEST(Document, an_id_tells_apart_what_begins_at_the_same_place_again) {
  const auto id_of = [](kafka::ReadRecord record, const char* cluster = "c1") {
    DocumentWriter writer = writer_of(true, 2);
    writer.set_cluster(cluster);
    Bulk bulk;
    writer.add(record, bulk);
    const size_t at = bulk.body.find("\"_id\":\"") + 7;
    return bulk.body.substr(at, bulk.body.find('"', at) - at);
  };
  const kafka::ReadRecord plain = record_of("line", "k");
  EXPECT_EQ(id_of(plain), id_of(plain));
  EXPECT_TRUE(id_of(plain).starts_with("App+3+41.")) << id_of(plain);
  EXPECT_NE(id_of(plain), id_of(plain, "c2"));
  EXPECT_NE(id_of(plain), id_of(record_of("other", "k")));
  EXPECT_NE(id_of(plain), id_of(record_of("line", "l")));
  kafka::ReadRecord anew = plain;
  anew.timestamp_ms += 1;
  EXPECT_NE(id_of(plain), id_of(anew));
  // A line that was shipped twice, a moment later and to another offset, is one document.
  const auto line = [](const char* time, const char* text) {
    return own(time, "", std::string("\"message\":\"") + text + "\"");
  };
  const std::string first = line("2026-11-21T00:00:00Z", "m"),
                    again = line("2026-11-21T00:00:01Z", "m"),
                    other = line("2026-11-21T00:00:00Z", "n"),
                    later = line("2026-11-20T00:00:00Z", "m");
  kafka::ReadRecord repeated = record_of(again);
  repeated.offset += 1;
  EXPECT_EQ(id_of(record_of(first)), id_of(repeated));
  EXPECT_NE(id_of(record_of(first)), id_of(record_of(other)));
  EXPECT_NE(id_of(record_of(first)), id_of(record_of(later)));
}

TEST(Document, foreign_records_can_be_put_aside_unsent) {
  DocumentWriter writer = writer_of(false);
  Bulk bulk;
  writer.add(record_of("plain"), bulk);
  EXPECT_EQ(bulk.body, "");
  ASSERT_EQ(bulk.rejections.size(), 1u);
  EXPECT_EQ(bulk.value_of(bulk.items[bulk.rejections[0].item]), "plain");
  EXPECT_EQ(bulk.next_offsets().at({"App", 3}), 42);
}

TEST(IndexName, patterns_are_checked_before_a_server_sees_them) {
  const auto render = [](std::string_view pattern) {
    return IndexName::parse(pattern).value().render("A.b_c", day_of_ms(kNoon));
  };
  EXPECT_EQ(render("logs-{topic}-{yyyy.MM.dd}"), "logs-a.b_c-2026.11.21");
  EXPECT_EQ(render("x{yyyy-MM}"), "x2026-11");
  EXPECT_EQ(render("{topic}"), "a.b_c");
  EXPECT_EQ(IndexName::parse("l-{topic}-{yyyy.MM.dd}").value().wildcard("T"), "l-t-*.*.*");
  for (const std::string wrong : {"", "Logs", "-x", "_x", ".x", "a b", "a/b", "a{", "{}",
                                  "{topics}", "{...}", "{yyyyMMddHH}", "a#b", "a:b", "ü"})
    EXPECT_FALSE(IndexName::parse(wrong)) << wrong;
  const IndexName name = IndexName::parse("logs-{topic}").value();
  EXPECT_FALSE(name.check(std::string(251, 't')));
  EXPECT_TRUE(name.check(std::string(249, 't')));
  EXPECT_FALSE(IndexName::parse("{topic}").value().check("_internal"));
}

TEST(IndexDocument, a_day_that_is_not_kept_is_left_out_and_the_unknown_one_is_not) {
  DocumentOptions options{IndexName::parse("l-{topic}-{yyyy.MM.dd}").value()};
  options.keep_days = 30;
  DocumentWriter writer(options, stopped);
  const auto add = [&](const std::string& value, int64_t kafka_ms) {
    Bulk bulk;
    kafka::ReadRecord record = record_of(value);
    record.timestamp_ms = kafka_ms;
    writer.add(record, bulk);
    EXPECT_EQ(bulk.items.size(), 1u);
    EXPECT_TRUE(bulk.rejections.empty());
    return bulk.body.substr(0, bulk.body.find(','));
  };
  constexpr int64_t kDay = 86'400'000;
  EXPECT_NE(add("plain", kNoon - 30 * kDay).find("l-app-2026.10.22"), std::string::npos);
  EXPECT_EQ(add("plain", kNoon - 31 * kDay), "");
  EXPECT_EQ(add(own("2026-10-21T23:59:59Z", "", R"("message":"m")"), kNoon - 30 * kDay), "");
  EXPECT_EQ(writer.expired(), 2u);
  EXPECT_NE(add("plain", -1).find("l-app-1970.01.01"), std::string::npos);
  EXPECT_NE(add("plain", kNoon - 400 * kDay).find("l-app-1970.01.01"), std::string::npos);
  EXPECT_EQ(writer.expired(), 2u);
}

TEST(IndexDocument, an_index_of_a_month_takes_records_until_its_last_day_is_not_kept) {
  DocumentOptions options{IndexName::parse("l-{topic}-{yyyy.MM}").value()};
  options.keep_days = 30;
  DocumentWriter writer(options, stopped);  // On 2026-11-21: kept from 2026-10-22 on.
  constexpr int64_t kDay = 86'400'000;
  for (const auto& [ago, is_kept] : {std::pair(51, true), {52, false}}) {
    Bulk bulk;
    kafka::ReadRecord record = record_of("plain");
    record.timestamp_ms = kNoon - ago * kDay;
    writer.add(record, bulk);
    EXPECT_EQ(!bulk.body.empty(), is_kept) << ago;
  }
  EXPECT_EQ(writer.expired(), 1u);
}

TEST(IndexTemplate, it_is_json_whatever_separates) {
  const IndexName index = IndexName::parse("logs-{topic}-{yyyy.MM.dd}").value();
  EXPECT_EQ(template_name(index, "app"), "longshore-logs-app-x.x.x");
  simdjson::dom::parser parser;
  for (const FlatType flat : {FlatType::kFlatObject, FlatType::kFlattened, FlatType::kNone}) {
    TemplateOptions options{"\"\\|，d-🚢", {{"index.number_of_replicas", "0"}}, flat};
    const std::string body = template_body(index, "app", options);
    simdjson::dom::element root;
    ASSERT_EQ(parser.parse(body).get(root), simdjson::SUCCESS) << body;
    EXPECT_EQ(root.at_pointer("/index_patterns/0").get_string().value(), "logs-app-*.*.*");
    const std::string_view pattern =
        root.at_pointer("/template/settings/analysis/tokenizer/longshore_wholes/pattern");
    constexpr std::string_view kWanted = "\uff5b-\uff65\\\"\\\\\\|，d\\-🚢";
    EXPECT_NE(pattern.find(kWanted), std::string_view::npos) << pattern;
    EXPECT_EQ(root.at_pointer("/template/settings/index.number_of_replicas").get_string().value(),
              "0");
  }
  EXPECT_TRUE(check_separators(TemplateOptions().separators));
  EXPECT_FALSE(check_separators("\xff"));
}

TEST(IndexTemplate, overlapping_topics_differ_in_priority) {
  const IndexName index = IndexName::parse("logs-{topic}-{yyyy.MM.dd}").value();
  simdjson::dom::parser parser;
  const auto priority = [&](const char* topic) {
    return uint64_t(parser.parse(template_body(index, topic, {}))["priority"]);
  };
  EXPECT_GT(priority("app-web"), priority("app"));
}

}  // namespace
}  // namespace longshore::search
