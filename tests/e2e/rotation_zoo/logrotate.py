"""logrotate, by its options. The application keeps its file open until logrotate's postrotate
script tells it to reopen it."""

import subprocess
import time

from rotation_zoo.rotator import FileRotator

HOOK = """
  postrotate
    touch {0}
    while [ -e {0} ]; do sleep 0.005; done
  endscript
"""


class Logrotate(FileRotator):
    options = "create"
    keep = 30

    def open(self):
        self.side = self.folder.parent / f"{self.name}-logrotate"
        self.side.mkdir(exist_ok=True)
        self.asked = self.side / "reopen"
        hook = "" if "copytruncate" in self.options else HOOK.format(self.asked)
        (self.side / "conf").write_text(f"{self.folder}/app.log {{\n  rotate {self.keep}\n  " +
                                        self.options.replace(", ", "\n  ") + f"\n{hook}}}\n")
        super().open()

    def turn(self):
        with subprocess.Popen(["logrotate", "-f", "-s", self.side / "state", self.side / "conf"],
                              stdin=subprocess.DEVNULL) as process:
            while process.poll() is None:
                self.meanwhile()
        if process.returncode != 0:
            raise RuntimeError(f"{self.name}: logrotate ended with {process.returncode}")

    def meanwhile(self):
        if self.asked.exists():
            self.reopen()
            self.asked.unlink()
        time.sleep(0.002)


class CopyTruncate(Logrotate):
    """The application writes on. What it writes between the copy and the truncation is gone."""

    def meanwhile(self):
        self.write(1)
        time.sleep(0.0005)


class Create(Logrotate):
    name = "logrotate-create"


class CreateKeepsOne(Logrotate):
    """Deletes what an agent that is down has not read."""
    name = "logrotate-rotate-1"
    keep = 1


class CopyTruncated(CopyTruncate):
    name = "logrotate-copytruncate"
    options = "copytruncate"


class CopyTruncatedExtension(CopyTruncate):
    name = "logrotate-copytruncate-extension"
    options = "copytruncate, extension .log"
    glob = "*.log"


class CopyTruncatedCompressed(CopyTruncate):
    name = "logrotate-copytruncate-compress"
    options = "copytruncate, compress"


class Compress(Logrotate):
    name = "logrotate-compress"
    options = "create, compress"


class DelayCompress(Logrotate):
    name = "logrotate-delaycompress"
    options = "create, compress, delaycompress"


class DateExt(Logrotate):
    name = "logrotate-dateext"
    options = "create, dateext, dateformat -%Y%m%d-%s"
    rapid = False


class DateExtCompress(Logrotate):
    name = "logrotate-dateext-compress"
    options = "create, dateext, dateformat -%Y%m%d-%s, compress"
    rapid = False


class Extension(Logrotate):
    name = "logrotate-extension"
    options = "create, extension .log"
    glob = "*.log"


class OldDir(Logrotate):
    name = "logrotate-olddir"
    options = "create, olddir old, createolddir 755 root root"
    glob = "**/app.log*"


class Shred(Logrotate):
    name = "logrotate-shred"
    options = "create, shred, shredcycles 1"
    keep = 6


ALL = (Create, CreateKeepsOne, CopyTruncated, CopyTruncatedExtension, CopyTruncatedCompressed,
       Compress, DelayCompress, DateExt, DateExtCompress, Extension, OldDir, Shred)
