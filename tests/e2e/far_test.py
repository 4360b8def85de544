#!/usr/bin/env python3
"""Goal: an agent far from its brokers starts and ships, however many round trips that takes.
Method: a proxy in front of Kafka makes each round trip take half a second, so that looking up the
lane's offset takes longer than one of the agent's calls.
"""

import time

import harness
from harness import audit, check_clean, numbered_lines, say, wait_for_records
from proxy import Network

LINES = 1000


def test(lab):
    kafka = lab.kafka(env={"KAFKA_PROXIED": "1"})
    kafka.topic(harness.LOGS, 4)
    network = Network(harness.SEED, kafka.proxied())
    lab.closers.append(network.close)
    network.order("far")
    path = lab.dir / "far.log"
    numbered_lines(path, 0, LINES)
    agent = lab.agent(network.listening, sources={"far": path})
    begin = time.monotonic()
    agent.start()
    wait_for_records(kafka.brokers, LINES, 120)
    say(f"the first lines are there after {time.monotonic() - begin:.1f} s")
    numbered_lines(path, LINES, LINES)
    begin = time.monotonic()
    wait_for_records(kafka.brokers, 2 * LINES, 60)
    say(f"the next ones after {time.monotonic() - begin:.1f} s")
    agent.stop(20)
    check_clean(audit(kafka.brokers, files=[("far", path)]), 2 * LINES, 1, 1)


if __name__ == "__main__":
    harness.main(test)
