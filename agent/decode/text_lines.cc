#include "agent/decode/text_lines.h"

#include <cstring>

#include "agent/decode/line_sink.h"

namespace longshore::agent {

void TextLines::decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
                       shipper::Chunk& chunk) {
  LineSink sink(window, state, encoder, chunk);
  const char* const begin = window.bytes.data();
  const char* const end = begin + window.bytes.size();
  const uint64_t first_offset = state.offset;
  const char* at = begin;
  while (at < end && sink.has_room()) {
    const size_t left = static_cast<size_t>(end - at);
    const uint64_t offset = first_offset + static_cast<uint64_t>(at - begin);
    const char* newline = static_cast<const char*>(std::memchr(at, '\n', left));
    if (newline != nullptr) {
      const size_t length = static_cast<size_t>(newline - at);
      sink.line({at, length}, offset, offset + length + 1, window.now_ns, true);
      at = newline + 1;
    } else if (window.last) {
      sink.line({at, left}, offset, offset + left, window.now_ns, false);
      at = end;
    } else if (at == begin && window.full) {
      const size_t fits = sink.fitting({at, left});
      sink.part({at, fits}, offset, offset + fits, window.now_ns);
      at += fits;
    } else {
      break;
    }
  }
  state.offset = first_offset + static_cast<uint64_t>(at - begin);
}

}  // namespace longshore::agent
