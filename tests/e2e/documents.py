"""The project's documents as data: their lines of code, tables, links and names; and what the
binary's own help says of its flags."""

import pathlib
import re
import shlex

from harness import BINARY, ROOT, check, run

COMMANDS = ("agent", "audit", "tap", "index", "replay", "archive", "fetch", "broker",
            "checkpoint ls", "checkpoint adopt", "checkpoint forget")


def documents():
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    check(len(found) >= 12, f"only {len(found)} documents")
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in found}


class Help:
    """The flags of every command: {command: {"--flag": default or None}}."""

    def __init__(self):
        self.flags = {command: self._flags(command) for command in COMMANDS}
        # Another way to audit, with a help of its own.
        self.flags["audit"] |= self._flags("audit --archive file:///")

    @staticmethod
    def _flags(command):
        text = run(BINARY, *command.split(), "--help").stdout
        # A long name or default pushes its text to the next line, and a default may hold brackets.
        lines = re.findall(r"^  (?:-\w \[ )?(--[a-z][a-z-]*)(.*(?:\n {30,}\(=.*)?)", text, re.M)
        flags = {}
        for flag, rest in lines:
            default = re.search(r"\(=(.*?)\)(?=\s|$)", rest)
            flags[flag] = default.group(1) if default else None
        check("--help" in flags and len(flags) > 2, f"{command} --help lists no flags")
        return flags

    def of(self, words):
        """The flags of the command that a line's words begin with (without "longshore")."""
        for command in COMMANDS:
            if words[:len(command.split())] == command.split():
                return self.flags[command]
        return None

    def knows(self, flag):
        return any(flag in flags for flags in self.flags.values())


def code_lines(text):
    """The lines of fenced and indented blocks, continued ones joined."""
    fenced, lines = False, []
    for line in text.splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            lines.append(line.strip())
    return "\n".join(lines).replace("\\\n", " ").splitlines()


def commands(text):
    """The words of every `longshore ...` line in a block of code."""
    return [shlex.split(line, comments=True)[1:] for line in code_lines(text)
            if re.match(r"longshore \w", line)]


def inline_code(text):
    """What stands between backticks outside of blocks."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    text = "\n".join(line for line in text.splitlines() if not line.startswith("    "))
    return [code.strip() for code in re.findall(r"(?<!`)`([^`\n]+)`(?!`)", text)]


def tables(text):
    """Every table as (cells of its head, [cells of a row])."""
    for block in re.findall(r"(?:^\|.*\n)+", text, re.M):
        rows = [[cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
                for line in block.splitlines()]
        yield rows[0], rows[2:]


def links(text):
    """Targets of links within the project, without their anchors."""
    return [target for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text)
            if "://" not in target]


def paths(text):
    """Names of files and folders of the tree, wherever code names them; `*`: any."""
    words = [word for code in [*inline_code(text), *code_lines(text)] for word in code.split()]
    top = "config|checkpoint|shipper|integrations|agent|tests|docs|.ci"
    found = [re.match(rf"(?:\./)?((?:{top})/[\w./*-]*|\./(?:run|test)\b)", word) for word in words
             if "<" not in word]
    return [match.group(1).rstrip(".") for match in found if match]


def exists(path):
    """Whether a name, which may be a pattern, names something."""
    return any(True for _ in ROOT.glob(path.rstrip("/").removeprefix("./"))) if path else False


def images(text):
    """Each example of a declaring container: {variable: value}, from `docker run` and YAML."""
    examples = []
    for line in code_lines(text):
        words = shlex.split(line, comments=True) if line.startswith("docker run") else []
        if words:
            given = [words[i + 1] for i, word in enumerate(words) if word == "-e"]
            examples.append(dict(each.split("=", 1) for each in given))
    for block in re.findall(r"^```yaml\n(.*?)^```", text, re.M | re.S):
        mapping = re.findall(r"^ +(LONGSHORE_LOGS_\w+): (.*)$", block, re.M)
        entries = re.findall(r"name: (LONGSHORE_LOGS_\w+), value: (.*?) \}", block)
        examples.append(dict(mapping + entries))
    return examples


def relative(document, target):
    return (ROOT / pathlib.Path(document).parent / target).resolve()
