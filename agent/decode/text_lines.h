// Plain log files: a line ends with '\n'. A '\r' before it is part of the line, for every byte is
// kept.
#pragma once

#include "agent/decode/decoder.h"

namespace longshore::agent {

class TextLines final : public Decoder {
 public:
  void decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
              shipper::Chunk& chunk) override;
};

}  // namespace longshore::agent
