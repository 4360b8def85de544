#!/usr/bin/env python3
"""Goal: for any sequence of writes, rotations, stops and kills, lines written = lines in Kafka +
lines in ranges that the ledger names; nothing comes twice or out of order.
Method: by seed. Many logs live side by side, each rotated by a random scheme at random moments
(rotation_zoo/schemes.py), while agents are stopped and killed at random: one that follows exact
paths, and one that follows globs which name the rotated files too. Afterwards each log is judged.

    rotation_property_test.py --logs 48 --seconds 10 --rounds 1
    rotation_property_test.py TurnedLink Dated     only these schemes
    rotation_property_test.py --late 1             also writes to a file that was rotated already
    LONGSHORE_SEED=N rotation_property_test.py     the same sequences of writes and rotations
"""

import os
import threading
import time

import harness
from harness import check, say
from rotation_zoo import follower, rotator, schemes


# The schemes with which the property holds; LONGSHORE_LONG=1 or names ask for others.
HOLDING = ("Descending", "BeforeExtension", "Ascending", "AscendingBeforeExtension", "Dated", "Tai",
           "TurnedLink", "Deleted", "Truncated", "Deployed", "Compressed", "Grown")


class Log:
    """One log: the application that writes it, and its rotation."""

    def __init__(self, base, name, scheme, random):
        self.name, self.random = name, random
        self.folder = base / name
        self.folder.mkdir()
        self.path = self.folder / scheme.current
        self.lines, self.late, self.told = [], [], []
        self.older = None  # The file before, which a second process may still have open.
        self.file = self.open()
        self.scheme = scheme(random, self.path)

    def open(self):
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, file, count):
        for _ in range(count):
            number = len(self.lines)
            self.lines.append(f"{number:06d} {self.name} {'x' * self.random.randrange(60)}")
            os.write(file, self.lines[-1].encode() + b"\n")

    def write_late(self):
        """To the file before: where that stands among the others' lines is not said."""
        if self.older is not None and os.fstat(self.older).st_nlink > 0:
            self.late.append(f"late {len(self.late):06d} {self.name}")
            os.write(self.older, self.late[-1].encode() + b"\n")

    def reopen(self, is_written=True):
        if is_written and self.random.random() < 0.3:
            self.write(self.file, self.random.randrange(1, 4))
        if self.older is not None:
            os.close(self.older)
        self.older, self.file = self.file, self.open()

    def step(self, late):
        chance = self.random.random()
        if chance < 0.2:
            self.told.append(f"{len(self.lines)} {time.time() % 3600:.3f}")
            self.scheme.rotate(self.reopen)
        elif chance < 0.23 and late:
            self.write_late()
        else:
            self.write(self.file, self.random.randrange(1, 15))

    def close(self):
        os.close(self.file)
        if self.older is not None:
            os.close(self.older)

    def history(self):
        return (f"{type(self.scheme).__name__}, {self.scheme.keep} kept, {len(self.lines)} lines, "
                f"rotated at (line, second) {self.told}")


class Fate(threading.Thread):
    """Stops, kills and starts one agent until `over` is set."""

    def __init__(self, agent, random, over):
        super().__init__(daemon=True)
        self.agent, self.random, self.over = agent, random, over
        self.deeds = []

    def run(self):
        while not self.over.wait(self.random.uniform(0.5, 4)):
            kill = self.random.random() < 0.6
            self.deeds.append(f"{'killed' if kill else 'stopped'} at {time.monotonic():.2f}")
            if kill:
                self.agent.kill()
            else:  # Perhaps before it has begun, which makes it end with another status.
                self.agent.process.terminate()
                self.agent.wait(20)
            self.over.wait(self.random.uniform(0, 3))
            self.agent.start()


def live(logs, random, options):
    """All logs take turns."""
    end = time.monotonic() + options.seconds
    steps = 0
    while time.monotonic() < end:
        random.choice(logs).step(options.late)
        steps += 1
        if random.random() < 0.2:
            time.sleep(random.uniform(0, 0.03))
    return steps


def one_round(lab, kafka, number, options, random):
    base = lab.dir / f"round-{number}"
    base.mkdir()
    wanted = options.parts or (() if harness.LONG else HOLDING)
    kinds = [kind for kind in schemes.ALL if not wanted or kind.__name__ in wanted]
    check(kinds, "there is no such scheme")
    logs = [Log(base, f"log-{i}", kinds[i % len(kinds)],
                harness.random.Random(random.getrandbits(64))) for i in range(options.logs)]
    followers = [
        follower.Follower(lab, kafka, f"{number}-exact", {log.name: log.path for log in logs}),
        follower.Follower(lab, kafka, f"{number}-glob",
                          {log.name: log.folder / "*" for log in logs})]
    for log in logs:
        log.write(log.file, 5)
    for each in followers:
        each.agent.start()
    harness.wait_until(lambda: min(follower.counts(followers)) >= 5 * len(logs), 120,
                       "the first lines arrive", pause=0.5)
    over = threading.Event()
    fates = [Fate(each.agent, harness.random.Random(random.getrandbits(64)), over)
             for each in followers]
    for fate in fates:
        fate.start()
    steps = live(logs, random, options)
    over.set()
    for fate in fates:
        fate.join()
    for log in logs:
        log.write(log.file, 5)
        log.close()
    follower.settle(followers, 120)
    kept = {log.name: rotator.lines_below(log.folder) for log in logs}
    failed = 0
    for each, fate in zip(followers, fates):
        each.agent.check_running()
        found = each.verdicts({log.name: log.lines for log in logs}, kept,
                              {log.name: log.late for log in logs})
        for log in logs:
            if found[log.name].failed:
                failed += 1
                say(f"{each.topic} {log.name} ({log.history()}): {found[log.name]}")
        total = sum(len(log.lines) for log in logs)
        named = sum(verdict.named for verdict in found.values())
        say(f"round {number}, {each.topic}: {len(logs)} logs, {steps} steps, {total} lines, "
            f"{named} named, {len(fate.deeds)} ends of the agent")
        each.agent.stop(20)
    return failed


def test(lab):
    options = harness.parts_and_numbers(logs=48, seconds=60 if harness.LONG else 8,
                                        rounds=5 if harness.LONG else 1, late=int(harness.LONG))
    random = harness.seeded()
    kafka = lab.shared_kafka()
    failed = sum(one_round(lab, kafka, number, options, random) for number in range(options.rounds))
    check(not failed, f"{failed} logs failed")


if __name__ == "__main__":
    harness.main(test, 3000)
