"""The load while everything breaks: files of the host that rotate, and containers of a dockerd.

Each log knows the exact bytes that its stream must have when the writing is over.
"""

import collections
import itertools
import pathlib
import random
import shutil
import threading
import time

import harness
from harness import Failure, log_line

KEPT = 100  # Generations: the oldest is deleted ten minutes after its last line.


class Log:
    """A source that must arrive whole: `expected` is a file with all that was written to it."""

    def __init__(self, name, path, expected):
        self.name, self.path = name, pathlib.Path(path)  # As the record names it.
        self.expected = pathlib.Path(expected)

    def lines(self):
        return self.expected.read_bytes().count(b"\n")


class HostLog(Log):
    """A file of the host with its own way to rotate."""

    def __init__(self, folder, name, style, seed):
        folder.mkdir(parents=True)
        super().__init__(name, folder / "app.log", folder.parent / f"{name}.expected")
        self.style, self.random = style, random.Random(f"{seed}/{name}")
        self.written = self.rotations = 0
        self.next_write = self.next_rotation = 0.0
        self.copy = open(self.expected, "wb", buffering=0)
        self.file = open(self.path, "ab", buffering=0)
        self.old = []
        self.rest = b""

    def step(self, now):
        """Writes and rotates when it is time; returns when it wants to be called again."""
        if now >= self.next_write:
            count = self.random.randrange(1, 60)
            text = "".join(log_line(self.written + i, self.random, f"{self.name} ")
                           for i in range(count)).encode()
            self.written += count
            # Often half a line stands there for a while.
            cut = self.random.randrange(len(text)) if self.random.random() < 0.3 else len(text)
            self.put(self.rest + text[:cut])
            self.rest = text[cut:]
            self.next_write = now + self.random.expovariate(1 / 0.4)
        if self.style != "plain" and now >= self.next_rotation:
            if self.next_rotation > 0:
                self.rotate()
            self.next_rotation = now + self.random.uniform(1, 12)
        return self.next_write

    def put(self, text):
        self.file.write(text)
        self.copy.write(text)

    def rotate(self):
        self.put(self.rest)
        self.rest = b""
        if self.style in ("truncated", "copied"):
            if self.style == "copied":
                self.shift()
                shutil.copyfile(self.path, self.path.with_name("app.log.1"))
            self.file.truncate(0)
        else:
            getattr(self, self.style)()
            if self.random.random() < 0.3:  # A program that has not noticed yet.
                self.put(f"{self.name} {self.written:08d} to the old file\n".encode())
                self.written += 1
            self.file.close()
            self.file = open(self.path, "ab", buffering=0)
        self.rotations += 1

    def shift(self):
        """app.log.1 -> app.log.2"""
        self.path.with_name(f"app.log.{KEPT}").unlink(missing_ok=True)
        for i in range(KEPT - 1, 0, -1):
            older = self.path.with_name(f"app.log.{i}")
            if older.exists():
                older.rename(self.path.with_name(f"app.log.{i + 1}"))

    def numbered(self):
        self.shift()
        self.path.rename(self.path.with_name("app.log.1"))

    def dated(self):
        """app.log -> app.log-20261121-000017"""
        older = self.path.with_name(f"app.log-20261121-{self.rotations:06d}")
        self.path.rename(older)
        self.old.append(older)
        if len(self.old) > KEPT:
            self.old.pop(0).unlink()

    def finish(self):
        self.put(self.rest)
        self.file.close()
        self.copy.close()


class Load(threading.Thread):
    """One thread that drives many logs of the host."""

    def __init__(self, logs):
        super().__init__(daemon=True)
        self.logs, self.quit, self.trouble = logs, threading.Event(), None

    def run(self):
        try:
            while not self.quit.is_set():
                wake = min(log.step(time.monotonic()) for log in self.logs)
                self.quit.wait(max(0.0, min(wake - time.monotonic(), 0.2)))
        except OSError as trouble:
            self.trouble = trouble

    def stop(self):
        self.quit.set()
        self.join()
        for log in self.logs:
            log.finish()


class Containers(threading.Thread):
    """Containers of two kinds, in a dockerd that dies now and then.

    Those that stay write to their own file and to stdout, end, and start again. Those of --rm write
    and are gone. `calm` is held while a container is made and started: what dockerd forgets in
    these moments was never there for anybody.
    """

    def __init__(self, docker, seed, directory):
        super().__init__(daemon=True)
        self.docker, self.directory = docker, directory
        self.random = random.Random(f"{seed}/containers")
        self.quit, self.calm, self.trouble = threading.Event(), threading.Lock(), None
        self.counts = collections.Counter()
        self.staying, self.gone = [], {}
        self.numbers = itertools.count()
        self.witness = directory / "witness"
        self.witness.mkdir()

    def create_staying(self, count):
        """A container that, each time it starts, goes on with its numbers where it stopped."""
        shell = ('i=$(cat /n 2>/dev/null || echo 0); end=$((i + 20 + i % 300));'
                 ' while [ $i -lt $end ]; do echo "$NAME $i" >>/app/logs/a.log;'
                 ' echo "$NAME out $i"; i=$((i+1)); [ $((i % 10)) = 0 ] && usleep 50000; done;'
                 ' echo $i >/n')
        for i in range(count):
            name = f"stay{i}"
            self.docker("create", "--network", "none", "--name", name, "-e", f"NAME={name}",
                        "-e", f"LONGSHORE_LOGS_{name}=/app/logs/a.log",
                        "-e", f"LONGSHORE_LOGS_{name}_topic={harness.LOGS}",
                        "-e", f"LONGSHORE_LOGS_{name}out=stdout",
                        "-e", f"LONGSHORE_LOGS_{name}out_topic={harness.LOGS}",
                        harness.IMAGE, "sh", "-c", shell)
            self.staying.append(name)

    def run(self):
        try:
            while not self.quit.wait(self.random.uniform(0, 0.8)):
                if self.random.random() < 0.5:
                    with self.calm:
                        self.docker("start", self.random.choice(self.staying), ok=False)
                    self.counts["starts"] += 1
                else:
                    self.run_short()
        except (Failure, OSError) as trouble:
            self.trouble = trouble

    def run_short(self):
        """A container of --rm. That it wrote its last line is told by a file of the host. It lives
        a moment longer: an agent that gets no processor misses one of 20 ms, and containers_test
        asks for those."""
        name = f"gone{next(self.numbers)}"
        lines = self.random.choice((1, 20, 400))
        pause = self.random.choice(("", "usleep 2000;", "usleep 20000;"))
        shell = (f'i=0; while [ $i -lt {lines} ]; do echo "{name} $i" >>/app/logs/a.log;'
                 f' i=$((i+1)); {pause} done; touch /witness/{name}; usleep 300000')
        with self.calm:
            self.docker("run", "-d", "--rm", "--network", "none", "--name", name,
                        "-v", f"{self.witness}:/witness",
                        "-e", f"LONGSHORE_LOGS_{name}=/app/logs/a.log",
                        "-e", f"LONGSHORE_LOGS_{name}_topic=gone",
                        harness.IMAGE, "sh", "-c", shell)
            time.sleep(0.3)
        self.gone[name] = lines
        self.counts["of --rm"] += 1

    def stop(self):
        self.quit.set()
        self.join()
        harness.wait_until(lambda: not self.docker("ps", "-q"), 120, "the containers' end")

    def complete(self):
        """Containers of --rm that wrote their last line; dockerd's death may have ended others."""
        return [name for name in self.gone if (self.witness / name).exists()]

    def logs(self):
        """The staying containers' streams, as the files of the ended containers have them."""
        found = []
        for name in self.staying:
            for key, template in ((name, "{{.GraphDriver.Data.UpperDir}}"),
                                  (f"{name}out", "{{.LogPath}}")):
                where = self.docker.inspect(name, template)
                if not where:
                    continue  # It was never started.
                path = pathlib.Path(where)
                expected = self.directory / f"{key}.expected"
                if key == name:
                    path = path / "app/logs/a.log"
                    text = path.read_bytes() if path.exists() else b""
                else:
                    text = harness.unwrapped(path)
                expected.write_bytes(text)
                if text:
                    found.append(Log(key, "/app/logs/a.log", expected))
        return found
