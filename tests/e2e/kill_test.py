#!/usr/bin/env python3
"""Goal: a reader of committed records sees every line once, in order, wherever kill -9 hits.
Method: a writer appends to many files; the agent is killed at random moments while it ships, and
finally left to finish. `longshore audit` compares ranges and bytes. The control reads uncommitted
records and must find the transactions that the kills aborted; otherwise nothing was interrupted and
nothing is proven.
"""

import argparse
import random
import time

import harness
from harness import LiveWriter, audit, check, check_clean, say, wait_for_records


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200 if harness.LONG else 20)
    parser.add_argument("--sources", type=int, default=20)
    parser.add_argument("--lines", type=int, default=20_000, help="of each source")
    parser.add_argument("--seed", type=int, default=harness.SEED)
    return parser.parse_args()


def test(lab, options):
    say(f"seed {options.seed}")
    moments = random.Random(options.seed)
    kafka = lab.shared_kafka()
    kafka.topic(harness.LOGS, 8)
    files = [(f"s{i:02d}", lab.dir / f"s{i:02d}.log") for i in range(options.sources)]
    for _, path in files:
        path.touch()
    # Transactions follow each other closely, so that most kills meet one.
    agent = lab.agent(kafka.brokers, sources=dict(files), flags=["--linger-ms", 5])
    # After a kill the agent needs about a second to take over from itself: some moments lie within.
    delays = [moments.uniform(0.2, 3.0) * harness.SLOW for _ in range(options.kills)]
    # On a busy machine a start takes half a second.
    writer = LiveWriter([path for _, path in files], options.lines,
                        sum(delays) * 1.05 + options.kills * 0.5, options.seed)
    writer.start()
    kills = 0
    for delay in delays:
        agent.start()
        time.sleep(delay)
        agent.check_running()
        agent.kill()
        kills += 1
    check(writer.is_alive(), "the writer ended before the last kill: nothing was shipped by then")
    say(f"killed {kills} times, {writer.written} lines were written by then; now it may finish")
    agent.start()
    writer.join()
    total = options.sources * options.lines
    wait_for_records(kafka.brokers, total, 180)
    check_clean(audit(kafka.brokers, files=files), total, options.sources, options.sources)
    say(f"{total} of {total} lines, once each, in order, byte-equal")
    agent.stop()
    aborted = audit(kafka.brokers, isolation="read_uncommitted")["totals"]
    say(f"control: uncommitted records show {aborted['duplicates']} duplicates")
    # A slow binary is run for its own reports, with too few kills to be sure of this.
    check(harness.SLOW > 1 or (aborted["records"] > total and aborted["duplicates"] > 0),
          f"no kill aborted anything: the test could not have failed ({aborted})")


if __name__ == "__main__":
    given = arguments()
    harness.main(lambda lab: test(lab, given), 240 + 8 * given.kills)
