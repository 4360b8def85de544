#include "agent/lane/kafka_outage.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace longshore::agent {

void KafkaOutage::begin(const std::string& why) {
  noted_ = true;
  if (lasts()) return;
  since_ns_ = std::max<int64_t>(setup_.clock.monotonic_ns(), 1);
  spdlog::warn(
      "lane {}: Kafka is away: no broker answers. {} logs wait at their confirmed positions, and "
      "nothing is lost. Trying until it is back. {}",
      setup_.options.lane.value, setup_.progress.sources.load(), why);
}

void KafkaOutage::end() {
  if (!lasts()) return;
  spdlog::info("lane {}: Kafka is back after {} s: the lane resumes", setup_.options.lane.value,
               (setup_.clock.monotonic_ns() - since_ns_) / 1'000'000'000);
  since_ns_ = 0;
  noted_ = false;
}

}  // namespace longshore::agent
