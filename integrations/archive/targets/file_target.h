// An archive on a mounted file system.
#pragma once

#include <string>

#include "config/fd.h"
#include "integrations/archive/targets/target.h"

namespace longshore::archive {

/// Every change is on the disk before its call returns: files and folders are synced.
class FileTarget final : public ArchiveTarget {
 public:
  /// `root` may not exist: then there is nothing to read, and make_folder() fails.
  explicit FileTarget(std::string root);

  Result<std::vector<Entry>> list(const std::string& folder) override;
  Result<Entry> stat(const std::string& path) override;
  Status make_folder(const std::string& folder) override;
  Status put(const std::string& path, int fd, int64_t bytes) override;
  Status put(const std::string& path, std::string_view content) override;
  Result<Renamed> rename_new(const std::string& from, const std::string& to) override;
  Status remove(const std::string& path) override;
  Status read(const std::string& path,
              const std::function<Status(std::string_view)>& take) override;

 private:
  std::string full(const std::string& path) const;
  Result<Fd> create(const std::string& path) const;

  const std::string root_;
};

}  // namespace longshore::archive
