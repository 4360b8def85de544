#!/usr/bin/env python3
"""Goal: a file that is written anew, truncated over and over, or written to after its rotation
loses no line that could be read, and the ledger names the rest without growing for ever.
Method: files of the host are rewritten to the same size with the same end, truncated five times a
second, and written to by a process that kept a rotated file open; the lines in Kafka are counted.
"""

import time

import harness
from harness import check, ledger, messages, say, wait_for_records, wait_until

FRAMES = "".join(f"\tat com.example.Deep.frame{i}(Deep.java:{i})\n" for i in range(4))


class Watched:
    """One declared file in a topic of its own."""

    def __init__(self, lab, kafka, name):
        self.path = lab.dir / f"{name}.log"
        self.name, self.kafka, self.expected = name, kafka, []
        kafka.topic(name, 4)
        self.agent = lab.agent(kafka.brokers, topic=name, name=f"agent-{name}",
                               sources={name: self.path},
                               flags=["--linger-ms", 50, "--rotate-wait-ms", 300])

    def rewrite(self, text):
        self.path.write_text(text)
        self.expected += text.splitlines()

    def arrived(self, timeout=60):
        wait_for_records(self.kafka.brokers, len(self.expected), timeout, self.name)
        self.agent.check_running()
        found = messages(self.kafka.brokers, self.name)
        check(sorted(found) == sorted(self.expected),
              f"{self.name}: {len(found)} records of {len(self.expected)} lines")

    def entries(self, event):
        return ledger(self.kafka.brokers, self.name, event)


def a_crash_loop(lab, kafka):
    log = Watched(lab, kafka, "crashes")
    log.rewrite("run 00\n" + FRAMES)
    log.agent.start()
    for run in range(1, 16):
        log.arrived()
        log.rewrite(f"run {run:02}\n" + FRAMES)
    log.arrived()
    for run in range(16, 20):
        log.agent.stop()
        log.rewrite(f"run {run:02}\n" + FRAMES)
        log.agent.start()
        log.arrived()
    check(not log.entries("lost"), f"all was read, and the ledger says {log.entries('lost')}")
    check(log.entries("doubt"), "nobody can know that nothing was lost, and the ledger is silent")
    log.agent.stop()
    say(f"crashes: {len(log.expected)} lines of 20 runs that ended with the same frames")


def truncated_all_the_time(lab, kafka):
    log = Watched(lab, kafka, "cuts")
    log.rewrite("first\n")
    log.agent.start()
    log.arrived()
    for i in range(100):
        log.path.write_text(f"line {i}\n")
        time.sleep(0.2)
    time.sleep(1)
    found = messages(kafka.brokers, "cuts")
    check(len(found) == len(set(found)) and len(found) > 10, f"{len(found)} of 100 lines came")
    entries = log.entries("doubt") + log.entries("lost")
    warnings = log.agent.log().count("truncated")
    check(1 <= len(entries) <= 33, f"{len(entries)} entries in the ledger: {entries}")
    check(warnings <= 34, f"{warnings} warnings")
    log.agent.kill()
    log.agent.start()
    wait_until(lambda: any(entry["end"] > entry["start"] for entry in log.entries("doubt")), 30,
               "what was counted is named after a crash")
    log.agent.stop()
    say(f"cuts: {len(found)} lines of 100 truncations, {len(entries)} entries, {warnings} warnings")


def an_old_worker(lab, kafka):
    log = Watched(lab, kafka, "worker")
    log.rewrite("first\n")
    log.agent.start()
    log.arrived()
    with open(log.path, "ab", buffering=0) as old:
        log.path.rename(log.path.with_suffix(".log.1"))
        log.rewrite("next\n")
        log.arrived()
        time.sleep(2)  # Ten times as long as the file may be quiet.
        old.write(b"late 1\nlate 2\n")
        log.expected += ["late 1", "late 2"]
        log.arrived()
        with open(log.path, "a") as file:
            file.write("more\n")
        log.expected.append("more")
        log.arrived()
    records = [record for record in harness.tap(kafka.brokers, "worker")
               if "late" in record["longshore"].get("flags", [])]
    check(len(records) == 2, f"{len(records)} records have the flag late")
    log.agent.stop()
    say("worker: two lines came 2 s after the rotation, flagged")


def compressed_at_once(lab, kafka):
    """As logrotate's `compress` without `delaycompress`, while the agent is stopped."""
    log = Watched(lab, kafka, "packed")
    log.rewrite("first\n")
    log.agent.start()
    log.arrived()
    log.agent.stop()
    for number, (tool, suffix) in enumerate((("gzip", "gz"), ("xz", "xz"), ("bzip2", "bz2"),
                                             ("zstd", "zst"))):
        with open(log.path, "a") as file:
            lines = [f"{tool} {i}" for i in range(3000)]
            file.write("".join(line + "\n" for line in lines))
        log.expected += lines
        older = log.path.with_name(f"{log.path.name}.{4 - number}")
        log.path.rename(older)
        harness.run(tool, "--rm" if tool == "zstd" else "-f", "-q", older)
        check(not older.exists() and older.with_name(f"{older.name}.{suffix}").exists(), "packed?")
        time.sleep(0.05)
    with open(log.path, "w") as file:
        file.write("now\n")
    log.expected.append("now")
    log.agent.start()
    log.arrived()
    found = messages(kafka.brokers, "packed")
    check(found == log.expected, "the lines of compressed files are out of order")
    check(not log.entries("lost"), f"the ledger says {log.entries('lost')}")
    log.agent.stop()
    say(f"packed: {len(found)} lines of four files that were compressed at once")


def test(lab):
    kafka = lab.shared_kafka()
    harness.run_parts((a_crash_loop, truncated_all_the_time, an_old_worker,
                       compressed_at_once), lab, kafka)


if __name__ == "__main__":
    harness.main(test)
