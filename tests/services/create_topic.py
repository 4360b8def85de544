#!/usr/bin/env python3
"""Creates a topic without starting a Java for it:

    create_topic.py HOST:PORT,... NAME PARTITIONS REPLICAS [KEY=VALUE...]

Speaks Kafka's protocol: CreateTopics, version 4.
https://kafka.apache.org/protocol#The_Messages_CreateTopics
"""

import socket
import struct
import sys
import time

CREATE_TOPICS, VERSION = 19, 4
TIMED_OUT, EXISTS, NOT_CONTROLLER = 7, 36, 41
PATIENCE_S = 60


def text(words):
    encoded = words.encode()
    return struct.pack(">h", len(encoded)) + encoded


def request(name, partitions, replicas, settings):
    body = struct.pack(">hhi", CREATE_TOPICS, VERSION, 1) + text("create_topic.py")
    body += struct.pack(">i", 1) + text(name) + struct.pack(">ihi", partitions, replicas, 0)
    body += struct.pack(">i", len(settings))
    for key, value in settings:
        body += text(key) + text(value)
    body += struct.pack(">i?", 30_000, False)
    return struct.pack(">i", len(body)) + body


def take(connection, count):
    found = b""
    while len(found) < count:
        more = connection.recv(count - len(found))
        if not more:
            raise OSError("the broker closed the connection")
        found += more
    return found


def ask(broker, message):
    """The error code and its explanation; 0 when the topic was created."""
    host, port = broker.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=40) as connection:
        connection.sendall(message)
        answer = take(connection, struct.unpack(">i", take(connection, 4))[0])
    at = 4 + 4 + 4  # Correlation id, throttle time, number of topics.
    at += 2 + struct.unpack_from(">h", answer, at)[0]
    code, length = struct.unpack_from(">hh", answer, at)
    return code, answer[at + 4:at + 4 + max(0, length)].decode()


def main():
    brokers, name, partitions, replicas = sys.argv[1:5]
    settings = [tuple(word.split("=", 1)) for word in sys.argv[5:]]
    message = request(name, int(partitions), int(replicas), settings)
    deadline = time.monotonic() + PATIENCE_S
    unanswered = False
    while True:
        for broker in brokers.split(","):
            try:
                code, why = ask(broker, message)
            except OSError as trouble:
                code, why = TIMED_OUT, f"{broker}: {trouble}"
            if code == 0 or (code == EXISTS and unanswered):
                return
            unanswered = unanswered or code == TIMED_OUT
            if code not in (TIMED_OUT, NOT_CONTROLLER) or time.monotonic() > deadline:
                sys.exit(f"topic {name} was not created: error {code}: {why}")
        time.sleep(0.2)


main()
