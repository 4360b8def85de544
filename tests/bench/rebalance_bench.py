#!/usr/bin/env python3
"""How long the partitions of a consumer group stand while a member of `longshore index` joins, is
stopped, and is killed.

    tests/bench/rebalance_bench.py [--runs 1]

Real Kafka, six partitions with a record each every 10 ms, and a service in this process that notes
when a document arrives. The longest gap is told of the four partitions that stay where they are,
and of the two that move.
"""

import argparse
import collections
import http.server
import json
import pathlib
import re
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

from harness import Lab, check, say, wait_until  # noqa: E402
from produce import Producer  # noqa: E402
from search import Member  # noqa: E402

PARTITIONS, MOVING = 6, 2
PERIOD_S = 0.01


class Node(http.server.BaseHTTPRequestHandler):
    """Stores nothing. Ids of documents are "topic+partition+offset.hash"."""

    protocol_version = "HTTP/1.1"
    arrived = collections.defaultdict(list)

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        reply = {"version": {"number": "2.19.1", "distribution": "opensearch"}}
        if self.path.startswith("/_bulk"):
            found = re.findall(rb'"_id":"[^"+]+\+(\d+)\+\d+\.', body)
            for partition in found:
                self.arrived[int(partition)].append(time.monotonic())
            reply = {"items": [{"create": {"status": 201}}] * len(found)}
        text = json.dumps(reply).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_PUT = do_POST = do_HEAD = answer

    def log_message(self, *_words):
        pass


def stream(kafka, ending):
    producer = Producer(kafka.brokers)
    while not ending.wait(PERIOD_S):
        for partition in range(PARTITIONS):
            producer.send("many", b"a line", partition=partition)


def gaps(begin):
    """The longest of the partitions that stay, and of those that move, until now."""
    end, longest = time.monotonic(), []
    for partition in range(PARTITIONS):
        times = [begin, *(at for at in list(Node.arrived[partition]) if begin < at < end), end]
        longest.append(max(b - a for a, b in zip(times, times[1:])))
    longest.sort()
    return f"{longest[PARTITIONS - MOVING - 1]:.2f} s, {longest[-1]:.2f} s"


def owned(member):
    found = re.findall(r"partitions=(\d+) lag", member.log())
    return int(found[-1]) if found else 0


def measure(lab, kafka, service, run):
    def member(name):
        return Member(lab, kafka, service, "many", "--linger-ms", "50", "--dead-letter", "none",
                      name=f"{name}-{run}")
    members = [member("first"), member("third")]
    wait_until(lambda: [owned(each) for each in members] == [3, 3], 60, "two share them")
    time.sleep(2)
    for how in ("stop", "kill"):
        begin = time.monotonic()
        second = member(f"second-{how}")
        wait_until(lambda: [owned(each) for each in (*members, second)] == [2, 2, 2], 60, "three")
        time.sleep(2)
        joined, begin = gaps(begin), time.monotonic()
        getattr(second, how)()
        wait_until(lambda: [owned(each) for each in members] == [3, 3], 60, "two again")
        time.sleep(2)
        say(f"longest gaps of what stays and of what moves: joined {joined}; {how}: {gaps(begin)}")
    for each in members:
        each.stop()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    check(options.runs > 0, "--runs is at least 1")
    with Lab(300 + 60 * options.runs) as lab:
        kafka = lab.kafka()
        kafka.topic("many", PARTITIONS)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Node)
        server.daemon_threads = True
        server.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        ending = threading.Event()
        thread = threading.Thread(target=stream, args=(kafka, ending), daemon=True)
        thread.start()
        try:
            for run in range(options.runs):
                measure(lab, kafka, server, run)
        finally:
            ending.set()
            thread.join()
            server.shutdown()


main()
