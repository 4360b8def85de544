#include "integrations/http/gzip.h"

#include <cassert>

namespace longshore::http {

namespace {

constexpr int kGzipFrame = 15 + 16;  // The largest window; 16 asks for gzip's frame.
constexpr int kMemoryLevel = 8;      // zlib's default.
constexpr size_t kPieceBytes = 256 << 10;

}  // namespace

Gzip::Gzip(int level) : out_(kPieceBytes) {
  [[maybe_unused]] const int code =
      deflateInit2(&stream_, level, Z_DEFLATED, kGzipFrame, kMemoryLevel, Z_DEFAULT_STRATEGY);
  assert(code == Z_OK);
}

Gzip::~Gzip() { deflateEnd(&stream_); }

Status Gzip::add(std::string_view bytes, const Sink& sink) { return run(bytes, Z_NO_FLUSH, sink); }

Status Gzip::finish(const Sink& sink) {
  Status status = run({}, Z_FINISH, sink);
  deflateReset(&stream_);
  return status;
}

Status Gzip::run(std::string_view bytes, int mode, const Sink& sink) {
  // zlib only reads it; its field is not const.
  stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  stream_.avail_in = static_cast<uInt>(bytes.size());
  for (;;) {
    stream_.next_out = reinterpret_cast<Bytef*>(out_.data());
    stream_.avail_out = static_cast<uInt>(out_.size());
    const int code = deflate(&stream_, mode);
    assert(code != Z_STREAM_ERROR);
    const size_t made = out_.size() - stream_.avail_out;
    if (made > 0) {
      if (Status status = sink({out_.data(), made}); !status) return status;
    }
    if (mode == Z_FINISH ? code == Z_STREAM_END : stream_.avail_out > 0) return ok();
  }
}

}  // namespace longshore::http
