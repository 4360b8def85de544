#include "integrations/search/index_template.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "config/utf8.h"
#include "shipper/record/json_text.h"

namespace longshore::search {
namespace {

using Json = nlohmann::ordered_json;

// Above the built-in templates of Elasticsearch, which would make data streams of logs-*-*.
constexpr size_t kPriority = 200;

// The tokenizer's separators are filled in below.
constexpr std::string_view kAnalysis = R"({
"tokenizer":{"longshore_wholes":{"type":"char_group","tokenize_on_chars":["whitespace"]}},
"filter":{
"longshore_parts":{"type":"word_delimiter_graph","preserve_original":true,
"split_on_case_change":false,"split_on_numerics":false,"stem_english_possessive":false},
"longshore_query_parts":{"type":"word_delimiter_graph","preserve_original":false,
"split_on_case_change":false,"split_on_numerics":false,"stem_english_possessive":false}},
"analyzer":{
"longshore":{"type":"custom","tokenizer":"longshore_wholes",
"filter":["longshore_parts","flatten_graph","lowercase"]},
"longshore_query":{"type":"custom","tokenizer":"longshore_wholes",
"filter":["longshore_query_parts","lowercase"]}}})";

// "json" and "labels" are filled in below. A name or value that is too long is kept, and not
// indexed.
constexpr std::string_view kMappings = R"({"dynamic":false,
"properties":{
"@timestamp":{"type":"date_nanos"},
"message":{"type":"text","analyzer":"longshore","search_analyzer":"longshore_query"},
"json":{},
"log":{"properties":{"offset":{"type":"long"},
"file":{"properties":{"path":{"type":"keyword","ignore_above":4096}}}}},
"host":{"properties":{"name":{"type":"keyword","ignore_above":1024}}},
"container":{"properties":{"id":{"type":"keyword","ignore_above":1024},
"name":{"type":"keyword","ignore_above":1024},
"image":{"properties":{"name":{"type":"keyword","ignore_above":1024}}}}},
"labels":{},
"longshore":{"properties":{"source":{"type":"keyword","ignore_above":1024},
"name":{"type":"keyword","ignore_above":1024},"start":{"type":"long"},"end":{"type":"long"},
"part":{"type":"long"},"last_part":{"type":"boolean"},
"flags":{"type":"keyword","ignore_above":1024},
"json_refused":{"type":"keyword","ignore_above":1024},
"time_refused":{"type":"keyword","ignore_above":1024}}},
"kafka":{"properties":{"topic":{"type":"keyword"},"partition":{"type":"integer"},
"offset":{"type":"long"},"key":{"type":"keyword","ignore_above":1024},
"refused":{"type":"keyword"},"time_refused":{"type":"keyword"}}}}})";

// For services without a flattened type.
constexpr std::string_view kLabelsAsFields =
    R"([{"labels":{"path_match":"labels.*","mapping":{"type":"keyword","ignore_above":1024}}}])";

// The tokenizer works on UTF-16 units: a character of two units would never match.
constexpr size_t kUtf8BytesMax = 3;

void add_separators(std::string_view separators, Json& list) {
  while (!separators.empty()) {
    const size_t bytes = utf8_unit(separators).bytes;
    const std::string one(separators.substr(0, bytes));
    // The tokenizer reads a backslash as the beginning of an escape.
    list.push_back(one == "\\" ? "\\\\" : one);
    separators.remove_prefix(bytes);
  }
}

Json flat_mapping(FlatType flat) {
  switch (flat) {
    case FlatType::kFlatObject:
      return {{"type", "flat_object"}};
    case FlatType::kFlattened:
      return {{"type", "flattened"}, {"ignore_above", 8191}, {"depth_limit", 1000}};
    case FlatType::kNone:
      break;
  }
  return {{"type", "object"}, {"enabled", false}};
}

}  // namespace

Status check_separators(std::string_view separators) {
  while (!separators.empty()) {
    const Utf8Unit unit = utf8_unit(separators);
    if (!unit.valid) return Error{ErrorCode::kInvalid, "the text is not valid UTF-8."};
    if (unit.bytes > kUtf8BytesMax) {
      return Error{ErrorCode::kInvalid, fmt::format("'{}' cannot separate: only characters up to "
                                                    "U+FFFF can.",
                                                    separators.substr(0, unit.bytes))};
    }
    separators.remove_prefix(unit.bytes);
  }
  return ok();
}

std::string template_name(const IndexName& index, std::string_view topic) {
  std::string name = "longshore-" + index.wildcard(topic);
  for (char& c : name) {
    if (c == '*') c = 'x';
  }
  return name;
}

std::optional<int64_t> template_version(const TemplateOptions& options) {
  return options.own ? options.own->version : kTemplateVersion;
}

std::string template_body(const IndexName& index, std::string_view topic,
                          const TemplateOptions& options) {
  const std::string pattern = index.wildcard(topic);
  // Where the patterns of two topics overlap, as those of app and app-web do, the longer one must
  // win: servers refuse two templates of one priority.
  Json root = {{"index_patterns", Json::array({pattern})},
               {"priority", kPriority + pattern.size()}};
  if (options.own) {
    root.update(Json::parse(options.own->text));
    return shipper::json_text(root);
  }
  Json settings = Json::object();
  for (const auto& [name, value] : options.index_settings) settings[name] = value;
  Json& analysis = settings["analysis"] = Json::parse(kAnalysis);
  add_separators(options.separators,
                 analysis["tokenizer"]["longshore_wholes"]["tokenize_on_chars"]);
  Json mappings = Json::parse(kMappings);
  // Names of containers' own choice share one field: as fields of their own, "a" beside "a.b" would
  // be refused, and so many of them that the index is full.
  for (const char* name : {"json", "labels"})
    mappings["properties"][name] = flat_mapping(options.flat);
  if (options.flat == FlatType::kNone) {
    mappings["properties"]["labels"] = {{"type", "object"}, {"dynamic", true}};
    mappings["dynamic_templates"] = Json::parse(kLabelsAsFields);
  }
  for (const std::string& path : options.numbers) {
    mappings["properties"]["number"]["properties"][path] = {{"type", "double"},
                                                            {"ignore_malformed", true}};
  }
  root["version"] = kTemplateVersion;
  if (options.data_stream) root["data_stream"] = Json::object();
  root["_meta"] = {{"made_by", "longshore " LONGSHORE_VERSION}};
  root["template"] = {{"settings", std::move(settings)}, {"mappings", std::move(mappings)}};
  return shipper::json_text(root);
}

}  // namespace longshore::search
