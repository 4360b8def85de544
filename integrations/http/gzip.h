// gzip (RFC 1952): for servers that accept Content-Encoding: gzip, and for files.
#pragma once

#include <zlib.h>

#include <functional>
#include <string_view>
#include <vector>

#include "config/result.h"

namespace longshore::http {

/// One gzip member after the other. Thread: one. Memory: zlib's, and one buffer.
class Gzip {
 public:
  /// Where the compressed pieces go.
  using Sink = std::function<Status(std::string_view)>;

  /// `level`: 1 (fast) to 9 (small).
  explicit Gzip(int level);
  ~Gzip();
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;

  /// Adds to the current member. Errors: the sink's.
  Status add(std::string_view bytes, const Sink& sink);
  /// Ends the member; the next add() begins another. Errors: the sink's.
  Status finish(const Sink& sink);

 private:
  Status run(std::string_view bytes, int mode, const Sink& sink);

  z_stream stream_{};
  std::vector<char> out_;
};

}  // namespace longshore::http
