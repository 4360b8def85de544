"""The faults: each is caused by its own thread until the thread is told to stop.

A fault thread counts its actions in `counts`; if something happens that must not, it ends with
`trouble`.
"""

import collections
import errno
import os
import random
import re
import signal
import struct
import subprocess
import threading
import time

from harness import Failure, check

HOUR = 3600 * 10**9
TEN_YEARS = 3652 * 24 * HOUR


class Fault(threading.Thread):
    def __init__(self, name, seed):
        super().__init__(daemon=True, name=name)
        self.random = random.Random(f"{seed}/{name}")
        self.counts = collections.Counter()
        self.quit = threading.Event()
        self.trouble = None

    def run(self):
        try:
            while not self.quit.is_set():
                self.strike()
            self.heal()
        except (Failure, OSError, subprocess.SubprocessError) as trouble:
            self.trouble = trouble

    def pause(self, least, most):
        """False when it is time to stop."""
        return not self.quit.wait(self.random.uniform(least, most))

    def strike(self):
        raise NotImplementedError

    def heal(self):
        """What has to be in order when the faults are over."""


class AgentKiller(Fault):
    """Starts an agent again and again and kills it at a random moment of its life."""

    # How long it lives, in seconds, and how often that is chosen. After a kill it needs about one
    # to take over from itself, on a busy machine several.
    LIVES = (((0.0, 0.3), 6), ((0.3, 2.0), 8), ((2.0, 6.0), 6), ((6.0, 12.0), 2), ((20.0, 40.0), 1))

    def __init__(self, agent, seed, settings=None):
        super().__init__(agent.log_path.stem, seed)
        self.agent = agent
        self.settings = {"--linger-ms": (5, 50, 500), "--batch-bytes": ("20k", "128M"),
                         **(settings or {})}  # One of each is chosen for a life.
        self.born_at = 0  # Where the log of this life begins.
        self.reached, self.reached_at = 0, time.monotonic()  # The transaction it went on behind.

    def life_log(self):
        with open(self.agent.log_path, "rb") as log:
            log.seek(self.born_at)
            return log.read().decode(errors="replace")

    def begin(self):
        self.born_at = self.agent.log_path.stat().st_size
        self.agent.start(*(word for flag, values in self.settings.items()
                           for word in (flag, self.random.choice(values))))

    def strike(self):
        self.begin()
        spans, weights = zip(*self.LIVES)
        self.pause(*self.random.choices(spans, weights)[0])
        if self.falls_behind():
            self.counts["spared"] += 1
            self.pause(20, 60)
        if self.random.random() < 0.04 and self.agent.running():
            self.freeze()
        if not self.agent.running():
            self.died_by_itself()
        elif self.random.random() < 0.1:
            self.terminate()
        else:
            self.agent.kill()
            self.counts[f"killed while {self.state()}"] += 1
            self.counts["kills"] += 1

    def falls_behind(self):
        """Whether its lives have been too short to ship anything, while files are deleted."""
        behind = re.findall(r"Resuming after transaction (\d+)", self.life_log())
        now, reached = time.monotonic(), sum(map(int, behind))
        if reached > self.reached:
            self.reached, self.reached_at = reached, now
        return now - self.reached_at > 60

    def died_by_itself(self):
        raise Failure(f"{self.name} ended with status {self.agent.process.returncode}: "
                      f"{self.life_log()[-1500:]}")

    def freeze(self):
        """For so long that Kafka may take it for dead, and give up its transaction."""
        self.agent.process.send_signal(signal.SIGSTOP)
        self.counts["frozen"] += 1
        self.pause(1, 40)
        self.agent.process.send_signal(signal.SIGCONT)
        self.pause(0, 3)

    def terminate(self):
        self.agent.process.send_signal(signal.SIGTERM)
        status = self.agent.wait(30)
        # Before it has asked for the signal, it ends as every program does.
        check(status in (0, -signal.SIGTERM),
              f"{self.name}: status {status} on SIGTERM: {self.life_log()[-1500:]}")
        self.counts["terminated"] += 1

    def state(self):
        log = self.life_log()
        if " longshore " not in log:
            return "starting"
        found = re.findall(r"lane \d+: (.*) Resuming after", log)
        for what in found:
            self.counts[f"in doubt: {what.split()[-1]}"] += what.startswith("Transaction")
        if not found:
            return "recovering"
        return "shipping" if "Nothing is lost" not in log[log.rfind("Going on"):] else "rebuilding"

    def heal(self):
        self.begin()


class FullDisk(Fault):
    """Fills the small file system of a state directory, and frees it again."""

    def __init__(self, directory, seed):
        super().__init__("disk", seed)
        self.ballast = directory / "ballast"

    def strike(self):
        if not self.pause(2, 8):
            return
        with open(self.ballast, "wb", buffering=0) as file:
            for size in (1 << 20, 1 << 12, 1 << 9):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError as full:
                    check(full.errno == errno.ENOSPC, f"the disk cannot be filled: {full}")
        self.counts["filled"] += 1
        self.pause(0.5, 6)
        self.heal()

    def heal(self):
        self.ballast.unlink(missing_ok=True)


class BrokerKiller(Fault):
    """Mostly one broker is down, sometimes two: then nobody may write."""

    def __init__(self, kafka, seed):
        super().__init__("brokers", seed)
        self.kafka = kafka

    def strike(self):
        down = self.random.sample(range(1, self.kafka.nodes + 1),
                                  2 if self.random.random() < 0.15 else 1)
        if len(down) == 2:
            self.counts["two down"] += 1
        kind = self.random.choices(("kill", "leave", "freeze"), (8, 1, 1))[0]
        for node in down:
            if kind == "freeze":
                self.kafka.freeze(node)
            elif kind == "leave":
                self.kafka.stop_one(node)
            else:
                self.kill(node)
        self.counts[kind] += kind != "kill"
        self.pause(0, 2 if len(down) == 1 else 4)
        for node in down:
            if kind == "freeze":
                self.kafka.thaw(node)
            else:
                self.restart(node)
        self.pause(0, 2)

    def kill(self, node):
        if self.kafka.alive(node):
            self.counts["kills"] += 1
            self.kafka.kill(node)

    def restart(self, node):
        if self.random.random() < 0.25 and not self.quit.is_set():
            starting = threading.Thread(target=self.kafka.restart, args=(node, False))
            starting.start()
            self.pause(0.5, 5)
            self.kill(node)
            starting.join()
        check(self.kafka.restart(node, False) or self.kafka.alive(node) or
              self.kafka.restart(node, False), f"broker {node} does not start")

    def heal(self):
        for node in range(1, self.kafka.nodes + 1):
            if not self.kafka.alive(node):
                self.kafka.restart(node)


class DockerKiller(Fault):
    def __init__(self, containers, seed):
        super().__init__("dockerd", seed)
        self.containers = containers

    def strike(self):
        if not self.pause(3, 20):
            return
        with self.containers.calm:
            self.containers.docker.kill()
            self.counts["kills"] += 1
            self.pause(0.1, 3)
            self.start_docker()
            time.sleep(0.5)  # What came and went before the agent was back, nobody could see.


    def start_docker(self):
        """It gives up when its own containerd, killed with it, is slow on a busy machine."""
        for last in (False, False, True):
            try:
                return self.containers.docker.start()
            except Failure:
                if last:
                    raise
                self.containers.docker.stop()
        return None


class ClockStepper(Fault):
    """Steps the wall clock of the programs that were started with `environment`."""

    def __init__(self, file, library, seed):
        super().__init__("clock", seed)
        self.file = file
        self.environment = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(file)}
        check(library.exists(), f"{library} is not built")
        self.step(0)

    def step(self, offset_ns):
        with open(self.file, "r+b" if self.file.exists() else "wb", buffering=0) as file:
            file.write(struct.pack("=q", offset_ns))

    def strike(self):
        if self.pause(0.5, 8):
            self.step(self.random.choice((-TEN_YEARS, -HOUR, -10**9, 0, 10**9, HOUR, TEN_YEARS)))
            self.counts["steps"] += 1

    def heal(self):
        self.step(0)


def leader_epochs(kafka):
    """How often the partitions of a cluster have had a new leader."""
    newest = {}
    for node in range(1, kafka.nodes + 1):
        for folder in os.scandir(os.path.join(kafka.dir, str(node), "data")):
            path = os.path.join(folder.path, "leader-epoch-checkpoint")
            if not folder.is_dir() or not os.path.exists(path) or folder.name.startswith("__cl"):
                continue
            with open(path, encoding="ascii") as file:
                epochs = [int(line.split()[0]) for line in file.read().splitlines()[2:]]
            newest[folder.name] = max([newest.get(folder.name, 0), *epochs])
    return sum(newest.values())


def wait_calmly(seconds, step_seconds, done, step):
    """Calls `step` every `step_seconds` until `seconds` have passed and `done` says so."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline or not done():
        time.sleep(step_seconds)
        step()
