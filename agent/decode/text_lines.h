// Plain log files: a line ends with '\n'. Every other byte is kept, even a '\r' before the '\n'.
#pragma once

#include "agent/decode/decoder.h"

namespace longshore::agent {

class TextLines final : public Decoder {
 public:
  void decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
              shipper::Chunk& chunk) override;
};

}  // namespace longshore::agent
