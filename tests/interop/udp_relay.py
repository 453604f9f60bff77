"""A relay of datagrams that loses and reorders some of them: a process of its own, so that it slows nobody down.

Programs are told to call the relay instead of its target. Each caller has a socket of its own towards the target, so
that the target sees as many endpoints as there are callers. Runs of datagrams stay runs where the kernel knows them.
"""

from __future__ import annotations

import json
import random
import selectors
import socket
import struct
import sys
from collections.abc import Callable
from itertools import groupby
from typing import Any, Self

from tests.interop.programs import JsonChild
from transfer.address import Address


class UdpRelay(JsonChild):
    """What is sent to `address` reaches `target`, and back, but for what is lost.

    Args:
        loss: of all datagrams, the share that is lost, in each direction.
        reordered: the share that arrives behind some of those that were sent later.
        seed: of the choices.
    """

    def __init__(self, target: Address, *, loss: float = 0.0, reordered: float = 0.0, seed: int = 1) -> None:
        options = {"target": list(target), "loss": loss, "reordered": reordered, "seed": seed}
        super().__init__(["-m", "tests.interop.udp_relay"], options)
        self.address = Address(target.host, 0)

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self.address = Address(*(await self.do("address"))["address"])
        return self

    async def counts(self) -> dict[str, int]:
        """How many datagrams came, were lost, and arrived out of order; the CPU time it took is `cpu_ms`."""
        return await self.do("counts")


class Line:
    """One direction of one caller's traffic: what becomes of each datagram."""

    def __init__(self, send: Callable[[list[bytes]], None], options: dict[str, Any], counts: dict[str, int]) -> None:
        self._send = send
        self._loss, self._reordered = options["loss"], options["reordered"]
        self._rng = random.Random(options["seed"])
        self._counts = counts
        self._held: list[tuple[int, bytes]] = []  # after how many others each leaves

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def carry(self, datagrams: list[bytes]) -> None:
        leaving: list[bytes] = []
        chance = self._rng.random
        self._counts["came"] += len(datagrams)
        for datagram in datagrams:
            if chance() < self._loss:
                self._counts["lost"] += 1
            elif self._reordered and chance() < self._reordered:
                self._counts["reordered"] += 1
                self._held.append((self._rng.randint(1, MAX_GAP), datagram))
            else:
                leaving.append(datagram)
                if self._held:
                    self._held = [(left - 1, held) for left, held in self._held]
                    leaving += [held for left, held in self._held if left == 0]
                    self._held = [(left, held) for left, held in self._held if left > 0]
        if leaving:
            self._send(leaving)

    def flush(self) -> None:
        held, self._held = self._held, []
        if held:
            self._send([datagram for _, datagram in held])


class Relay:
    """The child process."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._target = tuple(options["target"])
        self.counts = {"came": 0, "lost": 0, "reordered": 0}
        self._selector = selectors.DefaultSelector()
        self._lines: list[Line] = []
        self._callers: dict[Any, Line] = {}
        self._front = self._open((self._target[0], 0), self._from_caller)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, None)

    def run(self) -> None:
        for line in iter(self._next_command, ""):
            command = json.loads(line)
            answer: dict[str, Any] = dict(self.counts)
            if command["do"] == "address":
                answer = {"address": list(self._front.getsockname()[:2])}
            print(json.dumps({"id": command["id"], **answer}), flush=True)

    def _next_command(self) -> str:
        """Carries datagrams until there is a command. Commands come one at a time, each a line."""
        while True:
            is_holding = any(line.holds for line in self._lines)
            ready = self._selector.select(HOLD_S if is_holding else None)
            if not ready:
                for line in self._lines:
                    line.flush()
            for key, _ in ready:
                if key.data is None:
                    return sys.stdin.readline()
                key.data()

    def _open(self, local: Any, receive: Callable[[bytes, int, Any], None]) -> socket.socket:
        sock = socket.socket(socket.AF_INET6 if ":" in local[0] else socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            sock.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        try:
            sock.setsockopt(SOL_UDP, UDP_GRO, 1)
        except OSError:
            self.counts["without_runs"] = 1
        sock.bind(local)

        def read() -> None:
            for _ in range(MAX_READS):
                try:
                    data, ancillary, _, sender = sock.recvmsg(65536, socket.CMSG_SPACE(4))
                except (BlockingIOError, ConnectionRefusedError):
                    return
                size = int.from_bytes(ancillary[0][2], sys.byteorder) if ancillary else len(data)
                receive(data, size, sender)

        self._selector.register(sock, selectors.EVENT_READ, read)
        return sock

    def _from_caller(self, data: bytes, size: int, sender: Any) -> None:
        line = self._callers.get(sender)
        if line is None:
            back = self._line(self._front, sender)
            upstream = self._open((self._target[0], 0), lambda data, size, _: back.carry(split(data, size)))
            line = self._callers[sender] = self._line(upstream, self._target)
        line.carry(split(data, size))

    def _line(self, sock: socket.socket, target: Any) -> Line:
        options = {**self._options, "seed": f"{self._options['seed']} {len(self._lines)}"}
        line = Line(lambda datagrams: send(sock, datagrams, target), options, self.counts)
        self._lines.append(line)
        return line


def split(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)] if len(data) > size else [data]


def send(sock: socket.socket, datagrams: list[bytes], target: Any) -> None:
    """In as few calls as the kernel allows; what a full socket does not take is lost."""
    for size, same in groupby(datagrams, key=len):
        alike = list(same)
        per_call = max(1, min(64, 65_000 // max(1, size)))
        for start in range(0, len(alike), per_call):
            part = alike[start : start + per_call]
            options = [(SOL_UDP, UDP_SEGMENT, struct.pack("=H", size))] if len(part) > 1 else []
            try:
                sock.sendmsg(part, options, 0, target)
            except BlockingIOError:
                pass
            except OSError:  # a kernel that does not cut
                for datagram in part:
                    sock.sendto(datagram, target)


MAX_GAP = 8
HOLD_S = 0.005
MAX_READS = 16
BUFFER_BYTES = 4 << 20
SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104

if __name__ == "__main__":
    Relay(json.loads(sys.argv[1])).run()
