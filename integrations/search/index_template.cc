#include "integrations/search/index_template.h"

#include <fmt/format.h>

#include <cctype>
#include <nlohmann/json.hpp>

#include "config/utf8.h"
#include "shipper/record/json_text.h"

namespace longshore::search {
namespace {

using Json = nlohmann::ordered_json;

// Above the built-in templates of Elasticsearch, which would make data streams of logs-*-*.
constexpr size_t kPriority = 200;

// The tokenizer's pattern is filled in below. Parts of a name in camel case stand at the place of
// the name: a phrase with the whole name is found as before. No expression may go back over what it
// matched: a token has up to 255 characters.
constexpr std::string_view kAnalysis = R"json({
"char_filter":{"longshore_colours":{"type":"pattern_replace",
"pattern":"\u001b\\[[0-9;:?]*+[@-~]","replacement":""}},
"tokenizer":{"longshore_wholes":{"type":"simple_pattern"}},
"filter":{
"longshore_names":{"type":"pattern_capture","preserve_original":true,
"patterns":["\\G([A-Z]?[a-z0-9]++|[A-Z]+(?![a-z])[0-9]*+)(?=[A-Za-z0-9]*+$)"]},
"longshore_parts":{"type":"word_delimiter_graph","preserve_original":true,
"split_on_case_change":false,"split_on_numerics":false,"stem_english_possessive":false},
"longshore_query_parts":{"type":"word_delimiter_graph","preserve_original":false,
"split_on_case_change":false,"split_on_numerics":false,"stem_english_possessive":false}},
"analyzer":{
"longshore":{"type":"custom","char_filter":["longshore_colours"],"tokenizer":"longshore_wholes",
"filter":["longshore_parts","flatten_graph","longshore_names","lowercase"]},
"longshore_query":{"type":"custom","char_filter":["longshore_colours"],
"tokenizer":"longshore_wholes","filter":["longshore_query_parts","lowercase"]}}})json";

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

// Java's Character.isWhitespace(), then the punctuation of Chinese and Japanese, as members of a
// character class.
constexpr std::string_view kEnds =
    "\t\n\v\f\r \x1c-\x1f\u1680\u2000-\u2006\u2008-\u200a\u2028\u2029\u205f\u3000"
    "\u3001-\u3003\u3008-\u3011\u3014-\u301f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65";

// Characters that are written without blanks between words: each is a token, and a phrase finds any
// stretch of them. 々 to 〇, kana, ideographs, Hangul.
constexpr std::string_view kSingle =
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff";

// Lucene's expression for a token. Longer ones are cut: a term has 32,766 bytes at most.
std::string token_pattern(std::string_view separators) {
  std::string ends(kEnds);
  while (!separators.empty()) {
    const size_t bytes = utf8_unit(separators).bytes;
    // An escaped letter could stand for a class.
    const auto first = static_cast<unsigned char>(separators.front());
    if (first < 0x80 && std::isalnum(first) == 0) ends += '\\';
    ends += separators.substr(0, bytes);
    separators.remove_prefix(bytes);
  }
  return fmt::format("[^{0}{1}]{{1,255}}|([{1}]&[^{0}])", ends, kSingle);
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
  analysis["tokenizer"]["longshore_wholes"]["pattern"] = token_pattern(options.separators);
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
