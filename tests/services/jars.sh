# For scripts, which source it: jars that Maven fetches into a cache, once, and the processes that
# run them. `here` is the directory of NAME-pom.xml.

java_shared=()

die() { echo "${0##*/}: $*" >&2; exit 1; }

# Whether process $1 runs and its command line has each of the other words: pids are reused. While a
# process calls exec its command line reads as empty, as that of a dead one does for ever.
is_process() {
  local pid=$1 line word try; shift
  [ -n "$pid" ] || return 1
  for try in {1..50}; do
    line=$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline") || return 1
    [ -z "$line" ] && ! grep -qs '^State:.Z' "/proc/$pid/status" || break
    sleep 0.02
  done
  for word; do [[ $line == *"$word"* ]] || return 1; done
}

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

# Java starts in half the time if an archive beside the jars holds the classes already parsed.
#   archive_classes CACHE COMMAND...   makes it, once: COMMAND runs what is archived, the options in
#                                      the array java_shared, and ends it by SIGTERM
#   use_classes CACHE                  fills `java_shared` with the options that use it
# It is only a matter of speed: without an archive, and with one of another Java, all works as well.
archive_classes() {
  local archive=$1.jsa fresh
  shift
  [ ! -e "$archive" ] || return 0
  fresh=$(mktemp -u "$archive.XXXXXX")
  java_shared=("-XX:ArchiveClassesAtExit=$fresh" -Xlog:cds=off -Xlog:cds+dynamic=off)
  if ! "$@" >"$fresh.log" 2>&1 || [ ! -s "$fresh" ]; then
    echo "${0##*/}: no archive of classes was made, see $fresh.log; starts take longer" >&2
    : >"$fresh"  # Not tried again.
  else
    rm -f "$fresh.log"
  fi
  mv "$fresh" "$archive"
}

use_classes() {
  java_shared=()
  [ ! -s "$1.jsa" ] ||
    java_shared=("-XX:SharedArchiveFile=$1.jsa" -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off)
}
