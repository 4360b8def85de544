#include "tests/fakes/packed.h"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <cassert>

namespace longshore::fakes {
namespace {

using agent::Compression;

std::string gzip(const std::string& text) {
  z_stream stream{};
  int code = ::deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY);
  assert(code == Z_OK);
  std::string out(::deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<unsigned>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<unsigned>(out.size());
  code = ::deflate(&stream, Z_FINISH);
  assert(code == Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

std::string zstd(const std::string& text, int window_log) {
  ZSTD_CCtx* const context = ::ZSTD_createCCtx();
  if (window_log > 0) {
    ::ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, window_log);
    ::ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 0);
  }
  std::string out(::ZSTD_compressBound(text.size()) + 64, '\0');
  ZSTD_inBuffer from{text.data(), text.size(), 0};
  ZSTD_outBuffer to{out.data(), out.size(), 0};
  // In a stream the window is not cut down to the size of the text.
  ::ZSTD_compressStream2(context, &to, &from, ZSTD_e_continue);
  const size_t left = ::ZSTD_compressStream2(context, &to, &from, ZSTD_e_end);
  assert(left == 0);
  out.resize(to.pos);
  ::ZSTD_freeCCtx(context);
  return out;
}

std::string xz(const std::string& text, uint32_t dictionary) {
  lzma_options_lzma options;
  ::lzma_lzma_preset(&options, 1);
  if (dictionary > 0) options.dict_size = dictionary;
  const lzma_filter filters[] = {{LZMA_FILTER_LZMA2, &options}, {LZMA_VLI_UNKNOWN, nullptr}};
  std::string out(text.size() + text.size() / 3 + 1024, '\0');
  size_t used = 0;
  const lzma_ret code =
      ::lzma_stream_buffer_encode(const_cast<lzma_filter*>(filters), LZMA_CHECK_CRC32, nullptr,
                                  reinterpret_cast<const uint8_t*>(text.data()), text.size(),
                                  reinterpret_cast<uint8_t*>(out.data()), &used, out.size());
  assert(code == LZMA_OK);
  out.resize(used);
  return out;
}

std::string bzip2(const std::string& text) {
  auto size = static_cast<unsigned>(text.size() + text.size() / 100 + 1024);
  std::string out(size, '\0');
  const int code = ::BZ2_bzBuffToBuffCompress(out.data(), &size, const_cast<char*>(text.data()),
                                              static_cast<unsigned>(text.size()), 1, 0, 0);
  assert(code == BZ_OK);
  out.resize(size);
  return out;
}

}  // namespace

std::string packed(Compression format, const std::string& text) {
  switch (format) {
    case Compression::kGzip:
      return gzip(text);
    case Compression::kZstd:
      return zstd(text, 0);
    case Compression::kXz:
      return xz(text, 0);
    case Compression::kBzip2:
      return bzip2(text);
    case Compression::kNone:
      break;
  }
  return text;
}

std::string packed_with_a_huge_window(Compression format) {
  return format == Compression::kXz ? xz("text\n", 256u << 20) : zstd("text\n", 27);
}

}  // namespace longshore::fakes
