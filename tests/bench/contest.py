"""What the race and the curves share: corpora, contestants, and how one is measured.

CPU seconds are of the contestant's process alone (all its threads, user and system), memory is its
peak (VmHWM), the clock runs from its start until the last line is in Kafka. A contestant gets a
topic and a directory of its own in each run; what arrived is read back and counted.
"""

import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time
import tomllib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))

import docker_api  # noqa: E402
import harness  # noqa: E402
from harness import check, run, say  # noqa: E402

TOOLS = pathlib.Path(harness.BINARY).resolve().parent
PEERS = pathlib.Path(__file__).resolve().parent / "peers"
TICKS = os.sysconf("SC_CLK_TCK")
PARTITIONS = 8


def tool(name, *words, timeout=900):
    """Runs one of the programs beside the agent's binary that answer in JSON, or not at all."""
    said = run(TOOLS / name, *words, timeout=timeout).stdout.splitlines()
    return json.loads(said[-1]) if said else {}  # Warnings of the client stand before.


class Corpus:
    """Files that corpus.cc wrote; `lines` and `bytes` of all of them."""

    def __init__(self, lab, name, kind, files, megabytes, *more):
        self.dir = lab.dir / name
        self.dir.mkdir()
        found = tool("corpus", kind, self.dir, files, megabytes, *more)
        self.kind, self.files = kind, files
        self.lines, self.bytes = found["lines"], found["bytes"]
        say(f"{name}: {kind}, {files} files, {self.bytes / 1e6:.0f} MB, {self.lines} lines")

    def cache(self):
        """From the page cache in every run, while nothing is left to be written to the disk."""
        os.sync()
        for path in sorted(self.dir.iterdir()):
            with open(path, "rb", buffering=0) as file:
                while file.read(1 << 20):
                    pass

    def drop(self):
        shutil.rmtree(self.dir)


class Process:
    """A contestant while it runs."""

    def __init__(self, command, log_path, env=None):
        self.log_path = pathlib.Path(log_path)
        with open(log_path, "ab") as log:
            self.begin = time.monotonic()
            self.process = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env={**os.environ,
                                                                           **(env or {})})
        self.usage = None
        self.peak = 0.0

    def cpu(self):
        if self.usage:
            return self.usage.ru_utime + self.usage.ru_stime
        stat = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_mb(self):
        """What it ever had, as of now; ru_maxrss would begin with the size of its parent."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            return self.peak
        found = re.search(r"VmHWM:\s+(\d+)", status)  # Not of one that has just ended.
        self.peak = int(found[1]) / 1024 if found else self.peak
        return self.peak

    def wait(self):
        """Until it ends by itself; its seconds."""
        while os.waitid(os.P_PID, self.process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            self.peak_mb()
            time.sleep(0.02)
        seconds = time.monotonic() - self.begin
        _, status, self.usage = os.wait4(self.process.pid, 0)
        self.process.returncode = os.waitstatus_to_exitcode(status)
        check(self.process.returncode == 0, self.said(f"status {self.process.returncode}"))
        return seconds

    def said(self, what):
        words = self.log_path.read_text(errors="replace")
        return f"{self.process.args[0]}: {what}: {words[-1500:]}"

    def end(self):
        if self.process.returncode is not None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Longshore:
    """`binary`: another build of longshore, raced beside this one."""

    def __init__(self, delivery="exactly-once", form="raw", codec="none", flags=(), binary=None):
        self.delivery, self.form, self.codec = delivery, form, codec
        self.flags = [*flags]
        self.binary = binary or harness.BINARY
        self.name = f"longshore {delivery} {form} {codec}" + (f" ({binary})" if binary else "")
        self.once = True  # It can be told to end when all is shipped.
        self.own = True

    def takes(self, workload):
        return True

    def start(self, lab, contest, corpus, once):
        state = contest.dir / "state"
        state.mkdir(exist_ok=True)
        sources = [f"bench={corpus.dir}/*.log"]
        docker = "off"
        if corpus.kind == "docker":
            docker = contest.docker(lab, corpus, self.form)
            sources = []
        elif self.form == "raw":
            sources.append("bench_format=raw")
        words = ["agent", "--brokers", contest.brokers, "--topic", contest.topic, "--docker",
                 docker, "--state-dir", state, "--delivery", self.delivery, "--kafka",
                 f"compression.codec={self.codec}", *self.flags]
        for source in sources:
            words += ["--source", source]
        return Process([self.binary, *words, *(["--once"] if once else [])],
                       contest.dir / "log")


class Peer:
    """Another agent, described by peers/NAME.toml. In `command` and `config` @brokers@, @topic@,
    @codec@, @dir@ (its own), @root@ (where it was unpacked), @logs@ (the files' directory), @files@
    (a glob), @count@ (how many) and @file@ (the only one) are filled in."""

    def __init__(self, path, root, codec="none"):
        self.spec = tomllib.loads(path.read_text())
        self.root, self.codec = pathlib.Path(root), codec
        self.name = f"{path.stem} {codec}"
        self.once = self.spec["command"][0] == "kcat"
        self.own = False

    def takes(self, workload):
        return workload in self.spec["workloads"] and self.binary() is not None

    def start(self, _lab, contest, corpus, _once):
        values = {"brokers": contest.brokers, "topic": contest.topic, "codec": self.codec,
                  "dir": contest.dir, "root": self.root, "logs": corpus.dir,
                  "files": f"{corpus.dir}/*.log", "count": corpus.files,
                  "file": corpus.dir / "0000.log"}

        def fill(text):
            return re.sub(r"@(\w+)@", lambda m: str(values[m[1]]), text)
        if "config" in self.spec:
            # A version line of syslog-ng must stand first.
            (contest.dir / "config").write_text(fill(self.spec["config"]).lstrip())
        env = {"LD_LIBRARY_PATH": f"{self.root}/usr/lib/x86_64-linux-gnu:"
                                  f"{self.root}/lib/x86_64-linux-gnu:{self.root}/usr/lib/syslog-ng"}
        return Process([self.binary(), *map(fill, self.spec["command"][1:])], contest.dir / "log",
                       env)

    def binary(self):
        """The one that was unpacked, or else the machine's own; None: there is none."""
        name = self.spec["command"][0]
        unpacked = (self.root / folder / name for folder in ("usr/bin", "usr/sbin"))
        return next((path for path in unpacked if path.exists()), shutil.which(name))


class Contest:
    """One run of one contestant: a topic and a directory, gone afterwards."""

    counter = 0

    def __init__(self, lab, kafka, partitions=PARTITIONS):
        Contest.counter += 1
        self.topic = f"bench{Contest.counter}"
        self.kafka, self.brokers = kafka, kafka.brokers
        self.dir = lab.dir / self.topic
        self.dir.mkdir()
        self.partitions = partitions
        self.process = self.api = None
        tool("arrivals", "create", self.brokers, self.topic, partitions)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process:
            self.process.end()
        if self.api:
            self.api.close()
        tool("arrivals", "delete", self.brokers, self.topic)
        if not harness.KEEP:
            shutil.rmtree(self.dir)

    def docker(self, lab, corpus, form):
        self.api = docker_api.DockerApi(lab.dir / f"{self.topic}.sock",
                                        sorted(corpus.dir.iterdir()), form)
        return self.api.address

    def shipped(self, lab, contestant, corpus, away_s=0):
        """Everything that is there, to the end: the figures, and what arrived. With `away_s` Kafka
        is killed in the middle and stays away for as long."""
        corpus.cache()
        process = self.process = contestant.start(lab, self, corpus, True)
        if away_s:
            self.await_lines(corpus.lines // 5, 60)
            self.kafka.kill()
            time.sleep(away_s)
            check(process.process.poll() is None, process.said("ended while Kafka was away"))
            check(self.kafka.restart(), "Kafka does not come back")
        if contestant.once:
            seconds = process.wait()
        else:
            self.await_lines(corpus.lines, 600)
            seconds = time.monotonic() - process.begin
        found = {"mb_s": corpus.bytes / 1e6 / seconds,
                 "cpu_s_gb": process.cpu() / (corpus.bytes / 1e9), "peak_mb": process.peak_mb()}
        process.end()
        return {**found, **tool("arrivals", "check", self.brokers, self.topic, corpus.lines)}

    def await_lines(self, lines, seconds):
        """Fails at once when the contestant ends meanwhile."""
        waiting = subprocess.Popen([TOOLS / "arrivals", "wait", self.brokers, self.topic,
                                    str(lines), str(seconds)])
        while waiting.poll() is None:
            if self.process.process.poll() is not None:
                waiting.kill()
                waiting.wait()
                check(False, self.process.said("ended by itself"))
            time.sleep(0.02)
        check(waiting.returncode == 0, self.process.said("did not ship all lines"))

    def live(self, lab, contestant, directory, files, kilobytes, seconds):
        """Files that are written as it runs: share of a core, and delays at a consumer."""
        corpus = Corpus.__new__(Corpus)
        corpus.dir, corpus.kind, corpus.files = directory, "live", files
        for path in directory.iterdir():
            path.unlink()
        for number in range(files):
            (directory / f"{number:04}.log").touch()
        os.sync()  # What was written before would be put on the disk in the middle of this.
        lines = int(kilobytes * 1000 * seconds / 200)
        process = self.process = contestant.start(lab, self, corpus, False)
        time.sleep(6)  # Found, opened, and its first transaction over.
        arrived = {}
        reader = threading.Thread(target=lambda: arrived.update(
            tool("arrivals", "follow", self.brokers, self.topic, lines, seconds + 40)))
        reader.start()
        time.sleep(1)
        before, begin = process.cpu(), time.monotonic()
        tool("corpus", "live", directory, files, kilobytes, seconds)
        cpu = (process.cpu() - before) / (time.monotonic() - begin)
        reader.join()
        return {"core": 100 * cpu, "peak_mb": process.peak_mb(), **arrived}

    def idle(self, lab, contestant, corpus, seconds):
        """Files that nobody writes to: share of a core once their lines are shipped."""
        process = self.process = contestant.start(lab, self, corpus, False)
        self.await_lines(corpus.lines, 300)
        time.sleep(8)
        before = process.cpu()
        time.sleep(seconds)
        cpu = process.cpu() - before
        found = {"core": 100 * cpu / seconds, "peak_mb": process.peak_mb()}
        return {**found, **tool("arrivals", "check", self.brokers, self.topic, corpus.lines)}


def medians(results):
    """The median of each figure of several runs; counts of what is wrong: the worst."""
    worst = ("missing", "doubled", "reordered", "strange", "peak_mb")
    return {key: max(values) if key in worst else statistics.median(values)
            for key in results[0] for values in [[result[key] for result in results]]}


def peers_root():
    root = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache"))
    root = root / "longshore" / "peers"
    run(harness.SERVICES / "packages.sh", "race", root, timeout=300)
    return root


def broker(lab):
    """The one broker; deleted topics leave the disk soon. Its first transaction is not timed: it
    waits seconds for the topics that a broker keeps transactions and offsets in."""
    env = {"KAFKA_HEAP": os.environ.get("KAFKA_HEAP", "800")}
    kafka = lab.kafka(settings="log.segment.delete.delay.ms=1000", env=env)
    (lab.dir / "warm.log").write_text("r-0000-00000000 warm\n")
    tool("ceiling", kafka.brokers, "warm", lab.dir / "warm.log", "raw", 1e-6, "exactly-once",
         timeout=90)
    return kafka
