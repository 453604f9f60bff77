"""Names into addresses: the one way to a name service that everything here takes.

The system's `getaddrinfo` blocks, for as long as servers stay silent, and nothing can interrupt it. asyncio calls it in
its default executor and uvloop in libuv's four threads: a few names whose servers are dead keep all other callers
waiting there, and a program that is done waits for them, too. So it is called in threads of our own here, that the end
of the process does not wait for. An IP address needs none of this and never meets a name service.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv6Address, ip_address
from typing import Any, TypeAlias

from transfer.address import is_ip_address

AddressInfo: TypeAlias = tuple[int, int, int, str, tuple[Any, ...]]  # as `socket.getaddrinfo` has it
_Question: TypeAlias = tuple[str, int, int]  # host, family, kind


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolverConfig:
    """Bounds of a `Resolver`.

    Attributes:
        max_lookups: names asked for at a time; further ones wait for their turn, within their patience.
        max_waiting: names that wait for their turn.
        patience_s: how long to wait for an answer unless something else is said.
        max_addresses: of one name; what is beyond is ignored.
    """

    max_lookups: int = 64
    max_waiting: int = 1024
    patience_s: float = 15.0
    max_addresses: int = 16

    def __post_init__(self) -> None:
        if min(self.max_lookups, self.max_waiting, self.max_addresses) < 1 or self.patience_s <= 0:
            raise ValueError("the bounds of a resolver must be positive")


async def resolve(
    host: str,
    port: int,
    *,
    purpose: str,
    family: int = socket.AF_UNSPEC,
    kind: int = socket.SOCK_STREAM,
    patience_s: float | None = None,
) -> list[AddressInfo]:
    """The addresses of `host`, as `loop.getaddrinfo` gives them, never an empty list.

    Args:
        host: an IP address, or a name.
        purpose: look-ups of one purpose share a bound, and those of another have their own.
        patience_s: how long to wait for an answer; None for the usual time.

    Raises:
        OSError: the name is not known, or is none, has no address of the family, or no server answered in time.

    Cancellation: this caller waits for the look-up no more; its thread ends when the system lets it.
    """
    resolver = _resolvers.get(purpose)
    if resolver is None:
        resolver = _resolvers[purpose] = Resolver()
    return await resolver.resolve(host, port, family=family, kind=kind, patience_s=patience_s)


class Resolver:
    """Asks the system's name service, each name once at a time; may be used from several event loops.

    On an event loop that is not asyncio's or uvloop's, such as the simulated one, that loop is asked.

    Invariants: at most `max_lookups` threads run, and names wait only while so many do.
    """

    def __init__(self, config: ResolverConfig | None = None) -> None:
        self._config = config or ResolverConfig()
        self._lock = threading.Lock()
        self._lookups: dict[_Question, _LookUp] = {}
        self._waiting: deque[_LookUp] = deque()
        self._running = 0

    @property
    def running(self) -> int:
        """Look-ups that the system has not answered yet, though no caller may be waiting for them any more."""
        return self._running

    async def resolve(
        self,
        host: str,
        port: int,
        *,
        family: int = socket.AF_UNSPEC,
        kind: int = socket.SOCK_STREAM,
        patience_s: float | None = None,
    ) -> list[AddressInfo]:
        """As the function of this name."""
        if is_ip_address(host):
            return [_info(host, port, family, kind)]
        loop = asyncio.get_running_loop()
        found: list[AddressInfo]
        patience_s = self._config.patience_s if patience_s is None else patience_s
        try:
            async with asyncio.timeout(patience_s):
                if asks_the_system(loop):
                    found = await self._ask((host, family, kind), loop)
                else:
                    found = [*await loop.getaddrinfo(host, port, family=family, type=kind)]
        except TimeoutError:
            reason = f"the name service did not answer within {patience_s:g} s"
            raise socket.gaierror(socket.EAI_AGAIN, reason) from None
        except UnicodeError:
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} is not a host name") from None
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} has no address")
        return [(*info[:4], (info[4][0], port, *info[4][2:])) for info in found[: self._config.max_addresses]]

    async def _ask(self, question: _Question, loop: asyncio.AbstractEventLoop) -> list[AddressInfo]:
        answer: asyncio.Future[list[AddressInfo]] = loop.create_future()
        with self._lock:
            lookup = self._lookups.get(question)
            if lookup is None:
                if self._running >= self._config.max_lookups and len(self._waiting) >= self._config.max_waiting:
                    raise socket.gaierror(socket.EAI_AGAIN, "too many names are being looked up")
                lookup = self._lookups[question] = _LookUp(question)
                self._waiting.append(lookup)
            lookup.answers.append(answer)
            self._start_waiting()
        try:
            return await answer
        finally:
            with self._lock, suppress(ValueError):
                lookup.answers.remove(answer)
                if not lookup.answers and not lookup.is_running:  # no caller wants to know any more
                    self._waiting.remove(lookup)
                    del self._lookups[question]

    def _start_waiting(self) -> None:
        """Begins what there is room for. The lock is held."""
        while self._waiting and self._running < self._config.max_lookups:
            lookup = self._waiting.popleft()
            lookup.is_running = True
            self._running += 1
            work = partial(self._run, lookup)
            try:
                threading.Thread(target=work, daemon=True, name=f"look up {lookup.question[0]}").start()
            except RuntimeError as error:  # the system gives no more threads
                self._running -= 1
                del self._lookups[lookup.question]
                failure = socket.gaierror(socket.EAI_AGAIN, f"{lookup.question[0]} cannot be looked up now: {error}")
                _tell(lookup, [], failure)

    def _run(self, lookup: _LookUp) -> None:
        """In a thread of its own."""
        host, family, kind = lookup.question
        found: list[AddressInfo] = []
        failure: Exception | None = None
        try:
            found = list(socket.getaddrinfo(host, None, family, kind))
        except (OSError, ValueError) as error:  # UnicodeError is a ValueError, as is what a NUL leads to
            is_system = isinstance(error, OSError)
            failure = error if is_system else socket.gaierror(socket.EAI_NONAME, f"{host!r} is not a host name")
        finally:
            with self._lock:
                self._running -= 1
                del self._lookups[lookup.question]
                self._start_waiting()
                _tell(lookup, found, failure)


@dataclass(slots=True, eq=False)
class _LookUp:
    question: _Question
    answers: list[asyncio.Future[list[AddressInfo]]] = field(default_factory=list)
    is_running: bool = False


def asks_the_system(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether the names of this loop are those of the machine, and not of a network of its own."""
    return isinstance(loop, asyncio.BaseEventLoop) or "uvloop" in {each.__module__ for each in type(loop).mro()}


def _tell(lookup: _LookUp, found: list[AddressInfo], failure: Exception | None) -> None:
    """Answers every caller that waits, each in the loop of its own. The lock is held."""
    answers, lookup.answers = lookup.answers, []
    for answer in answers:
        with suppress(RuntimeError):  # its loop has been closed
            answer.get_loop().call_soon_threadsafe(_deliver, answer, found, failure)


def _deliver(answer: asyncio.Future[list[AddressInfo]], found: list[AddressInfo], failure: Exception | None) -> None:
    if answer.done():
        return
    if failure is not None:
        answer.set_exception(failure)
    else:
        answer.set_result(found)


def _info(host: str, port: int, family: int, kind: int) -> AddressInfo:
    """What `getaddrinfo` says about an IP address.

    Raises:
        OSError: it is not of the family asked for, or of an interface that is not there.
    """
    ip = ip_address(host)
    own = socket.AF_INET6 if ip.version == 6 else socket.AF_INET
    if family not in (socket.AF_UNSPEC, own):
        raise socket.gaierror(socket.EAI_NONAME, f"{host} is not an address of the family asked for")
    protocol = socket.IPPROTO_UDP if kind == socket.SOCK_DGRAM else socket.IPPROTO_TCP
    if not isinstance(ip, IPv6Address):
        return own, kind, protocol, "", (host, port)
    scope = ip.scope_id or "0"
    return own, kind, protocol, "", (host, port, 0, int(scope) if scope.isdecimal() else socket.if_nametoindex(scope))


_resolvers: dict[str, Resolver] = {}  # by purpose, which are few and all ours
