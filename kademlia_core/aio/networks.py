"""The networks that a node is part of, one for each address family, asked together as if they were one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Generic

from kademlia_core.aio.driver import CoreT
from kademlia_core.aio.lookups import RunningLookup
from kademlia_core.aio.names import NameQuestion, resolve, resolve_through
from kademlia_core.engine.events import Event, Found, JoinStateChanged, LookupFinished, QueryFinished
from kademlia_core.engine.joining import JoinState
from kademlia_core.errors import BootstrapError, NoAnswerError, NodeClosedError, QueryRefusedError
from transfer.address import is_ip_address
from transfer.errors import LimitExceededError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kademlia_core.aio.driver import CoreDriver
    from kademlia_core.engine.direct_query import DirectQuery
    from kademlia_core.engine.lookup import EngineLookup, Placement
    from kademlia_core.engine.requests import Request
    from transfer.address import Address


class Networks(Generic[CoreT]):
    """The open drivers of a node, and the callers that wait for what goes on in them: lookups, queries, joining.

    Args:
        ask_name: makes what a name is asked with on a port behind a proxy; it makes None where the dialect has nothing.
    """

    def __init__(
        self,
        *,
        bootstrap: tuple[Address, ...],
        resolve_timeout_s: float,
        ask_name: Callable[[], NameQuestion | None] = lambda: None,
    ) -> None:
        self._ask_name = ask_name
        self._bootstrap = bootstrap
        self._resolve_timeout_s = resolve_timeout_s
        self._drivers: list[CoreDriver[CoreT]] = []
        self._join_changed = asyncio.Event()
        self._lookups: dict[EngineLookup, RunningLookup] = {}
        self._queries: dict[DirectQuery, asyncio.Future[DirectQuery]] = {}

    def add(self, driver: CoreDriver[CoreT]) -> None:
        """One more network, whose socket is open."""
        self._drivers.append(driver)

    def remove(self, driver: CoreDriver[CoreT]) -> bool:
        """A socket is gone. No caller may wait any longer when it was the last. Returns whether it was here."""
        is_known = driver in self._drivers
        if is_known:
            self._drivers.remove(driver)
        if not self._drivers:
            self._release()
        return is_known

    def close(self) -> list[CoreDriver[CoreT]]:
        """Closes all sockets and ends what is in flight with `NodeClosedError`. Returns the drivers."""
        drivers, self._drivers = self._drivers, []
        for driver in drivers:
            driver.close()
        self._release()
        return drivers

    def receive_event(self, event: Event) -> None:
        """What a core reports reaches the callers that wait for it."""
        match event:
            case Found():
                if (running := self._lookups.get(event.lookup)) is not None:
                    running.add(event.found)
            case LookupFinished():
                if (running := self._lookups.pop(event.lookup, None)) is not None:
                    running.finish(event.lookup)
            case QueryFinished():
                answer = self._queries.get(event.query)
                if answer is not None and not answer.done():
                    answer.set_result(event.query)
            case JoinStateChanged():
                self._join_changed.set()

    @property
    def drivers(self) -> list[CoreDriver[CoreT]]:
        """Those that are open; none before the node is, and after it was closed."""
        return self._drivers

    @property
    def open_drivers(self) -> list[CoreDriver[CoreT]]:
        """Those that are open, at least one.

        Raises:
            NodeClosedError: the node is not open.
        """
        if not self._drivers:
            raise NodeClosedError("the node is not open; use it inside `async with`")
        return self._drivers

    @property
    def joined(self) -> list[CoreDriver[CoreT]]:
        """Those whose networks have been joined.

        Raises:
            NodeClosedError: the node is not open.
        """
        return [driver for driver in self.open_drivers if driver.core.engine.join_state is JoinState.JOINED]

    async def wait_joined(self) -> None:
        """Waits until one network at least has been joined.

        Raises:
            BootstrapError: no bootstrap address answered.
            NodeClosedError: the node is not open.
        """
        while True:
            states = {driver.core.engine.join_state for driver in self.open_drivers}
            if JoinState.JOINED in states:
                return
            if states == {JoinState.FAILED}:
                raise BootstrapError(self._bootstrap)
            self._join_changed.clear()
            await self._join_changed.wait()

    async def run(self, start: Callable[[CoreT, float], EngineLookup]) -> RunningLookup:
        """Starts a lookup in each network that has been joined, and waits until all have ended.

        Raises:
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many lookups are running.
        Cancellation: ends the lookups.
        """
        running = await self.begin(start)
        try:
            await running.wait_finished()
        finally:
            self.end(running)
        return running

    async def begin(self, start: Callable[[CoreT, float], EngineLookup]) -> RunningLookup:
        """Starts a lookup in each network that has been joined; `end` it.

        Raises:
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many lookups are running.
        """
        await self.wait_joined()
        parts: list[tuple[EngineLookup, CoreDriver[CoreT]]] = []
        try:
            for driver in self.joined:
                parts.append((start(driver.core, driver.now), driver))
        except LimitExceededError:
            for lookup, driver in parts:
                driver.core.engine.cancel(lookup)
            raise
        return self._watch(RunningLookup(parts))

    async def place(self, running: RunningLookup, placement: Callable[[EngineLookup], Placement]) -> RunningLookup:
        """Leaves something with the closest nodes of lookups that have ended, and waits until it is there.

        Raises:
            NodeClosedError: the node was closed.
            LimitExceededError: too many lookups are running.
        Cancellation: what was sent is not taken back.
        """
        parts = [(lookup, driver) for lookup, driver in running.parts if driver in self.open_drivers]
        for lookup, driver in parts:
            driver.core.engine.place(lookup, placement(lookup), now=driver.now)
        placing = self._watch(RunningLookup(parts))
        try:
            await placing.wait_finished()
        finally:
            self.end(placing)
        return placing

    def end(self, running: RunningLookup) -> None:
        """Ends what is still in flight."""
        for lookup in running.lookups:
            self._lookups.pop(lookup, None)
            for driver in self._drivers:
                driver.core.engine.cancel(lookup)

    async def ask(self, address: Address, request: Request) -> DirectQuery:
        """One query to one address.

        Raises:
            QueryRefusedError: the node answered with an error.
            NoAnswerError: no node answered at any address of the name, or it has none.
            NodeClosedError: the node is not open.
        """
        families = " or ".join("IPv6" if driver.core.is_ipv6 else "IPv4" for driver in self.open_drivers)
        failure = NoAnswerError(address, f"{address} could not be asked: it has no {families} address")
        for driver in list(self.open_drivers):
            for resolved in await self.resolve(driver, address):
                if not driver.is_open:
                    raise NodeClosedError("the node was closed during a query")
                query = await self.send(driver, resolved, request)
                if query.error is not None:
                    raise QueryRefusedError(address, query.error.code, query.error.text)
                if query.response is not None:
                    return query
                failure = NoAnswerError(address)
        raise failure

    def send(self, driver: CoreDriver[CoreT], address: Address, request: Request) -> asyncio.Future[DirectQuery]:
        """Sends one query. The future is done when it has been answered, or has failed; cancelling it forgets it."""
        query = driver.core.engine.query(address, request, now=driver.now)
        self._queries[query] = outcome = asyncio.get_running_loop().create_future()
        outcome.add_done_callback(lambda _: self._queries.pop(query, None))
        driver.drive()
        return outcome

    async def resolve(self, driver: CoreDriver[CoreT], address: Address) -> list[Address]:
        """The addresses of a name in the family of a network; none when the name service knows none in time.

        Behind a proxy no name service is asked: see `resolve_through`.
        """
        if driver.port.proxy is not None and not is_ip_address(address.host):
            question = self._ask_name()
            if question is None:
                return []
            ipv6, patience_s = driver.core.is_ipv6, self._resolve_timeout_s
            return await resolve_through(driver.port, address, question, ipv6=ipv6, patience_s=patience_s)
        return await resolve(address, ipv6=driver.core.is_ipv6, patience_s=self._resolve_timeout_s)

    def _watch(self, running: RunningLookup) -> RunningLookup:
        """Hands on what the lookups find from here on."""
        for lookup, _ in running.parts:
            self._lookups[lookup] = running
        for _, driver in running.parts:
            driver.drive()
        return running

    def _release(self) -> None:
        for running in self._lookups.values():
            running.close()
        self._lookups.clear()
        for answer in self._queries.values():
            if not answer.done():
                answer.set_exception(NodeClosedError("the node was closed during a query"))
        self._queries.clear()
        self._join_changed.set()
