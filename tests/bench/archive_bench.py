#!/usr/bin/env python3
"""How fast and how cheap the archive takes records from one real broker.

    tests/bench/archive_bench.py [--megabytes 500] [--to file,webhdfs] [--compress zstd,none]

For each combination: MB/s of what stands in Kafka (keys and values), CPU seconds for a GB of it
(user + system of the archiver alone), its peak memory, and how large the archive is. Broker and
HDFS run on the same machine and take their share of the cores.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import archiving  # noqa: E402
import harness  # noqa: E402
from harness import BINARY, audit, check, say  # noqa: E402

LINE = ('10.1.7.{:03d} - - [21/Nov/2026:05:00:{:02d} +0000] "GET /item/{:08d}?page={} HTTP/1.1" '
        '200 {} "-" "Mozilla/5.0 (X11; Linux x86_64)" 0.{:03d}\n')


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=500, help="of lines, without envelopes")
    parser.add_argument("--to", default="file,webhdfs")
    parser.add_argument("--compress", default="zstd,none")
    parser.add_argument("--flag", action="append", default=[], help="one more word for archive")
    return parser.parse_args()


def make_file(path, megabytes):
    written, number = 0, 0
    with open(path, "w", buffering=1 << 20) as file:
        while written < megabytes * 1_000_000:
            line = LINE.format(number % 251, number % 60, number * 7919 % 99_999_989, number % 9,
                               number * 31 % 50_000, number % 1000)
            written += file.write(line)
            number += 1
    return number


def peak_mb(pid):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+)", status)
    return int(match.group(1)) / 1024 if match else 0


def measure(lab, kafka, to, compress, records, flags):
    name = f"{compress}-{'hdfs' if to.startswith('webhdfs') else 'file'}"
    words = [BINARY, "archive", "--brokers", kafka.brokers, "--topic", harness.LOGS,
             "--to", to, "--work-dir", str(lab.dir), "--group", name, "--compress", compress,
             "--hdfs-user", "root", "--once", *flags]
    begin = time.monotonic()
    with open(lab.dir / f"{name}.log", "wb") as log:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        peak = 0
        while True:
            # What rusage says of memory is this program's own, before the exec.
            peak = max(peak, peak_mb(process.pid))
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            if ended:
                break
            time.sleep(0.02)
        process.returncode = status
    seconds = time.monotonic() - begin
    text = (lab.dir / f"{name}.log").read_text()
    check(status == 0, text[-1000:])
    check(f"{records} records" in text, text[-1000:])
    return seconds, usage.ru_utime + usage.ru_stime, peak


def bench(lab, options):
    kafka = lab.kafka()
    kafka.topic(harness.LOGS, 4)
    files = {}
    records = 0
    for i in range(8):
        path = lab.dir / f"{i}.log"
        records += make_file(path, options.megabytes // 8)
        files[f"s{i}"] = path
    lab.agent(kafka.brokers, sources=files).once(seconds=900)
    check(audit(kafka.brokers)["totals"]["records"] == records, "not all was shipped")
    tap = (f"{BINARY} tap --brokers {kafka.brokers} --topic {harness.LOGS} --no-follow --json | "
           "wc -c")
    gigabytes = (int(harness.run("sh", "-c", tap, timeout=900).stdout) + 15 * records) / 1e9
    say(f"{records} records, {gigabytes:.2f} GB with keys")
    for to in options.to.split(","):
        archive = archiving.start_hdfs(lab) if to == "webhdfs" else None
        for compress in options.compress.split(","):
            folder = f"/bench-{compress}"
            place = archiving.Below(archive, folder) if archive else \
                archiving.Mounted(f"{lab.dir}{folder}")
            seconds, cpu, memory = measure(lab, kafka, place.url(), compress, records, options.flag)
            size = sum(bytes_ for path, bytes_ in place.files().items() if not path.startswith("_"))
            say(f"{to:8} {compress:5} {gigabytes * 1000 / seconds:6.1f} MB/s, "
                f"{cpu / gigabytes:5.2f} CPU s/GB, {memory:4.0f} MB memory, archive "
                f"{size / 1e6:.0f} MB, {seconds:.1f} s with joining the group")


if __name__ == "__main__":
    given = arguments()
    harness.main(lambda lab: bench(lab, given), 3600)
