"""Shared by the tests of `longshore index`: a real OpenSearch, and members of a consumer group."""

import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from harness import BINARY, SERVICES, check, run, say, tap_lines, wait_until


class SearchService:
    """One real node of `product`, "opensearch" or "elasticsearch". `settings`: "k=v k=v" of its
    configuration; `version`: another than the usual one."""

    def __init__(self, directory, product="opensearch", settings="", version=None):
        self.dir, self.product = str(directory), product
        self.env = {"OS_YML": settings, "OS_TIER": "1"}
        if version:
            self.env["OS_VERSION"] = version

    def _script(self, command):
        return run(SERVICES / f"{self.product}.sh", command, self.dir, env=self.env, timeout=400)

    def start(self):
        self.url = self._script("start").stdout.strip().splitlines()[-1]
        say(f"{self.product} serves at {self.url}")

    def kill(self):
        self._script("kill")

    def freeze(self):
        self._script("freeze")

    def thaw(self):
        self._script("thaw")

    def close(self):
        self._script("wipe")

    def ask(self, path, body=None, method=None, none=(404,)):
        """An answer's JSON; None for a status of `none`."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            check(error.code in none, f"{path}: {error.code} {error.read()[:1000]}")
            return None

    def count(self, index):
        if self.ask(f"/{index}/_refresh", method="POST") is None:
            return 0
        # 503: an index is just being made.
        found = self.ask(f"/{index}/_count", none=(404, 503))
        return found["count"] if found else 0

    def documents(self, index, source=True):
        """All (id, document) of an index pattern."""
        self.ask(f"/{index}/_refresh", method="POST")
        page = self.ask(f"/{index}/_search?scroll=5m",
                        {"size": 5000, "sort": ["_doc"], "_source": source})
        while page["hits"]["hits"]:
            for hit in page["hits"]["hits"]:
                yield hit["_id"], hit.get("_source")
            page = self.ask("/_search/scroll", {"scroll": "5m", "scroll_id": page["_scroll_id"]})

    def find(self, index, phrase):
        """The messages in which a phrase is found."""
        self.ask(f"/{index}/_refresh", method="POST")
        page = self.ask(f"/{index}/_search",
                        {"size": 20, "query": {"match_phrase": {"message": phrase}}})
        return [hit["_source"]["message"] for hit in page["hits"]["hits"]]


class Member:
    """A running `longshore index`; ended when the lab closes. `env`: more variables."""

    def __init__(self, lab, kafka, search, topic, *flags, name="index", env=None):
        self.log_path = lab.dir / f"{name}.log"
        self.metrics_path = lab.dir / f"{name}.prom"
        words = ["--brokers", kafka.brokers, "--topic", topic, "--to", search.url,
                 "--progress-s", "1", "--metrics-file", self.metrics_path,
                 "--kafka", "session.timeout.ms=6000", *flags]
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen([BINARY, "index", *map(str, words)],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **(env or {})})
        lab.closers.append(self.kill)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def running(self):
        return self.process.poll() is None

    def check_running(self):
        check(self.running(), f"index ended by itself: {self.log()[-3000:]}")

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def stop(self, seconds=10.0):
        """SIGTERM; fails unless it exits with 0 in time. Returns how long it took."""
        self.check_running()
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            check(False, f"index did not end within {seconds} s: {self.log()[-2000:]}")
        check(status == 0, f"index exited with {status} on SIGTERM: {self.log()[-2000:]}")
        return time.monotonic() - begin

    def end(self, seconds=60):
        """Its exit status, when it ends by itself."""
        return self.process.wait(seconds)

    def number(self, name):
        """A value of its metrics, 0 before there are any."""
        if not self.metrics_path.exists():
            return 0.0
        found = re.search(rf"^longshore_index_{name} (\S+)$", self.metrics_path.read_text(), re.M)
        return float(found.group(1)) if found else 0.0

    def wait_until_done(self, seconds=120):
        """All that is in Kafka is committed."""
        def done():
            self.check_running()
            lines = re.findall(r"partitions=(\d+) lag=(\d+)", self.log())
            return lines and int(lines[-1][0]) > 0 and int(lines[-1][1]) == 0
        wait_until(done, seconds, "index has caught up", pause=0.5)

    def peak_mb(self):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as status:
            return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1)) / 1024


def id_of(record):
    """The id that a record of ours must have, but for the hash at its end."""
    own = record["longshore"]
    part = f"-{own['part']}" if "part" in own else ""
    return f"{own['source']}-{own['start']}{part}"


def digest(record):
    """Stands for the whole record, of which there may be more than memory holds."""
    return hash(json.dumps(record, sort_keys=True))


def check_equal(search, index, kafka, topic):
    """Every record of a topic is one document of the same content; returns how many."""
    wanted, found, records, listed = {}, {}, 0, 0
    for records, line in enumerate(tap_lines(kafka.brokers, topic), 1):
        record = json.loads(line)
        wanted[id_of(record)] = digest(record)
    check(len(wanted) == records, f"two records of {topic} have one id")
    for listed, (key, document) in enumerate(search.documents(index), 1):
        found[key.rpartition(".")[0]] = digest(document)
    check(search.count(index) == listed == len(found),
          f"{search.count(index)} documents, {listed} listed, {len(found)} ids")
    missing, more = wanted.keys() - found.keys(), found.keys() - wanted.keys()
    check(not missing and not more, f"{len(missing)} documents are missing, {len(more)} too many: "
                                    f"{list(missing)[:3]} {list(more)[:3]}")
    for key in wanted:
        check(found[key] == wanted[key], f"document {key} is not what Kafka holds")
    return len(found)


def serve(lab, product, name, settings="", version=None):
    service = SearchService(lab.dir / name, product, settings, version)
    lab.services.append(service)  # Before it starts: one that fails half-way is ended too.
    service.start()
    return service


def serve_opensearch(lab, name="os", settings=""):
    return serve(lab, "opensearch", name, settings)
