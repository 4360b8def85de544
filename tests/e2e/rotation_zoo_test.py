#!/usr/bin/env python3
"""Goal: however a log is rotated, each of its lines is in Kafka once and in order, or the ledger
names the range that is missing; `audit` vouches only for what is complete.
Method: real rotators (tests/e2e/rotation_zoo/) write numbered lines side by side and rotate again
and again. Seven agents read the same files, by exact path and by glob: two run all the time, two
are stopped meanwhile, two are killed again and again, and one starts for the first time at the end.
The result is a table: rotator by agent.

    rotation_zoo_test.py                     rotators of Debian and Python, if all their cells hold
    rotation_zoo_test.py --all               all of those, Java's, Node's and Docker's
                                             (LONGSHORE_LONG=1)
    rotation_zoo_test.py cronolog svlogd     those whose names begin so
    rotation_zoo_test.py --all --write       puts the table into docs/limits.md
"""

import argparse
import concurrent.futures
import contextlib
import re
import threading
import time

import harness
from harness import ROOT, check, say
from rotation_zoo import (docker, follower, java_logging, kubelet, logrotate, nginx, node_logging,
                          pipes, python_logging)

SHORT = (*logrotate.ALL, *python_logging.ALL, *pipes.ALL, *nginx.ALL, *kubelet.ALL)
# Those of them that fail now and then, see docs/limits.md. Whoever mends one takes it out here.
FAILING = (logrotate.CopyTruncated, logrotate.CopyTruncatedExtension,
           logrotate.CopyTruncatedCompressed)
LONG = (*java_logging.ALL, *node_logging.ALL, *docker.ALL)
COLUMNS = [(mode, path) for mode in ("up", "stopped", "killed") for path in ("exact", "glob")]
COLUMNS.append(("first start", "glob"))
MISSED = 3   # Rounds that a stopped agent misses.
RAPID = 5    # Rotations in a row.


class Follower(follower.Follower):
    """Follows all rotators; `mode` says what it goes through."""

    def __init__(self, lab, kafka, mode, path, rotators, dockerd):
        self.mode, self.path = mode, path
        names = {each: each.current if path == "exact" else each.glob for each in rotators}
        declared = {each.name: each.folder / name for each, name in names.items() if name}
        if dockerd and path == "exact":
            declared |= {each.name: None for each in rotators if isinstance(each, docker.Docker)}
        super().__init__(lab, kafka, f"{mode.replace(' ', '-')}-{path}", declared, dockerd)


class Zoo:
    def __init__(self, lab, kinds):
        self.lab = lab
        self.random = harness.seeded()
        self.kafka = lab.shared_kafka()
        self.dockerd = None
        if any(issubclass(kind, docker.Docker) for kind in kinds):
            self.dockerd = docker.Docker.daemon = lab.dockerd()
        base = lab.dir / "zoo"
        self.rotators = [kind(base) for kind in kinds]
        self.hands = concurrent.futures.ThreadPoolExecutor(8)
        lab.closers.append(self.hands.shutdown)
        self.followers = [Follower(lab, self.kafka, mode, path, self.rotators, self.dockerd)
                          for mode, path in COLUMNS]
        self.followers = [each for each in self.followers if each.declared]

    def all(self, act):
        """Has every rotator do something, several at a time."""
        for done in [self.hands.submit(act, rotator) for rotator in self.rotators]:
            done.result()

    def agents(self, *modes):
        return [each.agent for each in self.followers if each.mode in modes]

    def first_lines_arrive(self):
        self.all(lambda rotator: rotator.write(30))
        for rotator in self.rotators:
            rotator.agents_start()
        early = [each for each in self.followers if each.mode != "first start"]
        for each in early:
            each.agent.start()
        harness.wait_until(
            lambda: all(count >= 5 * len(each.declared)
                        for each, count in zip(early, follower.counts(early))),
            120, "the first lines of all rotators arrive", pause=0.5)

    def round(self):
        begin = time.monotonic()

        def act(rotator):
            rotator.write(40)
            rotator.turn()
            rotator.write(15)
        self.all(act)
        time.sleep(max(0, begin + 1.2 - time.monotonic()))  # Names by the second differ.

    def in_a_row(self):
        def act(rotator):
            for _ in range(RAPID if rotator.rapid else 1):
                rotator.write(20)
                rotator.turn()
            rotator.write(20)
        self.all(act)
        time.sleep(1)  # As in round().

    @contextlib.contextmanager
    def killing(self):
        """Kills agents at a random moment of what goes on, and starts them again at its end."""
        agents = self.agents("killed")
        timers = [threading.Timer(self.random.uniform(0.1, 1.1), agent.kill) for agent in agents]
        for timer in timers:
            timer.start()
        yield
        for timer, agent in zip(timers, agents):
            timer.join()
            agent.start()

    def run(self):
        with contextlib.ExitStack() as ends:
            def begin(rotator):
                rotator.open()
                ends.callback(rotator.close)
            self.all(begin)
            say(f"{len(self.rotators)} rotators are ready")
            self.first_lines_arrive()
            for _ in range(2):
                self.round()
            for agent in self.agents("stopped"):
                agent.stop(30)
            for _ in range(MISSED):
                with self.killing():
                    self.round()
            for agent in self.agents("stopped"):
                agent.start()
            time.sleep(1.5)
            self.in_a_row()
            self.round()
            for agent in self.agents("first start"):
                agent.start()
        follower.settle(self.followers, 120)
        for each in self.followers:
            each.agent.check_running()
        found = self.judged()
        for rotator in self.rotators:
            if isinstance(rotator, docker.Docker):
                rotator.end()
        return found

    def judged(self):
        """{(mode, path): {rotator's name: Verdict}}."""
        kept = {each.name: each.kept() for each in self.rotators}
        found = {}
        for each in self.followers:
            written = {one.name: one.expected(each.path) for one in self.rotators}
            if each.mode == "first start":  # That is about what it finds.
                written = {name: [line for line in lines if line in kept[name]]
                           for name, lines in written.items()}
            found[each.mode, each.path] = each.verdicts(written, kept)
        return found


def rows(rotators, found):
    """The table's cells: [name, up exact, up glob, stopped exact, ...]."""
    return [[rotator.name] + [found[column][rotator.name].text()
                              if rotator.name in found.get(column, {}) else "-"
                              for column in COLUMNS] for rotator in rotators]


def markdown(table):
    head = ["rotator"] + [f"{mode}, {path}" for mode, path in COLUMNS]
    lines = [head, ["---"] * len(head), *table]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def write_table(text):
    path = ROOT / "docs" / "limits.md"
    document = path.read_text(encoding="utf-8")
    fresh = re.sub(r"(?m)^\| rotator \|.*\n(?:\|.*\n)+", lambda _: text, document)
    check(fresh != document or text in document, "docs/limits.md has no table of rotators")
    path.write_text(fresh, encoding="utf-8")


def chosen(options):
    kinds = (*SHORT, *LONG)
    if options.names:
        kinds = [kind for kind in kinds if kind.name.startswith(tuple(options.names))]
        check(kinds, f"no rotator's name begins with {' or '.join(options.names)}")
        return kinds
    return kinds if options.all or harness.LONG else [each for each in SHORT if each not in FAILING]


def test(lab):
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    zoo = Zoo(lab, chosen(options))
    found = zoo.run()
    table = rows(zoo.rotators, found)
    print(markdown(table), flush=True)
    failed = 0
    for (mode, path), verdicts in found.items():
        for name, each in verdicts.items():
            if each.failed:
                failed += 1
                say(f"{name}, {mode}, {path}: {each}")
    if options.write:
        write_table(markdown(table))
    check(not failed, f"{failed} cells failed")


if __name__ == "__main__":
    harness.main(test)
