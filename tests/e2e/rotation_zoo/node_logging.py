"""winston, its daily-rotate-file, and pm2-logrotate (from npm)."""

import functools
import os
import select
import subprocess
import threading

import harness
from rotation_zoo.rotator import AskedRotator, FileRotator

HERE = harness.ROOT / "tests" / "e2e" / "rotation_zoo"


fetching = threading.Lock()


def environment():
    """Where node finds what it requires."""
    with fetching:
        return fetched()


@functools.cache
def fetched():
    modules = harness.run(HERE / "fetch.sh", "node", timeout=600).stdout.strip()
    return {**os.environ, "NODE_PATH": f"{modules}/node_modules"}


class Winston(AskedRotator):
    kind = ""

    def command(self):
        return ["env", f"NODE_PATH={environment()['NODE_PATH']}", "node", HERE / "winston.js",
                self.kind, self.folder]

    def put(self, texts):
        super().put(texts)  # Which answers before the lines are on disk.
        last = texts[-1] + "\n"
        harness.wait_until(lambda: last in self.text(), 20, f"{self.name} writes its lines")

    def text(self):
        files = [path for path in self.folder.glob("app*") if path.is_file()]
        return "".join(path.read_text() for path in files)

    def written(self):
        """What winston itself never wrote is nobody's loss."""
        return sorted(set(self.text().splitlines()))


class Rising(Winston):
    """app.log, then app1.log, app2.log: the highest number is the newest."""
    name = "winston-maxsize"
    kind = "rising"
    current = None
    glob = "app*.log"


class Tailable(Winston):
    """app.log stays the newest, app1.log is the one before it."""
    name = "winston-tailable"
    kind = "tailable"
    glob = "app*.log"


class Daily(Winston):
    """app-DATE.log, then app-DATE.log.1 and so on; `current.log` is a symlink to the newest."""
    name = "winston-daily-rotate-file"
    kind = "daily"
    current = "current.log"
    glob = "app-*.log*"


class Pm2(FileRotator):
    """Copies and truncates; the copy is named for the second."""
    name = "pm2-logrotate"
    compress = "false"
    glob = "*.log"
    rapid = False

    def open(self):
        super().open()
        with open(self.folder.with_suffix(".stderr"), "ab") as trouble:
            self.process = subprocess.Popen(
                ["node", HERE / "pm2_logrotate.js", self.folder / self.current, self.compress],
                env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=trouble)
        self.ask()

    def ask(self):
        """Waits for the answer; the application writes on meanwhile."""
        while not select.select([self.process.stdout], [], [], 0.001)[0]:
            if self.lines:
                self.write(1)
        if self.process.stdout.readline() != b"ok\n":
            trouble = self.folder.with_suffix(".stderr").read_text(errors="replace")
            raise harness.Failure(f"{self.name} ended: {trouble[-1500:]}")

    def turn(self):
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        self.ask()

    def close(self):
        super().close()
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


class Pm2Compressed(Pm2):
    name = "pm2-logrotate-compress"
    compress = "true"
    glob = "*.log*"


ALL = (Rising, Tailable, Daily, Pm2, Pm2Compressed)
