#!/usr/bin/env python3
"""Gives the guest of a file-handle NIC (mode stream) the network of the host by passt (https://passt.top; Debian: passt).

    examples/passt.py SOCKET [option of passt]...

SOCKET is what GET /r says of the NIC. It is there while the machine runs: this program waits for it, connects, and becomes passt, which ends when the
machine stops. Needs no privilege beyond that of opening the socket.
"""

import os
import socket
import sys
import time


def connect(path: str) -> socket.socket:
    while True:
        wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            wire.connect(path)
            return wire
        except (FileNotFoundError, ConnectionRefusedError):  # the machine is off
            wire.close()
            time.sleep(0.2)


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    wire = connect(arguments[0])
    os.set_inheritable(wire.fileno(), True)
    os.execvp("passt", ["passt", "--foreground", "--fd", str(wire.fileno()), *arguments[1:]])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
