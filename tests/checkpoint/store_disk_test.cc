// Goal: a kill at any moment leaves a prepared transaction whole or absent, and a full disk stops
// the store without losing what it holds.
// Method: SIGKILL child processes that write, at random moments and many times, and read what they
// left; fill a small tmpfs to the last byte and free it again.

#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <random>
#include <thread>

#include "checkpoint/state_dir.h"
#include "checkpoint/store.h"
#include "config/fd.h"
#include "tests/fakes/seed.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::checkpoint {
namespace {

constexpr LaneId kLane{0};
constexpr size_t kSources = 20;
constexpr int kKills = 60;

std::vector<PreparedSource> moves(uint64_t number) {
  std::vector<PreparedSource> sources(kSources);
  for (size_t i = 0; i < kSources; ++i) {
    sources[i].source = {i + 1};
    sources[i].state.offset = number;
    sources[i].state.marks = {.begin = number, .marks = {{.end = number + 1, .hash = number}}};
    sources[i].state.tail = std::string(64, 't');
  }
  return sources;
}

std::vector<SourceRow> rows() {
  std::vector<SourceRow> all(kSources);
  for (size_t i = 0; i < kSources; ++i) all[i].id = {i + 1};
  return all;
}

// The lane's own way through transactions, for ever: only a kill ends it.
[[noreturn]] void write_for_ever(const std::string& dir, uint64_t seed) {
  std::mt19937_64 random(seed);
  auto opened = open_store(dir);
  if (!opened) ::_exit(3);
  Store& store = *opened.value();
  const auto record = store.lane(kLane);
  if (!record) ::_exit(4);
  if (record.value().prepared && !store.drop_prepared(kLane)) ::_exit(5);
  for (uint64_t number = record.value().confirmed.value + 1;; ++number) {
    if (!store.prepare({kLane, {number}, moves(number)})) ::_exit(6);
    if (random() % 3 == 0 && !store.confirm(kLane)) ::_exit(7);
    if (random() % 5 == 0 && !store.drop_prepared(kLane)) ::_exit(8);
    const auto now = store.lane(kLane);
    if (!now) ::_exit(9);
    number = now.value().prepared ? now.value().prepared->value : now.value().confirmed.value;
  }
}

// Every source stands where the confirmed transaction left all of them, and what is prepared is
// whole.
void expect_consistent(Store& store) {
  const auto record = store.lane(kLane);
  ASSERT_TRUE(record) << record.error().message;
  const uint64_t confirmed = record.value().confirmed.value;
  const auto sources = store.sources(kLane);
  ASSERT_TRUE(sources) << sources.error().message;
  ASSERT_EQ(sources.value().size(), kSources);
  for (const StoredSource& source : sources.value()) {
    ASSERT_EQ(source.state, confirmed == 0 ? SourceState{} : moves(confirmed)[0].state);
  }
  ASSERT_FALSE(record.value().confirmed_digest.empty());
  const auto prepared = store.prepared(kLane);
  ASSERT_TRUE(prepared);
  ASSERT_EQ(prepared.value().size(), record.value().prepared ? kSources : 0);
  for (const PreparedSource& source : prepared.value()) {
    ASSERT_EQ(record.value().prepared->value, confirmed + 1);
    ASSERT_EQ(source.state, moves(confirmed + 1)[0].state);
  }
  ASSERT_EQ(record.value().prepared_digest.empty(), !record.value().prepared);
}

TEST(StoreDisk, a_kill_at_any_moment_leaves_a_prepare_whole_or_absent) {
  const fakes::TemporaryDir dir;
  {
    auto store = open_store(dir.path());
    ASSERT_TRUE(store);
    ASSERT_TRUE(store.value()->put_sources(rows()));
  }
  const uint64_t seed = fakes::seed();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  uint64_t before = 0;
  int moved = 0, in_doubt = 0;
  // On a busy machine many a child dies before it has done anything.
  const auto enough = [&] { return moved > kKills / 4 && in_doubt > kKills / 10; };
  for (int kill = 0; kill < kKills || !enough(); ++kill) {
    ASSERT_LT(kill, 20 * kKills) << moved << " moved, " << in_doubt << " in doubt";
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) write_for_ever(dir.path(), random());
    std::this_thread::sleep_for(std::chrono::microseconds(1000 + random() % 40'000));
    ::kill(child, SIGKILL);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child failed at " << WEXITSTATUS(status);
    auto store = open_store(dir.path());
    ASSERT_TRUE(store) << store.error().message;
    ASSERT_NO_FATAL_FAILURE(expect_consistent(*store.value()));
    const LaneRecord record = store.value()->lane(kLane).value();
    ASSERT_GE(record.confirmed.value, before);
    moved += record.confirmed.value > before ? 1 : 0;
    in_doubt += record.prepared ? 1 : 0;
    before = record.confirmed.value;
  }
}

// A tmpfs of its own size, mounted while this lives. Needs root, as the agent does.
class SmallDisk {
 public:
  explicit SmallDisk(const char* size) {
    const std::string options = std::string("mode=0700,size=") + size;
    mounted_ = ::mount("longshore-test", dir_.path().c_str(), "tmpfs", 0, options.c_str()) == 0;
    EXPECT_TRUE(mounted_) << "mounting a tmpfs needs root: " << std::strerror(errno);
  }
  ~SmallDisk() {
    if (mounted_) ::umount2(dir_.path().c_str(), MNT_DETACH);
  }
  const std::string& path() const { return dir_.path(); }
  bool mounted() const { return mounted_; }

  // Takes all the room there is, or gives it back.
  void fill() const {
    std::ofstream file(path() + "/filler", std::ios::binary | std::ios::app);
    const std::string page(4096, 'f');
    while (file.write(page.data(), static_cast<std::streamsize>(page.size())).flush()) continue;
  }
  void free() const { ::unlink((path() + "/filler").c_str()); }

 private:
  fakes::TemporaryDir dir_;
  bool mounted_ = false;
};

TEST(StoreDisk, a_full_disk_refuses_every_change_keeps_all_and_heals_when_there_is_space) {
  const SmallDisk disk("2m");
  ASSERT_TRUE(disk.mounted());
  auto opened = open_store(disk.path());
  ASSERT_TRUE(opened) << opened.error().message;
  Store& store = *opened.value();
  ASSERT_TRUE(store.lane(kLane));
  ASSERT_TRUE(store.put_sources(rows()));
  ASSERT_TRUE(store.prepare({kLane, {1}, moves(1)}));
  ASSERT_TRUE(store.confirm(kLane));
  disk.fill();

  // The log that is there already may still take some transactions.
  uint64_t number = 2;
  Result<std::string> prepared = store.prepare({kLane, {number}, moves(number)});
  while (prepared && number < 10'000) {
    ++number;
    prepared = store.prepare({kLane, {number}, moves(number)});
  }
  ASSERT_FALSE(prepared) << "the disk never became full";
  EXPECT_EQ(prepared.error().code, ErrorCode::kRetryable) << prepared.error().message;
  EXPECT_NE(prepared.error().message.find("free space"), std::string::npos)
      << prepared.error().message;
  expect_consistent(store);
  const LaneRecord before = store.lane(kLane).value();
  LedgerEntry entry;
  entry.detail.assign(100'000, 'd');
  for (int i = 0; i < 20; ++i) {
    EXPECT_FALSE(store.prepare({kLane, {number}, moves(number)}));
    EXPECT_FALSE(store.append_ledger({entry}));
  }
  expect_consistent(store);
  EXPECT_EQ(store.lane(kLane).value().confirmed, before.confirmed);
  EXPECT_EQ(store.lane(kLane).value().prepared, before.prepared);

  disk.free();
  const auto healed = store.prepare({kLane, {number}, moves(number)});
  ASSERT_TRUE(healed) << healed.error().message;
  ASSERT_TRUE(store.confirm(kLane));
  EXPECT_EQ(store.lane(kLane).value().confirmed.value, number);
  expect_consistent(store);
}

TEST(StoreDisk, a_state_directory_on_a_full_disk_is_refused_with_the_remedy) {
  const SmallDisk disk("512k");
  ASSERT_TRUE(disk.mounted());
  disk.fill();
  const auto refused = StateDir::open(disk.path(), true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kRetryable) << "space cures it";
  EXPECT_NE(refused.error().message.find("no space left"), std::string::npos)
      << refused.error().message;
  disk.free();
  EXPECT_TRUE(StateDir::open(disk.path(), true));
}

TEST(StoreDisk, a_state_directory_in_memory_is_refused_unless_it_is_meant) {
  const SmallDisk disk("512k");
  ASSERT_TRUE(disk.mounted());
  const std::string path = disk.path() + "/state";
  const auto refused = StateDir::open(path, false);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kInvalid);
  EXPECT_NE(refused.error().message.find("tmpfs"), std::string::npos);
  EXPECT_NE(refused.error().message.find("--ephemeral-state"), std::string::npos);
  EXPECT_NE(::access(path.c_str(), F_OK), 0) << "a refusal makes nothing";
  EXPECT_TRUE(StateDir::open(path, true));
}

}  // namespace
}  // namespace longshore::checkpoint
