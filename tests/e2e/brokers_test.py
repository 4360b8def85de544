#!/usr/bin/env python3
"""Goal: brokers may die under load, one after the other: the agent keeps running, and nothing is
lost, duplicated or reordered.
Method: three brokers, three replicas of everything, two of them required. Every few seconds the
next broker is killed with -9 and restarted at once.
"""

import argparse
import threading
import time

import harness
from harness import LiveWriter, audit, check, check_clean, say, wait_for_records


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60 if harness.LONG else 20)
    parser.add_argument("--interval", type=float, default=5)
    parser.add_argument("--sources", type=int, default=8)
    parser.add_argument("--lines", type=int, default=200_000 if harness.LONG else 60_000)
    return parser.parse_args()


def test(lab, options):
    kafka = lab.kafka(3)
    kafka.topic(harness.LOGS, 8)
    files = [(f"s{i}", lab.dir / f"s{i}.log") for i in range(options.sources)]
    agent = lab.agent(kafka.brokers, sources=dict(files), flags=["--linger-ms", 200]).start()
    process = agent.process.pid
    writer = LiveWriter([path for _, path in files], options.lines // options.sources,
                        options.seconds * 1.1)
    writer.start()
    troubles, revivals = [], []

    def revive(node):
        try:
            kafka.restart(node)
        except harness.Failure as failure:
            troubles.append(str(failure))

    begin, kills, down = time.monotonic(), 0, {}
    while time.monotonic() - begin < options.seconds:
        node = kills % 3 + 1
        if node in down and down[node].is_alive():
            # It has not come back yet since its last death: no other death can be its.
            down[node].join()
        kafka.kill(node)
        kills += 1
        say(f"broker {node} killed")
        down[node] = threading.Thread(target=revive, args=(node,), daemon=True)
        down[node].start()
        revivals.append(down[node])
        time.sleep(max(0.0, begin + kills * options.interval - time.monotonic()))
    for revival in revivals:
        revival.join()
    check(not troubles, f"a broker did not come back: {troubles}")
    check(kills > 1, "no broker was killed")
    writer.join()
    total = options.lines // options.sources * options.sources
    wait_for_records(kafka.brokers, total, 240)
    agent.check_running()
    check(agent.process.pid == process, "the agent is another process")
    check_clean(audit(kafka.brokers, files=files), total, options.sources, options.sources)
    say(f"{kills} brokers killed; {total} of {total} lines, once each; the agent never ended")
    agent.stop()


if __name__ == "__main__":
    given = arguments()
    harness.main(lambda lab: test(lab, given))
