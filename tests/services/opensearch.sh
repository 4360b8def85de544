#!/usr/bin/env bash
# A real OpenSearch node (one, without security) on 127.0.0.1 for tests; needs a JDK 17, Maven,
# Python 3 and curl.
#
#   opensearch.sh fetch                put the jars of opensearch-pom.xml into the cache, once
#   opensearch.sh start DIR            make a node in DIR, or start the one there; prints its URL
#   opensearch.sh stop|kill|wipe DIR   SIGTERM; kill -9; wipe deletes DIR as well
#   opensearch.sh freeze|thaw DIR      SIGSTOP, SIGCONT: hangs without closing its connections
#   opensearch.sh status|url DIR
#
# A new node chooses free ports and keeps them in DIR/ports. OS_HEAP: MB (512); OS_YML: more
# settings, "k=v k=v", read at each start; OS_WAIT: seconds (180); OS_TIER=1: starts sooner, but
# never becomes as quick as it could.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/jars.sh"
heap=${OS_HEAP:-512} wait_s=${OS_WAIT:-180}
cache=$(jars_cache opensearch)
main=$cache-$(cksum <"$here/OpenSearchNode.java" | cut -d' ' -f1).jar  # Starts the node.
# Modules of the node: HTTP, analysers, field types, and what a log store's users expect.
modules=(
  org.opensearch.transport.Netty4Plugin
  org.opensearch.analysis.common.CommonAnalysisPlugin
  org.opensearch.index.mapper.MapperExtrasPlugin
  org.opensearch.index.reindex.ReindexPlugin
  org.opensearch.ingest.common.IngestCommonPlugin
  org.opensearch.painless.PainlessPlugin
)

fetch() {
  fetch_jars opensearch "$cache"
  [ -e "$main" ] || make_main
  archive_classes "${main%.jar}" live_once
  use_classes "${main%.jar}"
}

make_main() {
  local classes
  classes=$(mktemp -d)
  javac -cp "$cache/*" -d "$classes" "$here/OpenSearchNode.java" >&2 &&
    jar cf "$classes/main.jar" -C "$classes" OpenSearchNode.class &&
    cp "$classes/main.jar" "$main.$$" && mv "$main.$$" "$main" ||
    die "OpenSearchNode.java cannot be compiled"
  rm -rf "$classes"
}

# What is archived: a node from its start to its end.
live_once() {
  local dir status=0
  dir=$(mktemp -d)
  ( set -e; launch; await; end TERM ) || status=$?
  [ ! -f "$dir/pid" ] || end KILL
  rm -rf "$dir"
  return "$status"
}

pid_of() { cat "$dir/pid" 2>/dev/null || true; }

alive() { is_process "$(pid_of)" OpenSearchNode "$dir"; }

url() { echo "http://127.0.0.1:$(sed -n 1p "$dir/ports")"; }

write_config() {
  local setting
  mkdir -p "$dir"/{config,data,logs,modules,plugins}
  cat >"$dir/config/opensearch.yml" <<P
cluster.name: $(basename "$dir")
node.name: n1
network.host: 127.0.0.1
discovery.type: single-node
http.port: $(sed -n 1p "$dir/ports")
transport.port: $(sed -n 2p "$dir/ports")
transport.type: netty4
http.type: netty4
cluster.routing.allocation.disk.threshold_enabled: false
P
  for setting in ${OS_YML:-}; do echo "${setting%%=*}: ${setting#*=}"; done \
    >>"$dir/config/opensearch.yml"
  cat >"$dir/config/log4j2.properties" <<'P'
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %d{ISO8601} %p %c{1}: %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
P
}

ready() {
  curl -fsS -m 5 --noproxy '*' "$(url)/_cluster/health?wait_for_status=yellow&timeout=1s" \
    >/dev/null 2>&1
}

launch() {
  mkdir -p "$dir"
  [ -f "$dir/ports" ] || "$here/free_ports.py" 2 >"$dir/ports"
  write_config
  [ ! -f "$dir/log" ] || mv "$dir/log" "$dir/log.before"
  # In its own session, so that Ctrl-C in the caller's terminal does not reach it. setsid does not
  # fork here, so $! is Java's pid.
  (
    cd "$dir"
    exec setsid java -Xms"${heap}m" -Xmx"${heap}m" -XX:+UseSerialGC \
      -XX:TieredStopAtLevel="${OS_TIER:-4}" "${java_shared[@]}" -Dlog4j2.disable.jmx=true \
      --add-opens java.base/java.lang=ALL-UNNAMED --add-opens java.base/java.nio=ALL-UNNAMED \
      -cp "$main:$cache/*" OpenSearchNode "$dir" "${modules[@]}" >"$dir/log" 2>&1 </dev/null
  ) &
  echo $! >"$dir/pid"
  # On a busy machine it takes a while until java has replaced the shell, which has another name.
  local try
  for try in {1..100}; do alive && break; sleep 0.05; done
}

await() {
  local deadline=$((SECONDS + wait_s))
  until ready; do
    alive || { tail -n 20 "$dir/log" >&2; die "the node died while starting; see $dir/log"; }
    [ $SECONDS -lt $deadline ] ||
      { tail -n 20 "$dir/log" >&2; die "the node did not serve within $wait_s s; see $dir/log"; }
    sleep 0.2
  done
}

start() {
  fetch
  alive && die "it runs already, pid $(pid_of)"
  launch
  await
  url
}

end() {
  local try
  alive && kill -"$1" "$(pid_of)" || true
  for ((try = 0; try < 300; try++)); do alive || break; sleep 0.1; done
  ! alive || kill -KILL "$(pid_of)"
  rm -f "$dir/pid"
}

usage() { sed -n '2,/^set -/{/^#/p}' "$0" >&2; exit 2; }

command=${1:-}
case $command in
  fetch) fetch; exit ;;
  '') usage ;;
esac
[ $# -ge 2 ] || usage
case $2 in /*) dir=$2 ;; *) dir=$PWD/$2 ;; esac
case $command in
  start) start ;;
  stop) end TERM ;;
  kill) end KILL ;;
  freeze) kill -STOP "$(pid_of)" ;;
  thaw) kill -CONT "$(pid_of)" ;;
  wipe) [ ! -f "$dir/ports" ] || { end KILL; rm -rf "$dir"; } ;;
  url) url ;;
  status)
    alive || { echo "down"; exit 1; }
    echo "pid $(pid_of), $(url)," \
      "$(awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$(pid_of)/status") MB" ;;
  *) usage ;;
esac
