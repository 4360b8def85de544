// What became of the dead letters of a replay: counts and examples for the operator, and where each
// partition has a letter that is still to be stored, beyond which nothing is committed.
//
//   letters of a partition:  10 stored   11 refused again   12 stored   13 no letter at all
//                                        |
//                                        +-- the next replay begins here: it finds 12 stored
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "config/result.h"
#include "integrations/kafka/outlet.h"
#include "integrations/search/letter.h"
#include "integrations/search/rejected_records.h"

namespace longshore::search {

/// Why a letter was not stored.
enum class LetterFate : uint8_t {
  kFiltered,  ///< --topic or --reason left it out.
  kRefused,   ///< By the search service, again.
  kWaiting,   ///< It can be replayed with other flags, or later.
  kNoLetter,  ///< Passed over: without the headers of a letter.
  kDamaged,   ///< Passed over: its headers are not such as longshore writes.
  kGone,      ///< Passed over: it was cut, and its topic does not have the whole any more.
};
inline constexpr size_t kLetterFates = 6;

/// Thread: any.
class ReplayReport final : public RejectedRecords {
 public:
  explicit ReplayReport(std::string topic) : topic_(std::move(topic)) {}

  /// A letter that --topic and --reason did not leave out.
  void add(const Letter& letter);

  /// One that is not stored. It is named in the log, unless very many are. Those that may be stored
  /// by another replay hold back their partition.
  void leave(const kafka::PartitionKey& partition, int64_t offset, LetterFate fate,
             const std::string& words);

  std::string fate() const override { return "stay in " + topic_; }
  /// Notes what the service refused again.
  Status send(const Bulk& bulk, const std::function<bool()>& give_up) override;

  /// How much of what is done up to `next` may be committed.
  int64_t held(const kafka::PartitionKey& partition, int64_t next) const;

  uint64_t letters() const;
  uint64_t count(LetterFate fate) const;

  /// The letters by topic and type of reason: "   12  logs  mapper_parsing_exception: failed...".
  std::vector<std::string> lines() const;
  /// Those that were refused again, by index and type of reason.
  std::vector<std::string> refused_lines() const;

 private:
  struct Row {
    uint64_t count = 0;
    std::string example;
  };
  using Rows = std::map<std::pair<std::string, std::string>, Row>;  // By topic or index, and type.

  static void add_row(const std::string& place, std::string_view reason, Rows& rows);
  static std::vector<std::string> lines_of(const Rows& rows);
  void hold(const kafka::PartitionKey& partition, int64_t offset);

  const std::string topic_;
  mutable std::mutex mutex_;
  uint64_t letters_ = 0;
  std::array<uint64_t, kLetterFates> counts_{};
  Rows rows_, refused_rows_;
  kafka::Offsets held_;  // The first letter of each partition that is still to be stored.
};

}  // namespace longshore::search
