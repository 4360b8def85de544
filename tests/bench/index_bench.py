#!/usr/bin/env python3
"""How fast `longshore index` brings a topic into one real OpenSearch, and what of it is the node.

    tests/bench/index_bench.py [--lines 200000] [--in-flight 1,2] [--runs 2] [--gzip]

For each run: documents/s of `index` from its first document to its last, its CPU seconds and peak
memory; and documents/s of plain curl, which sends the same bodies to an index of the same template,
one request after the other over one connection. Everything shares this machine's cores.
"""

import argparse
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import Lab, check, numbered_lines, run, say, tap, wait_until  # noqa: E402
from search import Member, id_of, serve_opensearch  # noqa: E402

BODY_BYTES = 2 << 20


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--in-flight", default="1,2")
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--gzip", action="store_true")
    return parser.parse_args()


def write_bodies(directory, records):
    """Bodies for curl: what index sends, in an index of its own."""
    bodies, lines, size = [], [], 0
    for record in records:
        document = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        action = f'{{"create":{{"_index":"longshore-bench-0000.00.00","_id":"{id_of(record)}"}}}}'
        lines.append(f"{action}\n{document}\n")
        size += len(lines[-1])
        if size >= BODY_BYTES:
            bodies.append("".join(lines))
            lines, size = [], 0
    bodies.append("".join(lines))
    paths = []
    for number, body in enumerate(bodies):
        paths.append(directory / f"body-{number}")
        paths[-1].write_text(body, encoding="utf-8")
    return paths


def plain_curl(search, bodies, lines):
    search.ask("/longshore-bench-*", method="DELETE")
    words = []
    for body in bodies:
        words += ["--next"] if words else []
        words += ["-sS", "-o", "/dev/null", "-H", "Content-Type: application/x-ndjson",
                  "--data-binary", f"@{body}", f"{search.url}/_bulk?filter_path=items.*.status"]
    begin = time.monotonic()
    run("curl", "--noproxy", "*", *words, timeout=1800)
    seconds = time.monotonic() - begin
    check(search.count("longshore-bench-*") == lines, "curl's documents are not all there")
    return lines / seconds


def index(lab, kafka, search, lines, flags, name):
    search.ask("/longshore-bench-*", method="DELETE")
    member = Member(lab, kafka, search, "bench", "--group", name, *flags, name=name)
    wait_until(lambda: "partitions assigned by the consumer group" in member.log(), 60, "the group")
    begin, before = time.monotonic(), cpu(member)
    wait_until(lambda: member.number("documents_created_total") >= lines, 1800, "all documents",
               pause=0.05)
    seconds, used = time.monotonic() - begin, cpu(member) - before
    check(search.count("longshore-bench-*") == lines, "not every document is there once")
    peak = member.peak_mb()
    member.stop()
    return lines / seconds, used, peak


def cpu(member):
    fields = pathlib.Path(f"/proc/{member.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    options = arguments()
    os.environ["OS_HEAP"] = "1024"  # MB; with less the node refuses some of curl's documents.
    with Lab(7200) as lab:
        kafka = lab.kafka()
        kafka.topic("bench", 4)
        kafka.topic("longshore-dead-letter", 1)
        files = [lab.dir / f"bench-{i}.log" for i in range(4)]
        for file in files:
            numbered_lines(file, 0, options.lines // 4, "10.1.2.3 GET /shop/item?ref=home 200 ")
        lines = options.lines // 4 * 4
        lab.agent(kafka.brokers, topic="bench",
                  sources={f"s{i}": file for i, file in enumerate(files)}).once()
        search = serve_opensearch(lab)
        bodies = write_bodies(lab.dir, tap(kafka.brokers, "bench"))
        size = sum(body.stat().st_size for body in bodies)
        say(f"{lines} documents of {size / lines:.0f} bytes with their action lines")
        more = ["--gzip"] if options.gzip else []
        index(lab, kafka, search, lines, more, "warm")  # The node compiles what it will use.
        for number in range(options.runs):
            plain = plain_curl(search, bodies, lines)
            say(f"curl: {plain:.0f} documents/s")
            for in_flight in options.in_flight.split(","):
                rate, used, peak = index(lab, kafka, search, lines,
                                         ["--in-flight", in_flight, *more],
                                         f"run-{number}-{in_flight}")
                say(f"index --in-flight {in_flight}: {rate:.0f} documents/s, {rate / plain:.2f} of "
                    f"curl, {used:.1f} CPU-s, {peak:.0f} MB")


main()
