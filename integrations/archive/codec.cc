#include "integrations/archive/codec.h"

#include <fmt/format.h>

#include <cassert>
#include <vector>

#include "integrations/http/gzip.h"

namespace longshore::archive {

namespace {

constexpr size_t kPieceBytes = 256 << 10;
/// zlib: a window of 15 bits, with the header of gzip.
constexpr int kGzipWindow = 15 + 16;
/// Bounds memory for files made by others: 128 MiB, zstd's own limit.
constexpr int kWindowLogMax = 27;

Error corrupt(std::string_view what) { return {ErrorCode::kCorrupt, std::string(what)}; }

class PlainEncoder final : public Encoder {
 public:
  Status add(std::string_view bytes, const Sink& sink) override { return sink(bytes); }
  Status finish(const Sink&) override { return ok(); }
};

class ZstdEncoder final : public Encoder {
 public:
  explicit ZstdEncoder(int level) : context_(ZSTD_createCCtx(), ZSTD_freeCCtx), out_(kPieceBytes) {
    assert(context_);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, level);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  Status add(std::string_view bytes, const Sink& sink) override {
    in_frame_ += bytes.size();
    if (Status status = run(bytes, ZSTD_e_continue, sink); !status) return status;
    return in_frame_ >= kFrameBytes ? finish(sink) : ok();
  }

  Status finish(const Sink& sink) override {
    if (in_frame_ == 0) return ok();
    in_frame_ = 0;
    return run({}, ZSTD_e_end, sink);
  }

 private:
  Status run(std::string_view bytes, ZSTD_EndDirective mode, const Sink& sink) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    for (;;) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      const size_t left = ZSTD_compressStream2(context_.get(), &out, &in, mode);
      assert(!ZSTD_isError(left));
      if (out.pos > 0) {
        if (Status status = sink({out_.data(), out.pos}); !status) return status;
      }
      if (mode == ZSTD_e_end ? left == 0 : in.pos == in.size) return ok();
    }
  }

  const std::unique_ptr<ZSTD_CCtx, size_t (*)(ZSTD_CCtx*)> context_;
  std::vector<char> out_;
  size_t in_frame_ = 0;
};

class GzipEncoder final : public Encoder {
 public:
  explicit GzipEncoder(int level) : gzip_(level) {}

  Status add(std::string_view bytes, const Sink& sink) override { return gzip_.add(bytes, sink); }
  Status finish(const Sink& sink) override { return gzip_.finish(sink); }

 private:
  http::Gzip gzip_;
};

class PlainDecoder final : public Decoder {
 public:
  Status add(std::string_view bytes, const Sink& sink) override { return sink(bytes); }
  Status finish() override { return ok(); }
};

class ZstdDecoder final : public Decoder {
 public:
  ZstdDecoder() : context_(ZSTD_createDCtx(), ZSTD_freeDCtx), out_(kPieceBytes) {
    assert(context_);
    ZSTD_DCtx_setParameter(context_.get(), ZSTD_d_windowLogMax, kWindowLogMax);
  }

  Status add(std::string_view bytes, const Sink& sink) override {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    bool full = false;  // `out` was too small: more output is pending.
    while (in.pos < in.size || full) {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      left_ = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(left_)) return corrupt(ZSTD_getErrorName(left_));
      full = out.pos == out.size && left_ != 0;
      if (out.pos == 0) continue;
      if (Status status = sink({out_.data(), out.pos}); !status) return status;
    }
    return ok();
  }

  Status finish() override { return left_ == 0 ? ok() : corrupt("the last frame is cut off"); }

 private:
  const std::unique_ptr<ZSTD_DCtx, size_t (*)(ZSTD_DCtx*)> context_;
  std::vector<char> out_;
  size_t left_ = 0;  // 0: between frames.
};

class GzipDecoder final : public Decoder {
 public:
  GzipDecoder() : out_(kPieceBytes) {
    ready_ = inflateInit2(&stream_, kGzipWindow) == Z_OK;
    assert(ready_);
  }
  ~GzipDecoder() override { inflateEnd(&stream_); }
  GzipDecoder(const GzipDecoder&) = delete;
  GzipDecoder& operator=(const GzipDecoder&) = delete;

  Status add(std::string_view bytes, const Sink& sink) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
    stream_.avail_in = static_cast<uInt>(bytes.size());
    do {
      if (ended_ && stream_.avail_in > 0) {
        inflateReset(&stream_);  // Another member follows.
        ended_ = false;
      }
      stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
      stream_.avail_out = static_cast<uInt>(out_.size());
      const int code = inflate(&stream_, Z_NO_FLUSH);
      if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
        return corrupt(stream_.msg ? stream_.msg : "not gzip");
      ended_ = code == Z_STREAM_END;
      const size_t made = out_.size() - stream_.avail_out;
      if (made == 0) continue;
      if (Status status = sink({out_.data(), made}); !status) return status;
    } while (stream_.avail_in > 0 || stream_.avail_out == 0);
    return ok();
  }

  Status finish() override { return ended_ ? ok() : corrupt("the end of the file is cut off"); }

 private:
  z_stream stream_{};
  bool ready_ = false;
  std::vector<char> out_;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<Encoder> make_encoder(Codec codec, int level) {
  if (codec == Codec::kZstd) return std::make_unique<ZstdEncoder>(level);
  if (codec == Codec::kGzip) return std::make_unique<GzipEncoder>(level);
  return std::make_unique<PlainEncoder>();
}

std::unique_ptr<Decoder> make_decoder(Codec codec) {
  if (codec == Codec::kZstd) return std::make_unique<ZstdDecoder>();
  if (codec == Codec::kGzip) return std::make_unique<GzipDecoder>();
  return std::make_unique<PlainDecoder>();
}

}  // namespace longshore::archive
