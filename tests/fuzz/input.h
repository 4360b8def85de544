// What the fuzzers share: choices taken out of the input, and facts that must hold for every input.
//
//   libFuzzer or replay.cc --bytes--> LLVMFuzzerTestOneInput() --Input--> the code under test
//
// A fact that does not hold aborts: libFuzzer writes the input down, and the replay in ./test
// fails.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

/// The one entry of a fuzzer; libFuzzer's name.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace longshore::fuzz {

inline void require(bool holds, const char* fact) {
  if (holds) return;
  std::fprintf(stderr, "this does not hold: %s\n", fact);
  std::abort();
}

/// Takes values from the front of the input; zeros and empty texts once it is used up.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }

  uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto first = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return first;
  }

  uint64_t number() {
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | byte();
    return value;
  }

  /// A text up to the next NUL, which is taken too, or to the end.
  std::string text() {
    const size_t end = std::min(rest_.find('\0'), rest_.size());
    std::string out(rest_.substr(0, end));
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return out;
  }

  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

/// Texts that no fuzzer would grow to by itself: a SUB (0x1a) with a count and a byte behind it
/// stands for that byte, 2 to the power of count % 12 times, or up to 2 to the power of 20 for the
/// few largest counts: most inputs are to be quick.
inline std::string expanded(std::string_view text, size_t bytes_max) {
  std::string out;
  for (size_t i = 0; i < text.size() && out.size() < bytes_max; ++i) {
    if (text[i] != '\x1a' || i + 2 >= text.size()) {
      out += text[i];
      continue;
    }
    const auto count = static_cast<uint8_t>(text[i + 1]);
    const size_t run = size_t{1} << (count < 0xf0 ? count % 12 : 12 + count % 9);
    out.append(std::min(run, bytes_max - out.size()), text[i + 2]);
    i += 2;
  }
  return out;
}

}  // namespace longshore::fuzz
