"""kubelet's rotation of a container's log (container_log_manager.go, rotateLog): all rotated files
but the newest are compressed, the log is renamed to its time, and the runtime reopens it. A kubelet
does not run here: these are its steps and names."""

import gzip
import os
import shutil
import time

from rotation_zoo.rotator import FileRotator

KEEP = 30


class Kubelet(FileRotator):
    name = "kubelet"
    current = "0.log"
    glob = "0.log*"
    rapid = False

    def put(self, texts):
        super().put([f"{self.head(text)}{text}" for text in texts])

    @staticmethod
    def head(text):
        """As the runtime writes it; the time follows from the line, so that it can be told."""
        return f"2026-11-29T08:00:00.{text[:6]}000Z stdout F "

    def written(self):
        return [self.head(line) + line for line in self.lines]

    def turn(self):
        log = self.folder / self.current
        rotated = sorted(self.folder.glob("0.log.*"))
        for path in rotated[:max(0, len(rotated) - (KEEP - 2))]:
            path.unlink()
        for path in rotated[max(0, len(rotated) - (KEEP - 2)):]:
            if path.suffix != ".gz":
                self.compress(path)
        os.rename(log, f"{log}.{time.strftime('%Y%m%d-%H%M%S')}")
        self.reopen()

    @staticmethod
    def compress(path):
        fresh = path.with_name(path.name + ".tmp")
        with open(path, "rb") as source, gzip.open(fresh, "wb") as target:
            shutil.copyfileobj(source, target)
        fresh.rename(path.with_name(path.name + ".gz"))
        path.unlink()


ALL = (Kubelet,)
