#!/usr/bin/env bash
# Checks that every source is formatted as .clang-format says, and that no script uses a name that
# is not there; `tests/format.sh -i` formats them.
set -euo pipefail
cd "$(dirname "$0")/.."
mapfile -d '' files < <(find config checkpoint shipper integrations agent tests \
  \( -name '*.h' -o -name '*.cc' \) -print0)
[ ${#files[@]} -gt 0 ] || { echo "format.sh: no sources found" >&2; exit 1; }
if [ "${1:-}" = -i ]; then
  clang-format -i "${files[@]}"
else
  clang-format --dry-run --Werror "${files[@]}"
  echo "${#files[@]} files are formatted"
  mapfile -d '' scripts < <({ grep -rlZI '^#!.*python3' tests; find tests -name '*.py' -print0; } |
    sort -zu)
  pyflakes3 "${scripts[@]}"
  echo "${#scripts[@]} scripts use what is there"
fi
