"""Docker's json-file log driver with max-file, by a dockerd of its own."""

import subprocess

import harness
from rotation_zoo.rotator import Rotator


class Docker(Rotator):
    """It is declared by its container, not by a path."""

    current = glob = None
    options = ()
    daemon = None  # All of them share one; the test starts it before open().

    def open(self):
        words = [f"--log-opt={option}" for option in ("max-size=4k", "max-file=30", *self.options)]
        command = self.daemon.command(
            "run", "-i", "--rm", "--network", "none", "-e",
            f"LONGSHORE_LOGS_{self.name}=stdout", *words, harness.IMAGE, "cat")
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, bufsize=0,
                                        stdout=subprocess.DEVNULL)

    def put(self, texts):
        self.process.stdin.write("".join(text + "\n" for text in texts).encode())

    def kept(self):
        """Not to be seen from outside of the daemon: none counts as on disk."""
        return set()

    def close(self):
        """The container lives on until the agents have settled: `--rm` deletes its log."""

    def end(self):
        self.process.stdin.close()
        self.process.wait(30)


class JsonFile(Docker):
    name = "docker-json-file"


class JsonFileCompressed(Docker):
    name = "docker-json-file-compress"
    options = ("compress=true",)


ALL = (JsonFile, JsonFileCompressed)
