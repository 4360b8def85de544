#!/usr/bin/env bash
# Builds and runs the unit tests under sanitizers: tests/sanitized.sh asan|tsan
set -euo pipefail
cd "$(dirname "$0")/.."
cmake --preset "$1"
cmake --build --preset "$1"
ctest --preset "$1" -L unit -j "$(nproc)"
