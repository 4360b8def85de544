#!/usr/bin/env bash
# Runs whole-program tests with a binary that watches itself; a report of any of its processes
# fails, also one that the test passed over. A process that is killed with -9 cannot report leaks.
#   tests/e2e/sanitized.sh asan|tsan|valgrind [NAME...]    kill, rotation ...; all if none is named
set -euo pipefail
cd "$(dirname "$0")/../.."
kind=${1:-}
shift || true

reports=$(mktemp -d "${TMPDIR:-/tmp}/longshore-reports.XXXXXX")
helper=
clean() {
  local status=$?
  [ -z "$helper" ] || kill "$helper" 2>/dev/null || true
  rm -rf "$reports"
  exit "$status"
}
trap clean EXIT
trap 'exit 130' INT TERM

build() {  # preset
  cmake --preset "$1" >/dev/null
  cmake --build --preset "$1" --target longshore
}
case $kind in
  asan)
    build asan
    export LONGSHORE_BIN=$PWD/build-asan/longshore LONGSHORE_SLOW=3
    export ASAN_OPTIONS=log_path=$reports/asan:detect_leaks=1:strict_string_checks=1:exitcode=99
    export UBSAN_OPTIONS=log_path=$reports/ubsan:print_stacktrace=1
    ;;
  tsan)
    build tsan
    export LONGSHORE_BIN=$PWD/build-tsan/longshore LONGSHORE_SLOW=4
    export TSAN_OPTIONS=log_path=$reports/tsan:suppressions=$PWD/tests/tsan.supp:exitcode=99
    ;;
  valgrind)
    tests/services/packages.sh valgrind
    build release
    cmake --build --preset release --target openat2_elsewhere
    tests/e2e/openat2_server.py "$reports/openat2.socket" &
    helper=$!
    export LONGSHORE_BIN=$reports/longshore LONGSHORE_SLOW=10
    cat >"$LONGSHORE_BIN" <<END
#!/bin/sh
export OPENAT2_SOCKET=$reports/openat2.socket LD_PRELOAD=$PWD/build/libopenat2_elsewhere.so
exec valgrind --quiet --leak-check=full --show-leak-kinds=definite --error-exitcode=99 \\
  --suppressions=$PWD/tests/valgrind.supp --log-file=$reports/valgrind.%p \\
  $PWD/build/longshore "\$@"
END
    chmod +x "$LONGSHORE_BIN"
    ;;
  *) sed -n '2,/^set/{/^#/p}' "$0" >&2; exit 2 ;;
esac

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  names=(kill)
  [ "${LONGSHORE_LONG:-}" != 1 ] || names+=(rotation containers docker ledger outage signals)
  [ "$kind" != valgrind ] || names=(kill)  # The others' writers outrun it.
fi
# Short counts: what is looked for is not the rare case, and the binary is slow.
unset LONGSHORE_LONG
status=0
for name in "${names[@]}"; do
  options=()
  case $name in
    kill) options=(--kills 5 --lines 2000) ;;
    outage) options=(--megabytes 20 --limit-mb 2000) ;;
  esac
  echo "== $name under $kind"
  "tests/e2e/${name}_test.py" "${options[@]}" || status=1
  for report in "$reports"/{asan,ubsan,tsan,valgrind}.*; do
    [ -s "$report" ] || continue
    echo "== $name: a report of $kind:"
    head -c 10000 "$report"
    rm -f "$report"
    status=1
  done
done
exit $status
