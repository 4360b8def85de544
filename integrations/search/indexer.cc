#include "integrations/search/indexer.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "config/clock.h"
#include "integrations/search/bulk_sender.h"

namespace longshore::search {
namespace {

using std::chrono::milliseconds;

constexpr int kPollMs = 50;
constexpr size_t kPollRecords = 500;
constexpr size_t kBulkItemsMax = 20'000;
constexpr auto kCommitPeriod = milliseconds(1000);
constexpr int kCommitMs = 3000;
// A member that is not heard of for long loses its partitions: then it only listens.
constexpr auto kListenAfter = milliseconds(2000);
// How long what is on its way may take when the partitions go, or the process ends.
constexpr auto kFinishTime = milliseconds(3000);
constexpr int kCloseMs = 7000;
constexpr int kRetryMs = 1000;

}  // namespace

Indexer::Indexer(IndexSettings settings, const kafka::StopSignals& signals)
    : settings_(std::move(settings)),
      signals_(signals),
      writer_(settings_.document),
      progress_(tally_, settings_.progress_s, settings_.metrics_file),
      filling_(std::make_shared<Bulk>()) {}

/// Until it works, is refused, or the process is to end.
Status Indexer::persist(const std::string& what, const std::function<Status()>& attempt) {
  for (;;) {
    Status status = attempt();
    if (status || status.error().code != ErrorCode::kRetryable) return status;
    learned_.complain(fmt::format("{} waits: {}", what, status.error().message));
    if (signals_.raised(kRetryMs)) return status;
  }
}

Status Indexer::install_templates(SearchNode& node) {
  TemplateOptions options = settings_.index_template;
  Status found = persist("Starting", [&]() -> Status {
    const Result<FlatType> type = node.find_type();
    if (!type) return type.error();
    options.flat = type.value();
    return ok();
  });
  if (!found || !settings_.install_template) return found;
  const IndexName& index = settings_.document.index;
  for (const std::string& topic : settings_.group.topics) {
    Status installed = persist("Installing the index template", [&] {
      return node.put_template(template_name(index, topic), template_body(index, topic, options));
    });
    if (!installed) return installed;
    spdlog::info("indices {} have the template {}", index.wildcard(topic),
                 template_name(index, topic));
  }
  return ok();
}

Status Indexer::prepare() {
  SearchNode node(settings_.search, &pool_.ending());
  if (Status status = install_templates(node); !status) return status;
  if (!settings_.dead_letter_topic.empty()) {
    auto letters = DeadLetters::open(
        {settings_.group.brokers, settings_.group.settings, settings_.dead_letter_topic}, tally_);
    if (!letters) return letters.error();
    dead_letters_ = *std::move(letters);
    constexpr int kCheckMs = 3000;
    Status there = persist("Starting", [this] { return dead_letters_->check(kCheckMs); });
    if (!there) return there;
  }
  pool_.start(settings_.in_flight, [this] { return make_work(); });
  return ok();
}

BulkPool::Work Indexer::make_work() {
  auto node = std::make_shared<SearchNode>(settings_.search, &pool_.ending());
  auto sender = std::make_shared<BulkSender>(*node, tally_, learned_, Backoff(),
                                             [this](int64_t ms) { pool_.rest(ms); });
  return [this, node, sender](Bulk& bulk) -> Status {
    const auto give_up = [&] { return pool_.ending() || bulk.cancelled; };
    if (Status sent = sender->send(bulk, give_up); !sent) return sent;
    if (bulk.rejections.empty()) return ok();
    const Rejection& first = bulk.rejections.front();
    const BulkItem& item = bulk.items[first.item];
    const std::string where =
        fmt::format("{}[{}] at offset {}", bulk.topic_of(item), item.partition, item.offset);
    if (!dead_letters_) {
      return Error{ErrorCode::kFatal,
                   fmt::format("the record in {} is rejected and there is no --dead-letter: {}",
                               where, first.reason)};
    }
    learned_.complain(fmt::format("{} records go to {}; that in {}: {}", bulk.rejections.size(),
                                  settings_.dead_letter_topic, where, first.reason));
    return dead_letters_->send(bulk, give_up);
  };
}

Status Indexer::run() {
  if (Status status = prepare(); !status)
    return status.error().code == ErrorCode::kRetryable ? ok() : status;
  while (!signals_.raised(0)) {
    auto reader = kafka::GroupReader::open(settings_.group, *this);
    if (!reader) return reader.error();
    reader_ = *std::move(reader);
    spdlog::info("reading {} as a member of {}", fmt::join(settings_.group.topics, ", "),
                 settings_.group.group);
    Status status = read_on();
    if (status) reader_->close(kCloseMs);
    discard();
    reader_.reset();
    if (!failed_) return failed_;
    if (status) return ok();
    if (status.error().code == ErrorCode::kFatal || status.error().code == ErrorCode::kInvalid)
      return Error{ErrorCode::kFatal, status.error().message};
    spdlog::warn("{} Beginning again.", status.error().message);
    if (signals_.raised(kRetryMs)) break;
  }
  return ok();
}

Status Indexer::read_on() {
  while (!signals_.raised(0)) {
    if (Status status = step(); !status) return status;
    if (!failed_) return failed_;
  }
  return ok();
}

Status Indexer::step() {
  absorb(0);
  commit_ended(false);
  seal_if_due();
  if (progress_.due()) report();
  if (!full()) {
    full_since_ = {};
    set_paused(false);
    return reader_->poll(kPollMs, kPollRecords);
  }
  if (full_since_ == Clock::time_point()) full_since_ = Clock::now();
  absorb(kPollMs);
  if (full() && Clock::now() - full_since_ > kListenAfter) {
    set_paused(true);
    return reader_->poll(0, kPollRecords);
  }
  return ok();
}

void Indexer::set_paused(bool paused) {
  if (std::exchange(paused_, paused) == paused) return;
  for (const kafka::GroupPosition& position : reader_->positions()) {
    const Status status = paused ? reader_->pause(position.topic, position.partition)
                                 : reader_->resume(position.topic, position.partition);
    // A partition that just went; those that come are not paused.
    if (!status) spdlog::debug("{}", status.error().message);
  }
}

void Indexer::record(const kafka::ReadRecord& record) {
  if (filling_->empty()) filling_since_ = Clock::now();
  writer_.add(record, *filling_);
  if (filling_->bytes() >= settings_.bulk_bytes || filling_->items.size() >= kBulkItemsMax) seal();
}

void Indexer::seal() {
  open_.open(filling_);
  pool_.submit(std::exchange(filling_, std::make_shared<Bulk>()));
}

// A bulk that must wait for a thread may as well grow meanwhile.
void Indexer::seal_if_due() {
  if (filling_->empty() || pool_.outstanding() >= settings_.in_flight) return;
  if (Clock::now() - filling_since_ >= milliseconds(settings_.linger_ms)) seal();
}

void Indexer::absorb(int timeout_ms) {
  for (const BulkPool::Done& done : pool_.collect(timeout_ms)) {
    if (done.status) {
      progress_.add(*done.bulk, SystemClock().wall_ns() / 1'000'000);
      open_.end(*done.bulk);
    } else if (done.status.error().code != ErrorCode::kRetryable && failed_) {
      failed_ = done.status;
    }
  }
}

void Indexer::commit_ended(bool now) {
  open_.take_ended(to_commit_);
  if (!now && Clock::now() - committed_at_ < kCommitPeriod) return;
  committed_at_ = Clock::now();
  if (open_.empty() && filling_->empty()) commit_idle_ends();
  while (!to_commit_.empty()) {
    const auto& [partition, next] = *to_commit_.begin();
    const Status status = reader_->commit(partition.first, partition.second, next, kCommitMs);
    if (status) {
      committed_[partition] = next;
    } else if (status.error().code == ErrorCode::kRetryable) {
      learned_.complain(status.error().message);
      return;  // Again with the next ones.
    } else if (status.error().code == ErrorCode::kInvalid && failed_) {
      failed_ = status;
      return;
    }
    to_commit_.erase(to_commit_.begin());
  }
}

// Behind the last record there may be marks of transactions, which would stay as a lag.
void Indexer::commit_idle_ends() {
  for (const kafka::GroupPosition& position : reader_->positions()) {
    const PartitionKey partition{position.topic, position.partition};
    if (position.at_end && position.next > committed_[partition])
      to_commit_[partition] = position.next;
  }
}

Status Indexer::assigned(std::vector<kafka::AssignedPartition>& partitions) {
  discard();
  for (kafka::AssignedPartition& partition : partitions) {
    const std::string name = fmt::format("{}[{}]", partition.topic, partition.partition);
    if (partition.committed >= 0 && partition.committed < partition.low) {
      spdlog::error("{}: Kafka deleted the offsets {} to {} before they were indexed.", name,
                    partition.committed, partition.low - 1);
      partition.start = partition.low;
    } else if (partition.committed > partition.high) {
      spdlog::error(
          "{} ends at offset {}, before the committed {}: it was made anew or cut; indexing it "
          "from its beginning.",
          name, partition.high, partition.committed);
      partition.start = partition.low;
    }
    committed_[{partition.topic, partition.partition}] = partition.start;
  }
  spdlog::info("{} partitions are this member's", partitions.size());
  return ok();
}

void Indexer::revoked() {
  // What was not sent yet is the next owner's. It stays until discard(), for as long as there is
  // any the partitions' ends are not committed.
  const auto deadline = Clock::now() + kFinishTime;
  while (pool_.outstanding() > 0 && Clock::now() < deadline) absorb(kPollMs);
  commit_ended(true);
  discard();
}

void Indexer::lost() {
  spdlog::warn("the group gave this member up; its partitions are another's");
  discard();
}

void Indexer::discard() {
  filling_ = std::make_shared<Bulk>();
  open_.cancel_all();
  pool_.wake();
  to_commit_.clear();
  committed_.clear();
  paused_ = false;
}

void Indexer::report() {
  Standing standing;
  for (const kafka::GroupPosition& position : reader_->positions()) {
    standing.partitions += 1;
    standing.lag +=
        std::max<int64_t>(position.high - committed_[{position.topic, position.partition}], 0);
  }
  standing.in_flight = pool_.outstanding();
  standing.foreign = writer_.foreign();
  standing.waiting =
      full_since_ != Clock::time_point() && Clock::now() - full_since_ > kListenAfter;
  progress_.report(standing);
}

}  // namespace longshore::search
