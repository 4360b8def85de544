#include "agent/decode/decoder.h"

#include "agent/decode/container_log.h"
#include "agent/decode/text_lines.h"

namespace longshore::agent {

std::unique_ptr<Decoder> make_decoder(Stream stream) {
  if (stream == Stream::kFile) return std::make_unique<TextLines>();
  return std::make_unique<ContainerLog>(stream == Stream::kStdout ? "stdout" : "stderr");
}

}  // namespace longshore::agent
