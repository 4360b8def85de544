#!/usr/bin/env python3
"""Goal: the index template of the service is ours, newer, or the operator's own, and never half of
each.
Method: real Kafka and OpenSearch; templates of other versions are put there before `index` starts.
"""

import json
import pathlib
import time

from harness import BINARY, check, main, parts_and_numbers, run, run_parts, say, wait_until
from produce import Producer
from search import Member, serve_opensearch
from torture_faults import HOUR, ClockStepper


def name_of(topic):
    return f"longshore-longshore-{topic}-x.x.x"


def template(search, topic):
    found = search.ask(f"/_index_template/{name_of(topic)}")
    return found and found["index_templates"][0]["index_template"]


def send(kafka, topic, *lines):
    producer = Producer(kafka.brokers)
    for line in lines:
        producer.send(topic, line.encode())
    producer.flush()


def indexed(lab, kafka, search, topic, *flags, name):
    """Runs index until all is there; returns its log."""
    member = Member(lab, kafka, search, topic, *flags, name=name)
    wait_until(lambda: member.log().count(" lag=0 ") > 2, 60, "all is read")
    member.wait_until_done()
    member.stop()
    return member.log()


def versions(lab, kafka, search):
    """Upgraded when older, kept when newer."""
    kafka.topic("versions", 1)
    send(kafka, "versions", "one")
    log = indexed(lab, kafka, search, "versions", name="first")
    ours = template(search, "versions")
    check(ours["version"] > 0 and ours["_meta"]["made_by"].startswith("longshore "),
          f"{ours}"[:500])
    check(f"version {ours['version']} for" in log, log)
    patterns = ours["index_patterns"]
    olds = ({}, {"version": ours["version"] - 1}, {"version": ours["version"]})
    for number, before in enumerate(olds):
        search.ask(f"/_index_template/{name_of('versions')}",
                   {"index_patterns": patterns, "priority": 7, **before}, "PUT")
        log = indexed(lab, kafka, search, "versions", name=f"over-{number}")
        check(template(search, "versions") == ours, f"{before} was not replaced")
        check("stays" not in log, log)
    newer = {"index_patterns": patterns, "priority": 300, "version": ours["version"] + 1,
             "template": {"settings": {"index.number_of_replicas": "0"}}}
    search.ask(f"/_index_template/{name_of('versions')}", newer, "PUT")
    search.ask("/longshore-versions-*", method="DELETE")
    send(kafka, "versions", "two")
    log = indexed(lab, kafka, search, "versions", name="kept")
    there = template(search, "versions")
    check(there["version"] == newer["version"] and there["priority"] == 300, f"{there}"[:500])
    check(log.count("it stays") == 1, log)
    check(search.count("longshore-versions-*") == 1, "index did not go on with the newer template")
    say(f"template version {ours['version']} replaces older ones; a newer one stays")


def former_index(lab, kafka, search):
    """What an earlier version named logs-*: index says so, and goes on there if it is told to."""
    kafka.topic("former", 1)
    send(kafka, "former", "one")
    former = ["--index", "logs-{topic}-{yyyy.MM.dd}"]
    log = indexed(lab, kafka, search, "former", *former, name="former-0")
    check("an earlier version" not in log, log)
    send(kafka, "former", "two")
    log = indexed(lab, kafka, search, "former", *former, name="former-1")
    check(search.count("logs-former-*") == 2, "the old name does not go on")
    send(kafka, "former", "three")
    log = indexed(lab, kafka, search, "former", name="former-2")
    check("an earlier version stored topic former in logs-former-*.*.*" in log and
          "--index 'logs-{topic}-{yyyy.MM.dd}'" in log, log)
    check(search.count("logs-former-*") == 2 and search.count("longshore-former-*") == 1,
          "the new name is not that of the new record alone")
    check(search.count("logs-former-*,longshore-former-*") == 3, "both cannot be searched at once")
    search.ask("/_index_template/longshore-logs-former-x.x.x", method="DELETE")
    log = indexed(lab, kafka, search, "former", name="former-3")
    check("an earlier version" not in log, log)
    # What Elasticsearch has built in: data streams of all that is named logs-*-*.
    search.ask("/_index_template/logs", {"index_patterns": ["logs-*-*"], "data_stream": {},
                                         "priority": 100}, "PUT")
    kafka.topic("reserved", 1)
    send(kafka, "reserved", "one")
    indexed(lab, kafka, search, "reserved", "--no-template", name="reserved")
    check(list(search.ask("/longshore-reserved-*")) and
          not search.ask("/_data_stream/*")["data_streams"], "a data stream was made")
    search.ask("/_index_template/logs", method="DELETE")
    say("indices of the former name go on by --index; a new start says where records go")


def day(ago, form="%Y.%m.%d"):
    return time.strftime(form, time.gmtime(time.time() - ago * 86_400))


def keep(lab, kafka, search):
    """--keep deletes indices of its own names that are older, and nothing else, for good."""
    kafka.topic("keep", 1)
    old = [f"longshore-keep-{day(ago)}" for ago in (31, 32, 400)]
    others = [f"longshore-keep-{day(ago)}" for ago in (0, 29, 30)]
    others += [f"longshore-keep-web-{day(40)}", f"longshore-keep-{day(40)}-1", "longshore-keep-x",
               f"logs-keep-{day(40)}", f"longshore-other-{day(40)}", "longshore-keep-2020.02.30",
               f"xlongshore-keep-{day(40)}", f"longshore-keep-{day(40, '%Y-%m-%d')}",
               "longshore-keep-1970.01.01"]
    for name in old + others:
        search.ask(f"/{name}", {"settings": {"number_of_replicas": 0}}, "PUT")
    search.ask(f"/{old[1]}/_close", {})
    # An alias of an old name: neither it nor what it stands for goes.
    alias = f"longshore-keep-{day(50)}"
    search.ask(f"/longshore-keep-x/_alias/{alias}", {}, "PUT")

    def there():
        return set(search.ask("/*?expand_wildcards=open,closed"))

    def prune(*words, status=0, env=None):
        done = run(BINARY, "index", "--prune", "--topic", "keep", "--to", search.url, *words,
                   ok=False, env=env)
        check(done.returncode == status, f"{words}: {done.returncode}: {done.stderr}")
        return done.stdout + done.stderr
    before = there()
    told = prune("--keep", "30d", "--dry-run")
    check([line.split()[-1] for line in told.splitlines()[:-1]] == sorted(old), told)
    check("would delete 3 indices" in told and there() == before, f"a dry run deleted: {told}")
    # A clock that is far ahead would delete all, and leave out what comes.
    clock = ClockStepper(lab.dir / "keep-clock",
                         pathlib.Path(BINARY).parent / "libstepped_clock.so", 0)
    clock.step(40 * 24 * HOUR)
    told = prune("--keep", "30d", status=2, env=clock.environment)
    check("clock is 960 hours ahead" in told and there() == before, told)
    wrong = Member(lab, kafka, search, "keep", "--keep", "30d", "--group", "wrong", name="wrong",
                   env=clock.environment)
    check(wrong.end() == 2 and "Set the clock" in wrong.log() and there() == before, wrong.log())
    told = prune("--keep", "30d")
    check(told.count("deleted longshore-") == 3 and there() == before - set(old), told)
    check("deleted 0 indices" in prune("--keep", "30d"), "there was more to delete")
    for words in (["--keep", "30"], ["--keep", "0d"], ["--keep", "x"], [], ["--keep", "99999d"],
                  ["--keep", "30d", "--index", "a-{topic}"], ["--keep", "3d", "--index", "{MM}"]):
        check(prune(*words, status=2).count("\n") == 1, f"{words}")
    gone = run(BINARY, "index", "--prune", "--keep", "1d", "--topic", "keep", "--to",
               "http://127.0.0.1:9", ok=False)
    check(gone.returncode == 1 and gone.stderr.count("\n") == 1, gone.stderr)
    # A running index deletes too, and what is read again does not bring them back.
    search.ask(f"/{old[0]}", {}, "PUT")
    producer = Producer(kafka.brokers)
    now = int(time.time() * 1000)
    for ago in (0, 1, 30, 31, 32, 300):
        producer.send("keep", b"%d days ago" % ago, timestamp_ms=now - ago * 86_400_000)
    producer.flush()
    for turn in range(2):
        member = Member(lab, kafka, search, "keep", "--keep", "30d", "--group", f"keep-{turn}",
                        name=f"keep-{turn}")
        member.wait_until_done()
        wait_until(lambda: old[0] not in there(), 30, "the old index is deleted")
        check(member.number("documents_expired_total") == 3, member.log())
        check("expired=3" in member.log() and
              member.log().count("are left out") == 1, member.log())
        member.stop()
    check(not there() & set(old), f"{there() & set(old)} came back")
    check(search.count("longshore-keep-*.*.*") == 3, "not every record that is kept is there")
    search.ask("/*keep*", method="DELETE")
    say(f"{len(old)} old indices are deleted, {len(others) + 1} others stay; records of days that "
        "are not kept bring none back")


def data_stream(lab, kafka, search):
    """What is sent again: found in the newest index of a stream, doubled after a rollover."""
    kafka.topic("stream", 1)
    send(kafka, "stream", *(f"line {i}" for i in range(100)))
    search.ask("/_index_template/mine", {"index_patterns": ["audit-*"], "data_stream": {},
                                         "priority": 1}, "PUT")
    search.ask("/_data_stream/audit-stream", method="PUT")
    flags = ["--index", "audit-{topic}"]
    log = indexed(lab, kafka, search, "stream", *flags, name="stream")
    check(log.count("audit-stream is a data stream") == 1 and "stored twice" in log, log)
    made = search.ask("/_index_template/longshore-audit-stream")["index_templates"][0]
    check("data_stream" in made["index_template"], "our template has no data_stream")

    def read_again(group):
        member = Member(lab, kafka, search, "stream", *flags, "--group", group, name=group)
        wait_until(lambda: member.number("documents_created_total") +
                   member.number("documents_already_there_total") == 100, 60, "all is sent again")
        there = member.number("documents_already_there_total")
        member.stop()
        return there, search.count("audit-stream")
    check(read_again("again") == (100, 100), "what was sent again was not found")
    # A killed process: what it did not commit is sent again by the next.
    send(kafka, "stream", "kafka goes on")
    killed = Member(lab, kafka, search, "stream", *flags, name="killed")
    wait_until(lambda: search.count("audit-stream") == 101, 60, "the line is there")
    killed.kill()
    search.ask("/audit-stream/_rollover", {})
    indices = search.ask("/_data_stream/audit-stream")["data_streams"][0]["indices"]
    check(len(indices) == 2, f"{indices}")
    member = Member(lab, kafka, search, "stream", *flags, "--group", "rolled", name="rolled")
    wait_until(lambda: member.number("documents_created_total") == 101, 60, "all is sent again")
    member.stop()
    count = search.count("audit-stream")
    check(count == 202, f"{count} documents: docs/limits.md says that each is there twice")
    check(search.find("audit-stream", "kafka goes on") == ["kafka goes on"] * 2, "not found twice")
    # --template FILE makes one by itself.
    path = lab.dir / "stream.json"
    path.write_text('{"data_stream":{},"template":{"settings":{"index.number_of_replicas":"0"}}}',
                    encoding="ascii")
    indexed(lab, kafka, search, "stream", "--index", "made-{topic}", "--template", path, "--group",
            "made", name="made")
    streams = {one["name"] for one in search.ask("/_data_stream/*")["data_streams"]}
    check("made-stream" in streams and search.count("made-stream") == 101, f"{streams}")
    search.ask("/_data_stream/*", method="DELETE")
    say("data streams take records; sent again: 100 of 100 found there, after a rollover 0 of 101")


def words(lab, kafka, search):
    """Parts of names and of Chinese and Japanese text are found; colours are no words."""
    kafka.topic("words", 1)
    lines = {
        "camel": "at com.shop.CartService.getUserName(CartService.java:42) HTTPServer parseJSON2",
        "snake": "retry_count=3 MAX_RETRY_COUNT user_name",
        "chinese": "数据库连接超时：order-4711 timeout错误",
        "japanese": "データベース接続エラーが発生しました。再試行します",
        "other": "数据连通，超过时限 用户名 Carton Service",
        "korean": "데이터베이스 연결 시간초과",
        "rare": "𠮷野家 is closed",
        "colours": "\x1b[1;31mERROR\x1b[0m failed \x1b[38;5;200mde\x1b[1mep\x1b[m end",
        "long": "x" * 40_000 + " needle-77 " + "字" * 3_000 + "aB" * 20_000}
    send(kafka, "words", *lines.values())
    indexed(lab, kafka, search, "words", name="words")
    check(search.count("longshore-words-*") == len(lines), "not every line is there")
    by_text = {text: name for name, text in lines.items()}

    def found(text, kind="match_phrase", field="message"):
        page = search.ask("/longshore-words-*/_search", {"query": {kind: {field: text}}})
        return sorted(by_text[hit["_source"]["message"]] for hit in page["hits"]["hits"])
    for phrase, names in (
            ("user", ["camel", "snake"]), ("User", ["camel", "snake"]), ("getUserName", ["camel"]),
            ("getusername", ["camel"]), ("cartservice", ["camel"]), ("cart", ["camel"]),
            ("service", ["camel", "other"]), ("http", ["camel"]), ("server", ["camel"]),
            ("json2", ["camel"]), ("CartService.getUserName", ["camel"]),
            ("com.shop.cartservice.getusername", ["camel"]), ("java 42", ["camel"]),
            ("retry", ["snake"]), ("retry_count", ["snake"]), ("max_retry", ["snake"]),
            ("超时", ["chinese"]), ("连接超时", ["chinese"]), ("库连接", ["chinese"]),
            ("连接超时：order", ["chinese"]), ("order-4711", ["chinese"]),
            ("timeout", ["chinese"]),
            ("错误", ["chinese"]), ("时限", ["other"]), ("接超", ["chinese"]),
            ("超时限", []),
            ("接続", ["japanese"]), ("エラー", ["japanese"]),
            ("発生しました", ["japanese"]),
            ("시간", ["korean"]), ("시간초과", ["korean"]), ("𠮷野", ["rare"]),
            ("error failed deep end", ["colours"]), ("31merror", []), ("0m", []), ("31m", []),
            ("needle-77", ["long"]), ("字字", ["long"])):
        check(found(phrase) == names, f"{phrase} finds {found(phrase)}, not {names}")
    for query, names in (('message:"连接超时"', ["chinese"]), ("message:getUser*", ["camel"]),
                         ("message:order-47*", ["chinese"]),
                         ("message:(user AND http)", ["camel"])):
        page = search.ask("/longshore-words-*/_search",
                          {"query": {"query_string": {"query": query}}})
        hits = sorted(by_text[hit["_source"]["message"]] for hit in page["hits"]["hits"])
        check(hits == names, f"{query} finds {hits}")
    for phrase, mark in (("连接超时", "<em>连</em><em>接</em><em>超</em><em>时</em>"),
                         ("user", "<em>getUserName</em>"),
                         ("order-4711", "<em>order"),
                         ("failed", "\x1b[0m <em>failed</em> \x1b"),
                         ("end", "ep\x1b[m <em>end</em>")):
        for kind in ("unified", "plain"):
            page = search.ask("/longshore-words-*/_search", {
                "query": {"match_phrase": {"message": phrase}},
                "highlight": {"type": kind, "fields": {"message": {"number_of_fragments": 0}}}})
            shown = [hit["highlight"]["message"][0] for hit in page["hits"]["hits"]]
            plain = [text.replace("</em><em>", "") for text in shown]
            wanted = mark.replace("</em><em>", "")
            check(any(wanted in text for text in plain), f"{kind} {phrase}: {shown}")
    say(f"{len(lines)} lines are found by parts of names and of Chinese, Japanese and Korean text; "
        "phrases and highlights are right; colours are no words")


def own_template(lab, kafka, search):
    """--template FILE: checked before anything is asked, validated by the service."""
    kafka.topic("own", 1)
    send(kafka, "own", "one")
    path = lab.dir / "template.json"
    base = ["index", "--brokers", kafka.brokers, "--topic", "own", "--to", search.url]
    cases = [('{"template":\n{"x" 1}}', "line 2, column 6"),
             ("[1]", "JSON object"),
             ('{"index_patterns":["*"]}', "--index and --topic"),
             ('{"version":"3"}', "whole number"),
             ('{"a":' * 70 + "1" + "}" * 70, "in one another"),
             ("{" + " " * (1 << 20) + "}", "1 MiB"),
             ('{"_meta":"\xff"}', "UTF-8")]
    for text, words in cases:
        path.write_bytes(text.encode("latin-1"))
        done = run(BINARY, *base, "--template", path, ok=False, timeout=20)
        check(done.returncode == 2 and words in done.stderr and str(path) in done.stderr and
              done.stderr.count("\n") == 1, f"{text[:40]}: {done.returncode}: {done.stderr[-500:]}")
    done = run(BINARY, *base, "--template", lab.dir / "absent.json", ok=False, timeout=20)
    check(done.returncode == 2 and "cannot be read" in done.stderr, done.stderr)
    path.write_text("{}", encoding="ascii")
    for flags in (["--no-template"], ["--index-setting", "a=1"], ["--separators", ","],
                  ["--data-stream", "--index", "x"]):
        done = run(BINARY, *base, "--template", path, *flags, ok=False, timeout=20)
        check(done.returncode == 2 and f"{flags[0]} has no effect" in done.stderr, done.stderr)
    # Only the service knows what its fields may be: its own words are shown.
    for body, words in (({"template": {"mappings": {"properties": {"message": {"type": "txt"}}}}},
                         "[txt]"),
                        ({"template": {"settings": {"index.number_of_shards": "none"}}}, "none"),
                        ({"settings": {}}, "settings")):
        path.write_text(json.dumps(body), encoding="ascii")
        done = run(BINARY, *base, "--template", path, ok=False, timeout=60)
        last = done.stderr.splitlines()[-1]
        check(done.returncode == 2 and words in last and "refused with 400" in last, last)
        check(template(search, "own") is None, "a template was installed that the service refuses")
    own = {"version": 5, "template": {"settings": {"index.number_of_replicas": "0"},
                                      "mappings": {"properties": {"message": {"type": "keyword"}}}}}
    path.write_text(json.dumps(own), encoding="ascii")
    indexed(lab, kafka, search, "own", "--template", path, name="own")
    there = template(search, "own")
    check(there["version"] == 5 and there["index_patterns"] == ["longshore-own-*.*.*"], f"{there}")
    mapping = next(iter(search.ask("/longshore-own-*/_mapping").values()))["mappings"]
    check(mapping["properties"]["message"] == {"type": "keyword"}, f"{mapping}")
    log = indexed(lab, kafka, search, "own", name="without")
    check("it stays" in log, "ours replaced the operator's of a higher version")
    own.pop("version")
    path.write_text(json.dumps(own), encoding="ascii")
    indexed(lab, kafka, search, "own", "--template", path, name="unversioned")
    check("version" not in template(search, "own"), "a template without version was not installed")
    say(f"{len(cases)} unusable files are refused with a place; the service's words are shown; an "
        "operator's template is used")


def test(lab):
    kafka = lab.kafka()
    kafka.topic("longshore-dead-letter", 1)
    search = serve_opensearch(lab)
    run_parts([versions, former_index, keep, data_stream, words, own_template], lab, kafka, search,
              wanted=parts_and_numbers().parts)


main(test, 900)
