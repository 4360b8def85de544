"""Ways to rotate a file, each a few lines of Python: for random sequences of them.

A scheme rotates `log` (pathlib.Path) and calls `reopen` when the application is told to change to
the new file. It may destroy lines, as its model in the world does.
"""

import bz2
import gzip
import lzma
import os
import pathlib
import shutil


def numbers(log, pattern):
    """The rotated files by their numbers: {number: path}; `pattern`: app.log.{} or app.{}.log."""
    head, tail = pattern.split("{}")
    found = {}
    for path in log.parent.iterdir():
        middle = path.name[len(head):len(path.name) - len(tail) or None]
        if path.name.startswith(head) and path.name.endswith(tail) and middle.isdigit():
            found[int(middle)] = path
    return found


class Scheme:
    """Thread: one. `keep` rotated files stay."""

    current = "app.log"  # The log's name.

    def __init__(self, random, log):
        self.log, self.random = log, random
        self.keep = random.choice((1, 2, 5, 30))
        self.serial = 0

    def rotate(self, reopen):
        raise NotImplementedError

    def sibling(self, name):
        return self.log.with_name(name)


class Descending(Scheme):
    """app.log.1 is the newest (logrotate, log4j 1, Python)."""

    pattern = "app.log.{}"

    def shift(self):
        found = numbers(self.log, self.pattern)
        for number in sorted(found, reverse=True):
            if number >= self.keep:
                found[number].unlink()
            else:
                found[number].rename(self.sibling(self.pattern.format(number + 1)))
        return self.sibling(self.pattern.format(1))

    def rotate(self, reopen):
        self.log.rename(self.shift())
        reopen()


class BeforeExtension(Descending):
    """app.1.log is the newest."""
    pattern = "app.{}.log"


class Ascending(Scheme):
    """app.log.1 is the oldest (log4j2, JVM). Beyond `keep`, all names move down."""

    pattern = "app.log.{}"

    def rotate(self, reopen):
        found = numbers(self.log, self.pattern)
        highest = max(found, default=0)
        if highest >= self.keep:
            found[min(found)].unlink()
            for number in sorted(found)[1:]:
                found[number].rename(self.sibling(self.pattern.format(number - 1)))
            highest -= 1
        self.log.rename(self.sibling(self.pattern.format(highest + 1)))
        reopen()


class AscendingBeforeExtension(Ascending):
    """app.1.log is the oldest (logback within a day)."""
    pattern = "app.{}.log"


class Dated(Scheme):
    """app.log-20261129-... (dateext), the oldest deleted."""

    def rotate(self, reopen):
        self.serial += 1
        self.log.rename(self.sibling(f"app.log-20261129-{self.serial:06d}"))
        reopen()
        for path in sorted(self.log.parent.glob("app.log-*"))[:-self.keep]:
            path.unlink()


class Tai(Dated):
    """@4000....s, as supervisors' loggers name them."""

    current = "current"

    def rotate(self, reopen):
        self.serial += 1
        self.log.rename(self.sibling(f"@40000000674c{self.serial:012x}.s"))
        reopen()
        for path in sorted(self.log.parent.glob("@*"))[:-self.keep]:
            path.unlink()


class Compressed(Descending):
    """Each file is compressed as soon as it is rotated, by one of four programs' formats."""

    def __init__(self, random, log):
        super().__init__(random, log)
        self.suffix, self.opener = random.choice(
            ((".gz", gzip.open), (".bz2", bz2.open), (".xz", lzma.open)))
        self.pattern = "app.log.{}" + self.suffix

    def rotate(self, reopen):
        plain = self.sibling("app.log.1")
        target = self.shift()
        self.log.rename(plain)
        reopen()
        with open(plain, "rb") as source, self.opener(target, "wb") as compressed:
            shutil.copyfileobj(source, compressed)
        plain.unlink()


class CopyTruncate(Descending):
    """The copy is app.log.1, the file stays."""

    def rotate(self, reopen):
        shutil.copyfile(self.log, self.shift())
        if self.random.random() < 0.3:
            reopen()  # The application writes on between copy and truncation: its lines are gone.
        os.truncate(self.log, 0)


class CopyTruncateBeforeExtension(CopyTruncate):
    pattern = "app.{}.log"


class TurnedLink(Scheme):
    """app.log is a symlink to the newest of app-1.log, app-2.log (cronolog, glog)."""

    def rotate(self, reopen):
        self.serial += 1
        target = self.sibling(f"app-{self.serial:06d}.log")
        target.touch()
        if self.serial == 1 and not self.log.is_symlink():
            self.log.rename(self.sibling("app-000000.log"))
        link = self.sibling("app.link")
        link.unlink(missing_ok=True)
        link.symlink_to(target.name)
        link.rename(self.log)
        reopen()
        for path in sorted(self.log.parent.glob("app-*.log"))[:-self.keep - 1]:
            path.unlink()


class Deleted(Scheme):
    """The file is removed, and another one made."""

    def rotate(self, reopen):
        self.log.unlink()
        reopen()


class Truncated(Scheme):
    """`: > app.log`."""

    def rotate(self, reopen):
        os.truncate(self.log, 0)


class Grown(Scheme):
    """A mirror's way: a copy takes the file's place by a rename, and grows there. Nobody writes to
    the file before: its lines come from elsewhere."""

    def rotate(self, reopen):
        fresh = self.sibling(".app.log.fresh")
        shutil.copyfile(self.log, fresh)
        fresh.rename(self.log)
        reopen(is_written=False)


class Deployed(Scheme):
    """The directory above is renamed, and a new one takes its place."""

    def rotate(self, reopen):
        self.serial += 1
        folder = self.log.parent
        folder.rename(folder.with_name(f"{folder.name}-before-{self.serial}"))
        folder.mkdir()
        reopen()
        old = pathlib.Path(f"{folder}-before-{self.serial - self.keep}")
        if old.exists():
            shutil.rmtree(old)


ALL = (Descending, BeforeExtension, Ascending, AscendingBeforeExtension, Dated, Tai, Compressed,
       CopyTruncate, CopyTruncateBeforeExtension, TurnedLink, Deleted, Truncated, Grown, Deployed)
