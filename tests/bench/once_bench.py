#!/usr/bin/env python3
"""How fast and how cheap the agent ships one big file to one real broker, without and with JSON.

    tests/bench/once_bench.py [--megabytes 1000] [--line-bytes 200] [--format text,raw] [--runs 3]

For each run: MB/s of the file, CPU seconds for a GB of it (user + system of the agent alone), and
the agent's peak memory. The broker runs on the same machine and takes its share of the cores.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import harness  # noqa: E402
from harness import audit, check, say  # noqa: E402


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--line-bytes", type=int, default=200)
    parser.add_argument("--format", default="text,raw")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--partitions", type=int, default=8)
    parser.add_argument("--flag", action="append", default=[],
                        help="one more word for the agent, as --flag=--linger-ms --flag=500")
    return parser.parse_args()


def make_file(path, megabytes, line_bytes):
    """Lines as a web server writes them, all of one length; returns their number."""
    lines = megabytes * 1_000_000 // line_bytes
    with open(path, "wb", buffering=1 << 20) as file:
        for number in range(lines):
            head = (f'10.1.{number % 251}.{number % 241} - - [21/Nov/2026:05:00:{number % 60:02d} '
                    f'+0000] "GET /shop/item/{number:010d}?ref=home HTTP/1.1" 200 {number % 9973} '
                    '"Mozilla/5.0 (X11; Linux x86_64)" ').encode()
            file.write(head[:line_bytes - 1].ljust(line_bytes - 1, b"z") + b"\n")
    return lines


def measure(lab, kafka, path, form, run, options):
    """One run of `agent --once` on a topic and a state directory of its own."""
    topic = f"{form}{run}"
    kafka.topic(topic, options.partitions)
    agent = lab.agent(kafka.brokers, topic=topic, name=f"agent-{topic}",
                      sources={"bench": path, "bench_format": form}, flags=options.flag)
    path.read_bytes()  # From the page cache in every run.
    begin = time.monotonic()
    with open(agent.log_path, "ab") as log:
        process = subprocess.Popen([harness.BINARY, "agent", *agent.words, "--once"],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - begin
    check(status == 0, f"the agent ended with {status}: {agent.log()[-2000:]}")
    gigabytes = path.stat().st_size / 1e9
    say(f"{form}: {gigabytes * 1000 / seconds:.0f} MB/s, "
        f"{(usage.ru_utime + usage.ru_stime) / gigabytes:.2f} CPU s/GB "
        f"({usage.ru_utime:.1f} user, {usage.ru_stime:.1f} system), "
        f"peak {usage.ru_maxrss / 1024:.0f} MB, {seconds:.1f} s")
    return topic


def bench(lab, options):
    os.environ["KAFKA_HEAP"] = "1000"
    kafka = lab.kafka()
    path = lab.dir / "bench.log"
    lines = make_file(path, options.megabytes, options.line_bytes)
    say(f"{path.stat().st_size / 1e6:.0f} MB, {lines} lines of {options.line_bytes} bytes")
    for form in options.format.split(","):
        for run in range(options.runs):
            topic = measure(lab, kafka, path, form, run, options)
            totals = audit(kafka.brokers, topic)["totals"]
            check(totals["records"] + totals["raw_records"] == lines, f"{topic}: {totals}")


if __name__ == "__main__":
    given = arguments()
    harness.main(lambda lab: bench(lab, given), 3600)
