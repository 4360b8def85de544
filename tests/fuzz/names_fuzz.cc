// Goal: the names that a file may have been rotated from are found in names that logrotate and log
// libraries make, and are few for any name.
// Method: names of any bytes, and names built as those programs build them.

#include <algorithm>

#include "agent/discovery/rotated_name.h"
#include "config/limits.h"
#include "tests/fuzz/input.h"

namespace longshore::fuzz {
namespace {

void any_name(const std::string& name) {
  const auto bases = agent::rotated_bases(name);
  require(bases.size() <= limits::kRotatedBasesMax + 3, "one name has few bases");
  for (const std::string& base : bases) {
    if (base == "current") continue;
    require(!base.empty() && base.size() < name.size(), "a base is shorter than its rotated name");
    require(agent::is_rotated_from(name, base), "a base is recognised");
    const size_t cut = static_cast<size_t>(std::ranges::mismatch(name, base).in2 - base.begin());
    require(name.find(base.substr(cut), cut) != std::string::npos,
            "a rotated name is its base with one part inserted");
    const auto number = agent::rotation_number(name, base);
    require(!number || *number >= 0, "a rotation number is a number");
  }
}

void built_name(const std::string& base, uint8_t choice) {
  if (base.empty() || base == "current" || base.find('/') != std::string::npos) return;
  if (std::ranges::count_if(base, [](char c) { return c == '.' || c == '-' || c == '_'; }) > 8) {
    return;
  }
  // A base that ends or begins in a mark of its own, or in a separator, is read in several ways.
  const auto is_letter = [](char c) { return c >= 'a' && c <= 'z'; };
  if (!is_letter(base.front()) || !is_letter(base.back()) || !agent::rotated_bases(base).empty()) {
    return;
  }
  constexpr const char* kEndings[] = {".1",          ".99999",      ".0",        "-20261121",
                                      "-2026-11-21", ".2026-11-21", ".20261121", "-20261121.1"};
  constexpr const char* kCompressions[] = {"", ".gz", ".zst", ".bz2", ".xz"};
  const std::string compression = kCompressions[choice / 8 % 5];
  const std::string part = kEndings[choice % 8];
  const std::string name = base + part + compression;
  require(agent::is_rotated_from(name, base), "a rotated name leads to its base");
  require(agent::is_compressed(name) == !compression.empty(), "a compressed file is known");
  const size_t dot = base.rfind('.');
  if (dot == std::string::npos || dot == 0 || !is_letter(base[dot - 1])) return;
  const std::string inside = base.substr(0, dot) + part + base.substr(dot) + compression;
  require(agent::is_rotated_from(inside, base), "so does one with the part before the extension");
}

}  // namespace
}  // namespace longshore::fuzz

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace longshore::fuzz;
  Input input(data, size);
  const uint8_t choice = input.byte();
  const std::string name(input.rest());
  any_name(name);
  built_name(name, choice);
  return 0;
}
