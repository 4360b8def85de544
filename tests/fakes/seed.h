// The seed of a random test: another one in each run, printed, and given back by LONGSHORE_SEED.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace longshore::fakes {

inline uint32_t seed() {
  const char* const given = std::getenv("LONGSHORE_SEED");
  const uint32_t seed = given != nullptr ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10))
                                         : std::random_device()();
  std::printf("[   SEED   ] LONGSHORE_SEED=%u repeats it\n", seed);
  return seed;
}

}  // namespace longshore::fakes
