#include "agent/lane/destinations.h"

#include <spdlog/spdlog.h>
#include <xxhash.h>

#include <algorithm>

#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr int64_t kSecondNs = 1'000'000'000;

std::string described(const shipper::TopicPartition& where) {
  return "partition " + std::to_string(where.partition) + " of topic " + where.topic;
}

}  // namespace

bool Destination::has_room() const {
  return records_out <= limits::kFeedRecords && bytes_out <= limits::kFeedBytes;
}

Destinations::Destinations(DestinationOptions options, shipper::Kafka& kafka)
    : options_(std::move(options)), kafka_(kafka) {}

Status Destinations::look_up(const std::string& name, Topic& topic, int64_t now_ns) {
  auto shape = kafka_.topic_shape(name, limits::kMetadataMs);
  if (!shape && shape.error().code == ErrorCode::kNotFound && options_.create_topics) {
    const Status created = kafka_.create_topic(name, options_.topic_partitions,
                                               options_.topic_replicas, limits::kMetadataMs);
    if (created) {
      spdlog::info("created topic {} with {} partitions", name, options_.topic_partitions);
      shape = kafka_.topic_shape(name, limits::kMetadataMs);
    } else {
      shape = created.error();
    }
  }
  if (shape) {
    topic.parked_until_ns = 0;
    topic.missing.reset();
    take_shape(topic, std::move(shape).value(), now_ns);
    return ok();
  }
  const ErrorCode code = shape.error().code;
  if (code == ErrorCode::kRetryable || code == ErrorCode::kUndecided) {
    topic.parked_until_ns = now_ns + limits::kAskAgainNs;
    return shape.error();
  }
  const int64_t wait_ns = topic.missing.next();
  topic.parked_until_ns = now_ns + wait_ns;
  spdlog::warn("topic {} cannot be used, so its logs wait: {} Trying again in {} s.", name,
               shape.error().message, wait_ns / kSecondNs);
  return shape.error();
}

void Destinations::take_shape(Topic& topic, shipper::TopicShape shape, int64_t now_ns) {
  topic.shape = std::move(shape);
  topic.looked_up_ns = now_ns;
  for (const auto& known : topic.all) apply_shape(topic, *known, now_ns);
}

// Told once when the partition goes, and once when it is back.
void Destinations::apply_shape(const Topic& topic, Destination& to, int64_t now_ns) {
  const auto why = topic.shape.unusable.find(to.where.partition);
  if (why != topic.shape.unusable.end()) {
    to.parked_until_ns = now_ns + limits::kUnusableLookNs;
    if (to.unusable_since_ns != 0) return;
    to.unusable_since_ns = now_ns;
    spdlog::warn("{} takes nothing: {}. Its logs wait, all others go on. Nothing is lost.",
                 described(to.where), why->second);
  } else if (to.unusable_since_ns != 0) {
    spdlog::info("{} takes records again after {} s: its logs go on", described(to.where),
                 (now_ns - to.unusable_since_ns) / kSecondNs);
    to.unusable_since_ns = to.parked_until_ns = 0;
  }
}

Result<Destination*> Destinations::find(const std::string& name, SourceId source, int32_t stored,
                                        int64_t now_ns) {
  Topic& topic = topics_[name];
  if (topic.parked_until_ns > now_ns) {
    return Error{ErrorCode::kNotFound, "Topic " + name + " is parked."};
  }
  if (topic.shape.partitions == 0) {
    const Status looked_up = look_up(name, topic, now_ns);
    if (!looked_up) return looked_up.error();
  }
  int32_t partition = stored;
  if (partition < 0 || partition >= topic.shape.partitions) {
    const auto count = static_cast<uint64_t>(topic.shape.partitions);
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
  apply_shape(topic, *topic.all.back(), now_ns);
  return topic.all.back().get();
}

bool Destinations::is_usable(Destination& to, int64_t now_ns) {
  if (to.parked_until_ns > now_ns) return false;
  if (to.unusable_since_ns == 0) {
    to.parked_until_ns = 0;
    return true;
  }
  Topic& topic = topics_[to.where.topic];
  if (topic.parked_until_ns > now_ns || !look_up(to.where.topic, topic, now_ns)) {
    to.parked_until_ns = topic.parked_until_ns;
    return false;
  }
  return to.unusable_since_ns == 0;
}

int64_t Destinations::silent_since_ns() const {
  int64_t since_ns = 0;
  for (const auto& [name, topic] : topics_) {
    for (const auto& known : topic.all) {
      if (known->records_out == 0) continue;
      since_ns =
          since_ns == 0 ? known->silent_since_ns : std::min(since_ns, known->silent_since_ns);
    }
  }
  return since_ns;
}

bool Destinations::awaits_usable(int64_t now_ns) const {
  return std::any_of(topics_.begin(), topics_.end(), [&](const auto& topic) {
    return std::any_of(topic.second.all.begin(), topic.second.all.end(), [&](const auto& to) {
      return to->records_out > 0 && to->parked_until_ns <= now_ns && !to->refused;
    });
  });
}

Result<std::string> Destinations::park_unusable(int64_t since_ns, int64_t now_ns) {
  std::string found;
  size_t asked = 0;
  for (auto& [name, topic] : topics_) {
    const bool in_use = std::any_of(topic.all.begin(), topic.all.end(), [&](const auto& known) {
      return known->used_ns >= since_ns && known->parked_until_ns <= now_ns;
    });
    if (!in_use) continue;
    if (asked++ == limits::kUnusableTopicsMax) break;
    auto shape = kafka_.topic_shape(name, limits::kUnusableLookMs);
    if (!shape) {
      if (shape.error().code == ErrorCode::kRetryable) return shape.error();
      continue;
    }
    std::vector<Destination*> usable;
    for (const auto& known : topic.all) {
      if (known->used_ns >= since_ns && known->unusable_since_ns == 0)
        usable.push_back(known.get());
    }
    take_shape(topic, std::move(shape).value(), now_ns);
    for (const Destination* const each : usable) {
      if (each->unusable_since_ns == 0) continue;
      if (!found.empty()) found += ", ";
      found += described(each->where);
    }
  }
  return found;
}

std::string Destinations::park_silent(int64_t since_ns, int64_t now_ns) {
  std::string found;
  for (auto& [name, topic] : topics_) {
    for (const auto& known : topic.all) {
      if (known->records_out == 0 || known->silent_since_ns > since_ns) continue;
      known->parked_until_ns = now_ns + known->silence.next();
      if (!found.empty()) found += ", ";
      found += described(known->where);
    }
  }
  return found;
}

void Destinations::failed(const shipper::TopicPartition& where, const std::string& why,
                          int64_t now_ns) {
  Topic& topic = topics_[where.topic];
  topic.shape.partitions = 0;  // It may have been deleted, made anew, or grown: ask again.
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
  topic.shape.partitions = 0;
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
      known->refused = false;
    }
  }
}

void Destinations::forget_shapes() {
  for (auto& [name, topic] : topics_) topic.shape.partitions = 0;
}

int64_t Destinations::parked_until_ns(const std::string& topic) const {
  const auto known = topics_.find(topic);
  return known == topics_.end() ? 0 : known->second.parked_until_ns;
}

}  // namespace longshore::agent
