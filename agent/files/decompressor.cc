#include "agent/files/decompressor.h"

#include <bzlib.h>
#include <lzma.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <string>

#include "config/limits.h"

namespace longshore::agent {
namespace {

constexpr size_t kUnitMax = std::numeric_limits<unsigned>::max();

unsigned clipped(size_t bytes) { return static_cast<unsigned>(std::min(bytes, kUnitMax)); }

Error damaged(const char* format, const std::string& what) {
  return {ErrorCode::kCorrupt, std::string("the ") + format + " data is damaged: " + what};
}

Error too_large(const char* format) {
  return {ErrorCode::kCorrupt,
          std::string("the ") + format + " data needs more memory to unpack than a log may take"};
}

class Gzip final : public Decompressor {
 public:
  // 16: gzip's own header and checksum, and no other format's.
  bool begin() { return ::inflateInit2(&stream_, MAX_WBITS + 16) == Z_OK; }
  ~Gzip() override { ::inflateEnd(&stream_); }

  Result<Step> step(std::string_view in, bool, char* out, size_t room) override {
    if (ended_ && ::inflateReset(&stream_) != Z_OK) return damaged("gzip", "no other member");
    ended_ = false;
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(in.data()));
    stream_.avail_in = clipped(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = clipped(room);
    const int code = ::inflate(&stream_, Z_NO_FLUSH);
    if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR) {
      return damaged("gzip", stream_.msg == nullptr ? "it is invalid" : stream_.msg);
    }
    ended_ = code == Z_STREAM_END;
    return Step{clipped(in.size()) - stream_.avail_in, clipped(room) - stream_.avail_out, ended_};
  }

 private:
  z_stream stream_{};
  bool ended_ = false;
};

class Zstd final : public Decompressor {
 public:
  Zstd() : stream_(::ZSTD_createDStream()) {}
  ~Zstd() override { ::ZSTD_freeDStream(stream_); }
  bool begin() {
    return stream_ != nullptr && !::ZSTD_isError(::ZSTD_DCtx_setParameter(
                                     stream_, ZSTD_d_windowLogMax, limits::kUnpackWindowLog));
  }

  Result<Step> step(std::string_view in, bool, char* out, size_t room) override {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out, room, 0};
    const size_t code = ::ZSTD_decompressStream(stream_, &to, &from);
    if (::ZSTD_isError(code)) {
      const std::string what = ::ZSTD_getErrorName(code);
      return what.find("memory") != std::string::npos ? too_large("zstd") : damaged("zstd", what);
    }
    return Step{from.pos, to.pos, code == 0};
  }

 private:
  ZSTD_DStream* stream_;
};

class Xz final : public Decompressor {
 public:
  bool begin() {
    return ::lzma_stream_decoder(&stream_, limits::kUnpackMemoryMax, LZMA_CONCATENATED) == LZMA_OK;
  }
  ~Xz() override { ::lzma_end(&stream_); }

  Result<Step> step(std::string_view in, bool last, char* out, size_t room) override {
    stream_.next_in = reinterpret_cast<const uint8_t*>(in.data());
    stream_.avail_in = in.size();
    stream_.next_out = reinterpret_cast<uint8_t*>(out);
    stream_.avail_out = room;
    // Whether another stream follows is only known at the file's end.
    const lzma_ret code = ::lzma_code(&stream_, last ? LZMA_FINISH : LZMA_RUN);
    if (code == LZMA_MEMLIMIT_ERROR) return too_large("xz");
    if (code != LZMA_OK && code != LZMA_STREAM_END && code != LZMA_BUF_ERROR) {
      return damaged("xz", "error " + std::to_string(code));
    }
    return Step{in.size() - stream_.avail_in, room - stream_.avail_out, code == LZMA_STREAM_END};
  }

 private:
  lzma_stream stream_ = LZMA_STREAM_INIT;
};

class Bzip2 final : public Decompressor {
 public:
  bool begin() { return ::BZ2_bzDecompressInit(&stream_, 0, 0) == BZ_OK; }
  ~Bzip2() override { ::BZ2_bzDecompressEnd(&stream_); }

  Result<Step> step(std::string_view in, bool, char* out, size_t room) override {
    if (ended_) {
      ::BZ2_bzDecompressEnd(&stream_);
      stream_ = {};
      if (!begin()) return damaged("bzip2", "no other stream");
    }
    ended_ = false;
    stream_.next_in = const_cast<char*>(in.data());
    stream_.avail_in = clipped(in.size());
    stream_.next_out = out;
    stream_.avail_out = clipped(room);
    const int code = ::BZ2_bzDecompress(&stream_);
    if (code != BZ_OK && code != BZ_STREAM_END) {
      return damaged("bzip2", "error " + std::to_string(code));
    }
    ended_ = code == BZ_STREAM_END;
    return Step{clipped(in.size()) - stream_.avail_in, clipped(room) - stream_.avail_out, ended_};
  }

 private:
  bz_stream stream_{};
  bool ended_ = false;
};

template <typename Format>
Result<std::unique_ptr<Decompressor>> begun() {
  auto made = std::make_unique<Format>();
  if (!made->begin()) return Error{ErrorCode::kRetryable, "no memory to unpack a compressed log"};
  return std::unique_ptr<Decompressor>(std::move(made));
}

}  // namespace

Compression compression_of(std::string_view first_bytes) {
  using namespace std::string_view_literals;
  if (first_bytes.starts_with("\x1f\x8b\x08"sv)) return Compression::kGzip;
  if (first_bytes.starts_with("\x28\xb5\x2f\xfd"sv)) return Compression::kZstd;
  if (first_bytes.starts_with("\xfd\x37\x7a\x58\x5a\x00"sv)) return Compression::kXz;
  if (first_bytes.starts_with("BZh"sv)) return Compression::kBzip2;
  return Compression::kNone;
}

const char* name_of(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return "gzip";
    case Compression::kZstd:
      return "zstd";
    case Compression::kXz:
      return "xz";
    case Compression::kBzip2:
      return "bzip2";
    case Compression::kNone:
      break;
  }
  return "plain";
}

Result<std::unique_ptr<Decompressor>> make_decompressor(Compression compression) {
  switch (compression) {
    case Compression::kGzip:
      return begun<Gzip>();
    case Compression::kZstd:
      return begun<Zstd>();
    case Compression::kXz:
      return begun<Xz>();
    case Compression::kBzip2:
      return begun<Bzip2>();
    case Compression::kNone:
      break;
  }
  assert(false);
  return Error{ErrorCode::kRetryable, "not compressed"};
}

}  // namespace longshore::agent
