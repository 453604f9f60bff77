"""A node of libp2p's DHT on a host."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from kademlia_core.aio.libp2p.driver import KadDriver
from kademlia_core.aio.lookups import Lookup, RunningLookup
from kademlia_core.engine.events import Event, Found, JoinStateChanged, JoinWanted, LookupFinished, QueryFinished
from kademlia_core.engine.joining import JoinState
from kademlia_core.errors import BootstrapError, NoAnswerError, NodeClosedError
from kademlia_core.libp2p.config import LAN_PROTOCOL, PUBLIC_PROTOCOL, Libp2pConfig
from kademlia_core.libp2p.core import Libp2pCore
from kademlia_core.libp2p.keyspace import key_of
from kademlia_core.libp2p.messages import PeerInfo
from kademlia_core.libp2p.names import content_key, value_key
from kademlia_core.libp2p.peer import Peer, Scope
from kademlia_core.libp2p.validators import Validators
from transfer.aio.tasks import TaskSet
from transfer.errors import LimitExceededError, TransferError
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.multiaddr import Multiaddr

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType

    from kademlia_core.aio.libp2p.contract import StreamHost
    from kademlia_core.engine.direct_query import DirectQuery
    from kademlia_core.engine.lookup import EngineLookup
    from kademlia_core.libp2p.stats import Libp2pStats
    from kademlia_core.libp2p.validators import Validator
    from kademlia_core.lookup_stats import LookupStats


PUBLIC_AND_LAN: Mapping[str, Scope] = {PUBLIC_PROTOCOL: Scope.PUBLIC, LAN_PROTOCOL: Scope.LOCAL}
"""The two networks that nodes of IPFS are part of."""


@dataclass(frozen=True, slots=True)
class PublishReport:
    """How leaving something with the closest peers went. `accepted_by` are those that took it, closest first.

    An announcement is not answered: it counts as taken when it was delivered.
    """

    accepted_by: tuple[PeerId, ...]
    lookup: LookupStats


class Libp2pNode:
    """A node of libp2p's DHT. Enter it with `async with`, inside that of its host; it joins in the background.

    Commands wait until a network was joined, go to each network that was, and what they find is merged.

    Args:
        host: opens streams to peers; it stays its owner's to close.
        bootstrap: multiaddrs of peers to join through; none starts a network.
        networks: protocol ids and what addresses each is about; by default the public network and the local one.
            A network of one's own has `Scope.ANY` and a protocol id of its own.
        is_server: whether to answer others; by default, in each network for which the host has an address.
        config: bounds and times.
        validators: rules of namespaces of one's own.
        rng: where randomness comes from.
    """

    def __init__(
        self,
        host: StreamHost,
        *,
        bootstrap: Iterable[Multiaddr | str] = (),
        networks: Mapping[str, Scope] | None = None,
        is_server: bool | None = None,
        config: Libp2pConfig | None = None,
        validators: Mapping[str, Validator] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        """A node that is not open yet.

        Raises:
            MultiaddrError: a bootstrap address is none.
            ValueError: there is no network, or a namespace is none.
        """
        self._host = host
        self._bootstrap = tuple(each if isinstance(each, Multiaddr) else Multiaddr.parse(each) for each in bootstrap)
        self._networks = dict(PUBLIC_AND_LAN if networks is None else networks)
        if not self._networks:
            raise ValueError("a node is part of one network at least")
        self._is_server = is_server
        self._config = config or Libp2pConfig()
        self._validators = Validators(validators)
        self._rng = rng or random.SystemRandom()
        self._drivers: list[KadDriver] = []
        self._tasks: TaskSet | None = None
        self._changed = asyncio.Event()
        self._lookups: dict[EngineLookup, RunningLookup] = {}
        self._queries: dict[DirectQuery, asyncio.Future[None]] = {}

    async def __aenter__(self) -> Self:
        """Begins to join.

        Raises:
            NodeClosedError: this node has been entered before.
        """
        if self._tasks is not None:
            raise NodeClosedError("a node can be entered only once; make a new one")
        self._tasks = TaskSet(self._task_failed)
        loop = asyncio.get_running_loop()
        for protocol, scope in self._networks.items():
            core = Libp2pCore(
                self._host.peer_id,
                rng=self._rng,
                now=loop.time(),
                wall_s=time.time(),
                config=self._config,
                scope=scope,
                validators=self._validators,
            )
            driver = KadDriver(
                core,
                self._host,
                protocol,
                is_server=self._is_server,
                on_event=self._receive_event,
                on_error=self._task_failed,
            )
            self._drivers.append(driver)
            driver.open()
        events = self._host.events()
        self._tasks.start(self._follow(events), name="what peers say of themselves")
        for driver in self._drivers:
            self._join(driver)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Ends everything in flight with `NodeClosedError`. The host goes on. Harmless twice."""
        drivers, self._drivers = self._drivers, []
        for running in dict.fromkeys(self._lookups.values()):
            running.close()
        self._lookups.clear()
        for answer in self._queries.values():
            answer.cancel()
        self._changed.set()
        if self._tasks is not None:
            await self._tasks.aclose()
        for driver in drivers:
            await driver.aclose()

    async def wait_joined(self) -> None:
        """Waits until this node is part of a network; at once when it started its own.

        Raises:
            BootstrapError: no bootstrap peer answered. It is tried again in the background; so may you.
            NodeClosedError: the node is not open.
        """
        while True:
            states = [driver.core.engine.join_state for driver in self._open_drivers]
            if JoinState.JOINED in states:
                return
            if all(state is JoinState.FAILED for state in states):
                raise BootstrapError(self._bootstrap)
            self._changed.clear()
            await self._changed.wait()

    # Commands

    async def find_peer(self, peer_id: PeerId | str) -> tuple[Multiaddr, ...]:
        """Where a peer is; empty when no node knows.

        Raises:
            IdentityError: the text is no peer id.
            BootstrapError, NodeClosedError: as `wait_joined`.
            LimitExceededError: too many lookups are running.
        Cancellation: ends the lookup, as of all commands.
        """
        target = PeerId.parse(peer_id) if isinstance(peer_id, str) else peer_id
        running = await self._run(lambda core, now: core.find_peer(target, now=now))
        return tuple(dict.fromkeys(await self._all_found(running)))

    async def closest_peers(self, key: bytes | str) -> tuple[PeerInfo, ...]:
        """The servers closest to the key of a content, of a value, or to a peer id, closest first.

        Args:
            key: its bytes; text is a content id.
        """
        data = content_key(key) if isinstance(key, str) else key
        running = await self._run(lambda core, now: core.find_closest(data, now=now))
        await self._finished(running)
        peers = {contact.endpoint: None for lookup in running.lookups for contact in lookup.result()}
        target = key_of(data)
        ordered = sorted(
            (peer for peer in peers if isinstance(peer, Peer)), key=lambda peer: peer.contact.key ^ target
        )  # fmt: skip
        return tuple(PeerInfo(peer.peer_id, peer.addresses) for peer in ordered)

    async def get_value(self, key: bytes | str, *, quorum: int | None = None) -> bytes | None:
        """The best value under a key; None when no node has one.

        Args:
            key: binary, or text like `/ipns/k51…`, whose peer id is sent as bytes.
            quorum: equal values that are enough; 0: the closest nodes decide, which is the default.

        Raises:
            InvalidKeyError, RecordError: it is no key of a value, or of a namespace without a validator.
            BootstrapError, NodeClosedError, LimitExceededError: as `find_peer`.
        """
        name = value_key(key)
        running = await self._run(lambda core, now: core.get_value(name, quorum=quorum, now=now))
        best: bytes | None = None
        for value in await self._all_found(running):
            if best is None or self._validators.is_better(name, value, best):
                best = value
        return best

    async def put_value(self, key: bytes | str, value: bytes, *, keep_alive: bool = False) -> PublishReport:
        """Stores a value with the closest nodes, for 48 hours, or as long as this node runs with `keep_alive`.

        Raises:
            InvalidKeyError, RecordError: as `get_value`, or the value is not right for the key.
            BootstrapError, NodeClosedError, LimitExceededError: as `find_peer`.
        """
        name = value_key(key)
        running = await self._run(lambda core, now: core.put_value(name, value, keep_alive=keep_alive, now=now))
        return await self._report(running, key_of(name).value)

    async def provide(self, cid: bytes | str, *, keep_alive: bool = True) -> PublishReport:
        """Tells the closest nodes that the host has a content, again every 22 hours with `keep_alive`.

        Raises:
            InvalidKeyError: it is no content id.
            BootstrapError, NodeClosedError, LimitExceededError: as `find_peer`.
        """
        key = content_key(cid)
        for driver in self._open_drivers:
            driver.refresh_addresses()
        running = await self._run(lambda core, now: core.provide(key, keep_alive=keep_alive, now=now))
        return await self._report(running, key_of(key).value)

    def stop_providing(self, cid: bytes | str) -> None:
        """A content is no longer announced; nodes forget it within 48 hours."""
        for driver in self._open_drivers:
            driver.core.stop_providing(content_key(cid))

    def find_providers(self, cid: bytes | str, *, most: int | None = None) -> Lookup[PeerInfo]:
        """The peers that have a content, as they are found: `async with` it, and `async for` over it.

        One comes again if more of its addresses become known.

        Raises:
            InvalidKeyError: it is no content id.
        """
        key = content_key(cid)
        return Lookup(
            lambda: self._run(lambda core, now: core.find_providers(key, most=most, now=now)), self._cancel
        )  # fmt: skip

    async def ping(self, target: Multiaddr | str) -> float:
        """Seconds until a node answered the protocol's PING, which those of rust-libp2p do not.

        Raises:
            OSError: it cannot be reached.
            NoAnswerError: it does not answer.
        """
        address = target if isinstance(target, Multiaddr) else Multiaddr.parse(target)
        connection = await self._host.connect(address)
        driver = self._open_drivers[0]
        started_at = driver.now
        way = address.without_peer_id
        query = driver.core.ping(Peer(connection.peer_id, (way,) if way is not None else ()), now=started_at)
        answer = self._queries[query] = asyncio.get_running_loop().create_future()
        driver.drive()
        try:
            if not query.is_finished:
                await answer
        finally:
            del self._queries[query]
        if query.response is None:
            raise NoAnswerError(address, f"{address} did not answer; it may serve another protocol")
        return driver.now - started_at

    def statistics(self) -> dict[str, Libp2pStats]:
        """The numbers of this node, by the protocol of each network.

        Raises:
            NodeClosedError: the node is not open.
        """
        return {driver.protocol: driver.core.stats(now=driver.now) for driver in self._open_drivers}

    @property
    def peer_id(self) -> PeerId:
        """The host's."""
        return self._host.peer_id

    # Inside

    @property
    def _open_drivers(self) -> list[KadDriver]:
        if not self._drivers:
            raise NodeClosedError("the node is not open; use it inside `async with`")
        return self._drivers

    async def _run(self, start: Callable[[Libp2pCore, float], EngineLookup]) -> RunningLookup:
        await self.wait_joined()
        parts: list[tuple[EngineLookup, Any]] = []
        error: LimitExceededError | None = None
        for driver in self._open_drivers:
            if driver.core.engine.join_state is JoinState.JOINED:
                try:
                    parts.append((start(driver.core, driver.now), driver))
                except LimitExceededError as caught:
                    error = caught
        if error is not None and not parts:
            raise error
        running = RunningLookup(parts)
        self._lookups.update(dict.fromkeys(running.lookups, running))
        for _, driver in parts:
            driver.drive()
        return running

    def _cancel(self, running: RunningLookup) -> None:
        for lookup, driver in running.parts:
            self._lookups.pop(lookup, None)
            if not lookup.is_finished:
                driver.core.cancel(lookup)

    async def _all_found(self, running: RunningLookup) -> list[Any]:
        found = []
        try:
            while (each := await running.next_found()) is not None:
                found.append(each)
        finally:
            self._cancel(running)
        return found

    async def _finished(self, running: RunningLookup) -> None:
        try:
            await running.wait_finished()
        finally:
            self._cancel(running)

    async def _report(self, running: RunningLookup, target: int) -> PublishReport:
        await self._finished(running)
        peers = {contact.endpoint: None for lookup in running.lookups for contact in lookup.accepted()}
        ids = [peer.peer_id for peer in peers if isinstance(peer, Peer)]
        ids.sort(key=lambda peer_id: key_of(peer_id.multihash).value ^ target)
        return PublishReport(tuple(ids), running.statistics())

    def _receive_event(self, driver: KadDriver, event: Event) -> None:
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
                    answer.set_result(None)
            case JoinStateChanged():
                self._changed.set()
            case JoinWanted():
                self._join(driver)

    def _join(self, driver: KadDriver) -> None:
        """Asks the bootstrap peers. One whose id is not known yet is called first, in the background."""
        if self._tasks is None or not driver.is_open:
            return
        known: dict[PeerId, list[Multiaddr]] = {}
        unknown = []
        for address in self._bootstrap:
            peer_id, way = address.peer_id, address.without_peer_id
            if peer_id is None or way is None or address.has("dnsaddr"):
                unknown.append(address)
            else:
                known.setdefault(peer_id, []).append(way)
        peers = tuple(Peer(peer_id, tuple(ways)) for peer_id, ways in known.items())
        driver.core.engine.join(
            peers, alone=not self._bootstrap, awaits_more=bool(unknown), now=driver.now
        )  # fmt: skip
        if unknown:
            self._tasks.start(self._meet(driver, unknown), name="calling bootstrap peers")
        asyncio.get_running_loop().call_soon(driver.drive)

    async def _meet(self, driver: KadDriver, addresses: list[Multiaddr]) -> None:
        waiting = len(addresses)

        async def meet(address: Multiaddr) -> None:
            nonlocal waiting
            peers: tuple[Peer, ...] = ()
            try:
                connection = await self._host.connect(address)
                way = connection.remote.without_peer_id
                peers = (Peer(connection.peer_id, (way,)),) if way is not None else ()
            except (OSError, TransferError):
                pass
            waiting -= 1
            driver.core.engine.meet(peers, awaits_more=waiting > 0, now=driver.now)
            driver.drive()

        async with asyncio.TaskGroup() as group:
            for address in addresses:
                group.create_task(meet(address))

    async def _follow(self, events: Any) -> None:
        async for event in events:
            said = getattr(event, "said", None)
            if said is not None and said.protocols is not None:
                for driver in self._drivers:
                    driver.learn(event.peer_id, said.addresses or (), said.protocols)

    def _task_failed(self, error: BaseException) -> None:
        context = {"message": "a task of a node of the DHT failed", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)
