#!/usr/bin/env python3
"""Goal: if a permission is withdrawn and restored while the agent runs, logs only wait; and a
forbidden topic holds up its own sources only.
Method: a Kafka with ACLs; each right that docs/security.md names is taken from the agent under load
and given back; Kafka's content is compared with the files.
"""

import time

import harness
from harness import audit, audit_says, check, check_clean, numbered_lines, say
from harness import wait_for_records

# Who has no name may do all that nobody forbids. Clients of the test are as nameless as the agent.
ACLS = ("authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer "
        "allow.everyone.if.no.acl.found=true")


class Rights:
    """What the agent may not do at present."""

    def __init__(self, kafka):
        self.kafka = kafka

    def change(self, how, operation, kind, name, *more):
        self.kafka.tool("AclCommand", how, "--deny-principal", "User:ANONYMOUS", "--operation",
                        operation, f"--{kind}", name, *more,
                        *(["--force"] if how == "--remove" else []))
        # The first rule of a resource ends "may do all that nobody forbids".
        self.kafka.tool("AclCommand", how, "--allow-principal", "User:ANONYMOUS", "--operation",
                        "All", f"--{kind}", name, *more,
                        *(["--force"] if how == "--remove" else []))

    def withdraw(self, *right):
        self.change("--add", *right)

    def give_back(self, *right):
        self.change("--remove", *right)


def withdrawn(lab, kafka, name, right, expected):
    """The right goes and comes back while lines are written to two topics."""
    held, free = f"held-{name}", f"free-{name}"
    paths = {topic: lab.dir / f"{topic}.log" for topic in (held, free)}
    for topic in paths:
        kafka.topic(topic, 4)
    right = [word.replace("HELD", held) for word in right]
    agent = lab.agent(kafka.brokers, topic=held, name=f"agent-{name}",
                      sources={"held": paths[held], "free": paths[free], "free_topic": free},
                      flags=["--linger-ms", 50, "--allow-topic", free])
    for path in paths.values():
        numbered_lines(path, 0, 500)
    agent.start()
    for topic in paths:
        wait_for_records(kafka.brokers, 500, 60, topic)
    rights = Rights(kafka)
    rights.withdraw(*right)
    for path in paths.values():
        numbered_lines(path, 500, 500)
    agent.wait_for_log(expected, 90)
    if right[1] == "topic":  # It parks its own sources only.
        wait_for_records(kafka.brokers, 1000, 60, free)
        numbered_lines(paths[free], 1000, 500)
        wait_for_records(kafka.brokers, 1500, 60, free)
    time.sleep(3)
    agent.check_running()
    if right[0] == "Write":
        found = audit(kafka.brokers, held)["totals"]["records"]
        check(found == 500, f"{found} records in {held} although {right} was withdrawn")
    rights.give_back(*right)
    wait_for_records(kafka.brokers, 1000, 150, held)
    total = 1500 if right[1] == "topic" else 1000
    wait_for_records(kafka.brokers, total, 150, free)
    agent.check_running()
    check_clean(audit(kafka.brokers, held, [("held", paths[held])]), 1000, 1, 1)
    check_clean(audit(kafka.brokers, free, [("free", paths[free])]), total, 1, 1)
    agent.stop()
    text, status = audit_says(kafka.brokers, held)
    say(f"kafka-acls: {right[0]} of {right[1]} withdrawn and given back\n{agent.said()}\n"
        f"    audit: exit {status}: {text.splitlines()[-1]}")


def write_to_the_topic(lab, kafka):
    withdrawn(lab, kafka, "write", ("Write", "topic", "HELD"), "held-write.*(wait|failed)")


def describe_of_the_topic(lab, kafka):
    withdrawn(lab, kafka, "all", ("All", "topic", "HELD"), "held-all.*(wait|failed)")


def read_of_the_group(lab, kafka):
    withdrawn(lab, kafka, "group",
              ("Read", "group", "longshore-agent.", "--resource-pattern-type", "prefixed"),
              "(?i)group.*authoriz|authoriz.*group|GROUP_AUTHORIZATION")


def write_to_the_transactional_id(lab, kafka):
    withdrawn(lab, kafka, "txn", ("Write", "transactional-id", "longshore-agent.",
                                  "--resource-pattern-type", "prefixed"),
              "(?i)transactional.?id.*authoriz|authoriz.*transactional")


def test(lab):
    kafka = lab.kafka(settings=ACLS)
    harness.run_parts((write_to_the_topic, describe_of_the_topic, read_of_the_group,
                       write_to_the_transactional_id), lab, kafka)


if __name__ == "__main__":
    harness.main(test)
