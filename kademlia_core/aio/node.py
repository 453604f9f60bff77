"""A node on asyncio UDP sockets, whatever its dialect: the shell around one `NodeCore` for each address family."""

from __future__ import annotations

import asyncio
import errno
import random
from pathlib import Path
from typing import TYPE_CHECKING, Generic, Self

from kademlia_core.aio.driver import CoreDriver, CoreT, places_of
from kademlia_core.aio.lookups import RunningSearch
from kademlia_core.aio.names import resolve
from kademlia_core.aio.state_file import StateFile
from kademlia_core.errors import BootstrapError, NoAnswerError, NodeClosedError, QueryRefusedError
from kademlia_core.key import Key
from kademlia_core.node.events import Event, Found, JoinStateChanged, JoinWanted, QueryFinished, SearchFinished
from kademlia_core.node.joining import JoinState
from kademlia_core.node.messages import Ping, Request
from transfer.address import Address, is_ip_address
from transfer.errors import LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable
    from types import TracebackType

    from kademlia_core.contact import Contact
    from kademlia_core.node.config import NodeConfig
    from kademlia_core.node.dialect import Placement
    from kademlia_core.node.queries import DirectQuery
    from kademlia_core.node.searches import Search
    from kademlia_core.node.snapshot import NetworkSnapshot
    from transfer.aio.datagram_port import DatagramPort


class Node(Generic[CoreT]):
    """A node of a Kademlia network. Derived classes bring the dialect and its commands.

    Enter it with `async with`: that binds the sockets and begins to join the network in the background. Every lookup
    waits for that by itself. An empty `bootstrap` starts a network of one's own.

    With hosts of both address families it is a node of two networks, one for each (BEP 32): commands go to both, and
    what they find is merged.
    """

    def __init__(
        self,
        *,
        host: str | tuple[str, ...],
        port: int,
        datagrams: DatagramPort | tuple[DatagramPort, ...] = (),
        bootstrap: Iterable[tuple[str, int]],
        config: NodeConfig,
        rng: random.Random | None,
        node_id: Key | None,
        state_file: Path | str | None,
    ) -> None:
        self._places = places_of(host, port, datagrams)
        self._bootstrap = tuple(map(_endpoint, bootstrap))
        self._config = config
        self._rng = rng or random.SystemRandom()
        self._node_id = node_id
        self._state = StateFile(Path(state_file)) if state_file is not None else None
        self._saved: dict[bool, NetworkSnapshot] = {}
        self._drivers: list[CoreDriver[CoreT]] = []
        self._is_entered = False
        self._join_changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._searches: dict[Search, RunningSearch] = {}
        self._queries: dict[DirectQuery, asyncio.Future[DirectQuery]] = {}

    async def __aenter__(self) -> Self:
        """Binds the sockets and begins to join. Of several hosts, those that the machine does not have are left out.

        Raises:
            OSError: the address cannot be bound.
            ValueError: the node id has the wrong width.
            NodeClosedError: this node has been entered before.
        """
        if self._is_entered:
            raise NodeClosedError("a node can be entered only once; make a new one")
        self._is_entered = True
        self._loop = asyncio.get_running_loop()
        try:
            self._saved = await self._load()
            await self._open_sockets()
            self._begin_to_join()
        except BaseException:
            await self.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the sockets and ends everything in flight with `NodeClosedError`. Repeating it does no harm."""
        drivers, self._drivers = self._drivers, []
        for driver in drivers:
            driver.close()
        self._release()
        if self._state is not None and drivers:
            self._state.save(self._snapshots(drivers))  # at once: who closes in a hurry may not wait for a thread
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for driver in drivers:
            await driver.wait_closed()

    async def wait_joined(self) -> None:
        """Waits until this node is part of a network; at once when it started its own.

        Raises:
            BootstrapError: no bootstrap address answered. It is tried again in the background; so may you.
            NodeClosedError: the node is not open.
        """
        while True:
            states = {driver.core.join_state for driver in self._open_drivers}
            if JoinState.JOINED in states:
                return
            if states == {JoinState.FAILED}:
                raise BootstrapError(self._bootstrap)
            self._join_changed.clear()
            await self._join_changed.wait()

    async def find_node(self, target: bytes | Key) -> list[Contact]:
        """The nodes closest to `target` that answer, closest first; of each address family as many.

        Raises:
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many searches are running.
        Cancellation: ends the lookup.
        """
        key = self._key(target)
        running = await self._run(lambda core, now: core.find_node(key, now=now))
        found = [contact for search in running.searches for contact in search.result()]
        return sorted(found, key=lambda contact: contact.key ^ key)

    async def ping(self, address: tuple[str, int]) -> Contact:
        """Who is at `address`? Joining is not waited for.

        Raises:
            NoAnswerError: nobody answered, or the name has no address.
            NodeClosedError: the node is not open.
        """
        query = await self._ask(Address(*address), Ping())
        assert query.contact is not None
        return query.contact

    def add_node(self, address: tuple[str, int]) -> None:
        """A hint from elsewhere that a node is at `address`: it is pinged, and kept if it answers.

        Raises:
            NodeClosedError: the node is not open.
        """
        drivers, hint = self._open_drivers, Address(*address)
        for driver in drivers:
            if is_ip_address(hint.host):
                driver.core.add_node(hint, now=driver.now)
                driver.drive()
            elif len(self._tasks) < MAX_RESOLVING:
                self._spawn(self._resolve_hint(driver, hint))

    @property
    def address(self) -> Address:
        """Where this node is bound, the IPv4 address if there are two.

        Raises:
            NodeClosedError: the node is not open.
        """
        return self.addresses[0]

    @property
    def addresses(self) -> tuple[Address, ...]:
        """Where this node is bound, IPv4 first.

        Raises:
            NodeClosedError: the node is not open.
        """
        return tuple(sorted((driver.address for driver in self._open_drivers), key=lambda address: address.is_ipv6))

    @property
    def datagrams(self) -> tuple[DatagramPort, ...]:
        """The UDP sockets of this node, IPv4 first. Others may join them for as long as the node is open.

        Raises:
            NodeClosedError: the node is not open.
        """
        ports = (driver.port for driver in self._open_drivers)
        return tuple(sorted(ports, key=lambda port: port.address.is_ipv6))

    @property
    def node_id(self) -> Key:
        """The key of this node, in the IPv4 network if there are two.

        Raises:
            NodeClosedError: the node is not open.
        """
        return min(self._open_drivers, key=lambda driver: driver.core.is_ipv6).core.node_id

    # For derived classes.

    _first_bytes: bytes  # what the datagrams of the dialect begin with, so that others may share the socket

    def _make_core(self, local: Address, node_id: Key | None) -> CoreT:
        raise NotImplementedError

    def _key(self, value: bytes | Key) -> Key:
        try:
            key = value if isinstance(value, Key) else Key.from_bytes(value)
        except TypeError:
            kind = type(value).__name__
            raise TypeError(f"a key is bytes or a Key, not {kind}; for hexadecimal text use bytes.fromhex") from None
        if key.bits != self._key_bits:
            raise ValueError(f"this network has keys of {self._key_bits} bits, not {key.bits}")
        return key

    @property
    def _key_bits(self) -> int:
        raise NotImplementedError

    async def _run(self, start: Callable[[CoreT, float], Search]) -> RunningSearch:
        """Starts a search in each network that has been joined, and waits until all have ended.

        Raises:
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many searches are running.
        Cancellation: ends the searches.
        """
        running = await self._begin(start)
        try:
            await running.wait_finished()
        finally:
            self._end(running)
        return running

    async def _begin(self, start: Callable[[CoreT, float], Search]) -> RunningSearch:
        await self.wait_joined()
        parts: list[tuple[Search, CoreDriver[CoreT]]] = []
        try:
            for driver in self._open_drivers:
                if driver.core.join_state is JoinState.JOINED:
                    parts.append((start(driver.core, driver.now), driver))
        except LimitExceededError:
            for search, driver in parts:
                driver.core.cancel(search)
            raise
        return self._watch(RunningSearch(parts))

    async def _place(self, running: RunningSearch, placement: Callable[[Search], Placement]) -> RunningSearch:
        """Leaves something with the closest nodes of searches that have ended, and waits until it is there.

        Raises:
            NodeClosedError: the node was closed.
            LimitExceededError: too many searches are running.
        Cancellation: what was sent is not taken back.
        """
        parts = [(search, driver) for search, driver in running.parts if driver in self._open_drivers]
        for search, driver in parts:
            driver.core.place(search, placement(search), now=driver.now)
        placing = self._watch(RunningSearch(parts))
        try:
            await placing.wait_finished()
        finally:
            self._end(placing)
        return placing

    def _watch(self, running: RunningSearch) -> RunningSearch:
        """Hands on what the searches find from here on."""
        for search, _ in running.parts:
            self._searches[search] = running
        for _, driver in running.parts:
            driver.drive()
        return running

    def _end(self, running: RunningSearch) -> None:
        for search in running.searches:
            self._searches.pop(search, None)
            for driver in self._drivers:
                driver.core.cancel(search)

    async def _ask(self, address: Address, request: Request) -> DirectQuery:
        """One query to one address.

        Raises:
            QueryRefusedError: the node answered with an error.
            NoAnswerError: nobody answered at any address of the name, or it has none.
            NodeClosedError: the node is not open.
        """
        families = " or ".join("IPv6" if driver.core.is_ipv6 else "IPv4" for driver in self._open_drivers)
        error = NoAnswerError(address, f"{address} could not be asked: it has no {families} address")
        for driver in list(self._open_drivers):
            for resolved in await self._resolve(driver, address):
                if not driver.is_open:
                    raise NodeClosedError("the node was closed during a query")
                query = await self._send(driver, resolved, request)
                if query.error is not None:
                    raise QueryRefusedError(address, query.error.code, query.error.text)
                if query.response is not None:
                    return query
                error = NoAnswerError(address)
        raise error

    def _send(self, driver: CoreDriver[CoreT], address: Address, request: Request) -> asyncio.Future[DirectQuery]:
        """Sends one query. The future is done when it has been answered, or has failed; cancelling it forgets it."""
        query = driver.core.query(address, request, now=driver.now)
        self._queries[query] = outcome = self._loop.create_future()
        outcome.add_done_callback(lambda _: self._queries.pop(query, None))
        driver.drive()
        return outcome

    @property
    def _open_drivers(self) -> list[CoreDriver[CoreT]]:
        if not self._drivers:
            raise NodeClosedError("the node is not open; use it inside `async with`")
        return self._drivers

    # What the drivers report.

    def _report(self, driver: CoreDriver[CoreT], event: Event) -> None:
        match event:
            case Found():
                if (running := self._searches.get(event.search)) is not None:
                    running.add(event.found)
            case SearchFinished():
                if (running := self._searches.pop(event.search, None)) is not None:
                    running.finish(event.search)
            case QueryFinished():
                answer = self._queries.get(event.query)
                if answer is not None and not answer.done():
                    answer.set_result(event.query)
            case JoinWanted():
                self._join(driver)
            case JoinStateChanged():
                self._join_changed.set()

    def _lose(self, driver: CoreDriver[CoreT]) -> None:
        """A socket is gone. Nobody may wait any longer when it was the last."""
        if driver in self._drivers:
            self._drivers.remove(driver)
            if self._state is not None:
                self._snapshots([driver])
        if not self._drivers:
            self._release()

    def _release(self) -> None:
        for running in self._searches.values():
            running.close()
        self._searches.clear()
        for answer in self._queries.values():
            if not answer.done():
                answer.set_exception(NodeClosedError("the node was closed during a query"))
        self._queries.clear()
        self._join_changed.set()

    # Sockets, joining and names.

    def _begin_to_join(self) -> None:
        if len(self._drivers) == 2:
            first, second = (driver.core for driver in self._drivers)
            first.pair(second)
            second.pair(first)
        for driver in self._drivers:
            if not self._restore(driver):
                self._join(driver)
        if self._state is not None:
            self._spawn(self._save_regularly(self._state))

    async def _load(self) -> dict[bool, NetworkSnapshot]:
        """What an earlier run left, by whether it is IPv6."""
        if self._state is None:
            return {}
        saved = await self._loop.run_in_executor(None, self._state.load)
        return {network.is_ipv6: network for network in saved if network.node_id.bits == self._key_bits}

    async def _save_regularly(self, state: StateFile) -> None:
        while True:
            await asyncio.sleep(self._config.snapshot_interval_s)
            await self._loop.run_in_executor(None, state.save, self._snapshots(self._drivers))

    def _snapshots(self, drivers: Iterable[CoreDriver[CoreT]]) -> list[NetworkSnapshot]:
        """The networks as they are; or as they were last, if nobody has answered since or this node is not there."""
        for driver in drivers:
            snapshot = driver.core.snapshot()
            if snapshot.contacts or snapshot.is_ipv6 not in self._saved:
                self._saved[snapshot.is_ipv6] = snapshot
        return [self._saved[is_ipv6] for is_ipv6 in sorted(self._saved)]

    def _restore(self, driver: CoreDriver[CoreT]) -> bool:
        """Whether there is anybody from an earlier run to begin with."""
        saved = self._saved.get(driver.core.is_ipv6)
        if saved is None or not saved.contacts:
            return False
        driver.core.restore(saved.contacts, now=driver.now)
        self._loop.call_soon(driver.drive)
        return True

    async def _open_sockets(self) -> None:
        missing: OSError | None = None
        for place in self._places:
            local = place if isinstance(place, Address) else place.address
            saved = self._saved.get(local.is_ipv6)
            node_id = self._node_id or (saved.node_id if saved is not None else None)
            driver = CoreDriver(self._make_core(local, node_id), on_event=self._report, on_lost=self._lose)
            try:
                await driver.open(place, self._first_bytes)
            except OSError as error:
                if error.errno not in NO_SUCH_FAMILY:
                    raise
                missing = error
            else:
                self._drivers.append(driver)
        if missing is not None and not self._drivers:
            raise missing

    def _join(self, driver: CoreDriver[CoreT]) -> None:
        """Asks the bootstrap addresses; a name as soon as it is resolved, so that none waits for another."""
        known = tuple(each for each in self._bootstrap if is_ip_address(each.host))
        names = [each for each in self._bootstrap if each not in known]
        mine = tuple(address for address in known if address.is_ipv6 == driver.core.is_ipv6)
        driver.core.join(mine, alone=not self._bootstrap, awaits_more=bool(names), now=driver.now)
        self._loop.call_soon(driver.drive)
        if names:
            self._spawn(self._resolve_and_meet(driver, names))

    async def _resolve_and_meet(self, driver: CoreDriver[CoreT], names: list[Address]) -> None:
        waiting = len(names)

        async def meet(name: Address) -> None:
            nonlocal waiting
            addresses = await self._resolve(driver, name)
            waiting -= 1
            if driver.is_open:
                driver.core.meet(tuple(dict.fromkeys(addresses)), awaits_more=waiting > 0, now=driver.now)
                driver.drive()

        async with asyncio.TaskGroup() as group:
            for name in names:
                group.create_task(meet(name))

    async def _resolve_hint(self, driver: CoreDriver[CoreT], hint: Address) -> None:
        for address in await self._resolve(driver, hint):
            if driver.is_open:
                driver.core.add_node(address, now=driver.now)
                driver.drive()

    async def _resolve(self, driver: CoreDriver[CoreT], address: Address) -> list[Address]:
        return await resolve(address, ipv6=driver.core.is_ipv6, patience_s=self._config.resolve_timeout_s)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _endpoint(entry: tuple[str, int]) -> Address:
    match entry:
        case (str(host), int(port)) if host and 0 < port <= 65535:
            return Address(host, port)
    raise ValueError(f"a bootstrap entry is a tuple (host, port) with a port from 1 to 65535, not {entry!r}")


MAX_RESOLVING = 32
NO_SUCH_FAMILY = frozenset((errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT))
