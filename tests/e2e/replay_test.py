#!/usr/bin/env python3
"""Goal: dead letters are put where they belonged once the cause is mended: each record is found
once, with the id and in the index that `longshore index` gives it; nobody's letter does harm.
Method: real Kafka and OpenSearch. Documents are refused because of a mapping and of a pipeline that
is missing, then that is mended; letters that are cut, hostile, or of another topic; each replay is
repeated, and the topics are indexed once more, which must find every document.
"""

import os
import signal
import subprocess
import time

from harness import BINARY, check, main, parts_and_numbers, run, run_parts, say, wait_until
from produce import Producer
from search import Member, id_of, serve_opensearch

DAY_MS = 86_400_000


def replay(kafka, search, *flags, status=0):
    """Runs `longshore replay` to its end; what it printed."""
    words = ["--brokers", kafka.brokers, *flags]
    if "--dry-run" not in flags:
        words += ["--to", search.url]
    done = run(BINARY, "replay", "--kafka", "session.timeout.ms=6000", *words, ok=False)
    check(done.returncode == status, f"replay {flags}: {done.returncode}: {done.stdout} "
                                     f"{done.stderr[-3000:]}")
    return done.stdout + done.stderr


def letters_in(kafka, topic):
    """How many records a topic of dead letters holds."""
    ends = kafka.tool("GetOffsetShell", "--topic", topic)
    return sum(int(line.rpartition(":")[2]) for line in ends.split())


def index_once(lab, kafka, search, topic, *flags, name):
    """A member that reads all of a topic and is stopped; its counts of documents."""
    member = Member(lab, kafka, search, topic, "--refused-within", "100", *flags, name=name)
    member.wait_until_done()
    member.stop()
    return {what: member.number(f"documents_{what}_total")
            for what in ("created", "already_there", "dead_lettered")}


def records_of(lab, kafka, topic):
    """Records of two logs of ours, and of others: some of yesterday."""
    text, numbers = lab.dir / f"{topic}-text.log", lab.dir / f"{topic}-numbers.log"
    text.write_text("".join(f"poison of {topic} {i}\n" for i in range(30)), encoding="ascii")
    numbers.write_text("".join(f"{i}\n" for i in range(10)), encoding="ascii")
    lab.agent(kafka.brokers, topic=topic, name=topic,
              sources={"text": text, "numbers": numbers}).once()
    producer = Producer(kafka.brokers)
    now = int(time.time() * 1000)
    for i in range(20):
        producer.send(topic, b"poison \xff from another program %d" % i, key=b"%d" % (i % 3),
                      partition=i % 2, timestamp_ms=now - (i % 2) * DAY_MS)
    # Some that nothing refuses, for each index.
    for i in range(4):
        producer.send(topic, b"%d" % i, partition=i % 2, timestamp_ms=now - (i % 2) * DAY_MS)
    producer.flush()
    return 64


def documents(search, topic):
    """{id: (index, version, document)} of a topic."""
    search.ask(f"/longshore-{topic}-*/_refresh", {})
    page = search.ask(f"/longshore-{topic}-*/_search", {"size": 1000, "version": True})
    hits = page["hits"]["hits"]
    found = {hit["_id"]: (hit["_index"], hit["_version"], hit["_source"]) for hit in hits}
    check(len(found) == len(hits) == page["hits"]["total"]["value"], "an id is there twice")
    return found


def mend_and_replay(lab, kafka, search, topic, letters, mend, too_early):
    """50 documents of a topic are refused, and replayed; returns all. `too_early`: what replay says
    before it is mended."""
    refused = 50
    all_of = records_of(lab, kafka, topic)
    counts = index_once(lab, kafka, search, topic, "--dead-letter", letters, name=topic)
    check(counts["dead_lettered"] == refused and counts["created"] == all_of - refused,
          f"{topic}: {counts}")
    # Before it is mended: none is stored, and none is written again.
    text = replay(kafka, search, "--dead-letter", letters, status=1)
    check(f"Dead letters: {refused}; stored: 0; already there: 0" in text, text)
    check(too_early in text, text)
    check(letters_in(kafka, letters) == refused, "a letter was written again")
    listed = replay(kafka, search, "--dead-letter", letters, "--dry-run")
    check(f"Dead letters: {refused}" in listed and f"  {topic}  " in listed, listed)
    mend()
    text = replay(kafka, search, "--dead-letter", letters)
    check(f"Dead letters: {refused}; stored: {refused}; already there: 0\n" in text, text)
    found = documents(search, topic)
    check(len(found) == all_of, f"{topic}: {len(found)} documents of {all_of} records")
    own = {key.rpartition(".")[0] for key, (_, _, document) in found.items()
           if "longshore" in document}
    check(own == {id_of(document) for _, _, document in found.values()
                  if "longshore" in document} and len(own) == 40, f"{topic}: {own}")
    # The letters again, and the topic again: each document is there, with this id.
    text = replay(kafka, search, "--dead-letter", letters)
    check("Dead letters: 0; stored: 0" in text, text)
    text = replay(kafka, search, "--dead-letter", letters, "--from-start")
    check(f"Dead letters: {refused}; stored: 0; already there: {refused}\n" in text, text)
    counts = index_once(lab, kafka, search, topic, "--group", "again", name=f"{topic}-again")
    check(counts == {"created": 0, "already_there": all_of, "dead_lettered": 0}, f"{counts}")
    check(documents(search, topic) == found, f"{topic}: a document changed")
    return found


def mapping(lab, kafka, search):
    """An index whose mapping takes numbers only, until it is told to ignore others."""
    kafka.topic("mapped", 2)
    kafka.topic("mapped-letters", 2)
    for day in (0, 1):
        name = time.strftime("%Y.%m.%d", time.gmtime(time.time() - day * 86_400))
        search.ask(f"/longshore-mapped-{name}",
                   {"mappings": {"properties": {"message": {"type": "long"}}}}, "PUT")

    def mend():
        search.ask("/longshore-mapped-*/_mapping",
                   {"properties": {"message": {"type": "long", "ignore_malformed": True}}}, "PUT")
    found = mend_and_replay(lab, kafka, search, "mapped", "mapped-letters", mend,
                            "; refused again: 50")
    indices = {index for index, _, _ in found.values()}
    check(len(indices) == 2, f"{indices}")
    say("50 documents that a mapping refused are replayed, into the indices of two days")


def pipeline(lab, kafka, search):
    """A pipeline that hands some documents to another one, which is missing."""
    kafka.topic("piped", 2)
    kafka.topic("piped-letters", 1)
    search.ask("/_ingest/pipeline/outer", {"processors": [{"pipeline": {
        "name": "piped-inner", "if": "ctx.message.contains('poison')"}}]}, "PUT")
    for day in (0, 1):
        name = time.strftime("%Y.%m.%d", time.gmtime(time.time() - day * 86_400))
        search.ask(f"/longshore-piped-{name}",
                   {"settings": {"index.default_pipeline": "outer"}}, "PUT")
    mend_and_replay(lab, kafka, search, "piped", "piped-letters", lambda: search.ask(
        "/_ingest/pipeline/piped-inner", {"processors": []}, "PUT"),
                    "Left from there on: piped-letters[0], offset ")
    say("50 documents for which a pipeline was missing are replayed")


def meanwhile(lab, kafka, search):
    """Records that were stored by somebody else before the replay."""
    kafka.topic("early", 2)
    kafka.topic("early-letters", 1)
    records = records_of(lab, kafka, "early")
    counts = index_once(lab, kafka, search, "early", "--foreign", "dead-letter", "--dead-letter",
                        "early-letters", name="early")
    check(counts["created"] == 40, f"{counts}")
    counts = index_once(lab, kafka, search, "early", "--group", "second", name="early-2")
    check(counts["created"] == 24 and counts["already_there"] == 40, f"{counts}")
    text = replay(kafka, search, "--dead-letter", "early-letters", "--foreign", "dead-letter",
                  status=1)
    check("refused again: 24" in text, text)
    text = replay(kafka, search, "--dead-letter", "early-letters")
    check("Dead letters: 24; stored: 0; already there: 24\n" in text, text)
    check(search.count("longshore-early-*") == records, "a document is there twice")
    say("records that are there meanwhile are found: those that --foreign put aside have their id")


def cut(lab, kafka, search):
    """Letters that their topic could not take whole; one record is gone, another stands there."""
    for name in ("whole", "away", "anew"):
        kafka.topic(name, 1)
    kafka.topic("cut-letters", 1, max_message_bytes="5000")
    kafka.topic("bare-letters", 1, max_message_bytes="700")
    producer = Producer(kafka.brokers)
    for name in ("whole", "away", "anew"):
        producer.send(name, b"large " + name.encode() + b" z" * 50_000, key=b"k" * 300)
    producer.flush()
    for letters in ("cut-letters", "bare-letters"):
        member = Member(lab, kafka, search, "whole", "--topic", "away", "--topic", "anew",
                        "--foreign", "dead-letter", "--dead-letter", letters, "--group", letters,
                        "--kafka", "compression.codec=none", name=letters)
        member.wait_until_done()
        member.stop()
    for name in ("away", "anew"):
        kafka.tool("TopicCommand", "--delete", "--topic", name)
        wait_until(lambda name=name: name not in kafka.tool("TopicCommand", "--list").split(), 60,
                   f"{name} is gone")
    kafka.topic("anew", 1)
    producer = Producer(kafka.brokers)
    producer.send("anew", b"large anew" + b" z" * 50_000, key=b"k" * 300)
    producer.flush()
    for letters, stored in (("cut-letters", "stored: 1; already there: 0"),
                            ("bare-letters", "stored: 0; already there: 1")):
        text = replay(kafka, search, "--dead-letter", letters, status=1)
        check(f"Dead letters: 3; {stored}; cut, and the whole is gone, see the log: 2\n" in text,
              text)
        check("Kafka does not hold the whole at offset 0 of away[0] any more" in text, text)
        check("another record stands at offset 0 of anew[0] now" in text, text)
    (document,) = (source for _, _, source in documents(search, "whole").values())
    check(len(document["message"]) == 100_000 + len("large whole") and
          document["kafka"]["key"] == "k" * 300, "the document is not whole")
    counts = index_once(lab, kafka, search, "whole", "--group", "again", name="whole-again")
    check(counts["created"] == 0 and counts["already_there"] == 1, f"{counts}")
    say("cut letters are read again from their topic, and those that are gone are named")


def hostile(lab, kafka, search):
    """Letters that nobody of ours wrote, beside a good one."""
    kafka.topic("odd", 1)
    kafka.topic("odd-letters", 1)
    producer = Producer(kafka.brokers)
    producer.send("odd", b"good")
    producer.flush()
    counts = index_once(lab, kafka, search, "odd", "--foreign", "dead-letter", "--dead-letter",
                        "odd-letters", name="odd")
    check(counts["created"] == 0, f"{counts}")

    def letter(value=b"forged", **changes):
        headers = {"reason": b"x: \x1b[31m\n why", "topic": b"odd", "partition": b"0",
                   "offset": b"77", "timestamp": b"1"} | changes
        producer.send("odd-letters", value, headers=[
            (f"longshore.{name}", text) for name, text in headers.items() if text is not None])
    producer.send("odd-letters", b"no headers at all")
    producer.send("odd-letters", b"others' headers", headers=[("traceparent", b"00")])
    for changes in ({"topic": b"../etc"}, {"topic": b"odd\nodd"}, {"offset": b"-1"},
                    {"partition": b"99999999999"}, {"offset": None}, {"reason": None},
                    {"hash": b"0123456789abcdef"}, {"hash": b"\0" * 16}, {"cut": b"-1"},
                    {"action": b'{"create":{"_index":"longshore-odd-2026.11.30","_id":"x"}}'},
                    {"action": b'{"delete":{"_index":"longshore-odd-2026.11.30","_id":"x"}}'},
                    {"topic": os.urandom(900_000)}):
        letter(**changes)
    producer.send("odd-letters", b"many", headers=[(f"longshore.{i % 7}", b"") for i in
                                                   range(20_000)])
    producer.send("odd-letters", b"twice", headers=[("longshore.topic", b"odd")] * 2)
    # Of an index that --index does not give: it may be ours, so it stays.
    letter(action=b'{"create":{"_index":".security","_id":"odd+0+77"}}')
    producer.flush()
    listed = replay(kafka, search, "--dead-letter", "odd-letters", "--dry-run", status=1)
    check("\x1b" not in listed and "\n why" not in listed, repr(listed))
    for turn in range(2):
        text = replay(kafka, search, "--dead-letter", "odd-letters", *["--from-start"] * turn,
                      status=1)
        stored = "stored: 0; already there: 1" if turn else "stored: 1; already there: 0"
        check(f"{stored}; left, see the log: 1; damaged and passed over, see the log: 14; "
              "no dead letters and passed over: 2\n" in text, text)
        check("\x1b" not in text and len(text) < 20_000, text[-3000:])
    check([source["message"] for _, _, source in documents(search, "odd").values()] == ["good"],
          "a forged letter was stored")
    check(search.ask("/.security") is None, "a letter made an index")
    say("17 letters that are hostile or none: each is named, the good one beside them is stored")


def wrong(lab, kafka, search):
    """Topics that are not there, or hold no letters."""
    text = replay(kafka, search, "--dead-letter", "no-such-topic", status=2)
    check("has no topic no-such-topic" in text, text)
    kafka.topic("plain", 2)
    producer = Producer(kafka.brokers)
    for i in range(5_000):
        producer.send("plain", b"line %d" % i, partition=i % 2)
    producer.flush()
    for _ in range(2):
        text = replay(kafka, search, "--dead-letter", "plain", status=2)
        check("records that were read is a dead letter of 'longshore index'" in text, text)
    groups = kafka.tool("consumer.group.ConsumerGroupCommand", "--describe", "--group",
                        "longshore-replay")
    check(not any(line.split()[1:2] == ["plain"] and line.split()[3] != "-"
                  for line in groups.splitlines()), f"offsets were committed: {groups}")
    say("a topic that is not there, or holds no letters, is refused with a sentence")


def many(lab, kafka, search):
    """More letters than a bulk, with a replay that is killed in the middle."""
    kafka.topic("many", 4)
    kafka.topic("many-letters", 4)
    producer = Producer(kafka.brokers)
    count = 40_000
    for i in range(count):
        producer.send("many", b"line %d " % i + b"x" * 100, partition=i % 4)
    producer.flush()
    index_once(lab, kafka, search, "many", "--foreign", "dead-letter", "--dead-letter",
               "many-letters", name="many")
    ended = []
    for turn, how in enumerate((signal.SIGKILL, signal.SIGTERM), 1):
        process = subprocess.Popen(
            [BINARY, "replay", "--brokers", kafka.brokers, "--to", search.url, "--dead-letter",
             "many-letters", "--kafka", "session.timeout.ms=6000", "--bulk-bytes", "64K",
             "--in-flight", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        lab.closers.append(process.kill)
        wait_until(lambda turn=turn: search.count("longshore-many-*") >= count * turn // 4, 60,
                   "it stores letters")
        process.send_signal(how)
        ended.append((process.wait(20), process.communicate()[0].decode()))
    check(ended[0] == (-signal.SIGKILL, ""), f"{ended}")
    check(ended[1][0] in (0, 1) and (ended[1][0] == 0) != ("Stopped before the end" in ended[1][1]),
          f"{ended}")
    text = replay(kafka, search, "--dead-letter", "many-letters", "--progress-s", "1")
    found = search.count("longshore-many-*")
    check(found == count, f"{found} documents")
    say(f"{count} letters, two replays ended early: {ended[1][1].splitlines()[0]}; the last: "
        f"{text.splitlines()[0]}")


def test(lab):
    kafka = lab.kafka()
    kafka.topic("longshore-dead-letter", 1)
    search = serve_opensearch(lab)
    run_parts([mapping, pipeline, meanwhile, cut, hostile, wrong, many], lab, kafka, search,
              wanted=parts_and_numbers().parts)


main(test, 900)
