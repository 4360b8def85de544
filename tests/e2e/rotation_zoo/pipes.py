"""Programs that a server pipes its log into, and the loggers of supervisors (all from Debian)."""

from rotation_zoo.rotator import PipeRotator, SignalledRotator, next_second


class Rotatelogs(PipeRotator):
    """Apache's: a new file each second; `current.log` is a hard link to the newest."""
    name = "rotatelogs-L"
    current = "current.log"
    glob = "*.log"
    rapid = False

    def command(self):
        return ["rotatelogs", "-L", self.folder / self.current,
                self.folder / "app.%Y%m%d-%H%M%S.log", "1"]

    def turn(self):
        next_second()


class RotatelogsRing(PipeRotator):
    """Apache's with `-n`: a ring of names, each truncated when its turn comes again."""
    name = "rotatelogs-n"
    current = None
    rapid = False

    def command(self):
        return ["rotatelogs", "-n", "20", self.folder / "app.log", "1"]

    def turn(self):
        next_second()


class Cronolog(PipeRotator):
    """A new file each second; `current.log` is a symlink to the newest."""
    name = "cronolog"
    current = "current.log"
    glob = "app-*.log"
    rapid = False

    def command(self):
        # Without -P it never turns the symlink again.
        return ["cronolog", "-S", self.folder / self.current, "-P", self.folder / "previous.log",
                self.folder / "app-%Y%m%d-%H%M%S.log"]

    def turn(self):
        next_second()


class Svlogd(SignalledRotator):
    name = "svlogd"

    def command(self):
        return ["svlogd", "-b", "1024", self.folder]


class S6Log(SignalledRotator):
    name = "s6-log"

    def command(self):
        return ["s6-log", "-b", "n30", "s1000000", self.folder]


class Multilog(SignalledRotator):
    name = "multilog"

    def command(self):
        return ["multilog", "n30", "s1000000", self.folder]


ALL = (Rotatelogs, RotatelogsRing, Cronolog, Svlogd, S6Log, Multilog)
