#!/usr/bin/env python3
"""openat2(2) for programs under valgrind, whose version in Debian does not know that call: they ask
over a socket (tests/fakes/openat2_elsewhere.cc), and are handed the descriptor.

    asks:    open_how (24 bytes) and the path, with the directory's descriptor where there is one
    answers: errno (4 bytes), with the descriptor when it is 0
"""

import array
import ctypes
import os
import socket
import struct
import sys
import threading

OPENAT2 = 437  # On every architecture.
AT_FDCWD = -100
LIBC = ctypes.CDLL(None, use_errno=True)


def serve(client):
    with client:
        while True:
            asked, descriptors, _, _ = socket.recv_fds(client, 8192, 1)
            if not asked:
                return
            how = ctypes.create_string_buffer(asked[:24], 24)
            directory = descriptors[0] if descriptors else AT_FDCWD
            fd = LIBC.syscall(OPENAT2, directory, asked[24:], how, 24)
            error = ctypes.get_errno() if fd < 0 else 0
            for descriptor in descriptors:
                os.close(descriptor)
            ancillary = []
            if fd >= 0:
                ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
            client.sendmsg([struct.pack("i", error)], ancillary)
            if fd >= 0:
                os.close(fd)


def main():
    server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    server.bind(sys.argv[1])
    server.listen(64)
    while True:
        client, _ = server.accept()
        threading.Thread(target=serve, args=(client,), daemon=True).start()


if __name__ == "__main__":
    main()
