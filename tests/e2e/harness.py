"""What the end-to-end tests share: a lab with a directory of its own, real services, and the agent.

Every test is a program: exit status 0 means that all its checks held. Processes end by their own
pid when the lab closes, however the test ends. LONGSHORE_BIN names the binary (build/longshore),
LONGSHORE_LONG=1 asks for the long counts, LONGSHORE_KEEP=1 keeps the directory, LONGSHORE_SLOW=N
tells that the binary is N times slower than the one that is shipped (tests/e2e/sanitized.sh),
LONGSHORE_SEED=N repeats the random choices of the run that printed N.
"""

import argparse
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import shared

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERVICES = ROOT / "tests" / "services"
# Taken out of the environment: longshore reads variables of this prefix as its own settings.
BINARY = os.environ.pop("LONGSHORE_BIN", str(ROOT / "build" / "longshore"))
LONG = os.environ.pop("LONGSHORE_LONG", "") == "1"
SLOW = float(os.environ.pop("LONGSHORE_SLOW", "") or 1)
KEEP = os.environ.pop("LONGSHORE_KEEP", "") == "1"
IMAGE = "longshore-test"
LOGS = f"logs-{os.urandom(4).hex()}"  # The topic of tests that need but one; others may run beside.
STARTED = time.monotonic()
SEED = int(os.environ.pop("LONGSHORE_SEED", "") or random.randrange(1 << 32))


class Failure(Exception):
    """A promise did not hold, or a service could not start."""


def say(text):
    print(f"[{time.monotonic() - STARTED:6.1f} s] {text}", flush=True)


def seeded():
    """Random numbers that follow from the seed, which it prints."""
    say(f"seed {SEED}: LONGSHORE_SEED={SEED} repeats it")
    return random.Random(SEED)


def check(holds, text):
    if not holds:
        raise Failure(text)


def wait_until(holds, seconds, what, pause=0.1):
    """Returns what `holds` returned once it is true."""
    deadline = time.monotonic() + seconds * SLOW
    while True:
        found = holds()
        if found:
            return found
        check(time.monotonic() < deadline, f"{what}: not within {seconds} s")
        time.sleep(pause)


def run(*command, timeout=180, ok=True, env=None):
    """Runs a program to its end; stdout and stderr as text."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", timeout=timeout * SLOW,
                          env={**os.environ, **(env or {})}, check=False)
    if ok and done.returncode != 0:
        words = (done.stderr or done.stdout).strip()
        raise Failure(f"{' '.join(map(str, command))}: status {done.returncode}: {words[-2000:]}")
    return done


def scratch():
    """Where directories lie: on a disk, because the agent refuses what a reboot empties."""
    base = tempfile.gettempdir()
    kind = run("stat", "-f", "-c", "%T", base).stdout.strip()
    return pathlib.Path("/var/tmp" if kind == "tmpfs" else base)


class Cluster:
    """A Kafka that somebody else starts and ends."""

    nodes = 1

    def __init__(self, brokers):
        self.brokers = brokers

    def topic(self, name, partitions=4, **settings):
        words = [f"{key.replace('_', '.')}={value}" for key, value in settings.items()]
        run(SERVICES / "create_topic.py", self.brokers, name, partitions, self.nodes, *words)

    def tool(self, command, *words):
        """Runs one of Kafka's own commands, such as tools.TopicCommand; its stdout."""
        return run(SERVICES / "kafka.sh", "tool", f"org.apache.kafka.tools.{command}",
                   "--bootstrap-server", self.brokers, *words, timeout=120).stdout


class Kafka(Cluster):
    """A cluster of one or three real brokers. `env`: more variables of kafka.sh."""

    def __init__(self, directory, nodes=1, settings="", env=None):
        super().__init__("")
        self.dir = str(directory)
        self.nodes = nodes
        self.env = {"KAFKA_EXTRA": settings, "KAFKA_TIER": "1", **(env or {})}
        self.start()
        self.topic("longshore-checkpoint", 1)
        self.topic("longshore-ledger", 1)

    def _script(self, command, *words, ok=True):
        return run(SERVICES / "kafka.sh", command, self.dir, *words, env=self.env, timeout=300,
                   ok=ok)

    def start(self):
        self.brokers = self._script("start", self.nodes).stdout.strip().splitlines()[-1]
        say(f"Kafka serves at {self.brokers}")

    def stop(self):
        self._script("stop")

    def kill(self, node=1):
        self._script("kill", node)

    def restart(self, node=1, ok=True):
        """Whether it serves again."""
        return self._script("restart", node, ok=ok).returncode == 0

    def stop_one(self, node):
        self._script("stopone", node)

    def alive(self, node):
        pid = pathlib.Path(self.dir) / str(node) / "pid"
        return pid.exists() and pathlib.Path(f"/proc/{pid.read_text().strip()}/exe").exists()

    def proxied(self):
        """A pair of ports for each broker: where its proxy listens, and to what it passes on."""
        pairs = self._script("proxied").stdout.splitlines()
        return [tuple(map(int, pair.split())) for pair in pairs]

    def freeze(self, node=1):
        self._script("freeze", node)

    def thaw(self, node=1):
        self._script("thaw", node)

    def close(self):
        self._script("wipe")


class Dockerd:
    """A private dockerd with one small image."""

    def __init__(self, directory, live_restore=False):
        self.dir = str(directory)
        self.env = {"DOCKER_LIVE_RESTORE": "1" if live_restore else "0"}
        self.address = f"unix://{self.dir}/docker.sock"
        self.cli = "/usr/bin/docker" if os.access("/usr/bin/docker", os.X_OK) else "docker"
        self.start()
        self._script("image", IMAGE)

    def _script(self, command, *words):
        return run(SERVICES / "dockerd.sh", command, self.dir, *words, env=self.env, timeout=120)

    def start(self):
        self._script("start")

    def stop(self):
        self._script("stop")

    def kill(self):
        self._script("kill")

    def command(self, *words):
        return [self.cli, "-H", self.address, *map(str, words)]

    def __call__(self, *words, ok=True):
        """docker WORDS; its stdout without the last newline."""
        return run(*self.command(*words), ok=ok).stdout.strip()

    def run(self, *words, logs=None, shell=None):
        """docker run with LONGSHORE_LOGS_<key>=<value> of `logs`, and a shell line as command."""
        options = ["--network", "none"]
        for key, value in (logs or {}).items():
            options += ["-e", f"LONGSHORE_LOGS_{key}={value}"]
        return self("run", *options, *words, IMAGE, *(["sh", "-c", shell] if shell else []))

    def inspect(self, container, template):
        return self("inspect", "-f", template, container)

    def close(self):
        self._script("wipe")


class Agent:
    """One `longshore agent` after the other on one state directory."""

    def __init__(self, lab, brokers, topic=LOGS, docker="off", sources=None, flags=(),
                 state=None, name="agent", env=None):
        self.log_path = lab.dir / f"{name}.agent-log"
        self.state_dir = pathlib.Path(state) if state else lab.dir / f"{name}-state"
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.words = ["--brokers", brokers, "--topic", topic, "--docker", docker,
                      "--state-dir", str(self.state_dir), *map(str, flags)]
        for key, value in (sources or {}).items():
            self.words += ["--source", f"{key}={value}"]
        self.wrap = []  # Words before the command.
        self.env = {**os.environ, **(env or {})}
        self.process = None
        self.log_path.touch()
        lab.agents.append(self)

    def start(self, *more):
        check(not self.running(), "the agent runs already")
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [*self.wrap, BINARY, "agent", *self.words, *map(str, more)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def check_running(self):
        check(self.running(), f"the agent ended by itself: {self.log()[-2000:]}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def wait(self, seconds=120):
        try:
            return self.process.wait(seconds * SLOW)
        except subprocess.TimeoutExpired:
            raise Failure(f"the agent did not end within {seconds} s") from None

    def stop(self, seconds=5.0):
        """SIGTERM; fails unless the agent exits with 0 in time."""
        self.check_running()
        begin = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.wait(seconds)
        check(status == 0, f"the agent exited with {status} on SIGTERM: {self.log()[-1000:]}")
        return time.monotonic() - begin

    def once(self, *more, seconds=300):
        """Ships all that is there."""
        self.start("--once", *more)
        status = self.wait(seconds)
        check(status == 0, f"agent --once exited with {status}: {self.log()[-2000:]}")

    def log(self):
        return self.log_path.read_text(errors="replace")

    def said(self, expression="(warning|error) (?!kafka:)|longshore agent:"):
        """The first lines of the log, shortened, in which the expression is found."""
        lines = [line for line in self.log().splitlines() if re.search(expression, line)]
        return "\n".join(f"    agent: {line[:230]}" for line in lines[:6])

    def wait_for_log(self, expression, seconds=30):
        return wait_until(lambda: re.search(expression, self.log()), seconds,
                          f"the agent's log shows /{expression}/")

    def peak_mb(self):
        """The most memory that the running agent ever had."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024


class Lab:
    """with Lab(seconds) as lab: everything it started is ended and deleted behind the block."""

    def __init__(self, seconds=900):
        self.seconds = int(seconds * SLOW)
        self.agents = []
        self.services = []
        self.closers = []

    def __enter__(self):
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
        signal.signal(signal.SIGALRM, self._overdue)
        signal.alarm(self.seconds)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="ls-", dir=scratch()))
        return self

    def _overdue(self, *_):
        raise Failure(f"the whole test took more than {self.seconds} s")

    def __exit__(self, kind, error, trace):
        signal.alarm(0)
        for agent in self.agents:
            if agent.running():
                agent.kill()
            if kind is not None:
                say(f"the end of {agent.log_path.name}:\n{agent.log()[-6000:]}")
        for close in reversed(self.closers):
            close()
        for service in reversed(self.services):
            try:
                service.close()
            except (Failure, subprocess.SubprocessError) as trouble:
                say(f"could not end a service: {trouble}")
        if KEEP:
            say(f"kept: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def kafka(self, nodes=1, settings="", env=None, name="kafka"):
        return self._serve(Kafka, self.dir / name, nodes, settings, env)

    def shared_kafka(self):
        """For tests that do not harm it: that of the ctest which runs them, else one of their own.
        Their topics have names that no other test gives."""
        brokers = shared.brokers()
        return Cluster(brokers) if brokers else self.kafka()

    def dockerd(self, live_restore=False):
        return self._serve(Dockerd, self.dir / f"d{len(self.services)}", live_restore)

    def _serve(self, kind, directory, *words):
        # Registered before it starts: one that fails half-way is ended too.
        service = kind.__new__(kind)
        service.dir, service.env = str(directory), {}
        self.services.append(service)
        service.__init__(directory, *words)
        return service

    def agent(self, brokers, **options):
        return Agent(self, brokers, **options)


def audit(brokers, topic=LOGS, files=(), isolation=None):
    """The report of `longshore audit` as a dictionary, with its exit status as "status".

    `files`: pairs (name, path); the files of one name oldest first.
    """
    words = [BINARY, "audit", "--brokers", brokers, "--topic", topic, "--json"]
    for name, path in files:
        words += ["--source", f"{name}={path}"]
    if isolation:
        words += ["--isolation", isolation]
    done = run(*words, ok=False, timeout=600)
    check(done.returncode in (0, 1, 3), f"audit: status {done.returncode}: {done.stderr[-2000:]}")
    report = json.loads(done.stdout)
    report["status"] = done.returncode
    return report


def audit_says(brokers, topic=LOGS, *more):
    """What `longshore audit` prints for people, and its exit status."""
    done = run(BINARY, "audit", "--brokers", brokers, "--topic", topic, *more, ok=False)
    return done.stdout, done.returncode


def brief(report):
    """What a failed audit says, short enough for a terminal."""
    wrong = [source for source in report["sources"]
             if source["gaps"] or source["duplicates"] or source["reordered"] or
             source["findings"] or source.get("difference")]
    return json.dumps({"totals": report["totals"], "problems": report["problems"],
                       "notes": report["notes"], "wrong": wrong[:3]}, indent=1)[:4000]


def check_clean(report, records=None, sources=None, equal=None):
    """0 gaps, duplicates and reorderings; the counts given; byte-equal where files were named."""
    totals = report["totals"]
    check(report["status"] in (0, 3), f"the audit is not clean: {brief(report)}")  # 3: doubts.
    check(totals["gaps"] == totals["duplicates"] == totals["reordered"] == 0, brief(report))
    if records is not None:
        check(totals["records"] == records,
              f"{totals['records']} records instead of {records}: {brief(report)}")
    if sources is not None:
        check(totals["sources"] == sources,
              f"{totals['sources']} sources instead of {sources}: {brief(report)}")
    if equal is not None:
        found = sum(1 for source in report["sources"] if source.get("equal"))
        check(found == equal, f"{found} of {equal} sources are byte-equal: {brief(report)}")


def wait_for_records(brokers, records, seconds, topic=LOGS):
    """Waits until that many records can be read; fails at once when there are more."""
    def enough():
        found = audit(brokers, topic)["totals"]
        count = found["records"] + found["raw_records"]
        check(count <= records, f"{count} records, although only {records} lines were written")
        return count == records
    wait_until(enough, seconds, f"{records} records in Kafka", pause=0.5)


def tap(brokers, topic=LOGS, *more):
    """All records of a topic as dictionaries."""
    done = run(BINARY, "tap", "--brokers", brokers, "--topic", topic, "--no-follow", "--json",
               *more, timeout=600)
    return [json.loads(line) for line in done.stdout.split("\n") if line]


def ledger(brokers, name, event):
    """What the ledger says of sources of a name; the `longshore` part of its records."""
    return [record["longshore"] for record in tap(brokers, "longshore-ledger")
            if record["longshore"]["name"] == name and record["longshore"]["event"] == event]


def tap_lines(brokers, topic=LOGS):
    """The records of a topic as they are, one after the other: they may be more than memory holds.
    """
    words = [BINARY, "tap", "--brokers", brokers, "--topic", topic, "--no-follow", "--json"]
    with subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE) as process:
        yield from process.stdout
    check(process.returncode == 0, f"tap exited with {process.returncode}")


def messages(brokers, topic=LOGS, *more):
    return [record["message"] for record in tap(brokers, topic, *more)]


def log_line(number, shuffle, head=""):
    """A line of irregular length that no other line equals."""
    filler = "x" * min(2000, int(shuffle.expovariate(1 / 80)))
    return f"{head}{number:08d} {shuffle.getrandbits(64):016x} {filler}\n"


class LiveWriter(threading.Thread):
    """Appends lines to files, as many programs would: irregular, often half a line at a time."""

    def __init__(self, paths, lines, seconds, seed=0):
        super().__init__(daemon=True)
        self.paths = [pathlib.Path(path) for path in paths]
        self.lines, self.seconds, self.seed = lines, seconds, seed
        self.written = 0
        self.stop_soon = threading.Event()

    def run(self):
        shuffle = random.Random(self.seed)
        files = [open(path, "ab", buffering=0) for path in self.paths]
        done = [0] * len(files)
        begin, total = time.monotonic(), self.lines * len(files)
        while self.written < total and not self.stop_soon.is_set():
            for i, file in enumerate(files):
                count = min(self.lines - done[i], shuffle.randrange(1, 200))
                text = "".join(log_line(done[i] + k, shuffle) for k in range(count)).encode()
                cut = shuffle.randrange(len(text)) if text and shuffle.random() < 0.3 else 0
                file.write(text[:cut])
                file.write(text[cut:])
                done[i] += count
                self.written += count
            ahead = self.written / total * self.seconds - (time.monotonic() - begin)
            if ahead > 0:
                time.sleep(ahead)
        for file in files:
            file.close()


def numbered_lines(path, first, count, head=""):
    """Appends lines at once."""
    shuffle = random.Random(first)
    with open(path, "ab") as file:
        file.write("".join(log_line(first + i, shuffle, head) for i in range(count)).encode())


def unwrapped(path):
    """What a container wrote, from Docker's json-file log."""
    return "".join(json.loads(line)["log"] for line in open(path, encoding="utf-8")).encode()


def parts_and_numbers(**numbers):
    """What the command line gives: parts by their names, --NAME for each of `numbers`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*")
    for name, value in numbers.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    return parser.parse_args()


def run_parts(parts, *arguments, wanted=None):
    """Runs functions one after the other: all, or those that are wanted; else those that the
    command line names."""
    wanted = sys.argv[1:] if wanted is None else wanted
    for name in wanted:
        check(name in [part.__name__ for part in parts], f"there is no part {name}")
    for part in parts:
        if not wanted or part.__name__ in wanted:
            part(*arguments)


def main(test, seconds=900):
    """Runs `test(lab)`; prints why it failed and exits accordingly."""
    try:
        with Lab(seconds) as lab:
            test(lab)
    except Failure as failure:
        say(f"FAILED: {failure}")
        sys.exit(1)
    say("passed")
