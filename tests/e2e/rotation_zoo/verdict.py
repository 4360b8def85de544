"""What became of the lines of one log: in Kafka, named by the ledger, or lost in silence.

    lines written ─┐
    records ───────┼──▶ judge() ──▶ Verdict
    ledger, audit ─┘

A run of missing lines is named if the ledger has an entry that touches the place between the
records of the entry's source on either side of it: a doubt, a loss of unknown length, or losses not
shorter than the run. (Copies of a log that were never read in the log are sources of their own.)
A log that is truncated again and again has one entry for many places (docs/audit.md): until that
comes, the flag of the record after each of them counts with the first entry.
"""

import bisect
import collections
import dataclasses

TWICE = "possible duplicates"  # A doubt that names lines that came twice, not missing ones.


@dataclasses.dataclass
class Verdict:
    lines: int = 0
    silent: int = 0
    named: int = 0
    readable: int = 0      # Of the named ones: on disk at the end.
    twice: int = 0
    foreign: int = 0       # Records that are no line of the log.
    disorder: int = 0      # Records after a later one of the same source.
    sources: int = 0
    entries: list = dataclasses.field(default_factory=list)  # Reasons of losses and doubts.
    vouched: bool = True   # What audit says.
    first_silent: str = ""

    @property
    def failed(self):
        return bool(self.silent or self.twice or self.foreign or self.disorder or
                    self.named and self.vouched)

    def text(self):
        """As in docs/limits.md."""
        counts = ((self.silent, "LOST SILENTLY"), (self.twice, "TWICE"),
                  (self.foreign, "NOT LINES"), (self.disorder, "OUT OF ORDER"),
                  (self.named, "named"))
        words = [f"{count} {what}" for count, what in counts if count] or ["complete"]
        if self.readable:
            words[-1] += f" ({self.readable} on disk)"
        if self.named and self.vouched:
            words.append("AUDIT 0")
        if not self.named and self.entries:
            words.append("doubt")
        if self.sources > 1:
            words.append(f"{self.sources} logs")
        return ", ".join(words)


@dataclasses.dataclass
class Log:
    written: list  # Its lines, in order.
    kept: set      # The lines that are still on disk.
    late: list     # More lines, written to a file after the next one was begun: in no order.


class Seen:
    """Where the lines stand in Kafka: by their numbers, in the topic's order."""

    def __init__(self, log, records):
        self.places = collections.defaultdict(list)  # Number -> records, in the topic's order.
        self.of_source = collections.defaultdict(list)  # Source -> (number, record), by number.
        self.foreign = self.disorder = 0
        numbers = collections.defaultdict(collections.deque)
        for number, text in enumerate(log.written):
            numbers[text].append(number)
        self.late = collections.Counter({text: 0 for text in log.late})
        latest = {}
        for record in records:
            if record["message"] in self.late:
                self.late[record["message"]] += 1
                continue
            known = numbers.get(record["message"])
            if not known:
                self.foreign += 1
                continue
            number = known[0]  # Equal lines take turns.
            known.rotate(-1)
            place = record["longshore"]
            self.places[number].append(place)
            source = place["source"]
            self.disorder += number < latest.get(source, -1)
            latest[source] = max(number, latest.get(source, -1))

        for number in sorted(self.places):
            for place in self.places[number][:1]:
                self.of_source[place["source"]].append((number, place))

    def runs(self, count):
        """Runs of missing lines: (first, end)."""
        first = None
        for number in range(count + 1):
            if number < count and number not in self.places:
                first = number if first is None else first
            elif first is not None:
                yield first, number
                first = None

    def names(self, entry, first):
        """Whether an entry of the ledger touches the place of the lines missing from `first` on."""
        records = self.of_source[entry["source"]]
        at = bisect.bisect_left(records, first, key=lambda record: record[0])
        return ((at == 0 or entry["end"] >= records[at - 1][1]["end"]) and
                (at == len(records) or entry["start"] <= records[at][1]["start"]))

    def is_announced(self, entry, first):
        """Whether the record after that place tells of a truncation that has no entry yet."""
        records = self.of_source[entry["source"]]
        at = bisect.bisect_left(records, first, key=lambda record: record[0])
        return (entry["reason"] == "truncated?" and at < len(records) and
                "gap_before" in records[at][1].get("flags", []))


def judge(log, records, entries, audited):
    """`entries`: the ledger's losses and doubts of the log; `audited`: its sources in the audit."""
    written = log.written
    seen = Seen(log, records)
    sources = {record["longshore"]["source"] for record in records}
    entries = [entry for entry in entries if entry.get("reason") != TWICE]
    verdict = Verdict(lines=len(written), foreign=seen.foreign, disorder=seen.disorder,
                      sources=len(sources),
                      twice=sum(len(places) - 1 for places in seen.places.values()),
                      entries=[entry["reason"] for entry in entries],
                      vouched=all(source["clean"] for source in audited))
    for first, end in seen.runs(len(written)):
        between = [entry for entry in entries if seen.names(entry, first)]
        size = sum(len(text.encode()) + 1 for text in written[first:end])
        unknown = any(entry["event"] == "doubt" or entry["start"] == entry["end"]
                      for entry in between)
        known = sum(entry["end"] - entry["start"] for entry in between)
        announced = any(seen.is_announced(entry, first) for entry in entries)
        if announced or between and (unknown or known >= size):
            verdict.named += end - first
            verdict.readable += sum(text in log.kept for text in written[first:end])
        else:
            verdict.silent += end - first
            verdict.first_silent = verdict.first_silent or f"{first}..{end - 1}"
    judge_late(seen.late, verdict)
    return verdict


def judge_late(late, verdict):
    """Where late lines would stand is not known: any entry may be theirs."""
    missing = sum(count == 0 for count in late.values())
    verdict.twice += sum(max(0, count - 1) for count in late.values())
    if verdict.entries:
        verdict.named += missing
    else:
        verdict.silent += missing
