#include "shipper/record/json_escape.h"

#include <bit>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "config/utf8.h"

namespace longshore::shipper {

namespace {

constexpr size_t kBlock = 16;
constexpr size_t kEscapeBytesMax = 6;  // \u001f

constexpr bool needs_escape(char byte) {
  return byte == '"' || byte == '\\' || static_cast<uint8_t>(byte) < 0x20;
}

// Copies one block and returns a bit for each byte in it that needs an escape.
#if defined(__SSE2__)
uint32_t copy_block(const char* from, char* to) {
  const __m128i block = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), block);
  const __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
  const __m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
  // Unsigned "at most 0x1f": the smaller of the two is the byte itself.
  const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
  const __m128i any = _mm_or_si128(_mm_or_si128(quote, backslash), control);
  return static_cast<uint32_t>(_mm_movemask_epi8(any));
}
#else
uint32_t copy_block(const char* from, char* to) {
  std::memcpy(to, from, kBlock);
  uint32_t mask = 0;
  for (size_t i = 0; i < kBlock; ++i) mask |= static_cast<uint32_t>(needs_escape(from[i])) << i;
  return mask;
}
#endif

char short_form(char byte) {
  switch (byte) {
    case '"':
    case '\\':
      return byte;
    case '\b':
      return 'b';
    case '\f':
      return 'f';
    case '\n':
      return 'n';
    case '\r':
      return 'r';
    case '\t':
      return 't';
    default:
      return 0;
  }
}

char* put_escape(char byte, char* out) {
  constexpr char kHex[] = "0123456789abcdef";
  *out++ = '\\';
  if (const char letter = short_form(byte)) {
    *out++ = letter;
    return out;
  }
  std::memcpy(out, "u00", 3);
  out[3] = kHex[(byte >> 4) & 0xf];
  out[4] = kHex[byte & 0xf];
  return out + 5;
}

}  // namespace

size_t escaped_bytes(char byte) {
  if (!needs_escape(byte)) return 1;
  return short_form(byte) ? 2 : kEscapeBytesMax;
}

void append_escaped(std::string_view text, Buffer& out) {
  const char* from = text.data();
  const char* const end = from + text.size();
  char tail[kBlock];
  size_t size = out.size();
  while (from < end) {
    const size_t left = static_cast<size_t>(end - from);
    // Room for the rest of the text without escapes, one more escape, and the overhang of a block.
    // Growth doubles, so a text of nothing but escapes does not grow the buffer at each of them.
    const size_t room = size + left + kEscapeBytesMax + kBlock;
    if (room > out.capacity()) {
      out.resize(size);
      out.reserve(room);
    }
    char* const to = out.data() + size;
    const size_t block = left < kBlock ? left : kBlock;
    if (block < kBlock) {
      // Never read past the end: the text may end where its memory page ends.
      std::memset(tail, ' ', kBlock);
      std::memcpy(tail, from, block);
    }
    const uint32_t mask = copy_block(block < kBlock ? tail : from, to);
    if (mask == 0) {
      from += block;
      size += block;
      continue;
    }
    const auto clean = static_cast<size_t>(std::countr_zero(mask));
    const char* const after = put_escape(from[clean], to + clean);
    from += clean + 1;
    size = static_cast<size_t>(after - out.data());
  }
  out.resize(size);
}

std::string json_string(std::string_view text) {
  std::string valid;
  repair_utf8(text, valid);
  Buffer escaped;
  append_escaped(valid, escaped);
  return '"' + std::string(escaped.data(), escaped.size()) + '"';
}

}  // namespace longshore::shipper
