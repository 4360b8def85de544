#!/usr/bin/env python3
"""Goal: a container that lives for only some milliseconds is collected completely, although Docker
removes it at once.
Method: --rm containers as fast as Docker starts them; each writes numbered lines to a declared file
of its own file system and to stdout. Every line must be in Kafka once.
"""

import argparse
import collections
import concurrent.futures
import json
import statistics
import subprocess

import harness
from harness import audit, check, check_clean, say, tap, wait_until

STARTERS = 3  # So many containers are started at once.


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--containers", type=int, default=300)
    parser.add_argument("--lines", type=int, default=50, help="for each of file and stdout")
    return parser.parse_args()


def lifetimes(path):
    """Milliseconds from start to die of each container."""
    begin, lived = {}, []
    for line in open(path, encoding="utf-8"):
        event = json.loads(line)
        if event["Action"] == "start":
            begin[event["Actor"]["ID"]] = event["timeNano"]
        elif event["Action"] == "die" and event["Actor"]["ID"] in begin:
            lived.append((event["timeNano"] - begin[event["Actor"]["ID"]]) / 1e6)
    return lived


def test(lab, options):
    kafka = lab.shared_kafka()
    kafka.topic(harness.LOGS, 8)
    docker = lab.dockerd()
    agent = lab.agent(kafka.brokers, docker=docker.address)
    # Other tests and compilers run beside: it must not wait for them while a container lives.
    agent.wrap = ["nice", "-n", "-15"]
    agent.start()
    agent.wait_for_log("(?i)docker")
    with open(lab.dir / "events", "wb") as out:
        events = subprocess.Popen(docker.command("events", "--filter", "type=container",
                                                 "--format", "{{json .}}"), stdout=out)
    lab.closers.append(events.kill)
    script = ('i=0; while [ $i -lt %d ]; do echo "file $N $i" >>/app/logs/a.log;'
              ' echo "out $N $i"; i=$((i+1)); done' % options.lines)
    def live(number):
        docker.run("--rm", "--name", f"c{number:04d}", "-e", f"N={number}", shell=script,
                   logs={"app": "/app/logs/*.log", "console": "stdout"})
    with concurrent.futures.ThreadPoolExecutor(STARTERS) as starters:
        list(starters.map(live, range(options.containers)))
    lived = lifetimes(lab.dir / "events")
    say(f"{options.containers} containers ran and are gone; they lived "
        f"{statistics.median(lived):.0f} ms (median), {max(lived):.0f} ms (longest)")

    total = 2 * options.containers * options.lines
    def arrived():
        agent.check_running()
        return audit(kafka.brokers)["totals"]["records"] >= total
    try:
        wait_until(arrived, 60, f"{total} records", pause=1)
    except harness.Failure:
        say("not all lines came; what is missing follows")
    found = collections.Counter(record["message"] for record in tap(kafka.brokers))
    wanted = {f"{kind} {number} {i}" for kind in ("file", "out")
              for number in range(options.containers) for i in range(options.lines)}
    missing = sorted(wanted - set(found))
    twice = [line for line, count in found.items() if count > 1]
    check(not missing, f"{len(missing)} of {total} lines are missing: {missing[:10]}")
    check(not twice, f"{len(twice)} lines came more than once: {twice[:10]}")
    check(len(found) == total, f"{len(found)} different lines instead of {total}")
    check_clean(audit(kafka.brokers), total)
    say(f"{total} of {total} lines, once each")
    agent.stop()


if __name__ == "__main__":
    given = arguments()
    harness.main(lambda lab: test(lab, given))
