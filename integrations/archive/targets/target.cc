#include "integrations/archive/targets/target.h"

#include <fmt/format.h>

#include "integrations/archive/targets/file_target.h"
#include "integrations/archive/targets/webhdfs_target.h"

namespace longshore::archive {

Result<std::unique_ptr<ArchiveTarget>> open_target(const std::string& flag,
                                                   const TargetOptions& options) {
  constexpr std::string_view kFile = "file://";
  if (options.url.starts_with(kFile)) {
    std::string root = options.url.substr(kFile.size());
    while (root.size() > 1 && root.ends_with('/')) root.pop_back();
    if (root.size() > 1 && root[0] == '/')
      return std::unique_ptr<ArchiveTarget>(std::make_unique<FileTarget>(std::move(root)));
    return Error{ErrorCode::kInvalid,
                 fmt::format("{} {}: write it as file:///dir.", flag, options.url)};
  }
  if (options.url.starts_with("webhdfs://") || options.url.starts_with("swebhdfs://")) {
    Result<WebHdfsPlace> place = parse_webhdfs_url(flag, options.url);
    if (!place) return place.error();
    return std::unique_ptr<ArchiveTarget>(std::make_unique<WebHdfsTarget>(
        *std::move(place), options.user, options.access, options.stop));
  }
  return Error{ErrorCode::kInvalid,
               fmt::format("{} {}: it is file:///dir, webhdfs://host:port/dir, or swebhdfs:// "
                           "with TLS.",
                           flag, options.url)};
}

Result<std::string> read_small(ArchiveTarget& target, const std::string& path, size_t bytes_max) {
  std::string content;
  Status status = target.read(path, [&](std::string_view piece) {
    if (content.size() + piece.size() > bytes_max)
      return Status(Error{ErrorCode::kFull, fmt::format("{} is larger than it may be", path)});
    content += piece;
    return ok();
  });
  if (!status) return status.error();
  return content;
}

}  // namespace longshore::archive
