#!/usr/bin/env python3
"""Goal: every record in Kafka is archived once, whichever process is killed or service is away
meanwhile.
Method: real Kafka, real HDFS and a directory. While an agent ships, archivers are killed at random
moments, share and lose partitions, and lose NameNode, DataNode, Kafka and their quota. Then the
names must tile each partition, and the lines must equal Kafka's. Parts can be named on the command
line.
"""

import contextlib
import json
import subprocess
import threading
import time

import archiving
import harness
from archiving import Archiver, Below, Mounted, check_archive, start_hdfs, wait_until_archived
from harness import BINARY, LONG, LiveWriter, check, run, run_parts, say, wait_until

GIVEN = harness.parts_and_numbers(records=1_000_000 if LONG else 50_000, kills=50 if LONG else 5)
RECORDS, KILLS = GIVEN.records, GIVEN.kills
PATIENCE = 180 + RECORDS // 1000  # Seconds until all is archived.
SOURCES = 8
FLAGS = ["--roll-bytes", 100_000, "--roll-seconds", 2]


def ship(lab, kafka, records, name="ship", prefix="s"):
    """An agent ships that many lines; returns when it is done."""
    files = {}
    for i in range(SOURCES):
        path = lab.dir / f"{name}-{i}.log"
        harness.numbered_lines(path, i * 10_000_000, records // SOURCES)
        files[f"{prefix}{i}"] = path
    lab.agent(kafka.brokers, sources=files, name=name, flags=["--batch-bytes", 1_000_000]).once()


@contextlib.contextmanager
def shipping(lab, kafka, records, name):
    """The same beside the block."""
    failed = []

    def work():
        try:
            ship(lab, kafka, records, name, name)
        except harness.Failure as failure:
            failed.append(failure)
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    yield
    thread.join()
    check(not failed, f"the agent: {failed}")


def kafka_with_topic(lab, name):
    kafka = lab.kafka(settings="group.min.session.timeout.ms=1000", name=name)
    kafka.topic(harness.LOGS, 4)
    return kafka


def killed(lab, shared):
    """One archiver on a directory and three members on HDFS, killed while records come."""
    kafka, hdfs, archive = shared["kafka"], shared["hdfs"](), Mounted(lab.dir / "archive")
    moments = harness.seeded()
    # Small files: who dies shall die while he publishes.
    flags = ["--roll-bytes", 20_000, "--roll-seconds", 1, "--hdfs-user", "root"]
    alone = Archiver(lab, kafka.brokers, archive.url(), flags=flags, name="alone").start()
    members = [Archiver(lab, kafka.brokers, hdfs.url(), name=f"h{i}", flags=[
        *flags, "--group", "on-hdfs"]).start() for i in range(3)]
    files = [lab.dir / f"ship-{i}.log" for i in range(SOURCES)]
    agent = lab.agent(kafka.brokers, name="ship", flags=["--linger-ms", 100],
                      sources={f"s{i}": path for i, path in enumerate(files)})
    writer = LiveWriter(files, RECORDS // SOURCES, max(3.5 * KILLS, RECORDS / 5000))
    writer.start()
    agent.start()
    busy = 0
    for i in range(KILLS):
        time.sleep(moments.uniform(1.0, 6.0))
        busy += writer.is_alive()  # Then records come.
        alone.check_running()
        alone.kill()
        alone.start()
        # Each death and each birth shares the partitions out anew.
        member = members[i] if i < 3 else moments.choice(members)
        if member.running():
            member.kill()
        if i % 2:
            member.start()
    for member in members:
        if not member.running():
            member.start()
    writer.join()
    agent.stop()
    agent.once(seconds=300 + RECORDS // 2000)
    for place, archivers in ((archive, [alone]), (hdfs, members)):
        wait_until_archived(place, kafka, PATIENCE)
        left = sum(path.endswith(".data") for path in place.files())
        slowest = max(archiver.stop() for archiver in archivers)
        lines, files = check_archive(place, kafka)
        check(lines == RECORDS, f"{lines} lines of {RECORDS}")
        status, words = audited(place, "--expect-sources", SOURCES)
        check(status == 0 and f"{RECORDS} records, 0 gaps, 0 duplicates" in words, words)
        say(f"{place.url()}: {lines} lines in {files} files, once each, as in Kafka; {KILLS} "
            f"kills, {busy} while records came; {left} attempts were left behind; audit --archive: "
            f"whole; SIGTERM {slowest:.1f} s")
    shared["mounted"] = archive


def fetched(archive, *words):
    return run(BINARY, "fetch", "--from", archive.url(), "--topic", harness.LOGS, "--hdfs-user",
               "root", *words, timeout=300).stdout


def audited(archive, *words):
    done = run(BINARY, "audit", "--archive", archive.url(), "--topic", harness.LOGS, "--hdfs-user",
               "root", *words, ok=False, timeout=300)
    return done.returncode, done.stdout + done.stderr


def read_back(lab, shared):
    """fetch prints what was shipped, audit proves it, and finds what is not there."""
    archive = shared.get("mounted")
    if archive is None:
        archive = Mounted(lab.dir / "archive")
        Archiver(lab, shared["kafka"].brokers, archive.url(), name="once", flags=[
            "--group", "once", "--once"]).start().wait(300)
    path = lab.dir / "ship-0.log"
    check(fetched(archive, "--source", "s0") == path.read_text(), "fetch is not what was shipped")
    wanted = [line for line in path.read_text().splitlines() if "77 " in line]
    check(fetched(archive, "--source", "s0", "--grep", "77 ").splitlines() == wanted and wanted,
          "fetch --grep")
    none = run(BINARY, "fetch", "--from", archive.url(), "--topic", harness.LOGS, "--until",
               "2020-01-01", ok=False, timeout=60)
    check(none.returncode == 1 and not none.stdout and "for these hours" in none.stderr,
          f"fetch --until: {none}")
    check(fetched(archive, "--since", "2020-01-01").count("\n") == RECORDS, "fetch --since")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([BINARY, "fetch", "--from", archive.url(), "--topic", harness.LOGS],
                              stdout=full, stderr=subprocess.PIPE, timeout=60, check=False)
    check(done.returncode == 3 and b"No space left" in done.stderr, f"a full disk: {done}")
    record = json.loads(fetched(archive, "--source", "s1", "--json").splitlines()[0])
    check(record["longshore"]["name"] == "s1", f"fetch --json: {record}")
    status, words = audited(archive, "--source", f"s0={path}", "--expect-sources", SOURCES)
    check(status == 0 and f"{RECORDS} records, 0 gaps, 0 duplicates" in words, words)
    files = max(archiving.published(archive).values(), key=len)
    check(len(files) > 2, f"too few files to take one away from the middle: {files}")
    gone = archive.dir / files[len(files) // 2][2]
    gone.rename(lab.dir / "gone")
    status, words = audited(archive)
    check(status == 1 and "no file of the archive holds" in words, words)
    (lab.dir / "gone").rename(gone)
    topic, partition, first, last, lines = gone.name.split("+")
    twice = gone.with_name("+".join([topic, partition, first, last + "9", lines]))
    twice.write_bytes(gone.read_bytes())
    status, words = audited(archive)
    check(status == 1 and "hold the same offsets" in words, words)
    twice.unlink()
    say(f"fetch printed what was shipped; audit --archive: {RECORDS} records are whole, a file "
        "that was taken away and one that came twice are found")


def members_come_and_go(lab, shared):
    kafka, archive = shared["kafka"], Mounted(lab.dir / "shared")
    members = [Archiver(lab, kafka.brokers, archive.url(), name=f"m{i}", flags=[
        *FLAGS, "--group", "sharing"]) for i in range(3)]
    with shipping(lab, kafka, RECORDS // 5, "sharing"):
        for i in range(4 * len(members)):
            member = members[i % len(members)]
            if member.running():
                member.stop()
            else:
                member.start()
            time.sleep(0.7)
    for member in members:
        if not member.running():
            member.start()
    wait_until_archived(archive, kafka, 300)
    lines, files = check_archive(archive, kafka)
    for member in members:
        member.stop()
    say(f"three members came and went: {lines} lines in {files} files, once each")


def services_go_away(lab, shared):
    """NameNode, DataNode, quota and Kafka go while records come; each time it goes on by itself."""
    kafka, hdfs = shared["kafka"], shared["hdfs"]()
    archive = Below(hdfs, "/faults")
    hdfs.ask("/faults", "MKDIRS&user.name=root", "PUT")
    archiver = Archiver(lab, kafka.brokers, archive.url(), name="faults", flags=[
        *FLAGS, "--hdfs-user", "root", "--group", "faults"]).start()
    path = lab.dir / "faults.log"
    agent = lab.agent(kafka.brokers, name="faults-agent", flags=["--linger-ms", 100],
                      sources={"faults": path}).start()
    writer = LiveWriter([path], 10 * RECORDS, 10 * RECORDS / 500)  # To be stopped.
    writer.start()

    def quota(most):
        hdfs.ask("/faults", f"SETQUOTA&user.name=root&storagespacequota={most}", "PUT")

    def files():
        with contextlib.suppress(OSError):
            return sum(map(len, archiving.published(archive).values()))
        return 0

    wait_until(lambda: files() > 0, 120, "the first file")
    for fault in ["namenode", "datanode", "quota", "kafka"]:
        if fault == "quota":
            quota(4_000_000)
            archiver.wait_for_log("QuotaExceeded", 60)
        elif fault == "kafka":
            kafka.kill()
        else:
            hdfs.kill(fault)
        time.sleep(4)
        archiver.check_running()
        if fault == "quota":
            quota(1 << 50)
        elif fault == "kafka":
            kafka.restart()
        else:
            hdfs.restart(fault)
        before = files()
        wait_until(lambda: files() > before, 180, f"a file behind that of {fault}")
        say(f"{fault} was away, and files come again")
    refused = archiver.log().count("nothing is lost, retrying")
    check(refused > 0, "nothing was refused: no fault was met")
    say(f"memory at most {archiver.peak_mb():.0f} MB")
    # With work in hand and nobody to take it.
    hdfs.kill("namenode")
    time.sleep(4)
    seconds = archiver.stop()
    hdfs.restart("namenode")
    archiver.start()
    writer.stop_soon.set()
    writer.join()
    agent.stop()
    agent.once()
    wait_until_archived(archive, kafka, PATIENCE)
    archiver.stop()
    lines, count = check_archive(archive, kafka)
    say(f"after all that {lines} lines in {count} files, once each; refused and tried again in "
        f"{refused} messages; SIGTERM without a NameNode took {seconds:.1f} s")


def once(lab, kafka, url, *words, name="once"):
    archiver = Archiver(lab, kafka.brokers, url, name=name, flags=[
        "--hdfs-user", "root", "--group", name, "--once", *words])
    status = archiver.start().wait(300)
    check(status == 0, f"archive --once: {status}: {archiver.log()[-1000:]}")


def jobs_and_gateways(lab, shared):
    """HttpFS, several NameNodes of which one is away, and a MapReduce job over a day."""
    kafka, hdfs = shared["kafka"], shared["hdfs"]()
    once(lab, kafka, f"webhdfs://{hdfs.httpfs()}/httpfs", "--compress", "gzip", name="httpfs")
    archive = Below(hdfs, "/httpfs")
    lines, files = check_archive(archive, kafka)
    say(f"through HttpFS: {lines} lines in {files} files, gzip")
    once(lab, kafka, f"webhdfs://127.0.0.1:1,{hdfs.address}/two", "--compress", "none", name="two")
    lines, files = check_archive(Below(hdfs, "/two"), kafka)
    say(f"with one NameNode of two: {lines} lines in {files} files, not compressed")
    mapper = lab.dir / "names.py"
    mapper.write_text("import json, sys\nfor line in sys.stdin:\n"
                      "    print(json.loads(line)['longshore']['name'])\n")
    hdfs.tool("org.apache.hadoop.streaming.HadoopStreaming",
              "-D", "mapreduce.framework.name=local", "-D", "mapreduce.job.reduces=1",
              "-input", f"/httpfs/topic={harness.LOGS}/date=*/hour=*", "-output", "/counted",
              "-mapper", f"python3 {mapper}", "-reducer", "uniq -c")
    counted = {}
    for row in hdfs.shell("-cat", "/counted/part-*").splitlines():
        number, name = row.split()
        counted[name] = int(number)
    check(sum(counted.values()) == lines and counted["s0"] == RECORDS // SOURCES, counted)
    say(f"a MapReduce job counted {lines} lines of {len(counted)} logs")


def others_records(lab, shared):
    """Lines without an envelope come back as they were."""
    kafka = shared["kafka"]
    kafka.topic("raw", 2)
    path = lab.dir / "raw.log"
    harness.numbered_lines(path, 0, 1000, head='quoted "x" ')
    with open(path, "ab") as file:
        file.write(b'{"level":"info"}\n' + "Grüße\n".encode())
    lab.agent(kafka.brokers, topic="raw", name="raw",
              sources={"raw": path, "raw_format": "raw"}).once()
    archive = Mounted(lab.dir / "raw-archive")
    archiver = Archiver(lab, kafka.brokers, archive.url(), topic="raw", name="raw-archive", flags=[
        "--group", "raw", "--once"])
    check(archiver.start().wait(120) == 0, archiver.log()[-1000:])
    lines = run(BINARY, "fetch", "--from", archive.url(), "--topic", "raw").stdout
    check(lines == path.read_text(), "lines without an envelope came back otherwise")
    say("1002 lines without an envelope came back as they were")


def wrong_settings(lab, shared):
    """One sentence, and status 2."""
    usual = ["--brokers", shared["kafka"].brokers, "--topic", harness.LOGS]
    occupied = lab.dir / "occupied"
    occupied.write_text("a file")
    (lab.dir / "a").mkdir()
    for words, said in [
            (usual, "--to is missing"),
            ([*usual, "--to", "hdfs://x/y"], "it is file:///dir"),
            ([*usual, "--to", "webhdfs://x/y"], "webhdfs://host:port/dir"),
            ([*usual, "--to", f"file://{occupied}"], "--to"),
            ([*usual, "--to", f"file://{lab.dir}/a", "--work-dir", "/nowhere"], "--work-dir"),
            ([*usual, "--to", f"file://{lab.dir}/a", "--compress", "rar"], "--compress=rar"),
            ([*usual, "--to", f"file://{lab.dir}/a", "--layout", "{day}"], "--layout"),
            ([*usual, "--to", f"file://{lab.dir}/a", "--kafka", "enable.auto.commit=true"],
             "is refused")]:
        done = run(BINARY, "archive", *words, ok=False, timeout=30)
        check(done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1,
              f"{words}: {done.returncode}: {done.stderr}")
    for words in (["--grep", "("], ["--since", "yesterday"], ["--late-hours", "-1"]):
        done = run(BINARY, "fetch", "--from", f"file://{lab.dir}", "--topic", "x", *words, ok=False)
        check(done.returncode == 2 and words[0] in done.stderr, f"{words}: {done.stderr}")


PARTS = [wrong_settings, killed, read_back, jobs_and_gateways, others_records, members_come_and_go,
         services_go_away]


def test(lab):
    shared = {}
    shared["kafka"] = kafka_with_topic(lab, "kafka")
    if GIVEN.parts and "killed" not in GIVEN.parts:
        ship(lab, shared["kafka"], RECORDS)

    def hdfs():
        if "service" not in shared:
            shared["service"] = start_hdfs(lab)
        return shared["service"]
    shared["hdfs"] = hdfs
    run_parts(PARTS, lab, shared, wanted=GIVEN.parts)


if __name__ == "__main__":
    harness.main(test, 900 + RECORDS // 250 + 20 * KILLS)
