// The formats that container engines write: Docker's json-file log driver, and the CRI format of
// Kubernetes and Podman (k8s-file). Podman calls its files json-file too, so the first byte of each
// line tells which of the two it is.
//
//   {"log":"text\n","stream":"stdout","time":"2026-11-21T04:50:00.123456789Z"}
//   2026-11-21T04:50:00.123456789+00:00 stdout F text
//
// Engines split an application's line over 16 KiB into several entries: all but the last have a
// `log` without '\n' (CRI: the tag P instead of F). They are joined here, also across files. A
// record covers the bytes from the end of its predecessor to the end of its last entry, including
// entries of the other stream.
//
// Docker writes an entry without '\n' in two cases: its buffer of 16 KiB is full, or the process
// has ended and left a line without a newline. All pieces of one line have the time at which the
// first was read; so an entry with another time belongs to the next run, and ends the line.
// Sources: moby daemon/logger/copier.go, daemon/logger/jsonfilelog; CRI logging format (kubernetes
// design "kubelet-cri-logging").
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "agent/decode/decoder.h"

namespace longshore::agent {

class LineSink;

class ContainerLog final : public Decoder {
 public:
  /// `stream` is "stdout" or "stderr"; entries of the other one are skipped.
  explicit ContainerLog(std::string_view stream) : stream_(stream) {}

  void decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
              shipper::Chunk& chunk) override;

 private:
  enum class Kind : uint8_t { kJson, kCri, kNone };
  struct Entry {
    std::string_view text;  // Without its newline.
    int64_t time_ns = 0;
    bool ours = false;
    bool complete = false;  // The application's line ends with it.
    Kind kind = Kind::kNone;
  };
  // The line that entries are joined to. What lies after the state's offset is read again, unless
  // carry() consumes it.
  struct Joined {
    checkpoint::BegunLine line;
    size_t consumed = 0;    // Of its text: what lies before the state's offset.
    bool is_open = false;   // Some of the line was read, or shipped as parts.
    bool is_ahead = false;  // An entry after the state's offset belongs to it.
  };

  // `room`: how many bytes after the end of the line may be read; simdjson reads beyond it.
  Entry parse(std::string_view line, size_t room, int64_t now_ns);
  bool parse_json(std::string_view line, size_t room, Entry& entry);
  bool parse_cri(std::string_view line, Entry& entry) const;

  static bool continues(const Joined& joined, const Entry& entry);
  static void end_line(Joined& joined, uint64_t raw_end, DecodeState& state, LineSink& sink);
  static void take(const Entry& entry, uint64_t offset, uint64_t raw_end, Joined& joined,
                   DecodeState& state, LineSink& sink);
  void finish(const Window& window, uint64_t first_offset, uint64_t read_end, Joined& joined,
              DecodeState& state, LineSink& sink) const;

  const std::string stream_;
  simdjson::ondemand::parser parser_;
};

}  // namespace longshore::agent
