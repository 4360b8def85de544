#!/usr/bin/env python3
"""Goal: whatever happens to an agent's state on either side, only the ranges that the ledger names
are lost or duplicated: offsets and transactional ids that expired, a state directory that was
rolled back or cloned, another cluster.
Method: a Kafka that forgets within a minute, and agents in every state before that minute; Kafka's
content afterwards is compared with the files, and with the ledger's ranges.
"""

import json
import shutil
import time

import harness
from harness import BINARY, LiveWriter, audit, audit_says, check, check_clean, messages
from harness import numbered_lines, run, say, tap, wait_for_records, wait_until

FORGETFUL = ("offsets.retention.minutes=1 offsets.retention.check.interval.ms=500 "
             "transactional.id.expiration.ms=5000 "
             "transaction.remove.expired.transaction.cleanup.interval.ms=500")
MINUTE = 75


class Case:
    """A file, a topic, an agent between them."""

    def __init__(self, lab, kafka, name, flags=()):
        self.kafka, self.name, self.lines = kafka, name, 0
        self.path = lab.dir / f"{name}.log"
        kafka.topic(name, 4)
        self.agent = lab.agent(kafka.brokers, topic=name, name=f"agent-{name}",
                               sources={name: self.path}, flags=["--linger-ms", 50, *flags])

    def write(self, count=500):
        numbered_lines(self.path, self.lines, count)
        self.lines += count

    def arrived(self):
        wait_for_records(self.kafka.brokers, self.lines, 60, self.name)
        self.agent.check_running()

    def verify(self, what):
        """Every line once."""
        self.arrived()
        self.agent.stop()
        report = audit(self.kafka.brokers, self.name, [(self.name, self.path)])
        check_clean(report, self.lines, 1, 1)
        self.tell(what)

    def tell(self, what):
        text, status = audit_says(self.kafka.brokers, self.name)
        say(f"{what}\n{self.agent.said()}\n    audit: exit {status}: {text.splitlines()[-1]}")
        return text, status

    def lane(self):
        done = run(BINARY, "checkpoint", "ls", "--json", "--state-dir", self.agent.state_dir)
        return json.loads(done.stdout)["lanes"][0]

    def ledger(self, event):
        return harness.ledger(self.kafka.brokers, self.name, event)

    def refused(self, *more, sentence):
        """The agent ends with 2 and says the sentence."""
        self.agent.start(*more)
        status = self.agent.wait(60)
        check(status == 2, f"{self.name}: exit {status} instead of 2: {self.agent.log()[-1500:]}")
        self.agent.wait_for_log(sentence, 1)


def prepared(lab, kafka, name, flags=()):
    """A case that was killed with a PREPARE pending: under load there nearly always is one."""
    case = Case(lab, kafka, name, flags)
    for _ in range(20):
        writer = LiveWriter([case.path], 3000, 3, seed=case.lines)
        case.agent.start()
        writer.start()
        time.sleep(1.5)
        case.agent.kill()
        writer.join()
        case.lines += 3000
        if case.lane()["prepared"] is not None:
            return case
    raise harness.Failure("no kill left a PREPARE")


def twice(case):
    """Positions that are in the topic twice, of one whole record each."""
    seen, again = set(), []
    for record in tap(case.kafka.brokers, case.name):
        place = (record["longshore"]["start"], record["longshore"]["end"])
        if place in seen:
            again.append(place)
        seen.add(place)
    return again


def within(places, ranges):
    return all(any(r["start"] <= start and end <= r["end"] for r in ranges)
               for start, end in places)


def resumed_in_doubt(case):
    case.agent.start()
    case.agent.wait_for_log("possible duplicates")
    doubts = wait_until(lambda: case.ledger("doubt"), 60, "the doubt is in the ledger", pause=0.5)
    lines = case.path.read_text().splitlines()
    wait_until(lambda: len(set(messages(case.kafka.brokers, case.name))) == len(lines), 60,
               "every line is there", pause=1)
    case.agent.stop()
    report = audit(case.kafka.brokers, case.name)["totals"]
    check(report["gaps"] == 0 and report["unexplained_bytes"] == 0, f"a gap: {report}")
    again = twice(case)
    check(within(again, doubts), f"{len(again)} records twice beyond the doubt {doubts}")
    case.tell(f"offsets expired, PREPARE pending, --in-doubt=resend: {len(again)} records twice, "
              f"within the doubt [{doubts[0]['start']}, {doubts[0]['end']})")


def halted_and_skipped(case):
    case.refused("--in-doubt", "halt", sentence="is in doubt.*--in-doubt=halt")
    say(f"--in-doubt=halt: exit 2\n{case.agent.said('in doubt')}")
    case.agent.start("--in-doubt", "skip")
    case.agent.wait_for_log("possibly lost")
    lost = wait_until(lambda: case.ledger("lost"), 60, "the loss is in the ledger", pause=0.5)
    case.write()
    last = case.path.read_text().splitlines()[-1]
    wait_until(lambda: last in messages(case.kafka.brokers, case.name), 60, "the last line", 1)
    case.agent.stop()
    source = audit(case.kafka.brokers, case.name)["sources"][0]
    check(source["duplicates"] == 0, f"--in-doubt=skip doubled: {source}")
    check(source["unexplained_bytes"] == 0, f"missing beyond the ledger: {source}, {lost}")
    check(all(r["reason"] == "possibly lost" for r in source["missing"]), f"{source}")
    case.tell(f"--in-doubt=skip: {source['lost_bytes']} bytes of [{lost[0]['start']}, "
              f"{lost[0]['end']}) are not there, all named")


def expired(lab, kafka):
    """All that a minute without an agent, or with an idle one, makes Kafka forget."""
    asleep, idle = Case(lab, kafka, "asleep"), Case(lab, kafka, "idle")
    for case in (asleep, idle):
        case.write()
        case.agent.start()
        case.arrived()
    asleep.agent.stop()
    resend = prepared(lab, kafka, "resend")
    halt = prepared(lab, kafka, "halt")
    say(f"Kafka is given {MINUTE} s to forget")
    time.sleep(MINUTE)
    groups = kafka.tool("consumer.group.ConsumerGroupCommand", "--list")
    check("longshore-agent" not in groups, f"the offsets have not expired: {groups}")

    idle.write()
    idle.verify("offsets and transactional id expired under an idle agent")
    check("possible duplicates" not in idle.agent.log(), "an idle agent came into doubt")
    asleep.write()
    asleep.agent.start()
    asleep.verify("offsets and transactional id expired while the agent was away")
    resumed_in_doubt(resend)
    halted_and_skipped(halt)


def a_transactional_id_expires(lab, kafka):
    """While it is between two transactions, its offset still there."""
    case = Case(lab, kafka, "idexpired")
    case.agent.start()
    for _ in range(3):
        case.write()
        case.arrived()
        time.sleep(8)
    case.verify("transactional.id.expiration.ms=5000, an agent that writes every 8 s")


def a_state_that_was_rolled_back(lab, kafka):
    case = Case(lab, kafka, "rolled")
    case.write()
    case.agent.once()
    saved = lab.dir / "saved-state"
    shutil.copytree(case.agent.state_dir, saved)
    case.write()
    case.agent.once()
    shutil.rmtree(case.agent.state_dir)
    shutil.copytree(saved, case.agent.state_dir)
    case.refused(sentence="(?s)older than what was shipped.*checkpoint adopt")
    check_clean(audit(kafka.brokers, "rolled", [("rolled", case.path)]), 1000, 1, 1)
    case.tell("a state directory from before the last transaction: exit 2")
    said = run(BINARY, "checkpoint", "adopt", "--lane", 0, "--brokers", kafka.brokers,
               "--state-dir", case.agent.state_dir).stdout
    case.write()
    case.agent.start()
    lines = case.path.read_text().splitlines()
    wait_until(lambda: set(messages(kafka.brokers, "rolled")) == set(lines), 60, "all lines", 1)
    doubts = wait_until(lambda: case.ledger("doubt"), 60, "the doubt", pause=0.5)
    case.agent.stop()
    again = twice(case)
    check(len(again) == 500, f"{len(again)} records are there twice, not the 500 sent again")
    check(doubts[0]["reason"] == "possible duplicates", f"{doubts}")
    text, status = case.tell(f"checkpoint adopt: {said.strip()}")
    check(status == 1 and "possible duplicates" in text, f"audit says: {text}")


def a_cloned_host(lab, kafka):
    case = Case(lab, kafka, "cloned")
    case.write()
    case.agent.once()
    clone = lab.agent(kafka.brokers, topic="cloned", name="agent-clone",
                      sources={"cloned": case.path}, flags=["--linger-ms", 50])
    shutil.copytree(case.agent.state_dir, clone.state_dir, dirs_exist_ok=True)
    writer = LiveWriter([case.path], 20_000, 8)
    case.agent.start()
    clone.start()
    writer.start()
    stopped = wait_until(lambda: next((a for a in (case.agent, clone) if not a.running()), None),
                         60, "one of two agents with one id stops")
    check(stopped.wait(1) == 2, f"it exited with {stopped.wait(1)}")
    stopped.wait_for_log("(?i)cloned|another agent", 1)
    left = clone if stopped is case.agent else case.agent
    writer.join()
    wait_for_records(kafka.brokers, 20_500, 60, "cloned")
    left.stop()
    check_clean(audit(kafka.brokers, "cloned", [("cloned", case.path)]), 20_500, 1, 1)
    text, status = audit_says(kafka.brokers, "cloned")
    say(f"two agents with one id\n{stopped.said('error|Kafka holds')}\n    audit: exit {status}: "
        f"{text.splitlines()[-1]}")


def another_cluster(lab, kafka):
    case = Case(lab, kafka, "moved")
    case.write()
    case.agent.once()
    other = lab.kafka(name="another")
    other.topic("moved", 4)
    words = list(case.agent.words)
    case.agent.words = [other.brokers if w == kafka.brokers else w for w in words]
    case.refused(sentence="belongs to the Kafka cluster .*--new-cluster=continue")
    found = audit(other.brokers, "moved")["totals"]["records"]
    check(found == 0, f"it wrote {found} records into the other cluster")
    say(f"another cluster: exit 2\n{case.agent.said('belongs to the Kafka')}")
    case.write()
    case.agent.once("--new-cluster", "continue")
    wanted = case.path.read_text().splitlines()[500:]
    check(messages(other.brokers, "moved") == wanted, "--new-cluster=continue sent other lines")
    text, status = audit_says(other.brokers, "moved")
    say(f"--new-cluster=continue: {len(wanted)} lines go on there; audit there: exit {status}: "
        f"{text.splitlines()[-1]}")


def test(lab):
    kafka = lab.kafka(settings=FORGETFUL)
    parts = [a_state_that_was_rolled_back, a_cloned_host, another_cluster]
    if harness.LONG:  # Kafka takes minutes to forget.
        parts += [a_transactional_id_expires, expired]
    harness.run_parts(parts, lab, kafka)


if __name__ == "__main__":
    harness.main(test)
