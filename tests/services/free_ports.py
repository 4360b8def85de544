#!/usr/bin/env python3
"""Prints COUNT free ports of the loopback: free_ports.py COUNT.

They lie below the range from which the system takes those of outgoing connections: a service that
was killed must find its port free again.
"""

import random
import socket
import sys

held = []
while len(held) < int(sys.argv[1]):
    probe = socket.socket()
    try:
        probe.bind(("127.0.0.1", random.randrange(12000, 32000)))
        held.append(probe)
    except OSError:
        probe.close()
for probe in held:
    print(probe.getsockname()[1])
