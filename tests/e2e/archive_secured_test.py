#!/usr/bin/env python3
"""Goal: an archive on HDFS behind TLS and Kerberos is written and read like any other, each record
once; a process without valid credentials gets one sentence that says so, and nothing is lost.
Method: a NameNode and a DataNode with HTTPS only, HttpFS that demands SPNEGO, a real KDC.
"""

import http.server
import json
import os
import ssl
import threading
import urllib.error
import urllib.parse

import harness
from archiving import Archiver, Below, check_archive, start_hdfs, wait_until_archived
from harness import BINARY, SERVICES, check, run, run_parts, say

RECORDS = 4000
SOURCES = 4
HTTP = "HTTP/localhost"


class Kdc:
    """A realm with the user alice and the service HTTP of this machine."""

    def __init__(self, lab):
        self.dir = lab.dir / "kdc"
        lab.closers.append(lambda: run(SERVICES / "kdc.sh", "wipe", self.dir))
        run(SERVICES / "kdc.sh", "start", self.dir, "alice", HTTP)
        os.environ.update(KRB5_CONFIG=f"{self.dir}/krb5.conf", KRB5CCNAME=f"{self.dir}/tickets")

    def hdfs_env(self):
        """For HttpFS, which then asks who is there."""
        wanted = {"type": "kerberos", "kerberos.principal": f"{HTTP}@LONGSHORE.TEST",
                  "kerberos.keytab": f"{self.dir}/{HTTP.replace('/', '_')}.keytab"}
        return {"HTTPFS_PROPS": " ".join(f"hadoop.http.authentication.{name}={value}"
                                         for name, value in wanted.items()),
                "JAVA_TOOL_OPTIONS": f"-Djava.security.krb5.conf={self.dir}/krb5.conf"}

    def log_in(self):
        run("kinit", "-k", "-t", self.dir / "alice.keytab", "alice")

    def log_out(self):
        run("kdestroy")

    def rekey(self):
        """The service does not learn of it."""
        run(SERVICES / "kdc.sh", "rekey", self.dir, HTTP)


def ship(lab, kafka, name):
    """Returns the files, which are of RECORDS lines together."""
    files = {f"{name}{i}": lab.dir / f"{name}-{i}.log" for i in range(SOURCES)}
    for i, path in enumerate(files.values()):
        harness.numbered_lines(path, i * 10_000_000, RECORDS // SOURCES)
    lab.agent(kafka.brokers, sources=files, name=name).once()
    return files


def once(lab, kafka, url, group, *flags):
    """An archiver's exit status and what it said."""
    archiver = Archiver(lab, kafka.brokers, url, name=group,
                        flags=["--group", group, "--once", *flags])
    return archiver.start().wait(60), archiver.log()


def refused(said, command, *words, status=2, sentences=1):
    """That status and so many sentences, in which all of `said` is."""
    done = run(BINARY, command, "--topic", harness.LOGS, *words, ok=False, timeout=30)
    check(done.returncode == status and done.stderr.count("\n") == sentences and
          all(part in done.stderr for part in said),
          f"{command} {words}: {done.returncode}: {done.stderr}")
    say(done.stderr.strip())


def check_reading(url, files, records, *flags):
    done = run(BINARY, "audit", "--archive", url, "--topic", harness.LOGS, *flags, ok=False)
    check(done.returncode == 0 and f"{records} records, 0 gaps, 0 duplicates" in done.stdout,
          done.stdout + done.stderr)
    for name, path in files.items():
        lines = run(BINARY, "fetch", "--from", url, "--topic", harness.LOGS, "--source", name,
                    *flags)
        check(lines.stdout == path.read_text(), f"fetch of {name} is not what was shipped")


class Downgrader(http.server.BaseHTTPRequestHandler):
    """A NameNode whose redirects leave TLS: passes a real one's answers on, but for that."""

    hdfs = None

    def do_GET(self):
        path, _, query = self.path.partition("?op=")
        try:
            path = urllib.parse.unquote(path.removeprefix("/webhdfs/v1"))
            status, body = 200, self.hdfs.ask(path, query)
        except urllib.error.HTTPError as error:
            status, body = error.code, error.read()
        self.send_response(status)
        body = body.replace(b"https://", b"http://")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def start_downgrader(lab, hdfs):
    """Its address."""
    pem = lab.dir / "node.pem"
    run("openssl", "pkcs12", "-in", f"{hdfs.dir}/keys.p12", "-passin", "pass:secret", "-nodes",
        "-out", pem)
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trust.load_cert_chain(pem)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                             type("Node", (Downgrader,), {"hdfs": hdfs}))
    server.socket = trust.wrap_socket(server.socket, server_side=True)
    lab.closers.append(server.shutdown)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"127.0.0.1:{server.server_port}"


def over_tls(lab, shared):
    kafka, hdfs, files = shared["kafka"], shared["hdfs"], shared["files"]
    trust = ["--ca", hdfs.ca, "--hdfs-user", "root"]
    usual = ["--brokers", kafka.brokers, "--to"]
    refused(["certificate", "--ca"], "archive", *usual, hdfs.url())
    refused(["swebhdfs://"], "archive", *usual, hdfs.url()[1:], *trust)
    refused(["without TLS, begin the address with http://"], "fetch", "--from",
            f"swebhdfs://{kafka.brokers}/x")
    status, words = once(lab, kafka, hdfs.url(), "tls", *trust)
    check(status == 0, f"{status}: {words}")
    lines, count = check_archive(hdfs, kafka)
    check(lines == RECORDS, f"{lines} lines of {RECORDS}")
    check_reading(hdfs.url(), files, RECORDS, *trust)
    refused(["certificate", "--ca"], "fetch", "--from", hdfs.url())
    refused(["certificate", "--ca"], "audit", "--archive", hdfs.url())
    say(f"over TLS: {lines} lines in {count} files, once each, and read back")
    archive = Below(hdfs, "/insecure")
    status, words = once(lab, kafka, archive.url(), "insecure", "--insecure", "--hdfs-user",
                         "root")
    check(status == 0, f"{status}: {words}")
    check_reading(archive.url(), files, RECORDS, "--insecure", "--hdfs-user", "root")
    away = start_downgrader(lab, hdfs)
    refused(["http://", "without TLS"], "fetch", "--from", f"swebhdfs://{away}/archive", *trust,
            status=3, sentences=count)


def with_kerberos(lab, shared):
    kafka, hdfs, kdc = shared["kafka"], shared["hdfs"], shared["kdc"]
    archive = Below(hdfs, "/of-alice")
    hdfs.ask("/of-alice", "MKDIRS&user.name=root", "PUT")
    hdfs.ask("/of-alice", "SETOWNER&owner=alice&user.name=root", "PUT")
    # The name by which the KDC knows it.
    url = f"swebhdfs://localhost:{hdfs.httpfs().rsplit(':', 1)[1]}/of-alice"
    trust = ["--ca", hdfs.ca]
    usual = ["--brokers", kafka.brokers, "--to", url, *trust]
    refused(["Kerberos", "kinit"], "archive", *usual, "--negotiate")
    kdc.log_in()
    refused(["Kerberos", "--negotiate"], "archive", *usual)
    flags = ["--group", "kerberos", "--roll-seconds", 1, *trust, "--negotiate"]
    archiver = Archiver(lab, kafka.brokers, url, name="kerberos", flags=flags).start()
    wait_until_archived(archive, kafka, 60)
    kdc.log_out()
    files = shared["files"] | ship(lab, kafka, "later")
    archiver.wait_for_log("nothing is lost, retrying: .*kinit", 30)
    refused(["Kerberos", "kinit"], "fetch", "--from", url, *trust, "--negotiate")
    refused(["Kerberos", "kinit"], "audit", "--archive", url, *trust, "--negotiate")
    kdc.log_in()
    wait_until_archived(archive, kafka, 60)
    archiver.stop()
    lines, count = check_archive(archive, kafka)
    check(lines == 2 * RECORDS, f"{lines} lines of {2 * RECORDS}")
    check_reading(url, files, lines, *trust, "--negotiate")
    owner = json.loads(hdfs.ask("/of-alice/_longshore", "GETFILESTATUS"))["FileStatus"]["owner"]
    check(owner == "alice", f"the archiver was taken for {owner}")
    say(f"with Kerberos: {lines} lines in {count} files, once each, and read back; without a "
        "ticket it waited for one")
    kdc.rekey()
    kdc.log_in()
    refused(["403", "GSSException"], "fetch", "--from", url, *trust, "--negotiate")


def test(lab):
    kafka = lab.kafka(settings="group.min.session.timeout.ms=1000")
    kafka.topic(harness.LOGS, 2)
    kdc = Kdc(lab)
    hdfs = start_hdfs(lab, env={"HDFS_TLS": "1", **kdc.hdfs_env()})
    shared = {"kafka": kafka, "kdc": kdc, "hdfs": hdfs, "files": ship(lab, kafka, "first")}
    run_parts([over_tls, with_kerberos], lab, shared)


if __name__ == "__main__":
    harness.main(test, 400)
