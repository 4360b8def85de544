// Goal: whatever a plain log file holds, its records carry every byte of it once and in order,
// however it was cut into windows while it grew, and every record reads back.
// Method: lines are found by a separate search for '\n', and compared with the decoder's.

#include "config/limits.h"
#include "config/utf8.h"
#include "tests/fuzz/feeding.h"

namespace longshore::fuzz {
namespace {

constexpr size_t kContentBytesMax = 5 << 19;

std::string_view trimmed(std::string_view line) {
  constexpr std::string_view kWhiteSpace = " \t\r\n";
  const size_t first = line.find_first_not_of(kWhiteSpace);
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(kWhiteSpace) + 1 - first);
}

// The records that carry one line: `parts`, beginning at index `at`.
void check_line(const Fed& fed, size_t& at, std::string_view line, uint64_t offset, bool terminated,
                bool raw) {
  std::string joined;
  const size_t first = at;
  do {
    require(at < fed.records.size(), "every line has its records");
    const FedRecord& record = fed.records[at];
    require(raw || record.offset == offset + (record.embedded ? 0 : joined.size()) ||
                (record.flags & shipper::kFlagReplaced) != 0 || at > first,
            "a record says where its text begins");
    require(raw || record.part == at - first, "parts are counted");
    joined += record.text;
    ++at;
  } while (raw ? joined.size() < line.size()
               : fed.records[at - 1].split && !fed.records[at - 1].last_part);
  std::string valid;
  repair_utf8(line, valid);
  const bool embedded = fed.records[first].embedded;
  require(joined == (raw        ? line
                     : embedded ? trimmed(line)
                                : std::string_view(valid)),
          "a line's records carry its text");
  const bool replaced = (fed.records[first].flags & shipper::kFlagReplaced) != 0;
  require(raw || at > first + 1 || embedded || replaced == (valid != line),
          "what was replaced is flagged");
  const bool flagged = (fed.records[at - 1].flags & shipper::kFlagUnterminated) != 0;
  require(raw || flagged == !terminated, "a missing newline is flagged");
  if (!raw) {
    const uint64_t base = fed.records.front().start;
    require(fed.records[first].start - base == offset, "a line's first record begins with it");
    require(fed.records[at - 1].end - base == offset + line.size() + (terminated ? 1 : 0),
            "a line's last record ends with it");
  }
}

void check(const std::string& content, const Plan& plan, const Fed& fed) {
  const bool raw = plan.format == RecordFormat::kRaw;
  size_t at = 0, offset = 0;
  while (offset < content.size()) {
    const size_t newline = content.find('\n', offset);
    const bool terminated = newline != std::string::npos;
    if (!terminated && !plan.ended) break;
    const size_t end = terminated ? newline : content.size();
    check_line(fed, at, std::string_view(content).substr(offset, end - offset), offset, terminated,
               raw);
    offset = end + (terminated ? 1 : 0);
  }
  if (offset == content.size()) {
    require(fed.consumed == offset, "everything is consumed");
    require(at == fed.records.size(), "there are no records but those of lines");
  } else {
    // Of a line that is being written only what cannot be held back any more is shipped.
    require(fed.consumed == offset || content.size() - offset >= limits::kReadBytesMax,
            "a line that is being written is left");
  }
}

}  // namespace
}  // namespace longshore::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace longshore::fuzz;
  Input input(data, size);
  const Plan plan = take_plan(input);
  const std::string content = expanded(input.rest(), kContentBytesMax);
  const Fed fed = feed(content, plan);
  require_same(fed, feed_at_once(content, plan));
  check(content, plan, fed);
  return 0;
}
