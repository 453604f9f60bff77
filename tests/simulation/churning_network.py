"""A DHT of real `MainlineNode`s in equilibrium with churn: sessions end by crash, and newcomers take their place."""

from __future__ import annotations

import asyncio
import math
import random
from contextlib import suppress
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import count

from kademlia_core import Contact, Key, MainlineConfig, MainlineNode
from kademlia_core.errors import KademliaError, NodeClosedError
from transfer.address import Address
from transfer.simulation import Simulation
from transfer.simulation.workloads import Weibull


@dataclass(slots=True, kw_only=True)
class Figures:
    """What was measured; times in seconds, traffic in bytes sent by each node each second."""

    sessions_ended: int = 0
    lookups: int = 0
    found: int = 0
    first_peer_s: list[float] = field(default_factory=list)
    node_lookups: int = 0
    found_closest: int = 0
    node_lookup_s: list[float] = field(default_factory=list)
    quiet_bytes_per_s: float = 0.0
    busy_bytes_per_s: float = 0.0


class ChurningNetwork:
    """`size` nodes at any time.

    Args:
        sessions: how long nodes stay. The first ones are met in the middle of theirs, as in a network that has been
            running for ever: long sessions are met more often, and some uniform part of each is left.
    """

    def __init__(self, simulation: Simulation, *, size: int, sessions: Weibull, config: MainlineConfig) -> None:
        self.figures = Figures()
        self._simulation = simulation
        self._rng = random.Random(simulation.rng.getrandbits(64))
        self._size = size
        self._sessions = sessions
        self._config = config
        self._numbers = count(1)
        self._alive: dict[int, MainlineNode] = {}
        self._gone: list[MainlineNode] = []
        self._departures: list[tuple[float, int]] = []
        self._sent_by_the_gone = 0

    async def open(self) -> None:
        """Everybody joins, within five seconds for each hundred."""
        for _ in range(self._size):
            number = await self._add()
            self._departures.append((self._simulation.now + residual_s(self._sessions, self._rng), number))
            await asyncio.sleep(0.05)
        heapify(self._departures)

    async def churn(self, duration_s: float) -> None:
        """Nodes go and come for so long."""
        until = self._simulation.now + duration_s
        while self._departures[0][0] < until:
            at, number = heappop(self._departures)
            await asyncio.sleep(max(0.0, at - self._simulation.now))
            self._simulation.crash(host_of(number))
            node = self._alive.pop(number)
            self._sent_by_the_gone += node.statistics().sent_bytes if _is_open(node) else 0
            self._gone.append(node)
            self.figures.sessions_ended += 1
            newcomer = await self._add()
            heappush(self._departures, (self._simulation.now + self._sessions.draw_s(self._rng), newcomer))
        await asyncio.sleep(until - self._simulation.now)

    async def measure_quiet(self, duration_s: float) -> None:
        """Nobody looks anything up: what upkeep and joining cost."""
        before = self._sent()
        await self.churn(duration_s)
        self.figures.quiet_bytes_per_s = (self._sent() - before) / duration_s / self._size

    async def measure_busy(
        self, duration_s: float, *, keys: int, lookups_per_s: float, announce_interval_s: float
    ) -> None:
        """Keys are announced again and again, and looked up by nodes chosen at random; so are random targets."""
        before = self._sent()
        info_hashes = [self._rng.randbytes(20) for _ in range(keys)]
        work = [asyncio.create_task(self._keep_announced(info_hash, announce_interval_s)) for info_hash in info_hashes]
        asking = asyncio.create_task(self._ask(info_hashes, lookups_per_s))
        await self.churn(duration_s)
        for task in (*work, asking):
            task.cancel()
        await asyncio.gather(*work, asking, return_exceptions=True)
        self.figures.busy_bytes_per_s = (self._sent() - before) / duration_s / self._size

    async def aclose(self) -> None:
        for node in (*self._alive.values(), *self._gone):
            await node.aclose()

    async def _add(self) -> int:
        number = next(self._numbers)
        entries = self._rng.sample(sorted(self._alive), min(3, len(self._alive)))
        with self._simulation.host(host_of(number)):
            node = MainlineNode(
                port=6881,
                bootstrap=[Address(host_of(entry), 6881) for entry in entries],
                config=self._config,
                rng=random.Random(self._rng.getrandbits(64)),
            )
            self._alive[number] = await node.__aenter__()
        return number

    async def _keep_announced(self, info_hash: bytes, interval_s: float) -> None:
        await asyncio.sleep(self._rng.uniform(0, 30))
        while True:
            is_kept = False
            with suppress(KademliaError, NodeClosedError, TimeoutError):
                async with asyncio.timeout(RETRY_S):  # the announcer may crash, and will not say so
                    is_kept = bool((await self._somebody().announce(info_hash, port=6881)).accepted_by)
            await asyncio.sleep(interval_s if is_kept else 0)

    async def _ask(self, info_hashes: list[bytes], lookups_per_s: float) -> None:
        await asyncio.sleep(60)  # until all have been announced once
        running: set[asyncio.Task[None]] = set()
        try:
            while True:
                for work in (self._find_peers(self._rng.choice(info_hashes)), self._find_node()):
                    task = asyncio.create_task(work)
                    running.add(task)
                    task.add_done_callback(running.discard)
                await asyncio.sleep(2 / lookups_per_s)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _find_peers(self, info_hash: bytes) -> None:
        node, figures, started_at = self._somebody(), self.figures, self._simulation.now
        with suppress(KademliaError, NodeClosedError):  # the asker may crash in the middle: that is no lookup
            async with node.find_peers(info_hash) as lookup:
                async for _ in lookup:
                    figures.found += 1
                    figures.first_peer_s.append(self._simulation.now - started_at)
                    break
                figures.lookups += 1

    async def _find_node(self) -> None:
        node, figures, started_at = self._somebody(), self.figures, self._simulation.now
        target = Key.random(160, self._rng)
        with suppress(KademliaError, NodeClosedError):
            found: list[Contact] = await node.find_node(target)
            closest = min((each.node_id ^ target, each) for each in self._alive.values() if each is not node)[1]
            figures.node_lookups += 1
            figures.found_closest += any(contact.key == closest.node_id for contact in found)
            figures.node_lookup_s.append(self._simulation.now - started_at)

    def _somebody(self) -> MainlineNode:
        """A node that has been there for a while: newcomers are still joining."""
        numbers = sorted(self._alive)
        return self._alive[self._rng.choice(numbers[: max(1, len(numbers) - 3)])]

    def _sent(self) -> int:
        return self._sent_by_the_gone + sum(node.statistics().sent_bytes for node in self._alive.values())


def residual_s(sessions: Weibull, rng: random.Random) -> float:
    """What is left of a session that is met at a random moment.

    The session met is drawn in proportion to its length: its power of `shape` has a gamma distribution of 1 + 1/shape.
    """
    met_s = sessions.scale_s * math.pow(rng.gammavariate(1 + 1 / sessions.shape, 1.0), 1 / sessions.shape)
    return rng.random() * met_s


def host_of(number: int) -> str:
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


def _is_open(node: MainlineNode) -> bool:
    try:
        node.statistics()
    except NodeClosedError:
        return False
    return True


RETRY_S = 20.0
