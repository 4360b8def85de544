#!/usr/bin/env python3
"""Goal: what is forged, damaged, recreated, expired or misspelt neither fools the archive's
commands nor stops them for anything else.
Method: a real Kafka and archives on directories. Each part makes one such thing happen, and looks
at what archive, fetch, tap and audit say. Parts can be named on the command line.
"""

import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
import time

import archiving
import harness
from archiving import Archiver, Mounted, published, wait_until_archived
from harness import BINARY, LiveWriter, check, run, run_parts, say, wait_until


def ship(lab, kafka, topic, name, lines, form=None, flags=()):
    """An agent ships a file of its own to the end."""
    path = lab.dir / f"{name}.log"
    path.write_text("".join(f"{line}\n" for line in lines))
    sources = {name: path, **({f"{name}_format": form} if form else {})}
    lab.agent(kafka.brokers, topic=topic, name=f"ship-{name}", sources=sources, flags=flags).once()
    return path


def archiver_of(lab, kafka, archive, topic, name, *flags):
    return Archiver(lab, kafka.brokers, archive.url(), topic=topic, name=name,
                    flags=["--group", name, *flags])


def once(lab, kafka, archive, topic, name, *flags, status=0):
    archiver = archiver_of(lab, kafka, archive, topic, name, "--once", *flags)
    found = archiver.start().wait(120)
    check(found == status, f"archive --once: {found}: {archiver.log()[-2000:]}")
    return archiver.log()


def fetch(archive, topic, *words, status=0):
    done = run(BINARY, "fetch", "--from", archive.url(), "--topic", topic, *words, ok=False,
               timeout=60)
    check(done.returncode == status, f"fetch: {done.returncode}: {done.stderr}")
    return done


def audit(archive, topic, status=0):
    done = run(BINARY, "audit", "--archive", archive.url(), "--topic", topic, ok=False, timeout=60)
    check(done.returncode == status, f"audit: {done.returncode}: {done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def forged(lab, kafka):
    """A raw line that looks like the next record of another log is nobody's record."""
    kafka.topic("forged", 1)
    path = ship(lab, kafka, "forged", "victim", ["one", "two"])
    record = json.loads(list(harness.tap_lines(kafka.brokers, "forged"))[-1])
    record["message"] = "FORGED"
    own = record["longshore"]
    own["start"], own["end"] = own["end"], own["end"] + 7
    ship(lab, kafka, "forged", "forger", [json.dumps(record), " " + json.dumps(record)], "raw")
    tap = [BINARY, "tap", "--brokers", kafka.brokers, "--topic", "forged", "--no-follow", "--raw"]
    shown = run(*tap, "--name", "victim").stdout
    check(shown == path.read_text(), f"tap: {shown}")
    check(run(*tap).stdout.count("FORGED") == 2, "tap does not show the forger's own lines")
    archive = Mounted(lab.dir / "forged")
    once(lab, kafka, archive, "forged", "forged")
    shown = fetch(archive, "forged", "--source", "victim").stdout
    check(shown == path.read_text(), f"fetch: {shown}")
    check(fetch(archive, "forged").stdout.count("FORGED") == 2, "fetch misses the forger's lines")
    audit(archive, "forged")
    say("a forged record was shown as its forger's line by tap, archive and fetch")


def damaged(lab, kafka):
    """Each damaged file is named, the others are read."""
    kafka.topic("damaged", 1)
    archive = Mounted(lab.dir / "damaged")
    for i in range(3):
        ship(lab, kafka, "damaged", f"part{i}", [f"{i} {n}" for n in range(100)])
        once(lab, kafka, archive, "damaged", "damaged")
    files = [archive.dir / path for _, _, path in published(archive)[0]]
    check(len(files) == 3, files)
    whole = files[1].read_bytes()
    # One frame of the half of it is valid zstd.
    half = subprocess.run(["zstd", "-qc"], input=b"".join(
        archiving.unpack(files[1].name, whole).splitlines(keepends=True)[:50]),
        stdout=subprocess.PIPE, check=True).stdout
    audit(archive, "damaged")
    for what, content in (("emptied", b""), ("cut", whole[:len(whole) // 2]), ("halved", half)):
        files[1].write_bytes(content)
        done = fetch(archive, "damaged", status=3)
        check(files[1].name in done.stderr and done.stderr.count("\n") == 1, done.stderr)
        check(done.stdout.startswith("0 0\n") and done.stdout.endswith("2 99\n"),
              f"{what}: the others were not read: {done.stdout[:100]}")
        check(files[1].name in audit(archive, "damaged", status=1), "audit does not name it")
    say("a file that was emptied, cut or halved is named by fetch and audit, the others are read")


def misspelt(lab, kafka):
    """A wrong topic, address or range is said."""
    archive = Mounted(lab.dir / "damaged")
    for words, status, said in [
            (["--topic", "damagd"], 2, "it has damaged"),
            (["--topic", "damaged", "--until", "2020-01-01"], 1, "for these hours"),
            (["--topic", "damaged", "--grep", "nothing like it"], 3, "No line"),
            (["--topic", "damaged", "--since", "2027-01-01", "--until", "2026-01-01"], 2,
             "later than --since"),
            (["--topic", "damaged", "--from", "file:///nowhere/at/all"], 2, "no such folder"),
            (["--topic", "damaged", "--from", f"file://{lab.dir}"], 2, "no archive of longshore")]:
        if "--from" not in words:
            words = [*words, "--from", archive.url()]
        done = run(BINARY, "fetch", *words, ok=False, timeout=60)
        # The damaged file is missing in any case.
        fits = said in done.stderr or status == 3
        check(done.returncode == status and fits and not done.stdout, f"{words}: {done}")
    done = run(BINARY, "tap", "--brokers", kafka.brokers, "--topic", "damagd", ok=False, timeout=60)
    check(done.returncode == 2 and "damaged" in done.stderr, f"tap: {done}")
    done = run(BINARY, "archive", "--brokers", kafka.brokers, "--topic", "x", "--to",
               f"file://{lab.dir}/not/there", ok=False, timeout=60)
    check(done.returncode == 2 and "mkdir -p" in done.stderr, f"archive: {done}")
    check(not os.path.exists(f"{lab.dir}/not"), "the folder was made")
    say("wrong topics, addresses and ranges are said, and no folder is made")


def made_anew(lab, kafka):
    """A topic that is deleted and made anew: nothing is lost, nothing mixed."""
    archive = Mounted(lab.dir / "anew")

    def delete():
        kafka.tool("TopicCommand", "--delete", "--topic", "anew")
        wait_until(lambda: "anew" not in kafka.tool("TopicCommand", "--list").split(), 60,
                   "the deletion")

    kafka.topic("anew", 1)
    ship(lab, kafka, "anew", "first", [f"first {n}" for n in range(100)])
    running = archiver_of(lab, kafka, archive, "anew", "anew", "--roll-seconds", 1).start()
    wait_until_archived(archive, kafka, 60, "anew")
    delete()
    kafka.topic("anew", 1)
    ship(lab, kafka, "anew", "second", [f"second {n}" for n in range(150)])
    wait_until(lambda: "0.2" in published(archive), 120, "the second generation")
    running.stop()
    once(lab, kafka, archive, "anew", "anew")
    delete()
    kafka.topic("anew", 1)
    ship(lab, kafka, "anew", "third", [f"third {n}" for n in range(400)])
    log = once(lab, kafka, archive, "anew", "anew")
    check("was deleted and made anew" in log, log)
    archiving.check_tiling(published(archive))
    for name, number in (("first", 100), ("second", 150), ("third", 400)):
        lines = fetch(archive, "anew", "--source", name).stdout.splitlines()
        check(lines == [f"{name} {n}" for n in range(number)], f"{name}: {len(lines)} lines")
    audit(archive, "anew")
    say("a topic was made anew beside the archiver and without it: 100, 150 and 400 lines of its "
        "three lives are archived once each")


def deleted(lab, kafka):
    """What was read of a topic that is deleted is still published."""
    archive = Mounted(lab.dir / "deleted")
    kafka.topic("deleted", 1)
    ship(lab, kafka, "deleted", "deleted0", [f"{n}" for n in range(50)])
    once(lab, kafka, archive, "deleted", "deleted")
    ship(lab, kafka, "deleted", "deleted1", [f"{n}" for n in range(70)])
    running = archiver_of(lab, kafka, archive, "deleted", "deleted").start()
    running.wait_for_log("archive: 70 records", 60)
    kafka.tool("TopicCommand", "--delete", "--topic", "deleted")
    running.stop()
    lines = fetch(archive, "deleted", "--source", "deleted1").stdout.splitlines()
    check(lines == [f"{n}" for n in range(70)], f"{len(lines)} lines: {running.log()}")
    say("70 lines that were read of a topic before it was deleted are in the archive")


def once_ends(lab, kafka):
    """`--once` on a live topic ends where the topic ended at its start."""
    kafka.topic("live", 16)
    files = [lab.dir / f"live-{i}.log" for i in range(32)]
    agent = lab.agent(kafka.brokers, topic="live", name="live", flags=["--linger-ms", 20],
                      sources={f"live{i}": path for i, path in enumerate(files)})
    writer = LiveWriter(files, 1_000_000, 10_000)
    writer.start()
    agent.start()
    time.sleep(8)
    archive = Mounted(lab.dir / "live")
    begun = time.monotonic()
    once(lab, kafka, archive, "live", "live")
    seconds = time.monotonic() - begun
    check(writer.is_alive(), "the topic was not live")
    many = max(map(len, published(archive).values()))
    check(many <= 2 and seconds < 60, f"{many} files of one partition, {seconds:.0f} s")
    writer.stop_soon.set()
    writer.join()
    agent.stop()
    agent.once()
    log = once(lab, kafka, archive, "live", "live")
    check("left out" not in log, log)
    archiving.check_archive(archive, kafka, "live")
    say(f"--once on a live topic ended after {seconds:.0f} s with {many} files a partition at most")


def expired(lab, kafka):
    """Retention removes all that was archived, and its markers: nothing is missed."""
    kafka.topic("expired", 1)
    archive = Mounted(lab.dir / "expired")
    ship(lab, kafka, "expired", "before", [f"{n}" for n in range(50)])
    once(lab, kafka, archive, "expired", "expired")
    end = int(kafka.tool("GetOffsetShell", "--topic", "expired").strip().rsplit(":", 1)[1])
    check(published(archive)[0][-1][1] == end - 1, f"{published(archive)} of {end}")
    described = kafka.tool("consumer.group.ConsumerGroupCommand", "--describe", "--group",
                           "expired")
    row = next(row.split() for row in described.splitlines() if " expired " in f" {row} ")
    check(row[5] == "0", f"lag: {described}")
    offsets = lab.dir / "offsets.json"
    offsets.write_text(json.dumps({"version": 1, "partitions": [
        {"topic": "expired", "partition": 0, "offset": end}]}))
    kafka.tool("DeleteRecordsCommand", "--offset-json-file", str(offsets))
    ship(lab, kafka, "expired", "after", [f"{n}" for n in range(50)])
    log = once(lab, kafka, archive, "expired", "expired")
    check("records were lost" not in log, log)
    audit(archive, "expired")
    say("retention took all that was archived with its markers: no lag, no loss is reported")


def parked(lab, kafka):
    """One damaged chain parks one partition."""
    kafka.topic("parked", 2)
    archive = Mounted(lab.dir / "parked")
    own = archive.dir / "_longshore" / "parked+0"
    own.mkdir(parents=True)
    claim = own / "00000000000000000000.claim"
    claim.write_text("damaged")
    for i in range(8):
        ship(lab, kafka, "parked", f"parked{i}", [f"{n}" for n in range(10)])
    metrics = lab.dir / "parked.prom"
    running = archiver_of(lab, kafka, archive, "parked", "parked", "--roll-seconds", 1,
                          "--metrics-file", metrics).start()
    running.wait_for_log("parked\\[0\\] is parked", 60)
    named = 'longshore_archive_partition_parked{topic="parked",partition="0"} 1'
    wait_until(lambda: metrics.exists() and named in metrics.read_text(), 30,
               "the metrics name the parked partition")
    wait_until(lambda: list(published(archive)) == [1], 60, "the other partition")
    check(running.log().count("joining consumer group") == 1, running.log())
    claim.unlink()
    wait_until_archived(archive, kafka, 120, "parked")
    check(running.log().count("joining consumer group") == 1, running.log())
    running.stop()
    archiving.check_archive(archive, kafka, "parked")
    shutil.rmtree(own)
    own.mkdir()
    claim.write_text("damaged again")
    log = once(lab, kafka, archive, "parked", "parked", status=1)
    check("left out parked[0]" in log, log)
    say("a damaged claim parked its partition alone, and mended it went on")


def added_partitions(lab, kafka):
    """tap shows partitions that are added while it runs."""
    kafka.topic("grows", 1)
    out = lab.dir / "tapped"
    with open(out, "wb") as file:
        tap = subprocess.Popen([BINARY, "tap", "--brokers", kafka.brokers, "--topic", "grows",
                                "--raw"], stdout=file)
    try:
        time.sleep(1)
        kafka.tool("TopicCommand", "--alter", "--topic", "grows", "--partitions", "8")
        for i in range(8):
            ship(lab, kafka, "grows", f"grows{i}", [f"{i} {n}" for n in range(5)])
        wait_until(lambda: out.read_bytes().count(b"\n") == 40, 60, "all lines")
    finally:
        tap.kill()
        tap.wait()
    say("tap showed 40 of 40 lines of partitions, 7 of them added while it ran")


def since(lab, kafka):
    """audit --since reads from there on, and takes what is before it for unknown, not for lost."""
    kafka.topic("since", 1)
    archive = Mounted(lab.dir / "since")
    path = lab.dir / "since.log"
    agent = lab.agent(kafka.brokers, topic="since", name="since", sources={"since": path})
    path.write_text("".join(f"old {n}\n" for n in range(100)))
    agent.once()
    once(lab, kafka, archive, "since", "since")
    time.sleep(1.1)
    begin = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with open(path, "a", encoding="utf-8") as file:
        file.write("".join(f"new {n}\n" for n in range(50)))
    agent.once()
    once(lab, kafka, archive, "since", "since")
    words = ["--topic", "since", "--json"]
    here = ["--brokers", kafka.brokers, *words]
    for place, moment, records in ((here, begin, 50), (here, "2020-01-01", 150),
                                   (here, "2100-01-01", 0),
                                   (["--archive", archive.url(), *words], begin[:13] + ":00", 150)):
        done = run(BINARY, "audit", *place, "--since", moment, ok=False, timeout=60)
        report = json.loads(done.stdout)
        found = sum(source["records"] for source in report["sources"])
        check(done.returncode == 0 and found == records, f"--since {moment}: {done}")
    # Folders of yesterday are not opened: a damaged file in one does not matter.
    _, _, first = published(archive)[0][0]
    moved = archive.dir / re.sub(r"date=.*?/", "date=2020-01-01/", first)
    moved.parent.mkdir(parents=True)
    (archive.dir / first).rename(moved)
    moved.write_bytes(b"damaged")
    audit(archive, "since", status=1)
    done = run(BINARY, "audit", "--archive", archive.url(), *words, "--since", begin[:10], ok=False)
    check(done.returncode == 0 and json.loads(done.stdout)["sources"][0]["records"] == 50,
          f"--since of an archive: {done}")
    say("audit --since read 50 of 150 records of a topic and of an archive, and found them whole")


def compacted(lab, kafka):
    """The agent sends nothing into a topic that would keep one line of each log."""
    kafka.topic("compacted", 2, cleanup_policy="compact,delete")
    path = lab.dir / "compacted.log"
    path.write_text("".join(f"{n}\n" for n in range(100)))
    agent = lab.agent(kafka.brokers, topic="compacted", name="compacted",
                      sources={"compacted": path}).start()
    agent.wait_for_log("cleanup.policy is compact.*--add-config cleanup.policy=delete")
    run(harness.SERVICES / "kafka.sh", "tool", "kafka.admin.ConfigCommand", "--bootstrap-server",
        kafka.brokers, "--alter", "--entity-type", "topics", "--entity-name", "compacted",
        "--add-config", "cleanup.policy=delete", timeout=120)
    agent.wait_for_log("takes records again", 60)
    agent.stop()
    agent.once()
    check(len(list(harness.tap_lines(kafka.brokers, "compacted"))) == 100, "lines are missing")
    say("a compacted topic took nothing until its policy was mended, then all 100 lines")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def authorities(lab, kafka):
    """--ca replaces the system's authorities: a server of theirs is not trusted."""
    for name in ("system", "other"):
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
            f"/CN={name}", "-addext", "subjectAltName=DNS:localhost", "-keyout",
            lab.dir / f"{name}.key", "-out", lab.dir / f"{name}.pem")
    trusted = lab.dir / "certs"
    trusted.mkdir()
    digest = run("openssl", "x509", "-hash", "-noout", "-in", lab.dir / "system.pem").stdout.strip()
    for name in (f"{digest}.0", "ca-certificates.crt"):
        shutil.copy(lab.dir / "system.pem", trusted / name)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(lab.dir / "system.pem", lab.dir / "system.key")
    server = http.server.HTTPServer(("localhost", 0), Quiet)
    server.socket = trust.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    fetch_words = f"{BINARY} fetch --topic x --from swebhdfs://localhost:{server.server_port}/x"

    def said(*words):
        # The system's folder is another one for this process alone.
        done = run("unshare", "--mount", "sh", "-c", f"mount --bind {trusted} /etc/ssl/certs && "
                   f"exec {fetch_words} {' '.join(map(str, words))}", ok=False, timeout=60)
        check(done.returncode == 2, f"fetch: {done}")
        return done.stderr

    check("certificate" not in said(), f"the system's authority is not trusted: {said()}")
    check("certificate" not in said("--ca", lab.dir / "system.pem"), "--ca is not trusted")
    check("certificate" in said("--ca", lab.dir / "other.pem"), "the system's is trusted too")
    done = run(BINARY, "fetch", "--topic", "x", "--from", "webhdfs://localhost:1/x", "--user", "me",
               ok=False)
    check(done.returncode == 2 and "--hdfs-user" in done.stderr, f"--user: {done}")
    server.shutdown()
    say("--ca replaces the system's authorities; --user needs a password")


PARTS = [forged, damaged, misspelt, made_anew, deleted, once_ends, expired, parked,
         added_partitions, since, compacted, authorities]

if __name__ == "__main__":
    harness.main(lambda lab: run_parts(PARTS, lab, lab.kafka(
        settings="group.min.session.timeout.ms=1000")))
