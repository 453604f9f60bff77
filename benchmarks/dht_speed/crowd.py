"""Many quiet nodes in one process, each on a loopback address of its own, to fill the routing table of another node.

They speak both KRPC and the protocol of the `kademlia` package, and answer every query with their key and no contacts.
A line with a port on standard input makes all of them ask the node there, its end ends the process.
"""

from __future__ import annotations

import json
import random
import selectors
import socket
import sys

import umsgpack  # type: ignore[import-untyped]  # it ships no types

from transfer import bencode


class Member:
    """One node of the crowd."""

    def __init__(self, host: str, node_id: bytes) -> None:
        self.node_id = node_id
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)

    def greet(self, port: int, *, in_krpc: bool) -> None:
        """Whoever is asked learns of us, and pings us if it wants to be sure."""
        if in_krpc:
            data = bencode.encode({b"a": {b"id": self.node_id}, b"q": b"ping", b"t": b"gr", b"y": b"q"})
        else:
            data = b"\0" + self.node_id + umsgpack.packb(["ping", [self.node_id]])
        self.socket.sendto(data, ("127.0.0.1", port))

    def answer(self) -> None:
        data, source = self.socket.recvfrom(4096)
        if data[:1] == b"\0":
            asked = umsgpack.unpackb(data[21:])[0]
            self.socket.sendto(b"\1" + data[1:21] + umsgpack.packb(self.node_id if asked == "ping" else []), source)
        elif data[:1] == b"d":
            message = bencode.decode_dict(data)
            if message.get(b"y") == b"q":
                values = {b"id": self.node_id, b"token": b"12345678"}
                self.socket.sendto(bencode.encode({b"r": values, b"t": message[b"t"], b"y": b"r"}), source)


def main() -> None:
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    rng = random.Random(seed)
    members = [Member(f"127.77.{number // 250}.{number % 250 + 1}", rng.randbytes(20)) for number in range(count)]
    print(json.dumps([member.socket.getsockname() for member in members]), flush=True)
    with selectors.DefaultSelector() as selector:
        for member in members:
            selector.register(member.socket, selectors.EVENT_READ, member)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if isinstance(key.data, Member):
                    key.data.answer()
                    continue
                line = sys.stdin.readline()
                if not line:
                    return
                port, in_krpc = json.loads(line)
                for member in members:
                    member.greet(port, in_krpc=in_krpc)


if __name__ == "__main__":
    main()
