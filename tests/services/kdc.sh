#!/usr/bin/env bash
# A real Kerberos KDC (MIT) of the realm LONGSHORE.TEST on 127.0.0.1 for tests; needs what
# packages.sh lists for kerberos, and Python 3.
#
#   kdc.sh start DIR PRINCIPAL...   makes a realm in DIR with these principals; DIR/krb5.conf is
#                                   what KRB5_CONFIG names, DIR/PRINCIPAL.keytab holds a key, each
#                                   "/" of the name written as "_"
#   kdc.sh rekey DIR PRINCIPAL      gives it a key that is in no keytab
#   kdc.sh wipe DIR                 ends it and deletes DIR
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
export PATH=$PATH:/usr/sbin

die() { echo "kdc.sh: $*" >&2; exit 1; }
[ $# -ge 2 ] || { sed -n '2,/^set -/{/^#/p}' "$0" >&2; exit 2; }
command=$1
case $2 in /*) dir=$2 ;; *) dir=$PWD/$2 ;; esac
shift 2
export KRB5_CONFIG=$dir/krb5.conf KRB5_KDC_PROFILE=$dir/kdc.conf

configure() {
  local port=$1
  # No UDP: over UDP, clients repeat a refused request again and again.
  cat >"$dir/krb5.conf" <<X
[libdefaults]
  default_realm = LONGSHORE.TEST
  rdns = false
  dns_lookup_kdc = false
  dns_lookup_realm = false
  dns_canonicalize_hostname = false
  udp_preference_limit = 1
[realms]
  LONGSHORE.TEST = {
    kdc = 127.0.0.1:$port
  }
X
  cat >"$dir/kdc.conf" <<X
[realms]
  LONGSHORE.TEST = {
    database_name = $dir/principal
    key_stash_file = $dir/stash
    kdc_listen = ""
    kdc_tcp_listen = 127.0.0.1:$port
  }
X
}

alive() { grep -qsaF krb5kdc "/proc/$(cat "$dir/pid" 2>/dev/null || echo none)/cmdline"; }

start() {
  local principal keytab port try
  mkdir -p "$dir"
  port=$("$here/free_ports.py" 1)
  configure "$port"
  { kdb5_util create -s -P secret
    for principal; do
      keytab=$dir/${principal//\//_}.keytab
      kadmin.local -q "addprinc -randkey $principal"
      kadmin.local -q "ktadd -k $keytab $principal"
    done; } >"$dir/kdc.log" 2>&1 || { tail -n 5 "$dir/kdc.log" >&2; die "no realm was made"; }
  # In its own session, so that Ctrl-C in the caller's terminal does not reach it.
  setsid krb5kdc -n </dev/null >>"$dir/kdc.log" 2>&1 &
  echo $! >"$dir/pid"
  disown
  for try in {1..100}; do
    ! (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null || return 0
    sleep 0.1
  done
  tail -n 5 "$dir/kdc.log" >&2
  die "the KDC does not serve"
}

case $command in
  start) start "$@" ;;
  rekey) kadmin.local -q "cpw -randkey $1" >>"$dir/kdc.log" 2>&1 ;;
  wipe) ! alive || kill "$(cat "$dir/pid")"; rm -rf "$dir" ;;
  *) die "there is no command $command" ;;
esac
