// The formats that container engines write: Docker's json-file log driver, and the CRI format of
// Kubernetes and Podman (k8s-file). Podman calls its files json-file too, so the first byte of each
// line tells which of the two it is.
//
//   {"log":"text\n","stream":"stdout","time":"2026-11-21T04:50:00.123456789Z"}
//   2026-11-21T04:50:00.123456789+00:00 stdout F text
//
// Engines split an application's line over 16 KiB into several entries: all but the last have a
// `log` without '\n' (CRI: the tag P instead of F). They are joined here. A record covers the bytes
// from the end of its predecessor to the end of its last entry, including entries of the other
// stream.
// Sources: moby daemon/logger/jsonfilelog; CRI logging format (kubernetes design
// "kubelet-cri-logging").
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

#include "agent/decode/decoder.h"

namespace longshore::agent {

class ContainerLog final : public Decoder {
 public:
  /// `stream` is "stdout" or "stderr"; entries of the other one are skipped.
  explicit ContainerLog(std::string_view stream) : stream_(stream) {}

  void decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
              shipper::Chunk& chunk) override;

 private:
  struct Entry {
    std::string_view text;  // Without its newline.
    int64_t time_ns = 0;
    bool ours = false;
    bool complete = false;  // The application's line ends with it.
  };
  // `room`: how many bytes after the end of the line may be read; simdjson reads beyond it.
  Entry parse(std::string_view line, size_t room, int64_t now_ns);
  bool parse_json(std::string_view line, size_t room, Entry& entry);
  bool parse_cri(std::string_view line, Entry& entry) const;

  const std::string stream_;
  simdjson::ondemand::parser parser_;
};

}  // namespace longshore::agent
