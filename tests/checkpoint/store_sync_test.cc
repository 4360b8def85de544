// Goal: every change is synced, with one sync each, before it is reported as done; after a failed
// sync the store refuses to work until it is rebuilt.
// Method: this program's own fsync and fdatasync replace the C library's, for SQLite too; they
// count calls, and fail when told to.

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "checkpoint/store.h"
#include "tests/fakes/temporary_dir.h"

namespace {

struct Syncs {
  int count = 0;
  bool fail = false;
};

Syncs& syncs() {
  static Syncs syncs;
  return syncs;
}

int counted_sync(long call, int fd) {
  ++syncs().count;
  if (!syncs().fail) return static_cast<int>(::syscall(call, fd));
  errno = EIO;
  return -1;
}

}  // namespace

extern "C" int fsync(int fd) { return counted_sync(SYS_fsync, fd); }
extern "C" int fdatasync(int fd) { return counted_sync(SYS_fdatasync, fd); }

namespace longshore::checkpoint {
namespace {

constexpr LaneId kLane{0};

std::vector<PreparedSource> moves(uint64_t offset) {
  std::vector<PreparedSource> sources(10);
  for (size_t i = 0; i < sources.size(); ++i) {
    sources[i].source = {i + 1};
    sources[i].state.offset = offset;
  }
  return sources;
}

class StoreSync : public testing::Test {
 protected:
  StoreSync() {
    reopen();
    EXPECT_TRUE(store->lane(kLane));
    EXPECT_TRUE(store->prepare({kLane, {1}, moves(1)}));
    EXPECT_TRUE(store->confirm(kLane));
  }
  ~StoreSync() override { syncs().fail = false; }

  void reopen() {
    store.reset();
    auto opened = open_store(dir.path());
    ASSERT_TRUE(opened) << opened.error().message;
    store = std::move(opened).value();
  }

  // How many syncs `change` waited for.
  template <typename Change>
  int syncs_of(const Change& change) {
    const int before = syncs().count;
    EXPECT_TRUE(change());
    return syncs().count - before;
  }

  const fakes::TemporaryDir dir;
  std::unique_ptr<Store> store;
};

TEST_F(StoreSync, every_change_is_one_sync) {
  EXPECT_EQ(syncs_of([&] { return store->prepare({kLane, {2}, moves(2)}); }), 1);
  EXPECT_EQ(syncs_of([&] { return store->confirm(kLane); }), 1);
  EXPECT_EQ(syncs_of([&] { return store->prepare({kLane, {3}, moves(3)}); }), 1);
  EXPECT_EQ(syncs_of([&] { return store->drop_prepared(kLane); }), 1);
  EXPECT_EQ(syncs_of([&] { return store->step_back(kLane); }), 1);
  EXPECT_EQ(syncs_of([&] { return store->advance(kLane, moves(4)); }), 1);
  EXPECT_EQ(syncs_of([&] { return store->set_value("a", "b"); }), 1);
  EXPECT_EQ(syncs_of([&] { return store->append_ledger({LedgerEntry{}}); }), 1);
}

TEST_F(StoreSync, a_failed_sync_is_fatal_and_the_rebuilt_store_goes_on) {
  syncs().fail = true;
  const auto prepared = store->prepare({kLane, {2}, moves(2)});
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().code, ErrorCode::kFatal) << prepared.error().message;
  syncs().fail = false;
  store.reset();
  ASSERT_TRUE(rebuild_store(dir.path()));
  reopen();
  const LaneRecord record = store->lane(kLane).value();
  EXPECT_EQ(record.confirmed, TransactionNumber{1});
  // What was written but not synced may be there or not, as after a crash.
  if (record.prepared) {
    EXPECT_TRUE(store->drop_prepared(kLane));
  }
  EXPECT_TRUE(store->prepare({kLane, {2}, moves(2)}));
}

TEST_F(StoreSync, a_rebuild_that_cannot_sync_changes_nothing) {
  store.reset();
  syncs().fail = true;
  const Status rebuilt = rebuild_store(dir.path());
  ASSERT_FALSE(rebuilt);
  EXPECT_EQ(rebuilt.error().code, ErrorCode::kInvalid);
  syncs().fail = false;
  reopen();
  EXPECT_EQ(store->lane(kLane).value().confirmed, TransactionNumber{1});
}

}  // namespace
}  // namespace longshore::checkpoint
