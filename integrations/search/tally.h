// What the threads of one index process count and learn together.
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
  std::atomic<uint64_t> rejected{0};           ///< Documents that no server will take.
  std::atomic<uint64_t> dead_lettered{0};
  std::atomic<uint64_t> put_off{0};    ///< Items to be sent again: the server's reasons.
  std::atomic<uint64_t> failures{0};   ///< Requests without a usable answer.
  std::atomic<uint64_t> too_large{0};  ///< Requests halved for their size.
  std::atomic<uint64_t> requests{0}, body_bytes{0};
};

/// Thread: any.
class Learned {
 public:
  /// The largest body that the server is known not to refuse for its size.
  size_t body_bytes_max() const { return body_bytes_max_.load(); }
  void refused_body(size_t bytes);

  /// Whether documents for `index` were seen to go to an index of this very name.
  bool is_plain(const std::string& index) const;
  void set_plain(const std::string& index);

  /// Says at most one sentence in ten seconds that something is waited for.
  void complain(const std::string& sentence);

 private:
  std::atomic<size_t> body_bytes_max_{SIZE_MAX};
  mutable std::mutex mutex_;
  std::set<std::string> plain_;
  int64_t said_ms_ = 0;
  uint64_t unsaid_ = 0;
};

}  // namespace longshore::search
