#!/usr/bin/env bash
# A real Apache Kafka (KRaft) on 127.0.0.1 for tests; needs Java 17, Maven and Python 3.
#
#   kafka.sh fetch                     put the jars of kafka-pom.xml into the cache, once
#   kafka.sh start DIR [1|3]           make a cluster in DIR, or start the one there; prints
#                                      127.0.0.1:PORT,...
#   kafka.sh topic DIR NAME PARTITIONS REPLICAS [k=v...]
#   kafka.sh kill|stopone DIR I        kill -9, or SIGTERM, node I (1..3)
#   kafka.sh freeze|thaw DIR I         SIGSTOP, SIGCONT: hangs without closing its connections
#   kafka.sh restart DIR I             start node I again and wait until it serves
#   kafka.sh stop|wipe DIR             end all nodes; wipe deletes DIR as well
#   kafka.sh status|bootstrap|proxied DIR
#   kafka.sh tool CLASS ARGS...        for example org.apache.kafka.tools.TransactionsCommand
#
# A new cluster chooses free ports and keeps them in DIR/ports. KAFKA_HEAP: MB for a node (400);
# KAFKA_EXTRA: more broker settings, "k=v k=v", read at each start; KAFKA_WAIT: seconds (120);
# KAFKA_TIER=1: starts sooner, but never becomes as quick as it could.
# KAFKA_PROXIED=1: each node has a second listener, which sends its clients to another port;
# a program of the test listens there and passes on. `proxied DIR` prints these pairs of ports.
# KAFKA_VERSION: another version than kafka-pom.xml's, such as 3.9.1.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/jars.sh"
heap=${KAFKA_HEAP:-400} wait_s=${KAFKA_WAIT:-120}
cache=$(jars_cache kafka)${KAFKA_VERSION:+-$KAFKA_VERSION}

run_java() {
  java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx128m "${java_shared[@]}" \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$cache/*" "$@"
}

fetch() {
  fetch_jars kafka "$cache" ${KAFKA_VERSION:+-Dkafka.version="$KAFKA_VERSION"}
  [ -e "$cache.checkpoint" ] || make_bootstrap_checkpoint
  archive_classes "$cache" live_once
  use_classes "$cache"
}

# What is archived: a broker from its start to its end.
live_once() {
  local dir
  dir=$(mktemp -d)
  (
    set -e
    heap=400
    prepare 1
    write_config 1
    launch 1
    await 1
    "$here/create_topic.py" "$(bootstrap)" logs 1 1
    end TERM 1
  ) && rm -rf "$dir" && return 0
  [ ! -f "$dir/nodes" ] || end KILL 1
  rm -rf "$dir"
  return 1
}

# Formatting is the same for every node but for the ids: Kafka's tool does it once, and its file is
# copied.
make_bootstrap_checkpoint() {
  local dir status=0
  dir=$(mktemp -d)
  prepare 1
  write_config 1
  run_java kafka.tools.StorageTool format -t "$(cat "$dir/cluster.id")" \
    -c "$dir/1/server.properties" >"$dir/format.log" 2>&1 || status=$?
  if [ $status = 0 ]; then
    cp "$dir/1/data/bootstrap.checkpoint" "$dir/checkpoint"
    mv "$dir/checkpoint" "$cache.checkpoint.$$"
    mv "$cache.checkpoint.$$" "$cache.checkpoint"
  else
    tail -n 5 "$dir/format.log" >&2
  fi
  rm -rf "$dir"
  [ $status = 0 ] || die "formatting failed"
}

# 22 characters that Kafka takes for an id.
new_id() { head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | cut -c1-22; }

format() {  # node
  local data=$dir/$1/data
  mkdir -p "$data"
  cp "$cache.checkpoint" "$data/bootstrap.checkpoint"
  printf '%s\n' version=1 "cluster.id=$(cat "$dir/cluster.id")" "node.id=$1" \
    "directory.id=$(new_id)" >"$data/meta.properties"
}

pid_of() { cat "$dir/$1/pid" 2>/dev/null || true; }

alive() { is_process "$(pid_of "$1")" "$dir/$1/server.properties"; }

nodes() { cat "$dir/nodes" 2>/dev/null || die "no cluster in $dir: start it first"; }
each_node() { seq 1 "$(nodes)"; }
port() { sed -n "$1p" "$dir/ports"; }             # Of node $1 for clients;
controller() { sed -n "$(($(nodes) + $1))p" "$dir/ports"; }  # among the nodes;
behind() { sed -n "$((2 * $(nodes) + $1))p" "$dir/ports"; }  # for a proxy;
proxy() { sed -n "$((3 * $(nodes) + $1))p" "$dir/ports"; }   # of that proxy.

bootstrap() {
  local i list=
  for i in $(each_node); do list+=${list:+,}127.0.0.1:$(port "$i"); done
  echo "$list"
}

write_config() {
  local i=$1 n isr=1 k voters= setting
  n=$(nodes)
  [ "$n" -lt 3 ] || isr=2
  for k in $(each_node); do voters+=${voters:+,}$k@127.0.0.1:$(controller "$k"); done
  mkdir -p "$dir/$i"
  cat >"$dir/$i/server.properties" <<P
process.roles=broker,controller
node.id=$i
controller.quorum.voters=$voters
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$(port "$i"),CONTROLLER://127.0.0.1:$(controller "$i")
advertised.listeners=PLAINTEXT://127.0.0.1:$(port "$i")
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/$i/data
auto.create.topics.enable=false
default.replication.factor=$n
min.insync.replicas=$isr
offsets.topic.replication.factor=$n
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=$n
transaction.state.log.min.isr=$isr
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=$n
share.coordinator.state.topic.min.isr=$isr
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=8388608
P
  if [ "${KAFKA_PROXIED:-0}" = 1 ]; then
    sed -i -e "s/^listeners=.*/&,PROXIED:\/\/127.0.0.1:$(behind "$i")/" \
      -e "s/^advertised.listeners=.*/&,PROXIED:\/\/127.0.0.1:$(proxy "$i")/" \
      -e "s/^listener.security.protocol.map=.*/&,PROXIED:PLAINTEXT/" "$dir/$i/server.properties"
  fi
  for setting in ${KAFKA_EXTRA:-}; do echo "$setting"; done >>"$dir/$i/server.properties"
}

port_is_free() {
  local try
  for try in {1..50}; do  # A node just killed may hold its sockets for a moment.
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null || return 0
    sleep 0.1
  done
  return 1
}

launch() {
  local i=$1 home=$dir/$1 p try
  alive "$i" && die "node $i runs already, pid $(pid_of "$i")"
  for p in "$(port "$i")" "$(controller "$i")" "$(behind "$i")"; do
    port_is_free "$p" || die "port $p was taken by another process"
  done
  [ -f "$home/data/meta.properties" ] || format "$i"
  [ ! -f "$home/log" ] || mv "$home/log" "$home/log.before"
  : >"$home/log"
  # In its own session, so that Ctrl-C in the caller's terminal does not reach it. setsid does not
  # fork here, so $! is Java's pid.
  setsid java -Xms"${heap}m" -Xmx"${heap}m" -XX:+UseSerialGC -XX:MaxDirectMemorySize=128m \
    -XX:TieredStopAtLevel="${KAFKA_TIER:-4}" "${java_shared[@]}" -Djava.awt.headless=true \
    -Dorg.slf4j.simpleLogger.defaultLogLevel=info -Dorg.slf4j.simpleLogger.showDateTime=true \
    -Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS \
    -cp "$cache/*" kafka.Kafka "$home/server.properties" >>"$home/log" 2>&1 </dev/null &
  echo $! >"$home/pid"
  # On a busy machine it takes a while until that process is Java, and shows its own command line.
  for try in {1..100}; do alive "$i" && break; sleep 0.05; done
}

show_errors() { grep -E 'ERROR|FATAL|Exception' "$dir/$1/log" | head -n 5 >&2 || true; }

# Kafka prints this line once the broker is registered and serves.
await() {
  local i deadline=$((SECONDS + wait_s))
  for i; do
    until grep -q 'Kafka Server started' "$dir/$i/log"; do
      alive "$i" || { show_errors "$i"; die "node $i died while starting; see $dir/$i/log"; }
      [ $SECONDS -lt $deadline ] ||
        { show_errors "$i"; die "node $i did not serve within $wait_s s; see $dir/$i/log"; }
      sleep 0.1
    done
  done
}

end() {
  local signal=$1 i try; shift
  for i; do alive "$i" && kill -"$signal" "$(pid_of "$i")" || true; done
  for i; do
    for ((try = 0; try < 150; try++)); do alive "$i" || break; sleep 0.1; done
    ! alive "$i" || kill -KILL "$(pid_of "$i")"
    rm -f "$dir/$i/pid"
  done
}

prepare() {  # number of nodes
  mkdir -p "$dir"
  [ ! -f "$dir/nodes" ] || return 0
  "$here/free_ports.py" $((4 * $1)) >"$dir/ports"
  # If clusters of two runs ever meet on a port, they must refuse each other.
  new_id >"$dir/cluster.id"
  echo "$1" >"$dir/nodes"
}

start() {
  local n=${1:-1} i
  [[ $n == [13] ]] || die "start DIR 1 or start DIR 3"
  fetch
  prepare "$n"
  for i in $(each_node); do write_config "$i"; launch "$i"; done
  # shellcheck disable=SC2046
  await $(each_node)
  bootstrap
}

usage() { sed -n '2,/^set -/{/^#/p}' "$0" >&2; exit 2; }

command=${1:-}
case $command in
  fetch) fetch; exit ;;
  tool) shift; use_classes "$cache"; run_java "$@"; exit ;;
  '') usage ;;
esac
[ $# -ge 2 ] || usage
use_classes "$cache"
case $2 in /*) dir=$2 ;; *) dir=$PWD/$2 ;; esac
shift 2
case $command in
  start) start "$@" ;;
  topic) [ $# -ge 3 ] || usage; "$here/create_topic.py" "$(bootstrap)" "$@" ;;
  kill) end KILL "$1" ;;
  stopone) end TERM "$1" ;;
  freeze) kill -STOP "$(pid_of "$1")" ;;
  thaw) kill -CONT "$(pid_of "$1")" ;;
  restart) write_config "$1"; launch "$1"; await "$1" ;;
  # shellcheck disable=SC2046
  stop) end TERM $(each_node) ;;
  # shellcheck disable=SC2046
  wipe) [ ! -f "$dir/nodes" ] || { end KILL $(each_node); rm -rf "$dir"; } ;;
  bootstrap) bootstrap ;;
  proxied) for i in $(each_node); do echo "$(proxy "$i") $(behind "$i")"; done ;;
  status)
    for i in $(each_node); do
      if alive "$i"; then
        echo "node $i: pid $(pid_of "$i"), port $(port "$i")," \
          "$(awk '/VmRSS/ {print int($2 / 1024)}' "/proc/$(pid_of "$i")/status") MB"
      else
        echo "node $i: down"
      fi
    done ;;
  *) usage ;;
esac
