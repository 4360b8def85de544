// Shared by the threads of one index process: their counts, and what they learn about the server.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <set>
#include <string>

namespace longshore::search {

/// Thread: any.
struct Tally {
  std::atomic<uint64_t> created{0}, there{0};  ///< Items answered with 201, 409.
  std::atomic<uint64_t> rejected{0};           ///< Documents that no server will accept.
  std::atomic<uint64_t> dead_lettered{0};
  std::atomic<uint64_t> put_off{0};    ///< Items sent again because the server was not ready.
  std::atomic<uint64_t> failures{0};   ///< Requests without a usable answer.
  std::atomic<uint64_t> too_large{0};  ///< Requests that were halved because they were too large.
  std::atomic<uint64_t> requests{0}, body_bytes{0};
};

/// Thread: any.
class Learned {
 public:
  /// Larger bodies may be refused for their size.
  size_t body_bytes_max() const { return body_bytes_max_.load(); }
  void refused_body(size_t bytes);

  /// Whether `index` is known to be an index, or a data stream, and no alias.
  bool is_plain(const std::string& index) const;
  void set_plain(const std::string& index);

  /// Whether items for `index` were parked, and none has been taken since.
  bool is_troubled(const std::string& index) const;
  void set_troubled(const std::string& index, bool troubled);

 private:
  std::atomic<size_t> body_bytes_max_{SIZE_MAX};
  mutable std::mutex mutex_;
  std::set<std::string> plain_, troubled_;
};

}  // namespace longshore::search
