// A host for tests of a lane: its files, its checkpoint, and a Kafka, which lanes live and die on.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "agent/lane/lane.h"
#include "tests/fakes/scripted_kafka.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::agent {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

inline constexpr char kGroup[] = "longshore-agent.host.0";
inline constexpr char kLedger[] = "longshore-ledger";

/// Thread: one; a lane's life has its own.
struct Host {
  Host() {
    kafka_.add_topic("logs", 4);
    kafka_.add_topic(shipper::kCheckpointTopic, 1);
  }

  std::string path(const std::string& name) const { return directory_.path() + "/" + name; }

  void append(const std::string& name, int lines) {
    std::ofstream file(path(name), std::ios::app | std::ios::binary);
    for (int i = 0; i < lines; ++i) {
      written_[name].push_back(name + " " + std::to_string(written_[name].size()));
      file << written_[name].back() << "\n";
    }
  }

  SourceOpened opened(const std::string& name, const std::string& topic = "") {
    auto spec = std::make_shared<SourceSpec>();
    spec->id = make_source_id("host", path(name), "");
    spec->declaration = std::make_shared<const Declaration>(
        Declaration{.name = name, .topic = topic, .format = RecordFormat::kRaw});
    spec->host_path = path(name);
    Fd fd(::open(path(name).c_str(), O_RDONLY | O_CLOEXEC));
    const auto identity = checkpoint::file_facts(fd.get()).value().identity;
    return {spec, std::make_shared<OpenFile>(OpenFile{std::move(fd), identity}), 0};
  }

  // One life of the lane, from its start until all is shipped or it cannot go on.
  LaneStopped live(LaneOptions options = {}) {
    auto store = checkpoint::open_store(directory_.path());
    EXPECT_TRUE(store);
    Destinations destinations({.host_id = "host"}, kafka_);
    Sources sources(
        {.host_name = "h", .rotate_wait_ns = 0, .ledger = !options.ledger_topic.empty()},
        *store.value(), clock_);
    options.host_id = "host";
    options.default_topic = "logs";
    options.once = true;
    if (options.linger_ns == LaneOptions{}.linger_ns) options.linger_ns = 20'000'000;
    Mailbox<ToLane> inbox;
    Mailbox<ToWatch> outbox;
    LaneProgress progress;
    Lane lane({.options = options,
               .store = *store.value(),
               .kafka = kafka_,
               .clock = clock_,
               .waiter = waiter_,
               .inbox = inbox,
               .outbox = outbox,
               .progress = progress},
              sources, destinations);
    for (const auto& [name, lines] : written_) {
      const SourceOpened message = opened(name, topics_[name]);
      inbox.post(message);
      const uint64_t bytes = fs::file_size(path(name));
      if (name == deleted_) fs::remove(path(name));
      if (ends_) inbox.post(SourceEnded{message.spec->id, {}, bytes});
    }
    if (first_) first_(sources, *store.value());
    if (stops_) inbox.post(StopLane{});
    if (!stay_) inbox.post(StartScanned{});
    std::thread stopper;
    if (stay_) {
      stopper = std::thread([&inbox, this] {
        if (meanwhile_) meanwhile_(inbox);
        std::this_thread::sleep_for(stay_for_);
        inbox.post(StopLane{});
      });
    }
    lane.run();
    if (stopper.joinable()) stopper.join();
    return std::get<LaneStopped>(outbox.take().back());
  }

  checkpoint::LaneRecord record() {
    return checkpoint::open_store(directory_.path()).value()->lane({0}).value();
  }
  std::vector<LedgerEntry> ledger() {
    return checkpoint::open_store(directory_.path()).value()->ledger().value();
  }

  // Every source's values as Kafka has them, in the order of its partition.
  std::map<std::string, Lines> shipped(const std::string& topic = "logs") const {
    std::map<std::string, Lines> lines;
    for (int32_t partition = 0; partition < 4; ++partition) {
      for (const auto& record : kafka_.records({topic, partition})) {
        lines[record.value.substr(0, record.value.find(' '))].push_back(record.value);
      }
    }
    return lines;
  }

  // The ledger's records in Kafka, as "event start end reason" by the names of their sources.
  std::map<std::string, Lines> ledger_records() const {
    std::map<std::string, Lines> lines;
    simdjson::dom::parser parser;
    for (int32_t partition = 0; partition < 4; ++partition) {
      for (const auto& record : kafka_.records({kLedger, partition})) {
        const simdjson::padded_string json(record.value);
        const simdjson::dom::element about = parser.parse(json)["longshore"];
        EXPECT_EQ(record.key, std::string_view(about["source"]));
        const uint64_t start = about["start"], end = about["end"];
        std::string line = std::string(std::string_view(about["event"])) + " " +
                           std::to_string(start) + " " + std::to_string(end);
        std::string_view reason;
        if (!about["reason"].get(reason)) line += " " + std::string(reason);
        lines[std::string(std::string_view(about["name"]))].push_back(line);
      }
    }
    return lines;
  }

  size_t bytes_written(const std::string& name) const {
    size_t bytes = 0;
    for (const std::string& line : written_.at(name)) bytes += line.size() + 1;
    return bytes;
  }

  fakes::TemporaryDir directory_;
  fakes::ScriptedKafka kafka_;
  SystemClock clock_;
  SystemWaiter waiter_{clock_};
  std::map<std::string, Lines> written_;
  std::map<std::string, std::string> topics_;
  bool ends_ = false;   // The sources' writers are gone.
  bool stops_ = false;  // A life is told to stop before it has read anything.
  // Happens when a lane was made and does not run yet.
  std::function<void(Sources&, checkpoint::Store&)> first_;
  // Happens while a life stays.
  std::function<void(Mailbox<ToLane>&)> meanwhile_;
  std::string deleted_;  // This one goes when it was just opened.
  bool stay_ = false;    // A life ends by StopLane after a moment, not when all is shipped.
  std::chrono::milliseconds stay_for_{300};
};

}  // namespace longshore::agent
