#include "agent/decoder.h"

#include "agent/json_file.h"
#include "agent/text_lines.h"

namespace longshore::agent {

std::unique_ptr<Decoder> make_decoder(Stream stream) {
  if (stream == Stream::kFile) return std::make_unique<TextLines>();
  return std::make_unique<JsonFile>(stream == Stream::kStdout ? "stdout" : "stderr");
}

}  // namespace longshore::agent
