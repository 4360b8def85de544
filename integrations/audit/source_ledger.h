// Compares the ledger of one source with the bytes that are in the topics: is it complete, and if
// not, which bytes are missing and why?
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
  kUnknown,     ///< It is not in the ledger, its records carry no ranges, or lines may be missing
                ///< where a file of it may have come and gone unseen.
  kOpen,        ///< It has not ended.
  kComplete,    ///< It has ended, and no byte from its beginning to its end is missing.
  kIncomplete,  ///< It has ended, and bytes are missing.
};
std::string_view to_string(Verdict verdict);

/// Bytes of a source; `start` == `end`: an unknown number of bytes at this position.
struct NamedRange {
  Position start, end;
  std::string reason;  ///< Empty: the ledger does not name it.
};

/// The part of one source that is in the topics.
struct Delivered {
  std::vector<ByteRange> covered;  ///< Ascending, disjoint.
  bool ranges_known = true;        ///< False for records of format raw.
  /// The topic has deleted its oldest records (retention): missing bytes before the first covered
  /// one prove nothing.
  bool trimmed = false;
  /// The topic ends with an open transaction: missing bytes after the last covered one may still
  /// come.
  bool held_back = false;
};

struct LedgerFindings {
  Verdict verdict = Verdict::kUnknown;
  std::optional<Position> total;                    ///< Of an ended source.
  std::vector<NamedRange> missing;                  ///< The first SourceLedger::kListedMax.
  uint64_t losses = 0, lost_bytes = 0;              ///< Missing, and the ledger says why.
  uint64_t unexplained = 0, unexplained_bytes = 0;  ///< Missing, and the ledger does not say why.
  uint64_t expired_bytes = 0;                       ///< Deleted by the topic's retention.
  std::vector<NamedRange> doubts;                   ///< The first SourceLedger::kListedMax.
  bool unproven = false;                            ///< A doubt says that lines may be missing.

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
  uint64_t claimed_start_ = std::numeric_limits<uint64_t>::max();  // The ledger mentions bytes
  uint64_t claimed_end_ = 0;                                       // between these.
  std::vector<NamedRange> losses_, doubts_;
  bool is_unproven_ = false;  // A doubt says that lines may be missing.
};

}  // namespace longshore::audit
