"""A disk that keeps only what was synced, replayed from a trace of system calls.

    strace's lines --> calls() --> Disk.take(call) --> Disk.image(loses): files after a power loss

Only what POSIX promises is durable: the bytes of a file after its fsync, the names in a directory
after the directory's fsync. Every other write may be lost, kept, or torn at a sector, independently
of the others. Writes that a failed fsync covered stay lost or kept for good, whatever comes later.
"""

import os
import re

NAMES = ("openat", "open", "creat", "close", "dup", "dup2", "dup3", "write", "writev", "pwrite64",
         "pwritev", "fsync", "fdatasync", "sync_file_range", "fallocate", "ftruncate", "truncate",
         "rename", "renameat", "renameat2", "link", "unlink", "unlinkat", "mkdir", "mkdirat",
         "rmdir", "sendmsg", "sendto")
SECTORS = (512, 4096)
_STRING = re.compile(r'"((?:\\x[0-9a-f]{2})*)"')
_CALL = re.compile(r"^(\d+)\s+(?:<\.\.\. )?(\w+)(\(| resumed>)(.*)$")


def strace(path, *more):
    """The words before a command that trace it into the file `path`."""
    return ["strace", "-D", "-f", "-xx", "-s", "1000000", "-A", "-o", str(path),
            "-e", "trace=" + ",".join(NAMES), "-e", "signal=none", *more]


class Call:
    """One system call that has returned; of a send, one that was begun."""

    def __init__(self, pid, name, words, result):
        self.pid, self.name, self.words = pid, name, words
        self.result = result
        self.strings = [bytes.fromhex(text.replace("\\x", "")) for text in _STRING.findall(words)]

    def number(self, at):
        """The argument at index `at` of those that are no strings before it."""
        plain = _STRING.sub("s", self.words)
        return int(re.split(r",\s*", plain.strip("() "))[at], 0)


def calls(lines):
    """The calls of a trace, in the order in which they took effect."""
    begun = {}
    for line in lines:
        match = _CALL.match(line)
        if not match:
            continue
        pid, name, kind, rest = match.groups()
        sends = name in ("sendmsg", "sendto")
        if kind == "(":
            whole = re.match(r"(.*)\)\s+= (-?\d+|\?)(.*)$", rest)
            if not whole:
                begun[pid] = rest.split(" <unfinished")[0]
                if sends:
                    yield Call(pid, name, begun[pid], 0)
                continue
            words, result = whole.group(1), whole.group(2)
        else:
            whole = re.match(r"(.*)\)\s+= (-?\d+|\?)(.*)$", rest)
            words = begun.pop(pid, "") + (whole.group(1) if whole else "")
            result = whole.group(2) if whole else "?"
            if sends:
                continue
        yield Call(pid, name, words, -1 if result == "?" else int(result))


class File:
    """Content that is durable, and what was done to it since."""

    def __init__(self):
        self.durable = bytearray()
        self.pending = []   # (offset, bytes), or (size, None) for a truncation.
        self.doubtful = []  # The same, of before an fsync that failed.

    def sync(self, failed):
        if failed:
            self.doubtful += self.pending
        else:
            for change in self.pending:
                apply(self.durable, change)
        self.pending = []


def apply(content, change):
    offset, data = change
    if data is None:
        if offset < len(content):
            del content[offset:]
        else:
            content.extend(bytes(offset - len(content)))
        return
    if len(content) < offset + len(data):
        content.extend(bytes(offset + len(data) - len(content)))
    content[offset:offset + len(data)] = data


class Folder:
    """Names that are durable, and how they were changed since, each change whole or not at all."""

    def __init__(self):
        self.durable = {}
        self.pending = []  # {name: what it stands for, None where it is gone}

    def now(self):
        names = dict(self.durable)
        for change in self.pending:
            names.update(change)
        return {name: what for name, what in names.items() if what is not None}

    def sync(self):
        self.durable = self.now()
        self.pending = []


class Disk:
    """One tree of files below `root`, which exists and is durable."""

    def __init__(self, root):
        self.root = os.path.normpath(str(root))
        self.top = Folder()
        self.open = {}      # Descriptor: [File or Folder, position]
        self.version = 0    # Changes with all that could change an image.
        self.syncs = self.writes = self.renames = 0
        self.sent = []      # What was sent over sockets, for the caller to look into.

    def new_process(self):
        self.open = {}

    def _place(self, path):
        """Folder and name that `path` stands for; None outside of the tree."""
        path = os.path.normpath(os.fsdecode(path))
        if not path.startswith(self.root + "/"):
            return None
        folder, names = self.top, path[len(self.root) + 1:].split("/")
        for name in names[:-1]:
            folder = folder.now().get(name)
            if not isinstance(folder, Folder):
                return None
        return folder, names[-1]

    def take(self, call):
        if call.name in ("sendmsg", "sendto"):
            self.sent = call.strings
            return
        handler = getattr(self, "_" + call.name.rstrip("0123456789"), None)
        if handler is not None:
            handler(call)
        elif call.strings and call.result >= 0 and self._place(call.strings[0]):
            raise AssertionError(f"{call.name} is not understood")

    def _openat(self, call):
        if call.result < 0:
            return
        self.open.pop(call.result, None)
        path = call.strings[0]
        if os.path.normpath(os.fsdecode(path)) == self.root:
            self.open[call.result] = [self.top, 0]
            return
        place = self._place(path) if path.startswith(b"/") else None
        if place is None:
            return
        folder, name = place
        what = folder.now().get(name)
        if what is None:
            assert "O_CREAT" in call.words, f"{path} was opened, but never made"
            what = File()
            folder.pending.append({name: what})
            self.version += 1
        elif "O_TRUNC" in call.words:
            what.pending.append((0, None))
            self.version += 1
        self.open[call.result] = [what, 0]

    _open = _openat

    def _close(self, call):
        self.open.pop(call.number(0), None)

    def _file(self, call):
        return self.open.get(call.number(0))

    def _write(self, call):
        to = self._file(call)
        if to is None or call.result <= 0:
            return
        self._put(to[0], to[1], call.strings[0][:call.result])
        to[1] += call.result

    def _pwrite(self, call):
        to = self._file(call)
        if to is not None and call.result > 0:
            self._put(to[0], call.number(3), call.strings[0][:call.result])

    def _put(self, file, offset, data):
        file.pending.append((offset, data))
        self.writes += 1
        self.version += 1

    def _ftruncate(self, call):
        to = self._file(call)
        if to is not None and call.result == 0:
            to[0].pending.append((call.number(1), None))
            self.version += 1

    def _fdatasync(self, call):
        to = self._file(call)
        if to is None:
            return
        self.syncs += 1
        self.version += 1
        if isinstance(to[0], File):
            to[0].sync(call.result != 0)
        elif call.result == 0:
            to[0].sync()

    _fsync = _fdatasync

    def _mkdir(self, call):
        place = self._place(call.strings[0])
        if place and call.result == 0:
            place[0].pending.append({place[1]: Folder()})
            self.version += 1

    def _unlink(self, call):
        place = self._place(call.strings[0])
        if place and call.result == 0:
            place[0].pending.append({place[1]: None})
            self.version += 1

    def _rename(self, call):
        here, there = self._place(call.strings[0]), self._place(call.strings[1])
        if call.result != 0 or (here is None and there is None):
            return
        assert here and there and here[0] is there[0], "a rename within one directory"
        here[0].pending.append({here[1]: None, there[1]: here[0].now()[here[1]]})
        self.renames += 1
        self.version += 1

    def unsynced_names(self):
        """How many changes of names could be lost."""
        def count(folder):
            below = folder.now().values()
            return len(folder.pending) + sum(count(f) for f in below if isinstance(f, Folder))
        return count(self.top)

    def image(self, keeps, named, sector=None):
        """{path: bytes, None for a folder} after a power loss. `named()` says of each unsynced
        change of names whether it was kept, `keeps()` of each of bytes; with `sector` of each
        sector of a write."""
        files = {}
        self._collect(self.top, "", (keeps, named, sector), files)
        return files

    def _collect(self, folder, prefix, how, files):
        keeps, named, sector = how
        names = dict(folder.durable)
        for change in folder.pending:
            if named():
                names.update(change)
        for name, what in names.items():
            if isinstance(what, Folder):
                files[prefix + name + "/"] = None
                self._collect(what, prefix + name + "/", how, files)
            elif what is not None:
                content = bytearray(what.durable)
                for change in what.doubtful + what.pending:
                    for piece in pieces(change, sector):
                        if keeps():
                            apply(content, piece)
                files[prefix + name] = bytes(content)


def pieces(change, sector):
    """A write by the sectors of the disk that it touches."""
    offset, data = change
    if sector is None or data is None:
        return [change]
    found, at = [], 0
    while at < len(data):
        end = min(len(data), at + sector - (offset + at) % sector)
        found.append((offset + at, data[at:end]))
        at = end
    return found
