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
inline constexpr size_t kReadBytesMin = 16 << 10;     ///< While lines grow much when encoded.
inline constexpr size_t kOverlapBytes = 64;           ///< Re-read and compared before each read.

// Waiting, while a file is read.
inline constexpr int64_t kUnreadableRetryNs = 60'000'000'000;  ///< Then its block is skipped.
inline constexpr int64_t kUnreadableRereadNs = 1'000'000'000;  ///< Between two tries.
inline constexpr uint64_t kBlockBytes = 4096;                  ///< The unit of what is skipped.
inline constexpr int64_t kCopyWaitNs = 2'000'000'000;  ///< A truncated file waits for its copy.
inline constexpr size_t kRunEndsMax = 64;  ///< Of one source: places where its processes ended.
inline constexpr int64_t kNulsWaitNs = 1'000'000'000;   ///< NULs before text wait for their writer.
inline constexpr uint64_t kCopyCompareBytes = 1 << 20;  ///< At each end of a possible copy.
inline constexpr uint64_t kAlikeBytesMax =
    4096;  ///< A program may begin two logs with these alike.
inline constexpr int64_t kWriterPollNs = 200'000'000;  ///< Between two looks for a file's writers.
/// Within it a lane hears that a container runs again, whose file has grown since it died;
inline constexpr int64_t kRunToldNs = 60'000'000'000;
/// the same, if nobody knows whether it has grown.
inline constexpr int64_t kRunUnknownNs = 10'000'000'000;

// Whether a file was written anew: what is compared of it (agent/tail/content_check.h).
inline constexpr size_t kCompareSpansMax = 16;             ///< At once: a MiB.
inline constexpr int64_t kCompareEveryNs = 1'000'000'000;  ///< A span of a file that grows.
inline constexpr int64_t kComparePauseNs = 10'000'000;     ///< After a MiB of one that did not.

// A log that is truncated over and over: entries in the ledger, and looks for its copies.
inline constexpr int64_t kTruncatedNoteNsMin = 60'000'000'000;     ///< From an entry to the next,
inline constexpr int64_t kTruncatedNoteNsMax = 3'600'000'000'000;  ///< which doubles up to this.
inline constexpr int kTruncatedRangesMax = 30;                     ///< Exact ranges at once,
inline constexpr int64_t kTruncatedRangeNs = 60'000'000'000;       ///< then one in this time.
inline constexpr int kCopyLooksMax = 10;                           ///< At once,
inline constexpr int64_t kCopyLookNs = 6'000'000'000;              ///< then one in this time.

// Compressed logs: the memory of a format's window, what one turn unpacks, and what may come out of
// a file: a log of repeated lines packs 1:1,000 at most.
inline constexpr int64_t kCompressingNs = 60'000'000'000;  ///< A rotator may need to make one.
inline constexpr uint64_t kUnpackMemoryMax = 72 << 20;     ///< As `xz -9` needs.
inline constexpr int kUnpackWindowLog = 26;                ///< zstd: 64 MiB.
inline constexpr size_t kUnpackInputBytes = 64 << 10;      ///< Read at once.
inline constexpr size_t kUnpackPieceBytes = 64 << 10;
inline constexpr size_t kUnpackStepBytes = 4 << 20;
inline constexpr uint64_t kUnpackedFreeBytes = 1 << 30;
inline constexpr uint64_t kUnpackedRatioMax = 1'000;
inline constexpr size_t kUnpackersMax = 4;  ///< Of a lane.
inline constexpr int64_t kUnpackerIdleNs =
    1'000'000'000;                                     ///< Then another file may have its place.
inline constexpr int64_t kUnpackWaitNs = 100'000'000;  ///< For a place.

// Closed generations are watched for late writes.
inline constexpr size_t kLateFilesMax = 2;                ///< Of a source: the newest.
inline constexpr int64_t kLateWatchNs = 600'000'000'000;  ///< After they were closed.
inline constexpr int64_t kLateLookNs = 200'000'000;       ///< Between two looks.

// Searching a file after a power loss: one turn looks at a MiB.
inline constexpr size_t kSearchStepBytes = 64 << 10;
inline constexpr int kSearchStepsMax = 16;
// A block that was never written reads as zeros, and so does the end of a size that outlived its
// bytes; one or two zero bytes may be the application's.
inline constexpr uint64_t kZerosMin = 64;

// Records.
inline constexpr size_t kRecordBytesMax =
    1'000'000;  ///< An encoded record; Kafka's default less room.
/// Of lines that Docker or CRI cut and whose end is far away, in one lane; the rest goes in parts.
inline constexpr size_t kBegunBytesMax = 16 << 20;

// Declarations, and the files that they name.
inline constexpr size_t kDeclarationsPerContainerMax = 64;
inline constexpr size_t kFilesPerDeclarationMax = 10'000;
inline constexpr size_t kNameBytesMax = 64;         ///< Of a log.
inline constexpr size_t kTopicBytesMax = 249;       ///< Kafka's own limit.
inline constexpr size_t kTopicShownBytesMax = 160;  ///< In names of archived files, of 255 bytes.
inline constexpr size_t kTagsMax = 32;              ///< Of a declaration.
inline constexpr size_t kTagBytesMax = 256;         ///< Of one of them, key and value.
inline constexpr size_t kShownValueBytesMax = 100;  ///< Of a wrong value, in the message about it.
inline constexpr size_t kPathBytesMax = 4096;
inline constexpr size_t kSymlinksMax = 40;       ///< As the kernel's MAXSYMLINKS.
inline constexpr size_t kDescriptorsKept = 256;  ///< The last of RLIMIT_NOFILE: not for log files.

// One scan for one declaration: what a hostile container can make the watch loop do. It is done in
// slices, between which others have their turns.
inline constexpr size_t kScanNamesMax = 4'000'000;    ///< Listed.
inline constexpr size_t kScanStepsMax = 200'000;      ///< Components opened, but for those granted:
inline constexpr size_t kScanStepsGranted = 4;        ///< with each name that was listed.
inline constexpr size_t kScanNameStepsMax = 4'096;    ///< Components opened for one name.
inline constexpr size_t kScanOpenListingsMax = 64;    ///< One below the other.
inline constexpr size_t kScanListedAtOnce = 256;      ///< Names.
inline constexpr size_t kScanDirectoriesMax = 1'024;  ///< Watched, and held open by the result.
inline constexpr size_t kScanDirectoriesSeenMax = 400'000;  ///< Then the scan ends.
inline constexpr size_t kScanDepthMax = 16;                 ///< Directories below a `**`.
inline constexpr size_t kScanProblemsMax = 20;              ///< Sentences kept.
inline constexpr size_t kImageCompareBytes = 32 << 10;      ///< At each end of an image's part.
inline constexpr size_t kCompareSteps = 16;                 ///< One comparison counts as this many.
inline constexpr size_t kPrintableBytesMax = 300;           ///< Of a name in a message.
inline constexpr int kOpenAttemptsMax = 8;                  ///< While renames race with openat2.
inline constexpr size_t kProcFileBytesMax = 16 << 20;       ///< A mount table, for one.
inline constexpr size_t kInotifyBufferBytes = 256 << 10;

// A turn of the watch loop's scans: after it events, containers and signals are handled. A tenant
// is one container, or one declared log of the host: its scans take at most a fifth of the time,
// but for a first rush.
inline constexpr int64_t kTurnNs = 20'000'000;
inline constexpr size_t kTurnSteps = 20'000;
inline constexpr int64_t kTenantSliceNs = 5'000'000;  ///< Of a turn, while others wait.
inline constexpr size_t kTenantSliceSteps = 5'000;
inline constexpr int64_t kTenantPauseFactor = 4;
inline constexpr int64_t kTenantRushNs = 200'000'000;

// What a tenant may hold, and all of them together. Files that are closed to make room are opened
// again when they change.
inline constexpr size_t kTenantFilesMax = 16'384;    ///< Open.
inline constexpr size_t kTenantSourcesMax = 50'000;  ///< Known.
inline constexpr size_t kTenantWatchesMax = 4'096;   ///< Directories; others are looked at.
inline constexpr size_t kAllFilesMax = 65'536;       ///< A quarter of a GB.
inline constexpr size_t kAllSourcesMax = 150'000;
inline constexpr size_t kAllWatchesMax = 65'536;
inline constexpr size_t kGenerationsOpenMax = 64;       ///< Of one log: the next ones wait.
inline constexpr size_t kRestedAtOnce = 1'024;          ///< Files that are closed to make room.
inline constexpr int64_t kRestNs = 1'000'000'000;       ///< Not written to for so long.
inline constexpr int64_t kRoomLookNs = 200'000'000;     ///< Between two looks for room.
inline constexpr int64_t kRoomToldNs = 30'000'000'000;  ///< A wait for it goes into the ledger.
inline constexpr size_t kRefusalsKnown = 10'000;        ///< Then one may be recorded again.

// Files that nobody follows any more and that the checkpoint knows: whether they are still there.
inline constexpr int64_t kVanishedLookNs = 3'600'000'000'000;  ///< Between two looks for one file.
inline constexpr size_t kVanishedLooksMax = 256;               ///< In one sweep.
inline constexpr size_t kVanishedLooksFirst = 10'000;          ///< In the first one.
inline constexpr size_t kVanishedDirectoriesOpenMax = 64;      ///< At a time.

// Files of a log that stand elsewhere: former targets of a symlink, renamed directories.
inline constexpr size_t kFormerStepsMax = 4'096;  ///< Names opened in one scan, and listings:
inline constexpr size_t kFormerNamesPerStep = 32;
inline constexpr size_t kFormerDepthMax = 3;              ///< Directories below, and above.
inline constexpr size_t kFormerDirectoriesOpenMax = 256;  ///< At a time.
inline constexpr size_t kFormerFilesMax = 1'000;          ///< Of one log.
inline constexpr size_t kPathChecksMax = 1'000;           ///< Watched directories, in one sweep.

// Discovery: declared logs, directories and open files.
inline constexpr size_t kWarnedOnceMax = 10'000;   ///< Then repeated messages may appear again.
inline constexpr size_t kProblemsPerLogMax = 100;  ///< Reported for one declared log.
inline constexpr int64_t kOpenRetryNsMin = 1'000'000'000;  ///< A file that cannot be opened.
inline constexpr int64_t kOpenRetryNsMax = 60'000'000'000;
inline constexpr int64_t kMissingNs = 2'000'000'000;    ///< Directories of a container: then told.
inline constexpr size_t kDirectoryEntriesMax = 50'000;  ///< Read in one listing of a directory.
inline constexpr int kPutOffMax = 10;    ///< Scans that wait until what has arrived is counted.
inline constexpr int kListingsMax = 10;  ///< Until two agree on the rotated files of a log.
inline constexpr size_t kNameTokensMax = 24;         ///< Parts of a name that may be a rotated one.
inline constexpr size_t kRotatedBasesMax = 16;       ///< Names that one may have been rotated from.
inline constexpr int64_t kFileClockNs = 20'000'000;  ///< The clock that stamps files is so coarse.
inline constexpr int64_t kSideBySideNs =
    1'000'000'000;  ///< Overlap of generations, if they are named.
inline constexpr int64_t kLateWritesNs =
    10'000'000'000;                                ///< The same, where nobody else reads them.
inline constexpr int64_t kAbutNs = 1'000'000'000;  ///< From a generation's last write to the next.
inline constexpr size_t kCopiesMax = 32;  ///< Of a truncated log, opened to find its old content.
inline constexpr size_t kCopyQuestionsMax = 4096;  ///< Files that were judged, and are remembered.
/// Of the watch loop's messages, which a lane applies between two reads.
inline constexpr size_t kMessagesAtOnce = 512;
inline constexpr size_t kTransactionSources = 2048;  ///< A transaction is full with so many logs.
inline constexpr size_t kJudgedAtOnce = 64;  ///< Questions that a lane looks at between two reads.
inline constexpr int64_t kCopyAnswerNs = 50'000'000;  ///< Between two scans that wait for answers.
inline constexpr int64_t kGrownCopyNs =
    5'000'000'000;  ///< A grown copy may still take the log's name.
inline constexpr int64_t kCopyNsMin = 1'000'000'000;  ///< A copy is written at least this fast,
inline constexpr int64_t kCopyNsPerByteMax = 100;     ///< or at 10 MB a second;
inline constexpr uint64_t kCopyBytesMax = uint64_t{1} << 40;  ///< of this many bytes at most.
inline constexpr int kFindListingsMax = 2;  ///< A file may be missed by one while it is renamed.
inline constexpr size_t kNamesKnown = 64;   ///< In one directory, before names are checked.
inline constexpr int64_t kLivelyNs = 10'000'000'000;  ///< A write keeps a file lively this long.
inline constexpr size_t kSweepTurns = 6;  ///< Sweeps until each quiet file had its turn.

// A chunk: what one turn of the scheduler hands to one partition, a quarter of a batch. What is
// read, split and encoded at once fits a core's second cache, and when a batch is acknowledged one
// chunk more completes the next.
inline constexpr size_t kChunkRecordsMax = 1000;
inline constexpr size_t kChunkBytesMax = 250'000;  ///< Encoded; one longer record may exceed it.

// librdkafka's batches, and how a partition is fed: what is outstanding stays below two batches by
// a chunk. So the next batch is almost complete when the one in flight is acknowledged, but none is
// ready after it (the broker thread would spin, docs/internals.md).
inline constexpr size_t kBatchRecords = 4000;     ///< batch.num.messages
inline constexpr size_t kBatchBytes = 1'000'000;  ///< batch.size
inline constexpr size_t kFeedRecords = 2 * kBatchRecords - 2 * kChunkRecordsMax;
inline constexpr size_t kFeedBytes = 2 * kBatchBytes - 2 * kChunkBytesMax;
static_assert(kFeedRecords + kChunkRecordsMax < 2 * kBatchRecords);
static_assert(kFeedBytes + kChunkBytesMax < 2 * kBatchBytes);

// Docker: what one daemon can make the agent hold.
inline constexpr size_t kContainersMax = 65'536;  ///< Followed; a host has hundreds.
inline constexpr size_t kInspectsMax = 8;         ///< Requests for one container each, at once.
inline constexpr int kInspectFailuresMax = 5;     ///< In a row, before a container is given up.
inline constexpr long kDockerConnectionsKept = 16;
inline constexpr size_t kDockerInspectBytesMax = 16 << 20;  ///< The answer about one container.
inline constexpr size_t kDockerListBytesMax = 64 << 20;     ///< The answer that lists them all.
inline constexpr size_t kDockerPingBytesMax = 1 << 20;
inline constexpr size_t kDockerEventBytesMax = 1 << 20;  ///< One event; a longer one is skipped.
// Beside the inspects: the events, and one of ping, info and list.
static_assert(kInspectsMax + 2 <= size_t{kDockerConnectionsKept});

// HTTP: search nodes, NameNodes and DataNodes.
inline constexpr size_t kHttpAnswerBytesMax = 1 << 20;  ///< Kept, unless a request says otherwise.
inline constexpr long kHttpBufferBytes = 256 << 10;     ///< curl's own, in each direction.
inline constexpr long kHttpConnectMs = 5'000;
inline constexpr long kHttpStallS = 60;  ///< Without a byte in either direction.

// Memory of one lane: raw and encoded bytes handed to the producer and not yet reported, and what
// is kept for the next.
inline constexpr size_t kLaneBytesInFlightMax = 24 << 20;
inline constexpr size_t kSmallChunkBytes = 64 << 10;  ///< Of a file that grows little by little.
inline constexpr size_t kLentChunksMax = 2048;        ///< As many sources with a line each.
inline constexpr size_t kReadSlackBytes = 64;         ///< Read beyond what a file was seen to hold.

// librdkafka's settings for a producer, where an operator may move them within limits.
/// With --once, a partition that could not be read so often is left out.
inline constexpr int kReadTriesOnce = 3;
inline constexpr int kTransactionTimeoutMs = 30'000;      ///< Kafka aborts what is open for longer.
inline constexpr int kTransactionTimeoutMsMax = 900'000;  ///< The brokers' default maximum.
inline constexpr int kTransactionCloseMs = 10'000;        ///< Of that, to flush and commit.
inline constexpr size_t kQueueRecords = 100'000;          ///< queue.buffering.max.messages
inline constexpr size_t kQueueKiB = 64 << 10;             ///< queue.buffering.max.kbytes
inline constexpr size_t kQueueRecordsMin = kBatchRecords;
inline constexpr size_t kQueueKiBMin = kLaneBytesInFlightMax >> 10;
static_assert(kQueueRecords >= kQueueRecordsMin && kQueueKiB >= kQueueKiBMin);

inline constexpr int64_t kMs = 1'000'000;  ///< In the clocks' unit, ns.

// A lane's calls to Kafka. Between two of them it applies the messages of the watch loop.
inline constexpr int kKafkaCallMs = 1'000;    ///< Of a session.
inline constexpr int kFlushCallMs = 300;      ///< Between two looks for stuck partitions.
inline constexpr int kSendOffsetMs = 30'000;  ///< Not repeatable, so it gets longer.
inline constexpr int kKafkaQueryMs = 2'000;   ///< About the group or the cluster.
inline constexpr int kMetadataMs = 5'000;     ///< About a topic.
inline constexpr int kCreateTopicMs = 6'000;
inline constexpr int64_t kCallAgainNs = 50 * kMs;           ///< Before such a call is repeated.
inline constexpr int64_t kGiveUpNs = 60'000 * kMs;          ///< Of flushing, of committing.
inline constexpr int64_t kUnstableOffsetNs = 60'000 * kMs;  ///< Before it is reported.

// A lane's sessions: the pause after a failed one, batches that a topic found too large, and how
// long transactions hold one topic each after Kafka barred one that it did not name.
inline constexpr int64_t kRetryNsMin = 100 * kMs;
inline constexpr int64_t kRetryNsMax = 5'000 * kMs;
inline constexpr size_t kBatchShrink = 8;
inline constexpr size_t kBatchBytesMin = 2'000;  ///< Below this one record is tried at a time.
inline constexpr int64_t kBatchGrowthNsMin = 60'000 * kMs;  ///< Before larger ones are tried.
inline constexpr int64_t kBatchGrowthNsMax = 3'600'000 * kMs;
inline constexpr int64_t kIsolateNs = 30'000 * kMs;
static_assert(kBatchBytesMin * kBatchShrink < kBatchBytes);

// A topic or partition that takes nothing: how long its sources wait before it is tried again.
inline constexpr int64_t kParkNsMin = 5'000 * kMs;
inline constexpr int64_t kParkNsMax = 120'000 * kMs;
inline constexpr int64_t kAskAgainNs = 500 * kMs;  ///< No broker answered.
inline constexpr int kPartitionFailuresMax = 2;    ///< In a row, then it is parked.
static_assert(kIsolateNs > kParkNsMin);

// A partition without an answer, while others answer. When Kafka is asked for a reason, and when it
// is parked without one: the wait beyond librdkafka's own linger, which grows with what was
// measured. Silence of all partitions is waited for longer, because parking none of them helps.
inline constexpr int64_t kClientLingerNs = 1'000 * kMs;  ///< linger.ms
inline constexpr int64_t kSilenceAskNs = 500 * kMs;
inline constexpr int64_t kSilenceNs = 4'000 * kMs;
inline constexpr int64_t kSilenceFactor = 4;                ///< Times the longest wait so far.
inline constexpr int64_t kSilenceMemoryNs = 300'000 * kMs;  ///< What is measured is kept so long.
inline constexpr int64_t kUnusableLookNs = 3'000 * kMs;     ///< Between two looks for a leader.
inline constexpr int kUnusableLookMs = 1'000;               ///< One of them.
inline constexpr size_t kUnusableTopicsMax = 8;             ///< Asked about at a time.

inline constexpr int64_t kCollectOthersNs = 2'000 * kMs;  ///< At least once, after a failure.
inline constexpr int kCollectOthersMs = 100;

// The transactional ids of a lane: how long one may stay busy until another is used, and when those
// that were left are tried again.
inline constexpr uint32_t kTransactionalIdsMax = 8;
inline constexpr int64_t kBusyIdNs = 1'100 * kMs;  ///< Two of librdkafka's tries, 500 ms apart.
inline constexpr int kBusyIdCallMs = 400;
inline constexpr int64_t kLeftIdNsMin = 15'000 * kMs;
inline constexpr int64_t kLeftIdNsMax = 300'000 * kMs;

// A lane's turns.
inline constexpr int64_t kLookAgainNsMax = 100 * kMs;  ///< While a transaction gathers.
inline constexpr int64_t kStallNs = 20 * kMs;          ///< Memory full, and Kafka is silent.
inline constexpr int64_t kRoomWaitNs = 200 * kMs;      ///< For a report that makes room.
inline constexpr int64_t kIdleWaitNs = 60'000 * kMs;
inline constexpr int64_t kSettleEveryNs = 2'000 * kMs;          ///< States without a record.
inline constexpr int64_t kKeepOffsetNs = 12 * 3'600'000 * kMs;  ///< Kafka forgets after 7 days.
inline constexpr int64_t kAliveEveryNs = 60'000 * kMs;
inline constexpr int64_t kForgetEveryNs = 600'000 * kMs;
inline constexpr size_t kReadWholeMax = 10'000;  ///< Deleted logs that are remembered.
inline constexpr size_t kLedgerRecordBytesUsual = 400;

// The program's own log, while nobody reads standard error.
inline constexpr size_t kLogWaitingBytesMax = 1 << 20;  ///< Then lines are dropped and counted.
inline constexpr int64_t kLogCloseMs = 300;             ///< At the end, for what still waits.

// Stopping. README promises 5 s. A lane has the grace; the last part of it is for the commit. The
// process waits a little longer, for a call into librdkafka that outlives its time-out.
inline constexpr int64_t kStopGraceMs = 3'500;
inline constexpr int64_t kStopCommitMs = 1'500;
inline constexpr int64_t kStopOverrunMs = 800;
inline constexpr int64_t kStopWaitMs = kStopGraceMs + kStopOverrunMs;
static_assert(kStopCommitMs < kStopGraceMs && kStopWaitMs < 5'000);

// The state directory.
inline constexpr int kDatabaseBusyMs = 30'000;        ///< For another connection's write.
inline constexpr size_t kStateProbeBytes = 64 << 10;  ///< Free: a new database and its log.
inline constexpr size_t kStateProbeBytesMax = 16 << 20;
inline constexpr size_t kStateRowBytesUsual = 6 << 10;  ///< Of a source, with its marks.

// Marks: see checkpoint/marks.h.
inline constexpr size_t kMarkSpanBytes = 64 << 10;
inline constexpr size_t kRecentReadsMax =
    8;                                      ///< Whose ends are known, to find a copy made between.
inline constexpr size_t kMarksMax = 256;    ///< 16 MiB before the offset.
inline constexpr size_t kHeadBytes = 4096;  ///< Of a file; they stay marked.
inline constexpr size_t kClosedGenerationsMax = 64;
inline constexpr size_t kTruncatedKept =
    8;  ///< Contents of a truncated file that a tail knows whole.
inline constexpr int kTruncatedEndsMax = 8;  ///< Of them, contents of a file that was truncated.
inline constexpr size_t kGenerationsKnown = kClosedGenerationsMax + 1;  ///< By discovery.

// Consumers of Kafka: index and archive.
inline constexpr int kCommitMs = 3'000;                         ///< Waited for one commit's answer.
inline constexpr int64_t kCommitPeriodNs = 1'000'000'000;       ///< Between two rounds of commits.
inline constexpr int64_t kPauseAfterNs = 2'000'000'000;         ///< An outlet may be full unpolled.
inline constexpr int kRejoinMs = 1'000;                         ///< Before joining a group again.
inline constexpr int kPersistMs = 1'000;                        ///< Between attempts to start.
inline constexpr int64_t kComplaintsPeriodNs = 10'000'000'000;  ///< Between two warnings.

// Index.
inline constexpr int kIndexPollMs = 50;
inline constexpr size_t kIndexPollRecords = 500;
inline constexpr size_t kBulkItemsMax = 20'000;
inline constexpr int kDeadLetterCheckMs = 3'000;         ///< For its topic's metadata.
inline constexpr int64_t kBulkFinishNs = 3'000'000'000;  ///< For bulks on their way when we leave.
inline constexpr int kIndexCloseMs = 7'000;              ///< To leave the group, that included.
inline constexpr int64_t kBulkRestFirstMs = 100;         ///< Between two attempts to send a bulk,
inline constexpr int64_t kBulkRestLastMs = 10'000;       ///< which doubles up to this.
static_assert(kBulkFinishNs / 1'000'000 + kCommitMs < kIndexCloseMs);

// Archive. From SIGTERM on: until when files are published, and when the process ends in any case:
// what is not published is read again from Kafka.
inline constexpr int kArchivePollMs = 100;
inline constexpr size_t kArchivePollRecords = 10'000;
inline constexpr int kArchivePublishMs = 6'000;
inline constexpr int kArchiveCloseMs = 2'000;
inline constexpr int kArchiveEndMs = 9'000;
static_assert(kArchivePublishMs + kArchiveCloseMs < kArchiveEndMs);
inline constexpr int64_t kPublishRetryFirstNs = 200'000'000;   ///< First wait to publish again.
inline constexpr int64_t kPublishRetryLastNs = 5'000'000'000;  ///< Longest such wait.
inline constexpr int kSettleMs = 10'000;                       ///< A rebalance waits this long,
inline constexpr int64_t kParkedRetryFirstNs = 1'000'000'000;  ///< then the partition is parked.
inline constexpr int64_t kParkedRetryLastNs = 60'000'000'000;
inline constexpr size_t kPublishers = 4;                ///< Threads that talk to the archive.
inline constexpr int kProbeMs = 3'000;                  ///< To read one record of Kafka again.
inline constexpr int kProbeAgainMs = 500;               ///< Before a second look.
inline constexpr int64_t kResumptionNs = 200'000'000;   ///< A pause; a fetch that fails takes more.
inline constexpr size_t kResumptionsMax = 1'000;        ///< Of one file.
inline constexpr size_t kSpoolGatherBytes = 128 << 10;  ///< Lines of a file before packing.

}  // namespace longshore::limits
