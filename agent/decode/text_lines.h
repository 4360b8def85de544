// Plain log files: a line ends with '\n', and with its file. A '\r' that is not before the '\n' and
// NULs inside a line are text.
#pragma once

#include "agent/decode/decoder.h"

namespace longshore::agent {

class TextLines final : public Decoder {
 public:
  void decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
              shipper::Chunk& chunk) override;
};

}  // namespace longshore::agent
