#!/usr/bin/env python3
"""Goal: the agent ends on SIGTERM and on no signal that means "reload" elsewhere, refuses unusable
settings in one sentence, and stops delivery with an error while it cannot store its state; nothing
is lost by any of it.
Method: real signals, wrong flags and files, small file systems that fill up.
"""

import os
import pathlib
import signal
import sqlite3
import subprocess
import time

import harness
from harness import BINARY, LiveWriter, audit, check, check_clean, numbered_lines, run, say
from harness import wait_for_records


def sigterm_under_load(lab, kafka):
    path = lab.dir / "load.log"
    agent = lab.agent(kafka.brokers, topic="load", sources={"load": path}, name="load")
    writer = LiveWriter([path], 40_000, 6)
    writer.start()
    longest = 0.0
    for _ in range(4):
        agent.start()
        time.sleep(1.2)
        longest = max(longest, agent.stop())
    agent.start()
    writer.join()
    wait_for_records(kafka.brokers, 40_000, 60, "load")
    check_clean(audit(kafka.brokers, "load", [("load", path)]), 40_000, 1, 1)
    agent.stop()
    say(f"SIGTERM: at most {longest:.1f} s under load, and nothing lost or doubled")


def sigterm_without_kafka(lab, _):
    path = lab.dir / "alone.log"
    numbered_lines(path, 0, 1000)
    agent = lab.agent("127.0.0.1:9", sources={"a": path}, name="alone").start()
    time.sleep(2)
    say(f"SIGTERM: {agent.stop():.1f} s when Kafka never answered")


def a_second_agent(lab, kafka):
    first = lab.agent(kafka.brokers, name="first", sources={"a": lab.dir / "a.log"},
                      flags=["--kafka", "client.id=not-for-other-eyes"]).start()
    first.wait_for_log("delivery exactly-once")
    second = lab.agent(kafka.brokers, name="second", state=first.state_dir,
                       sources={"a": lab.dir / "a.log"}).start()
    status = second.wait(20)
    check(status == 2, f"a second agent exited with {status}")
    second.wait_for_log(rf"is in use by pid {first.process.pid}, started 20\S*Z: stop it", 1)
    check("not-for-other-eyes" not in second.log(), f"it shows arguments: {second.log()}")
    first.stop()
    say(f"a second agent exits with 2 and names the holder\n{second.said()}")


def signals_that_mean_reload(lab, kafka):
    path, records, work = lab.dir / "hup.log", lab.dir / "hup.tapped", lab.dir / "hup-work"
    work.mkdir()
    agent = lab.agent(kafka.brokers, topic="hup", sources={"hup": path}, name="hup").start()
    agent.wait_for_log("lane 0: .*Resuming")
    (lab.dir / "hup").mkdir()
    words = {"tap": ["--topic", "hup", "--raw"],
             "archive": ["--topic", "hup", "--to", f"file://{lab.dir}/hup", "--work-dir", work]}
    logs, consumers = {"agent": agent.log_path}, {"agent": agent.process}
    for name, flags in words.items():
        logs[name] = lab.dir / f"hup-{name}.err"
        with open(records, "ab") as out, open(logs[name], "wb") as err:
            consumers[name] = subprocess.Popen(
                list(map(str, [BINARY, name, "--brokers", kafka.brokers, *flags])), stdout=out,
                stderr=err)
        lab.closers.append(consumers[name].kill)
    for name, process in consumers.items():
        for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            def ignored():
                check(process.poll() is None, f"{name} ended by {number.name}")
                process.send_signal(number)  # Again: at first it may not have come so far.
                return f"{number.name} is ignored: settings are read" in \
                    logs[name].read_text(errors="replace")
            # A process that has only just begun still has the signals' usual meaning.
            time.sleep(0.5)
            harness.wait_until(ignored, 20, f"{name} logs {number.name}", pause=0.5)
    numbered_lines(path, 0, 20)
    harness.wait_until(lambda: records.read_bytes() == path.read_bytes(), 30, "tap goes on")
    for name in words:
        consumers[name].terminate()
        check(consumers[name].wait(20) == 0, f"{name}: SIGTERM")
    agent.stop()
    say("SIGHUP, SIGUSR1, SIGUSR2: agent, tap and archive log them and go on")


def refused(lab, name, words, expected, status=2):
    """Runs the agent with `words`; it must exit with `status` and say `expected`."""
    done = run(BINARY, "agent", *words, ok=False, timeout=30)
    said = done.stdout + done.stderr
    check(done.returncode == status, f"{name}: exit status {done.returncode}: {said[-500:]}")
    check(expected.lower() in said.lower(), f"{name}: the words lack \"{expected}\": {said[-500:]}")


def wrong_settings(lab, kafka):
    state = lab.dir / "wrong-state"
    state.mkdir()
    right = {"--brokers": kafka.brokers, "--topic": harness.LOGS, "--state-dir": str(state),
             "--docker": "off", "--source": f"right={lab.dir}/right.log"}

    def words(*more, drop=None, **change):
        given = {**right, **{f"--{key.replace('_', '-')}": v for key, v in change.items()}}
        given.pop(drop, None)
        return [word for pair in given.items() for word in pair] + list(more)

    refused(lab, "unknown flag", words("--linger-msec", "5"), "--linger-ms")
    refused(lab, "no brokers", words(drop="--brokers"), "brokers")
    refused(lab, "not a number", words("--linger-ms", "soon"), "linger-ms")
    refused(lab, "unknown delivery", words("--delivery", "perhaps"), "delivery")
    refused(lab, "a setting that breaks a promise", words("--kafka", "acks=0"), "acks")
    refused(lab, "a misspelt Kafka setting", words("--kafka", "compresion.codec=lz4"),
            "compression.codec")
    refused(lab, "a relative source", words("--source", "a=logs/a.log"), "a")
    refused(lab, "unreadable config", words("--config", str(lab.dir / "none.conf")), "none.conf")
    config = lab.dir / "bad.conf"
    config.write_text("lingr-ms = 5\n")
    refused(lab, "wrong key in the config", words("--config", str(config)), "linger-ms")
    file = lab.dir / "a-file"
    file.write_text("")
    refused(lab, "state directory is a file", words(state_dir=str(file)), "a-file")
    check(not list(state.iterdir()), "a refused start changed the state directory")
    say("wrong settings: one sentence, status 2, nothing changed")


def a_newer_database(lab, kafka):
    agent = lab.agent(kafka.brokers, name="newer", sources={"n": lab.dir / "n.log"})
    numbered_lines(lab.dir / "n.log", 0, 10)
    agent.once()
    [database] = [path for path in agent.state_dir.iterdir()
                  if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3"]
    with sqlite3.connect(database) as connection:
        [[version]] = connection.execute("PRAGMA user_version").fetchall()
        connection.execute(f"PRAGMA user_version = {version + (1 << 16) + 1000 * 1000}")
    connection.close()
    agent.start()
    status = agent.wait(20)
    check(status == 2, f"a database from a newer version: status {status}")
    say("a database from a newer version is refused with 2")


class SmallDisk:
    """A tmpfs of some MiB that can be filled up."""

    def __init__(self, lab, name, mebibytes):
        self.path = lab.dir / name
        self.path.mkdir()
        run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "tmpfs", self.path)
        lab.closers.append(lambda: run("umount", "-l", self.path, ok=False))

    def fill(self):
        with open(self.path / "ballast", "ab", buffering=0) as file:
            size = 1 << 20
            while size:
                try:
                    file.write(b"\0" * size)
                except OSError:
                    size //= 2

    def free(self):
        (self.path / "ballast").unlink()


def a_full_disk_at_start(lab, kafka):
    disk = SmallDisk(lab, "full", 4)
    disk.fill()
    sources = {"a": lab.dir / "a.log"}
    agent = lab.agent(kafka.brokers, state=disk.path, name="full-start", sources=sources,
                      flags=["--ephemeral-state"]).start()
    agent.wait_for_log("waiting", 20)
    agent.check_running()
    disk.free()
    agent.wait_for_log("delivery exactly-once", 20)
    agent.stop()
    temporary = lab.agent(kafka.brokers, state=disk.path, name="on-tmpfs", sources=sources).start()
    status = temporary.wait(20)
    check(status == 2 and "ephemeral-state" in temporary.log(),
          f"a state directory on tmpfs was taken: {status}")
    say("a full disk at the start is waited for; a state directory on tmpfs is refused with 2")


def a_disk_that_fills_up(lab, kafka):
    disk = SmallDisk(lab, "filling", 16)
    path = lab.dir / "f.log"
    state = disk.path / "state"
    agent = lab.agent(kafka.brokers, topic="full", sources={"f": path}, state=state, name="filling",
                      flags=["--ephemeral-state", "--linger-ms", 50]).start()
    numbered_lines(path, 0, 2000)
    wait_for_records(kafka.brokers, 2000, 30, "full")
    disk.fill()
    before = len(agent.log())
    written = 2000
    for _ in range(20):
        numbered_lines(path, written, 2000)
        written += 2000
        time.sleep(0.2)
    agent.check_running()
    said = agent.log()[before:]
    check("error" in said.lower() or "full" in said.lower(), f"nothing was said: {said[-500:]}")
    disk.free()
    wait_for_records(kafka.brokers, written, 90, "full")
    check_clean(audit(kafka.brokers, "full", [("f", path)]), written, 1, 1)
    agent.stop()
    say(f"the disk filled up and was freed: {written} lines, once each")


def the_other_commands(*_):
    for words, status in ((["--help"], 0), (["agent", "--help"], 0), (["nonsense"], 2), ([], 2)):
        done = subprocess.run([BINARY, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, timeout=20, check=False)
        check(done.returncode == status, f"longshore {words}: status {done.returncode}")
        check(done.stdout + done.stderr, f"longshore {words} says nothing")
    say("help is there, unknown commands are refused")


def test(lab):
    check(os.geteuid() == 0 and pathlib.Path(BINARY).exists(), "needs root and the binary")
    kafka = lab.shared_kafka()
    for topic in (harness.LOGS, "load", "full", "hup"):
        kafka.topic(topic, 4)
    harness.run_parts((the_other_commands, wrong_settings, signals_that_mean_reload,
                       sigterm_under_load, sigterm_without_kafka, a_second_agent, a_newer_database,
                       a_full_disk_at_start, a_disk_that_fills_up), lab, kafka)


if __name__ == "__main__":
    harness.main(test)
