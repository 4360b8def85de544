// Every bound that longshore keeps, in one place: what a buffer may hold, how long a wait may last.
// Each says its unit. A bound that an operator may want to move has a flag; its default stands
// here.
#pragma once

#include <cstddef>
#include <cstdint>

namespace longshore::limits {

// Reading.
inline constexpr size_t kReadBytesMax = 1 << 20;      ///< One read of a log file; one line's room.
inline constexpr size_t kReadBytesUsual = 256 << 10;  ///< One chunk while lines are short.
inline constexpr size_t kOverlapBytes = 64;           ///< Re-read and compared before each read.

// Records.
inline constexpr size_t kRecordBytesMax =
    1'000'000;  ///< An encoded record; Kafka's default less room.
inline constexpr size_t kDeclarationsPerContainerMax = 64;
inline constexpr size_t kFilesPerDeclarationMax = 10'000;
inline constexpr size_t kPathBytesMax = 4096;
inline constexpr size_t kSymlinksMax = 40;       ///< As the kernel's MAXSYMLINKS.
inline constexpr size_t kDescriptorsKept = 256;  ///< Of RLIMIT_NOFILE no log file takes the last.

// One scan for one declaration: what a hostile container can make the watch loop do at once.
inline constexpr size_t kScanStepsMax = 200'000;        ///< Names listed and components opened.
inline constexpr size_t kScanDirectoriesMax = 1'024;    ///< Watched, and held open by the result.
inline constexpr size_t kScanDepthMax = 16;             ///< Directories below a `**`.
inline constexpr size_t kScanProblemsMax = 20;          ///< Sentences kept.
inline constexpr size_t kImageCompareBytes = 32 << 10;  ///< At each end of an image's part.

// Files that nobody follows any more and that the checkpoint knows: whether they are still there.
inline constexpr int64_t kVanishedLookNs = 3'600'000'000'000;  ///< Between two looks for one file.
inline constexpr size_t kVanishedLooksMax = 256;               ///< In one sweep.

// A chunk: what one turn of the scheduler hands to one partition, a quarter of a batch. What is
// read, split and encoded at once fits a core's second cache, and when a batch is acknowledged one
// chunk more completes the next.
inline constexpr size_t kChunkRecordsMax = 1000;
inline constexpr size_t kChunkBytesMax = 250'000;  ///< Encoded; one longer record may exceed it.

// librdkafka's batches, and how a partition is fed: what is outstanding stays below two batches by
// a chunk. So the next batch is almost complete when the one in flight is acknowledged, but none is
// ready behind it (the broker thread would spin, CONTRIBUTING.md).
inline constexpr size_t kBatchRecords = 4000;     ///< batch.num.messages
inline constexpr size_t kBatchBytes = 1'000'000;  ///< batch.size
inline constexpr size_t kFeedRecords = 2 * kBatchRecords - 2 * kChunkRecordsMax;
inline constexpr size_t kFeedBytes = 2 * kBatchBytes - 2 * kChunkBytesMax;
static_assert(kFeedRecords + kChunkRecordsMax < 2 * kBatchRecords);
static_assert(kFeedBytes + kChunkBytesMax < 2 * kBatchBytes);

// Memory of one lane: raw and encoded bytes handed to the producer and not yet reported, and what
// is kept for the next.
inline constexpr size_t kLaneBytesInFlightMax = 24 << 20;
inline constexpr size_t kSmallChunkBytes = 64 << 10;  ///< Of a file that grows little by little.
inline constexpr size_t kLentChunksMax = 2048;        ///< As many sources with a line each.
inline constexpr size_t kReadSlackBytes = 64;         ///< Read beyond what a file was seen to hold.

// Marks: see checkpoint/marks.h.
inline constexpr size_t kMarkSpanBytes = 64 << 10;
inline constexpr size_t kMarksMax = 256;  ///< 16 MiB behind the position.
inline constexpr size_t kClosedGenerationsMax = 64;

}  // namespace longshore::limits
