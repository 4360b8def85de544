// An archive on HDFS, through the WebHDFS interface of NameNodes and DataNodes, or HttpFS.
//
//   NameNode: names, and "Location" of a DataNode --> DataNode: bytes
//
// The protocol is described on Hadoop's WebHDFS page. Where real services differ from it, a comment
// in the code says how. Redirects are requested as JSON (noredirect), because a body cannot be
// sent twice.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "integrations/archive/targets/target.h"

namespace longshore::archive {

/// Where the archive is, taken from webhdfs://nn1:9870,nn2:9870/dir.
struct WebHdfsPlace {
  std::vector<std::string> nodes;  ///< "http://nn1:9870"
  std::string root;                ///< "/dir", or empty.
};
Result<WebHdfsPlace> parse_webhdfs_url(const std::string& flag, const std::string& url);

class WebHdfsTarget final : public ArchiveTarget {
 public:
  WebHdfsTarget(WebHdfsPlace place, std::string user, const http::Access& access,
                const std::atomic<bool>* stop);

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
  /// A server's answer: status, body, and the name of the Java exception if it refused.
  struct Reply {
    long status = 0;
    std::string body, location, exception, message;
    bool good() const { return status >= 200 && status < 400; }
  };

  Result<Reply> ask(const std::string& method, const std::string& path, const std::string& query);
  Result<Reply> ask_node(const std::string& node, const std::string& method,
                         const std::string& path, const std::string& query);
  Result<std::string> redirect(const std::string& method, const std::string& path,
                               const std::string& query);
  Status send(const std::string& path, http::Request request);
  Error refused(const std::string& what, const std::string& path, const Reply& reply) const;
  bool is_node(const std::string& url) const;

  const WebHdfsPlace place_;
  const std::string user_;
  const bool negotiate_;
  http::Client client_;
  size_t node_ = 0;  // The node that answered last.
};

}  // namespace longshore::archive
