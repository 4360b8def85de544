#!/usr/bin/env python3
"""Goal: a search service behind TLS and authentication gets every record once, and secrets stay
secret; a wrong setting is reported in one sentence with its remedy, and loses nothing.
Method: real Kafka and a real OpenSearch, with a real nginx in front of it that ends TLS and demands
a password, an API key or a client certificate, and revokes them in the middle of a run.
"""

import pathlib
import re
import time
from types import SimpleNamespace

import harness
from gateway import API_KEY, PASSWORD, USER, Gateway
from harness import BINARY, check, main, numbered_lines, run, run_parts, say, wait_until
from produce import Producer
from search import Member, check_equal, serve_opensearch

GIVEN = harness.parts_and_numbers()
LINES = 3000
SECRETS = (PASSWORD, API_KEY, "wrong-password-99", "wrong-key-99")


class Scene:
    """Kafka with a filled topic, the node, and nginx before it."""

    def __init__(self, lab):
        self.lab = lab
        self.kafka = lab.shared_kafka()
        self.kafka.topic("longshore-dead-letter", 1)
        self.kafka.topic("secured", 3)
        self.search = serve_opensearch(lab)
        self.gateway = Gateway(lab, self.search.url)
        self.lines = 0
        self.ship(LINES)
        self.password = self.secret("password", PASSWORD)
        self.key = self.secret("api-key", API_KEY)
        self.ca = ["--ca", self.gateway.authority.ca]
        self.basic = [*self.ca, "--user", USER, "--password-file", self.password]
        self.certificate = [*self.ca, "--cert", self.gateway.client[0], "--key",
                            self.gateway.client[1]]

    def secret(self, name, text):
        path = self.lab.dir / name
        path.write_text(f"{text}\n", encoding="ascii")
        path.chmod(0o600)
        return path

    def ship(self, count):
        path = self.lab.dir / "secured.log"
        numbered_lines(path, self.lines, count)
        self.lines += count
        self.lab.agent(self.kafka.brokers, topic="secured", name="secured",
                       sources={"s": path}).once()

    def member(self, name, url, *flags):
        """A member of a group of its own, with indices of its own."""
        flags = ["--group", name, "--index", f"{name}-{{topic}}-{{yyyy.MM.dd}}", "--bulk-bytes",
                 "128K", "--linger-ms", "50", *flags]
        member = Member(self.lab, self.kafka, SimpleNamespace(url=url), "secured", *flags,
                        name=name)
        check_silence(member)
        return member

    def check_all(self, member, name):
        # Only then: its last word on the lag may be older than what was shipped.
        wait_until(lambda: self.search.count(f"{name}-secured-*") >= self.lines, 60,
                   f"{self.lines} documents", pause=0.5)
        member.wait_until_done(60)
        count = check_equal(self.search, f"{name}-secured-*", self.kafka, "secured")
        check(count == self.lines, f"{count} documents of {self.lines} lines")
        check(member.number("documents_already_there_total") == 0, f"{name}: sent twice")
        check(member.number("documents_rejected_total") == 0, f"{name}: rejected")


def check_silence(member):
    """No secret stands where others read: in the arguments, or in what it says."""
    words = pathlib.Path(f"/proc/{member.process.pid}/cmdline").read_text().replace("\0", " ")
    check(member.running(), f"index ended at once: {member.log()[-1000:]}")
    for secret in SECRETS:
        check(secret not in words + member.log(), f"a secret is shown: {words} {member.log()}")


def each_way(scene):
    """Three members at once, each with the indices that it fills."""
    ways = {"basic": [*scene.basic, "--gzip"],
            "key": [*scene.ca, "--api-key-file", scene.key],
            "certificate": scene.certificate}
    members = {name: scene.member(name, scene.gateway.url(name), *flags)
               for name, flags in ways.items()}
    for name, member in members.items():
        scene.check_all(member, name)
        check_silence(member)
        member.stop()
        check("unencrypted" not in member.log(), f"a warning without a reason: {member.log()}")
        seen = scene.gateway.seen(name)
        # Whether a template is there already may be answered with 404.
        check(seen and all(line.startswith(("200 ", "404 GET /_index_template/")) for line in seen),
              f"{name}: {[line for line in seen if not line.startswith('200 ')][:3]}")
    say(f"{scene.lines} records through TLS by password, by API key and by certificate, each once")


def refusals(scene):
    """Each ends at the start, with 2 and one sentence that names the remedy."""
    gateway = scene.gateway
    wrong_password = scene.secret("wrong-password", "wrong-password-99")
    wrong_key = scene.secret("wrong-key", "wrong-key-99")
    basic = ["--user", USER, "--password-file"]
    other = gateway.others.issue("intruder", "DNS:intruder")
    to_tls = gateway.url("basic").replace("https", "http")
    no_ca = scene.secret("no-ca", "no certificate")
    for door, flags, what, remedy in (
            ("basic", [*basic, scene.password], "certificate", "--ca"),
            ("basic", ["--ca", gateway.others.ca, *basic, scene.password], "certificate", "--ca"),
            ("basic", ["--ca", no_ca, *basic, scene.password], "certificate", "no-ca"),
            ("misnamed", scene.basic, "127.0.0.1", "host name that"),
            ("basic", [*scene.ca, *basic, wrong_password], "401", "--password-file"),
            ("basic", scene.ca, "401", "--user"),
            ("key", [*scene.ca, "--api-key-file", wrong_key], "403", "--api-key-file"),
            ("certificate", scene.ca, "certificate", "--cert"),
            ("certificate", [*scene.ca, "--cert", other[0], "--key", other[1]], "certificate",
             "--cert"),
            ("certificate", [*scene.ca, "--cert", other[0], "--key", gateway.client[1]], "key",
             "--key"),
            (to_tls, [], "HTTPS", "https://"),
            ("moved", basic + [scene.password], "307", gateway.url("stranger"))):
        url = door if door.startswith("http") else gateway.url(door)
        done = run(BINARY, "index", "--brokers", scene.kafka.brokers, "--topic", "secured", "--to",
                   url, "--group", "refused", *flags, ok=False, timeout=20)
        said = done.stderr.splitlines()
        ends = [line for line in said if line.startswith("longshore index: ")]
        check(done.returncode == 2 and len(ends) == 1 and said[-1] == ends[0],
              f"{door} {flags}: status {done.returncode}: {done.stderr}")
        check(what in ends[0] and remedy in ends[0], f"{door}: {ends[0]}")
        check(not any(secret in done.stderr + done.stdout for secret in SECRETS), done.stderr)
        say(ends[0])
    check(not gateway.seen("stranger"), f"the stranger heard {gateway.seen('stranger')}")


def letters(scene):
    """A replay takes the same credentials, and refuses wrong ones in the same words."""
    scene.kafka.topic("secured-odd", 1)
    scene.kafka.topic("secured-letters", 1)
    producer = Producer(scene.kafka.brokers)
    for i in range(10):
        producer.send("secured-odd", b"line %d" % i)
    producer.flush()
    url = scene.gateway.url("basic")
    member = Member(scene.lab, scene.kafka, SimpleNamespace(url=url), "secured-odd", "--foreign",
                    "dead-letter", "--dead-letter", "secured-letters", *scene.basic, name="odd")
    member.wait_until_done()
    member.stop()
    words = [BINARY, "replay", "--brokers", scene.kafka.brokers, "--dead-letter", "secured-letters",
             "--to", url, *scene.ca, "--user", USER, "--password-file"]
    done = run(*words, scene.secret("wrong", "wrong-password-99"), ok=False, timeout=30)
    check(done.returncode == 2 and done.stderr.splitlines()[-1].startswith("longshore replay: ") and
          "401" in done.stderr and "--password-file" in done.stderr, done.stderr)
    check(not any(secret in done.stderr + done.stdout for secret in SECRETS), done.stderr)
    done = run(*words, scene.password, timeout=60)
    check(done.stdout == "Dead letters: 10; stored: 10; already there: 0\n", done.stdout)
    check(scene.search.count("longshore-secured-odd-*") == 10, "a letter is missing")
    say("dead letters are replayed through TLS with a password; a wrong one is refused")


def unencrypted(scene):
    """A password over plain http works, and is not sent without a word. TLS where there is none
    may come yet: it waits."""
    waiting = scene.member("waiting", scene.gateway.url("stranger").replace("http", "https"))
    wait_until(lambda: re.search("waits: .*begin the address with http://",
                                 waiting.log()), 20, "it says that there is no TLS")
    waiting.stop()
    member = scene.member("plain", scene.gateway.url("stranger"), "--user", USER,
                          "--password-file", scene.password)
    scene.check_all(member, "plain")
    member.stop()
    check(len(re.findall(r"warning .*--to http://.*unencrypted", member.log())) == 1,
          f"no warning: {member.log()[:1000]}")
    say("a password over plain http is warned of")


def password_changes(scene):
    """It waits, loses nothing, and goes on with the new one after a start."""
    member = scene.member("changed", scene.gateway.url("basic"), *scene.basic)
    scene.check_all(member, "changed")
    scene.gateway.set_password("wrong-password-99")
    before = scene.lines
    scene.ship(LINES)
    said = wait_until(lambda: re.search("warning .* 401.*--password-file.*", member.log()), 20,
                      "it says that the password is wrong")
    wait_until(lambda: sum(line.startswith("401 ") for line in scene.gateway.seen("basic")) >= 3,
               60, "it tries again")
    member.check_running()
    check(scene.search.count("changed-secured-*") == before, "something passed unproven")
    check(len(re.findall(" 401", member.log())) <= 2, "it says so over and over")
    check_silence(member)
    ended = member.stop()
    scene.password.write_text("wrong-password-99\n", encoding="ascii")
    again = scene.member("changed", scene.gateway.url("basic"), *scene.basic)
    scene.check_all(again, "changed")
    check_silence(again)
    again.stop()
    scene.gateway.set_password(PASSWORD)
    scene.password.write_text(f"{PASSWORD}\n", encoding="ascii")
    say(f"{said.group(0)}; ended in {ended:.1f} s, went on with the new password, each once")


def trust_is_withdrawn(scene):
    """Of a gateway that answers for the service: 400 in HTML is no verdict on a record."""
    gateway = scene.gateway
    member = scene.member("withdrawn", gateway.url("certificate"), *scene.certificate)
    scene.check_all(member, "withdrawn")
    gateway.stop()
    gateway.trusted_clients = gateway.others.ca
    gateway.start()
    scene.ship(LINES)
    said = wait_until(lambda: re.search("warning .* 400.*certificate.*", member.log()), 20,
                      "it says that its certificate is not taken")
    time.sleep(2)
    gateway.stop()
    gateway.trusted_clients = gateway.authority.ca
    gateway.start()
    scene.check_all(member, "withdrawn")
    check(member.number("documents_dead_lettered_total") == 0, "records went astray")
    member.stop()
    say(f"{said.group(0)}; went on by itself, each once")


def test(lab):
    run_parts([each_way, refusals, letters, unencrypted, password_changes, trust_is_withdrawn],
              Scene(lab), wanted=GIVEN.parts)


main(test, 300)
