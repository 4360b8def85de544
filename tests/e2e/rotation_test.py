#!/usr/bin/env python3
"""Goal: a rotated log is one stream: each generation is read to its end, in order, once.
Method: files of the host are rotated as logrotate and log libraries do it, with the agent up and
down; the stream is compared byte for byte with the generations, oldest first.
"""

import random
import shutil
import time

import harness
from harness import audit, check, check_clean, messages, numbered_lines, say, wait_for_records

LINES = 500


def rotate(path, kept):
    """path -> path.1 -> path.2 ... as logrotate does."""
    for i in range(kept, 0, -1):
        older = path.with_name(f"{path.name}.{i}")
        if older.exists():
            older.rename(path.with_name(f"{path.name}.{i + 1}"))
    path.rename(path.with_name(f"{path.name}.1"))


def generations(path):
    """The files of a stream, oldest first."""
    numbered = sorted(path.parent.glob(path.name + ".*"), key=lambda p: -int(p.suffix[1:]))
    return numbered + ([path] if path.exists() else [])


class Stream:
    """One declared file in a folder and a topic of its own."""

    def __init__(self, lab, kafka, name, declared=None):
        self.folder = lab.dir / name
        self.folder.mkdir()
        self.path = self.folder / "app.log"
        self.name, self.kafka, self.written = name, kafka, 0
        kafka.topic(name, 4)
        self.agent = lab.agent(kafka.brokers, topic=name, name=f"agent-{name}",
                               sources={name: declared or self.path},
                               flags=["--linger-ms", 50, "--rotate-wait-ms", 300])

    def write(self, count=LINES):
        numbered_lines(self.path, self.written, count)
        self.written += count

    def arrived(self):
        wait_for_records(self.kafka.brokers, self.written, 60, self.name)
        self.agent.check_running()

    def verify(self, paths=None):
        self.arrived()
        files = [(self.name, path) for path in paths or generations(self.path)]
        check_clean(audit(self.kafka.brokers, self.name, files), self.written, 1, 1)
        self.agent.stop()
        say(f"{self.name}: {self.written} lines in {len(files)} generations")


def rotations_under_watch(lab, kafka):
    stream = Stream(lab, kafka, "watched")
    stream.write()
    stream.agent.start()
    for _ in range(5):
        stream.arrived()
        rotate(stream.path, 9)
        stream.write()
    stream.verify()


def inodes_that_are_used_again(lab, kafka):
    """Without birth times, a new file often looks like one that was read and deleted before."""
    image, folder = lab.dir / "birthless.img", lab.dir / "birthless"
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    harness.run("mkfs.ext4", "-q", "-F", "-I", "128", image)
    folder.mkdir()
    harness.run("mount", "-o", "loop", image, folder)
    lab.closers.append(lambda: harness.run("umount", "-l", folder))
    stream = Stream(lab, kafka, "again", folder / "app.log")
    stream.path = folder / "app.log"
    older, inodes = folder / "app.log.1", []
    for _ in range(5):
        stream.write(50)
        inodes.append(stream.path.stat().st_ino)
        stream.agent.start()
        stream.arrived()
        stream.agent.stop()
        older.unlink(missing_ok=True)
        stream.path.rename(older)
    check(len(set(inodes)) < len(inodes), f"no inode was used again: {inodes}")
    check_clean(audit(kafka.brokers, "again"), stream.written, 1)
    say(f"again: {stream.written} lines of {len(inodes)} files with {len(set(inodes))} inodes")


def several_in_a_row(lab, kafka):
    stream = Stream(lab, kafka, "inarow")
    stream.write()
    stream.agent.start()
    stream.arrived()
    for _ in range(6):
        stream.write(50)
        rotate(stream.path, 20)
    stream.write(50)
    stream.verify()


def while_the_agent_is_down(lab, kafka):
    stream = Stream(lab, kafka, "down")
    stream.write()
    stream.agent.start()
    stream.arrived()
    stream.agent.kill()
    for _ in range(3):
        stream.write()
        rotate(stream.path, 9)
    stream.write()
    stream.agent.start()
    stream.verify()


def under_full_load(lab, kafka):
    stream = Stream(lab, kafka, "fullload")
    stream.write(10)
    stream.agent.start()
    # What is rotated before the agent has looked for the first time is history.
    stream.agent.wait_for_log("collecting")
    moments = random.Random(7)
    for _ in range(12):
        stream.write(4000)
        rotate(stream.path, 20)
        time.sleep(moments.uniform(0, 0.3))
    stream.write(10)
    stream.verify()


def a_writer_that_goes_on_in_the_old_file(lab, kafka):
    stream = Stream(lab, kafka, "oldhand")
    stream.write()
    stream.agent.start()
    stream.arrived()
    with open(stream.path, "ab", buffering=0) as old:
        rotate(stream.path, 9)
        old.write(b"written after the rename\n")
    stream.written += 1
    stream.write()
    stream.verify()


def a_glob_that_names_rotated_files(lab, kafka):
    stream = Stream(lab, kafka, "glob", lab.dir / "glob" / "*.log*")
    stream.write()
    stream.agent.start()
    for _ in range(4):  # By the last one, what is read again of those before it would have come.
        stream.arrived()
        rotate(stream.path, 9)
        stream.write()
    stream.arrived()
    found = messages(kafka.brokers, "glob")
    check(len(found) == len(set(found)) == stream.written,
          f"{len(found)} records, {len(set(found))} different, of {stream.written} lines")
    stream.agent.stop()
    say(f"glob: {stream.written} lines once, although the glob names the rotated files too")


def copy_and_truncate(lab, kafka):
    stream = Stream(lab, kafka, "truncate")
    stream.write()
    stream.agent.start()
    for i in range(3):
        stream.arrived()
        shutil.copyfile(stream.path, stream.folder / f"app.log.{i + 1}")
        with open(stream.path, "r+b") as file:
            file.truncate(0)
        stream.write()
    stream.arrived()
    found = messages(kafka.brokers, "truncate")
    check(len(set(found)) == len(found) == stream.written,
          f"{len(found)} records, {len(set(found))} different, of {stream.written} lines")
    report = audit(kafka.brokers, "truncate")["totals"]
    check(report["duplicates"] == 0 and report["reordered"] == 0, f"copytruncate: {report}")
    stream.agent.stop()
    say(f"truncate: {stream.written} lines once through 3 truncations")


def copy_and_truncate_while_the_agent_is_down(lab, kafka):
    stream = Stream(lab, kafka, "copied")
    stream.write()
    stream.agent.start()
    stream.arrived()
    for kill in (True, False):
        stream.agent.kill() if kill else stream.agent.stop()
        stream.write()
        for older in sorted(stream.folder.glob("app.log.*"), reverse=True):
            older.rename(stream.folder / f"app.log.{int(older.suffix[1:]) + 1}")
        shutil.copyfile(stream.path, stream.folder / "app.log.1")
        with open(stream.path, "r+b") as file:
            file.truncate(0)
        stream.write()
        stream.agent.start()
        stream.arrived()
    found = messages(kafka.brokers, "copied")
    check(len(set(found)) == len(found) == stream.written,
          f"{len(found)} records, {len(set(found))} different, of {stream.written} lines")
    stream.agent.stop()
    say(f"copied: {stream.written} lines once, unread ones from the copies")


def turn(link, target):
    """As rotatelogs -L and deployments do: no moment without the link."""
    new = link.with_name("new-link")
    new.symlink_to(target)
    new.replace(link)


def a_link_that_is_turned(lab, kafka):
    """glog, cronolog, rotatelogs -L: the log is the link, each target a generation of it."""
    link = lab.dir / "turned" / "app.log"
    stream = Stream(lab, kafka, "turned", link)
    targets = []

    def write_next(count=50):
        targets.append(stream.folder / f"app-{len(targets) + 1}.txt")
        stream.path = targets[-1]
        stream.write(count)
        turn(link, targets[-1].name)

    write_next()
    stream.agent.start()
    for _ in range(3):
        stream.arrived()
        stream.write(50)
        write_next()
    for kill, turns in ((True, 1), (False, 3)):
        stream.arrived()
        stream.agent.kill() if kill else stream.agent.stop()
        stream.write(50)  # They stand unread in the old target.
        for _ in range(turns):
            write_next()
        stream.agent.start()
    stream.verify(targets)


def a_linked_directory_that_is_turned(lab, kafka):
    """Deployments: releases/current/app.log."""
    link = lab.dir / "releases" / "current"
    stream = Stream(lab, kafka, "releases", link / "logs" / "app.log")
    targets = []

    def write_next():
        release = stream.folder / f"{41 + len(targets)}"
        (release / "logs").mkdir(parents=True)
        targets.append(release / "logs" / "app.log")
        stream.path = targets[-1]
        stream.write(50)
        turn(link, release.name)

    write_next()
    stream.agent.start()
    stream.arrived()
    write_next()
    stream.arrived()
    stream.agent.kill()
    stream.write(50)
    write_next()
    write_next()
    stream.agent.start()
    stream.verify(targets)


def a_directory_that_another_replaces(lab, kafka):
    """Deployments by mv: the files that were open go with the old directory."""
    stream = Stream(lab, kafka, "replaced", lab.dir / "replaced" / "app" / "logs" / "app.log")
    app = stream.folder / "app"
    stream.path = app / "logs" / "app.log"
    old = []

    def replace():
        old.append(stream.folder / f"app.{len(old)}")
        app.rename(old[-1])
        stream.path.parent.mkdir(parents=True)
        stream.write(50)

    stream.path.parent.mkdir(parents=True)
    stream.write(50)
    stream.agent.start()
    stream.arrived()
    for down in (False, True):
        if down:
            stream.agent.kill()
        stream.write(50)
        replace()
        if down:
            stream.agent.start()
        stream.arrived()
    stream.verify([each / "logs" / "app.log" for each in old] + [stream.path])


def a_disk_that_is_mounted_over_it(lab, kafka):
    stream = Stream(lab, kafka, "mounted", lab.dir / "mounted" / "app" / "app.log")
    stream.path = stream.folder / "app" / "app.log"
    stream.path.parent.mkdir()
    expected = []

    def write():
        stream.write(50)
        expected.extend(stream.path.read_text().splitlines()[-50:])
        stream.arrived()

    stream.agent.start()
    write()
    harness.run("mount", "-t", "tmpfs", "tmpfs", stream.path.parent)
    lab.closers.append(lambda: harness.run("umount", "-l", stream.path.parent, ok=False))
    write()
    write()
    harness.run("umount", "-l", stream.path.parent)
    write()
    check(messages(kafka.brokers, "mounted") == expected, "not each line once and in order")
    stream.agent.stop()
    say(f"mounted: {len(expected)} lines, those below the new disk and those on it")


def a_line_in_pieces(lab, kafka):
    stream = Stream(lab, kafka, "pieces")
    stream.agent.start()
    whole = []
    for i in range(5):
        with open(stream.path, "ab", buffering=0) as file:
            file.write(b"first half %d, " % i)
            time.sleep(0.7)
            file.write(b"second half %d\n" % i)
        whole.append(f"first half {i}, second half {i}")
    stream.written = len(whole)
    stream.arrived()
    found = messages(kafka.brokers, "pieces")
    check(found == whole, f"lines written in pieces came as {found}")
    stream.verify()


def files_that_appear_later(lab, kafka):
    stream = Stream(lab, kafka, "later", lab.dir / "later" / "deep" / "*" / "x-*.log")
    stream.agent.start()
    time.sleep(1)
    files = []
    for i in range(3):
        folder = stream.folder / "deep" / f"d{i}"
        folder.mkdir(parents=True)
        files.append(folder / f"x-{i}.log")
        numbered_lines(files[-1], 1000 * i, 100)
        stream.written += 100
        time.sleep(0.3)
    stream.arrived()
    check_clean(audit(kafka.brokers, "later"), 300, 3)
    stream.agent.stop()
    say("later: three files in folders that did not exist at the start")


def test(lab):
    kafka = lab.shared_kafka()
    harness.run_parts((rotations_under_watch, inodes_that_are_used_again, several_in_a_row,
                       while_the_agent_is_down, under_full_load,
                       a_writer_that_goes_on_in_the_old_file, a_glob_that_names_rotated_files,
                       copy_and_truncate, copy_and_truncate_while_the_agent_is_down,
                       a_link_that_is_turned, a_linked_directory_that_is_turned,
                       a_directory_that_another_replaces, a_disk_that_is_mounted_over_it,
                       a_line_in_pieces, files_that_appear_later), lab, kafka)


if __name__ == "__main__":
    harness.main(test)
