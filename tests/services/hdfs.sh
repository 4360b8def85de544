#!/usr/bin/env bash
# A real HDFS, one NameNode and one DataNode with WebHDFS, on 127.0.0.1 for tests; needs Java 17,
# Maven, curl and Python 3.
#
#   hdfs.sh fetch                 put the jars of hadoop-pom.xml into the cache, once
#   hdfs.sh start DIR             make a file system in DIR, or start the one there; prints
#                                 127.0.0.1:PORT of the NameNode's WebHDFS
#   hdfs.sh kill|stopone DIR NODE kill -9, or SIGTERM, `namenode` or `datanode`
#   hdfs.sh restart DIR NODE      start it again and wait until both serve
#   hdfs.sh httpfs DIR            start HttpFS too; prints 127.0.0.1:PORT
#   hdfs.sh stop|wipe DIR         end all; wipe deletes DIR as well
#   hdfs.sh status|address DIR
#   hdfs.sh tool DIR CLASS ARGS...  for example org.apache.hadoop.fs.FsShell -ls /
#
# HDFS_HEAP: MB for a node (256); HDFS_WAIT: seconds (120); HDFS_TIER=1: starts sooner, but never
# becomes as quick as it could; HDFS_PROPS, HTTPFS_PROPS: more of hdfs-site.xml and httpfs-site.xml,
# "name=value name=value". HDFS_TLS=1, when DIR is made: all of them speak HTTPS and nothing else;
# DIR/ca.pem is the certificate to trust.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/jars.sh"
heap=${HDFS_HEAP:-256} wait_s=${HDFS_WAIT:-120}
cache=$(jars_cache hadoop)

usage() { sed -n '2,/^set -/{/^#/p}' "$0" >&2; exit 2; }

fetch() {
  fetch_jars hadoop "$cache"
  [ -e "$cache.format" ] || make_format
}

# Hadoop's tool formats a file system once; each NameNode gets a copy with an id of its own.
make_format() {
  local dir
  dir=$(mktemp -d)
  "$here/free_ports.py" 6 >"$dir/ports"
  configure
  ( run_java "$(main_class namenode)" -format -force -nonInteractive ) >"$dir/format.log" 2>&1 ||
    { tail -n 5 "$dir/format.log" >&2; rm -rf "$dir"; die "formatting failed"; }
  tar -C "$dir" -cf "$cache.format.$$" nn
  mv "$cache.format.$$" "$cache.format"
  rm -rf "$dir"
}

format() {
  tar -C "$dir" -xf "$cache.format"
  # A DataNode of another run that ever meets it on a port must be refused.
  sed -i "s/^clusterID=.*/clusterID=CID-$(cat /proc/sys/kernel/random/uuid)/" \
    "$dir/nn/current/VERSION"
}

port() { sed -n "$1p" "$dir/ports"; }
address() { echo "127.0.0.1:$(port 2)"; }

prop() { printf '  <property><name>%s</name><value>%s</value></property>\n' "$1" "$2"; }

more_props() { local each; for each in $1; do prop "${each%%=*}" "${each#*=}"; done; }

tls() { [ -f "$dir/ca.pem" ]; }
ask() { if tls; then curl --cacert "$dir/ca.pem" "${@//http:/https:}"; else curl "$@"; fi; }

# A self-signed certificate.
make_certificate() {
  local store=(-keystore "$dir/keys.p12" -storetype pkcs12 -storepass secret -alias node)
  keytool -genkeypair "${store[@]}" -keyalg RSA -keysize 2048 -validity 30 -dname CN=127.0.0.1 \
    -ext san=ip:127.0.0.1,dns:localhost >"$dir/keytool.log" 2>&1 &&
    keytool -exportcert "${store[@]}" -rfc -file "$dir/ca.pem" >>"$dir/keytool.log" 2>&1 ||
    { cat "$dir/keytool.log" >&2; die "keytool could not make a certificate"; }
}

configure() {
  # The jars lack the static pages, but the servers insist on the folders.
  mkdir -p "$dir/conf/webapps/"{hdfs,datanode,static}
  { echo '<configuration>'
    prop fs.defaultFS "hdfs://127.0.0.1:$(port 1)"
    prop hadoop.tmp.dir "$dir/tmp"
    # HttpFS acts for its users.
    prop "hadoop.proxyuser.$(id -un).hosts" '*'
    prop "hadoop.proxyuser.$(id -un).groups" '*'
    echo '</configuration>'; } >"$dir/conf/core-site.xml"
  { echo '<configuration>'
    prop dfs.replication 1
    prop dfs.namenode.name.dir "file://$dir/nn"
    prop dfs.datanode.data.dir "file://$dir/dn"
    prop dfs.namenode.rpc-address "127.0.0.1:$(port 1)"
    if tls; then
      prop dfs.http.policy HTTPS_ONLY
      prop dfs.namenode.https-address "127.0.0.1:$(port 2)"
      prop dfs.datanode.https.address "127.0.0.1:$(port 4)"
    else
      prop dfs.namenode.http-address "127.0.0.1:$(port 2)"
      prop dfs.datanode.http.address "127.0.0.1:$(port 4)"
    fi
    prop dfs.namenode.safemode.extension 0
    prop dfs.namenode.datanode.registration.ip-hostname-check false
    prop dfs.namenode.fs-limits.min-block-size 4096
    prop dfs.blocksize 8388608
    prop dfs.namenode.heartbeat.recheck-interval 5000
    prop dfs.heartbeat.interval 1
    prop dfs.datanode.hostname 127.0.0.1
    prop dfs.datanode.address "127.0.0.1:$(port 3)"
    prop dfs.datanode.ipc.address "127.0.0.1:$(port 5)"
    # The DataNode's own client waits 400 ms by default before it asks again whether a block is
    # complete, which makes every small file slow.
    prop dfs.client.block.write.locateFollowingBlock.initial.delay.ms 20
    more_props "${HDFS_PROPS:-}"
    echo '</configuration>'; } >"$dir/conf/hdfs-site.xml"
  { echo '<configuration>'
    prop httpfs.http.port "$(port 6)"
    prop httpfs.http.hostname 127.0.0.1
    ! tls || prop httpfs.ssl.enabled true
    more_props "${HTTPFS_PROPS:-}"
    echo '</configuration>'; } >"$dir/conf/httpfs-site.xml"
  { echo '<configuration>'
    prop ssl.server.keystore.location "$dir/keys.p12"
    prop ssl.server.keystore.type pkcs12
    prop ssl.server.keystore.password secret
    prop ssl.server.keystore.keypassword secret
    echo '</configuration>'; } >"$dir/conf/ssl-server.xml"
  echo secret >"$dir/conf/httpfs-signature.secret"
  cat >"$dir/conf/log4j.properties" <<'X'
log4j.rootLogger=WARN,console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.target=System.err
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=%d{ISO8601} %p %c{2}: %m%n
X
}

run_java() {
  exec java -Xmx"${heap}m" -XX:+UseSerialGC -XX:TieredStopAtLevel="${HDFS_TIER:-4}" \
    -Djava.net.preferIPv4Stack=true \
    -Dhadoop.log.dir="$dir" -Dhadoop.home.dir="$dir" -Dhttpfs.home.dir="$dir" \
    -Dhttpfs.config.dir="$dir/conf" -Dhttpfs.log.dir="$dir" -Dhttpfs.temp.dir="$dir/tmp" \
    --add-opens java.base/java.lang=ALL-UNNAMED -cp "$dir/conf:$cache/*" "$@"
}

pid_of() { cat "$dir/$1.pid" 2>/dev/null || true; }
alive() { is_process "$(pid_of "$1")" "$dir"; }

main_class() {
  case $1 in
    namenode) echo org.apache.hadoop.hdfs.server.namenode.NameNode ;;
    datanode) echo org.apache.hadoop.hdfs.server.datanode.DataNode ;;
    httpfs) echo org.apache.hadoop.fs.http.server.HttpFSServerWebServer ;;
    *) die "there is no node $1" ;;
  esac
}

launch() {
  ! alive "$1" || return 0
  local class try; class=$(main_class "$1")
  # In its own session, so that Ctrl-C in the caller's terminal does not reach it.
  setsid "$0" java "$dir" "$class" </dev/null >>"$dir/$1.log" 2>&1 &
  echo $! >"$dir/$1.pid"
  disown
  # On a busy machine it takes a while until that process shows its own command line.
  for try in {1..100}; do ! alive "$1" || break; sleep 0.05; done
}

serves() {
  local state
  state=$(ask -fsS -m 2 \
    "http://$(address)/jmx?qry=Hadoop:service=NameNode,name=FSNamesystemState" 2>/dev/null) ||
    return 1
  grep -q '"NumLiveDataNodes" : 1' <<<"$state" && grep -q '"FSState" : "Operational"' <<<"$state"
}

await() {
  local deadline=$((SECONDS + wait_s)) node
  until serves; do
    for node in namenode datanode; do
      alive "$node" || { tail -n 5 "$dir/$node.log" >&2; die "the $node ended while starting"; }
    done
    [ $SECONDS -lt $deadline ] ||
      { tail -n 5 "$dir"/*.log >&2; die "HDFS does not serve within $wait_s s"; }
    sleep 0.2
  done
}

start() {
  fetch
  mkdir -p "$dir/tmp"
  if [ ! -s "$dir/ports" ]; then
    [ "${HDFS_TLS:-0}" != 1 ] || make_certificate
    "$here/free_ports.py" 6 >"$dir/ports"
  fi
  configure
  [ -e "$dir/nn/current/VERSION" ] || format
  launch namenode
  launch datanode
  await
  address
}

start_httpfs() {
  launch httpfs
  local deadline=$((SECONDS + wait_s)) at
  at=127.0.0.1:$(port 6)
  # 401: it serves, and requires authentication.
  until [[ $(ask -sS -m 2 -o /dev/null -w '%{http_code}' \
    "http://$at/webhdfs/v1/?op=LISTSTATUS&user.name=$(id -un)" 2>/dev/null) =~ ^(200|401)$ ]]; do
    alive httpfs || { tail -n 5 "$dir/httpfs.log" >&2; die "HttpFS ended while starting"; }
    [ $SECONDS -lt $deadline ] || die "HttpFS does not serve within $wait_s s"
    sleep 0.2
  done
  echo "$at"
}

end() {
  local signal=$1 node try; shift
  for node; do alive "$node" && kill -"$signal" "$(pid_of "$node")" || true; done
  for node; do
    for ((try = 0; try < 150; try++)); do alive "$node" || break; sleep 0.1; done
    ! alive "$node" || kill -KILL "$(pid_of "$node")"
    rm -f "$dir/$node.pid"
  done
}

command=${1:-}
[ "$command" != fetch ] || { fetch; exit; }
[ $# -ge 2 ] || usage
case $2 in /*) dir=$2 ;; *) dir=$PWD/$2 ;; esac
shift 2
case $command in
  start) start ;;
  kill) end KILL "$1" ;;
  stopone) end TERM "$1" ;;
  restart) launch "$1"; await ;;
  httpfs) start_httpfs ;;
  stop) end TERM httpfs datanode namenode ;;
  wipe) [ ! -f "$dir/ports" ] || { end KILL httpfs datanode namenode; rm -rf "$dir"; } ;;
  address) address ;;
  tool | java) run_java "$@" ;;
  status)
    for node in namenode datanode httpfs; do
      if alive "$node"; then
        pid=$(pid_of "$node")
        echo "$node: pid $pid, $(awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$pid/status") MB"
      else
        echo "$node: down"
      fi
    done ;;
  *) usage ;;
esac
