// The lane's chunks: lent while the broker has them, reused afterwards, bounded by bytes. Small
// ones are kept apart from large ones: a file that grows by a line at a time must not occupy the
// memory of a whole window with each line.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "config/limits.h"
#include "shipper/record/chunk.h"

namespace longshore::agent {

/// Thread: the lane's.
class ChunkPool {
 public:
  /// An empty chunk, a small one if few bytes are expected; null while the pool is full.
  shipper::Chunk* lend(size_t expected_bytes) {
    if (is_full()) return nullptr;
    std::vector<shipper::Chunk*>& from = shelf(expected_bytes);
    if (from.empty()) {
      all_.push_back(std::make_unique<shipper::Chunk>());
      from.push_back(all_.back().get());
    }
    shipper::Chunk* chunk = from.back();
    from.pop_back();
    free_bytes_ -= chunk->memory_bytes();
    chunk->read.clear();
    chunk->encoded.clear();
    chunk->messages.clear();
    chunk->value_bytes = chunk->unreported = 0;
    return chunk;
  }

  /// All of `chunk` was handed over: its memory counts.
  void lent(shipper::Chunk& chunk) {
    chunk.lent_bytes = chunk.memory_bytes();
    lent_bytes_ += chunk.lent_bytes;
    ++lent_chunks_;
  }

  /// Every record of `chunk` was reported. Several reports may name it; only the first call counts.
  void give_back(shipper::Chunk& chunk) {
    if (chunk.lent_bytes == 0) return;
    lent_bytes_ -= std::exchange(chunk.lent_bytes, 0);
    --lent_chunks_;
    put(chunk);
  }

  /// Was lent out but never filled.
  void give_back_unused(shipper::Chunk& chunk) { put(chunk); }

  /// The session is gone: nothing is lent any more.
  void reset() {
    small_.clear();
    large_.clear();
    free_bytes_ = lent_bytes_ = lent_chunks_ = 0;
    for (const auto& chunk : all_) {
      chunk->lent_bytes = 0;
      put(*chunk);
    }
  }

  bool is_full() const {
    return lent_bytes_ >= limits::kLaneBytesInFlightMax || lent_chunks_ >= limits::kLentChunksMax;
  }

 private:
  std::vector<shipper::Chunk*>& shelf(size_t bytes) {
    return bytes <= limits::kSmallChunkBytes ? small_ : large_;
  }

  void put(shipper::Chunk& chunk) {
    if (lent_bytes_ + free_bytes_ + chunk.memory_bytes() > limits::kLaneBytesInFlightMax) {
      chunk.free_memory();
    }
    free_bytes_ += chunk.memory_bytes();
    shelf(chunk.memory_bytes()).push_back(&chunk);
  }

  std::vector<std::unique_ptr<shipper::Chunk>> all_;
  std::vector<shipper::Chunk*> small_, large_;  // Not lent, by their memory.
  size_t lent_bytes_ = 0, lent_chunks_ = 0, free_bytes_ = 0;
};

}  // namespace longshore::agent
