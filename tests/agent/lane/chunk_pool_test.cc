// Goal: lent memory and memory kept for reuse together stay within the lane's limit, and a source
// that reads little gets only a small chunk.
// Method: chunks of chosen sizes are lent and given back.

#include "agent/lane/chunk_pool.h"

#include <gtest/gtest.h>

namespace longshore::agent {
namespace {

using shipper::Chunk;

constexpr size_t kLarge = 1 << 20;

Chunk* lend(ChunkPool& pool, size_t bytes) {
  Chunk* chunk = pool.lend(bytes);
  if (chunk == nullptr) return nullptr;
  chunk->read.reserve(bytes);
  pool.lent(*chunk);
  return chunk;
}

TEST(ChunkPoolTest, little_and_much_are_kept_apart) {
  ChunkPool pool;
  Chunk* const small = lend(pool, 1000);
  Chunk* const large = lend(pool, kLarge);
  pool.give_back(*small);
  pool.give_back(*large);
  EXPECT_EQ(pool.lend(1000), small);
  EXPECT_EQ(pool.lend(kLarge), large);
  EXPECT_NE(pool.lend(1000), large);
}

TEST(ChunkPoolTest, it_is_full_by_bytes_and_by_number) {
  ChunkPool pool;
  std::vector<Chunk*> all;
  while (Chunk* const chunk = lend(pool, kLarge)) all.push_back(chunk);
  EXPECT_EQ(all.size(), limits::kLaneBytesInFlightMax / kLarge);
  pool.give_back(*all[0]);
  pool.give_back(*all[0]);  // Several reports may name it.
  EXPECT_NE(lend(pool, kLarge), nullptr);
  EXPECT_TRUE(pool.is_full());
  pool.reset();
  size_t small = 0;
  while (lend(pool, 100) != nullptr) ++small;
  EXPECT_EQ(small, limits::kLentChunksMax);
}

TEST(ChunkPoolTest, what_is_kept_counts_as_well) {
  ChunkPool pool;
  std::vector<Chunk*> all;
  // Those that were thought to be small grow.
  for (int i = 0; i < 100; ++i) {
    all.push_back(pool.lend(0));
    all.back()->read.reserve(kLarge);
  }
  size_t bytes = 0;
  for (Chunk* const chunk : all) pool.give_back_unused(*chunk);
  for (const Chunk* const chunk : all) bytes += chunk->memory_bytes();
  EXPECT_EQ(bytes, limits::kLaneBytesInFlightMax);
}

TEST(ChunkPoolTest, what_is_not_kept_is_free) {
  Chunk chunk;
  chunk.read.reserve(kLarge);
  chunk.encoded.reserve(kLarge);
  chunk.messages.resize(limits::kChunkRecordsMax);
  chunk.free_memory();
  EXPECT_EQ(chunk.memory_bytes(), 0u);
}

}  // namespace
}  // namespace longshore::agent
