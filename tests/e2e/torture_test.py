#!/usr/bin/env python3
"""Goal: nothing is lost, duplicated or reordered while everything breaks at once.
Method: three brokers and six agents with live writers; seeded random threads kill brokers, agents
and dockerd, cut the network, step the clock, and fill the disk of the state directory. Afterwards
every stream is compared byte for byte with what was written, by `longshore audit` and by Kafka's
own consumer. The test runs until every kind of fault has happened, and the control, which reads
uncommitted records, must find aborted ones; otherwise nothing was interrupted and nothing is
proven.
"""

import argparse
import collections
import pathlib

import harness
import torture_check
from harness import check, run, say
from proxy import Network
from torture_faults import (AgentKiller, BrokerKiller, ClockStepper, DockerKiller, FullDisk,
                            leader_epochs, wait_calmly)
from torture_load import Containers, HostLog, Load

STYLES = ("plain", "numbered", "dated", "numbered")
# Preferred leaders come back within seconds of a restart: so leaders move all the time. Of a host
# whose clock is years behind, the retention would delete all at once.
BROKERS = ("leader.imbalance.check.interval.seconds=5 leader.imbalance.per.broker.percentage=0"
           " log.retention.ms=-1")


def arguments():
    long = harness.LONG
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=3600 if long else 60,
                        help="at least so long")
    parser.add_argument("--agent-kills", type=int, default=2000 if long else 50,
                        help="at least so many")
    parser.add_argument("--broker-kills", type=int, default=200 if long else 5,
                        help="at least so many")
    parser.add_argument("--seed", type=int, default=harness.SEED)
    return parser.parse_args()


def small_disk(lab, megabytes=16):
    """A local file system of its own, so that it can be full."""
    image, directory = lab.dir / "disk.img", lab.dir / "disk"
    directory.mkdir()
    with open(image, "wb") as file:
        file.truncate(megabytes << 20)
    # SQLite maps a file whose holes it fills for blocks of 4 KiB only.
    run("mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", image)
    run("mount", "-o", "loop", image, directory)
    lab.closers.append(lambda: run("umount", "-l", directory))
    return directory


class Campaign:
    def __init__(self, lab, options):
        self.lab, self.options, self.seed = lab, options, options.seed
        self.kafka = lab.kafka(3, BROKERS, {"KAFKA_PROXIED": "1", "KAFKA_HEAP": "320",
                                            "KAFKA_TIER": "1"})
        for name, partitions in ((harness.LOGS, 8), ("gone", 4), ("cut", 2)):
            self.kafka.topic(name, partitions)
        self.network = Network(self.seed, self.kafka.proxied())
        lab.closers.append(self.network.close)
        self.containers = Containers(lab.dockerd(live_restore=True), self.seed, lab.dir)
        self.containers.create_staying(6)
        self.clock = ClockStepper(lab.dir / "clock-offset",
                                  pathlib.Path(harness.BINARY).parent / "libstepped_clock.so",
                                  self.seed)
        disk = small_disk(lab)
        self.logs, self.killers = [], []
        self.host_agent("still")
        self.host_agent("lanes", settings={"--lanes": (1, 2, 3)})
        self.host_agent("clock", env=self.clock.environment)
        self.host_agent("disk", state=disk / "state")
        self.killers.append(AgentKiller(self.agent("docker", docker=self.docker_at()), self.seed))
        self.watcher = self.agent("watcher", docker=self.docker_at(), topic="gone")
        self.cut = [HostLog(lab.dir / name, name, name, self.seed)
                    for name in ("truncated", "copied")]
        self.killers.append(AgentKiller(
            self.agent("cut", topic="cut", sources={log.name: log.path for log in self.cut}),
            self.seed))
        self.load = Load(self.logs + self.cut)
        self.brokers = BrokerKiller(self.kafka, self.seed)
        self.disk, self.docker = FullDisk(disk, self.seed), DockerKiller(self.containers, self.seed)
        self.faults = [*self.killers, self.brokers, self.disk, self.docker, self.clock]

    def docker_at(self):
        return self.containers.docker.address

    def agent(self, name, **options):
        return self.lab.agent(self.network.listening, name=name, **options)

    def host_agent(self, name, settings=None, **options):
        logs = [HostLog(self.lab.dir / f"{name}{i}", f"{name}{i}", style, self.seed)
                for i, style in enumerate(STYLES)]
        self.logs += logs
        sources = {log.name: log.path for log in logs}
        self.killers.append(AgentKiller(self.agent(name, sources=sources, **options), self.seed,
                                        settings))

    def counts(self):
        total = sum((killer.counts for killer in self.killers), collections.Counter())
        return {"agents": dict(total), "brokers": dict(self.brokers.counts),
                "leaders": leader_epochs(self.kafka), "network": self.network.order("count"),
                "disk": dict(self.disk.counts), "dockerd": dict(self.docker.counts),
                "clock": dict(self.clock.counts), "containers": dict(self.containers.counts),
                "rotations": sum(log.rotations for log in self.logs),
                "lines": sum(log.written for log in self.logs)}

    def kills(self):
        return sum(killer.counts["kills"] for killer in self.killers)

    def enough(self):
        return (self.kills() >= self.options.agent_kills and
                self.brokers.counts["kills"] >= self.options.broker_kills and
                not torture_check.never_happened(self.counts()))

    def progress(self):
        for part in (*self.faults, self.load, self.containers):
            check(part.trouble is None, f"{part.name}: {part.trouble}")
        self.watcher.check_running()
        lines = sum(log.written for log in self.logs)
        say(f"{self.kills()} agent kills, {self.brokers.counts['kills']} broker kills, "
            f"{leader_epochs(self.kafka)} leaders, {self.disk.counts['filled']} full disks, "
            f"{self.network.order('count').get('cut in the middle', 0)} cuts, "
            f"{self.docker.counts['kills']} dockerd kills, {self.clock.counts['steps']} "
            f"clock steps, {lines} lines; not yet: "
            f"{', '.join(torture_check.never_happened(self.counts())) or 'nothing'}")

    def run(self):
        # A file that was rotated before its agent first saw it would be history.
        for killer in self.killers:
            killer.begin()
        self.watcher.start()
        for killer in self.killers:
            if killer.agent.words[killer.agent.words.index("--docker") + 1] == "off":
                killer.agent.wait_for_log("collecting")
        for killer in self.killers:
            killer.agent.kill()
        self.load.start()
        self.containers.start()
        self.network.order("wild")
        for fault in self.faults:
            fault.start()
        wait_calmly(self.options.seconds, 10, self.enough, self.progress)
        self.calm()

    def calm(self):
        self.load.stop()
        for fault in (self.brokers, self.disk, self.docker, self.clock):
            fault.quit.set()
        for fault in (self.brokers, self.disk, self.docker, self.clock):
            fault.join()
        self.containers.stop()
        for killer in self.killers:
            killer.quit.set()
        for killer in self.killers:
            killer.join()
        self.network.order("calm")
        self.progress()
        for agent in self.lab.agents:
            agent.check_running()
        say("the faults are over, the agents may finish")

    def stop_agents(self):
        for agent in self.lab.agents:
            agent.stop(10)


def test(lab, options):
    say(f"seed {options.seed}")
    campaign = Campaign(lab, options)
    campaign.run()
    torture_check.verify(campaign)


if __name__ == "__main__":
    given = arguments()
    harness.main(lambda lab: test(lab, given), 3 * given.seconds + given.agent_kills * 3 +
                 given.broker_kills * 30 + 900)
