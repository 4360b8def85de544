#!/usr/bin/env python3
"""A bad network between a client and some servers: a program of its own, and its remote control.

    proxy.py SEED LISTEN:TARGET [LISTEN:TARGET ...]     ports of 127.0.0.1

Every connection to LISTEN is passed on to TARGET. After the command `wild`, a schedule derived from
SEED delays the traffic, throttles it, swallows it for seconds, closes connections in the middle of
a request or an answer, and refuses new ones, for one server or for all of them. `far` delays all
traffic by half a second a round trip. `calm` ends all of that. Closing stdin ends the program,
which then prints what it did as one JSON object.
"""

import asyncio
import collections
import json
import pathlib
import random
import socket
import struct
import subprocess
import sys

CHUNK_BYTES = 16 << 10
RESET = struct.pack("ii", 1, 0)  # SO_LINGER: the end is a reset, what is under way is lost.


class Weather:
    """What one server's connections suffer at the moment."""

    def __init__(self):
        self.calm()

    def calm(self):
        self.delay_s = 0.0
        self.bytes_s = 0
        self.cut_in = None   # Bytes until a connection is cut in the middle of something.
        self.refusing = False
        self.flowing = asyncio.Event()
        self.flowing.set()


class Proxy:
    def __init__(self, seed, pairs):
        self.random = random.Random(seed)
        self.pairs = pairs
        self.weather = [Weather() for _ in pairs]
        self.open = [set() for _ in pairs]
        self.counts = collections.Counter()
        self.wild = asyncio.Event()

    async def serve(self, which, reader, writer):
        weather = self.weather[which]
        other = None
        try:
            if weather.refusing:
                self.counts["refused"] += 1
                return
            from_server, other = await asyncio.open_connection("127.0.0.1", self.pairs[which][1])
            pair = (writer, other)
            self.open[which].add(pair)
            self.counts["connections"] += 1
            try:
                await asyncio.gather(self.pump(which, reader, other, pair),
                                     self.pump(which, from_server, writer, pair))
            finally:
                self.open[which].discard(pair)
        except OSError:
            pass  # The server is down, or one side went away: both ends are closed below.
        finally:
            for each in (writer, other):
                if each is not None:
                    self.reset(each)

    async def pump(self, which, reader, writer, pair):
        weather = self.weather[which]
        while chunk := await reader.read(CHUNK_BYTES):
            if not weather.flowing.is_set():
                self.counts["swallowed"] += 1
                await weather.flowing.wait()
            if weather.delay_s:
                await asyncio.sleep(weather.delay_s * self.random.random() * 2)
            if weather.bytes_s:
                await asyncio.sleep(len(chunk) / weather.bytes_s)
            if weather.cut_in is not None:
                weather.cut_in -= len(chunk)
                if weather.cut_in < 0:
                    weather.cut_in = None
                    writer.write(chunk[:self.random.randrange(len(chunk))])
                    await writer.drain()
                    self.counts["cut in the middle"] += 1
                    break
            writer.write(chunk)
            await writer.drain()
        for each in pair:
            each.close()

    @staticmethod
    def reset(writer):
        raw = writer.get_extra_info("socket")
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        except OSError:
            pass  # It is closed already.
        writer.transport.abort()

    def close_all(self, which):
        for pair in list(self.open[which]):
            self.counts["closed"] += 1
            for writer in pair:
                self.reset(writer)

    async def schedule(self):
        """One fault after the other; they may overlap, each ends by itself."""
        while True:
            await self.wild.wait()
            await asyncio.sleep(self.random.uniform(0.05, 1.0))
            everywhere = self.random.random() < 0.15
            servers = range(len(self.pairs))
            for which in servers if everywhere else [self.random.choice(servers)]:
                fault = self.random.choices(
                    (self.delays, self.limits, self.swallows, self.cuts, self.closes, self.refuses),
                    (3, 1, 2, 8, 2, 2))[0]
                if self.wild.is_set():
                    asyncio.ensure_future(fault(which, self.weather[which]))

    async def delays(self, _, weather):
        self.counts["delays"] += 1
        weather.delay_s = self.random.uniform(0.002, 0.2)
        await asyncio.sleep(self.random.uniform(0.2, 3))
        weather.delay_s = 0.0

    async def limits(self, _, weather):
        self.counts["limits"] += 1
        weather.bytes_s = self.random.uniform(20e3, 500e3)
        await asyncio.sleep(self.random.uniform(0.5, 4))
        weather.bytes_s = 0

    async def swallows(self, which, weather):
        self.counts["swallows"] += 1
        weather.flowing.clear()
        await asyncio.sleep(self.random.uniform(0.1, 6))
        if self.random.random() < 0.5:
            self.close_all(which)
        weather.flowing.set()

    async def cuts(self, _, weather):
        weather.cut_in = int(self.random.expovariate(1 / 3000))

    async def closes(self, which, _):
        self.close_all(which)

    async def refuses(self, which, weather):
        self.counts["cut off"] += 1
        weather.refusing = True
        self.close_all(which)
        await asyncio.sleep(self.random.uniform(0.2, 5))
        weather.refusing = False

    def obey(self, word):
        if word == "wild":
            self.wild.set()
        elif word == "far":
            for weather in self.weather:
                weather.delay_s = 0.25
        elif word == "calm":
            self.wild.clear()
            for which, weather in enumerate(self.weather):
                weather.flowing.set()
                weather.calm()
                self.close_all(which)

    async def run(self):
        loop = asyncio.get_running_loop()
        orders = asyncio.StreamReader()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
        for which, (listen, _) in enumerate(self.pairs):
            await asyncio.start_server(
                lambda reader, writer, which=which: self.serve(which, reader, writer),
                "127.0.0.1", listen)
        schedule = asyncio.ensure_future(self.schedule())
        print("ready", flush=True)
        while line := await orders.readline():
            self.obey(line.decode().strip())
            print(json.dumps(self.counts), flush=True)
        schedule.cancel()


class Network:
    """The remote control: a proxy.py that ends when it is closed."""

    def __init__(self, seed, pairs):
        self.listening = ",".join(f"127.0.0.1:{listen}" for listen, _ in pairs)
        words = [sys.executable, str(pathlib.Path(__file__).resolve()), str(seed)]
        self.process = subprocess.Popen(words + [f"{listen}:{to}" for listen, to in pairs],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        if self.process.stdout.readline().strip() != "ready":
            raise OSError("the proxy did not start")

    def order(self, word):
        """wild, far, calm, or anything else; what the proxy has done by now."""
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def main():
    pairs = [tuple(map(int, pair.split(":"))) for pair in sys.argv[2:]]
    asyncio.run(Proxy(int(sys.argv[1]), pairs).run())


if __name__ == "__main__":
    main()
