#include "agent/files/path_check.h"

#include <memory>
#include <utility>

namespace longshore::agent {

bool PathCheck::leads_to(const std::string& path, const checkpoint::FileIdentity& identity) {
  if (!host_) return true;
  if (chain_.empty()) chain_.push_back(*host_);
  size_t depth = 1;
  for (const std::string& name : split_path(path)) {
    const std::string next = join_path(chain_[depth - 1].path, name);
    if (chain_.size() > depth && chain_[depth].path != next) chain_.resize(depth);
    if (chain_.size() == depth) {
      auto fd = open_name_only(chain_.back(), name);
      if (!fd) return fd.error().code == ErrorCode::kRetryable;
      chain_.push_back({std::make_shared<Fd>(std::move(*fd)), next, host_->tree});
    }
    ++depth;
  }
  const auto facts = checkpoint::file_facts(chain_[depth - 1].fd->get());
  return !facts || facts->identity == identity;
}

}  // namespace longshore::agent
