#!/usr/bin/env python3
"""Goal: what is in Kafka comes into the archive once, whoever is killed or away meanwhile.
Method: real Kafka, real HDFS and a directory. Archivers are killed at random moments, share and
lose partitions, lose NameNode, DataNode, Kafka and their quota. Then the names must tile each
partition, and the lines must be those of Kafka. Parts can be named on the command line.
"""

import contextlib
import json
import os
import random
import subprocess
import threading
import time

import archiving
import harness
from archiving import Archiver, Mounted, check_archive, start_hdfs, wait_until_archived
from harness import BINARY, LONG, check, run, run_parts, say, wait_until

KILLS = 50 if LONG else 5
RECORDS = 1_000_000 if LONG else 50_000
SOURCES = 8
FLAGS = ["--roll-bytes", 100_000, "--roll-seconds", 2]


def ship(lab, kafka, records, name="ship", prefix="s"):
    """An agent ships that many lines; returns when it is done."""
    files = {}
    for i in range(SOURCES):
        path = lab.dir / f"{name}-{i}.log"
        harness.numbered_lines(path, i * 10_000_000, records // SOURCES)
        files[f"{prefix}{i}"] = path
    lab.agent(kafka.brokers, sources=files, name=name, flags=["--batch-bytes", 1_000_000]).once()


@contextlib.contextmanager
def shipping(lab, kafka, records, name):
    """The same beside the block."""
    failed = []

    def work():
        try:
            ship(lab, kafka, records, name, name)
        except harness.Failure as failure:
            failed.append(failure)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join()
    check(not failed, f"the agent: {failed}")


def kafka_with_topic(lab, name):
    kafka = lab.kafka(settings="group.min.session.timeout.ms=1000", name=name)
    kafka.topic("logs", 4)
    return kafka


def kill(lab, kafka, archive, kills=KILLS):
    moments = random.Random(os.urandom(8))
    archiver = Archiver(lab, kafka.brokers, archive.url(), flags=FLAGS, name="killed")
    for _ in range(kills):
        archiver.start()
        time.sleep(moments.uniform(1.5, 8.0))
        archiver.check_running()
        archiver.kill()
    archiver.start()
    wait_until_archived(archive, kafka, 600 if LONG else 120)
    say(f"SIGTERM took {archiver.stop():.1f} s after {kills} kills")


def killed_on_a_directory(lab, shared):
    kafka = shared["kafka"]
    archive = Mounted(lab.dir / "archive")
    shared["mounted"] = archive
    kill(lab, kafka, archive)
    lines, files = check_archive(archive, kafka)
    check(lines == RECORDS, f"{lines} lines of {RECORDS}")
    say(f"file://: {lines} lines in {files} files, once each, as in Kafka")


def killed_on_hdfs(lab, shared):
    kafka, hdfs = shared["kafka"], shared["hdfs"]()
    moments = random.Random(os.urandom(8))
    archivers = [Archiver(lab, kafka.brokers, hdfs.url(), name=f"h{i}", flags=[
        *FLAGS, "--user", "root", "--group", "on-hdfs"]) for i in range(3)]
    for archiver in archivers:
        archiver.start()
    # Each death and each birth shares the partitions out anew.
    for i in range(KILLS):
        time.sleep(moments.uniform(1.0, 6.0))
        archiver = moments.choice(archivers)
        if archiver.running():
            archiver.kill()
        if i % 2:
            archiver.start()
    for archiver in archivers:
        if not archiver.running():
            archiver.start()
    wait_until_archived(hdfs, kafka, 600 if LONG else 180)
    slowest = max(archiver.stop() for archiver in archivers)
    lines, files = check_archive(hdfs, kafka)
    check(lines == RECORDS, f"{lines} lines of {RECORDS}")
    say(f"webhdfs://: {lines} lines in {files} files of three members, {KILLS} killed; SIGTERM "
        f"{slowest:.1f} s")


PARTS = [killed_on_a_directory, killed_on_hdfs]


def test(lab):
    shared = {}
    shared["kafka"] = kafka_with_topic(lab, "kafka")
    ship(lab, shared["kafka"], RECORDS)

    def hdfs():
        if "service" not in shared:
            shared["service"] = start_hdfs(lab)
        return shared["service"]
    shared["hdfs"] = hdfs
    run_parts(PARTS, lab, shared)


if __name__ == "__main__":
    harness.main(test, 3000 if LONG else 900)
