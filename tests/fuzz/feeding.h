// Reads a file's content through a decoder as a tail does: window by window, while it still grows.
//
//   content --windows of chosen sizes--> Decoder --> chunks --> Fed: the records, one after another
//
// A window that holds no whole line is read again at twice the size, up to limits::kReadBytesMax.
// Nothing of this may show in the records.
#pragma once

#include <string>
#include <vector>

#include "agent/decode/decoder.h"
#include "tests/fuzz/input.h"

namespace longshore::fuzz {

struct Plan {
  Stream stream = Stream::kFile;
  RecordFormat format = RecordFormat::kText;
  bool ended = false;           ///< Nobody writes any more: an unterminated line is a line.
  std::vector<size_t> windows;  ///< Sizes of reads, in turns. REQUIRES: not empty, none is 0.
  std::vector<size_t> growth;   ///< Sizes of the file as it grew, before it had all of `content`.
};

/// A record as `longshore audit` reads it; of `raw` there is the text alone.
struct FedRecord {
  std::string value;
  uint64_t start = 0, end = 0, offset = 0;
  std::string text;
  bool embedded = false, split = false, last_part = false;
  uint32_t part = 0, flags = 0;
};

struct Fed {
  std::vector<FedRecord> records;
  uint64_t consumed = 0;
};

/// Sizes of windows and growth out of the input.
Plan take_plan(Input& input);

/// Checks on the way that ranges meet and that every value is JSON that reads back.
Fed feed(const std::string& content, const Plan& plan);

/// The same with the whole file in one window.
Fed feed_at_once(const std::string& content, const Plan& plan);

void require_same(const Fed& left, const Fed& right);

}  // namespace longshore::fuzz
