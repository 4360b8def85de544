#!/usr/bin/env python3
"""Goal: logs are collected in every way that containers keep them, through the whole life of the
container and of dockerd; a hostile container never makes the agent read anything else.
Method: a real private dockerd; each case has its own topic through the `topic` option.
"""

import collections
import os
import re
import time

import harness
from harness import audit, check, check_clean, messages, say, tap, wait_for_records, wait_until

COUNT = 200


def numbers(where, first=0, count=COUNT):
    """A shell loop that writes numbered lines."""
    return (f'i={first}; while [ $i -lt {first + count} ]; do echo "line $i" {where};'
            f' i=$((i+1)); done')


def lines(first=0, count=COUNT):
    return [f"line {i}" for i in range(first, first + count)]


class Host:
    """A dockerd, a Kafka and an agent between them."""

    def __init__(self, lab, kafka, name, live_restore=False):
        self.lab, self.kafka = lab, kafka
        self.docker = lab.dockerd(live_restore)
        self.agent = lab.agent(kafka.brokers, docker=self.docker.address, name=name,
                               flags=["--linger-ms", 50, "--allow-topic", "t-*"]).start()

    def topic(self, name):
        self.kafka.topic(name, 4)
        return name

    def expect(self, topic, wanted, seconds=30):
        wait_for_records(self.kafka.brokers, len(wanted), seconds, topic)
        self.agent.check_running()
        found = messages(self.kafka.brokers, topic)
        check(collections.Counter(found) == collections.Counter(wanted),
              f"{topic}: other lines than were written: {sorted(set(found) ^ set(wanted))[:5]}")
        check_clean(audit(self.kafka.brokers, topic), len(wanted))
        say(f"{topic}: {len(wanted)} lines, once each")

    def run(self, topic, path, *words, shell, **logs):
        self.docker.run("--name", topic, *words, shell=shell,
                        logs={"x": path, "x_topic": topic, **logs})


def ways_to_keep_logs(host):
    own = host.topic("t-own")
    host.run(own, "/app/logs/*.log", shell=numbers(">>/app/logs/a.log"))
    host.expect(own, lines())
    record = tap(host.kafka.brokers, own)[0]
    check(record["container"]["name"] == own and record["log"]["file"]["path"] == "/app/logs/a.log",
          f"the record names another origin: {record}")

    bind = host.topic("t-bind")
    folder = host.lab.dir / "bind"
    folder.mkdir()
    host.run(bind, "/logs/b.log", "-v", f"{folder}:/logs", shell=numbers(">>/logs/b.log"))
    host.expect(bind, lines())

    volume = host.topic("t-volume")
    host.run(volume, "/logs/*.log", "-v", "shared:/logs", shell=numbers(">>/logs/v.log"))
    host.expect(volume, lines())
    host.docker("rm", volume)
    host.run(volume, "/logs/*.log", "-v", "shared:/logs",
             shell=numbers(">>/logs/v.log", COUNT, 100))
    host.expect(volume, lines(0, COUNT + 100))
    say("the volume of a container that was made anew is not sent again")

    label = host.topic("t-label")
    host.docker("run", "--network", "none", "--name", label, "--label",
                "longshore.logs.x=/app/logs/l.log", "--label", f"longshore.logs.x.topic={label}",
                harness.IMAGE, "sh", "-c", numbers(">>/app/logs/l.log"))
    host.expect(label, lines())


def streams(host):
    out = host.topic("t-stdout")
    host.run(out, "stdout", shell=numbers("") + "; " + numbers(">&2", 5000, 10))
    host.expect(out, lines())

    error = host.topic("t-stderr")
    host.run(error, "stderr", shell=numbers("") + "; " + numbers(">&2", 5000, 10))
    host.expect(error, lines(5000, 10))

    long = host.topic("t-long")
    sizes = [1, 16_383, 16_384, 16_385, 50_000, 200_000]
    host.run(long, "stdout", shell="; ".join(
        f"head -c {size} /dev/zero | tr '\\0' x; echo" for size in sizes))
    host.expect(long, ["x" * size for size in sizes])

    # Slow enough that the agent sees each file before Docker drops it.
    rotated = host.topic("t-rotated")
    slow = ('i=0; while [ $i -lt 2000 ]; do echo "line $i"; i=$((i+1));'
            ' [ $((i % 100)) = 0 ] && usleep 100000; done')
    host.run(rotated, "stdout", "--log-opt", "max-size=20k", "--log-opt", "max-file=5", shell=slow)
    host.expect(rotated, lines(0, 2000), 60)

    host.docker.run("--name", "nolog", "--log-driver", "none", shell="echo nobody hears this",
                    logs={"x": "stdout"})
    host.agent.wait_for_log("(?i)driver")
    host.agent.check_running()
    say("another log driver is said, and nothing worse")


def a_topic_that_is_not_admitted(host):
    host.kafka.topic("private", 1)
    host.run("t-denied", "/app/logs/a.log", shell=numbers(">>/app/logs/a.log"), x_topic="private")
    host.agent.wait_for_log("private")
    after = host.topic("t-after")
    host.run(after, "/app/logs/a.log", shell=numbers(">>/app/logs/a.log"))
    host.expect(after, lines())  # By then the other's lines would have come too.
    check(not messages(host.kafka.brokers, "private"), "a container chose a forbidden topic")
    say("a topic that the operator does not admit is not written")


def a_container_that_starts_again(host):
    topic = host.topic("t-again")
    host.run(topic, "/app/logs/a.log", shell=numbers(">>/app/logs/a.log") + "; sleep 0.2; " +
             numbers("") , y="stdout", y_topic=topic)
    host.expect(topic, lines() * 2)
    host.docker("start", "-a", topic)
    host.expect(topic, lines() * 4)

    late = host.topic("t-late")
    host.agent.stop()
    host.run(late, "/app/logs/a.log", shell=numbers(">>/app/logs/a.log"))
    host.agent.start()
    host.expect(late, lines())
    say("what ended while the agent was down is collected")

    out, error = host.topic("t-both"), host.topic("t-both-error")
    host.run(out, "stdout", shell=numbers("") + "; " + numbers(">&2", 5000, 10),
             y="stderr", y_topic=error)
    host.expect(error, lines(5000, 10))
    host.agent.stop()
    host.agent.start()
    host.docker("start", "-a", out)
    host.expect(out, lines() * 2)
    host.expect(error, lines(5000, 10) * 2)
    say("after a restart both streams of a container go on as themselves")


def a_dockerd_that_restarts(host, name, live_restore):
    topic = host.topic(name)
    writer = ('i=0; while [ $i -lt 600 ]; do echo "line $i" >>/app/logs/a.log; i=$((i+1));'
              ' usleep 10000; done; sleep 600')
    host.run(name, "/app/logs/a.log", "-d", shell=writer)
    wait_until(lambda: len(messages(host.kafka.brokers, topic)) > 50, 20, "the first lines")
    host.docker.kill() if live_restore else host.docker.stop()
    time.sleep(1)
    host.agent.check_running()
    host.docker.start()
    host.agent.wait_for_log("Docker at .* is back after")
    if live_restore:
        host.expect(topic, lines(0, 600), 60)
    else:
        wait_until(lambda: host.docker.inspect(name, "{{.State.Running}}") == "false", 20,
                   "the container ended with dockerd")
        host.docker("cp", f"{name}:/app/logs/a.log", host.lab.dir / name)
        host.expect(topic, (host.lab.dir / name).read_text().splitlines(), 30)
    fresh = host.topic(name + "-new")
    host.run(fresh, "/app/logs/*.log", "--rm", shell=numbers(">>/app/logs/n.log"))
    host.expect(fresh, lines())
    host.docker("rm", "-f", name)


def hostile_containers(host):
    topic = host.topic("t-hostile")
    secret = host.lab.dir / "secret.log"
    secret.write_text("the host's secret\n" * 10)
    os.chmod(secret, 0o644)
    up = "/.." * 20
    cases = {
        "link": f"ln -s {secret} /app/logs/h.log",
        "climb": f"ln -s ..{up}/etc/hostname /app/logs/h.log; ln -s {up}{secret} /app/logs/c.log",
        "folder": f"rm -rf /app/logs; ln -s {secret.parent} /app/logs; touch /app/logs/x || true",
        "proc": f"ln -s /proc/1/environ /app/logs/h.log;"
                f" ln -s /proc/self/root{secret} /app/logs/r.log",
        "fifo": "mkfifo /app/logs/h.log",
        "device": "mknod /app/logs/h.log c 1 5; mknod /app/logs/z.log c 1 3",
        "loop": "ln -s h.log /app/logs/h.log; ln -s . /app/logs/d",
        "swap": "cd /app/logs; i=0; while [ $i -lt 300 ]; do echo mine >n; mv n h.log;"
                f" ln -s {secret} n; mv n h.log; i=$((i+1)); done",
    }
    for case, shell in cases.items():
        host.docker.run("-d", "--name", f"evil-{case}", shell=shell + "; sleep 600",
                        logs={"x": "/app/logs/*.log", "x_topic": topic, "y": str(secret),
                              "y_topic": topic, "z": f"/app/logs/..{up}{secret}",
                              "z_topic": topic})
    time.sleep(4)
    host.agent.check_running()
    calm = host.topic("t-calm")
    host.run(calm, "/app/logs/a.log", shell=numbers(">>/app/logs/a.log"))
    host.expect(calm, lines())
    found = messages(host.kafka.brokers, topic)
    name = open("/etc/hostname", encoding="utf-8").read().strip()
    stolen = [line for line in found if "secret" in line or "PATH=" in line or line == name]
    check(not stolen, f"the agent read what is not the container's: {stolen[:3]}")
    check(set(found) <= {"mine"}, f"lines that no container wrote: {sorted(set(found))[:3]}")
    pid = host.agent.process.pid
    held = [os.readlink(entry.path) for entry in os.scandir(f"/proc/{pid}/fd")
            if not re.match(r"(socket|pipe|anon_inode):", os.readlink(entry.path))]
    check(str(secret) not in held, "the agent holds the secret open")
    host.agent.stop()
    host.agent.start()
    host.docker("rm", "-f", *[f"evil-{case}" for case in cases])
    say(f"{len(cases)} hostile containers: nothing of the host was read, nothing blocked")


def a_restart_of_dockerd(host):
    a_dockerd_that_restarts(host, "t-restart", live_restore=False)


def a_restart_with_live_restore(host):
    live = Host(host.lab, host.kafka, "agent-live", live_restore=True)
    a_dockerd_that_restarts(live, "t-live", live_restore=True)
    live.agent.stop()


def no_docker_yet(host):
    lab = host.lab
    early = lab.agent(host.kafka.brokers, docker=f"unix://{lab.dir}/none.sock", name="early")
    early.start()
    early.wait_for_log("Docker's socket .*none.sock does not exist: start Docker, .*--docker off")
    os.symlink(host.docker.address.removeprefix("unix://"), lab.dir / "none.sock")
    early.wait_for_log(r"Docker at .*none.sock is back after \d+\.\d s; all its containers")
    early.stop()
    say("without Docker's socket the agent waits and says so; when it is there, it says how long")


def test(lab):
    kafka = lab.kafka()
    kafka.topic(harness.LOGS, 4)
    host = Host(lab, kafka, "agent")
    harness.run_parts((ways_to_keep_logs, streams, a_topic_that_is_not_admitted,
                       a_container_that_starts_again, hostile_containers, a_restart_of_dockerd,
                       a_restart_with_live_restore, no_docker_yet), host)
    host.agent.stop()


if __name__ == "__main__":
    harness.main(test)
