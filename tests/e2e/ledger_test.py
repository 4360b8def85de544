#!/usr/bin/env python3
"""Goal: audit reports each ended source as complete, or lists which bytes are missing and why.
Method: containers that end and start again, rotations, files that are truncated and deleted, and a
ledger topic that does not exist at first; real Kafka, real dockerd, and audit's output.
"""

import os

import harness
from harness import LiveWriter, audit, audit_says, check, ledger, numbered_lines, say
from harness import wait_for_records, wait_until


def verdict_of(kafka, topic, verdict, seconds=30):
    """Waits until the one source of the topic has it; the source's report."""
    def there():
        sources = audit(kafka.brokers, topic)["sources"]
        return [source for source in sources if source["verdict"] == verdict]
    return wait_until(there, seconds, f"{topic} is {verdict}", pause=0.5)[0]


def agent_of(lab, kafka, name, path, *flags):
    return lab.agent(kafka.brokers, topic=name, name=f"agent-{name}", sources={name: path},
                     flags=["--linger-ms", 50, "--rotate-wait-ms", 300, "--sweep-ms", 500, *flags])


def a_container_that_ends(lab, kafka):
    kafka.topic("ends", 4)
    docker = lab.dockerd()
    agent = lab.agent(kafka.brokers, topic="ends", docker=docker.address, name="agent-ends",
                      flags=["--linger-ms", 50]).start()
    agent.wait_for_log("(?i)docker")
    shell = "i=0; while [ $i -lt 200 ]; do echo line $i >>/app/l.log; i=$((i+1)); done"
    docker.run("--name", "ends", shell="mkdir -p /app; " + shell, logs={"x": "/app/l.log"})
    wait_for_records(kafka.brokers, 200, 30, "ends")
    first = verdict_of(kafka, "ends", "complete")
    check(first["total"] == first["end"] and not first["missing"], f"the total: {first}")
    text, status = audit_says(kafka.brokers, "ends")
    check(status == 0 and ", 1 complete, 0 open" in text, f"audit says: {text}")
    say(f"a container that ended: {text.splitlines()[-1]}")

    docker("start", "-a", "ends")
    wait_for_records(kafka.brokers, 400, 30, "ends")
    again = verdict_of(kafka, "ends", "complete")
    check(again["total"] == 2 * first["total"], f"the second end: {again}")
    opened, ended = (ledger(kafka.brokers, "x", event) for event in ("opened", "ended"))
    check(len(opened) == 1 and len(ended) >= 2, f"the ledger: {opened}, {ended}")
    say("docker start: the source went on and ended again, complete")
    agent.stop()


def a_rotation(lab, kafka):
    kafka.topic("rotates", 4)
    path = lab.dir / "rotates.log"
    numbered_lines(path, 0, 100)
    agent = agent_of(lab, kafka, "rotates", path).start()
    wait_for_records(kafka.brokers, 100, 30, "rotates")
    sizes = [path.stat().st_size]
    path.rename(lab.dir / "rotates.log.1")
    numbered_lines(path, 100, 70)
    wait_for_records(kafka.brokers, 170, 30, "rotates")
    closed = wait_until(lambda: ledger(kafka.brokers, "rotates", "closed"), 30,
                        "a closed generation")
    check([entry["end"] - entry["start"] for entry in closed] == sizes, f"closed: {closed}")
    source = verdict_of(kafka, "rotates", "open")
    check(not source["missing"], f"something is missing: {source}")
    agent.stop()
    say(f"rotation: the generation of {sizes[0]} bytes was closed")


def a_truncated_file(lab, kafka):
    kafka.topic("truncates", 4)
    path = lab.dir / "truncates.log"
    numbered_lines(path, 0, 100)
    agent = agent_of(lab, kafka, "truncates", path).start()
    wait_for_records(kafka.brokers, 100, 30, "truncates")
    agent.kill()
    numbered_lines(path, 100, 50)  # Written and truncated while nobody looked.
    os.truncate(path, 0)
    numbered_lines(path, 150, 20)
    agent.start()
    wait_for_records(kafka.brokers, 120, 30, "truncates")
    text, status = audit_says(kafka.brokers, "truncates")
    check(status == 1 and "truncated?: an unknown length" in text, f"audit says: {text}")
    agent.stop()
    say(f"truncated: {text.splitlines()[-1]}")


def a_deleted_file(lab, kafka):
    kafka.topic("deletes", 4)
    path = lab.dir / "deletes.log"
    numbered_lines(path, 0, 100)
    agent = agent_of(lab, kafka, "deletes", path).start()
    wait_for_records(kafka.brokers, 100, 30, "deletes")
    path.unlink()
    source = verdict_of(kafka, "deletes", "complete", 60)
    check(source["total"] == source["end"], f"the total: {source}")
    say("deleted after it was shipped: complete")

    # Deleted with an unread rest that no agent holds open.
    numbered_lines(path, 0, 100)
    wait_for_records(kafka.brokers, 200, 30, "deletes")
    kafka.freeze()
    numbered_lines(path, 100, 300)
    agent.wait_for_log("collecting")
    agent.kill()
    path.unlink()
    kafka.thaw()
    agent.start()
    def told():
        text, status = audit_says(kafka.brokers, "deletes")
        return text if status == 1 and "not there: deleted" in text else None
    text = wait_until(told, 60, "the loss of a deleted file is told", pause=0.5)
    agent.stop()
    say(f"deleted with an unread rest: {text.splitlines()[-1]}")


def a_topic_that_comes_later(lab, kafka):
    kafka.topic("later", 4)
    path = lab.dir / "later.log"
    writer = LiveWriter([path], 2000, 4)
    writer.start()
    agent = agent_of(lab, kafka, "later", path, "--ledger-topic", "own-ledger").start()
    writer.join()
    wait_for_records(kafka.brokers, 2000, 60, "later")
    agent.wait_for_log("own-ledger")
    text, status = audit_says(kafka.brokers, "later", "--ledger-topic", "own-ledger")
    check(status == 0 and "topic own-ledger does not exist" in text, f"audit says: {text}")
    path.unlink()
    kafka.topic("own-ledger", 1)
    def complete():
        text, status = audit_says(kafka.brokers, "later", "--ledger-topic", "own-ledger")
        check(status == 0, f"audit says: {text}")
        return "1 complete" in text
    wait_until(complete, 150, "the entries that waited arrive", pause=1)
    agent.stop()
    say("a ledger's topic that was made later has every entry")


def test(lab):
    kafka = lab.kafka()
    harness.run_parts((a_container_that_ends, a_rotation, a_truncated_file, a_deleted_file,
                       a_topic_that_comes_later), lab, kafka)


if __name__ == "__main__":
    harness.main(test)
