// One dead letter, as its headers tell: where its record stood in Kafka, which document it was to
// become, and why it was refused. dead_letters.h writes and draws them. Whoever may write to the
// topic can write any header, so nothing of them is believed before it was checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "config/result.h"
#include "integrations/kafka/reader.h"

namespace longshore::search {

inline constexpr size_t kLetterHeadersMax = 100;  ///< A letter with more is refused.

struct Letter {
  std::string topic;
  int32_t partition = 0;
  int64_t offset = 0;
  int64_t kafka_ms = 0;
  std::string reason;     ///< Printable.
  std::string cluster;    ///< Empty: a letter of an earlier version, which did not tell.
  std::string index, id;  ///< Of its document; empty: it was never to be sent, or was cut short.
  std::optional<uint64_t> hash = {};  ///< kafka::RecordMark's; letters of earlier versions: none.
  uint64_t cut = 0;                   ///< Bytes that are missing at the value's end.
  std::optional<uint64_t> cut_key = {};  ///< The bytes of the key, which is missing.

  bool is_cut() const { return cut > 0 || cut_key; }
};

/// Errors: kNotFound: it is no dead letter of longshore's; kCorrupt: a header is missing, twice
/// there, or has a value that longshore never writes.
Result<Letter> read_letter(std::span<const kafka::Header> headers);

/// The type of a reason: "mapper_parsing_exception" of "mapper_parsing_exception: failed to ...".
std::string_view type_of_reason(std::string_view reason);

}  // namespace longshore::search
