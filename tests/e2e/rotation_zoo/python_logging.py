"""Python's own handlers."""

import logging
import logging.handlers

from rotation_zoo.rotator import Rotator, next_second


class Handler(Rotator):
    def handler(self):
        raise NotImplementedError

    def open(self):
        self.target = self.handler()

    def close(self):
        self.target.close()

    def put(self, texts):
        for text in texts:
            self.target.emit(logging.makeLogRecord({"msg": text}))

    def turn(self):
        self.target.doRollover()


class Rotating(Handler):
    name = "python-RotatingFileHandler"

    def handler(self):
        return logging.handlers.RotatingFileHandler(self.folder / "app.log", backupCount=30)


class RotatingKeepsOne(Handler):
    """Deletes what an agent that is down has not read."""
    name = "python-backupCount-1"

    def handler(self):
        return logging.handlers.RotatingFileHandler(self.folder / "app.log", backupCount=1)


class Timed(Handler):
    name = "python-TimedRotatingFileHandler"
    rapid = False

    def handler(self):
        return logging.handlers.TimedRotatingFileHandler(self.folder / "app.log", when="S",
                                                         backupCount=30)

    def turn(self):
        next_second()  # It rotates at the next line.


ALL = (Rotating, RotatingKeepsOne, Timed)
