#!/usr/bin/env python3
"""Goal: everything that the documents tell the reader to type exists, means what they say, and
works.
Method: flags and defaults are compared with the binary's own help, every command is parsed by the
binary, every link and path is looked up. README's commands are run, with the test's addresses and
directories in place of README's, against the embedded broker, an archive of files, and as much of a
Docker Engine as the agent asks for. Commands that need OpenSearch or HDFS name the test that runs
them.
"""

import json
import os
import re
import subprocess
import sys

import documents
import harness
from harness import BINARY, ROOT, check, run, say, wait_until

sys.path.insert(0, str(ROOT / "tests" / "bench"))
from docker_api import DockerApi  # noqa: E402

DOCUMENTS = documents.documents()
OTHERS_FLAGS = {"--rm"}  # Docker's.
# README's commands that need a service: the file that runs them for real, and the words it has.
ELSEWHERE = {
    r"index .*--to http://": ("tests/e2e/search.py", 'BINARY, "index"'),
    r"archive .*--to webhdfs://": ("tests/e2e/archiving.py", '"archive"'),
}


def size(text):
    """128M as 134217728; other texts as they are."""
    number = re.fullmatch(r"(\d+)([kMG])", text)
    return str(int(number.group(1)) << " kMG".index(number.group(2)) * 10) if number else text


def flags_and_defaults(_):
    """Tables headed "flag of `longshore COMMAND`" say what the help says."""
    known = documents.Help()
    flags = defaults = 0
    for name, text in DOCUMENTS.items():
        for head, rows in documents.tables(text):
            command = re.fullmatch(r"flag of `longshore ([a-z ]+)`", head[0])
            for cells in rows:
                for flag in set(re.findall(r"`(--[a-z-]+)", cells[0])) - OTHERS_FLAGS:
                    flags += 1
                    check(known.knows(flag), f"{name}: no command has {flag}")
                    if not command or head[-1] != "default":
                        continue
                    of_command = known.flags[command.group(1)]
                    check(flag in of_command, f"{name}: {command.group(1)} has no {flag}")
                    default = of_command[flag] or ""
                    stated = re.sub(r"^(`+)\s*(.*?)\s*\1$", r"\2", cells[-1])
                    check(size(stated) == size(default), f"{name}: {flag} defaults to "
                          f"{default!r}, not to {stated!r}")
                    defaults += 1
        for code in documents.inline_code(text):
            words = code.split()
            if words[0] == "longshore" and len(words) > 1:
                check(known.of(words[1:]) or words[1] == "checkpoint" or words[1] == "--help",
                      f"{name}: there is no command `{code}`")
            if words[0] in OTHERS_FLAGS:
                continue
            if words[0] == "longshore" or code.startswith("--"):
                for flag in re.findall(r"(?:^| )(--[a-z][a-z-]*)", code):
                    flags += 1
                    there = known.of(words[1:]) or {}
                    check(flag in there or known.knows(flag) and words[0] != "longshore",
                          f"{name}: `{code}` has an unknown flag {flag}")
            if words[0] in ("./run", "./test"):
                script = (ROOT / words[0]).read_text(encoding="utf-8")
                for flag in words[1:]:
                    check(not flag.startswith("-") or f"{flag})" in script,
                          f"{name}: {words[0]} does not know {flag}")
    check(flags > 100 and defaults > 50, f"only {flags} flags and {defaults} defaults were found")
    say(f"{flags} flags exist, {defaults} defaults are those of the help")


def commands_parse(_):
    """--help behind a command line is reached only if all before it was understood."""
    check(run(BINARY, "tap", "--no-such-flag", "--help", ok=False).returncode == 2,
          "--help hides an unknown flag: this test could not have failed")
    count = 0
    for name, text in DOCUMENTS.items():
        for words in documents.commands(text):
            done = run(BINARY, *words, "--help", ok=False)
            check(done.returncode == 0,
                  f"{name}: longshore {' '.join(words)}: {done.stderr.strip()}")
            count += 1
    check(count > 25, f"only {count} commands were found")
    say(f"{count} command lines are understood")


def links_and_paths(_):
    count = 0
    for name, text in DOCUMENTS.items():
        for target in documents.links(text):
            check(documents.relative(name, target).exists(), f"{name}: no {target}")
            count += 1
        for path in documents.paths(text):
            check(documents.exists(path), f"{name}: there is no {path}")
            count += 1
        for line in documents.code_lines(text):
            script = re.match(r"(\./\w+|tests/[\w/]+(?:\.py|\.sh)?)(?= |$)", line)
            check(not script or os.access(ROOT / script.group(1), os.X_OK),
                  f"{name}: {line} cannot be run")
    check(count > 100, f"only {count} links and paths were found")
    say(f"{count} links and paths lead somewhere")


def quoted_log_lines(_):
    """What docs/operate.md quotes from the agent's log stands in its sources."""
    text = ""
    for room in ("agent", "checkpoint", "config", "integrations/containers", "shipper"):
        for path in sorted((ROOT / room).rglob("*.cc")):
            text += re.sub(r'"\s*\n\s*"', "", path.read_text(encoding="utf-8"))
    count = 0
    for head, rows in documents.tables(DOCUMENTS["docs/operate.md"]):
        for quote in re.findall(r'"([^"]+)"', " ".join(map(" ".join, rows))) \
                if head[0] == "what you see" else ():
            for part in filter(None, map(str.strip, quote.split("..."))):
                check(part in text, f"docs/operate.md: nothing logs {part!r}")
                count += 1
    check(count > 6, f"only {count} quotes were found")
    say(f"{count} quotes of log lines are what the agent logs")


def versions_are_those_tested(_):
    """README's table of what is tested names the versions that the tests take."""
    services = ROOT / "tests" / "services"
    readme = DOCUMENTS["README.md"]
    wanted = set()
    for test_of_versions in ("versions_test.py", "index_versions_test.py"):
        text = (ROOT / "tests" / "e2e" / test_of_versions).read_text(encoding="utf-8")
        wanted |= set(re.findall(r'"(\d+\.\d+\.\d+)"', text))
    for pom in sorted(services.glob("*-pom.xml")):
        wanted |= set(re.findall(r"<(?:kafka\.version|hadoop|node)>([\d.]+)<",
                                 pom.read_text(encoding="utf-8")))
    check(len(wanted) >= 9, f"only {wanted}")
    for version in wanted:
        check(version in readme, f"README does not say that {version} is tested")
    say(f"README names what is tested: {', '.join(sorted(wanted))}")


class Machine:
    """In place of README's: broker, directories, and containers that declare as README shows."""

    def __init__(self, lab):
        self.dir = lab.dir
        for name in ("state", "state-of-host", "app", "archive", "work"):
            (self.dir / name).mkdir()
        self.app_log = self.dir / "app" / "app.log"
        self.app_log.write_text("host 1\nhost 2\n", encoding="ascii")
        port = self.dir / "port"
        broker = subprocess.Popen([BINARY, "broker", "--port-file", port],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        lab.closers.append(lambda: (broker.kill(), broker.wait()))
        self.brokers = wait_until(lambda: port.exists() and port.read_text().strip(), 20,
                                  "the embedded broker serves")
        self.docker = self._containers(lab)

    def _containers(self, lab):
        examples = documents.images(DOCUMENTS["README.md"])
        check(len(examples) == 3, f"README shows {len(examples)} containers")
        logs = [self.dir / f"stdout-{i}.log" for i in range(len(examples))]
        docker = DockerApi(self.dir / "docker.sock", logs, "text")
        lab.closers.append(docker.close)
        for i, (container, variables) in enumerate(zip(docker.containers.values(), examples)):
            upper = self.dir / f"upper-{i}"
            (upper / "app" / "logs").mkdir(parents=True)
            (upper / "app" / "logs" / "access-1.log").write_text("GET /cart 200\n" * 2,
                                                                  encoding="ascii")
            logs[i].write_text(json.dumps({"log": "GET /cart from the console\n",
                                           "stream": "stdout",
                                           "time": "2026-11-21T14:30:00.5Z"}) + "\n",
                               encoding="ascii")
            container["Name"] = "/shop" if i == 0 else f"/shop-{i}"
            container["Config"]["Env"] = [f"{k}={v}" for k, v in variables.items()]
            container["GraphDriver"]["Data"] = {"UpperDir": str(upper)}
        return docker

    def words(self, words):
        """A command of README, with what is this machine's in place of README's."""
        here = {r"kafka-1:9092(,kafka-2:9092)?": self.brokers, "/var/lib/longshore":
                str(self.dir / "state"), "/var/log/app": str(self.dir / "app"),
                "/mnt/archive": str(self.dir / "archive")}
        for pattern, replacement in here.items():
            words = [re.sub(pattern, replacement, word) for word in words]
        return words

    def environment(self, words):
        """What ends a command that would run for ever, and keeps it off this host."""
        more = {
            "agent": {"LONGSHORE_ONCE": "true", "LONGSHORE_LINGER_MS": "50",
                      "LONGSHORE_DOCKER": self.docker.address,
                      "LONGSHORE_STATE_DIR": str(self.dir / "state-of-host")},
            "tap": {"LONGSHORE_NO_FOLLOW": "true"},
            "archive": {"LONGSHORE_ONCE": "true", "LONGSHORE_WORK_DIR": str(self.dir / "work")},
        }
        return more.get(words[0], {})


def readme_runs(lab):
    machine = Machine(lab)
    said, elsewhere = [], 0
    for words in documents.commands(DOCUMENTS["README.md"]):
        line = " ".join(words)
        proof = [place for pattern, place in ELSEWHERE.items() if re.match(pattern, line)]
        if proof:
            path, text = proof[0]
            check(text in (ROOT / path).read_text(encoding="utf-8"), f"{path} does not run {line}")
            elsewhere += 1
            continue
        done = run(BINARY, *machine.words(words), env=machine.environment(words), timeout=60)
        said.append((words[0], done.stdout))
        say(f"longshore {line}: exit 0, {len(done.stdout.splitlines())} lines")
    check(len(said) >= 6 and elsewhere == 2, f"{len(said)} ran, {elsewhere} do elsewhere")
    told = dict(said)
    check("GET /cart 200" in told["tap"] and "from the console" in told["tap"], told["tap"])
    check("GET /cart from the console" in told["fetch"], told["fetch"])
    audits = [text for command, text in said if command == "audit"]
    # README's three containers, one of them with two logs, and the host's file.
    check(all(" 9 records, 0 gaps, 0 duplicates, 0 reordered" in text for text in audits),
          f"audit: {audits}")


def test(lab):
    harness.run_parts((flags_and_defaults, commands_parse, links_and_paths, quoted_log_lines,
                       versions_are_those_tested, readme_runs), lab)


if __name__ == "__main__":
    harness.main(test, 300)
