#!/usr/bin/env bash
# A real OpenSearch node (one, without security) on 127.0.0.1 for tests; needs a JDK 17 (21 for
# OpenSearch 3), Maven, Python 3 and curl. elasticsearch.sh does the same with Elasticsearch.
#
#   opensearch.sh fetch [VERSION]      put the jars of opensearch-pom.xml into the cache, once
#   opensearch.sh start DIR            make a node in DIR, or start the one there; prints its URL
#   opensearch.sh stop|kill|wipe DIR   SIGTERM; kill -9; wipe deletes DIR as well
#   opensearch.sh freeze|thaw DIR      SIGSTOP, SIGCONT: hangs without closing its connections
#   opensearch.sh status|url DIR
#
# A new node chooses free ports and keeps them in DIR/ports. OS_HEAP: MB (512); OS_YML: more
# settings, "k=v k=v", read at each start; OS_WAIT: seconds (180); OS_TIER=1: starts sooner, but
# never becomes as quick as it could. OS_VERSION: of a new node, if not that of the pom; OpenSearch
# 1.3.13 and 3.8.0 were run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/jars.sh"
heap=${OS_HEAP:-512} wait_s=${OS_WAIT:-180}
product=${SEARCH_PRODUCT:-opensearch}
java=java javac=javac

# What follows from the version.
choose() {
  version=$1
  jars=$product
  [[ $product-$version != elasticsearch-[89]* ]] || jars=elasticsearch8
  cache=$(jars_cache "$jars")-$version
  local plugin=Plugin java_home
  modules=()  # HTTP, analysers, field types, and what a log store's users expect.
  if [ "$jars" = elasticsearch8 ]; then
    node_class=Elasticsearch8Node
    sources=("$here/Elasticsearch8Node.java" "$here/NodeProcess.java"
      "$here/ElasticsearchStandIns.java")
  elif [ "$product" = elasticsearch ]; then
    node_class=ElasticsearchNode
    sources=("$here/ElasticsearchNode.java" "$here/NodeProcess.java")
    # The analysis module is of 7.10.2, and 7.15 moved a class that it needs.
    [ "$version" = 7.10.2 ] || sources+=("$here/ParseField.java")
    modules+=(org.elasticsearch.transport.Netty4Plugin
      org.elasticsearch.analysis.common.CommonAnalysisPlugin
      org.elasticsearch.index.mapper.MapperExtrasPlugin)
  else
    node_class=OpenSearchNode
    sources=("$here/OpenSearchNode.java" "$here/NodeProcess.java")
    if [ "${version%%.*}" -ge 3 ]; then
      plugin=ModulePlugin
      for java_home in "${JAVA_HOME:-}" /usr/lib/jvm/*; do
        [ "$(java_version "$java_home")" -lt 21 ] || { use_java "$java_home"; break; }
      done
      [ "$java" != java ] || die "OpenSearch $version needs a JDK 21 or newer in /usr/lib/jvm"
    fi
    modules+=("org.opensearch.transport.Netty4$plugin"
      "org.opensearch.analysis.common.CommonAnalysis$plugin"
      "org.opensearch.index.mapper.MapperExtras$plugin"
      "org.opensearch.index.reindex.Reindex$plugin"
      "org.opensearch.ingest.common.IngestCommon$plugin"
      "org.opensearch.painless.Painless$plugin")
  fi
  main=$cache-$(cat "${sources[@]}" | cksum | cut -d' ' -f1).jar  # Starts the node.
}

java_version() {
  [ -x "$1/bin/javac" ] || { echo 0; return; }
  "$1/bin/javac" -version 2>&1 | sed 's/^javac \([0-9]*\).*/\1/'
}

use_java() { java=$1/bin/java javac=$1/bin/javac; }

default_version() { sed -n 's|.*<node>\(.*\)</node>.*|\1|p' "$here/$product-pom.xml"; }

fetch() {
  fetch_jars "$jars" "$cache" "-Dnode=$version"
  [ -e "$main" ] || make_main
  archive_classes "${main%.jar}" live_once
  use_classes "${main%.jar}"
}

make_main() {
  local classes
  classes=$(mktemp -d)
  "$javac" -cp "$cache/*" -d "$classes" "${sources[@]}" >&2 &&
    { [ "$jars" != elasticsearch8 ] || make_stand_ins; } &&
    jar cf "$main.$$" -C "$classes" . &&
    mv "$main.$$" "$main" || die "${sources[0]} cannot be compiled"
  rm -rf "$classes"
}

# Elasticsearch 8 loads modules from directories, and refuses a class that is on the class path too.
make_stand_ins() {
  mkdir "$classes/stand-ins" && mv "$classes"/ElasticsearchStandIns*.class "$classes/stand-ins" &&
    jar cf "${main%.jar}-stand-ins.jar" -C "$classes/stand-ins" . && rm -r "$classes/stand-ins"
}

put_modules() {
  local to=$dir/modules name
  rm -rf "$to"
  mkdir -p "$to"/{transport-netty4,stand-ins}
  ln -s "$cache"/netty-*.jar "$cache"/transport-netty4-*.jar "$to/transport-netty4"
  ln -s "${main%.jar}-stand-ins.jar" "$to/stand-ins"
  for name in transport-netty4=org.elasticsearch.transport.netty4.Netty4Plugin \
    stand-ins=ElasticsearchStandIns; do
    printf '%s\n' "name=${name%=*}" "classname=${name#*=}" "description=${name%=*}" \
      "version=$version" "elasticsearch.version=$version" java.version=17 \
      >"$to/${name%=*}/plugin-descriptor.properties"
  done
}

class_path() {
  local jar path=$main
  for jar in "$cache"/*.jar; do
    [[ $jars-$jar == elasticsearch8-*/@(netty-|transport-netty4-)* ]] || path+=:$jar
  done
  echo "$path"
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

alive() { is_process "$(pid_of)" "$node_class" "$dir"; }

url() { echo "http://127.0.0.1:$(sed -n 1p "$dir/ports")"; }

write_config() {
  local setting
  mkdir -p "$dir"/{config,data,logs,modules,plugins}
  cat >"$dir/config/$product.yml" <<P
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
    >>"$dir/config/$product.yml"
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
  echo "$version" >"$dir/version"
  [ -f "$dir/ports" ] || "$here/free_ports.py" 2 >"$dir/ports"
  write_config
  [ "$jars" != elasticsearch8 ] || put_modules
  [ ! -f "$dir/log" ] || mv "$dir/log" "$dir/log.before"
  # In its own session, so that Ctrl-C in the caller's terminal does not reach it. setsid does not
  # fork here, so $! is Java's pid.
  (
    cd "$dir"
    exec setsid "$java" -Xms"${heap}m" -Xmx"${heap}m" -XX:+UseSerialGC \
      -XX:TieredStopAtLevel="${OS_TIER:-4}" "${java_shared[@]}" -Dlog4j2.disable.jmx=true \
      --add-opens java.base/java.lang=ALL-UNNAMED --add-opens java.base/java.nio=ALL-UNNAMED \
      -cp "$(class_path)" "$node_class" "$dir" "${modules[@]}" >"$dir/log" 2>&1 </dev/null
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
  fetch) choose "${2:-$(default_version)}"; fetch; exit ;;
  '') usage ;;
esac
[ $# -ge 2 ] || usage
case $2 in /*) dir=$2 ;; *) dir=$PWD/$2 ;; esac
choose "$(cat "$dir/version" 2>/dev/null || echo "${OS_VERSION:-$(default_version)}")"
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
