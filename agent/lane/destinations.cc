#include "agent/lane/destinations.h"

#include <spdlog/spdlog.h>
#include <xxhash.h>

#include <algorithm>

#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

}  // namespace

bool Destination::has_room() const {
  return records_out <= limits::kFeedRecords && bytes_out <= limits::kFeedBytes;
}

Destinations::Destinations(DestinationOptions options, shipper::Kafka& kafka)
    : options_(std::move(options)), kafka_(kafka) {}

Status Destinations::look_up(const std::string& name, Topic& topic, int64_t now_ns) {
  auto count = kafka_.topic_partitions(name, limits::kMetadataMs);
  if (!count && count.error().code == ErrorCode::kNotFound && options_.create_topics) {
    const Status created = kafka_.create_topic(name, options_.topic_partitions,
                                               options_.topic_replicas, limits::kMetadataMs);
    if (created) {
      spdlog::info("created topic {} with {} partitions", name, options_.topic_partitions);
      count = kafka_.topic_partitions(name, limits::kMetadataMs);
    } else {
      count = created.error();
    }
  }
  if (count) {
    topic.partitions = count.value();
    topic.parked_until_ns = 0;
    topic.missing.reset();
    return ok();
  }
  if (count.error().code == ErrorCode::kRetryable) {
    topic.parked_until_ns = now_ns + limits::kAskAgainNs;
    return count.error();
  }
  const int64_t wait_ns = topic.missing.next();
  topic.parked_until_ns = now_ns + wait_ns;
  spdlog::warn("topic {} cannot be used, so its logs wait: {} Trying again in {} s.", name,
               count.error().message, wait_ns / kSecondNs);
  return count.error();
}

Result<Destination*> Destinations::find(const std::string& name, SourceId source, int32_t stored,
                                        int64_t now_ns) {
  Topic& topic = topics_[name];
  if (topic.parked_until_ns > now_ns) {
    return Error{ErrorCode::kNotFound, "Topic " + name + " is parked."};
  }
  if (topic.partitions == 0) {
    const Status looked_up = look_up(name, topic, now_ns);
    if (!looked_up) return looked_up.error();
  }
  int32_t partition = stored;
  if (partition < 0 || partition >= topic.partitions) {
    const auto count = static_cast<uint64_t>(topic.partitions);
    const uint64_t span =
        std::min<uint64_t>(count, static_cast<uint64_t>(std::max(options_.partitions_per_host, 1)));
    const uint64_t host = XXH3_64bits(options_.host_id.data(), options_.host_id.size());
    partition = static_cast<int32_t>((host % count + source.value % span) % count);
  }
  for (const auto& known : topic.all) {
    if (known->where.partition == partition) return known.get();
  }
  topic.all.push_back(std::make_unique<Destination>());
  topic.all.back()->where = {name, partition};
  return topic.all.back().get();
}

void Destinations::failed(const shipper::TopicPartition& where, const std::string& why,
                          int64_t now_ns) {
  Topic& topic = topics_[where.topic];
  topic.partitions = 0;  // It may have been deleted, made anew, or grown: ask again.
  for (const auto& known : topic.all) {
    if (known->where != where) continue;
    if (++known->failures < limits::kPartitionFailuresMax) return;
    known->failures = 0;
    const int64_t wait_ns = known->parking.next();
    known->parked_until_ns = now_ns + wait_ns;
    spdlog::warn("partition {} of topic {} failed twice, its logs wait: {} Trying again in {} s.",
                 where.partition, where.topic, why, wait_ns / kSecondNs);
  }
}

void Destinations::topic_failed(const std::string& name, const std::string& why, int64_t now_ns) {
  Topic& topic = topics_[name];
  topic.partitions = 0;
  const int64_t wait_ns = topic.barred.next();
  topic.parked_until_ns = now_ns + wait_ns;
  spdlog::warn("topic {} cannot be used, so its logs wait: {} Trying again in {} s.", name, why,
               wait_ns / kSecondNs);
}

void Destinations::committed(const std::set<std::string>& topics) {
  for (auto& [name, topic] : topics_) {
    if (!topics.contains(name)) continue;
    topic.barred.reset();
    for (const auto& known : topic.all) {
      known->failures = 0;
    }
  }
}

void Destinations::reset_outstanding() {
  for (auto& [name, topic] : topics_) {
    for (const auto& known : topic.all) {
      known->records_out = known->bytes_out = 0;
    }
  }
}

void Destinations::forget_shapes() {
  for (auto& [name, topic] : topics_) topic.partitions = 0;
}

int64_t Destinations::parked_until_ns(const std::string& topic) const {
  const auto known = topics_.find(topic);
  return known == topics_.end() ? 0 : known->second.parked_until_ns;
}

}  // namespace longshore::agent
