// A Chunk holds what one turn of the scheduler read from one source: the bytes, the records made of
// them, and how many of those records the broker has not acknowledged yet. librdkafka sends
// straight from these bytes, so nothing is freed before the last delivery report.
#pragma once

#include <librdkafka/rdkafka.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "config/ids.h"

namespace longshore::shipper {

/// Growable, uninitialised bytes. Growing invalidates pointers into them.
class Buffer {
 public:
  char* data() { return bytes_.get(); }
  const char* data() const { return bytes_.get(); }
  size_t size() const { return size_; }
  size_t capacity() const { return capacity_; }
  void clear() { size_ = 0; }
  void resize(size_t size) { reserve(size), size_ = size; }
  void reserve(size_t capacity);

 private:
  std::unique_ptr<char[]> bytes_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

/// Thread: the lane's. Comes from the lane's pool and goes back to it.
struct Chunk {
  SourceId source;
  std::string key;  ///< to_string(source): every record's key.
  Buffer read;      ///< As read from the file; the values of `raw` records point into it.
  Buffer encoded;   ///< The values of JSON records point into it.
  std::vector<rd_kafka_message_t> messages;  ///< In order; `_private` is this chunk.
  size_t value_bytes = 0;                    ///< Sum of the values' lengths.
  size_t unreported = 0;  ///< Messages handed to the producer, no delivery report yet.
  size_t lent_bytes = 0;  ///< The pool's: the bytes it counts for while lent; else 0.
  void* owner = nullptr;  ///< The lane's: where its records go.

  size_t memory_bytes() const {
    return read.capacity() + encoded.capacity() +
           messages.capacity() * sizeof(decltype(messages)::value_type);
  }
  void free_memory() {
    read = {}, encoded = {};
    messages = decltype(messages)();  // "= {}" would keep its capacity.
  }
};

}  // namespace longshore::shipper
