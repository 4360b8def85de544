#!/usr/bin/env python3
"""Goal: an operator's changes to a topic under a running agent lose nothing that the topic still
has: the topic is deleted and recreated, partitions are added, its size limit is lowered below a
batch or a record.
Method: one agent and one topic for each case, lines written throughout; Kafka's content is compared
with the file.
"""

import os

import harness
from harness import audit, audit_says, check, check_clean, messages, numbered_lines, say
from harness import wait_for_records


class Case:
    """A file, a topic, an agent between them."""

    def __init__(self, lab, kafka, name, partitions=4, flags=(), **settings):
        self.lab, self.kafka, self.name, self.lines = lab, kafka, name, 0
        self.path = lab.dir / f"{name}.log"
        kafka.topic(name, partitions, **settings)
        self.agent = lab.agent(kafka.brokers, topic=name, name=f"agent-{name}",
                               sources={name: self.path}, flags=["--linger-ms", 50, *flags])

    def write(self, count):
        numbered_lines(self.path, self.lines, count)
        self.lines += count

    def arrived(self, records=None, seconds=60):
        wait_for_records(self.kafka.brokers, records or self.lines, seconds, self.name)
        self.agent.check_running()

    def config(self, **settings):
        words = ",".join(f"{key.replace('_', '.')}={value}" for key, value in settings.items())
        harness.run(harness.SERVICES / "kafka.sh", "tool", "kafka.admin.ConfigCommand",
                    "--bootstrap-server", self.kafka.brokers, "--alter", "--entity-type", "topics",
                    "--entity-name", self.name, "--add-config", words)

    def tell(self, what, files=True):
        more = ["--source", f"{self.name}={self.path}"] if files else []
        text, status = audit_says(self.kafka.brokers, self.name, *more)
        say(f"{what}\n{self.agent.said()}\n    audit: exit {status}: {text.splitlines()[-1]}")
        return text, status


def partitions_added(lab, kafka):
    case = Case(lab, kafka, "grown", 2)
    case.write(500)
    case.agent.start()
    case.arrived()
    kafka.tool("TopicCommand", "--alter", "--topic", "grown", "--partitions", 8)
    case.write(500)
    case.arrived()
    case.agent.kill()
    case.agent.start()
    case.write(500)
    case.arrived()
    check_clean(audit(kafka.brokers, "grown", [("grown", case.path)]), 1500, 1, 1)
    case.agent.stop()
    case.tell("kafka-topics --alter --partitions 8 (from 2)")


def made_anew(lab, kafka, name, before, after):
    """What was in the topic went with it; everything since is there once, in order."""
    case = Case(lab, kafka, name, before)
    case.write(500)
    case.agent.start()
    case.arrived()
    kafka.tool("TopicCommand", "--delete", "--topic", name)
    case.write(300)
    case.agent.wait_for_log(f"(?i){name}.*(wait|exist|unknown|partition)", 60)
    kafka.topic(name, after)
    case.write(200)
    case.arrived(500, 150)
    case.write(100)
    case.arrived(600, 60)
    wanted = case.path.read_text().splitlines()[500:]
    check(messages(kafka.brokers, name) == wanted, f"{name}: other lines than since the deletion")
    case.agent.stop()
    text, status = case.tell(f"kafka-topics --delete, then made anew: {before} partitions -> "
                             f"{after}", files=False)
    check(status == 1 and "not there: not in the ledger" in text,
          f"audit hides what went with the topic: {text}")


def deleted_and_made_anew(lab, kafka):
    made_anew(lab, kafka, "anew", 4, 4)


def deleted_and_made_smaller(lab, kafka):
    made_anew(lab, kafka, "smaller", 4, 1)


def a_limit_below_a_batch(lab, kafka):
    case = Case(lab, kafka, "lowered")
    other = lab.dir / "unmoved.log"
    kafka.topic("unmoved", 2)
    case.agent.words += ["--allow-topic", "unmoved", "--source", f"unmoved={other}",
                         "--source", "unmoved_topic=unmoved"]
    case.write(2000)
    case.agent.start()
    case.arrived()
    case.config(max_message_bytes=20_000)
    case.write(4000)  # In one batch about 500 kB.
    case.arrived(seconds=120)
    check_clean(audit(kafka.brokers, "lowered", [("lowered", case.path)]), 6000, 1, 1)
    case.tell("kafka-configs --add-config max.message.bytes=20000, below a batch")

    # A record beyond the limit is never dropped: it waits, and so do those behind it, alone.
    with open(case.path, "a", encoding="ascii") as file:
        file.write(os.urandom(30_000).hex() + "\n")  # Nothing that compression could save.
    case.lines += 1
    case.write(100)
    case.agent.wait_for_log("(?i)lowered.*max.message.bytes", 120)
    numbered_lines(other, 0, 1000)
    wait_for_records(kafka.brokers, 1000, 60, "unmoved")
    check(audit(kafka.brokers, "lowered")["totals"]["records"] == 6000, "it was not parked")
    case.tell("a line of 60,000 bytes under that limit")
    case.config(max_message_bytes=1_048_588)
    case.arrived(seconds=200)
    check_clean(audit(kafka.brokers, "lowered", [("lowered", case.path)]), 6101, 1, 1)
    case.agent.stop()
    case.tell("and the limit raised again")


def test(lab):
    kafka = lab.kafka()
    harness.run_parts((partitions_added, deleted_and_made_anew, deleted_and_made_smaller,
                       a_limit_below_a_batch), lab, kafka)


if __name__ == "__main__":
    harness.main(test)
