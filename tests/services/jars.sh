# For the scripts beside it, which source it: jars that Maven fetches into a cache, once. `here` is
# this directory.

die() { echo "${0##*/}: $*" >&2; exit 1; }

# Where the jars of a list, NAME-pom.xml, are kept. Jars of two versions must never mix on one class
# path: the cache is named for the list.
jars_cache() {
  echo "${XDG_CACHE_HOME:-$HOME/.cache}/longshore/$1-$(cksum <"$here/$1-pom.xml" | cut -d' ' -f1)"
}

# fetch_jars NAME CACHE [MAVEN OPTION...]
fetch_jars() {
  local pom=$here/$1-pom.xml cache=$2 fresh try
  shift 2
  [ ! -d "$cache" ] || return 0
  command -v mvn >/dev/null ||
    die "mvn is missing: run tests/services/packages.sh $(basename "$0" .sh)"
  mkdir -p "$(dirname "$cache")"
  fresh=$(mktemp -d "$cache.XXXXXX")
  for try in 1 2 3; do
    if mvn -q -B -f "$pom" dependency:copy-dependencies "$@" -DincludeScope=runtime \
      -DoutputDirectory="$fresh" >&2; then
      rm -f "$fresh"/*-osx-*.jar "$fresh"/*-windows-*.jar
      chmod 755 "$fresh"
      mv -T "$fresh" "$cache" 2>/dev/null || rm -rf "$fresh"  # Another run was first.
      return 0
    fi
    sleep $((try * 3))
  done
  rm -rf "$fresh"
  die "Maven could not fetch the jars of $pom"
}
