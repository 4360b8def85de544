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

std::string_view without_suffix(std::string_view text, char last) {
  while (text.ends_with(last)) text.remove_suffix(1);
  return text;
}

// What of a line is text; `offset` is where it begins, and moves to where its text does.
std::string_view text_of(std::string_view line, size_t& offset, bool terminated) {
  const size_t nuls = std::min(line.find_first_not_of('\0'), line.size());
  line.remove_prefix(nuls);
  offset += nuls;
  if (terminated && line.ends_with('\r')) line.remove_suffix(1);
  if (!terminated) line = without_suffix(line, '\0');
  if (offset == 0 && line.starts_with("\xEF\xBB\xBF")) {
    line.remove_prefix(3);
    offset += 3;
  }
  return line;
}

// The records that carry one line: `parts`, beginning at index `at`.
void check_line(const Fed& fed, size_t& at, std::string_view whole, size_t begin, bool terminated,
                bool raw) {
  size_t offset = begin;
  const std::string_view line = text_of(whole, offset, terminated);
  if (line.empty() && !terminated) return;
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
    require(fed.records[first].start - base == begin, "a line's first record begins with it");
    require(fed.records[at - 1].end - base == begin + whole.size() + (terminated ? 1 : 0),
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
    // A run of NULs may end a line that fills a window.
    const std::string_view line = std::string_view(content).substr(offset, end - offset);
    if (line.size() >= limits::kReadBytesMax - 1 && line.find('\0') != line.npos) return;
    check_line(fed, at, line, offset, terminated, raw);
    offset = end + (terminated ? 1 : 0);
  }
  if (offset == content.size()) {
    require(fed.consumed == offset, "everything is consumed");
    require(at == fed.records.size(), "there are no records but those of lines");
  } else {
    // Of a line that is being written only what cannot be held back any more is shipped.
    const size_t nuls = std::min(content.find_first_not_of('\0', offset), content.size()) - offset;
    require(fed.consumed == offset || fed.consumed == offset + nuls ||
                content.size() - offset >= limits::kReadBytesMax,
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
