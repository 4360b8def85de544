#!/usr/bin/env bash
# A private dockerd for tests, from Debian's packages, without systemd; needs root.
#
#   dockerd.sh start DIR    start it (again) and wait until it serves; prints its unix:// address
#   dockerd.sh image DIR [NAME [unix://...]]  import an image made of the static busybox, named
#                           longshore-test, into this dockerd or another
#   dockerd.sh stop DIR     SIGTERM: containers end too, unless DOCKER_LIVE_RESTORE=1 at the start
#   dockerd.sh kill DIR     kill -9 of dockerd alone
#   dockerd.sh status DIR
#   dockerd.sh wipe DIR     remove the containers, stop, unmount, delete DIR
#
# It lives in a network namespace of its own: no bridge, no rule of the host is touched, and any
# number of them run side by side. Containers have no network. DIR must be short: it holds a socket.
set -euo pipefail

die() { echo "dockerd.sh: $*" >&2; exit 1; }
usage() { sed -n '2,/^set -/{/^#/p}' "$0" >&2; exit 2; }
[ $# -ge 2 ] || usage
command=$1
case $2 in /*) dir=$2 ;; *) dir=$PWD/$2 ;; esac
shift 2
sock=$dir/docker.sock
export DOCKER_HOST=unix://$sock
# The client of the same package first: another one may speak a newer API only.
cli=/usr/bin/docker
[ -x $cli ] || cli=docker
[ "$(id -u)" = 0 ] || die "only root can start a dockerd"

pid_of() { cat "$1" 2>/dev/null || true; }
is() { [ -n "$1" ] && [ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$2" ]; }
ready() { curl -fsS -m 2 --unix-socket "$sock" http://d/_ping >/dev/null 2>&1; }

start() {
  ! is "$(pid_of "$dir/docker.pid")" dockerd || die "it runs already"
  [ ${#sock} -lt 100 ] || die "$dir is too long for a socket"
  command -v dockerd >/dev/null || die "dockerd is missing: run tests/services/packages.sh docker"
  mkdir -p "$dir"
  rm -f "$dir/docker.pid"
  echo '{}' >"$dir/daemon.json"
  local args=(--data-root "$dir/data" --exec-root "$dir/exec" -H "unix://$sock"
    --pidfile "$dir/docker.pid" --config-file "$dir/daemon.json"
    --bridge none --iptables=false --ip6tables=false)
  [ "${DOCKER_LIVE_RESTORE:-0}" != 1 ] || args+=(--live-restore)
  setsid unshare --net dockerd "${args[@]}" </dev/null >>"$dir/dockerd.log" 2>&1 &
  local pid=$! deadline=$((SECONDS + ${DOCKER_WAIT:-60}))
  disown
  until ready; do
    kill -0 "$pid" 2>/dev/null ||
      { tail -n 10 "$dir/dockerd.log" >&2; die "dockerd ended; see $dir/dockerd.log"; }
    [ $SECONDS -lt $deadline ] ||
      { tail -n 10 "$dir/dockerd.log" >&2; die "dockerd does not answer; see $dir/dockerd.log"; }
    sleep 0.05
  done
  echo "$DOCKER_HOST"
}

image() {
  local root=$dir/rootfs applet
  [ -z "${2:-}" ] || DOCKER_HOST=$2
  rm -rf "$root"
  mkdir -p "$root"/{bin,tmp,etc,proc,sys,dev,app/logs,var/log}
  cp /bin/busybox "$root/bin/"
  for applet in $(/bin/busybox --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
  done
  echo 'root:x:0:0::/:/bin/sh' >"$root/etc/passwd"
  echo 'root:x:0:' >"$root/etc/group"
  chmod 1777 "$root/tmp"
  tar -C "$root" -c . | "$cli" import -c 'CMD ["/bin/sh"]' - "${1:-longshore-test}" >/dev/null
  rm -rf "$root"
}

await_end() {  # pid, name, seconds
  local deadline=$((SECONDS + $3))
  while is "$1" "$2" && [ $SECONDS -lt $deadline ]; do sleep 0.05; done
  ! is "$1" "$2"
}

end() {
  local pid containerd
  pid=$(pid_of "$dir/docker.pid")
  containerd=$(pid_of "$dir/exec/containerd/containerd.pid")
  if is "$pid" dockerd; then
    kill "-$1" "$pid"
    await_end "$pid" dockerd 30 || { kill -KILL "$pid"; await_end "$pid" dockerd 5 || true; }
  fi
  if [ "$1" = KILL ]; then return; fi
  # A killed dockerd may have left its containerd running.
  if is "$containerd" containerd; then
    kill "$containerd" 2>/dev/null || true
    await_end "$containerd" containerd 10 || kill -KILL "$containerd" 2>/dev/null || true
  fi
  rm -f "$dir/docker.pid"
}

# Shims keep containers running: without a dockerd nothing else would end them. They are found by
# their own command line, which names our socket.
end_shims() {
  local p
  for p in /proc/[0-9]*; do
    if grep -qsaF "$dir/exec/containerd/containerd.sock" "$p/cmdline" &&
      [[ $(cat "$p/comm" 2>/dev/null) == containerd-shim* ]]; then
      pkill -KILL -P "${p#/proc/}" 2>/dev/null || true
      kill -KILL "${p#/proc/}" 2>/dev/null || true
    fi
  done
}

wipe() {
  [ -d "$dir" ] || return 0
  if ! ready && [ -d "$dir/exec" ]; then start >/dev/null 2>&1 || true; fi
  if ready; then "$cli" ps -aq | xargs -r "$cli" rm -f -v >/dev/null 2>&1 || true; fi
  end TERM
  end_shims
  local mount
  awk -v root="$dir/" 'index($2, root) == 1 {print $2}' /proc/self/mounts | sort -r |
    while read -r mount; do umount -l "$mount" || true; done
  rm -rf "$dir"
}

case $command in
  start) start ;;
  image) image "$@" ;;
  stop) end TERM ;;
  kill) end KILL ;;
  wipe) wipe ;;
  status)
    ready || { echo down; exit 1; }
    echo "ready, pid $(pid_of "$dir/docker.pid")" ;;
  *) usage ;;
esac
