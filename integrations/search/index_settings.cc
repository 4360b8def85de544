#include "integrations/search/index_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "integrations/http/access_flags.h"
#include "shipper/kafka/settings.h"

namespace longshore::search {
namespace {

namespace po = boost::program_options;

constexpr char kIntroduction[] =
    "longshore index --brokers LIST --topic NAME --to http://HOST:9200\n\n"
    "Brings the records of topics into OpenSearch or Elasticsearch, each once: sent again it is\n"
    "found there. Start as many as there are partitions; they share the work as a consumer group.\n"
    "Runs until SIGTERM. Exit status: 0 ended, 1 it cannot go on, 2 unusable settings.\n\nFlags";

constexpr size_t kBulkBytesMin = 64 << 10, kBulkBytesMax = 90 << 20;
constexpr int kInFlightMax = 64;

Error invalid(std::string message) { return {ErrorCode::kInvalid, std::move(message)}; }

std::string text_of(const kafka::FlagValues& values, const char* flag) {
  return values.count(flag) ? values[flag].as<std::string>() : std::string();
}

/// The number of a flag that has a default. Errors: kInvalid.
Result<int64_t> number_of(const kafka::FlagValues& values, const char* flag, int64_t min,
                          int64_t max) {
  const int64_t value = values[flag].as<int64_t>();
  if (value >= min && value <= max) return value;
  return invalid(fmt::format("--{} {}: give a number from {} to {}.", flag, value, min, max));
}

Result<std::vector<std::string>> urls_of(const kafka::FlagValues& values) {
  std::vector<std::string> urls;
  for (const std::string& list : kafka::all_of(values, "to")) {
    std::istringstream stream(list);
    for (std::string url; std::getline(stream, url, ',');) {
      while (url.ends_with('/')) url.pop_back();
      if (Status status = http::check_url("--to", url); !status) return status.error();
      if (url.find_first_of("?#") != std::string::npos)
        return invalid("--to " + url + ": give the address only.");
      urls.push_back(std::move(url));
    }
  }
  if (urls.empty())
    return invalid("--to is missing: give the search service's address, http://host:9200.");
  return urls;
}

Status set_index(const kafka::FlagValues& values, IndexSettings& settings) {
  const std::string pattern = text_of(values, "index");
  Result<IndexName> index = IndexName::parse(pattern);
  if (!index) return invalid(fmt::format("--index {}: {}", pattern, index.error().message));
  for (const std::string& topic : settings.group.topics) {
    if (Status status = index->check(topic); !status)
      return invalid(fmt::format("--index {}: {}", pattern, status.error().message));
  }
  settings.document.index = *std::move(index);
  auto days = number_of(values, "own-day-within", 0, 36'500);
  if (!days) return days.error();
  settings.document.days_back = static_cast<int>(*days);
  const std::string foreign = text_of(values, "foreign");
  if (foreign != "store" && foreign != "dead-letter")
    return invalid("--foreign " + foreign + ": it is store or dead-letter.");
  settings.document.store_foreign = foreign == "store";
  return ok();
}

Status set_template(const kafka::FlagValues& values, IndexSettings& settings) {
  settings.install_template = !values["no-template"].as<bool>();
  const std::string separators = text_of(values, "separators");
  if (Status status = check_separators(separators); !status)
    return invalid("--separators: " + status.error().message);
  settings.index_template.separators = separators;
  for (const std::string& setting : kafka::all_of(values, "index-setting")) {
    const size_t equals = setting.find('=');
    if (equals == std::string::npos || equals == 0)
      return invalid(fmt::format("--index-setting {}: write it as k=v.", setting));
    std::string name = setting.substr(0, equals);
    if (!name.starts_with("index.")) name = "index." + name;
    settings.index_template.index_settings.emplace_back(name, setting.substr(equals + 1));
  }
  return ok();
}

Status set_flow(const kafka::FlagValues& values, IndexSettings& settings) {
  const std::string bytes_text = text_of(values, "bulk-bytes");
  const std::optional<uint64_t> bytes = parse_bytes(bytes_text);
  if (!bytes || *bytes < kBulkBytesMin || *bytes > kBulkBytesMax)
    return invalid(fmt::format("--bulk-bytes {}: give a size from 64K to 90M.", bytes_text));
  settings.bulk_bytes = *bytes;
  auto in_flight = number_of(values, "in-flight", 1, kInFlightMax);
  if (!in_flight) return in_flight.error();
  settings.in_flight = static_cast<size_t>(*in_flight);
  auto linger = number_of(values, "linger-ms", 0, 60'000);
  if (!linger) return linger.error();
  settings.linger_ms = *linger;
  auto progress = number_of(values, "progress-s", 0, 86'400);
  if (!progress) return progress.error();
  settings.progress_s = *progress;
  settings.metrics_file = text_of(values, "metrics-file");
  return ok();
}

Status set_kafka(const kafka::FlagValues& values, IndexSettings& settings) {
  Result<kafka::ReaderOptions> reader = kafka::reader_options(values);
  if (!reader) return reader.error();
  settings.group.brokers = reader->brokers;
  settings.group.topics = reader->topics;
  settings.group.settings = reader->settings;
  if (Status status = shipper::check_kafka_settings(reader->settings); !status)
    return status.error();
  settings.group.read_committed = reader->read_committed;
  settings.group.group = text_of(values, "group");
  if (settings.group.group.empty()) return invalid("--group: a group needs a name.");
  settings.group.queue_kbytes = 16 << 10;
  const std::string dead_letter = text_of(values, "dead-letter");
  if (dead_letter != "none") settings.dead_letter_topic = dead_letter;
  const auto& topics = settings.group.topics;
  if (std::find(topics.begin(), topics.end(), settings.dead_letter_topic) != topics.end())
    return invalid("--dead-letter: what is read from a topic cannot be put aside into it.");
  return ok();
}

}  // namespace

kafka::Flags index_flags() {
  kafka::Flags flags(kIntroduction);
  kafka::add_reading_flags(flags);
  const auto text = [](const char* name) { return po::value<std::string>()->value_name(name); };
  const auto number = [](int64_t value) {
    return po::value<int64_t>()->default_value(value)->value_name("N");
  };
  const auto list = [](const char* name) {
    return po::value<std::vector<std::string>>()->value_name(name);
  };
  auto add = flags.add_options();
  add("to", list("URL"), "the search service; several nodes separated by commas");
  add("group", text("NAME")->default_value("longshore-index"), "the consumer group to join");
  add("index", text("PATTERN")->default_value("logs-{topic}-{yyyy.MM.dd}"),
      "the name of a record's index: its topic, and the UTC day of its @timestamp");
  add("own-day-within", number(31),
      "days: a record whose time is further back than its time in Kafka, or more than a day ahead, "
      "goes by Kafka's day");
  add("no-template", po::bool_switch(), "install no index template at the start");
  add("separators", text("CHARACTERS")->default_value(TemplateOptions().separators),
      "what ends a word of message, besides white space");
  add("index-setting", list("K=V"),
      "a setting of new indices, such as number_of_replicas=0; may be repeated");
  add("foreign", text("WAY")->default_value("store"),
      "records that are not longshore's: store them as message, or dead-letter");
  add("dead-letter", text("TOPIC")->default_value("longshore-dead-letter"),
      "where records go that the service rejects; none: stop at the first");
  add("bulk-bytes", text("SIZE")->default_value("2M"), "documents of one request");
  add("in-flight", number(2), "requests at once; memory grows by --bulk-bytes with each");
  add("linger-ms", number(500), "how long a record waits for others");
  add("gzip", po::bool_switch(), "pack requests");
  add("progress-s", number(10), "seconds between two lines on stderr; 0: none");
  add("metrics-file", text("FILE"), "numbers for Prometheus, written with each of these lines");
  http::add_access_flags(flags);
  http::add_api_key_flag(flags);
  http::add_negotiate_flag(flags);
  return flags;
}

Result<IndexSettings> index_settings(const kafka::FlagValues& values) {
  IndexSettings settings;
  if (Status status = set_kafka(values, settings); !status) return status.error();
  Result<std::vector<std::string>> urls = urls_of(values);
  if (!urls) return urls.error();
  settings.search.urls = *std::move(urls);
  Result<http::Access> access = http::access_of(values);
  if (!access) return access.error();
  settings.search.access = *std::move(access);
  settings.search.gzip = values["gzip"].as<bool>();
  if (Status status = set_index(values, settings); !status) return status.error();
  if (Status status = set_template(values, settings); !status) return status.error();
  if (Status status = set_flow(values, settings); !status) return status.error();
  return settings;
}

}  // namespace longshore::search
