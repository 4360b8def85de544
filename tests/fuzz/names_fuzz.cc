// Goal: the base name of a rotated file is recognised only in names that logrotate and log
// libraries make, and is never that of another file.
// Method: names of any bytes, and names built as those programs build them.

#include "agent/discovery/rotated_name.h"
#include "tests/fuzz/input.h"

namespace longshore::fuzz {
namespace {

void any_name(const std::string& name) {
  const auto base = agent::rotated_base(name);
  if (!base) return;
  require(!base->empty() && base->size() < name.size(), "a base is shorter than its rotated name");
  require(name.starts_with(*base), "a rotated name begins with its base");
  const std::string_view rest = std::string_view(name).substr(base->size());
  require(rest[0] == '.' || rest[0] == '-', "what follows a base is set off from it");
  require(rest.find_first_of("0123456789") != std::string::npos, "a rotated name has a number");
}

void built_name(const std::string& base, uint8_t choice) {
  // A base that looks like a rotated name itself is that one's.
  if (base.empty() || agent::rotated_base(base) || agent::is_compressed(base)) return;
  constexpr const char* kEndings[] = {".1",          ".99999",      ".0",        "-20261121",
                                      "-2026-11-21", ".2026-11-21", ".20261121", "-20261121.1"};
  constexpr const char* kCompressions[] = {"", ".gz", ".zst", ".bz2", ".xz"};
  const std::string compression = kCompressions[choice / 8 % 5];
  const std::string name = base + kEndings[choice % 8] + compression;
  const auto found = agent::rotated_base(name);
  require(found.has_value(), "a rotated name is known");
  require(agent::is_compressed(name) == !compression.empty(), "a compressed file is known");
  // The number behind a date is a rotation of the dated file where that has a base of its own.
  require(*found == base || base.starts_with(*found) || *found + ".1" + compression == name,
          "a rotated name leads to its base");
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
