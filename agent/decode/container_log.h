// Docker's json-file log driver, and Podman's k8s-file lines, which stand in files that call
// themselves json-file too; each line tells by its first byte which it is.
//
//   {"log":"text\n","stream":"stdout","time":"2026-11-21T04:50:00.123456789Z"}
//   2026-11-21T04:50:00.123456789+00:00 stdout F text
//
// A line of the application over 16 KiB comes as several entries: all but the last have a `log`
// without '\n' (k8s-file: the tag P instead of F). They are joined here. A record covers from its
// predecessor's end to its own last entry, entries of the other stream included.
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
  /// `stream` is "stdout" or "stderr": entries of the other one are passed over.
  explicit ContainerLog(std::string_view stream) : stream_(stream) {}

  void decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
              shipper::Chunk& chunk) override;

 private:
  struct Entry {
    std::string_view text;  // Without its newline.
    int64_t time_ns = 0;
    bool ours = false;
    bool complete = false;  // Ends the application's line.
  };
  Entry parse(std::string_view line, size_t room, int64_t now_ns);
  bool parse_json(std::string_view line, size_t room, Entry& entry);
  bool parse_cri(std::string_view line, Entry& entry) const;

  const std::string stream_;
  simdjson::ondemand::parser parser_;
};

}  // namespace longshore::agent
