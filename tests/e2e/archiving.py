"""Shared by the tests of the archive: HDFS, archivers, and a check of all that was archived."""

import contextlib
import gzip
import hashlib
import json
import pathlib
import re
import ssl
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import harness
from harness import BINARY, SERVICES, Failure, check, run, say

NAME = re.compile(r"^(.+)\+(\d+(?:\.\d+)?)\+(\d+)\+(\d+)\+(\d+)\.jsonl(\.zst|\.gz|)$")


class Hdfs:
    """One NameNode and one DataNode. `env`: more variables of hdfs.sh."""

    def __init__(self, directory, settings="", env=None):
        self.dir = str(directory)
        self.env = {"HDFS_PROPS": settings, "HDFS_TIER": "1", **(env or {})}
        self.tls = self.env.get("HDFS_TLS") == "1"
        self.ca = f"{self.dir}/ca.pem"
        self.address = self._script("start").stdout.strip().splitlines()[-1]
        say(f"HDFS serves at {self.address}")

    def _script(self, command, *words, timeout=300):
        return run(SERVICES / "hdfs.sh", command, self.dir, *words, env=self.env, timeout=timeout)

    def url(self, path="/archive"):
        return f"{'s' * self.tls}webhdfs://{self.address}{path}"

    def httpfs(self):
        return self._script("httpfs").stdout.strip().splitlines()[-1]

    def kill(self, node):
        self._script("kill", node)

    def restart(self, node):
        self._script("restart", node)

    def tool(self, *words):
        return self._script("tool", *words).stdout

    def shell(self, *words):
        """hdfs dfs WORDS"""
        return self.tool("org.apache.hadoop.fs.FsShell", *words)

    def ask(self, path, operation, method="GET"):
        """One call of WebHDFS, redirects followed."""
        request = urllib.request.Request(
            f"http{'s' * self.tls}://{self.address}/webhdfs/v1{urllib.parse.quote(path)}"
            f"?op={operation}", method=method)
        trust = ssl.create_default_context(cafile=self.ca) if self.tls else None
        with urllib.request.urlopen(request, timeout=60, context=trust) as answer:
            return answer.read()

    def files(self, path="/archive"):
        """{path from the archive's root: bytes} of all files."""
        found = {}
        folders = [path]
        while folders:
            folder = folders.pop()
            try:
                listing = json.loads(self.ask(folder, "LISTSTATUS"))
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    continue
                raise
            for entry in listing["FileStatuses"]["FileStatus"]:
                whole = f"{folder}/{entry['pathSuffix']}"
                if entry["type"] == "DIRECTORY":
                    folders.append(whole)
                else:
                    found[whole[len(path) + 1:]] = entry["length"]
        return found

    def read(self, path, root="/archive"):
        return self.ask(f"{root}/{path}", "OPEN")

    def close(self):
        self._script("wipe")


class Below:
    """A folder of an HDFS as an archive."""

    def __init__(self, hdfs, folder):
        self.hdfs, self.folder = hdfs, folder

    def url(self):
        return self.hdfs.url(self.folder)

    def files(self):
        return self.hdfs.files(self.folder)

    def read(self, path):
        return self.hdfs.read(path, self.folder)


class Mounted:
    """An archive on a directory, asked as Hdfs is."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        self.dir.mkdir(exist_ok=True)

    def url(self):
        return f"file://{self.dir}"

    def files(self):
        return {str(path.relative_to(self.dir)): path.stat().st_size
                for path in self.dir.rglob("*") if path.is_file()}

    def read(self, path):
        return (self.dir / path).read_bytes()


def start_hdfs(lab, settings="", env=None):
    service = Hdfs.__new__(Hdfs)
    service.dir, service.env = str(lab.dir / f"h{len(lab.services)}"), {}
    lab.services.append(service)
    service.__init__(service.dir, settings, env)
    return service


class Archiver(harness.Agent):
    """One `longshore archive` after the other; kept and ended as agents are."""

    def __init__(self, lab, brokers, to, topic=harness.LOGS, flags=(), name="archive"):
        super().__init__(lab, brokers, name=name)
        self.words = ["--brokers", brokers, "--topic", topic, "--to", to, "--work-dir",
                      str(self.state_dir), "--kafka", "session.timeout.ms=1500", "--kafka",
                      "heartbeat.interval.ms=300", *map(str, flags)]

    def start(self, *more):
        check(not self.running(), "the archiver runs already")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrap, BINARY, "archive", *self.words, *map(str, more)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        return self

    def stop(self, seconds=10.0):
        return super().stop(seconds)


def unpack(path, content):
    if path.endswith(".zst"):
        done = subprocess.run(["zstd", "-dc"], input=content, stdout=subprocess.PIPE, check=True)
        return done.stdout
    return gzip.decompress(content) if path.endswith(".gz") else content


def published(archive):
    """{partition: [(first, last, path)]} in the order of offsets; leftovers are left out. A later
    generation of partition 3 is partition "3.2"."""
    chains = {}
    for path in archive.files():
        if path.startswith("_longshore/"):
            continue
        match = NAME.match(path.rsplit("/", 1)[-1])
        check(match, f"{path} is no name of an archive")
        partition = int(match[2]) if match[2].isdigit() else match[2]
        chains.setdefault(partition, []).append((int(match[3]), int(match[4]), path))
    return {partition: sorted(files) for partition, files in chains.items()}


def check_tiling(chains):
    for partition, files in chains.items():
        check(files[0][0] == 0, f"partition {partition} begins with {files[0]}")
        for before, after in zip(files, files[1:]):
            check(after[0] == before[1] + 1, f"partition {partition}: {before}, then {after}")


class Lines:
    """How many lines each source has, and what they are in their order, without keeping them."""

    def __init__(self):
        self.counts, self.hashes = {}, {}

    def add(self, line):
        source = json.loads(line)["longshore"]["source"]
        self.counts[source] = self.counts.get(source, 0) + 1
        self.hashes.setdefault(source, hashlib.sha256()).update(line)

    def of(self, source):
        found = self.hashes.get(source)
        return self.counts.get(source, 0), found.hexdigest() if found else ""


def check_archive(archive, kafka, topic=harness.LOGS):
    """The names tile each partition, and the lines are those of Kafka, in its order. Returns how
    many lines and files there are."""
    chains = published(archive)
    check_tiling(chains)
    wanted, found = Lines(), Lines()
    for line in harness.tap_lines(kafka.brokers, topic):
        wanted.add(line)
    for files in chains.values():
        for _, _, path in files:
            for line in unpack(path, archive.read(path)).splitlines(keepends=True):
                found.add(line)
    sources = wanted.counts.keys() | found.counts.keys()
    for source in sources:
        check(found.of(source) == wanted.of(source),
              f"source {source}: {found.of(source)} in the archive, {wanted.of(source)} in Kafka")
    return sum(found.counts.values()), sum(len(files) for files in chains.values())


def wait_until_archived(archive, kafka, seconds, topic=harness.LOGS):
    """Waits until the names reach the last record of each partition; says how far they came."""
    ends, behind = {}, {}
    for line in kafka.tool("GetOffsetShell", "--topic", topic).splitlines():
        _, partition, end = line.rsplit(":", 2)
        ends[int(partition)] = int(end)
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError):
            chains = published(archive)
            # The last offsets are marks of transactions, which are no records.
            behind = {partition: (chains.get(partition, [(0, -1, "")])[-1][1], end)
                      for partition, end in ends.items()
                      if end - chains.get(partition, [(0, -1, "")])[-1][1] > 2}
            if not behind:
                return
        if time.monotonic() >= deadline:
            raise Failure(f"not archived within {seconds} s; archived, end: {behind}")
        time.sleep(0.5)
