"""Checks the result of a campaign once everything that was broken has recovered.

Two readers that share no code check it: `longshore audit`, and Kafka's own console consumer, whose
records are compared here.
"""

import collections
import json
import re
import subprocess
import time

import harness
from harness import BINARY, Failure, audit, brief, check, check_clean, run, say

SECONDS_TO_FINISH = 240
EVENTS = {"agents": ("killed while starting", "killed while recovering", "killed while shipping",
                     "in doubt: delivered.", "in doubt: aborted.", "terminated", "frozen"),
          "brokers": ("kills",), "disk": ("filled",), "dockerd": ("kills",), "clock": ("steps",),
          "network": ("cut in the middle", "closed", "refused", "swallowed", "delays", "limits"),
          "containers": ("starts", "of --rm")}


def never_happened(counts):
    """What a campaign must go on for."""
    events = [f"{part}: {event}" for part, names in EVENTS.items() for event in names
              if not counts[part].get(event)]
    return events + [what for what in ("leaders", "rotations") if not counts[what]]


class Stream:
    """The records of one source as a consumer sees them, compared while they come."""

    def __init__(self):
        self.end = self.records = 0
        self.wrong = []
        self.messages = []

    def add(self, record, keep):
        where = record["longshore"]
        self.records += 1
        if where["start"] != self.end:
            self.wrong.append(f"[{where['start']}, {where['end']}) comes behind {self.end}")
        self.end = where["end"]
        if keep:
            self.messages.append(record["message"])


class Comparison(Stream):
    """With the file that holds what was written."""

    def __init__(self, log):
        super().__init__()
        self.expected = open(log.expected, encoding="utf-8", newline="\n")

    def add(self, record, keep):
        super().add(record, False)
        line = self.expected.readline()
        if record["message"] + "\n" != line and len(self.wrong) < 10:
            self.wrong.append(f"at {record['longshore']['start']}: {record['message'][:60]!r} "
                              f"instead of {line[:60]!r}")

    def finish(self):
        rest = self.expected.read().count("\n")
        if rest:
            self.wrong.append(f"the last {rest} lines are missing, the stream ends at {self.end}")
        return self.wrong


def consumed(kafka, topic):
    """Every committed record of a topic, read by Kafka's own consumer."""
    records = audit(kafka.brokers, topic)["totals"]["records"]
    words = [harness.SERVICES / "kafka.sh", "tool",
             "org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server",
             kafka.brokers, "--topic", topic, "--from-beginning", "--isolation-level",
             "read_committed", "--timeout-ms", "15000", "--max-messages", records]
    process = subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    for line in process.stdout:
        yield json.loads(line)
    process.wait()


def read_independently(kafka, topic, logs, keep=False):
    """The streams of a topic by name; `logs`, where given, say what they must be."""
    streams = {log.name: Comparison(log) for log in logs}
    for record in consumed(kafka, topic):
        name = record["longshore"]["name"]
        streams.setdefault(name, Stream()).add(record, keep)
    return streams


def await_records(campaign, topic, wanted):
    """Waits until a topic holds so many committed records; says what is missing, if not."""
    deadline = time.monotonic() + SECONDS_TO_FINISH
    while True:
        report = audit(campaign.kafka.brokers, topic)
        found = report["totals"]["records"]
        if found >= wanted:
            return
        check(time.monotonic() < deadline,
              f"{topic}: {wanted - found} of {wanted} records are missing")
        time.sleep(3)


def complain(campaign, name, what):
    """Which source, where, what its agent said of it, and what it said last."""
    of = {"stay": "docker", "gone": "watcher"}.get(name[:4], name)
    agents = [agent for agent in campaign.lab.agents if of.startswith(agent.log_path.stem)]
    words = agents[0].log() if agents else ""
    own = [line for line in words.splitlines() if re.search(rf"\b{name}\b", line)]
    raise Failure("\n".join([f"{name}: {what}", *own[:20], words[-3000:]]))


def check_ledger(report):
    """Whatever is not there is in the agents' ledger."""
    check(report["ledger"] and report["totals"]["unexplained_bytes"] == 0 and
          report["totals"]["duplicates"] == report["totals"]["reordered"] == 0,
          f"the ledger does not explain it: {brief(report)}")


def check_whole_streams(campaign):
    logs = campaign.logs + campaign.containers.logs()
    lines = sum(log.lines() for log in logs)
    try:
        await_records(campaign, harness.LOGS, lines)
    except Failure as missing:
        wrong = {name: stream.finish() for name, stream in
                 read_independently(campaign.kafka, harness.LOGS, logs).items()}
        for name in filter(wrong.get, wrong):
            lost = harness.ledger(campaign.kafka.brokers, name, "lost")
            say(f"{name}: {wrong[name][:3]}; the ledger: {lost}")
        for name in filter(wrong.get, wrong):
            complain(campaign, name, f"{missing}")
        raise
    campaign.stop_agents()
    files = [(log.name, log.expected) for log in logs]
    report = audit(campaign.kafka.brokers, files=files)
    check_clean(report, lines, len(logs), len(logs))
    check_ledger(report)
    say(f"audit: {lines} lines of {len(logs)} sources, once each, in order, byte-equal")
    streams = read_independently(campaign.kafka, harness.LOGS, logs)
    for name, stream in streams.items():
        wrong = stream.finish()
        if wrong:
            complain(campaign, name, "; ".join(wrong[:5]))
    check(sum(stream.records for stream in streams.values()) == lines,
          "Kafka's consumer reads another number of records than the audit")
    say(f"Kafka's consumer: {lines} lines, equal to what was written")


def check_removed_containers(campaign):
    """Each line of each container that removed itself."""
    wanted, complete = campaign.containers.gone, campaign.containers.complete()
    deadline = time.monotonic() + SECONDS_TO_FINISH
    while True:
        report = audit(campaign.kafka.brokers, "gone")
        found = {source["name"]: source["records"] for source in report["sources"]}
        missing = [name for name in complete if found.get(name) != wanted[name]]
        if not missing:
            break
        if time.monotonic() > deadline:
            name = missing[0]
            complain(campaign, name, f"{found.get(name, 0)} of {wanted[name]} lines")
        time.sleep(1)
    check_clean(report)
    check_ledger(report)
    verdicts = {source["name"]: source["verdict"] for source in report["sources"]}
    say(f"the ledger of removed containers: {collections.Counter(verdicts.values())}")
    streams = read_independently(campaign.kafka, "gone", (), keep=True)
    for name, stream in streams.items():
        check(stream.messages == [f"{name} {i}" for i in range(stream.records)] and
              not stream.wrong, f"{name}: other lines than it wrote: {stream.messages[:3]}")
    for name in complete:
        check(streams[name].records == wanted[name],
              f"{name}: Kafka's consumer reads {streams[name].records} of {wanted[name]} lines")
    say(f"{len(complete)} containers that were removed at once are complete, {len(wanted)} began")


def check_truncated_logs(campaign):
    """What a truncation takes is lost and named; nothing comes twice or out of order."""
    streams = read_independently(campaign.kafka, "cut", (), keep=True)
    for log in campaign.cut:
        stream = streams[log.name]
        written = iter(log.expected.read_text().split("\n"))
        for line in stream.messages:
            check(line in written, f"{log.name}: {line[:60]!r} was not written, or comes again")
        missing = log.lines() - stream.records
        say(f"{log.name}: {stream.records} of {log.lines()} lines through {log.rotations} times")
        check(missing == 0 or ledger(campaign, "cut"),
              f"{log.name}: {missing} lines are missing, and the ledger does not say so")
    check_ledger(audit(campaign.kafka.brokers, "cut"))


def ledger(campaign, name):
    """What the state directory of an agent says of losses and doubts."""
    agent = next(agent for agent in campaign.lab.agents if agent.log_path.stem == name)
    said = run(BINARY, "checkpoint", "ls", "--ledger", "--json", "--state-dir",
               agent.state_dir).stdout
    return [entry for entry in json.loads(said)["ledger"] if entry["reason"]]


def verify(campaign):
    check_removed_containers(campaign)
    check_whole_streams(campaign)
    check_truncated_logs(campaign)
    for agent in campaign.lab.agents:
        name = agent.log_path.stem
        # Kills leave a doubt where a log rested before it was rotated; the lines were compared.
        entries = [entry for entry in ledger(campaign, name)
                   if entry["reason"] != "generation unseen?"]
        check(name == "cut" or not entries, f"{name}: the ledger says {entries[:5]}")
    aborted = audit(campaign.kafka.brokers, isolation="read_uncommitted")["totals"]
    say(f"control: uncommitted records show {aborted['duplicates']} duplicates")
    check(aborted["duplicates"] > 0, "nothing was aborted: the test could not have failed")
    say(json.dumps(campaign.counts(), indent=1))
