#!/usr/bin/env python3
"""Goal: after a power loss that took the unsynced end of log files, nothing is lost that is still
on the disk, and only lines that the ledger names come twice.
Method: the agent ships until it is killed with -9, or to the end. Then files are truncated, or
their ends zeroed as a file system leaves them, applications continue to write, and an agent in
another "boot" resumes: a mount namespace shows it another boot id. The control resumes within the
same boot and must send lines twice.
"""

import time

import harness
from harness import check, numbered_lines, say, tap, wait_until

LEDGER = "longshore-ledger"
CHANCE = harness.seeded()
NEW = [f"after {i}" for i in range(300)]


def boot(lab, number):
    """The words before a command that let it see another boot id."""
    path = lab.dir / f"boot-{number}"
    path.write_text(f"00000000-0000-0000-0000-00000000000{number}\n")
    mount = f'mount --bind {path} /proc/sys/kernel/random/boot_id && exec "$@"'
    return ["unshare", "-m", "sh", "-c", mount, "sh"]


class Log:
    """One file with a topic of its own, so that Kafka's order is the source's."""

    def __init__(self, lab, kafka, name, lines=8000):
        self.path, self.name, self.kafka = lab.dir / f"{name}.log", name, kafka
        kafka.topic(name, 4)
        numbered_lines(self.path, 0, lines)
        self.old = self.path.read_text().splitlines()
        self.agent = lab.agent(kafka.brokers, topic=name, name=f"agent-{name}",
                               sources={name: self.path},
                               flags=["--linger-ms", 50, "--batch-bytes", "300k"])

    def lose_end(self, keep, zeros):
        size = self.path.stat().st_size
        with open(self.path, "r+b") as file:
            file.truncate(keep)
            file.truncate(size if zeros else keep)

    def write_on(self):
        with open(self.path, "a", encoding="ascii") as file:
            file.write("\n" + "\n".join(NEW) + "\n")

    def shipped(self):
        return [record["message"] for record in tap(self.kafka.brokers, self.name)]

    def ledger(self, event):
        return [record["longshore"] for record in tap(self.kafka.brokers, LEDGER)
                if record["longshore"]["name"] == self.name and
                record["longshore"]["event"] == event]

    def restart(self, lab, number):
        self.agent.wrap = boot(lab, number)
        self.agent.once()

    def check_resumed(self, before):
        """What Kafka had stays as it was, the new lines come once, the rest is named."""
        after = self.shipped()
        check(after[:len(before)] == before, "records that were there have changed")
        more = after[len(before):]
        check(more[-len(NEW):] == NEW, f"{self.name}: not all new lines came: {more[-3:]}")
        again = more[:-len(NEW)]
        whole = [line for line in again if line in set(before)]
        losses = self.ledger("lost")
        check([loss["reason"] for loss in losses] == ["power loss"], f"{losses}")
        doubts = self.ledger("doubt")
        if whole:
            check(len(doubts) == 1, f"{len(whole)} lines came twice, the ledger says {doubts}")
            named = "\n".join(before).encode()[doubts[0]["start"]:doubts[0]["end"]]
            check(named.startswith("\n".join(whole).encode()),
                  "the ledger names other lines than those that came twice")
        return len(whole), len(again) - len(whole)


def shortened(lab, kafka, rounds):
    for zeros in (False, True):
        for turn in range(rounds):
            log = Log(lab, kafka, f"{'zeroed' if zeros else 'cut'}-{turn}")
            log.restart(lab, 1)
            before = log.shipped()
            check(before == log.old, "the first life did not ship everything")
            log.lose_end(CHANCE.randrange(1, log.path.stat().st_size), zeros)
            log.write_on()
            log.restart(lab, 2)
            twice, torn = log.check_resumed(before)
            check(not zeros or twice == 0, f"{twice} lines came twice behind zeros")
            say(f"{log.name}: {twice} lines twice, all named; {torn} torn")


def killed_and_cut(lab, kafka, rounds):
    for turn in range(rounds):
        log = Log(lab, kafka, f"killed-{turn}", lines=60_000)
        log.agent.wrap = boot(lab, 1)
        log.agent.start()
        wait_until(lambda: log.agent.running() and log.shipped(), 30, "the first records", 0.01)
        time.sleep(CHANCE.uniform(0, 0.3))
        log.agent.kill()
        log.lose_end(CHANCE.randrange(1, log.path.stat().st_size), False)
        left = log.path.read_text().splitlines()
        log.write_on()
        log.restart(lab, 2)
        after = log.shipped()
        check(after[-len(NEW):] == NEW, "not all new lines came")
        # What is on the disk or was shipped before is there, in order and once, but for doubts.
        old = after[:-len(NEW)]
        check(len(left) - 1 <= len(set(old)), f"{len(left)} lines are left, {len(set(old))} came")
        twice = len(old) - len(set(old))
        check(twice == 0 or log.ledger("doubt"), f"{twice} lines twice and no doubt in the ledger")
        say(f"{log.name}: {len(left)} lines left on disk, {len(set(old))} shipped, {twice} twice")


def lost_twice(lab, kafka):
    """The first loss takes all, and the agent finds no Kafka before the second."""
    log = Log(lab, kafka, "lost-twice")
    log.restart(lab, 1)
    before = log.shipped()
    log.lose_end(0, False)
    between = [f"between {i}" for i in range(500)]
    log.path.write_text("\n".join(between) + "\n", encoding="ascii")
    kafka.kill()
    log.agent.wrap = boot(lab, 2)
    lives = log.agent.log().count("delivery exactly-once")
    log.agent.start()
    wait_until(lambda: log.agent.log().count("delivery exactly-once") > lives, 20, "its start")
    log.agent.kill()
    kafka.restart()
    log.lose_end(log.path.stat().st_size - 1000, True)
    log.write_on()
    log.restart(lab, 3)
    came = log.shipped()[len(before):]
    left = log.path.read_bytes().split(b"\0")[0].decode().splitlines()[:-1]
    check(len(left) > 300 and came[:len(left)] == left, f"not all that was left came: {came[:3]}")
    check(came[-len(NEW):] == NEW, f"not all new lines came: {came[-3:]}")
    check(log.ledger("doubt"), "lines may have come twice, and the ledger has no doubt")
    say(f"{log.name}: {len(left)} lines written between two power losses came")


def control(lab, kafka):
    log = Log(lab, kafka, "control")
    log.restart(lab, 1)
    before = log.shipped()
    log.lose_end(log.path.stat().st_size // 2, False)
    log.write_on()
    log.restart(lab, 1)
    again = log.shipped()[len(before):]
    check(len(set(again) & set(before)) > 1000,
          "the same boot id resumed as another one does: nothing was proven")
    check([doubt["reason"] for doubt in log.ledger("doubt")] == ["truncated?"], "not truncated?")
    say(f"control: within one boot {len(set(again) & set(before))} lines come again")


def test(lab):
    kafka = lab.kafka()
    rounds = 10 if harness.LONG else 3
    shortened(lab, kafka, rounds)
    killed_and_cut(lab, kafka, rounds)
    lost_twice(lab, kafka)
    control(lab, kafka)


if __name__ == "__main__":
    harness.main(test)
