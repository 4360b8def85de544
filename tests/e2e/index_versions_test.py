#!/usr/bin/env python3
"""Goal: `index` keeps its promises with each search service that docs/search.md names.
Method: a real node of each; an agent ships, a member and the node are killed; what is found is
compared with Kafka, and the fields, words and indices of the documents are asked for. Without
LONGSHORE_LONG=1 one OpenSearch and one Elasticsearch.
"""

import time

from harness import BINARY, LONG, check, main, numbered_lines, parts_and_numbers, run, run_parts
from harness import say, wait_until
from search import Member, check_equal, serve

LINE = "payment order-4711 from 10.20.30.40:8080 数据库连接超时 CartService.getUserName"
LINES = 3000


def documents(lab, kafka, search, topic):
    """Every line once, though a member and the node are killed."""
    kafka.topic(topic, 2)
    files = [lab.dir / f"{topic}-{i}.log" for i in range(2)]
    for path in files:
        numbered_lines(path, 0, LINES)
    agent = lab.agent(kafka.brokers, topic=topic, name=topic,
                      sources={f"s{i}": path for i, path in enumerate(files)})
    agent.once()
    flags = ["--bulk-bytes", "64K", "--linger-ms", "50"]
    killed = Member(lab, kafka, search, topic, *flags, name=f"{topic}-killed")
    wait_until(lambda: search.count(f"longshore-{topic}-*") > 0, 60, "a first document")
    killed.kill()
    search.kill()
    search.start()
    member = Member(lab, kafka, search, topic, *flags, name=f"{topic}-next")
    wait_until(lambda: search.count(f"longshore-{topic}-*") >= 2 * LINES, 120, "all documents")
    member.wait_until_done()
    member.stop()
    check(check_equal(search, f"longshore-{topic}-*", kafka, topic) == 2 * LINES, "not each once")
    again = Member(lab, kafka, search, topic, "--group", f"{topic}-again", name=f"{topic}-again")
    wait_until(lambda: again.number("documents_already_there_total") == 2 * LINES, 60,
               "what is sent again is found")
    check(again.number("documents_created_total") == 0, "a document was stored twice")
    again.stop()


def fields(lab, kafka, search, topic, is_flat):
    """What a line is found by."""
    kafka.topic(topic, 1)
    text, js = lab.dir / f"{topic}.log", lab.dir / f"{topic}.json"
    text.write_text(f"{LINE}\n\x1b[31mred-1\x1b[0m done\n", encoding="utf-8")
    js.write_text('{"level":"warn","status":503,"user":{"id":17}}\n{"a":1,"a.b":2}\n',
                  encoding="ascii")
    lab.agent(kafka.brokers, topic=topic, name=topic, sources={
        "w": text, "w_tags": "team=web", "j": js, "j_format": "json"}).once()
    member = Member(lab, kafka, search, topic, "--gzip", "--number", "json.status", name=topic)
    wait_until(lambda: member.number("documents_created_total") == 4, 60, "four documents")
    member.wait_until_done()
    member.stop()
    index = f"longshore-{topic}-*"
    for phrase in ("order-4711", "4711", "30.40:8080", "超时", "连接超时", "user",
                   "cartservice", "CartService.getUserName"):
        check(search.find(index, phrase) == [LINE], f"{phrase} finds {search.find(index, phrase)}")
    check(len(search.find(index, "red-1 done")) == 1, "a colour is between two words")
    check(not search.find(index, "31mred"), "a colour is part of a word")
    terms = [({"term": {"labels.team": "web"}}, 2), ({"range": {"number.status": {"gte": 500}}}, 1)]
    if is_flat:
        terms += [({"term": {"json.level": "warn"}}, 1), ({"term": {"json.user.id": "17"}}, 1)]
    for query, wanted in terms:
        found = search.ask(f"/{index}/_count", {"query": query})["count"]
        check(found == wanted, f"{query} finds {found}")


def indices(search, topic):
    """The template's version, and --prune."""
    name = f"/_index_template/longshore-longshore-{topic}-x.x.x"
    template = search.ask(name)["index_templates"][0]["index_template"]
    check(template["version"] > 0 and "made_by" in template["_meta"], f"{template}"[:300])
    old = f"longshore-{topic}-" + time.strftime("%Y.%m.%d", time.gmtime(time.time() - 40 * 86_400))
    search.ask(f"/{old}", {}, "PUT")
    before = set(search.ask("/longshore-*"))
    done = run(BINARY, "index", "--prune", "--keep", "30d", "--topic", topic, "--to", search.url)
    check(f"deleted {old}\n" in done.stdout, done.stdout)
    check(set(search.ask("/longshore-*")) == before - {old}, "more or less was deleted")


def whole(product, version=None, is_flat=True, has_streams=True):
    """The test of one service."""
    def part(lab, kafka):
        short = (product[0] + (version or "")).replace(".", "")
        search = serve(lab, product, f"node-{short}", version=version)
        told = search.ask("/")["version"]
        documents(lab, kafka, search, f"many{short}")
        fields(lab, kafka, search, f"words{short}", is_flat)
        indices(search, f"words{short}")
        streams = "no data streams"
        if has_streams:
            member = Member(lab, kafka, search, f"words{short}", "--index", "stream-{topic}",
                            "--data-stream", "--group", "stream", name=f"stream{short}")
            wait_until(lambda: member.number("documents_created_total") == 4, 60, "the stream")
            member.stop()
            made = search.ask(f"/_data_stream/stream-words{short}")["data_streams"]
            check(len(made) == 1, f"{made}")
            check(search.find(f"stream-words{short}", "超时") == [LINE], "not our template")
            streams = "a data stream"
        log = (lab.dir / f"node-{short}" / "log").read_text(errors="replace")
        check("fatal error" not in log, "the node fell over")
        search.close()
        say(f"{product} {told['number']}: {2 * LINES} lines once each, found by words, parts and "
            f"fields; prune; {streams}")
    part.__name__ = product + (version or "").replace(".", "_")
    return part


PARTS = [whole("opensearch"), whole("elasticsearch", has_streams=False)]
if LONG:
    PARTS += [whole("opensearch", "1.3.13", is_flat=False), whole("opensearch", "3.8.0"),
              whole("elasticsearch", "8.19.21", has_streams=False)]


def test(lab):
    kafka = lab.kafka()
    kafka.topic("longshore-dead-letter", 1)
    run_parts(PARTS, lab, kafka, wanted=parts_and_numbers().parts)


main(test, 900)
