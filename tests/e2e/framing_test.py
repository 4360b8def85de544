#!/usr/bin/env python3
"""Goal: a line is one record however Docker cuts it, and ends with its newline, its run or its
file, whatever rotates, ends or starts again meanwhile.
Method: a real dockerd with small json-files; a first container shows the pieces in Docker's own
files; each part has its own topic and is audited.
"""

import json
import pathlib
import time

import harness
from docker_test import Host
from harness import check, say, tap, wait_for_records

PIECE = 16 << 10


def long_line(mark, size):
    """A shell command that prints a line of `size` bytes."""
    return f"head -c {size} /dev/zero | tr '\\0' {mark}; echo"


def json_files(host, container):
    path = pathlib.Path(host.docker.inspect(container, "{{.LogPath}}"))
    return sorted(path.parent.glob(path.name + "*"), key=lambda file: file.stat().st_mtime_ns)


def unflagged(topic, host):
    for record in tap(host.kafka.brokers, topic):
        ours = record["longshore"]
        check("part" not in ours and not ours.get("flags"), f"{topic}: {ours}")


def pieces_over_rotations(host):
    topic = host.topic("t-pieces")
    marks = [chr(ord("a") + i) for i in range(15)]
    # Four pieces a line, and a rotation after two or three.
    host.run(topic, "stdout", "--log-opt", "max-size=20k", "--log-opt", "max-file=100",
             shell="; ".join(long_line(mark, 50_000) for mark in marks))
    host.expect(topic, [mark * 50_000 for mark in marks])
    unflagged(topic, host)
    files = json_files(host, topic)
    cut = sum(not json.loads(file.read_text().splitlines()[-1])["log"].endswith("\n")
              for file in files)
    check(cut > 5, f"only {cut} of {len(files)} files end between two pieces")
    say(f"{len(files)} files, {cut} of which end between two pieces")


def pieces_over_restarts_of_the_agent(host):
    topic = host.topic("t-restarts")
    slow = "; ".join(f"head -c {PIECE} /dev/zero | tr '\\0' x; sleep 0.5" for _ in range(12))
    host.docker.run("-d", "--name", topic, "--log-opt", "max-size=30k", "--log-opt",
                    "max-file=100", logs={"x": "stdout", "x_topic": topic},
                    shell=f"echo first; {slow}; echo; echo last")
    kills = 0
    while host.docker.inspect(topic, "{{.State.Running}}") == "true":
        time.sleep(0.7)
        host.agent.kill()
        host.agent.start()
        kills += 1
    check(kills >= 4, f"the agent was killed only {kills} times")
    host.expect(topic, ["first", "x" * (12 * PIECE), "last"], 60)
    unflagged(topic, host)
    say(f"one line, {kills} kills of the agent between its pieces")


def ends_of_runs(host):
    topic = host.topic("t-runs")
    exact = "y" * PIECE
    shell = ("printf started; echo; echo oops >&2; printf %s 'fatal: out of memory'; "
             "printf %s 'error too' >&2")
    host.docker.run("--name", topic, logs={"x": "stdout", "x_topic": topic, "y": "stderr",
                                           "y_topic": topic, "z": "/app/logs/z.log",
                                           "z_topic": topic},
                    shell=f"printf 'begin\nhalf' >>/app/logs/z.log; {shell}")
    one_run = ["started", "fatal: out of memory", "oops", "error too", "begin", "half"]
    host.expect(topic, one_run)
    host.docker("start", "-a", topic)
    host.expect(topic, one_run * 2)
    host.agent.stop()
    for _ in range(2):
        host.docker("start", "-a", topic)
    host.agent.start()
    # Nobody saw where these runs of the file ended.
    wanted = [line for line in one_run if line not in ("begin", "half")] * 4
    host.expect(topic, wanted + ["begin", "half"] * 2 + ["begin", "halfbegin", "half"], 60)
    say("what a run left without a newline ends with it")

    full = host.topic("t-full")
    host.docker.run("--name", full, logs={"x": "stdout", "x_topic": full},
                    shell=f"head -c {PIECE} /dev/zero | tr '\\0' y")
    host.docker("start", "-a", full)
    host.expect(full, [exact] * 2)
    say("also when what it left fills Docker's buffer")

    loop = host.topic("t-loop")
    host.docker.run("-d", "--name", loop, "--restart", "on-failure:6",
                    logs={"x": "/app/logs/x.log", "x_topic": loop},
                    shell="printf 'up\nfatal' >>/app/logs/x.log; sleep 0.3; exit 1")
    host.expect(loop, ["up", "fatal"] * 7, 60)
    say("a file of a container that crashes in a loop has no line of two runs")


def both_streams_at_once(host):
    out, error = host.topic("t-out"), host.topic("t-error")
    line = "head -c 300000 /dev/zero | tr '\\0' {}; echo"
    host.docker.run("--name", out, "--log-opt", "max-size=1m", "--log-opt", "max-file=100",
                    logs={"x": "stdout", "x_topic": out, "y": "stderr", "y_topic": error},
                    shell="for i in $(seq 30); do (" + line.format("o") + ") & (" +
                    line.format("e") + ") >&2; wait; done")
    host.expect(out, ["o" * 300_000] * 30, 60)
    host.expect(error, ["e" * 300_000] * 30, 60)
    unflagged(out, host)
    unflagged(error, host)


def terminals_and_marks(host):
    topic = host.topic("t-tty")
    host.run(topic, "stdout", "-t", shell="echo one; printf 'two\\r\\n'; printf 'a\\rb\\n'")
    host.expect(topic, ["one", "two\r", "a\rb"])
    say("lines of a terminal have no carriage return at their end")

    marked = host.topic("t-marked")
    host.run(marked, "/app/logs/*.json", x_format="json", shell=
             r"""printf '\357\273\277{"a":1}\r\n{"a":2}\r\n' >>/app/logs/a.json""")
    wait_for_records(host.kafka.brokers, 2, 30, marked)
    records = tap(host.kafka.brokers, marked)
    check([record.get("json") for record in records] == [{"a": 1}, {"a": 2}], records)
    say("a byte order mark before JSON is no part of it")


def preallocated_files(host):
    path = host.lab.dir / "preallocated.log"
    with open(path, "wb") as file:
        file.truncate(32 << 20)
    kafka = host.kafka
    kafka.topic("t-nuls", 4)
    agent = host.lab.agent(kafka.brokers, topic="t-nuls", sources={"nuls": path}, name="nuls",
                           flags=["--linger-ms", 50]).start()
    written = 0
    for number in range(2000):
        text = f"line {number} {'x' * (number % 300)}\n".encode()
        with open(path, "r+b") as file:
            # A buffer that is flushed in the middle of a line.
            file.seek(written)
            file.write(text[:7])
            file.flush()
            file.write(text[7:])
        written += len(text)
        if number % 100 == 0:
            time.sleep(0.02)
    wait_for_records(kafka.brokers, 2000, 60, "t-nuls")
    harness.check_clean(harness.audit(kafka.brokers, "t-nuls", [("nuls", path)]), 2000)
    agent.stop()
    say("32 MiB allocated in advance: each line once, and no NULs")


def test(lab):
    kafka = lab.kafka()
    kafka.topic(harness.LOGS, 4)
    host = Host(lab, kafka, "agent")
    harness.run_parts((pieces_over_rotations, pieces_over_restarts_of_the_agent, ends_of_runs,
                       both_streams_at_once, terminals_and_marks, preallocated_files), host)
    host.agent.stop()


if __name__ == "__main__":
    harness.main(test)
