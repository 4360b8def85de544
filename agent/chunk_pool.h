// The lane's chunks: lent while the broker has them, reused afterwards, bounded by bytes.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "config/limits.h"
#include "shipper/chunk.h"

namespace longshore::agent {

/// Thread: the lane's.
class ChunkPool {
 public:
  /// An empty chunk; null while kLaneBytesInFlightMax bytes are lent.
  shipper::Chunk* lend() {
    if (lent_bytes_ >= limits::kLaneBytesInFlightMax) return nullptr;
    if (free_.empty()) {
      all_.push_back(std::make_unique<shipper::Chunk>());
      free_.push_back(all_.back().get());
    }
    shipper::Chunk* chunk = free_.back();
    free_.pop_back();
    chunk->read.clear();
    chunk->encoded.clear();
    chunk->messages.clear();
    chunk->value_bytes = chunk->unreported = 0;
    return chunk;
  }

  /// All of `chunk` is with the broker now: its memory counts.
  void lent(shipper::Chunk& chunk) {
    chunk.lent_bytes = chunk.memory_bytes();
    lent_bytes_ += chunk.lent_bytes;
  }

  /// Every record of it was answered for. Only the first call counts: several reports may name it.
  void give_back(shipper::Chunk& chunk) {
    if (chunk.lent_bytes == 0) return;
    lent_bytes_ -= std::exchange(chunk.lent_bytes, 0);
    free_.push_back(&chunk);
  }

  /// Was lent out but never filled.
  void give_back_unused(shipper::Chunk& chunk) { free_.push_back(&chunk); }

  /// The session is gone: nothing is lent any more.
  void reset() {
    free_.clear();
    for (const auto& chunk : all_) {
      chunk->lent_bytes = 0;
      free_.push_back(chunk.get());
    }
    lent_bytes_ = 0;
  }

  size_t lent_bytes() const { return lent_bytes_; }

 private:
  std::vector<std::unique_ptr<shipper::Chunk>> all_;
  std::vector<shipper::Chunk*> free_;
  size_t lent_bytes_ = 0;
};

}  // namespace longshore::agent
