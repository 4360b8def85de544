// What the ledger says of one source, held against the bytes that are in the topics: whether it is
// complete, and which bytes are not there and why.
//
//   from                                                     to
//     |  covered  |  lost: truncated  |  covered  |    ?    |
//                                                 not in the ledger
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "config/ids.h"
#include "integrations/audit/audit.h"
#include "shipper/record/ledger_view.h"

namespace longshore::audit {

enum class Verdict : uint8_t {
  kUnknown,     ///< The ledger does not speak of it, or its records carry no ranges.
  kOpen,        ///< It has not ended.
  kComplete,    ///< It has ended, and every byte from its beginning to its total is there.
  kIncomplete,  ///< It has ended, and bytes are not there.
};
std::string_view to_string(Verdict verdict);

/// Bytes of a source; `start` == `end`: an unknown number of them, at this place.
struct NamedRange {
  Position start, end;
  std::string reason;  ///< Empty: the ledger does not name it.
};

/// What is in the topics of one source.
struct Delivered {
  std::vector<ByteRange> covered;  ///< Ascending, disjoint.
  bool ranges_known = true;        ///< False for records of format raw.
  /// The topic has dropped its oldest records (retention): what is missing before the first
  /// covered byte says nothing.
  bool trimmed = false;
  /// The topic's end belongs to an open transaction: what is missing behind the last covered byte
  /// may still come.
  bool held_back = false;
};

struct LedgerFindings {
  Verdict verdict = Verdict::kUnknown;
  std::optional<Position> total;                    ///< Of an ended source.
  std::vector<NamedRange> missing;                  ///< The first SourceLedger::kListedMax.
  uint64_t losses = 0, lost_bytes = 0;              ///< Missing, and the ledger says why.
  uint64_t unexplained = 0, unexplained_bytes = 0;  ///< Missing, and the ledger does not say why.
  uint64_t expired_bytes = 0;                       ///< No longer kept by the topic.
  std::vector<NamedRange> doubts;                   ///< The first SourceLedger::kListedMax.

  bool whole() const { return losses + unexplained == 0; }
};

/// Thread: one. Passive; memory is bounded by kLossesMax.
class SourceLedger {
 public:
  static constexpr size_t kListedMax = 20;
  static constexpr size_t kLossesMax = 4096;

  void add(const shipper::LedgerView& entry);
  LedgerFindings judge(const Delivered& delivered) const;

 private:
  std::vector<ByteRange> missing_from(const Delivered& delivered, LedgerFindings& findings) const;
  void explain(ByteRange hole, LedgerFindings& findings) const;

  std::optional<uint64_t> opened_;
  std::optional<uint64_t> ended_;  // The greatest total; a source may go on and end again.
  uint64_t ended_start_ = 0;
  uint64_t claimed_start_ = std::numeric_limits<uint64_t>::max();  // What lies between these
  uint64_t claimed_end_ = 0;                                       // was spoken of.
  std::vector<NamedRange> losses_, doubts_;
};

}  // namespace longshore::audit
