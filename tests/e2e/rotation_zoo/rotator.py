"""A rotator: a real program or library that writes one log and rotates it in its own way.

    write() -> put(lines) -> the tool's files in `folder` <- agents that read them
    turn()    makes the tool rotate

Lines are numbered, and no two are equal. A rotator knows nothing of agents: several follow the
same files at once.
"""

import gzip
import os
import select
import signal
import subprocess
import time

import harness


class Rotator:
    """Thread: one at a time."""

    name = ""
    current = "app.log"  # What an exact path names; None if the tool has no name that stays.
    glob = "app.log*"    # Names the rotated files too.
    rapid = True         # Its names differ however quickly it rotates.

    def __init__(self, base):
        self.folder = base / self.name
        self.folder.mkdir(parents=True)
        self.lines = []
        self.history = set()  # Lines that were rotated before the first agent's first start.

    def agents_start(self):
        kept = self.kept()
        if kept and self.current:
            self.history = kept - set((self.folder / self.current).read_text().splitlines())

    def open(self):
        """Starts the tool."""

    def close(self):
        """Ends it; its files stay."""

    def put(self, texts):
        """Has the tool write lines."""
        raise NotImplementedError

    def turn(self):
        """Rotates, unless `put` does that by size."""

    def fresh(self, count):
        """The next lines, which the caller writes."""
        first = len(self.lines)
        texts = [f"{n:06d} {self.name} {'x' * (n * 7 % 61)}" for n in range(first, first + count)]
        self.lines += texts
        return texts

    def write(self, count):
        self.put(self.fresh(count))

    def written(self):
        """All lines, oldest first, as a record's message shows them."""
        return self.lines

    def expected(self, path):
        """Those of them that an agent with the exact path, or the glob, collects."""
        return [line for line in self.written() if path == "glob" or line not in self.history]

    def kept(self):
        """The lines that are in its files."""
        return lines_below(self.folder)


def lines_below(folder):
    """The lines of all files, compressed or not."""
    lines = set()
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            opener = gzip.open if path.suffix == ".gz" else open
            with opener(path, "rb") as file:
                lines.update(file.read().decode(errors="replace").splitlines())
    return lines


class FileRotator(Rotator):
    """This process writes the file, as an application does that holds it open."""

    def open(self):
        self.file = os.open(self.folder / self.current, os.O_WRONLY | os.O_CREAT | os.O_APPEND,
                            0o644)

    def close(self):
        os.close(self.file)

    def put(self, texts):
        for text in texts:
            os.write(self.file, text.encode() + b"\n")

    def reopen(self):
        """As on a signal: what was on its way still goes to the old file."""
        self.write(3)
        self.close()
        self.open()


class PipeRotator(Rotator):
    """A program that takes lines from its stdin."""

    def command(self):
        raise NotImplementedError

    def open(self):
        with open(self.folder.with_suffix(".stderr"), "ab") as trouble:
            self.process = subprocess.Popen(
                [str(word) for word in self.command()], cwd=self.folder, bufsize=0,
                stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=trouble)

    def put(self, texts):
        self.process.stdin.write("".join(text + "\n" for text in texts).encode())

    def close(self):
        self.process.stdin.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class AskedRotator(PipeRotator):
    """A program that is told on stdin what to do, and answers each line with one."""

    def open(self):
        with open(self.folder.with_suffix(".stderr"), "ab") as trouble:
            self.process = subprocess.Popen(
                [str(word) for word in self.command()], cwd=self.folder, bufsize=0,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=trouble)
        self.answer()

    def answer(self):
        ready = select.select([self.process.stdout], [], [], 60 * harness.SLOW)[0]
        said = self.process.stdout.readline().decode().strip() if ready else "no answer"
        if said != "ok":
            trouble = self.folder.with_suffix(".stderr").read_text(errors="replace")
            raise harness.Failure(f"{self.name}: {said!r}: {trouble[-1500:]}")

    def put(self, texts):
        super().put([f"{len(texts)}", *texts])
        self.answer()

    def close(self):
        super().close()
        self.process.stdout.close()


class SignalledRotator(PipeRotator):
    """A logger of a supervisor: `current`, and rotated files named for the time to the ns. SIGALRM
    makes it rotate."""

    current = "current"
    glob = "[c@]*"  # Not its lock and its state.

    def put(self, texts):
        super().put(texts)
        self.arrived(texts[-1])

    def arrived(self, text):
        last = text.encode() + b"\n"
        harness.wait_until(lambda: any(last in path.read_bytes() for path in self.files()), 20,
                           f"{self.name} writes its lines", pause=0.005)

    def files(self):
        names = ["current", *(name for name in os.listdir(self.folder) if name.startswith("@"))]
        return [self.folder / name for name in names if (self.folder / name).exists()]

    def turn(self):
        before = self.inode()
        self.process.send_signal(signal.SIGALRM)
        harness.wait_until(lambda: self.inode() not in (before, None), 20, f"{self.name} rotates",
                           pause=0.005)

    def inode(self):
        try:
            return os.stat(self.folder / "current").st_ino
        except FileNotFoundError:
            return None


def next_second():
    """For names that hold seconds."""
    time.sleep(1 - time.time() % 1 + 0.01)
