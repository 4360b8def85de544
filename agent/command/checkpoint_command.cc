#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "agent/command/checkpoint_adopt.h"
#include "agent/command/checkpoint_list.h"
#include "agent/command/commands.h"
#include "checkpoint/state_dir.h"
#include "config/clock.h"
#include "config/options.h"
#include "shipper/kafka/client.h"

namespace longshore::agent {
namespace {

namespace po = boost::program_options;

using Words = std::vector<std::string>;

constexpr int kUnusable = 2;

constexpr char kUsage[] =
    "Usage: longshore checkpoint ls|adopt|forget [options]\n\n"
    "  ls      what the state directory holds: lanes, sources and their positions, the ledger\n"
    "  adopt   after a refusal: take the number that Kafka holds, keep the local positions\n"
    "  forget  forget sources: a file that is still there is sent again from its beginning\n\n"
    "'longshore checkpoint ls --help' and so on list the options.\n";

int refuse(const std::string& sentence) {
  std::fprintf(stderr, "longshore checkpoint: %s\n", sentence.c_str());
  return kUnusable;
}

Error invalid(std::string sentence) { return {ErrorCode::kInvalid, std::move(sentence)}; }

po::options_description common_options() {
  po::options_description options("Options");
  options.add_options()(
      "state-dir", po::value<std::string>()->value_name("DIR")->default_value("/var/lib/longshore"),
      "the agent's state directory");
  return options;
}

// Only the variables of this subcommand's own options: the agent's others are no mistake here.
Environment shared_environment(const po::options_description& options) {
  Environment shared;
  for (auto& [name, value] : process_environment()) {
    const bool kafka = name == "LONGSHORE_BROKERS" || name == "LONGSHORE_KAFKA";
    if (name == "LONGSHORE_STATE_DIR" ||
        (kafka && options.find_nothrow("brokers", false) != nullptr)) {
      shared.emplace_back(std::move(name), std::move(value));
    }
  }
  return shared;
}

Result<ParsedOptions> parse(const std::string& name, const char* summary, const char* examples,
                            const po::options_description& options, const Words& arguments,
                            Words* words = nullptr) {
  return parse_options({"checkpoint " + name, summary, examples}, options, arguments,
                       shared_environment(options), words);
}

std::string state_dir_of(const ParsedOptions& parsed) {
  return parsed.values["state-dir"].as<std::string>();
}

// A store of this process alone, or one to read while an agent runs. Nothing is ever created.
struct OpenedStore {
  std::optional<checkpoint::StateDir> lock;
  std::unique_ptr<checkpoint::Store> store;
};

Result<OpenedStore> open_existing(const std::string& dir, checkpoint::StoreAccess access) {
  std::error_code error;
  if (!std::filesystem::exists(dir + "/checkpoint.db", error)) {
    return invalid("There is no checkpoint in " + dir +
                   (error ? ": " + error.message() : std::string()) +
                   ": give the agent's own --state-dir.");
  }
  OpenedStore opened;
  if (access == checkpoint::StoreAccess::kWrite) {
    // Its agent has decided already whether the file system will do.
    auto lock = checkpoint::StateDir::open(dir, true);
    if (!lock) return lock.error();
    opened.lock = std::move(lock).value();
  }
  auto store = checkpoint::open_store(dir, access);
  if (!store) return store.error();
  opened.store = std::move(store).value();
  return opened;
}

int run_ls(const Words& arguments) {
  po::options_description options = common_options();
  options.add_options()("ledger", po::bool_switch(), "the ledger of what is lost or doubled")(
      "json", po::bool_switch(), "one JSON object");
  const auto parsed =
      parse("ls", "Lists what a state directory holds, also while its agent runs.",
            "  longshore checkpoint ls --state-dir /var/lib/longshore\n", options, arguments);
  if (!parsed) return refuse(parsed.error().message);
  if (parsed.value().help_wanted) return 0;
  auto opened = open_existing(state_dir_of(parsed.value()), checkpoint::StoreAccess::kRead);
  if (!opened) return refuse(opened.error().message);
  const auto contents = read_contents(*opened.value().store);
  if (!contents) return refuse(contents.error().message);
  const bool ledger = parsed.value().values["ledger"].as<bool>();
  const bool json = parsed.value().values["json"].as<bool>();
  const auto show = ledger ? (json ? ledger_as_json : ledger_as_text)
                           : (json ? sources_as_json : sources_as_text);
  const std::string text = show(contents.value());
  std::fwrite(text.data(), 1, text.size(), stdout);
  return std::fflush(stdout) == 0 ? 0 : refuse("Its output cannot be written.");
}

Result<size_t> forget_named(checkpoint::Store& store, const Words& words) {
  std::vector<SourceId> ids;
  for (const std::string& word : words) {
    const auto id = parse_source_id(word);
    if (!id) return invalid("'" + word + "' is no source id: it has 16 hex digits, as in ls.");
    const auto stored = store.source(*id);
    if (!stored) return stored.error();
    if (!stored.value()) return invalid("No source " + word + " is known. Nothing was forgotten.");
    ids.push_back(*id);
  }
  if (Status forgotten = store.forget(ids); !forgotten) return forgotten.error();
  return ids.size();
}

Result<size_t> forget_all_gone(checkpoint::Store& store) {
  const auto lanes = store.lanes();
  if (!lanes) return lanes.error();
  size_t count = 0;
  for (const LaneId lane : lanes.value()) {
    const auto gone =
        store.forget_gone(lane, std::numeric_limits<int64_t>::max(), checkpoint::Unshipped::kWait);
    if (!gone) return gone.error();
    count += gone.value();
  }
  return count;
}

int run_forget(const Words& arguments) {
  po::options_description options = common_options();
  options.add_options()("gone", po::bool_switch(), "every source whose file is gone");
  Words words;
  const auto parsed = parse("forget", "Forgets sources: a file still there is sent again.",
                            "  longshore checkpoint forget 00ab54a98ceb1f0a\n"
                            "  longshore checkpoint forget --gone\n",
                            options, arguments, &words);
  if (!parsed) return refuse(parsed.error().message);
  if (parsed.value().help_wanted) return 0;
  const bool gone = parsed.value().values["gone"].as<bool>();
  if (gone == !words.empty()) {
    return refuse("Give the ids of the sources to forget (as in ls), or --gone.");
  }
  auto opened = open_existing(state_dir_of(parsed.value()), checkpoint::StoreAccess::kWrite);
  if (!opened) return refuse(opened.error().message);
  checkpoint::Store& store = *opened.value().store;
  const auto count = gone ? forget_all_gone(store) : forget_named(store, words);
  if (!count) return refuse(count.error().message);
  std::printf("Forgot %zu source%s.\n", count.value(), count.value() == 1 ? "" : "s");
  return 0;
}

struct Adoption {
  LaneId lane;
  std::string brokers;
  shipper::KafkaSettings kafka;
};

Result<Adoption> adoption_of(const po::variables_map& values) {
  Adoption adoption;
  const int64_t lane = values["lane"].as<int64_t>();
  if (lane < 0 || lane > std::numeric_limits<uint32_t>::max()) {
    return invalid("--lane is a number of a lane, as in 'longshore checkpoint ls'.");
  }
  adoption.lane = {static_cast<uint32_t>(lane)};
  if (values.count("brokers") == 0) {
    return invalid("--brokers is missing: give the Kafka that the agent ships to, as host:9092.");
  }
  adoption.brokers = values["brokers"].as<std::string>();
  if (values.count("kafka") > 0) {
    for (const std::string& setting : values["kafka"].as<Words>()) {
      const size_t equals = setting.find('=');
      if (equals == 0 || equals == std::string::npos) {
        return invalid("--kafka " + setting + ": write --kafka key=value.");
      }
      adoption.kafka.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
    }
  }
  if (Status checked = shipper::check_kafka_settings(adoption.kafka); !checked) {
    return checked.error();
  }
  return adoption;
}

int run_adopt(const Words& arguments) {
  po::options_description options = common_options();
  options.add_options()("lane", po::value<int64_t>()->value_name("L")->required(),
                        "the lane that the agent refused to start")(
      "brokers", po::value<std::string>()->value_name("HOST:PORT,..."), "the agent's Kafka")(
      "kafka", po::value<Words>()->value_name("KEY=VALUE")->composing(),
      "a setting of librdkafka: TLS, SASL, ...; repeatable");
  const auto parsed =
      parse("adopt", "Takes Kafka's number of a lane over and keeps the local positions.",
            "  longshore checkpoint adopt --lane 0 --brokers kafka1:9092\n", options, arguments);
  if (!parsed) return refuse(parsed.error().message);
  if (parsed.value().help_wanted) return 0;
  const auto adoption = adoption_of(parsed.value().values);
  if (!adoption) return refuse(adoption.error().message);
  auto opened = open_existing(state_dir_of(parsed.value()), checkpoint::StoreAccess::kWrite);
  if (!opened) return refuse(opened.error().message);
  const auto kafka = shipper::make_kafka_client(adoption.value().brokers, adoption.value().kafka);
  const auto said = adopt_lane(adoption.value().lane, *opened.value().store, *kafka, SystemClock());
  if (!said) return refuse(said.error().message);
  std::fputs(said.value().c_str(), stdout);
  return 0;
}

}  // namespace

int run_checkpoint(const std::vector<std::string>& arguments) {
  const std::string what = arguments.empty() ? "" : arguments.front();
  const Words rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (what == "ls") return run_ls(rest);
  if (what == "adopt") return run_adopt(rest);
  if (what == "forget") return run_forget(rest);
  if (what == "--help") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  return refuse((what.empty() ? "say what to do" : "'" + what + "' is not known") +
                ": ls, adopt or forget.");
}

}  // namespace longshore::agent
