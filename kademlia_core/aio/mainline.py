"""A mainline DHT node on an asyncio UDP socket: the shell around `MainlineCore`."""

from __future__ import annotations

import asyncio
import random
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Self, cast

from kademlia_core.aio.lookups import PeerLookup, RunningSearch
from kademlia_core.errors import BootstrapError, NoAnswerError, NodeClosedError
from kademlia_core.key import Key
from kademlia_core.mainline.config import KEY_BITS, PUBLIC_ROUTERS, MainlineConfig
from kademlia_core.mainline.core import (
    Event,
    JoinStateChanged,
    JoinWanted,
    MainlineCore,
    NodeStats,
    PeersFound,
    PingAnswered,
    PingFailed,
    SearchFinished,
)
from kademlia_core.mainline.joining import JoinState
from kademlia_core.mainline.searches import Announcement, AnnounceReport, Search
from transfer.address import Address, is_ip_address

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from types import TracebackType

    from kademlia_core.contact import Contact


class MainlineNode:
    """A node of the BitTorrent DHT: finds peers, announces, and answers everybody else.

    Enter it with `async with`: that binds the socket and begins to join the network in the background. Every lookup
    waits for that by itself. An empty `bootstrap` starts a network of one's own.

    Args:
        host: IP address to bind: "0.0.0.0" or an address of this machine; an IPv6 one makes it a node of the IPv6 DHT.
        port: UDP port, 0 for any free one.
        bootstrap: where to enter the network; names are resolved. Default: the well-known public routers.
        node_id: a key of 160 bits; random when not given.
        rng: source of all randomness; the operating system's when not given.
    """

    def __init__(
        self,
        *,
        host: str = "0.0.0.0",
        port: int = 0,
        bootstrap: Iterable[tuple[str, int]] = PUBLIC_ROUTERS,
        node_id: Key | None = None,
        config: MainlineConfig | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._local = Address(host, port)
        self._bootstrap = tuple(Address(*entry) for entry in bootstrap)
        self._node_id = node_id
        self._config = config or MainlineConfig()
        self._rng = rng or random.SystemRandom()
        self._endpoint: _Endpoint | None = None
        self._core: MainlineCore | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_due = 0.0
        self._join_settled = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._searches: dict[Search, RunningSearch] = {}
        self._pings: dict[Address, list[asyncio.Future[Contact]]] = {}

    async def __aenter__(self) -> Self:
        """Binds the socket and begins to join.

        Raises:
            OSError: the address cannot be bound.
            ValueError: `node_id` has not 160 bits.
            NodeClosedError: this node has been entered before.
        """
        if self._endpoint is not None:
            raise NodeClosedError("a node can be entered only once; make a new one")
        self._loop = asyncio.get_running_loop()
        core = MainlineCore(  # first, so that a wrong argument leaves no socket behind
            rng=self._rng,
            now=self._loop.time(),
            node_id=self._node_id,
            config=self._config,
            is_ipv6=self._local.is_ipv6,
        )
        self._endpoint = _Endpoint(self)
        await self._loop.create_datagram_endpoint(lambda: self._opened_endpoint, local_addr=self._local)
        self._core = core
        self._join()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the socket and ends everything in flight with `NodeClosedError`. Repeating it does no harm."""
        if self._endpoint is None:
            return
        self._endpoint.close()
        self._release()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._endpoint.wait_closed()

    async def wait_joined(self) -> None:
        """Waits until this node is part of the network; at once when it started its own.

        Raises:
            BootstrapError: no bootstrap address answered. It is tried again in the background; so may you.
            NodeClosedError: the node is not open.
        """
        while True:
            state = self._opened_core.join_state
            if state is JoinState.JOINED:
                return
            if state is JoinState.FAILED:
                raise BootstrapError(self._bootstrap)
            await self._join_settled.wait()

    def find_peers(self, info_hash: bytes | Key) -> PeerLookup:
        """A lookup of everybody who shares `info_hash` (20 bytes): `async with` it, then `async for` over it.

        Raises:
            InvalidKeyError, ValueError: `info_hash` is not 20 bytes.
        """
        target = _mainline_key(info_hash)

        async def start() -> RunningSearch:
            await self.wait_joined()
            return self._begin(self._opened_core.find_peers(target, now=self._loop.time()))

        return PeerLookup(start, self._end)

    async def find_node(self, target: bytes | Key) -> list[Contact]:
        """The nodes closest to `target` that answer, closest first.

        Raises:
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many searches are running.
        Cancellation: ends the lookup.
        """
        key = _mainline_key(target)
        await self.wait_joined()
        search = self._opened_core.find_node(key, now=self._loop.time())
        await self._finish(search)
        return search.result()

    async def announce(self, info_hash: bytes | Key, *, port: int, implied_port: bool = False) -> AnnounceReport:
        """Tells the nodes closest to `info_hash` that this machine shares it on TCP and uTP `port`; once.

        Nodes forget after half an hour or more, so announce again every 15 minutes or so.

        Args:
            implied_port: let the nodes take the UDP port that this node is seen at instead (behind some NATs).

        Raises:
            ValueError: `port` is not from 1 to 65535.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many searches are running.
        Cancellation: ends the lookup; nodes that have been told remember it.
        """
        if not 0 < port <= 65535:
            raise ValueError(f"{port} is not a port from 1 to 65535")
        key, announcement = _mainline_key(info_hash), Announcement(port, implied_port)
        await self.wait_joined()
        search = self._opened_core.find_peers(key, announcement=announcement, now=self._loop.time())
        await self._finish(search)
        return search.report()

    async def ping(self, address: tuple[str, int]) -> Contact:
        """Who is at `address`? Joining is not waited for.

        Raises:
            NoAnswerError: nobody answered, or the name has no address.
            NodeClosedError: the node is not open.
        """
        core, asked = self._opened_core, Address(*address)
        resolved = await self._resolve(asked)
        if not resolved or self._core is None:
            raise NoAnswerError(asked)
        answer: asyncio.Future[Contact] = self._loop.create_future()
        waiting = self._pings.setdefault(resolved[0], [])
        waiting.append(answer)
        core.ping(resolved[0], now=self._loop.time())
        self._drive()
        return await answer

    def add_node(self, address: tuple[str, int]) -> None:
        """A hint from elsewhere that a node is at `address`: it is pinged, and kept if it answers.

        Raises:
            NodeClosedError: the node is not open.
        """
        core, hint = self._opened_core, Address(*address)
        if is_ip_address(hint.host):
            core.add_node(hint, now=self._loop.time())
            self._drive()
        elif len(self._tasks) < MAX_RESOLVING:
            self._spawn(self._resolve_hint(hint))

    def statistics(self) -> NodeStats:
        """Raises:
        NodeClosedError: the node is not open.
        """
        return self._opened_core.stats(now=self._loop.time())

    @property
    def address(self) -> Address:
        """Where this node is bound.

        Raises:
            NodeClosedError: the node was never open.
        """
        return self._opened_endpoint.address

    @property
    def node_id(self) -> Key:
        """Raises:
        NodeClosedError: the node is not open.
        """
        return self._opened_core.node_id

    # What the endpoint reports.

    def _receive(self, data: bytes, source: Address) -> None:
        if self._core is not None:
            self._core.receive_datagram(data, source, now=self._loop.time())
            self._drive()

    def _release(self) -> None:
        """The socket is gone: nobody may wait any longer."""
        self._core = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for running in self._searches.values():
            running.close()
        self._searches.clear()
        for waiting in self._pings.values():
            for answer in waiting:
                if not answer.done():
                    answer.set_exception(NodeClosedError("the node was closed during a ping"))
        self._pings.clear()
        self._join_settled.set()

    # Driving the core.

    def _drive(self) -> None:
        """Carries out what the core wants: datagrams, events, the next timer. Called after each input and command."""
        core = self._core
        if core is None:
            return
        for data, address in core.datagrams_to_send():
            self._opened_endpoint.send(data, address)
        while (event := core.next_event()) is not None:
            self._report(event)
        deadline = core.next_timer()
        if self._timer is None or deadline < self._timer_due:
            if self._timer is not None:
                self._timer.cancel()
            self._timer_due = deadline  # the handle cannot be asked: uvloop's has no `when` for a time that is now
            self._timer = self._loop.call_at(deadline, self._on_timer, deadline)

    def _on_timer(self, deadline: float) -> None:
        self._timer = None
        if self._core is not None:
            self._core.handle_timer(now=max(self._loop.time(), deadline))
            self._drive()

    def _report(self, event: Event) -> None:
        match event:
            case PeersFound():
                if (running := self._searches.get(event.search)) is not None:
                    running.add_peers(event.peers)
            case SearchFinished():
                if (running := self._searches.pop(event.search, None)) is not None:
                    running.finish()
            case PingAnswered():
                for answer in self._pings.pop(event.contact.address, ()):
                    if not answer.done():
                        answer.set_result(event.contact)
            case PingFailed():
                for answer in self._pings.pop(event.address, ()):
                    if not answer.done():
                        answer.set_exception(NoAnswerError(event.address))
            case JoinWanted():
                self._join()
            case JoinStateChanged():
                if event.state in (JoinState.JOINED, JoinState.FAILED):
                    self._join_settled.set()
                else:
                    self._join_settled.clear()

    # Searches.

    def _begin(self, search: Search) -> RunningSearch:
        running = self._searches[search] = RunningSearch(search)
        self._drive()
        return running

    def _end(self, running: RunningSearch) -> None:
        self._searches.pop(running.search, None)
        if self._core is not None:
            self._core.cancel(running.search)

    async def _finish(self, search: Search) -> None:
        running = self._begin(search)
        try:
            await running.wait_finished()
        finally:
            self._end(running)

    # Joining and names.

    def _join(self) -> None:
        if all(is_ip_address(address.host) for address in self._bootstrap):
            self._opened_core.join(self._bootstrap, alone=not self._bootstrap, now=self._loop.time())
            self._loop.call_soon(self._drive)
        else:
            self._spawn(self._resolve_and_join())

    async def _resolve_and_join(self) -> None:
        found = await asyncio.gather(*map(self._resolve, self._bootstrap))
        addresses = tuple(dict.fromkeys(address for addresses in found for address in addresses))
        if self._core is not None:
            self._core.join(addresses, now=self._loop.time())
            self._drive()

    async def _resolve_hint(self, hint: Address) -> None:
        for address in await self._resolve(hint):
            if self._core is not None:
                self._core.add_node(address, now=self._loop.time())
                self._drive()

    async def _resolve(self, address: Address) -> list[Address]:
        """The IP addresses of a name, none when the name service does not know it or takes too long."""
        if is_ip_address(address.host):
            return [address]
        family = socket.AF_INET6 if self._local.is_ipv6 else socket.AF_INET
        with suppress(OSError, UnicodeError, TimeoutError):
            async with asyncio.timeout(self._config.resolve_timeout_s):
                found = await self._loop.getaddrinfo(address.host, address.port, family=family, type=socket.SOCK_DGRAM)
            return [Address.from_socket((str(name[0]), address.port)) for *_, name in found[:MAX_ADDRESSES_PER_NAME]]
        return []

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def _opened_core(self) -> MainlineCore:
        if self._core is None:
            raise NodeClosedError("the node is not open; use it inside `async with`")
        return self._core

    @property
    def _opened_endpoint(self) -> _Endpoint:
        if self._endpoint is None:
            raise NodeClosedError("the node is not open; use it inside `async with`")
        return self._endpoint


class _Endpoint(asyncio.DatagramProtocol):
    """The socket. While the operating system takes no more, datagrams are dropped, as a network would."""

    def __init__(self, node: MainlineNode) -> None:
        self._node = node
        self._transport: asyncio.DatagramTransport | None = None
        self._closed = asyncio.get_running_loop().create_future()
        self._is_full = False
        self.address = Address("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # by contract; its class may be unrelated
        self.address = Address.from_socket(transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._node._receive(data, Address.from_socket(addr))

    def error_received(self, exc: Exception) -> None:
        """An ICMP message about some earlier datagram: its query will time out."""

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False

    def connection_lost(self, exc: Exception | None) -> None:
        self._node._release()
        if not self._closed.done():
            self._closed.set_result(None)

    def send(self, data: bytes, address: Address) -> None:
        if self._transport is not None and not self._is_full:
            self._transport.sendto(data, address)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def wait_closed(self) -> None:
        if self._transport is not None:
            await self._closed


def _mainline_key(value: bytes | Key) -> Key:
    key = value if isinstance(value, Key) else Key.from_bytes(value)
    if key.bits != KEY_BITS:
        raise ValueError(f"the mainline DHT has keys of {KEY_BITS} bits, not {key.bits}")
    return key


MAX_ADDRESSES_PER_NAME = 4
MAX_RESOLVING = 32
