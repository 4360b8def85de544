#include "agent/decode/text_lines.h"

#include <cstring>

#include "agent/decode/line_sink.h"
#include "agent/decode/not_text.h"

namespace longshore::agent {

void TextLines::decode(const Window& window, DecodeState& state, shipper::RecordEncoder& encoder,
                       shipper::Chunk& chunk) {
  LineSink sink(window, state, encoder, chunk);
  const char* const begin = window.bytes.data();
  const char* const end = begin + window.bytes.size();
  const uint64_t first_offset = state.offset;
  const auto offset_of = [&](const char* byte) {
    return first_offset + static_cast<uint64_t>(byte - begin);
  };
  const char* at = begin;
  while (at < end && sink.has_room()) {
    const std::string_view rest(at, static_cast<size_t>(end - at));
    const uint64_t offset = offset_of(at);
    if (*at == '\0' && state.part == 0) {
      const char* const text = at + count_nuls(rest);
      if (text == end ? !window.last : offset_of(text) >= window.settled) break;
      at = text;
      continue;
    }
    const auto* newline = static_cast<const char*>(std::memchr(at, '\n', rest.size()));
    if (newline != nullptr) {
      const std::string_view line(at, static_cast<size_t>(newline - at));
      const std::string_view text = without_bom(without_cr(line), offset);
      at = newline + 1;
      sink.line(text, offset_of(text.data()), offset_of(at), window.now_ns, true);
    } else if (window.last) {
      const size_t nuls = count_last_nuls(rest);
      const std::string_view text = without_bom(rest.substr(0, rest.size() - nuls), offset);
      at = end;
      if (text.empty()) break;
      sink.line(text, offset_of(text.data()), offset_of(end), window.now_ns, false);
    } else if (at == begin && window.full && (window.nuls_are_text || rest.back() != '\0')) {
      const std::string_view text = without_bom(rest, offset);
      size_t fits = sink.fitting(text);
      if (fits > 1 && text[fits - 1] == '\r') --fits;  // A newline may follow it.
      at = text.data() + fits;
      sink.part(text.substr(0, fits), offset_of(text.data()), offset_of(at), window.now_ns);
    } else {
      break;
    }
  }
  state.offset = offset_of(at);
}

}  // namespace longshore::agent
