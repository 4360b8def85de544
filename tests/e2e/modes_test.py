#!/usr/bin/env python3
"""Goal: the operator's options do what they say: --once, both deliveries, the three formats, topics
that are missing or created, and a host whose clock is wrong.
Method: small files with a real Kafka; the records that arrive are read with tap and audit.
"""

import json
import pathlib
import subprocess
import time

import harness
from harness import BINARY, LiveWriter, audit, check, check_clean, messages, numbered_lines, run
from harness import say, tap, wait_for_records
from torture_faults import TEN_YEARS, ClockStepper


def once(lab, kafka):
    files = [(f"o{i}", lab.dir / f"o{i}.log") for i in range(5)]
    for i, (_, path) in enumerate(files):
        numbered_lines(path, 0, 1000 * (i + 1))
    agent = lab.agent(kafka.brokers, topic="once", sources=dict(files), name="once")
    agent.once()
    check_clean(audit(kafka.brokers, "once", files), 15_000, 5, 5)
    agent.once()
    check_clean(audit(kafka.brokers, "once", files), 15_000, 5, 5)
    numbered_lines(files[0][1], 1000, 10)
    agent.once()
    check_clean(audit(kafka.brokers, "once", files), 15_010, 5, 5)
    say("--once ships what is there, nothing twice, and what came since")


def at_least_once(lab, kafka):
    path = lab.dir / "alo.log"
    agent = lab.agent(kafka.brokers, topic="alo", sources={"alo": path}, name="alo",
                      flags=["--linger-ms", 100])
    writer = LiveWriter([path], 30_000, 8)
    writer.start()
    for mode in ("at-least-once", "at-least-once", "exactly-once"):
        agent.start("--delivery", mode)
        time.sleep(2)
        agent.check_running()
        agent.kill()
    agent.start("--delivery", "at-least-once")
    writer.join()
    found = []
    def all_there():
        nonlocal found
        found = messages(kafka.brokers, "alo")
        return len(set(found)) == 30_000
    harness.wait_until(all_there, 60, "30000 different lines", pause=1)
    check(audit(kafka.brokers, "alo")["totals"]["gaps"] == 0, "at-least-once left a gap")
    agent.stop()
    say(f"at-least-once: 30000 lines, {len(found) - 30_000} of them again, no gap; modes change")


def formats(lab, kafka):
    odd = ['plain', 'quotes " and \\ back', 'tab\tand \x01 control', 'grüße 漢字 🚢', '', ' ',
           '{"looks":"like json"}']
    text = lab.dir / "text.log"
    text.write_bytes("".join(line + "\n" for line in odd).encode() + b"bad \xff\xfe bytes\n")
    objects = [{"level": "info", "n": 1}, {"nested": {"a": [1, 2, {"b": None}]}, "t": "ü"}]
    js = lab.dir / "json.log"
    js.write_text("".join(json.dumps(o, ensure_ascii=False) + "\n" for o in objects) +
                  "not an object\n", encoding="utf-8")
    raw = lab.dir / "raw.log"
    raw.write_bytes(b"raw \x00 and \xff bytes\nsecond\n")
    agent = lab.agent(kafka.brokers, topic="formats", name="formats",
                      flags=["--allow-topic", "raw"], sources={
                          "text": text, "text_tags": "team=web,env=prod", "json": js,
                          "json_format": "json", "raw": raw, "raw_format": "raw",
                          "raw_topic": "raw"})
    agent.once()
    records = tap(kafka.brokers, "formats")
    texts = [r for r in records if r["longshore"]["name"] == "text"]
    check([r["message"] for r in texts[:len(odd)]] == odd, f"text came otherwise: {texts}")
    check("\ufffd" in texts[-1]["message"] and texts[-1]["longshore"].get("flags"),
          f"bad bytes are neither replaced nor flagged: {texts[-1]}")
    check(texts[0]["labels"] == {"team": "web", "env": "prod"}, f"no labels: {texts[0]}")
    check(texts[0]["log"]["file"]["path"] == str(text), f"another path: {texts[0]}")
    embedded = [r for r in records if r["longshore"]["name"] == "json"]
    check([r["json"] for r in embedded if "json" in r] == objects, f"json came as {embedded}")
    check(len(embedded) == 3, f"a line that is no object was dropped: {embedded}")
    ranges = [(r["longshore"]["start"], r["longshore"]["end"]) for r in texts]
    check(all(a[1] == b[0] for a, b in zip(ranges, ranges[1:])), f"ranges do not meet: {ranges}")
    done = subprocess.run([BINARY, "tap", "--brokers", kafka.brokers, "--topic", "raw",
                           "--no-follow", "--json"], stdout=subprocess.PIPE, timeout=60, check=True)
    check(done.stdout == raw.read_bytes(), f"raw came as {done.stdout!r}")
    say("formats: text, json and raw arrive as declared")


def long_lines(lab, kafka):
    path = lab.dir / "long.log"
    sizes = [999_000, 1_000_000, 1_048_576, 3_500_000, 10]
    path.write_bytes(b"".join(bytes([97 + i]) * size + b"\n" for i, size in enumerate(sizes)))
    agent = lab.agent(kafka.brokers, topic="long", sources={"long": path}, name="long")
    agent.once()
    report = audit(kafka.brokers, "long", [("long", path)])
    check_clean(report, sources=1, equal=1)
    say(f"lines over the limit: {report['totals']['records']} records of {len(sizes)} lines, "
        "every byte kept")


def missing_topics(lab, kafka):
    here, away = lab.dir / "here.log", lab.dir / "away.log"
    numbered_lines(here, 0, 500)
    numbered_lines(away, 0, 700)
    agent = lab.agent(kafka.brokers, topic="here", name="park",
                      flags=["--allow-topic", "comes-late", "--linger-ms", 50],
                      sources={"here": here, "away": away, "away_topic": "comes-late"}).start()
    wait_for_records(kafka.brokers, 500, 30, "here")
    agent.wait_for_log("comes-late")
    numbered_lines(here, 500, 500)
    wait_for_records(kafka.brokers, 1000, 30, "here")
    kafka.topic("comes-late", 2)
    wait_for_records(kafka.brokers, 700, 120, "comes-late")
    check_clean(audit(kafka.brokers, "comes-late", [("away", away)]), 700, 1, 1)
    agent.stop()
    say("a missing topic parks its own sources only, until it exists")


def made_topics(lab, kafka):
    path = lab.dir / "made.log"
    numbered_lines(path, 0, 300)
    agent = lab.agent(kafka.brokers, topic="made", sources={"made": path}, name="made",
                      flags=["--create-topics", "--topic-replicas", 3])
    agent.start()
    agent.wait_for_log("topic made cannot be used")
    agent.stop()
    agent = lab.agent(kafka.brokers, topic="made", sources={"made": path}, name="made",
                      flags=["--create-topics", "--topic-partitions", 3, "--topic-replicas", 1])
    agent.once()
    check_clean(audit(kafka.brokers, "made", [("made", path)]), 300, 1, 1)
    say("--create-topics makes what is missing")


def a_clock_that_is_years_off(lab, kafka):
    library = pathlib.Path(BINARY).parent / "libstepped_clock.so"
    clock = ClockStepper(lab.dir / "clock-offset", library, 0)
    path = lab.dir / "years.log"
    numbered_lines(path, 0, 300)
    for topic, offset_ns in (("ahead", TEN_YEARS), ("behind", -TEN_YEARS)):
        clock.step(offset_ns)
        agent = lab.agent(kafka.brokers, topic=topic, sources={topic: path}, name=topic,
                          flags=["--create-topics"], env=clock.environment)
        agent.once()
        check_clean(audit(kafka.brokers, topic, [(topic, path)]), 300, 1, 1)
        year = time.gmtime().tm_year + offset_ns // TEN_YEARS * 10
        check(abs(int(tap(kafka.brokers, topic)[0]["@timestamp"][:4]) - year) <= 1,
              "the clock was not stepped at all")
    say("topics that the agent made take what it sends with a clock that is years off")

    # Others may insist on the host's time: then the topic waits, and nothing is lost.
    clock.step(TEN_YEARS)
    agent = lab.agent(kafka.brokers, topic="years", sources={"years": path}, name="years",
                      env=clock.environment).start()
    agent.wait_for_log("failed twice, its logs wait")
    clock.step(0)
    wait_for_records(kafka.brokers, 300, 60, "years")
    agent.stop()
    check_clean(audit(kafka.brokers, "years", [("years", path)]), 300, 1, 1)
    say("a topic that refuses records from the future waits until the clock is right")


def one_setting_everywhere(lab, kafka):
    path = lab.dir / "env.log"
    numbered_lines(path, 0, 20)
    state = lab.dir / "env-state"
    state.mkdir()
    config = lab.dir / "agent.conf"
    config.write_text(f"topic = env\nstate-dir = {state}\nsource = env={path}\n")
    run(BINARY, "agent", "--once", "--docker", "off", "--config", config,
        env={"LONGSHORE_BROKERS": kafka.brokers})
    check_clean(audit(kafka.brokers, "env", [("env", path)]), 20, 1, 1)
    say("flags, environment and file are one set of settings")


def settings_of_kafka_in_a_file(lab, kafka):
    path, properties = lab.dir / "properties.log", lab.dir / "kafka.properties"
    numbered_lines(path, 0, 20)
    agent = lab.agent(kafka.brokers, topic="properties", sources={"p": path}, name="properties",
                      flags=["--kafka-config", properties])
    def refused(text, mode, sentence):
        properties.write_text(text, encoding="ascii")
        properties.chmod(mode)
        agent.start()
        check(agent.wait(20) == 2, f"{text!r} was accepted")
        agent.wait_for_log(sentence, 1)
    refused("client.id = x\n", 0o640, "kafka.properties can be read by other users: .*chmod 600")
    refused("client.idd = x\n", 0o600, "client.idd.*client.id")
    refused('sasl.password = "geheim\n', 0o600, "kafka.properties:1: the quotation mark")
    check("geheim" not in agent.log(), "a password is shown")
    properties.write_text('# of this host\nsecurity.protocol = "PLAINTEXT"\nclient.id=x\n',
                          encoding="ascii")
    agent.once()
    check_clean(audit(kafka.brokers, "properties", [("p", path)]), 20, 1, 1)
    say("--kafka-config: refused while others may read it or it is wrong, used when it is right")


def test(lab):
    kafka = lab.shared_kafka()
    for topic in ("once", "alo", "formats", "raw", "long", "here", "env", "years", "properties"):
        kafka.topic(topic, 4 if topic != "raw" else 1)
    harness.run_parts((once, at_least_once, formats, long_lines, missing_topics, made_topics,
                       a_clock_that_is_years_off, one_setting_everywhere,
                       settings_of_kafka_in_a_file), lab, kafka)


if __name__ == "__main__":
    harness.main(test)
