#!/usr/bin/env python3
"""Goal: whatever happens to one topic, index or target, the healthy topic is at most ten seconds
behind in the search and in the archive; in the end everything is there once, and audit agrees.
Method: real Kafka, OpenSearch and HDFS, one `index` and one `archive` on all topics, steady load.
One fault after the other, in a random order, for some seconds each: a topic made anew, a batch
damaged on the broker's disk, damaged claims, a closed index, documents that always get 500, a
hanging DataNode, steps of the wall clock.

    tests/e2e/consumer_torture_test.py [--seconds N] [--seed N]
"""

import collections
import http.server
import json
import os
import pathlib
import random
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

import archiving
import harness
from harness import BINARY, check, main, parts_and_numbers, run, say, wait_until
from produce import Producer
from search import Member, serve_opensearch
from torture_faults import ClockStepper, HOUR

# The short version shares the machine with other tests: it finds what stands still.
BEHIND_MAX_S = (10.0 if harness.LONG else 45.0) * harness.SLOW
ABORT = "rd_slice_narrow_copy: Assertion"
TOPICS = ("healthy", "anew", "damaged", "claimed", "closed", "poisoned")


class Load(threading.Thread):
    """Sends lines of its own to every topic, about twenty a second to each."""

    def __init__(self, brokers):
        super().__init__(daemon=True)
        self.brokers, self.producer = brokers, Producer(brokers)
        self.sent = {topic: [] for topic in TOPICS}  # (line, when it was sent)
        self.paused, self.lock, self.ended = set(), threading.Lock(), threading.Event()
        self.failure = None

    def send(self, topic, producer=None):
        line = f"{topic} {len(self.sent[topic])}"
        (producer or self.producer).send(topic, line.encode())
        self.sent[topic].append((line, time.monotonic()))

    def run(self):
        while not self.ended.wait(0.05):
            try:
                with self.lock:
                    for topic in TOPICS:
                        if topic not in self.paused:
                            self.send(topic)
                    self.producer.flush()
            except harness.Failure as failure:
                self.failure = failure
                return

    def pause(self, topic):
        with self.lock:
            self.paused.add(topic)

    def go_on(self, topic):
        with self.lock:
            self.paused.discard(topic)

    def behind(self, topic, count):
        """How long ago the line was sent that is next after `count`; 0: none is missing."""
        sent = self.sent[topic]
        return time.monotonic() - sent[count][1] if count < len(sent) else 0.0


class Poison:
    """Stands before the search, and answers 500 to a bulk with a marked document."""

    def __init__(self, url):
        poison = self
        self.mark = None

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def serve(self):
                size = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(size) if size else None
                if poison.mark and body and poison.mark in body:
                    return self.answer(500, b'{"error":{"type":"poison","reason":"poison"}}')
                request = urllib.request.Request(url + self.path, data=body, method=self.command)
                for name in ("Content-Type", "Content-Encoding"):
                    if self.headers.get(name):
                        request.add_header(name, self.headers[name])
                try:
                    with urllib.request.urlopen(request, timeout=60) as answer:
                        return self.answer(answer.status, answer.read())
                except urllib.error.HTTPError as error:
                    return self.answer(error.code, error.read())

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = serve

            def log_message(self, *words):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Campaign:
    def __init__(self, lab, options):
        self.lab, self.random = lab, random.Random(options.seed)
        self.seconds = options.seconds
        self.kafka = lab.kafka()
        self.kafka.topic("longshore-dead-letter", 1)
        for topic in TOPICS:
            self.kafka.topic(topic, 1)
        self.search = serve_opensearch(lab)
        self.hdfs = archiving.start_hdfs(lab)
        self.place = archiving.Below(self.hdfs, "/torture")
        self.poison = Poison(self.search.url)
        self.clock = ClockStepper(lab.dir / "clock-offset",
                                  pathlib.Path(BINARY).parent / "libstepped_clock.so", 0)
        more = [word for topic in TOPICS[1:] for word in ("--topic", topic)]
        self.start_member = lambda: Member(lab, self.kafka, self.poison, TOPICS[0], *more,
                                           env=self.clock.environment)
        self.member = self.start_member()
        self.archiver = archiving.Archiver(
            lab, self.kafka.brokers, self.place.url(), topic=TOPICS[0],
            flags=[*more, "--roll-seconds", 1, "--hdfs-user", "root", "--kafka",
                   "session.timeout.ms=6000"])
        self.archiver.wrap = ["env", *(f"{k}={v}" for k, v in self.clock.environment.items())]
        self.archiver.start()
        self.load = Load(self.kafka.brokers)
        self.behind = {"index": 0.0, "archive": 0.0}
        self.target_hangs_until = 0.0
        self.samples, self.strikes = 0, collections.Counter()

    # How far both are.

    def indexed(self, topic):
        return self.search.count(f"longshore-{topic}-*")

    def archived(self):
        """Lines in the archive by topic, as the names of the files say."""
        lines = collections.Counter()
        for path in self.place.files():
            name = archiving.NAME.match(path.rsplit("/", 1)[-1])
            if name:
                lines[name.group(1)] += int(name.group(5))
        return lines

    def sample(self):
        self.restart_aborted()
        self.member.check_running()
        check(self.archiver.running(), f"archive ended: {self.archiver.log()[-3000:]}")
        check(not self.load.failure, str(self.load.failure))
        behind = {"index": self.load.behind("healthy", self.indexed("healthy"))}
        if time.monotonic() > self.target_hangs_until:
            behind["archive"] = self.load.behind("healthy", self.archived()["healthy"])
        for name, seconds in behind.items():
            self.behind[name] = max(self.behind[name], seconds)
            check(seconds <= BEHIND_MAX_S,
                  f"{name}: the healthy topic is {seconds:.1f} s behind\n"
                  f"{self.member.log()[-3000:]}\n{self.archiver.log()[-3000:]}")
        self.samples += 1

    def restart_aborted(self):
        """docs/limits.md: librdkafka may abort at a damaged batch. A supervisor starts it again."""
        if not self.member.running() and ABORT in self.member.log()[-1000:]:
            self.member = self.start_member()
            self.strikes["aborts of index"] += 1
        if not self.archiver.running() and ABORT in self.archiver.log()[-1000:]:
            self.archiver.start()
            self.strikes["aborts of archive"] += 1

    def watch(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.sample()
            time.sleep(0.5)

    def is_done(self, topics):
        archived = self.archived()
        return all(self.indexed(topic) == len(self.load.sent[topic]) - self.put_aside(topic) and
                   archived[topic] == len(self.load.sent[topic]) for topic in topics)

    def put_aside(self, topic):
        if topic != "poisoned":
            return 0
        return harness.audit(self.kafka.brokers, "longshore-dead-letter")["totals"]["raw_records"]

    def wait_until_done(self, topics, seconds):
        try:
            wait_until(lambda: self.is_done(topics), seconds, "all lines are there", pause=1)
        except harness.Failure as failure:
            archived = self.archived()
            rows = [f"{topic}: sent {len(self.load.sent[topic])}, indexed {self.indexed(topic)}, "
                    f"archived {archived[topic]}" for topic in topics]
            raise harness.Failure(f"{failure}\n" + "\n".join(rows) + self.logs()) from failure

    def logs(self):
        return f"\nindex: {self.member.log()[-4000:]}\narchive: {self.archiver.log()[-4000:]}"

    # The faults. Each ends healed.

    def make_anew(self):
        self.load.pause("anew")
        self.wait_until_done(["anew"], 60)
        self.kafka.tool("TopicCommand", "--delete", "--topic", "anew")
        wait_until(lambda: "anew" not in self.kafka.tool("TopicCommand", "--list").split(), 60,
                   "the topic is gone")
        self.kafka.topic("anew", 1)
        with self.load.lock:
            self.load.producer = Producer(self.kafka.brokers)
        self.load.go_on("anew")
        self.watch(20)

    def damage_batch(self):
        """Of a transaction, so that nobody reads it before it is damaged."""
        self.load.pause("damaged")
        producer = Producer(self.kafka.brokers, transactional_id=f"t{self.samples}")
        producer.begin()
        first = len(self.load.sent["damaged"])
        for _ in range(20):
            self.load.send("damaged", producer)
        producer.flush()
        segment = sorted(pathlib.Path(self.kafka.dir).glob("1/data/damaged-0/*0.log"))[-1]
        at = segment.read_bytes().rindex(b"damaged %d" % (first + 5))
        flip(segment, at)
        producer.commit()
        self.load.go_on("damaged")
        self.watch(8)
        flip(segment, at)
        self.watch(5)

    def damage_claims(self):
        folder = "/torture/_longshore/claimed+0"
        status = json.loads(self.hdfs.ask(folder, "LISTSTATUS"))["FileStatuses"]["FileStatus"]
        whole = {}
        for entry in status:
            path = f"{folder}/{entry['pathSuffix']}"
            content = self.read(path)
            if content is not None and self.put(path, b"damaged"):
                whole[path] = content
        self.watch(8)
        for path, content in whole.items():
            if self.read(path) == b"damaged":
                self.put(path, content)
        self.watch(5)

    def read(self, path):
        try:
            return self.hdfs.ask(path, "OPEN")
        except urllib.error.HTTPError:
            return None  # The archiver has taken it away.

    def put(self, path, content):
        local = self.lab.dir / "put"
        local.write_bytes(content)
        done = run("curl", "-sSfL", "-o", "/dev/null", "-X", "PUT", "-T", local,
                   f"http://{self.hdfs.address}/webhdfs/v1{path}?op=CREATE&overwrite=true"
                   "&user.name=root", ok=False)
        return done.returncode == 0  # The archiver may take its claim away meanwhile.

    def close_index(self):
        self.search.ask("/longshore-closed-*/_close", {})
        self.watch(8)
        self.search.ask("/longshore-closed-*/_open", {})
        self.watch(5)

    def poison_documents(self):
        self.poison.mark = b"poisoned %d" % (len(self.load.sent["poisoned"]) // 10 + 1)
        self.watch(10)
        self.poison.mark = None
        self.watch(5)

    def hang_datanode(self):
        pid = int(pathlib.Path(self.hdfs.dir, "datanode.pid").read_text())
        joins = self.archiver.log().count("joining consumer group")
        self.target_hangs_until = float("inf")
        os.kill(pid, signal.SIGSTOP)
        try:
            self.watch(15)
        finally:
            os.kill(pid, signal.SIGCONT)
        begin = time.monotonic()
        wait_until(lambda: self.load.behind("healthy", self.archived()["healthy"]) < 3,
                   60, "the archive has caught up", pause=0.5)
        self.catch_up_s = max(getattr(self, "catch_up_s", 0), time.monotonic() - begin)
        self.target_hangs_until = time.monotonic()
        check(self.archiver.log().count("joining consumer group") == joins,
              f"archive left its group while a DataNode hung: {self.archiver.log()[-3000:]}")

    def step_clock(self):
        self.clock.step(self.random.choice((-HOUR, HOUR, 36 * HOUR, -30 * HOUR)))
        self.watch(6)
        self.clock.step(0)
        self.watch(3)

    def run(self):
        self.load.start()
        wait_until(lambda: self.is_started(), 60, "all topics arrive")
        faults = [self.make_anew, self.damage_batch, self.damage_claims, self.close_index,
                  self.poison_documents, self.hang_datanode, self.step_clock]
        end, bag = time.monotonic() + self.seconds, []
        while time.monotonic() < end:
            if not bag:
                bag = self.random.sample(faults, len(faults))
            fault = bag.pop()
            begin = time.monotonic()
            fault()
            self.strikes[fault.__name__] += 1
            say(f"{fault.__name__}: {time.monotonic() - begin:.0f} s; behind at most so far: "
                f"index {self.behind['index']:.1f} s, archive {self.behind['archive']:.1f} s")
        self.load.ended.set()
        self.load.join()
        check(not self.load.failure, str(self.load.failure))
        self.wait_until_done(TOPICS, 120)
        self.verify()

    def is_started(self):
        archived = self.archived()
        return all(self.indexed(topic) > 0 and archived[topic] > 0 for topic in TOPICS)

    def replay(self):
        """The documents that got 500 again and again, once they are cured."""
        letters = int(self.put_aside("poisoned"))
        if letters == 0:
            return
        done = run(BINARY, "replay", "--brokers", self.kafka.brokers, "--to", self.search.url,
                   timeout=120)
        check(f"stored: {letters}" in done.stdout, f"{letters} letters; {done.stdout}")
        say(done.stdout.strip())

    def verify(self):
        self.replay()
        for topic in TOPICS:
            wanted = collections.Counter(line for line, _ in self.load.sent[topic])
            found = collections.Counter(document["message"] for _, document in
                                        self.search.documents(f"longshore-{topic}-*"))
            self.compare("the search", topic, wanted, found)
            done = run(BINARY, "fetch", "--from", self.place.url(), "--topic", topic,
                       "--hdfs-user", "root", timeout=120)
            self.compare("the archive", topic, wanted, collections.Counter(
                done.stdout.splitlines()))
            done = subprocess.run([BINARY, "audit", "--archive", self.place.url(), "--topic", topic,
                                   "--hdfs-user", "root"], capture_output=True, text=True,
                                  timeout=120, check=False)
            check(done.returncode == 0, f"audit of {topic}: {done.stdout}{done.stderr}")
        total = sum(map(len, self.load.sent.values()))
        say(f"{total} lines in {len(TOPICS)} topics, each once in the search and in the archive; "
            f"{dict(self.strikes)}; the healthy topic behind at most: index "
            f"{self.behind['index']:.1f} s, archive {self.behind['archive']:.1f} s in "
            f"{self.samples} samples; caught up {getattr(self, 'catch_up_s', 0):.1f} s after a "
            "DataNode hung")

    def compare(self, where, topic, wanted, found):
        missing, more = wanted - found, found - wanted
        check(not missing and not more,
              f"{where}, topic {topic}: {sum(missing.values())} missing {list(missing)[:3]}, "
              f"{sum(more.values())} too many {list(more)[:3]}{self.logs()}")


def flip(path, at):
    """20 bytes; again: as before. The broker sends what the kernel holds of the file."""
    with open(path, "r+b") as file:
        file.seek(at)
        data = file.read(20)
        file.seek(at)
        file.write(bytes(byte ^ 0xFF for byte in data))


def test(lab):
    options = parts_and_numbers(seconds=1200 if harness.LONG else 60,
                                seed=int.from_bytes(os.urandom(4), "big"))
    say(f"seed {options.seed}: --seed repeats the order of the faults")
    Campaign(lab, options).run()


main(test, 3600)
