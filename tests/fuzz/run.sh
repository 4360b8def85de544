#!/usr/bin/env bash
# Builds the fuzzers with clang and runs each for some time, as many at once as there are
# processors. A finding ends its fuzzer, and stands in build-fuzz/findings/.
#   tests/fuzz/run.sh SECONDS [NAME...]      all of them, or those named: docker, text ...
# To keep what the runs learn from one to the next: LONGSHORE_FUZZ_CORPUS=DIRECTORY.
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ "${1:-}" =~ ^[0-9]+$ ]] || { sed -n '2,/^set/{/^#/p}' "$0" >&2; exit 2; }
seconds=$1
shift
names=("$@")
if [ ${#names[@]} -eq 0 ]; then
  for source in tests/fuzz/*_fuzz.cc; do names+=("$(basename "$source" _fuzz.cc)"); done
fi
tests/services/packages.sh build fuzz
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz

learnt=${LONGSHORE_FUZZ_CORPUS:-build-fuzz/learnt}
findings=$PWD/build-fuzz/findings
mkdir -p "$findings"
export ASAN_OPTIONS=detect_leaks=1:strict_string_checks=1 UBSAN_OPTIONS=print_stacktrace=1

fuzz() {
  local name=$1 log=build-fuzz/$1.log
  mkdir -p "$learnt/$name"
  # With -detect_leaks=0 leaks are looked for once, at the end.
  if "build-fuzz/${name}_fuzz" -max_total_time="$seconds" -timeout=120 -rss_limit_mb=2048 \
    -max_len=16384 -detect_leaks=0 -entropic_scale_per_exec_time=1 -print_final_stats=1 \
    -artifact_prefix="$findings/$name-" "$learnt/$name" "tests/fuzz/corpus/$name" \
    >"$log" 2>&1; then
    local runs rate covered
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    covered=$(grep -o 'cov: [0-9]* ft: [0-9]*' "$log" | tail -n 1)
    echo "$name: $runs runs, $rate a second, $covered; nothing found"
    [ "${runs:-0}" -gt 0 ]
  else
    echo "$name: FOUND something, see $log:"
    grep -E "does not hold|ERROR|Assert|runtime error|SUMMARY|Test unit" "$log" || tail "$log"
    return 1
  fi
}

status=0
running=0
for name in "${names[@]}"; do
  [ -x "build-fuzz/${name}_fuzz" ] || { echo "there is no fuzzer $name" >&2; exit 2; }
  if [ "$running" -ge "$(nproc)" ]; then
    wait -n || status=1
    running=$((running - 1))
  fi
  fuzz "$name" &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  wait -n || status=1
  running=$((running - 1))
done
exit "$status"
