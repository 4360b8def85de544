#!/usr/bin/env python3
"""Goal: no record, partition, topic or index stops another's way into the search, and none passes
for another's.
Method: real Kafka and OpenSearch; records that are forged, too deep, too large or out of time;
indices that are closed, misconfigured, or made anew; bytes flipped on the broker's disk; each time
beside a topic that has nothing wrong.
"""

import json
import pathlib
import time

from harness import (audit, check, main, parts_and_numbers, run_parts, say, tap, tap_lines,
                     wait_until)
from produce import Producer
from search import Member, serve_opensearch

DAY_MS = 86_400_000


def records(search, topic):
    return dict(search.documents(f"longshore-{topic}-*"))


def forged(lab, kafka, search):
    """A raw line that looks like the next record of another container's log."""
    kafka.topic("forged", 1)
    victim, thief = lab.dir / "victim.log", lab.dir / "thief.log"
    victim.write_text("first\n", encoding="ascii")
    thief.touch()
    agent = lab.agent(kafka.brokers, topic="forged", name="forged", sources={
        "victim": victim, "thief": thief, "thief_format": "raw"})
    agent.once()
    seen = tap(kafka.brokers, "forged")[0]
    forgery = {**seen, "message": "forged",
               "longshore": {**seen["longshore"], "start": seen["longshore"]["end"],
                             "end": seen["longshore"]["end"] + 7}}
    thief.write_text(json.dumps(forgery, separators=(",", ":")) + "\n", encoding="ascii")
    agent.once()
    keys = [raw["key"] for raw in audit(kafka.brokers, "forged")["raw"]]
    check(len(keys) == 1, f"the thief's keys are {keys}")
    forgery["longshore"]["source"] = keys[0].removesuffix("-raw")
    with open(thief, "a", encoding="ascii") as file:
        file.write(json.dumps(forgery, separators=(",", ":")) + "\n")
    agent.once()
    with open(victim, "a", encoding="ascii") as file:
        file.write("second\n")
    agent.once()
    member = Member(lab, kafka, search, "forged", name="forged")
    member.wait_until_done()
    member.stop()
    found = records(search, "forged").values()
    own = [document["message"] for document in found if "longshore" in document]
    check(sorted(own) == ["first", "second"], f"the victim's lines are {own}")
    others = [document["kafka"] for document in found if "kafka" in document]
    check(len(others) == 2 and all(each["refused"] == "key" for each in others),
          f"the forgeries, one under the thief's own id, are {others}")
    say("a forged record is stored as what it is, and the victim's line too")


def deep(lab, kafka, search):
    """JSON that ends a node, and other JSON that a node refuses."""
    kafka.topic("deep", 1)
    def nested(levels):
        return '{"needle%d":' % levels + '{"a":' * (levels - 1) + "1" + "}" * levels
    lines = [nested(levels) for levels in (10, 60, 70, 500, 1_000, 100_000)]
    lines += ['{"float%d":0.%s}' % (1000, "1" * 1000), '{"twice":1,"twice":2}', '{"power":1e99999}',
              '{"":1,"dots..in":2,".":3,"\\u0000":4}', '{"good":[1,{"x":"y"}]}',
              '{"arrays":' + "[" * 900 + "]" * 900 + "}"]
    path, raw = lab.dir / "deep.log", lab.dir / "raw.log"
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    raw.write_text("\n".join(lines) + "\n", encoding="ascii")
    lab.agent(kafka.brokers, topic="deep", name="deep", sources={
        "deep": path, "deep_format": "json", "raw": raw, "raw_format": "raw"}).once()
    # What no agent writes: an envelope that is deep beside its json.
    seen = next(json.loads(line) for line in tap_lines(kafka.brokers, "deep")
                if b'"longshore":' in line and b'"good"' in line)
    seen.pop("json", None)
    around = json.dumps({**seen, "message": "m"})[:-1] + ',"x":' + nested(5_000) + "}"
    producer = Producer(kafka.brokers)
    producer.send("deep", around.encode(), key=seen["longshore"]["source"].encode())
    producer.send("deep", (json.dumps({**seen, "message": "dots"})[:-1] + ',"%s":1}' %
                           ".".join(["a"] * 20_000)).encode(),
                  key=seen["longshore"]["source"].encode())
    producer.flush()
    member = Member(lab, kafka, search, "deep", "--refused-within", "100", name="deep")
    member.wait_until_done()
    found = list(records(search, "deep").values())
    log = (pathlib.Path(search.dir) / "log").read_text(errors="replace")
    check("fatal error" not in log and "StackOverflow" not in log, "the node fell over")
    reasons = sorted(document["longshore"]["json_refused"] for document in found
                     if "json_refused" in document.get("longshore", {}))
    say(f"refused as JSON: {reasons}; dead letters: "
        f"{member.number('documents_dead_lettered_total'):.0f}")
    for word in ("needle500", "needle1000", "needle70", "twice"):
        messages_found = search.find("longshore-deep-*", word)
        check(len(messages_found) == 2, f"{word} is found {len(messages_found)} times")
    check(reasons.count("depth") == 4 and reasons.count("number") == 1 and
          reasons.count("duplicate_name") == 1, f"{reasons}")
    for term in ({"json.good.x": "y"}, {"longshore.json_refused": "duplicate_name"},
                 {"kafka.refused": "depth"}):
        count = search.ask("/longshore-deep-*/_count", {"query": {"term": term}})["count"]
        check(count == 1, f"{term} finds {count}")
    member.stop()
    say("depths up to 100,000, long numbers and names that occur twice: the node lives, all found")


def times(lab, kafka, search):
    """Times in other units, or none at all, make no index each."""
    kafka.topic("times", 1, message_timestamp_after_max_ms=str(2**63 - 1))
    producer = Producer(kafka.brokers)
    now = int(time.time() * 1000)
    for i in range(60):
        producer.send("times", b"ns %d" % i, timestamp_ms=(now + i * DAY_MS) * 1_000_000)
        producer.send("times", b"us %d" % i, timestamp_ms=(now - i * DAY_MS // 60) * 1000)
        producer.send("times", b"old %d" % i, timestamp_ms=(i + 1) * DAY_MS * 100)
        producer.send("times", b"far %d" % i, timestamp_ms=now + (i + 3) * DAY_MS)
    producer.flush()
    member = Member(lab, kafka, search, "times", name="times")
    member.wait_until_done()
    member.stop()
    indices = list(search.ask("/longshore-times-*"))
    count = search.count("longshore-times-*")
    check(count == 240, f"{count} documents")
    check(len(indices) <= 5, f"{len(indices)} indices: {indices}")
    say(f"240 records with times of four kinds of nonsense: {len(indices)} indices")


def anew(lab, kafka, search):
    """A topic that was deleted and made again the same day."""
    producer = Producer(kafka.brokers)
    for life in range(2):
        kafka.topic("anew", 1)
        for i in range(15):
            producer.send("anew", b"life %d line %d" % (life, i))
        producer.flush()
        member = Member(lab, kafka, search, "anew", "--group", f"anew-{life}", name=f"anew-{life}")
        member.wait_until_done()
        member.stop()
        if life == 0:
            kafka.tool("TopicCommand", "--delete", "--topic", "anew")
            wait_until(lambda: "anew" not in kafka.tool("TopicCommand", "--list").split(), 60,
                       "the topic is gone")
    count = search.count("longshore-anew-*")
    check(count == 30, f"{count} documents of 30 lines")
    again = Member(lab, kafka, search, "anew", "--group", "again", name="anew-again")
    again.wait_until_done()
    check(again.number("documents_already_there_total") == 15, "a record that is read again moved")
    again.stop()
    say("a topic made anew keeps all its lines, and what is read again is found")


def anew_while_it_is_read(lab, kafka, search):
    """A topic that is deleted and made again under a running member, and is longer soon."""
    kafka.topic("swapped", 1)
    producer = Producer(kafka.brokers)
    for i in range(100):
        producer.send("swapped", b"first life, line %d" % i)
    producer.flush()
    member = Member(lab, kafka, search, "swapped", name="swapped")
    member.wait_until_done()
    kafka.tool("TopicCommand", "--delete", "--topic", "swapped")
    wait_until(lambda: "swapped" not in kafka.tool("TopicCommand", "--list").split(), 60,
               "the topic is gone", pause=0.1)
    kafka.topic("swapped", 1)
    producer = Producer(kafka.brokers)
    for i in range(250):
        producer.send("swapped", b"second life, line %d" % i)
    producer.flush()
    for i in range(10):  # Those that live on show nothing to the reader but new records.
        time.sleep(2)
        producer.send("swapped", b"second life, late line %d" % i)
        producer.flush()
    wait_until(lambda: search.count("longshore-swapped-*") == 360, 120, "every line of both lives")
    member.stop()
    log = member.log()
    check("made anew" in log or "recreated" in log, f"the log says nothing of it: {log[-2000:]}")
    say("a topic made anew while it is read loses nothing")


def large_letters(lab, kafka, search):
    """Headers push a dead letter over what its topic takes; its neighbours are put aside once."""
    kafka.topic("large", 1)
    kafka.topic("tight-letters", 1, max_message_bytes="1048588")
    kafka.topic("tiny-letters", 1, max_message_bytes="2000")
    producer = Producer(kafka.brokers)
    for value in (b"before", b"y" * 1_048_400, b"after"):
        producer.send("large", value)
        producer.flush()
    for letters in ("tight-letters", "tiny-letters"):
        member = Member(lab, kafka, search, "large", "--foreign", "dead-letter", "--dead-letter",
                        letters, "--group", letters, "--kafka", "compression.codec=none",
                        name=letters)
        member.wait_until_done()
        member.stop()
        kept = sorted(messages_of(kafka, letters))
        check([value[:6] for value in kept] == ["after", "before", "yyyyyy"],
              f"{letters}: {[value[:20] for value in kept]}")
        left = len(kept[2])
        if letters == "tight-letters":
            check(left > 1_040_000, f"only {left} bytes were kept")
        headers = kafka.tool("consumer.ConsoleConsumer", "--topic", letters, "--from-beginning",
                             "--timeout-ms", "8000", "--formatter-property", "print.headers=true",
                             "--formatter-property", "print.value=false")
        check(f"longshore.cut:{1_048_400 - left}" in headers and
              "longshore.offset:1" in headers, f"{letters}: {headers}"[:2000])
        say(f"{letters}: {left} of 1,048,400 bytes kept, neighbours once")


def messages_of(kafka, topic):
    """The values, whoever wrote them."""
    return kafka.tool("consumer.ConsoleConsumer", "--topic", topic, "--from-beginning",
                      "--timeout-ms", "8000").splitlines()


def sick_and_healthy(lab, kafka, search, name, *flags):
    """A member on two topics; the sick one has one document already."""
    sick, healthy = f"{name}-sick", f"{name}-healthy"
    producer = Producer(kafka.brokers)
    for topic in (sick, healthy):
        kafka.topic(topic, 2)
        producer.send(topic, b"line 0")
    producer.flush()
    member = Member(lab, kafka, search, sick, "--topic", healthy, *flags, name=name)
    for topic in (sick, healthy):
        wait_until(lambda topic=topic: search.count(f"longshore-{topic}-*") == 1, 60,
                   f"{topic} begins")

    def more(first, count):
        for i in range(first, first + count):
            for topic in (sick, healthy):
                producer.send(topic, b"line %d" % i, partition=i % 2)
        producer.flush()
    return member, sick, healthy, more


def closed_index(lab, kafka, search):
    member, sick, healthy, more = sick_and_healthy(lab, kafka, search, "closed")
    search.ask(f"/longshore-{sick}-*/_close", {})
    more(1, 500)
    begin = time.monotonic()
    wait_until(lambda: search.count(f"longshore-{healthy}-*") == 501, 60, "the healthy one goes on")
    took = time.monotonic() - begin
    wait_until(lambda: member.number("partitions_parked") == 2, 60, "both partitions are parked")
    check(f"{sick}[0] is parked" in member.log() and "index_closed" in member.log(), member.log())
    more(501, 500)
    begin = time.monotonic()
    wait_until(lambda: search.count(f"longshore-{healthy}-*") == 1001, 60, "it goes on again")
    check(time.monotonic() - begin < 15, "the healthy topic waits for the sick one")
    search.ask(f"/longshore-{sick}-*/_open", {})
    wait_until(lambda: search.count(f"longshore-{sick}-*") == 1001, 60, "the sick topic arrives")
    member.wait_until_done()
    check(member.number("partitions_parked") == 0 and
          member.number("documents_rejected_total") == 0, "something is left over")
    member.stop()
    say(f"one index closed: the other topic's 500 lines took {took:.1f} s; opened, all arrived")


def misconfigured(lab, kafka, search):
    member, sick, healthy, more = sick_and_healthy(lab, kafka, search, "pipe")
    search.ask(f"/longshore-{sick}-*/_settings", {"index.default_pipeline": "missing"}, "PUT")
    more(1, 500)
    wait_until(lambda: search.count(f"longshore-{healthy}-*") == 501, 60, "the healthy one goes on")
    wait_until(lambda: member.number("partitions_parked") == 2, 60, "both partitions are parked")
    check(member.number("documents_rejected_total") == 0, "documents are blamed for a setting")
    search.ask("/_ingest/pipeline/missing", {"processors": []}, "PUT")
    wait_until(lambda: search.count(f"longshore-{sick}-*") == 501, 60, "the sick topic arrives")
    member.wait_until_done()
    member.stop()
    say("a missing pipeline parks its topic, and its documents arrive once it is there")


def refused_by_mapping(lab, kafka, search):
    """A wrong mapping refuses whatever comes, of several sources."""
    member, sick, healthy, more = sick_and_healthy(lab, kafka, search, "map")
    search.ask(f"/longshore-{sick}-*", method="DELETE")
    day = time.strftime("%Y.%m.%d", time.gmtime())
    search.ask(f"/longshore-{sick}-{day}",
               {"mappings": {"properties": {"message": {"type": "long"}}}},
               "PUT")
    more(1, 1000)
    wait_until(lambda: search.count(f"longshore-{healthy}-*") == 1001, 60, "the healthy goes on")
    wait_until(lambda: member.number("partitions_parked") == 2, 60, "both partitions are parked")
    check(member.number("documents_dead_lettered_total") < 100, "it went into the dead letters")
    check("--refused-within" in member.log(), member.log()[-2000:])
    search.ask(f"/longshore-{sick}-*", method="DELETE")
    wait_until(lambda: search.count(f"longshore-{sick}-*") +
               member.number("documents_dead_lettered_total") == 1000, 60, "the sick topic arrives")
    member.stop()
    say("a mapping that refuses everything parks its topic; nothing is lost when it is mended")


def damaged_batch(lab, kafka, search):
    member, sick, healthy, more = sick_and_healthy(lab, kafka, search, "disk")
    member.wait_until_done()
    member.stop()
    more(1, 100)
    more(101, 100)
    kafka.stop()
    (segment,) = pathlib.Path(kafka.dir).glob(f"1/data/{sick}-0/*0.log")
    data = segment.read_bytes()
    at = data.rindex(b"line 50")
    segment.write_bytes(data[:at] + bytes(byte ^ 0xFF for byte in data[at:at + 20]) +
                        data[at + 20:])
    kafka.restart()
    member = Member(lab, kafka, search, sick, "--topic", healthy, name="disk-2")
    wait_until(lambda: search.count(f"longshore-{healthy}-*") == 201, 60, "the healthy one goes on")
    wait_until(lambda: member.number("partitions_parked") == 1, 60, "the partition is parked")
    check(f"{sick}[0] is parked" in member.log(), member.log()[-2000:])
    wait_until(lambda: search.count(f"longshore-{sick}-*") >= 101, 60, "the other one goes on")
    say("parked: " + next(line for line in member.log().splitlines() if "is parked" in line))
    more(201, 100)
    wait_until(lambda: search.count(f"longshore-{healthy}-*") == 301, 60, "it goes on again")
    kafka.stop()
    data = bytearray(segment.read_bytes())
    data[at:at + 20] = bytes(byte ^ 0xFF for byte in data[at:at + 20])
    segment.write_bytes(data)
    kafka.restart()
    wait_until(lambda: search.count(f"longshore-{sick}-*") == 301, 120, "the sick one arrives")
    member.wait_until_done()
    member.stop()
    say("20 bytes flipped in one batch park one partition; mended, everything is there once")


def labels(lab, kafka, search):
    kafka.topic("labels", 1)
    sources = {}
    for name, tags in (("a", "a=1"), ("b", "a.b=2"), ("c", "app.kubernetes.io/name=x"),
                       ("d", "app=y")):
        (lab.dir / f"label-{name}.log").write_text(f"of {name}\n", encoding="ascii")
        sources |= {name: lab.dir / f"label-{name}.log", f"{name}_tags": tags}
    for container in range(64):
        path = lab.dir / f"many-{container}.log"
        path.write_text("of many\n", encoding="ascii")
        tags = ",".join(f"key.{container}.{i}=v" for i in range(32))
        sources |= {f"m{container}": path, f"m{container}_tags": tags}
    lab.agent(kafka.brokers, topic="labels", name="labels", sources=sources).once()
    member = Member(lab, kafka, search, "labels", name="labels")
    member.wait_until_done()
    check(member.number("documents_rejected_total") == 0, member.log()[-2000:])
    member.stop()
    count = search.count("longshore-labels-*")
    check(count == 68, f"{count} documents")
    for term in ({"labels.a": "1"}, {"labels.a.b": "2"}, {"labels.app": "y"},
                 {"labels.app.kubernetes.io/name": "x"}, {"labels.key.63.31": "v"}):
        found = search.ask("/longshore-labels-*/_count", {"query": {"term": term}})["count"]
        check(found == 1, f"{term} finds {found}")
    say("labels that were conflicts, and 2,048 names of them, are all stored and found")


def numbers(lab, kafka, search):
    kafka.topic("numbers", 1)
    path = lab.dir / "numbers.log"
    path.write_text("".join('{"status":%s,"http":{"took":%d}}\n' % (status, i) for i, status in
                            enumerate(("99", "404", "500", "1000", '"502"', "1e300"))),
                    encoding="ascii")
    lab.agent(kafka.brokers, topic="numbers", name="numbers",
              sources={"n": path, "n_format": "json"}).once()
    member = Member(lab, kafka, search, "numbers", "--number", "json.status", "--number",
                    "json.http.took", name="numbers")
    member.wait_until_done()
    member.stop()
    check(search.count("longshore-numbers-*") == 6, "not every line is there")
    for query, wanted in (({"number.status": {"gte": 500}}, 3),
                          ({"number.http.took": {"lt": 2}}, 2)):
        found = search.ask("/longshore-numbers-*/_count", {"query": {"range": query}})["count"]
        check(found == wanted, f"{query} finds {found}")
    say("numbers of JSON lines are compared as numbers")


def test(lab):
    kafka = lab.kafka()
    kafka.topic("longshore-dead-letter", 1)
    search = serve_opensearch(lab)
    run_parts([forged, deep, times, anew, anew_while_it_is_read, large_letters, labels, numbers,
               closed_index, misconfigured, refused_by_mapping, damaged_batch],
              lab, kafka, search, wanted=parts_and_numbers().parts)


main(test, 1200)
