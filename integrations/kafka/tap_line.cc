#include "integrations/kafka/tap_line.h"

#include <fmt/format.h>

#include <array>
#include <iterator>

#include "config/printable.h"
#include "shipper/record/record_encoder.h"

namespace longshore::kafka {

namespace {

// Readable on black and on white alike.
constexpr std::array kColours = {31, 32, 33, 34, 35, 36, 91, 92, 94, 95, 96};

}  // namespace

void append_line(const shipper::RecordView& view, bool colours, std::string& out) {
  // 2026-11-21T12:00:01.123456789Z
  constexpr size_t kClockAt = 11, kClockBytes = 12;
  if (colours) {
    fmt::format_to(std::back_inserter(out), "\x1b[{}m",
                   kColours[view.source.value % kColours.size()]);
  }
  if (view.time.size() >= kClockAt + kClockBytes) {
    append_printable(view.time.substr(kClockAt, kClockBytes), out);
    out += ' ';
  }
  append_printable(view.container.empty() ? view.host : view.container, out);
  out += ' ';
  append_printable(view.name, out);
  if (view.part) {
    fmt::format_to(std::back_inserter(out), " part {}{}", *view.part + 1,
                   view.last_part ? ", the last" : "");
  }
  if (view.flags & shipper::kFlagGapBefore) out += " (bytes are missing before this)";
  out += " |";
  if (colours) out += "\x1b[0m";
  out += ' ';
  append_printable(view.text, out);
  out += '\n';
}

void append_raw_line(const ReadRecord& record, std::string& out) {
  fmt::format_to(std::back_inserter(out), "{}[{}]@{} ", record.topic, record.partition,
                 record.offset);
  append_printable(record.key, out);
  out += " | ";
  append_printable(record.value, out);
  out += '\n';
}

}  // namespace longshore::kafka
