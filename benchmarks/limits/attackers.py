"""Sockets of this machine that play attackers, each from an address of its own."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import suppress

from transfer import Address

HANDSHAKE = b"\x13BitTorrent protocol" + bytes(7) + b"\x04"  # with the fast extension (BEP 6)
HAVE_NONE, INTERESTED = b"\0\0\0\x01\x0f", b"\0\0\0\x01\x02"


class Attacker:
    """One socket; it reads what comes and forgets it.

    Attributes:
        outcome: None while it is connected; then "reset", "closed", or why it never was.
    """

    def __init__(self, host: str, target: Address) -> None:
        self.outcome: str | None = None
        self.received_bytes = 0
        self._host = host
        self._target = target
        self._loop = asyncio.get_running_loop()
        self._sock: socket.socket | None = None

    async def connect(self, *said: bytes) -> bool:
        """Connects, and says this."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((self._host, 0))
            await self._loop.sock_connect(sock, self._target)
            for data in said:
                await self._loop.sock_sendall(sock, data)
        except OSError as error:
            sock.close()
            self.outcome = type(error).__name__
            return False
        except BaseException:
            sock.close()
            self.outcome = "ended"
            raise
        self._sock = sock
        self._loop.add_reader(sock, self._readable)
        return True

    def say(self, data: bytes) -> None:
        """A few bytes, if it is connected still."""
        if self._sock is not None:
            with suppress(OSError):
                self._sock.send(data)

    def close(self) -> None:
        """Resets the connection, so that no ports run out."""
        if self._sock is not None:
            self._loop.remove_reader(self._sock)
            self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self._sock.close()
            self._sock = None
            self.outcome = self.outcome or "ended"

    def _readable(self) -> None:
        assert self._sock is not None
        try:
            data = self._sock.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            self.outcome = "reset"
            self.close()
            return
        self.received_bytes += len(data)
        if not data:
            self.outcome = "closed"
            self.close()


class Crowd:
    """Attackers of one kind. `async with` ends all of them."""

    def __init__(self) -> None:
        self.all: list[Attacker] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Crowd:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for attacker in self.all:
            attacker.close()

    @property
    def connected(self) -> int:
        """How many are, as far as they know."""
        return sum(attacker.outcome is None for attacker in self.all)

    def outcomes(self) -> Counter[str]:
        """What became of them."""
        return Counter(attacker.outcome or "connected" for attacker in self.all)

    def start(self, work: Awaitable[None]) -> None:
        """Goes on beside what follows."""
        self._tasks.append(asyncio.ensure_future(work))

    async def finish(self, *, within_s: float) -> None:
        """Waits until all that was started is done, but not for longer than this."""
        await asyncio.wait(self._tasks, timeout=within_s)

    async def attempt(self, target: Address, count: int, *, per_s: float) -> None:
        """So many connections at this pace, which say nothing and stay until they are put out."""
        async for number in paced(count, per_s):
            attacker = Attacker(_address_of(number), target)
            self.all.append(attacker)
            await attacker.connect()

    async def stay(self, target: Address, info_hashes: Sequence[bytes], count: int, *, per_s: float) -> None:
        """Peers with a handshake each, spread over torrents, that are interested and ask for nothing."""
        async for number in paced(count, per_s):
            attacker = Attacker(_address_of(number), target)
            self.all.append(attacker)
            peer_id = b"-XX0000-%012d" % number
            info_hash = info_hashes[number % len(info_hashes)]
            await attacker.connect(HANDSHAKE + info_hash + peer_id + HAVE_NONE + INTERESTED)

    async def drip(self, target: Address, count: int, *, come_back: bool) -> None:
        """Slow-loris: a byte of the handshake each second."""
        hosts = [_address_of(number) for number in range(count)]
        drippers = [Attacker(host, target) for host in hosts]
        self.all += drippers
        for attacker in drippers:
            await attacker.connect()
        for byte in itertools.cycle(HANDSHAKE[:12]):
            await asyncio.sleep(1.0)
            for number, attacker in enumerate(drippers):
                if attacker.outcome is None:
                    attacker.say(bytes((byte,)))
                elif come_back:
                    drippers[number] = again = Attacker(hosts[number], target)
                    self.all.append(again)
                    await again.connect()

    async def storm(self, target: Address, info_hash: bytes, hosts: int, *, per_s: float, seconds: float) -> None:
        """A few hosts that connect, say who they are, hang up, and come back at once."""
        async for number in paced(round(per_s * seconds), per_s):
            attacker = Attacker(_address_of(number % hosts), target)
            self.all.append(attacker)
            if await attacker.connect(HANDSHAKE + info_hash + b"-XX0000-%012d" % number):
                asyncio.get_running_loop().call_later(0.1, attacker.close)


async def paced(count: int, per_s: float) -> AsyncIterator[int]:
    """Numbers at a pace, on average: late ones come at once."""
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    for number in range(count):
        due = began_at + number / per_s
        if due > loop.time():
            await asyncio.sleep(due - loop.time())
        yield number


def _address_of(number: int) -> str:
    """A loopback address, each in a /24 of its own: what a botnet looks like. 127.0.x is left to the honest."""
    return f"127.{1 + number // 250 % 250}.{1 + number % 250}.7"
