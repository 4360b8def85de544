#!/usr/bin/env python3
"""One Kafka for all whole-program tests of a run of ctest that do not harm it. ctest runs

    shared.py start     before the first of them
    shared.py stop      after the last one

and its tests find the address with `brokers()`. A separate process starts and ends the Kafka, and
ends it too when ctest is gone, however that ended. Everything is in a directory named for ctest's
pid, so that several runs may go on side by side.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

PATIENCE_S = 300


def place(ctest):
    base = pathlib.Path("/var/tmp" if os.path.isdir("/var/tmp") else "/tmp")
    return base / f"longshore-ctest-{ctest}"


def started_at(pid):
    """None if there is no such process: a pid may be another's later."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return None
    state, *fields = stat.rpartition(")")[2].split()
    return None if state == "Z" else fields[18]


def alive(pid_file):
    """The pid in a file of "PID TIME", if that process is still there."""
    try:
        pid, begin = pid_file.read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if started_at(pid) == begin else None


def brokers():
    """The address for a test that ctest runs; None if there is no Kafka for it."""
    folder = place(os.getppid())
    try:
        address = (folder / "brokers").read_text()
    except OSError:
        return None
    return address if alive(folder / "keeper") else None


def start(ctest):
    folder = place(ctest)
    shutil.rmtree(folder, ignore_errors=True)  # Of another ctest with this pid, long ago.
    folder.mkdir(mode=0o700)
    with open(folder / "log", "wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, __file__, "keep", str(ctest), started_at(ctest)],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + PATIENCE_S
    while not (folder / "brokers").exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            sys.exit(f"Kafka was not started: {(folder / 'log').read_text()[-3000:]}")
        time.sleep(0.1)
    print(f"Kafka serves at {(folder / 'brokers').read_text()}")


def keep(ctest, begin):
    import harness  # Which imports this file.
    folder = place(ctest)
    (folder / "keeper").write_text(f"{os.getpid()} {started_at(os.getpid())}")
    told = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: told.append(True))
    kafka = harness.Kafka.__new__(harness.Kafka)
    kafka.dir, kafka.env = str(folder / "kafka"), {}
    try:
        kafka.__init__(kafka.dir)
        fresh = folder / "brokers.fresh"
        fresh.write_text(kafka.brokers)
        fresh.rename(folder / "brokers")
        while not told and started_at(ctest) == begin:
            time.sleep(0.5)
    finally:
        kafka.close()
        shutil.rmtree(folder, ignore_errors=True)


def stop(ctest):
    folder = place(ctest)
    keeper = alive(folder / "keeper")
    if keeper:
        os.kill(keeper, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE_S
    while alive(folder / "keeper") and time.monotonic() < deadline:
        time.sleep(0.1)
    shutil.rmtree(folder, ignore_errors=True)


def main():
    command, *words = sys.argv[1:]
    if command == "keep":
        keep(int(words[0]), words[1])
    elif command == "start":
        start(os.getppid())
    elif command == "stop":
        stop(os.getppid())
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
