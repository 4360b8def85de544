// Goal: an application's output is recovered unchanged from Docker's and Podman's log files, each
// line on its own stream; whatever such a file holds, nothing in it is read twice or skipped,
// however it is cut into windows.
// Method: half of the inputs are log files as they are; the others are an application's output,
// which is written as the engines write it and compared with what is read back.

#include <fmt/format.h>

#include <utility>

#include "config/utf8.h"
#include "shipper/record/json_escape.h"
#include "tests/fuzz/feeding.h"

namespace longshore::fuzz {
namespace {

constexpr size_t kContentBytesMax = 5 << 18;

// What one stream should say: whole lines, and perhaps the beginning of one.
struct Expected {
  std::vector<std::string> lines;
  std::string begun;
  int begun_in = 0;  // The run of the process that wrote it.
};

struct Printed {
  std::string file;
  Expected on_stdout, on_stderr;
};

std::string json_entry(std::string_view text, bool complete, bool on_stdout, int run) {
  std::string log = shipper::json_string(text);
  if (complete) log.insert(log.size() - 1, "\\n");
  return fmt::format("{{\"log\":{},\"stream\":\"{}\",\"time\":\"2026-11-21T04:50:00.{:09}Z\"}}\n",
                     log, on_stdout ? "stdout" : "stderr", run);
}

std::string cri_entry(std::string_view text, bool complete, bool on_stdout, int run) {
  return fmt::format("2026-11-21T05:50:00.{:09}+01:00 {} {} {}\n", run,
                     on_stdout ? "stdout" : "stderr", complete ? 'F' : 'P', text);
}

// As Docker cuts what an application prints.
constexpr size_t kEntryBytesMax = 16 << 10;

// Each line of the input is one write: a byte of choices, and the text.
Printed print(std::string_view writes) {
  Printed printed;
  int run = 0;
  while (!writes.empty()) {
    const auto choice = static_cast<uint8_t>(writes.front());
    writes.remove_prefix(1);
    const size_t end = std::min(writes.find('\n'), writes.size());
    std::string text;
    repair_utf8(writes.substr(0, end), text);  // As Docker itself does.
    writes.remove_prefix(std::min(end + 1, writes.size()));
    const bool complete = (choice & 3) != 0, on_stdout = (choice & 4) == 0, cri = (choice & 8) != 0;
    const auto entry = cri ? cri_entry : json_entry;
    run += (choice & 16) != 0 ? 1 : 0;
    std::string_view rest = text;
    while (rest.size() > kEntryBytesMax) {
      // Docker replaces the halves of a character that it cuts: what is not there is not read.
      size_t cut = kEntryBytesMax;
      while ((static_cast<uint8_t>(rest[cut]) & 0xc0) == 0x80) --cut;
      printed.file += entry(rest.substr(0, cut), false, on_stdout, run);
      rest.remove_prefix(cut);
    }
    printed.file += entry(rest, complete, on_stdout, run);
    Expected& expected = on_stdout ? printed.on_stdout : printed.on_stderr;
    // What a run left without a newline ends with it. CRI does not tell runs apart.
    if (!expected.begun.empty() && !cri && expected.begun_in != run) {
      expected.lines.push_back(std::exchange(expected.begun, {}));
    }
    if (expected.begun.empty()) expected.begun_in = run;
    expected.begun += text;
    if (!complete) continue;
    if (expected.begun.ends_with('\r')) expected.begun.pop_back();
    expected.lines.push_back(std::exchange(expected.begun, {}));
  }
  return printed;
}

void require_lines(const Fed& fed, Expected expected, bool ended) {
  const bool unterminated = !expected.begun.empty() && ended;
  if (unterminated) expected.lines.push_back(expected.begun);
  size_t at = 0;
  for (const std::string& line : expected.lines) {
    std::string joined;
    bool more = true;
    for (; more; ++at) {
      // The end of what fills whole windows was not known when its last part was read.
      const bool all_read = unterminated && &line == &expected.lines.back() && !joined.empty();
      if (all_read && at == fed.records.size()) break;
      require(at < fed.records.size(), "every printed line is read");
      joined += fed.records[at].text;
      more = fed.records[at].split && !fed.records[at].last_part;
    }
    require(joined == line, "a printed line is read as it was");
  }
  // Of a line that fills more than a window, parts are read before its end is there.
  std::string begun;
  for (; at < fed.records.size() && !ended; ++at) {
    require(fed.records[at].split && !fed.records[at].last_part, "a line ends where it was ended");
    begun += fed.records[at].text;
  }
  require(expected.begun.starts_with(begun), "what a line begins with is read as it was");
  require(at == fed.records.size(), "nothing is read that was not printed");
}

void printed_lines_come_back(std::string_view writes, Plan plan) {
  const Printed printed = print(writes);
  plan.format = RecordFormat::kText;
  for (const bool on_stdout : {true, false}) {
    plan.stream = on_stdout ? Stream::kStdout : Stream::kStderr;
    const Fed fed = feed(printed.file, plan);
    require_same(fed, feed_at_once(printed.file, plan));
    require_lines(fed, on_stdout ? printed.on_stdout : printed.on_stderr, plan.ended);
  }
}

void any_file_is_read_once(const std::string& content, Plan plan) {
  for (const Stream stream : {Stream::kStdout, Stream::kStderr}) {
    plan.stream = stream;
    const Fed fed = feed(content, plan);
    require_same(fed, feed_at_once(content, plan));
    require(!plan.ended || fed.consumed == content.size(), "everything is consumed");
  }
}

}  // namespace
}  // namespace longshore::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace longshore::fuzz;
  Input input(data, size);
  const bool printed = input.byte() % 2 == 1;
  const Plan plan = take_plan(input);
  const std::string content = expanded(input.rest(), kContentBytesMax);
  if (printed) {
    printed_lines_come_back(content, plan);
  } else {
    any_file_is_read_once(content, plan);
  }
  return 0;
}
