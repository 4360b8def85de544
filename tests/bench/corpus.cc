// Writes the logs that the races read. Every line holds r-<file>-<number>, by which arrivals.cc
// tells what came, so that no line equals another.
//
//   corpus plain DIR FILES MEGABYTES LINE_BYTES   lines of one length, as a web server writes them
//   corpus real DIR FILES MEGABYTES               public formats in turn, one a file
//   corpus docker DIR FILES MEGABYTES             the same as Docker's json-file driver keeps it
//   corpus live DIR FILES KB_A_SECOND SECONDS     lines of 200 bytes written as time passes, each
//                                                 with t-<ns since the epoch> of its write
//
// The files are DIR/0000.log and so on; prints {"lines":N,"bytes":N}. One seed, so the same words
// make the same files.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "config/fd.h"
#include "shipper/record/json_escape.h"

namespace longshore {
namespace {

constexpr size_t kFlushBytes = 1 << 20;

using Text = fmt::memory_buffer;
using Random = std::mt19937_64;

template <typename... Words>
void put(Text& to, fmt::format_string<Words...> format, Words&&... words) {
  fmt::format_to(std::back_inserter(to), format, std::forward<Words>(words)...);
}

// What the formats below draw from: few values are frequent, many are rare, as in logs.
class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed) {}

  uint64_t below(uint64_t bound) { return random_() % bound; }
  // Small numbers more often than large ones.
  uint64_t skewed(uint64_t bound) { return below(below(bound) + 1); }
  template <size_t kCount>
  std::string_view one_of(const std::array<std::string_view, kCount>& words) {
    return words[skewed(kCount)];
  }
  uint64_t bits() { return random_(); }
  uint32_t half() { return static_cast<uint32_t>(random_()); }

 private:
  Random random_;
};

constexpr std::array<std::string_view, 8> kPaths = {"/api/v1/items/",
                                                    "/shop/cart/",
                                                    "/static/js/app.",
                                                    "/search?q=blue+shoes&page=",
                                                    "/login?next=%2Faccount%2F",
                                                    "/health?probe=",
                                                    "/img/products/large/",
                                                    "/api/v2/orders/"};
constexpr std::array<std::string_view, 5> kBrowsers = {
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/119.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
    "curl/7.88.1", "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "kube-probe/1.28"};
constexpr std::array<std::string_view, 5> kLevels = {"INFO", "DEBUG", "WARN", "ERROR", "TRACE"};
constexpr std::array<std::string_view, 6> kClasses = {
    "c.e.shop.web.OrderController", "o.s.w.s.DispatcherServlet",
    "c.e.shop.stock.Reservation",   "com.zaxxer.hikari.pool.HikariPool",
    "o.a.k.clients.NetworkClient",  "c.e.pay.GatewayClient"};
constexpr std::array<std::string_view, 6> kUsers = {"root",  "admin",    "deploy",
                                                    "größe", "postgres", "j.müller"};
constexpr std::array<std::string_view, 4> kTables = {"orders", "customers", "stock_movements",
                                                     "sessions"};

// One line of a format without its newline; `clock` moves on by about a millisecond a line.
struct Moment {
  uint64_t millis = 0;
  unsigned hour() const { return static_cast<unsigned>(millis / 3'600'000 % 24); }
  unsigned minute() const { return static_cast<unsigned>(millis / 60'000 % 60); }
  unsigned second() const { return static_cast<unsigned>(millis / 1000 % 60); }
  unsigned milli() const { return static_cast<unsigned>(millis % 1000); }
};

using Format = void (*)(Text& to, Draw& draw, Moment now, const std::string& id);

void nginx_access(Text& to, Draw& draw, Moment now, const std::string& id) {
  put(to,
      "{}.{}.{}.{} - - [21/Nov/2026:{:02}:{:02}:{:02} +0000] \"{} {}{} HTTP/1.1\" {} {} "
      "\"https://www.example.org/\" \"{}\" rt=0.{:03} {}",
      10 + draw.skewed(200), draw.below(250), draw.below(250), draw.below(250), now.hour(),
      now.minute(), now.second(), draw.below(9) == 0 ? "POST" : "GET", draw.one_of(kPaths),
      draw.skewed(100'000), draw.below(20) == 0 ? 404 : 200, draw.skewed(90'000),
      draw.one_of(kBrowsers), draw.skewed(1000), id);
}

void sshd(Text& to, Draw& draw, Moment now, const std::string& id) {
  put(to, "Nov 21 {:02}:{:02}:{:02} node-{} sshd[{}]: ", now.hour(), now.minute(), now.second(),
      draw.below(12), 1000 + draw.below(30'000));
  if (draw.below(3) == 0) {
    put(to, "Accepted publickey for {} from 10.0.{}.{} port {} ssh2: RSA SHA256:{:016x}{:016x} {}",
        draw.one_of(kUsers), draw.below(9), draw.below(250), 1024 + draw.below(60'000), draw.bits(),
        draw.bits(), id);
  } else {
    put(to, "Failed password for invalid user {} from {}.{}.{}.{} port {} ssh2 {}",
        draw.one_of(kUsers), 1 + draw.below(220), draw.below(250), draw.below(250), draw.below(250),
        1024 + draw.below(60'000), id);
  }
}

void hdfs(Text& to, Draw& draw, Moment now, const std::string& id) {
  put(to, "261121 {:02}{:02}{:02} {} INFO dfs.DataNode$PacketResponder: ", now.hour(), now.minute(),
      now.second(), draw.below(3000));
  if (draw.below(2) == 0) {
    put(to, "Received block blk_{} of size 67108864 from /10.250.{}.{} {}", draw.bits() >> 2,
        draw.below(20), draw.below(250), id);
  } else {
    put(to, "PacketResponder {} for block blk_{} terminating {}", draw.below(3), draw.bits() >> 2,
        id);
  }
}

void java(Text& to, Draw& draw, Moment now, const std::string& id) {
  put(to, "2026-11-21 {:02}:{:02}:{:02}.{:03} {:>5} [{}] 1 --- [nio-8080-exec-{}] {:<40} : ",
      now.hour(), now.minute(), now.second(), now.milli(), draw.one_of(kLevels), id,
      1 + draw.below(40), draw.one_of(kClasses));
  switch (draw.below(3)) {
    case 0:
      put(to, "Completed {} \"{}{}\", parameters={{masked}} in {} ms", 200, draw.one_of(kPaths),
          draw.skewed(100'000), draw.skewed(900));
      break;
    case 1:
      put(to, "Order {} of customer {} reserved {} item(s), total {}.{:02} EUR", draw.half(),
          draw.skewed(500'000), 1 + draw.skewed(12), draw.skewed(900), draw.below(100));
      break;
    default:
      put(to, "HikariPool-1 - Pool stats (total={}, active={}, idle={}, waiting={})", 20,
          draw.below(20), draw.below(20), draw.skewed(5));
  }
}

void postgres(Text& to, Draw& draw, Moment now, const std::string& id) {
  put(to,
      "2026-11-21 {:02}:{:02}:{:02}.{:03} UTC [{}] app@shop LOG:  duration: {}.{:03} ms  execute "
      "<unnamed>: SELECT id, state, \"updatedAt\" FROM {} WHERE customer_id = {} AND state <> "
      "'done' ORDER BY id LIMIT {} /* {} */",
      now.hour(), now.minute(), now.second(), now.milli(), 100 + draw.below(60), draw.skewed(400),
      draw.below(1000), draw.one_of(kTables), draw.skewed(900'000), 10 + draw.skewed(90), id);
}

void klog(Text& to, Draw& draw, Moment now, const std::string& id) {
  put(to,
      "{}1121 {:02}:{:02}:{:02}.{:03}{:03}       1 reconciler.go:{}] \"Reconciling\" "
      "pod=\"shop/cart-{:08x}-{:05x}\" node=\"node-{}\" requestID=\"{}\"",
      "IIIIWE"[draw.below(6)], now.hour(), now.minute(), now.second(), now.milli(),
      draw.below(1000), 100 + draw.skewed(800), draw.half(), draw.below(1 << 20), draw.below(200),
      id);
}

void zap(Text& to, Draw& draw, Moment now, const std::string& id) {
  put(to,
      R"({{"level":"info","ts":"2026-11-21T{:02}:{:02}:{:02}.{:03}Z","caller":"api/handler.go:{}",)"
      R"("msg":"request done","method":"GET","path":"{}{}","status":{},"took":"{}µs",)"
      R"("trace_id":"{:016x}{:016x}","request_id":"{}"}})",
      now.hour(), now.minute(), now.second(), now.milli(), draw.skewed(600), draw.one_of(kPaths),
      draw.skewed(100'000), draw.below(30) == 0 ? 500 : 200, draw.skewed(90'000), draw.bits(),
      draw.bits(), id);
}

void nova(Text& to, Draw& draw, Moment now, const std::string& id) {
  put(to,
      "2026-11-21 {:02}:{:02}:{:02}.{:03} {} INFO nova.osapi_compute.wsgi.server [{} "
      "{:016x}{:016x} - - -] 10.11.10.{} \"GET /v2/{:016x}/servers/detail HTTP/1.1\" status: 200 "
      "len: {} time: 0.{:07}",
      now.hour(), now.minute(), now.second(), now.milli(), 20'000 + draw.below(6000), id,
      draw.bits(), draw.bits(), draw.below(10), draw.bits(), 200 + draw.skewed(4000),
      draw.below(10'000'000));
}

constexpr std::array<Format, 8> kFormats = {nginx_access, java, zap,  postgres,
                                            hdfs,         sshd, klog, nova};

std::string line_id(size_t file, uint64_t number) {
  return fmt::format("r-{:04x}-{:08x}", file, number);
}

// A line of exactly `bytes` with its newline, but never shorter than its id.
void plain_line(Text& to, Draw& draw, size_t bytes, const std::string& id) {
  const size_t begin = to.size();
  put(to, "10.1.{}.{} - - [21/Nov/2026:05:00:{:02}] ", draw.below(251), draw.below(241),
      draw.below(60));
  if (bytes < 80) to.resize(begin);
  put(to, "{} ", id);
  if (bytes >= 200) {
    put(to, "\"GET /shop/item/{:010}?ref=home HTTP/1.1\" 200 {} \"Mozilla/5.0 (X11; Linux)\"",
        draw.below(100'000), draw.below(9973));
  }
  while (to.size() - begin + 1 < bytes) put(to, " {:x}", draw.half());
  to.resize(begin + std::max(bytes, id.size() + 1) - 1);
  to.push_back('\n');
}

void docker_line(Text& to, std::string_view line, Moment now, shipper::Buffer& escaped) {
  escaped.clear();
  shipper::append_escaped(line, escaped);
  put(to,
      "{{\"log\":\"{}\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-21T{:02}:{:02}:{:02}."
      "{:03}123456Z\"}}\n",
      std::string_view(escaped.data(), escaped.size()), now.hour(), now.minute(), now.second(),
      now.milli());
}

class LogFile {
 public:
  LogFile(const std::string& dir, size_t number)
      : fd_(::open(fmt::format("{}/{:04}.log", dir, number).c_str(),
                   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
    if (!fd_) throw std::runtime_error("cannot write to " + dir);
  }
  void flush(Text& text) {
    if (::write(fd_.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
      throw std::runtime_error("a write was cut short");
    }
    bytes += text.size();
    text.clear();
  }
  uint64_t bytes = 0;

 private:
  Fd fd_;
};

struct Sum {
  uint64_t lines = 0, bytes = 0;
};

struct Load {
  std::string kind, dir;
  size_t files = 1;
  uint64_t bytes = 0;  // Of each file.
  size_t line_bytes = 200;
};

Sum write_file(const Load& load, size_t number) {
  LogFile file(load.dir, number);
  Draw draw(number + 1);
  Text text, line;
  shipper::Buffer escaped;
  Moment now{.millis = 18'000'000 + number * 977};
  const Format format = kFormats[number % kFormats.size()];
  Sum sum;
  while (file.bytes + text.size() < load.bytes) {
    const std::string id = line_id(number, sum.lines++);
    now.millis += draw.skewed(3);
    if (load.kind == "plain") {
      plain_line(text, draw, load.line_bytes, id);
    } else if (load.kind == "real") {
      format(text, draw, now, id);
      text.push_back('\n');
    } else {
      line.clear();
      format(line, draw, now, id);
      docker_line(text, {line.data(), line.size()}, now, escaped);
    }
    if (text.size() >= kFlushBytes) file.flush(text);
  }
  file.flush(text);
  sum.bytes = file.bytes;
  return sum;
}

// Every five milliseconds each file gets its share.
Sum write_live(const std::string& dir, size_t files, uint64_t kilobytes_a_second,
               uint64_t seconds) {
  using Clock = std::chrono::system_clock;
  constexpr size_t kLineBytes = 200;
  constexpr auto kStep = std::chrono::milliseconds(5);
  std::vector<LogFile> open;
  for (size_t i = 0; i < files; ++i) open.emplace_back(dir, i);
  const uint64_t all = kilobytes_a_second * 1000 * seconds / kLineBytes;
  Draw draw(1);
  Sum sum;
  const auto begin = Clock::now();
  std::vector<Text> texts(files);
  for (auto next = begin; sum.lines < all; next += kStep) {
    std::this_thread::sleep_until(next);
    const auto now = Clock::now();
    const double part =
        std::chrono::duration<double>(now - begin).count() / static_cast<double>(seconds);
    const auto due = static_cast<uint64_t>(std::min(1.0, part) * static_cast<double>(all));
    const std::string stamp =
        fmt::format(" t-{:019}", std::chrono::nanoseconds(now.time_since_epoch()).count());
    for (; sum.lines < due; ++sum.lines) {
      const size_t file = sum.lines % files;
      plain_line(texts[file], draw, kLineBytes, line_id(file, sum.lines / files) + stamp);
    }
    for (size_t i = 0; i < files; ++i) {
      if (texts[i].size() > 0) open[i].flush(texts[i]);
    }
  }
  for (const LogFile& file : open) sum.bytes += file.bytes;
  return sum;
}

int usage() {
  std::fprintf(stderr,
               "usage: corpus plain DIR FILES MEGABYTES LINE_BYTES | real DIR FILES MEGABYTES | "
               "docker DIR FILES MEGABYTES | live DIR FILES KB_A_SECOND SECONDS\n");
  return 2;
}

int run(const std::vector<std::string>& words) {
  if (words.size() < 4) return usage();
  Load load{.kind = words[0], .dir = words[1], .files = std::stoul(words[2])};
  const double amount = std::stod(words[3]);
  const bool sized = load.kind == "plain" || load.kind == "live";
  const bool known = sized || load.kind == "real" || load.kind == "docker";
  if (!known || load.files == 0 || words.size() != (sized ? 5 : 4)) return usage();
  Sum sum;
  if (load.kind == "live") {
    sum = write_live(load.dir, load.files, static_cast<uint64_t>(amount), std::stoul(words[4]));
  } else {
    load.bytes = static_cast<uint64_t>(amount * 1e6) / load.files;
    if (sized) load.line_bytes = std::stoul(words[4]);
    for (size_t i = 0; i < load.files; ++i) {
      const Sum file = write_file(load, i);
      sum.lines += file.lines;
      sum.bytes += file.bytes;
    }
  }
  fmt::print("{{\"lines\":{},\"bytes\":{}}}\n", sum.lines, sum.bytes);
  return 0;
}

}  // namespace
}  // namespace longshore

int main(int argc, char** argv) {
  try {
    return longshore::run({argv + 1, argv + argc});
  } catch (const std::exception& error) {
    std::fprintf(stderr, "corpus: %s\n", error.what());
    return 1;
  }
}
