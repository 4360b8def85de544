#!/usr/bin/env python3
"""Goal: while Kafka is away the agent waits within bounded memory, and afterwards continues by
itself.
Method: Kafka is stopped while much is written; the kernel reports the agent's peak memory. SIGTERM
must end the agent in time even then.
"""

import argparse
import random
import time

import harness
from harness import audit, check, check_clean, log_line, say, wait_for_records


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=120 if harness.LONG else 20)
    parser.add_argument("--megabytes", type=int, default=500 if harness.LONG else 100)
    parser.add_argument("--sources", type=int, default=10)
    parser.add_argument("--limit-mb", type=float, default=96)
    return parser.parse_args()


def write(files, megabytes, seconds):
    """Spreads that much over the files and the time; returns the number of lines."""
    shuffle = random.Random(1)
    block = [log_line(i, shuffle).encode() for i in range(5000)]
    text = b"".join(block)
    rounds = max(1, int(megabytes * 1e6 / len(text)))
    begin, lines = time.monotonic(), 0
    for i in range(rounds):
        with open(files[i % len(files)][1], "ab") as file:
            file.write(text)
        lines += len(block)
        time.sleep(max(0.0, begin + (i + 1) * seconds / rounds - time.monotonic()))
    return lines


def test(lab, options):
    kafka = lab.kafka()
    kafka.topic(harness.LOGS, 8)
    files = [(f"s{i}", lab.dir / f"s{i}.log") for i in range(options.sources)]
    for _, path in files:
        path.touch()
    agent = lab.agent(kafka.brokers, sources=dict(files)).start()
    lines = write(files, 5, 1)
    wait_for_records(kafka.brokers, lines, 60)
    kafka.stop()
    say("Kafka is away")
    lines += write(files, options.megabytes, options.seconds)
    agent.check_running()
    peak = agent.peak_mb()
    say(f"{options.megabytes} MB were written in {options.seconds} s; the agent's peak: "
        f"{peak:.0f} MB")
    check(peak < options.limit_mb, f"the agent took {peak:.0f} MB with Kafka away")
    seconds = agent.stop()
    say(f"SIGTERM ended it in {seconds:.1f} s with Kafka away")
    agent.start()
    agent.wait_for_log("(?s)(Kafka is away: no broker answers. .*nothing is lost.*){2}", 60)
    kafka.start()
    agent.wait_for_log(r"Kafka is back after \d+ s", 120)
    told = agent.log().count("Kafka is away")
    check(told == 2, f"two agents told {told} times that Kafka is away")
    wait_for_records(kafka.brokers, lines, 300)
    peak = agent.peak_mb()
    check(peak < options.limit_mb, f"the agent took {peak:.0f} MB while it caught up")
    check_clean(audit(kafka.brokers, files=files), lines, options.sources, options.sources)
    say(f"{lines} of {lines} lines, once each; peak while catching up {peak:.0f} MB")
    agent.stop()


if __name__ == "__main__":
    given = arguments()
    harness.main(lambda lab: test(lab, given))
