#!/usr/bin/env bash
# Unit tests under sanitizers: tests/sanitized.sh build|test asan|tsan
#   build   builds them and longshore, with a low priority: others may run beside
#   test    runs what was built
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
  build)
    cmake --preset "$2"
    nice -n 10 cmake --build --preset "$2"
    ;;
  test) ctest --preset "$2" -L unit -j $((2 * $(nproc))) ;;
  *) sed -n '2,/^set/{/^#/p}' "$0" >&2; exit 2 ;;
esac
