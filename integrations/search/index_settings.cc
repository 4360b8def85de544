#include "integrations/search/index_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <sstream>
#include <utility>

#include "integrations/http/access_flags.h"
#include "integrations/kafka/reading_flags.h"
#include "shipper/kafka/settings.h"

namespace longshore::search {
namespace {

const CommandHelp kHelp = {
    "index",
    "Copies the records of topics into OpenSearch or Elasticsearch. A record that is sent again "
    "is\n"
    "found there, so each is stored once. Start as many processes as there are partitions; they "
    "share\n"
    "the work as a consumer group. Runs until SIGTERM.\n"
    "Exit status: 0 stopped, 1 it cannot continue, 2 unusable settings.",
    "  longshore index --brokers kafka:9092 --topic logs --to http://search:9200\n"
    "  longshore index --prune --dry-run --keep 30d --topic logs --to http://search:9200\n"};

const CommandHelp kReplayHelp = {
    "replay",
    "Puts the dead letters of 'longshore index' where they belonged, after the cause was mended: "
    "each\n"
    "document gets the index and the id that it was to have, so that none is stored twice. Goes "
    "on\n"
    "where the group's last replay met a letter that was not stored, and ends where the topic "
    "ended\n"
    "when it began. A letter that is refused again stays where it is. ('longshore archive' has no "
    "dead\n"
    "letters: what it cannot store yet stays in its topic.)\n"
    "Exit status: 0 all were stored, 1 some were not or it was stopped, 2 unusable settings.",
    "  longshore replay --brokers kafka:9092 --dead-letter longshore-dead-letter --dry-run\n"
    "  longshore replay --brokers kafka:9092 --dead-letter longshore-dead-letter \\\n"
    "      --to http://search:9200\n"};

constexpr size_t kNumbersMax = 64;
constexpr int kQueueKbytes = 16 << 10;

struct Flags {
  kafka::ReadingFlags reading;
  http::AccessFlags access;
  std::vector<std::string> to, index_settings, numbers;
  std::string group = "longshore-index", index{kDefaultIndex};
  std::string dead_letter = "longshore-dead-letter", template_file, keep;
  bool no_template = false;
};

void add_foreign(CommandLine& line, IndexSettings& to, const char* help) {
  line.choice<bool>("foreign", &to.document.store_foreign,
                    {{"store", true}, {"dead-letter", false}}, help);
}

void add_reading(CommandLine& line, Flags& flags, IndexSettings& to) {
  kafka::add_reading_flags(line, flags.reading);
  line.text("group", &flags.group, "NAME", "Join this consumer group.");
  add_foreign(line, to, "Store records that are not longshore's under message, or put them aside.");
  line.text("dead-letter", &flags.dead_letter, "TOPIC|none",
            "Put records that the service rejects into this topic; none: stop at the first.");
  line.number(
      "refused-within", &to.refused_percent, {1, 100}, "PERCENT",
      "Hold a topic, instead of putting records aside, when more of a minute's are rejected "
      "for one reason; 100: never.");
}

void add_letters(CommandLine& line, Flags& flags, ReplaySettings& to) {
  line.section("What is read");
  line.text("dead-letter", &flags.dead_letter, "TOPIC", "Read the letters of this topic.");
  add_kafka_flags(line, flags.reading.kafka);
  line.text("group", &flags.group, "NAME", "Remember in this consumer group what is stored.");
  line.toggle("from-start", &to.from_start,
              "Begin at the topic's first letter instead of where the group is.");
  line.list("topic", &to.filter.topics, "NAME",
            "Replay only records of this topic; repeatable. The others stay.");
  line.text("reason", &to.filter.reason, "TEXT",
            "Replay only letters in whose reason this text stands. The others stay.");
  line.toggle("dry-run", &to.dry_run,
              "Print how many letters there are, by topic and reason, and store nothing.");
  add_foreign(line, to.index,
              "Store records that are not longshore's under message, or leave their letters.");
  line.number("refused-within", &to.index.refused_percent, {1, 100}, "PERCENT",
              "Stop when more than this part of a minute's letters are refused for one reason; "
              "100: never.");
}

void add_service(CommandLine& line, Flags& flags, IndexSettings& to) {
  line.section("The search service");
  line.list(
      "to", &flags.to, "URL",
      "Send to this service (required), http://host:9200; several nodes separated by commas.");
  line.bytes("bulk-bytes", &to.bulk_bytes, {64 << 10, 90 << 20}, "Send requests of this size.");
  line.number("in-flight", &to.in_flight, {1, 64}, "N",
              "Send this many requests at once; each takes --bulk-bytes of memory.");
  line.number("linger-ms", &to.linger_ms, {0, 60'000}, "MS",
              "Wait this long for further records before a request is sent.");
  line.toggle("gzip", &to.search.gzip, "Compress requests.");
  http::add_access_flags(line, flags.access);
  http::add_api_key_flag(line, flags.access);
}

void add_index(CommandLine& line, Flags& flags, IndexSettings& to) {
  line.section("Indices");
  line.text("index", &flags.index, "PATTERN",
            "Name the index of a record by its topic and the UTC day of its @timestamp.");
  line.number("own-day-within", &to.document.days_back, {0, 36'500}, "DAYS",
              "Use Kafka's day for a record whose time is more than this many days before its "
              "time in Kafka, or more than one day after it.");
  line.number("kafka-day-within", &to.document.kafka_days_back, {1, 36'500}, "DAYS",
              "Use the index of 1970-01-01 for a record whose time in Kafka is more than this many "
              "days ago, or more than one day ahead, unless its own time is within them.");
  line.choice<int>("ids", &to.document.ids, {{"1", 1}, {"2", 2}},
                   "2: ids of documents hold a hash of the record; 1: they do not, as in indices "
                   "of earlier versions.");
  line.list(
      "number", &flags.numbers, "json.PATH",
      "Repeat this number of JSON lines as number.PATH, where it can be compared; repeatable.");
}

void add_life(CommandLine& line, Flags& flags, IndexSettings& to) {
  line.toggle("data-stream", &to.index_template.data_stream,
              "Make --index, a name without a date, a data stream if it is not there.");
  line.text(
      "keep", &flags.keep, "DAYS",
      "Delete indices that are older, such as 30d, once an hour, and leave older records out.");
  line.toggle("prune", &to.prune, "Delete the indices that --keep does not keep, and end.");
  line.toggle("dry-run", &to.dry_run, "Show what --prune would delete, and delete nothing.");
}

void add_template(CommandLine& line, Flags& flags, IndexSettings& to) {
  line.toggle("no-template", &flags.no_template, "Install no index template at the start.");
  line.text("template", &flags.template_file, "FILE",
            "Install this index template, a JSON object without index_patterns, in place of ours.");
  line.text("separators", &to.index_template.separators, "CHARACTERS",
            "End words of a message at these characters, besides white space and CJK punctuation.");
  line.list("index-setting", &flags.index_settings, "KEY=VALUE",
            "Give new indices this setting, such as number_of_replicas=0; repeatable.");
}

void add_progress(CommandLine& line, IndexSettings& to) {
  line.section("Progress");
  line.number("progress-s", &to.progress_s, {0, 86'400}, "SECONDS",
              "Log progress at this interval; 0: never.");
}

void add_metrics(CommandLine& line, IndexSettings& to) {
  line.text("metrics-file", &to.metrics_file, "FILE",
            "Write metrics for Prometheus into this file with each progress line.");
}

Result<std::vector<std::string>> urls_of(const CommandLine& line, const Flags& flags) {
  std::vector<std::string> urls;
  for (const std::string& list : flags.to) {
    std::istringstream stream(list);
    for (std::string url; std::getline(stream, url, ',');) {
      while (url.ends_with('/')) url.pop_back();
      if (Status status = http::check_url("--to", url); !status) return status.error();
      if (url.find_first_of("?#") != std::string::npos)
        return line.unusable("to", list, "give the address only, without a query");
      urls.push_back(std::move(url));
    }
  }
  if (urls.empty()) return missing("to", "give the search service's address, http://host:9200");
  return urls;
}

/// After all else that a template is made of.
Status set_own_template(const Flags& flags, IndexSettings& settings) {
  if (settings.index_template.data_stream && settings.document.index.has_date()) {
    return invalid(fmt::format(
        "--data-stream needs a name without a date, and --index is {}: a data stream has indices "
        "by itself.",
        flags.index));
  }
  if (flags.template_file.empty()) return ok();
  const TemplateOptions& ours = settings.index_template;
  const char* other = flags.no_template                                 ? "--no-template"
                      : ours.data_stream                                ? "--data-stream"
                      : !ours.index_settings.empty()                    ? "--index-setting"
                      : ours.separators != TemplateOptions().separators ? "--separators"
                                                                        : nullptr;
  if (other) {
    return invalid(fmt::format("{} has no effect with --template: leave one of them out.", other));
  }
  Result<TemplateFile> file = read_template(flags.template_file);
  if (!file) return file.error();
  settings.index_template.own = *std::move(file);
  return ok();
}

/// "30d". REQUIRES: the index is set.
Status set_keep(const CommandLine& line, const Flags& flags, IndexSettings& settings) {
  if (settings.dry_run && !settings.prune) return missing("prune", "--dry-run shows what it does");
  if (flags.keep.empty()) {
    if (settings.prune) return missing("keep", "say how many days are kept, such as 30d");
    return ok();
  }
  constexpr int kDaysMax = 36'500;
  int days = 0;
  const char* const end = flags.keep.data() + flags.keep.size();
  const auto [rest, fault] = std::from_chars(flags.keep.data(), end, days);
  if (fault != std::errc() || std::string_view(rest, end) != "d" || days < 1 || days > kDaysMax)
    return line.unusable("keep", flags.keep, "give days, from 1d to 36500d");
  const IndexName& index = settings.document.index;
  if (!index.is_dated()) {
    return line.unusable("keep", flags.keep,
                         fmt::format("the age of an index must be seen in its name, and --index {} "
                                     "has no year, or a day without a month",
                                     flags.index));
  }
  settings.document.keep_days = days;
  settings.keep = KeepOptions{index, flags.reading.topics, days};
  return ok();
}

Status set_documents(const CommandLine& line, const Flags& flags, IndexSettings& settings) {
  Result<IndexName> index = IndexName::parse(flags.index);
  if (!index) return invalid(fmt::format("--index {}: {}", flags.index, index.error().message));
  settings.document.index = *std::move(index);
  settings.default_index = flags.index == kDefaultIndex;
  for (const std::string& path : flags.numbers) {
    constexpr std::string_view kField = "json.";
    if (!path.starts_with(kField) || path.size() == kField.size() || path.ends_with('.') ||
        path.find("..") != std::string::npos || flags.numbers.size() > kNumbersMax) {
      return line.unusable("number", path,
                           "name a field of JSON lines, such as json.status; 64 at most");
    }
    if (std::ranges::count(flags.numbers, path) > 1)
      return line.unusable("number", path, "name each field once");
    settings.document.numbers.push_back(path.substr(kField.size()));
  }
  return ok();
}

Status set_template(const CommandLine& line, const Flags& flags, IndexSettings& settings) {
  settings.index_template.numbers = settings.document.numbers;
  settings.install_template = !flags.no_template;
  if (Status status = check_separators(settings.index_template.separators); !status)
    return invalid("--separators: " + status.error().message);
  auto pairs = line.pairs("index-setting", flags.index_settings);
  if (!pairs) return pairs.error();
  for (auto& [name, value] : *pairs) {
    settings.index_template.index_settings.emplace_back(
        name.starts_with("index.") ? name : "index." + name, std::move(value));
  }
  return set_own_template(flags, settings);
}

Status set_group(const CommandLine& line, const Flags& flags, kafka::ReaderOptions reader,
                 IndexSettings& settings) {
  if (Status status = shipper::check_kafka_settings(reader.settings); !status)
    return status.error();
  if (flags.group.empty()) return line.unusable("group", "", "a group needs a name");
  settings.group = kafka::group_options(reader, flags.group);
  settings.group.queue_kbytes = kQueueKbytes;
  return ok();
}

Status set_index_group(const CommandLine& line, const Flags& flags, IndexSettings& settings) {
  Result<kafka::ReaderOptions> reader = kafka::reader_options(line, flags.reading);
  if (!reader) return reader.error();
  if (flags.dead_letter != "none") settings.dead_letter_topic = flags.dead_letter;
  if (std::ranges::find(reader->topics, settings.dead_letter_topic) != reader->topics.end()) {
    return line.unusable("dead-letter", flags.dead_letter,
                         "records cannot be put aside into a topic that is read");
  }
  return set_group(line, flags, *std::move(reader), settings);
}

Status set_service(const CommandLine& line, const Flags& flags, IndexSettings& settings) {
  Result<std::vector<std::string>> urls = urls_of(line, flags);
  if (!urls) return urls.error();
  settings.search.urls = *std::move(urls);
  Result<http::Access> access = http::access_of(line, flags.access);
  if (!access) return access.error();
  settings.search.access = *std::move(access);
  return ok();
}

}  // namespace

Result<std::optional<IndexSettings>> parse_index_settings(const std::vector<std::string>& arguments,
                                                          const Environment& environment) {
  IndexSettings settings;
  Flags flags;
  CommandLine line(kHelp);
  add_reading(line, flags, settings);
  add_service(line, flags, settings);
  add_index(line, flags, settings);
  add_life(line, flags, settings);
  add_template(line, flags, settings);
  add_progress(line, settings);
  add_metrics(line, settings);
  const Result<bool> parsed = line.parse(arguments, environment);
  if (!parsed) return parsed.error();
  if (!*parsed) return std::optional<IndexSettings>();
  if (settings.prune) {
    if (flags.reading.topics.empty()) return missing("topic", "name the topic of the indices");
  } else if (Status status = set_index_group(line, flags, settings); !status) {
    return status.error();
  }
  if (Status status = set_service(line, flags, settings); !status) return status.error();
  if (Status status = set_documents(line, flags, settings); !status) return status.error();
  for (const std::string& topic : flags.reading.topics) {
    if (Status status = settings.document.index.check(topic); !status)
      return invalid(fmt::format("--index {}: {}", flags.index, status.error().message));
  }
  if (Status status = set_template(line, flags, settings); !status) return status.error();
  if (Status status = set_keep(line, flags, settings); !status) return status.error();
  return std::optional(std::move(settings));
}

Result<std::optional<ReplaySettings>> parse_replay_settings(
    const std::vector<std::string>& arguments, const Environment& environment) {
  ReplaySettings settings;
  settings.index.refused_percent = 100;
  Flags flags;
  flags.group = "longshore-replay";
  CommandLine line(kReplayHelp);
  add_letters(line, flags, settings);
  add_service(line, flags, settings.index);
  add_index(line, flags, settings.index);
  add_progress(line, settings.index);
  const Result<bool> parsed = line.parse(arguments, environment);
  if (!parsed) return parsed.error();
  if (!*parsed) return std::optional<ReplaySettings>();
  auto access = kafka_access(line, flags.reading.kafka);
  if (!access) return access.error();
  if (flags.dead_letter.empty() || flags.dead_letter == "none")
    return line.unusable("dead-letter", flags.dead_letter, "name the topic of the dead letters");
  kafka::ReaderOptions reader;
  reader.brokers = std::move(access->brokers);
  reader.topics = {flags.dead_letter};
  reader.settings = std::move(access->settings);
  if (Status status = set_group(line, flags, std::move(reader), settings.index); !status)
    return status.error();
  if (!settings.dry_run || !flags.to.empty()) {
    if (Status status = set_service(line, flags, settings.index); !status) return status.error();
  }
  if (Status status = set_documents(line, flags, settings.index); !status) return status.error();
  return std::optional(std::move(settings));
}

}  // namespace longshore::search
