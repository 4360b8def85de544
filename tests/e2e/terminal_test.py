#!/usr/bin/env python3
"""Goal: nothing that a container wrote, or named, controls the terminal of the person who reads it.
Method: logs, paths, tags and topics full of control characters; each command that prints them runs
on a pseudo-terminal.
"""

import os
import pty
import re
import subprocess
import threading

import harness
from harness import BINARY, check, run, say


def on_a_terminal(*words):
    """What the command writes to a terminal."""
    ours, theirs = pty.openpty()
    shown = bytearray()
    def read():
        while True:
            try:
                shown.extend(os.read(ours, 65536))
            except OSError:  # The terminal was closed.
                return
    reader = threading.Thread(target=read)
    reader.start()
    with subprocess.Popen(list(map(str, words)), stdin=subprocess.DEVNULL, stdout=theirs,
                          stderr=theirs) as process:
        os.close(theirs)
        process.wait(60)
    reader.join(60)
    os.close(ours)
    return bytes(shown)


# What a terminal may get besides text: line ends, colours, and the end of a line cleared.
OURS = re.compile(rb"\x1b\[(0|3[1-6]|9[1-6])m|\x1b\[K|\r|\n")
OBEYED = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f]")


def test(lab):
    kafka = lab.shared_kafka()
    kafka.topic("evil", 4)
    kafka.topic("evil-raw", 1)
    # Text that would clear the screen, set the title, or turn the writing around.
    evil = ("\x1b[2J\x1b]0;title\x07 \x9b2J \u202e \u2066 \u061c \x85 \x90 \x7f\n".encode() +
            b"raw \x9b2J \x90 \x1b[45m \xff\n")
    folder = lab.dir / "evil\u009b2J\u202e"
    folder.mkdir()
    path, raw = folder / "a\u0085.log", folder / "b\u0085.log"
    path.write_bytes(evil)
    raw.write_bytes(evil)
    agent = lab.agent(kafka.brokers, topic="evil", name="evil", flags=["--allow-topic", "evil*"],
                      sources={"evil": path, "evil_tags": "a\u009b2J=\u202e", "raw": raw,
                               "raw_format": "raw", "raw_topic": "evil-raw"})
    agent.once()
    work = lab.dir / "evil-work"
    work.mkdir()
    to_kafka = ["--brokers", kafka.brokers, "--topic", "evil", "--topic", "evil-raw"]
    (lab.dir / "evil-archive").mkdir()
    run(BINARY, "archive", *to_kafka, "--to", f"file://{lab.dir}/evil-archive", "--work-dir",
        work, "--once", "--group", "evil")
    place = f"file://{lab.dir}/evil-archive"
    other = path.with_name("other\u009b.log")
    other.write_bytes(b"\x9b differs\n" + evil)
    commands = [["tap", *to_kafka, "--no-follow", *flags] for flags in ([], ["--raw"], ["--json"])]
    commands += [["fetch", "--from", place, "--topic", topic, *flags]
                 for topic in ("evil", "evil-raw") for flags in ([], ["--json"])]
    commands += [["audit", *to_kafka, "--source", f"evil={other}", *flags]
                 for flags in ([], ["--json"])]
    commands += [["audit", "--archive", place, "--topic", "evil"],
                 ["audit", *to_kafka, "--source", f"\u009b2J={other}"],
                 ["tap", "--brokers", kafka.brokers, "--topic", "\u009b2J", "--no-follow"]]
    commands += [["checkpoint", "ls", "--state-dir", agent.state_dir, *flags]
                 for flags in ([], ["--json"], ["--ledger"])]
    for words in commands:
        shown = on_a_terminal(BINARY, *words)
        text = OURS.sub(b"", shown).decode("utf-8")  # Fails for bytes that are not UTF-8.
        found = OBEYED.search(text)
        check(shown and not found, f"{words}: {found} in {shown!r}")
    piped = subprocess.run([BINARY, "fetch", "--from", place, "--topic", "evil-raw"],
                           stdout=subprocess.PIPE, timeout=60, check=True).stdout
    check(piped == evil, f"in a pipe the bytes are not what they were: {piped!r}")
    say(f"{len(commands)} commands on a terminal: nothing that it would obey")


if __name__ == "__main__":
    harness.main(test)
