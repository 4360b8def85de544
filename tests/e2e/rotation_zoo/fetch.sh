#!/usr/bin/env bash
# What the zoo's rotators need from registries, fetched into a cache once.
#   fetch.sh java    prints the directory of the jars
#   fetch.sh node    prints the directory that holds node_modules
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../services/jars.sh"

node_modules() {
  local cache fresh
  cache=${XDG_CACHE_HOME:-$HOME/.cache}/longshore/node-$(cksum <"$here/package.json")
  cache=${cache%% *}
  if [ ! -d "$cache" ]; then
    command -v npm >/dev/null || die "npm is missing: run tests/services/packages.sh node"
    mkdir -p "$(dirname "$cache")"
    fresh=$(mktemp -d "$cache.XXXXXX")
    cp "$here/package.json" "$fresh"
    # What pm2-logrotate wants of pm2 is played by pm2_logrotate.js.
    (cd "$fresh" && npm install --silent --ignore-scripts --no-audit --no-fund --legacy-peer-deps &&
      npm pack --silent pm2-logrotate@3.0.0 && tar -xzf pm2-logrotate-3.0.0.tgz) >&2 ||
      { rm -rf "$fresh"; die "npm could not fetch the packages of $here/package.json"; }
    mv "$fresh/package" "$fresh/node_modules/pm2-logrotate"
    chmod 755 "$fresh"
    mv -T "$fresh" "$cache" 2>/dev/null || rm -rf "$fresh"  # Another run was first.
  fi
  echo "$cache"
}

case ${1:-} in
  java)
    cache=$(jars_cache java)
    fetch_jars java "$cache"
    echo "$cache"
    ;;
  node) node_modules ;;
  *) sed -n '2,/^set/{/^#/p}' "$0" >&2; exit 2 ;;
esac
