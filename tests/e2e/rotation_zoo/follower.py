"""An agent that follows many logs at once, and what it made of each of them."""

import concurrent.futures
import os
import time

import harness
from rotation_zoo import verdict

QUIET_S = 6        # Settled: nothing new came for so long; on a busy machine for longer,
QUIET_BUSY_S = 30  # up to this.


class Follower:
    """Thread: one at a time."""

    def __init__(self, lab, kafka, name, declared, dockerd=None):
        """`declared`: {name: path or glob; None for what a container declares itself}."""
        self.brokers, self.declared = kafka.brokers, declared
        self.topic = f"{harness.LOGS}-{name}"
        kafka.topic(self.topic, 1)
        sources = {name: path for name, path in declared.items() if path}
        self.agent = lab.agent(kafka.brokers, topic=self.topic, sources=sources, name=name,
                               docker=dockerd.address if len(sources) < len(declared) else "off",
                               flags=["--linger-ms", 50, "--rotate-wait-ms", 300,
                                      "--sweep-ms", 1000]) if declared else None

    def records(self):
        return harness.audit(self.brokers, self.topic)["totals"]["records"]

    def entries(self):
        """The ledger's losses and doubts, by the logs' names."""
        found = {}
        for record in harness.tap(self.brokers, "longshore-ledger"):
            entry = record["longshore"]
            if entry.get("topic") == self.topic and entry["event"] in ("lost", "doubt", "refused"):
                found.setdefault(entry["name"], []).append(entry)
        return found

    def verdicts(self, written, kept, late=None):
        """{name: Verdict}; `written`, `kept`, `late`: {name: its lines}, those still on disk, those
        written to a rotated file."""
        report = harness.audit(self.brokers, self.topic)
        records, entries, audited, found = {}, self.entries(), {}, {}
        for record in harness.tap(self.brokers, self.topic):
            records.setdefault(record["longshore"]["name"], []).append(record)
        for source in report["sources"] + report["unseen"]:
            audited.setdefault(source["name"], []).append(source)
        for name in self.declared:
            found[name] = verdict.judge(
                verdict.Log(written[name], kept[name], (late or {}).get(name, [])),
                records.get(name, []), entries.get(name, []), audited.get(name, []))
        missing = [name for name, each in found.items() if each.named or each.silent]
        if report["status"] == 0 and missing:
            harness.say(f"{self.topic}: audit exits 0, but lines are missing: {', '.join(missing)}")
        return found


def counts(followers):
    with concurrent.futures.ThreadPoolExecutor(4) as hands:
        return list(hands.map(Follower.records, followers))


def settle(followers, seconds):
    """Waits until each has shipped something, and nothing arrives any more."""
    deadline, seen, since = time.monotonic() + seconds * harness.SLOW, None, time.monotonic()
    while time.monotonic() < deadline:
        busy = os.getloadavg()[0] / os.cpu_count()
        quiet = min(QUIET_S * max(busy, 1), QUIET_BUSY_S) * harness.SLOW
        now = counts(followers)
        if now != seen:
            seen, since = now, time.monotonic()
        elif all(now) and time.monotonic() - since > quiet:
            return
        time.sleep(0.5)
