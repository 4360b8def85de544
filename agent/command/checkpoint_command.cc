#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <limits>

#include "agent/command/checkpoint_adopt.h"
#include "agent/command/checkpoint_list.h"
#include "agent/command/commands.h"
#include "checkpoint/state_dir.h"
#include "config/clock.h"
#include "config/command_line.h"
#include "config/kafka_flags.h"
#include "config/printable.h"
#include "shipper/kafka/client.h"

namespace longshore::agent {
namespace {

using Words = std::vector<std::string>;

constexpr char kUsage[] =
    "Usage: longshore checkpoint ls|adopt|forget [flags]\n\n"
    "  ls      list what the state directory holds: lanes, sources and their positions, the "
    "ledger\n"
    "  adopt   after a refused start: take over Kafka's number, keep the local positions\n"
    "  forget  forget sources: a file that still exists is sent again from its beginning\n\n"
    "'longshore checkpoint ls --help' and so on list the flags.\n";

int refuse(const Error& error) { return complain("checkpoint", error); }

// The flags that every subcommand takes.
class Line : public CommandLine {
 public:
  Line(const std::string& name, const char* summary, const char* examples)
      : CommandLine({"checkpoint " + name, summary, examples}) {
    text("state-dir", &state_dir_, "DIR", "The agent's state directory.");
  }
  const std::string& state_dir() const { return state_dir_; }

 private:
  std::string state_dir_ = "/var/lib/longshore";
};

// An open store: locked for this process alone, or read-only while an agent runs. Never creates
// one.
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
    // The agent has already accepted the file system.
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
  Line line("ls", "Lists what a state directory holds, even while its agent runs.",
            "  longshore checkpoint ls --state-dir /var/lib/longshore\n");
  bool ledger = false, json = false;
  line.toggle("ledger", &ledger, "List the ledger of lost and doubled bytes instead.");
  line.toggle("json", &json, "Print one JSON object.");
  const Result<bool> parsed = line.parse(arguments, process_environment());
  if (!parsed) return refuse(parsed.error());
  if (!*parsed) return 0;
  auto opened = open_existing(line.state_dir(), checkpoint::StoreAccess::kRead);
  if (!opened) return refuse(opened.error());
  const auto contents = read_contents(*opened.value().store);
  if (!contents) return refuse(contents.error());
  const auto show = ledger ? (json ? ledger_as_json : ledger_as_text)
                           : (json ? sources_as_json : sources_as_text);
  std::string text = show(contents.value());
  if (::isatty(STDOUT_FILENO) == 1) text = printable_lines(text);
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (std::fflush(stdout) == 0) return 0;
  return refuse({ErrorCode::kFull, "Could not write to standard output."});
}

Result<size_t> forget_named(checkpoint::Store& store, const Words& words) {
  std::vector<SourceId> ids;
  for (const std::string& word : words) {
    const auto id = parse_source_id(word);
    if (!id)
      return invalid("'" + word +
                     "' is not a source id: an id has 16 hex digits, as ls lists them.");
    const auto stored = store.source(*id);
    if (!stored) return stored.error();
    if (!stored.value()) return invalid("Source " + word + " is unknown. Nothing was forgotten.");
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
  Line line("forget", "Forgets sources: a file that still exists is sent again from its beginning.",
            "  longshore checkpoint forget 00ab54a98ceb1f0a\n"
            "  longshore checkpoint forget --gone\n");
  bool gone = false;
  Words words;
  line.toggle("gone", &gone, "Forget every source whose file is gone.");
  line.words(&words, "[ID..]");
  const Result<bool> parsed = line.parse(arguments, process_environment());
  if (!parsed) return refuse(parsed.error());
  if (!*parsed) return 0;
  if (gone == !words.empty())
    return refuse(invalid("Give the ids of the sources to forget (ls lists them), or --gone."));
  auto opened = open_existing(line.state_dir(), checkpoint::StoreAccess::kWrite);
  if (!opened) return refuse(opened.error());
  checkpoint::Store& store = *opened.value().store;
  const auto count = gone ? forget_all_gone(store) : forget_named(store, words);
  if (!count) return refuse(count.error());
  std::printf("Forgot %zu source%s.\n", count.value(), count.value() == 1 ? "" : "s");
  return 0;
}

int run_adopt(const Words& arguments) {
  Line line("adopt", "Takes over Kafka's transaction number for a lane and keeps local positions.",
            "  longshore checkpoint adopt --lane 0 --brokers kafka1:9092\n");
  std::optional<uint32_t> lane;
  KafkaFlags flags;
  line.number("lane", &lane, {0, std::numeric_limits<uint32_t>::max()}, "N",
              "The lane that the agent refused to start (required).");
  add_kafka_flags(line, flags);
  const Result<bool> parsed = line.parse(arguments, process_environment());
  if (!parsed) return refuse(parsed.error());
  if (!*parsed) return 0;
  if (!lane)
    return refuse(missing("lane", "give its number as 'longshore checkpoint ls' lists it"));
  const auto access = kafka_access(line, flags);
  if (!access) return refuse(access.error());
  if (Status checked = shipper::check_kafka_settings(access->settings); !checked)
    return refuse(checked.error());
  auto opened = open_existing(line.state_dir(), checkpoint::StoreAccess::kWrite);
  if (!opened) return refuse(opened.error());
  const auto kafka = shipper::make_kafka_client(access->brokers, access->settings);
  const auto adopted = adopt_lane({*lane}, *opened.value().store, *kafka, SystemClock());
  if (!adopted) return refuse(adopted.error());
  std::fputs(printable_lines(adopted.value()).c_str(), stdout);
  return 0;
}

}  // namespace

int run_checkpoint(const std::vector<std::string>& arguments) {
  const std::string what = arguments.empty() ? "" : arguments.front();
  const Words rest(arguments.begin() + (arguments.empty() ? 0 : 1), arguments.end());
  if (what == "ls") return run_ls(rest);
  if (what == "adopt") return run_adopt(rest);
  if (what == "forget") return run_forget(rest);
  if (what == "--help" || what == "-h") {
    std::fputs(kUsage, stdout);
    return 0;
  }
  return refuse(invalid((what.empty() ? "Nothing to do" : "Unknown subcommand '" + what + "'") +
                        ": use ls, adopt or forget."));
}

}  // namespace longshore::agent
