#include "integrations/http/gzip.h"

#include <zlib.h>

#include <cassert>

namespace longshore::http {

void gzip(std::string_view text, std::string& out) {
  constexpr int kLevel = 1;
  constexpr int kGzipFrame = 15 + 16;  // The largest window; 16 asks for gzip's frame.
  constexpr int kMemoryLevel = 8;      // zlib's default.
  z_stream stream{};
  [[maybe_unused]] int code =
      deflateInit2(&stream, kLevel, Z_DEFLATED, kGzipFrame, kMemoryLevel, Z_DEFAULT_STRATEGY);
  assert(code == Z_OK);
  out.resize(deflateBound(&stream, text.size()));
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  code = deflate(&stream, Z_FINISH);
  assert(code == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
}

}  // namespace longshore::http
