// An archive that several threads use at a time, each over a connection of its own.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "integrations/archive/targets/target.h"

namespace longshore::archive {

/// Thread: any. Makes as many targets as threads ever call at the same time, and keeps them.
class SharedTarget final : public ArchiveTarget {
  // Here, because the calls below have its type.
  template <typename Call>
  auto with(const Call& call) {
    std::unique_ptr<ArchiveTarget> target = borrow();
    auto result = call(*target);
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(target));
    return result;
  }

 public:
  using Make = std::function<std::unique_ptr<ArchiveTarget>()>;
  explicit SharedTarget(Make make) : make_(std::move(make)) {}

  Result<std::vector<Entry>> list(const std::string& folder) override {
    return with([&](ArchiveTarget& target) { return target.list(folder); });
  }
  Result<Entry> stat(const std::string& path) override {
    return with([&](ArchiveTarget& target) { return target.stat(path); });
  }
  Status make_folder(const std::string& folder) override {
    return with([&](ArchiveTarget& target) { return target.make_folder(folder); });
  }
  Status put(const std::string& path, int fd, int64_t bytes) override {
    return with([&](ArchiveTarget& target) { return target.put(path, fd, bytes); });
  }
  Status put(const std::string& path, std::string_view content) override {
    return with([&](ArchiveTarget& target) { return target.put(path, content); });
  }
  Result<Renamed> rename_new(const std::string& from, const std::string& to) override {
    return with([&](ArchiveTarget& target) { return target.rename_new(from, to); });
  }
  Status remove(const std::string& path) override {
    return with([&](ArchiveTarget& target) { return target.remove(path); });
  }
  Status read(const std::string& path,
              const std::function<Status(std::string_view)>& take) override {
    return with([&](ArchiveTarget& target) { return target.read(path, take); });
  }

 private:
  std::unique_ptr<ArchiveTarget> borrow() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return make_();
    std::unique_ptr<ArchiveTarget> target = std::move(free_.back());
    free_.pop_back();
    return target;
  }

  const Make make_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<ArchiveTarget>> free_;
};

}  // namespace longshore::archive
