"""Walking through the network and collecting info-hashes (BEP 51)."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from kademlia_core.errors import NodeClosedError
from kademlia_core.mainline.messages import Response, SampleInfoHashes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from types import TracebackType

    from kademlia_core.aio.driver import CoreDriver
    from kademlia_core.contact import Contact
    from kademlia_core.engine.direct_query import DirectQuery
    from kademlia_core.engine.requests import Request
    from kademlia_core.mainline.core import MainlineCore
    from kademlia_core.mainline.sample_walk import SampleWalk
    from kademlia_core.mainline.sampling import InfoHashSample
    from transfer.address import Address


@dataclass(frozen=True, slots=True)
class NodeSample:
    """What one node told of the info-hashes that it keeps peers of."""

    node: Contact
    sample: InfoHashSample


@dataclass(frozen=True, slots=True)
class NetworkWalk:
    """The walk through the network of one address family, and the means to ask its nodes."""

    walk: SampleWalk
    driver: CoreDriver[MainlineCore]
    send: Callable[[Address, Request], asyncio.Future[DirectQuery]]

    def add_known(self) -> None:
        """Goes on from the nodes that the routing table knows."""
        self.walk.add(self.driver.core.table, now=self.driver.now)


class InfoHashWalk:
    """The samples of one node after the other: enter it, iterate over it, leave it. Leaving ends all queries.

    Iteration never ends by itself: when all nodes have been asked it waits until the first may be asked again. No node
    is asked while no caller waits for the next sample, except for what is on its way by then.
    """

    def __init__(self, start: Callable[[], Awaitable[list[NetworkWalk]]]) -> None:
        self._start = start
        self._networks: list[NetworkWalk] | None = None
        self._asked: dict[asyncio.Future[DirectQuery], tuple[NetworkWalk, Contact]] = {}
        self._found: deque[NodeSample] = deque()

    async def __aenter__(self) -> Self:
        """Waits until the node has joined the network.

        Raises:
            BootstrapError: joining has failed.
            NodeClosedError: the node is not open, or the walk has been entered before.
        """
        if self._networks is not None:
            raise NodeClosedError("this walk has been used; ask the node for a new one")
        self._networks = await self._start()
        for network in self._networks:
            network.add_known()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for outcome in self._asked:
            if not outcome.cancel() and not outcome.cancelled():
                outcome.exception()  # the node was closed: the caller has been told once, which is enough
        self._asked.clear()

    def __aiter__(self) -> AsyncIterator[NodeSample]:
        return self

    async def __anext__(self) -> NodeSample:
        """Waits for the next sample.

        Raises:
            NodeClosedError: the node was closed, or the walk not entered.

        Cancellation: safe; no sample is lost.
        """
        if self._networks is None:
            raise NodeClosedError("enter the walk with `async with` before iterating")
        while not self._found:
            pause_s = min(map(self._ask, self._networks), default=0.0)
            if self._asked:
                await asyncio.wait(self._asked, timeout=pause_s, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(pause_s)
            for outcome in [outcome for outcome in self._asked if outcome.done()]:
                self._take(outcome)
        return self._found.popleft()

    def _ask(self, network: NetworkWalk) -> float:
        """Asks as many nodes as may be asked now; returns how long to wait for the next, at most `RECHECK_S`."""
        if not network.driver.is_open:
            raise NodeClosedError("the node was closed during a walk")
        now = network.driver.now
        if not network.walk.waiting_count:
            network.add_known()
        while (query := network.walk.next_query(now=now)) is not None:
            contact, target = query
            self._asked[network.send(contact.address, SampleInfoHashes(target))] = network, contact
        return max(0.0, min(RECHECK_S, network.walk.next_timer(now=now) - now))

    def _take(self, outcome: asyncio.Future[DirectQuery]) -> None:
        network, contact = self._asked.pop(outcome)
        query, now = outcome.result(), network.driver.now
        if not isinstance(query.response, Response):
            network.walk.on_failure(contact, now=now)
            return
        contacts = network.driver.core.contacts_in(query.response, contact.address, now=now)
        network.walk.on_answer(contact, contacts, query.response.sample, now=now)
        if query.response.sample is not None and query.contact is not None:
            self._found.append(NodeSample(query.contact, query.response.sample))


RECHECK_S = 60.0  # the routing table may have met new nodes by then
