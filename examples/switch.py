#!/usr/bin/env python3
"""A switch in user space: joins the guests of file-handle NICs (mode dgram), as a real one joins computers.

    examples/switch.py SOCKET PEER_SOCKET [SOCKET PEER_SOCKET]...

SOCKET and PEER_SOCKET are what GET /r says of each NIC. The switch binds each PEER_SOCKET, where the guest's frames arrive, and sends to SOCKET, behind
which the guest's NIC is. Guests may start and stop while it runs. Ends at SIGINT or SIGTERM.
"""

import contextlib
import os
import pathlib
import selectors
import signal
import socket
import sys

LARGEST_FRAME = 65536 + 32  # what a guest with segmentation offload sends
GROUP_BIT = 1  # of the first octet: broadcast and multicast


class Port:
    """One guest's wire."""

    def __init__(self, guest: str, peer: str):
        self.guest, self.peer = guest, peer
        with contextlib.suppress(FileNotFoundError):
            os.unlink(peer)  # a socket that an earlier switch has left
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.bind(peer)

    def receive(self) -> bytes | None:
        with contextlib.suppress(BlockingIOError):
            return self.socket.recv(LARGEST_FRAME)
        return None

    def send(self, frame: bytes) -> None:
        # A guest that is off, or does not read, loses its frames, as on any wire; the others must not wait for it.
        with contextlib.suppress(OSError):
            self.socket.sendto(frame, self.guest)

    def close(self) -> None:
        self.socket.close()
        pathlib.Path(self.peer).unlink(missing_ok=True)


class Switch:
    """Learns behind which port each address is, and sends what it does not know to all."""

    def __init__(self, ports: list[Port]):
        self.ports = ports
        self.homes: dict[bytes, Port] = {}

    def forward(self, frame: bytes, source: Port) -> None:
        if len(frame) < 14:
            return  # no Ethernet header
        to, sender = frame[:6], frame[6:12]
        if not sender[0] & GROUP_BIT and (sender in self.homes or len(self.homes) < 4096):
            self.homes[sender] = source
        known = None if to[0] & GROUP_BIT else self.homes.get(to)
        for port in [known] if known else self.ports:
            if port is not source:
                port.send(frame)

    def run(self) -> None:
        selector = selectors.DefaultSelector()
        for port in self.ports:
            selector.register(port.socket, selectors.EVENT_READ, port)
        while True:
            for key, _ in selector.select():
                # A bounded number from each, so that a guest that floods leaves the others their turn.
                for _ in range(64):
                    frame = key.data.receive()
                    if frame is None:
                        break
                    self.forward(frame, key.data)


def main(arguments: list[str]) -> int:
    if not arguments or len(arguments) % 2:
        print(__doc__, file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    ports = [Port(guest, peer) for guest, peer in zip(arguments[::2], arguments[1::2])]
    print(f"switching between {len(ports)} guests", flush=True)
    try:
        Switch(ports).run()
    except KeyboardInterrupt:
        pass
    finally:
        for port in ports:
            port.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
