// Goal: however many processes believe that they own a partition, and wherever a writer stops or
// loses an answer, each offset is archived once.
// Method: several writers of one partition. At each call on the archive a random seed decides which
// writer continues. Calls fail before they take effect, and after; writers die, new ones start, and
// they sweep away apparent leftovers as if their clocks were years ahead. At the end one of them
// finishes, and the names must tile the offsets from 0 on. Another test runs writers on threads in
// a directory of a real file system.

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <limits>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "integrations/archive/archive_files.h"
#include "integrations/archive/chain.h"
#include "integrations/archive/targets/file_target.h"
#include "tests/fakes/temporary_dir.h"

namespace longshore::archive {
namespace {

/// Files as a map. Renames never replace, as with HDFS.
struct Disk {
  std::map<std::string, std::string> files;
  std::map<std::string, int64_t> folders;
};

/// Lets one of several threads on at a time, in an order that a seed decides.
class Turns {
 public:
  Turns(uint64_t seed, size_t writers) : random_(seed), running_(writers, true) { choose(); }

  /// Waits until it is `writer`'s turn again.
  void step(size_t writer) {
    std::unique_lock lock(mutex_);
    choose();
    changed_.notify_all();
    changed_.wait(lock, [&] { return turn_ == writer; });
  }
  void begin(size_t writer) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return turn_ == writer; });
  }
  void end(size_t writer) {
    const std::unique_lock lock(mutex_);
    running_[writer] = false;
    choose();
    changed_.notify_all();
  }
  uint64_t number(uint64_t below) { return random_() % below; }

 private:
  // A writer is often let on several times, and seldom rests for long.
  void choose() {
    if (std::none_of(running_.begin(), running_.end(), [](bool runs) { return runs; })) return;
    if (turn_ < running_.size() && running_[turn_] && random_() % 4 != 0) return;
    do {
      turn_ = random_() % running_.size();
    } while (!running_[turn_]);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::mt19937_64 random_;
  std::vector<bool> running_;
  size_t turn_ = 0;
};

struct Died {};

/// What one writer sees of the disk: each call may fail, be obeyed without an answer, or be its
/// last.
class Unreliable final : public ArchiveTarget {
 public:
  Unreliable(Disk& disk, Turns& turns, size_t writer, bool reliable)
      : disk_(disk), turns_(turns), writer_(writer), reliable_(reliable) {}

  Result<std::vector<Entry>> list(const std::string& folder) override {
    if (Status status = before(); !status) return status.error();
    std::vector<Entry> entries;
    const std::string head = folder.empty() ? "" : folder + "/";
    std::map<std::string, bool> names;
    for (const auto& [path, content] : disk_.files) {
      if (!path.starts_with(head)) continue;
      const std::string rest = path.substr(head.size());
      names[rest.substr(0, rest.find('/'))] |= rest.find('/') != std::string::npos;
    }
    if (names.empty() && !disk_.folders.contains(folder) && !folder.empty())
      return Error{ErrorCode::kNotFound, folder};
    for (const auto& [name, is_folder] : names)
      entries.push_back({.name = name, .folder = is_folder});
    return entries;
  }
  Result<Entry> stat(const std::string& path) override {
    if (Status status = before(); !status) return status.error();
    const auto at = disk_.files.find(path);
    if (at == disk_.files.end()) return Error{ErrorCode::kNotFound, path};
    return Entry{.name = path, .bytes = static_cast<int64_t>(at->second.size())};
  }
  Status make_folder(const std::string& folder) override {
    if (Status status = before(); !status) return status;
    disk_.folders[folder] = 1;
    return after();
  }
  Status put(const std::string& path, int, int64_t bytes) override {
    return put(path, std::string(static_cast<size_t>(bytes), 'x'));
  }
  Status put(const std::string& path, std::string_view content) override {
    if (Status status = before(); !status) {
      // A part of it may be there.
      disk_.files[path] = content.substr(0, content.size() / 2);
      return status;
    }
    disk_.files[path] = content;
    return after();
  }
  Result<Renamed> rename_new(const std::string& from, const std::string& to) override {
    if (Status status = before(); !status) return status.error();
    if (disk_.files.contains(to)) return Renamed::kTaken;
    auto node = disk_.files.extract(from);
    if (node.empty()) return Renamed::kGone;
    node.key() = to;
    disk_.files.insert(std::move(node));
    if (Status status = after(); !status) return status.error();
    return Renamed::kDone;
  }
  Status remove(const std::string& path) override {
    if (Status status = before(); !status) return status;
    disk_.files.erase(path);
    return after();
  }
  Status read(const std::string& path,
              const std::function<Status(std::string_view)>& take) override {
    if (Status status = before(); !status) return status;
    const auto at = disk_.files.find(path);
    if (at == disk_.files.end()) return Error{ErrorCode::kNotFound, path};
    return take(at->second);
  }

 private:
  Status before() {
    turns_.step(writer_);
    if (reliable_) return ok();
    if (turns_.number(60) == 0) throw Died();
    if (turns_.number(20) == 0) return Error{ErrorCode::kRetryable, "no answer"};
    return ok();
  }
  Status after() {
    if (reliable_) return ok();
    turns_.step(writer_);
    if (turns_.number(60) == 0) throw Died();
    if (turns_.number(20) == 0) return Error{ErrorCode::kRetryable, "the answer was lost"};
    return ok();
  }

  Disk& disk_;
  Turns& turns_;
  const size_t writer_;
  const bool reliable_;
};

Layout usual() { return *Layout::parse(Layout::kUsual); }

/// A writer as the archiver is one: settles, publishes what begins at the chain's end, of a length
/// and an hour of its own.
void write_files(Chain& chain, Turns& turns, int files) {
  Result<ChainEnd> end = chain.settle();
  for (int tries = 0; !end && tries < 20; ++tries) end = chain.settle();
  if (!end) return;
  int64_t next = end->next;
  for (int i = 0; i < files; ++i) {
    // Whether it fails is all the same.
    if (turns.number(10) == 0) static_cast<void>(chain.sweep(std::numeric_limits<int64_t>::max()));
    const SealedFile file{.first = next,
                          .last = next + static_cast<int64_t>(turns.number(50)),
                          .lines = 1,
                          .codec = Codec::kNone,
                          .hour = {static_cast<int64_t>(turns.number(3))},
                          .fd = -1,
                          .bytes = static_cast<int64_t>(10 + turns.number(90))};
    Result<int64_t> published = chain.publish(file, next);
    for (int tries = 0; !published && tries < 20; ++tries) published = chain.publish(file, next);
    if (!published) return;
    next = *published;
  }
}

/// Returns how many files there are at the end.
size_t race(uint64_t seed) {
  constexpr size_t kWriters = 3;
  Disk disk;
  Turns turns(seed, kWriters);
  std::vector<std::thread> threads;
  for (size_t writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&disk, &turns, writer] {
      turns.begin(writer);
      // Each death is followed by a birth, and each that lives long sleeps with an old state.
      for (int life = 0; life < 6; ++life) {
        Unreliable target(disk, turns, writer, false);
        try {
          Chain chain(target, usual(), {"logs", 0});
          write_files(chain, turns, 4);
        } catch (const Died&) {
          continue;
        }
      }
      turns.end(writer);
    });
  }
  for (std::thread& thread : threads) thread.join();
  Turns alone(seed, 1);
  Unreliable target(disk, alone, 0, true);
  Chain chain(target, usual(), {"logs", 0});
  const Result<ChainEnd> end = chain.settle();
  EXPECT_TRUE(end);
  auto files = find_files(target, usual(), {});
  EXPECT_TRUE(files);
  for (const std::string& fault : find_tiling_faults(*files))
    ADD_FAILURE() << "seed " << seed << ": " << fault;
  int64_t first = 0, last = -1;
  for (const ArchivedFile& file : *files) {
    if (last < 0 || file.name.first < first) first = file.name.first;
    last = std::max(last, file.name.last);
  }
  EXPECT_EQ(first, 0) << "seed " << seed;
  EXPECT_EQ(end->next, last + 1) << "seed " << seed;
  return files->size();
}

TEST(ArchiveChain, racing_writers_that_die_and_lose_answers_tile_the_partition) {
  constexpr uint64_t kSeeds = 1500;
  size_t files = 0;
  for (uint64_t seed = 1; seed <= kSeeds && !HasFailure(); ++seed) files += race(seed);
  EXPECT_GT(files, kSeeds * 3);
}

class ChainOnDisk : public ::testing::Test {
 protected:
  ChainOnDisk() : target_(dir_.path() + "/archive") {
    std::filesystem::create_directory(dir_.path() + "/archive");
    fd_.reset(::open(dir_.path().c_str(), O_TMPFILE | O_RDWR, 0600));
    EXPECT_EQ(::write(fd_.get(), "line\n", 5), 5);
  }
  SealedFile file(int64_t first, int64_t last, int64_t hour = 0) const {
    return {.first = first,
            .last = last,
            .lines = 1,
            .codec = Codec::kNone,
            .hour = {hour},
            .fd = fd_.get(),
            .bytes = 5};
  }
  std::vector<std::string> names() {
    std::vector<std::string> found;
    Result<std::vector<ArchivedFile>> files = find_files(target_, usual(), {});
    EXPECT_TRUE(files);
    for (const ArchivedFile& each : *files) found.push_back(to_string(each.name));
    std::sort(found.begin(), found.end());
    return found;
  }

  fakes::TemporaryDir dir_;
  FileTarget target_;
  Fd fd_;
};

TEST_F(ChainOnDisk, of_two_writers_of_one_beginning_the_second_is_told_where_the_first_ended) {
  Chain first(target_, usual(), {"logs", 0}), second(target_, usual(), {"logs", 0});
  EXPECT_TRUE(first.settle()->empty);
  EXPECT_TRUE(second.settle()->empty);
  EXPECT_EQ(*first.publish(file(0, 99), 0), 100);
  EXPECT_EQ(*second.publish(file(0, 149, 1), 0), 100);
  EXPECT_EQ(*second.publish(file(100, 149, 1), 100), 150);
  EXPECT_EQ(names(), (std::vector<std::string>{"logs+0+0+99+1.jsonl", "logs+0+100+149+1.jsonl"}));
}

TEST_F(ChainOnDisk, a_writer_that_slept_while_its_claim_was_cleared_away_publishes_nothing) {
  Chain sleeper(target_, usual(), {"logs", 0}), chain(target_, usual(), {"logs", 0});
  ASSERT_TRUE(sleeper.settle());
  ASSERT_TRUE(chain.settle());
  constexpr int64_t kFiles = 30;
  for (int64_t i = 0; i < kFiles; ++i) ASSERT_EQ(*chain.publish(file(i, i), i), i + 1);
  EXPECT_EQ(*sleeper.publish(file(0, 1000), 0), kFiles);
  EXPECT_EQ(names().size(), static_cast<size_t>(kFiles));
}

TEST_F(ChainOnDisk, what_was_claimed_and_not_renamed_is_finished_by_the_next) {
  Chain chain(target_, usual(), {"logs", 0});
  ASSERT_TRUE(chain.settle());
  ASSERT_EQ(*chain.publish(file(0, 99), 0), 100);
  // As if the writer had died between the claim and the name.
  const std::string name = "topic=logs/date=1970-01-01/hour=00/logs+0+0+99+1.jsonl";
  const auto claim = read_small(target_, "_longshore/logs+0/00000000000000000000.claim", 1 << 16);
  ASSERT_TRUE(claim);
  const size_t at = claim->find(".data") - 16;
  const std::string data = "_longshore/logs+0/" + claim->substr(at, 21);
  ASSERT_EQ(*target_.rename_new(name, data), Renamed::kDone);
  EXPECT_TRUE(names().empty());
  Chain heir(target_, usual(), {"logs", 0});
  EXPECT_EQ(heir.settle()->next, 100);
  EXPECT_EQ(names(), std::vector<std::string>{"logs+0+0+99+1.jsonl"});
}

TEST_F(ChainOnDisk, without_claims_the_names_say_where_the_chain_ends) {
  ASSERT_TRUE(target_.make_folder("topic=logs/date=2026-11-21/hour=14"));
  ASSERT_TRUE(target_.put("topic=logs/date=2026-11-21/hour=14/logs+0+0+41.jsonl", "x\n"));
  ASSERT_TRUE(target_.put("topic=logs/date=2026-11-21/hour=14/logs+1+0+77.jsonl", "x\n"));
  Chain chain(target_, usual(), {"logs", 0});
  EXPECT_EQ(chain.settle()->next, 42);
  EXPECT_FALSE(chain.settle()->empty);
}

TEST_F(ChainOnDisk, leftovers_go_when_they_are_old_and_claims_stay) {
  Chain chain(target_, usual(), {"logs", 0});
  ASSERT_TRUE(chain.settle());
  ASSERT_EQ(*chain.publish(file(0, 9), 0), 10);
  ASSERT_TRUE(target_.put("_longshore/logs+0/0123456789abcdef.data", "half"));
  ASSERT_TRUE(chain.sweep(0));
  EXPECT_TRUE(target_.stat("_longshore/logs+0/0123456789abcdef.data"));
  ASSERT_TRUE(chain.sweep(std::numeric_limits<int64_t>::max()));
  EXPECT_FALSE(target_.stat("_longshore/logs+0/0123456789abcdef.data"));
  EXPECT_EQ(Chain(target_, usual(), {"logs", 0}).settle()->next, 10);
}

TEST_F(ChainOnDisk, a_file_that_somebody_changed_is_reported) {
  Chain chain(target_, usual(), {"logs", 0});
  ASSERT_TRUE(chain.settle());
  ASSERT_EQ(*chain.publish(file(0, 9), 0), 10);
  const std::string name = "topic=logs/date=1970-01-01/hour=00/logs+0+0+9+1.jsonl";
  ASSERT_TRUE(target_.remove(name));
  ASSERT_TRUE(target_.put(name, "something else\n"));
  const auto end = Chain(target_, usual(), {"logs", 0}).settle();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::kCorrupt);
}

TEST_F(ChainOnDisk, a_claim_after_which_nothing_could_follow_is_damaged) {
  ASSERT_TRUE(target_.make_folder("_longshore/logs+0"));
  ASSERT_TRUE(target_.put("_longshore/logs+0/00000000000000000007.claim",
                          R"({"first":7,"last":9223372036854775807,"bytes":0,"data":"d",)"
                          R"("file":"f/logs+0+7+8+1.jsonl","record":7,"hash":1})"));
  const auto end = Chain(target_, usual(), {"logs", 0}).settle();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::kCorrupt) << end.error().message;
}

TEST_F(ChainOnDisk, writers_on_threads_tile_a_directory) {
  std::vector<std::thread> threads;
  constexpr int64_t kEnd = 120;
  for (int64_t writer = 0; writer < 4; ++writer) {
    threads.emplace_back([this, writer] {
      FileTarget target(dir_.path() + "/archive");
      Chain chain(target, usual(), {"logs", 0});
      const Result<ChainEnd> end = chain.settle();
      ASSERT_TRUE(end) << end.error().message;
      for (int64_t next = end->next; next < kEnd;) {
        Result<int64_t> published = chain.publish(file(next, next + writer, writer), next);
        ASSERT_TRUE(published) << published.error().message;
        next = *published;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  auto files = find_files(target_, usual(), {});
  ASSERT_TRUE(files);
  EXPECT_GT(files->size(), 20u);
  EXPECT_TRUE(find_tiling_faults(*files).empty());
}

}  // namespace
}  // namespace longshore::archive
