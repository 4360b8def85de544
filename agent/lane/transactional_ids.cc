#include "agent/lane/transactional_ids.h"

#include <algorithm>
#include <sstream>

#include "config/limits.h"

namespace longshore::agent {
namespace {

// "2 0 1": ships under 2, has left 0, then 1.
std::string value_name(LaneId lane) {
  return checkpoint::kTransactionalIdsValue + std::to_string(lane.value);
}

}  // namespace

Status TransactionalIds::load() {
  if (loaded_) return ok();
  const auto stored = setup_.store.value(value_name(setup_.options.lane));
  if (!stored) return stored.error();
  std::istringstream numbers(stored.value());
  uint32_t id = 0;
  if (numbers >> id && id < limits::kTransactionalIdsMax) current_ = id;
  while (numbers >> id) {
    const bool known = id == current_ || std::ranges::find(left_, id) != left_.end();
    if (id < limits::kTransactionalIdsMax && !known) left_.push_back(id);
  }
  loaded_ = true;
  return ok();
}

std::string TransactionalIds::name_of(uint32_t id) const {
  return lane_transactional_id(setup_.options.host_id, setup_.options.lane, id);
}

Status TransactionalIds::store(uint32_t current, std::vector<uint32_t> left) {
  std::string value = std::to_string(current);
  for (const uint32_t id : left) value += " " + std::to_string(id);
  Status stored = setup_.store.set_value(value_name(setup_.options.lane), value);
  if (!stored) return stored;
  current_ = current;
  left_ = std::move(left);
  return ok();
}

Status TransactionalIds::leave() {
  std::vector<uint32_t> left = left_;
  left.push_back(current_);
  uint32_t next = 0;
  while (std::ranges::find(left, next) != left.end()) ++next;
  if (next >= limits::kTransactionalIdsMax) {
    next = left.front();
    left.erase(left.begin());
  }
  return store(next, std::move(left));
}

Status TransactionalIds::first_left_is_free() {
  const uint32_t freed = left_.front();
  return store(std::min(current_, freed), {left_.begin() + 1, left_.end()});
}

void TransactionalIds::first_left_is_busy() {
  std::rotate(left_.begin(), left_.begin() + 1, left_.end());
}

}  // namespace longshore::agent
