#!/usr/bin/env bash
# Installs the Debian packages that a purpose needs; quick and quiet when all are there.
#   packages.sh build | docker | kafka | opensearch | hdfs | kerberos | rotators | node | test
#   packages.sh fuzz | valgrind
#   packages.sh race DIR    unpacks other log agents into DIR and installs nothing: they exclude
#                           each other, and either would take the place of this host's own logger
# This is the only list of packages for building and testing; docs/deploy.md points here.
set -euo pipefail

build=(g++ cmake ninja-build ccache pkg-config librdkafka-dev libuv1-dev libsimdjson-dev
  nlohmann-json3-dev libspdlog-dev libfmt-dev libsqlite3-dev libxxhash-dev libcurl4-openssl-dev
  libzstd-dev zlib1g-dev liblzma-dev libbz2-dev libre2-dev libboost-program-options-dev
  libgtest-dev libbenchmark-dev)
docker=(docker.io iptables busybox-static curl)
kafka=(default-jre-headless maven ca-certificates python3)
opensearch=(default-jdk-headless maven ca-certificates python3 curl)
hdfs=(default-jre-headless maven ca-certificates curl python3)
kerberos=(krb5-kdc krb5-admin-server krb5-user)
rotators=(logrotate apache2-utils cronolog runit daemontools s6 nginx-light)
node=(nodejs npm)
checks=(binutils clang llvm libclang-rt-14-dev clang-format nginx-light openssl procps pyflakes3
  python3 python3-yaml strace systemd zstd)
valgrind=(valgrind libc6-dbg)
fuzz=(clang llvm libclang-rt-14-dev libfuzzer-14-dev)
race=(kcat libyajl2 librdkafka1 rsyslog rsyslog-kafka libestr0 libfastjson4 liblognorm5
  syslog-ng-core syslog-ng-mod-rdkafka libivykis0 libnet1 libpcre3 libwrap0)

if [ "${1:-}" = race ]; then
  [ $# = 2 ] || { echo "usage: $0 race DIR" >&2; exit 2; }
  [ ! -e "$2/complete" ] || exit 0
  mkdir -p "$2/packages"
  cd "$2/packages"
  # A fresh machine has no lists yet.
  apt-get -q download "${race[@]}" >log 2>&1 ||
    { apt-get -q update && apt-get -q download "${race[@]}"; } >>log 2>&1 ||
    { tail -n 5 log >&2; exit 2; }
  for package in *.deb; do dpkg -x "$package" ..; done
  touch ../complete
  exit 0
fi

wanted=()
for purpose in "$@"; do
  case $purpose in
    build) wanted+=("${build[@]}") ;;
    docker) wanted+=("${docker[@]}") ;;
    kafka) wanted+=("${kafka[@]}") ;;
    opensearch) wanted+=("${opensearch[@]}") ;;
    hdfs) wanted+=("${hdfs[@]}") ;;
    kerberos) wanted+=("${kerberos[@]}") ;;
    rotators) wanted+=("${rotators[@]}") ;;
    node) wanted+=("${node[@]}") ;;
    valgrind) wanted+=("${valgrind[@]}") ;;
    fuzz) wanted+=("${fuzz[@]}") ;;
    test) wanted+=("${build[@]}" "${docker[@]}" "${kafka[@]}" "${opensearch[@]}" "${hdfs[@]}"
      "${kerberos[@]}" "${rotators[@]}" "${checks[@]}") ;;
    *)
      echo "usage: $0 build|docker|kafka|opensearch|hdfs|kerberos|rotators|node|test|fuzz|" \
        "valgrind ..." >&2
      echo "       $0 race DIR" >&2
      exit 2
      ;;
  esac
done

missing=()
for package in "${wanted[@]}"; do
  state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || state=absent
  [ "$state" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" != 0 ]; then
  if ! command -v sudo >/dev/null; then
    echo "These packages are missing, and only root can install them; run as root:" >&2
    echo "  apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 2
  fi
  as_root=(sudo)
fi

# Two runs at once wait for each other's apt. The policy keeps a fresh Docker package from starting
# a service on this machine: the scripts start what they need themselves, and end it again.
exec 9>"${TMPDIR:-/tmp}/longshore-packages.$(id -u).lock"
flock 9
policy=/usr/sbin/policy-rc.d
made_policy=
drop_policy() { [ -z "$made_policy" ] || "${as_root[@]}" rm -f "$policy"; }
trap drop_policy EXIT
if [ ! -e "$policy" ]; then
  made_policy=1
  printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
  "${as_root[@]}" chmod 755 "$policy"
fi

echo "installing ${#missing[@]} packages: ${missing[*]}"
log=$(mktemp "${TMPDIR:-/tmp}/longshore-packages.XXXXXX")
apt() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" \
    </dev/null >>"$log" 2>&1
}
if ! { apt update && apt install --no-install-recommends "${missing[@]}"; }; then
  tail -n 20 "$log" >&2
  echo "packages.sh: apt-get failed; its output is in $log" >&2
  exit 2
fi
rm -f "$log"
