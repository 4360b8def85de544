#!/usr/bin/env python3
"""Goal: every record of Kafka becomes one document, whatever dies; rejected records go to the
dead-letter topic with their reason; and a line is found by any part of an identifier.
Method: real Kafka and OpenSearch; members are killed, join and leave while an agent ships; a node
with tiny limits; the documents found are compared with the records that tap reads.
"""

import random
import subprocess
import time

import harness
from harness import BINARY, LONG, LiveWriter, check, main, numbered_lines, run, run_parts, say, tap
from harness import wait_until
from search import Member, check_equal, serve_opensearch

GIVEN = harness.parts_and_numbers(records=1_000_000 if LONG else 30_000, kills=50 if LONG else 3)
LINES, KILLS = GIVEN.records, GIVEN.kills
SOURCES = 8


def kills_and_rebalances(lab, kafka, search):
    kafka.topic("many", 6)
    files = [lab.dir / f"many-{i}.log" for i in range(SOURCES)]
    agent = lab.agent(kafka.brokers, topic="many", name="many", flags=["--linger-ms", 100],
                      sources={f"s{i}": path for i, path in enumerate(files)})
    writer = LiveWriter(files, LINES // SOURCES, max(20, LINES // 1700), seed=6)
    writer.start()
    agent.start()
    shuffle = random.Random(8)
    members, number = [], 0

    def join():
        nonlocal number
        number += 1
        members.append(Member(lab, kafka, search, "many", "--bulk-bytes", "256K", "--linger-ms",
                              "100", name=f"member-{number}"))

    join()
    killed = left = 0
    while killed < KILLS:
        while len(members) < 3:
            join()
        time.sleep(shuffle.uniform(1, 5))
        for member in members:
            member.check_running()
        members.pop(shuffle.randrange(len(members))).kill()
        killed += 1
        if killed % 3 == 2:
            check(members.pop(0).stop() < 10, "a member left too slowly")
            left += 1
        if killed == KILLS // 2 + 1:
            search.kill()
            time.sleep(3)
            search.start()
    while len(members) < 3:
        join()
    writer.join()
    wanted = LINES // SOURCES * SOURCES
    wait_until(lambda: search.count("longshore-many-*") >= wanted, 240 + LINES // 400,
               f"{wanted} documents", pause=2)
    for member in members:
        member.wait_until_done()
    count = check_equal(search, "longshore-many-*", kafka, "many")
    check(count == wanted, f"{count} documents of {wanted} lines")
    there = sum(member.number("documents_already_there_total") for member in members)
    slowest = max(member.stop() for member in members)
    say(f"{killed} kills -9, {left} members left by SIGTERM, the node killed once: {count} lines, "
        f"each once; the last three found {there:.0f} already there and ended in {slowest:.1f} s")
    late = Member(lab, kafka, search, "many", name="member-late")
    late.wait_until_done()
    check(late.number("documents_already_there_total") == 0, "the ends were not committed")
    agent.stop()
    late.stop()


def outages(lab, kafka, search):
    """Nobody answers: it waits, ends in time when it is told to, and goes on by itself."""
    kafka.topic("outage", 2)
    path = lab.dir / "outage.log"
    numbered_lines(path, 0, 5000)
    lab.agent(kafka.brokers, topic="outage", name="outage", sources={"o": path}).once()
    frozen = Member(lab, kafka, search, "outage", "--bulk-bytes", "64K", name="frozen")
    wait_until(lambda: search.count("longshore-outage-*") > 0, 60, "a first document")
    search.freeze()
    time.sleep(3)
    ended = frozen.stop()
    member = Member(lab, kafka, search, "outage", "--bulk-bytes", "64K", name="waiting")
    time.sleep(3)
    search.thaw()
    kafka.freeze()
    time.sleep(8)
    member.check_running()
    ended = max(ended, member.stop())
    kafka.thaw()
    member = Member(lab, kafka, search, "outage", name="on")
    wait_until(lambda: search.count("longshore-outage-*") == 5000, 120, "all documents")
    kafka.kill()
    time.sleep(5)
    check(kafka.restart(), "Kafka does not start again")
    numbered_lines(path, 5000, 100)
    lab.agent(kafka.brokers, topic="outage", name="outage", sources={"o": path}).once()
    wait_until(lambda: search.count("longshore-outage-*") == 5100, 120, "what came after it")
    check(check_equal(search, "longshore-outage-*", kafka, "outage") == 5100, "not every line once")
    ended = max(ended, member.stop())
    say(f"node and broker frozen, broker killed: it waited, went on, ended within {ended:.1f} s")


def search_by_part(lab, kafka, search):
    kafka.topic("words", 2)
    line = ("payment ERROR order-4711 from 10.20.30.40:8080 user_name=bob "
            "trace=550e8400-e29b-41d4-a716-4466554400 (com.shop.CartService.addItem)")
    path, js = lab.dir / "words.log", lab.dir / "words.json"
    path.write_text(f"{line}\nnothing of it: order-4712 10.20.30.41\n", encoding="utf-8")
    huge = '{"stack":"' + "x" * 50_000 + ' needle-99"}'
    many = "{" + ",".join(f'"field{i}":{i}' for i in range(1500)) + "}"
    js.write_text(f'{{"level":"warn","user":{{"id":17}}}}\n{huge}\n{many}\n', encoding="utf-8")
    lab.agent(kafka.brokers, topic="words", name="words", sources={
        "w": path, "w_tags": "team=web", "j": js, "j_format": "json"}).once()
    member = Member(lab, kafka, search, "words", "--gzip", name="words")
    member.wait_until_done()
    for phrase in ("order-4711", "4711", "10.20.30.40", "30.40:8080", "8080", "e29b-41d4", "bob",
                   "user_name", "CartService.addItem", "error",
                   "550e8400-e29b-41d4-a716-4466554400"):
        found = search.find("longshore-words-*", phrase)
        check(found == [line], f"{phrase} finds {found}")
    check(len(search.find("longshore-words-*", "needle-99")) == 1, "huge JSON is not found as text")
    for term in ({"labels.team": "web"}, {"json.level": "warn"}, {"json.user.id": "17"},
                 {"json.field1499": "1499"}, {"log.file.path": str(path)}):
        found = search.ask("/longshore-words-*/_count", {"query": {"term": term}})["count"]
        check(found == (2 if "log.file.path" in term or "labels.team" in term else 1),
              f"{term} finds {found}")
    mapping = search.ask("/longshore-words-*/_mapping")
    check(all("field1" not in str(index) for index in mapping.values()),
          "an application's JSON made fields of its own")
    check(member.number("documents_rejected_total") == 0, "something was rejected")
    member.stop()
    say("lines are found by wholes and parts; 1,500 names in a JSON line make no field")


def refusals(lab, kafka, search):
    """429, 413, foreign records; and labels that would be conflicts as fields of their own."""
    kafka.topic("hard", 4)
    good, conflict, long = (lab.dir / f"{name}.log" for name in ("good", "conflict", "long"))
    raw = lab.dir / "raw.log"
    numbered_lines(good, 0, 20_000)
    conflict.write_text("conflict 1\nconflict 2\n", encoding="ascii")
    long.write_text("y" * 400_000 + "\nshort\n", encoding="ascii")
    raw.write_bytes(b'{"not":"ours"}\nbytes \xff\xfe\n\n')
    lab.agent(kafka.brokers, topic="hard", name="hard", sources={
        "good": good, "good_tags": "team=web", "long": long, "raw": raw,
        "raw_format": "raw"}).once()
    flags = ["--bulk-bytes", "1M", "--in-flight", "8", "--index-setting", "number_of_shards=4"]
    member = Member(lab, kafka, search, "hard", *flags, name="hard")
    member.wait_until_done(300)
    check(member.number("documents_rejected_total") == 1, "not one document was too large")
    lab.agent(kafka.brokers, topic="hard", name="hard2", sources={
        "conflict": conflict, "conflict_tags": "team.lead=x"}).once()
    wait_until(lambda: search.count("longshore-hard-*") == 20_006, 60, "labels are no conflict")
    member.wait_until_done()
    check(member.number("documents_dead_lettered_total") == 1, "not one dead letter")
    check(member.number("requests_too_large_total") > 0, "no request was halved")
    put_off = member.number("documents_put_off_total") + member.number("requests_failed_total")
    check(put_off > 0, "the tiny queue put nothing off")
    say(f"{member.number('requests_too_large_total'):.0f} requests halved for 413, {put_off:.0f} "
        "items or requests put off for 429, all settled")
    documents = dict(search.documents("longshore-hard-*"))
    check(len(documents) == 20_000 + 1 + 2 + 3, f"{len(documents)} documents")
    foreign = {key: value for key, value in documents.items() if "kafka" in value}
    check(sorted(value["message"] for value in foreign.values()) ==
          ["", "bytes \ufffd\ufffd", '{"not":"ours"}'], f"foreign records came as {foreign}")
    for key, value in foreign.items():
        place = value["kafka"]
        check(key.startswith(f"hard+{place['partition']}+{place['offset']}."),
              f"{key} is {place}")
    letters = kafka.tool("consumer.ConsoleConsumer", "--topic", "longshore-dead-letter",
                         "--from-beginning", "--timeout-ms", "8000", "--formatter-property",
                         "print.headers=true").splitlines()
    letters = [line for line in letters if "longshore.reason" in line]
    check(len(letters) == 1 and "longshore.status:413" in letters[0] and
          "longshore.topic:hard" in letters[0], f"{letters}"[:3000])
    kept = tap(kafka.brokers, "longshore-dead-letter")
    check([len(record["message"]) for record in kept] == [400_000],
          "the dead letter is not the record itself")
    member.stop()
    say("a document over the limit lies in the dead-letter topic, with the reason")


def stops(lab, kafka, search):
    """What must end the process, and how."""
    kafka.topic("stops", 1)
    raw = lab.dir / "stops.log"
    raw.write_text("plain\n", encoding="ascii")
    lab.agent(kafka.brokers, topic="stops", name="stops", sources={
        "raw": raw, "raw_format": "raw"}).once()
    for flags, status, words in (
            (["--dead-letter", "nowhere"], 2, "has no topic nowhere"),
            (["--dead-letter", "none", "--foreign", "dead-letter"], 1, "stops[0] at offset 0"),
            (["--index", "stops-alias"], 1, "is an alias (of stops-real)")):
        if status == 1 and "--index" in flags:
            search.ask("/stops-real", {"aliases": {"stops-alias": {}}}, "PUT")
            flags = [*flags, "--group", "other"]
        member = Member(lab, kafka, search, "stops", *flags, name=f"stops-{len(lab.closers)}")
        found = member.end()
        check(found == status and words in member.log().splitlines()[-1],
              f"{flags}: status {found}: {member.log()[-1000:]}")
    for words in (["--to", "ftp://x"], ["--index", "Upper"], ["--kafka", "acks=0"],
                  ["--separators", "\udcff"], ["--in-flight", "0"]):
        base = ["--brokers", kafka.brokers, "--topic", "stops"]
        if "--to" not in words:
            base += ["--to", search.url]
        done = run(BINARY, "index", *base, *words, ok=False, timeout=20)
        check(done.returncode == 2 and done.stderr.count("\n") == 1,
              f"{words}: status {done.returncode}: {done.stderr}")
    # Nobody there: it waits, says so, and ends at once when told to.
    log_path = lab.dir / "nobody.log"
    with open(log_path, "wb") as log:
        process = subprocess.Popen(
            [BINARY, "index", "--brokers", kafka.brokers, "--topic", "stops", "--to",
             "http://127.0.0.1:9"], stderr=log)
    lab.closers.append(process.kill)
    wait_until(lambda: "waits" in log_path.read_text(), 30, "it says that it waits")
    process.terminate()
    check(process.wait(10) == 0, f"{process.returncode}: {log_path.read_text()}")
    say("bad settings end with 2 and one sentence, what cannot go on with 1")


def with_tiny_limits(lab, kafka, search):
    """The same on a node of its own; the other one ends, for two want much memory."""
    search.close()
    refusals(lab, kafka, serve_opensearch(
        lab, "small", "http.max_content_length=300kb thread_pool.write.size=1 "
                      "thread_pool.write.queue_size=1"))


def test(lab):
    kafka = lab.kafka()
    kafka.topic("longshore-dead-letter", 1)
    search = serve_opensearch(lab)
    run_parts([search_by_part, stops, outages, kills_and_rebalances, with_tiny_limits],
              lab, kafka, search, wanted=GIVEN.parts)


main(test, 1200 + LINES // 150 + 10 * KILLS)
