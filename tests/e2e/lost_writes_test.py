#!/usr/bin/env python3
"""Goal: wherever the power fails, the checkpoint holds each PREPARE whose offset was sent to Kafka
before: recovery never finds Kafka ahead of the disk. This holds from the first start on, which
makes the state directory, and while the database is rewritten after a failed fsync.
Method: strace records a real agent that ships to a real Kafka. The trace is replayed on a disk that
loses what was not synced (lossy_disk.py). After each change everything unsynced may be
lost: changes of names in every combination, writes or their sectors at random. The rest is opened,
and must contain the newest digest that had been sent by then. If the agent reports that this
transaction was aborted, its number is used again, so the digest before it may be there instead.
"""

import os
import re
import shutil
import sqlite3
import tempfile
import time

import harness
from harness import audit, check, check_clean, numbered_lines, run, say, wait_for_records
from harness import wait_until
from lossy_disk import SECTORS, Disk, calls, strace

DIGEST = re.compile(rb"(\d+):[0-9a-f]{16}:[0-9a-f]{32}")
SOURCES = 40
ROUNDS = 60  # In each of the agent's lives one line more of each source, time after time.
NAMES_MAX = 6  # So many changes of names are lost and kept in every combination.
CHANCES = 30 if harness.LONG else 3  # Random losses after each change.


def digests_in(text):
    """Those in a request; the byte before one is its length, which may look like a digit."""
    for found in DIGEST.finditer(text):
        digest = found.group(0)
        after = len(digest) - 1
        yield (digest[1:] if digest[0] in (after, after + 1) else digest).decode()


class Checker:
    """Opens what a power loss left, each different image once."""

    def __init__(self, folder, chance):
        self.folder, self.chance = folder, chance
        self.seen = set()
        self.opened = self.proven = 0

    def check(self, disk, digests, where):
        """`digests`: one of them must be known; none before the first was sent."""
        names = disk.unsynced_names()
        for mask in range(1 << min(names, NAMES_MAX)):
            for kept in (False, True):
                kept_names = iter([mask >> i & 1 == 1 for i in range(names)])
                image = disk.image(lambda: kept, lambda: next(kept_names, False))
                self._open(image, digests, f"{where}, names {mask:b}, bytes kept: {kept}")
        for _ in range(CHANCES):
            share = self.chance.random()
            sector = self.chance.choice((None,) + SECTORS)
            some = lambda: self.chance.random() < share
            self._open(disk.image(some, some, sector), digests, where + ", some unsynced lost")

    def _open(self, image, wanted, where):
        image = {path: data for path, data in image.items() if not path.endswith("-shm")}
        key = hash((wanted, tuple(sorted((path, hash(data)) for path, data in image.items()))))
        if key in self.seen:
            return
        self.seen.add(key)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder)
        for path, data in sorted(image.items()):
            if data is None:
                os.makedirs(os.path.join(self.folder, path), exist_ok=True)
        for path, data in image.items():
            if data is not None:
                with open(os.path.join(self.folder, path), "wb") as file:
                    file.write(data)
        self.opened += 1
        digests = self._digests(os.path.join(self.folder, "state"), where)
        if wanted:
            self.proven += 1
            check(not set(wanted).isdisjoint(digests),
                  f"{where}: Kafka may hold {wanted}, but the checkpoint knows {digests}; "
                  f"files: { {path: data and len(data) for path, data in image.items()} }")

    def _digests(self, state, where):
        path = os.path.join(state, "checkpoint.db")
        if not os.path.exists(path):
            check(not os.path.exists(path + ".rebuilt"), f"{where}: the database is gone")
            return []
        if os.path.exists(path + ".rebuilt"):
            # Only the agent knows how to go on with a rebuild; any writing command does.
            done = run(harness.BINARY, "checkpoint", "forget", "--gone", "--state-dir", state,
                       ok=False)
            check(not os.path.exists(path + ".rebuilt"), f"{where}: {done.stderr}")
        database = sqlite3.connect(path)
        try:
            if database.execute("PRAGMA quick_check").fetchone() != ("ok",):
                raise sqlite3.DatabaseError("damaged")
            if not database.execute("SELECT 1 FROM sqlite_schema WHERE name='batch'").fetchone():
                return []
            return [row[0] for row in database.execute("SELECT digest FROM batch")]
        except sqlite3.DatabaseError as error:
            raise harness.Failure(f"{where}: the checkpoint cannot be opened: {error}") from None
        finally:
            database.close()


def tracer_of(pid):
    """The process that traces `pid`, 0 while none does."""
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        return int(re.search(r"TracerPid:\s+(\d+)", status.read()).group(1))


def write(files, first):
    for number in range(first, first + ROUNDS):
        for _, path in files:
            numbered_lines(path, number, 1)
        time.sleep(0.1)


class Life:
    """One agent on one disk: started traced, as often as wanted, and each trace replayed."""

    def __init__(self, lab, kafka):
        folder = lab.dir / "disk"
        folder.mkdir()
        self.files = [(f"s{i:02d}", lab.dir / f"s{i:02d}.log") for i in range(SOURCES)]
        self.agent = lab.agent(kafka.brokers, sources=dict(self.files), flags=["--linger-ms", 20],
                               state=folder / "state")
        self.agent.state_dir.rmdir()  # Its own to make.
        self.disk = Disk(folder)
        self.trace, self.tracer = lab.dir / "trace", 0
        memory = tempfile.mkdtemp(prefix="ls-image-",
                                  dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
        lab.closers.append(lambda: shutil.rmtree(memory, ignore_errors=True))
        self.checker = Checker(os.path.join(memory, "disk"), harness.seeded())
        self.sent = []  # Digests, oldest first.

    def start(self, *more):
        self.agent.wrap = strace(self.trace, *more)
        self.agent.start()
        self.tracer = wait_until(lambda: tracer_of(self.agent.process.pid), 10, "strace begins")

    def write(self, first):
        for number in range(first, first + ROUNDS):
            for _, path in self.files:
                numbered_lines(path, number, 1)
            time.sleep(0.1)
        self.agent.check_running()

    def wanted(self, aborted):
        """What the checkpoint must know: the digest that was sent last, or the one before it."""
        newest = self.sent[-1:]
        numbers = [each.split(":")[0] for each in self.sent]
        # A number that was aborted once is sent twice, and counts then.
        if newest and numbers.count(numbers[-1]) <= aborted.count(numbers[-1]):
            newest += [digest for digest, number in zip(self.sent, numbers)
                       if number != numbers[-1]][-1:]
        return tuple(newest)

    def replay(self):
        wait_until(lambda: not os.path.exists(f"/proc/{self.tracer}"), 20, "strace ends")
        self.disk.new_process()
        aborted = re.findall(r"Transaction (\d+) was aborted", self.agent.log())
        version = None
        with open(self.trace, encoding="ascii") as lines:
            for number, call in enumerate(calls(lines)):
                self.disk.sent = []
                self.disk.take(call)
                for text in self.disk.sent:
                    for digest in digests_in(text):
                        if digest not in self.sent:
                            self.sent.append(digest)
                        version = None
                if self.disk.version != version:
                    version = self.disk.version
                    self.checker.check(self.disk, self.wanted(aborted),
                                       f"call {number} ({call.name})")
        self.trace.unlink()
        say(f"so far {len(self.sent)} transactions, {self.disk.writes} writes, {self.disk.syncs} "
            f"syncs, {self.disk.renames} renames; {self.checker.opened} different images opened, "
            f"{self.checker.proven} of them behind a commit")


def test(lab):
    kafka = lab.shared_kafka()
    kafka.topic(harness.LOGS, 4)
    life = Life(lab, kafka)
    lives = 0
    # A slow machine ships, and syncs, less often.
    while len(life.sent) < 10 or life.checker.proven <= 100:
        check(lives < 5, "too little was recorded")
        life.start()
        life.write(lives * ROUNDS)
        life.agent.kill()
        life.replay()
        lives += 1
    life.start("-e", "inject=fdatasync:error=EIO:when=25")
    while "Rebuilding the checkpoint database" not in life.agent.log():
        check(lives < 15, "the failed fsync was not met")
        life.write(lives * ROUNDS)
        lives += 1
    lines = lives * ROUNDS * SOURCES
    wait_for_records(kafka.brokers, lines, 120)
    life.agent.stop(20)
    check_clean(audit(kafka.brokers, files=life.files), lines, SOURCES, SOURCES)
    life.replay()
    check(len(life.sent) >= 20 and life.disk.renames >= 2, "no rebuild was recorded")


if __name__ == "__main__":
    harness.main(test, 3000 if harness.LONG else 900)
