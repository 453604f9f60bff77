"""A toy dialect over streams on a virtual clock: one stream for each question, as libp2p does it, and no datagram.

Endpoints are peer ids with where they can be dialled; keys are their hashes, 256 bits wide.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from hashlib import sha256
from heapq import heappop, heappush
from itertools import count
from random import Random
from typing import NamedTuple

from kademlia_core import Contact, Key
from kademlia_core.endpoint import Endpoint
from kademlia_core.engine.config import EngineConfig
from kademlia_core.engine.core import EngineCore
from kademlia_core.engine.events import Event
from kademlia_core.engine.query_port import Asker, PendingQuery
from kademlia_core.engine.requests import FindNode, Ping, Request

DIAL_S, ANSWER_S = 0.06, 0.03


class Peer(NamedTuple):
    """An endpoint."""

    peer_id: bytes
    multiaddrs: tuple[str, ...]

    @property
    def key(self) -> Key:
        return Key.from_bytes(sha256(self.peer_id).digest())

    @property
    def site(self) -> str:
        return self.multiaddrs[0].split("/")[2]


@dataclass(frozen=True, slots=True)
class GetProviders(Request):
    """Who has what is under `key`, and which peers do you know closest to it?"""

    key: Key


@dataclass(frozen=True, slots=True)
class AddProvider(Request):
    """`provider` has what is under `key`."""

    key: Key
    provider: Peer


@dataclass(frozen=True, slots=True)
class Reply:
    """What is read from a stream before its end."""

    sender: Key
    closer: tuple[Contact, ...] = ()
    providers: tuple[Peer, ...] = ()
    token: bytes | None = None


@dataclass(frozen=True, slots=True)
class Declined:
    """Read from a stream instead of a reply."""

    code: int
    text: str


class ProviderHarvest:
    """All providers that answers name, each once."""

    is_complete = False

    def __init__(self) -> None:
        self.providers: dict[Peer, None] = {}

    def on_response(self, contact: Contact, answer: object) -> tuple[Peer, ...]:
        fresh = [each for each in answer.providers if each not in self.providers] if isinstance(answer, Reply) else []
        self.providers.update(dict.fromkeys(fresh))
        return tuple(fresh)


class ProviderPlacement:
    """Tells each of the closest peers; there are no tokens, because a dialler has proved who it is."""

    def __init__(self, key: Key, provider: Peer) -> None:
        self._request = AddProvider(key, provider)

    def requests_for(self, contacts: object) -> list[tuple[Contact, Request]]:
        assert isinstance(contacts, list)
        return [(contact, self._request) for contact, _ in contacts]


class StreamNode:
    """One peer: the engine as it is, and a side that opens streams for it: its `QueryPort` and its `EndpointPolicy`."""

    def __init__(self, world: StreamWorld, peer: Peer, config: EngineConfig, *, is_server: bool = True) -> None:
        self.peer = peer
        self.is_server = is_server
        self.providers: dict[Key, dict[Peer, None]] = {}
        self.events: list[Event] = []
        self.asked: list[Request] = []
        self.max_streams = 100
        self._world = world
        self._config = config
        self._deadlines: dict[PendingQuery, float] = {}
        rng = Random(world.rng.getrandbits(64))
        self.engine = EngineCore(peer.key, network=self, endpoints=self, config=config, rng=rng, now=world.now)

    # QueryPort

    def ask(
        self, endpoint: Endpoint, request: Request, asker: Asker, *, contact: Contact | None = None, now: float
    ) -> PendingQuery | None:
        if len(self._deadlines) >= self.max_streams:
            return None
        assert isinstance(endpoint, Peer)
        query = PendingQuery(endpoint, request, asker, contact=contact)
        self._deadlines[query] = now + self._config.query_timeout_s
        self.asked.append(request)
        self._world.later(DIAL_S, lambda: self._world.dial(self, endpoint, query))
        return query

    def contacts_in(self, answer: object, teller: Endpoint, *, now: float) -> tuple[Contact, ...]:
        assert isinstance(answer, Reply)
        return tuple(contact for contact in answer.closer if self.is_usable(contact.endpoint))

    # EndpointPolicy

    def is_usable(self, endpoint: Endpoint) -> bool:
        return isinstance(endpoint, Peer) and bool(endpoint.multiaddrs) and endpoint.peer_id != self.peer.peer_id

    def is_trusted(self, contact: Contact) -> bool:
        assert isinstance(contact.endpoint, Peer)
        return contact.key == contact.endpoint.key

    def group_of(self, endpoint: Endpoint) -> Hashable | None:
        assert isinstance(endpoint, Peer)
        return endpoint.site if endpoint.site != "home" else None

    def region_of(self, endpoint: Endpoint) -> Hashable | None:
        return self.group_of(endpoint)

    # Streams

    def serve(self, request: Request, dialler: StreamNode) -> Reply | Declined:
        """What this peer writes into a stream that somebody has opened."""
        if dialler.is_server:
            self.engine.receive_query(Contact(dialler.peer.key, dialler.peer), now=self._world.now)
        match request:
            case Ping():
                return Reply(self.peer.key)
            case FindNode(target):
                return Reply(self.peer.key, self._closest(target))
            case GetProviders(key):
                return Reply(self.peer.key, self._closest(key), tuple(self.providers.get(key, ())))
            case AddProvider(key, provider) if provider == dialler.peer:
                self.providers.setdefault(key, {})[provider] = None
                return Reply(self.peer.key)
        return Declined(1, "only for yourself")

    def close_stream(self, query: PendingQuery, outcome: Reply | Declined | None) -> None:
        """A stream has been read to its end, or reset."""
        if self._deadlines.pop(query, None) is None:
            return
        now = self._world.now
        match outcome:
            case None:
                self.engine.receive_silence(query, now=now)
            case Declined():
                self.engine.receive_refusal(query, outcome, now=now)
            case Reply():
                self.engine.receive_answer(query, outcome, now=now)

    # Clock and events

    def handle_timer(self) -> None:
        now = self._world.now
        for query in [query for query, deadline in self._deadlines.items() if deadline <= now]:
            self.close_stream(query, None)
        self.engine.handle_timer(now=now)

    def next_timer(self) -> float:
        return min([self.engine.next_timer(), *self._deadlines.values()])

    def drain(self) -> None:
        while (event := self.engine.next_event()) is not None:
            self.events.append(event)

    def _closest(self, target: Key) -> tuple[Contact, ...]:
        return tuple(self.engine.table.closest(target, self._config.routing_table.bucket_size))


class StreamWorld:
    """All peers and the clock. Who is in `down` refuses connections; who is in `hung` accepts them and says nothing."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = Random(seed)
        self.now = 0.0
        self.nodes: dict[Peer, StreamNode] = {}
        self.down: set[Peer] = set()
        self.hung: set[Peer] = set()
        self._work: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def add(self, number: int, *, config: EngineConfig, site: str | None = None, is_server: bool = True) -> StreamNode:
        peer = Peer(b"peer %d" % number, (f"/dns/{site or f'site{number}'}/tcp/4001",))
        node = self.nodes[peer] = StreamNode(self, peer, config, is_server=is_server)
        return node

    def later(self, delay_s: float, work: Callable[[], None]) -> None:
        heappush(self._work, (self.now + delay_s, next(self._numbers), work))

    def dial(self, dialler: StreamNode, target: Peer, query: PendingQuery) -> None:
        """A stream is opened, the request read, and the answer is on its way back."""
        served = self.nodes.get(target)
        if served is None or target in self.down:
            dialler.close_stream(query, None)
        elif target not in self.hung:
            outcome = served.serve(query.request, dialler)
            self.later(ANSWER_S, lambda: dialler.close_stream(query, outcome))

    def run(self, duration_s: float) -> None:
        """Lets so much virtual time pass."""
        end = self.now + duration_s
        living = [node for peer, node in self.nodes.items() if peer not in self.down]
        while True:
            timer, node = min(((node.next_timer(), node) for node in living), key=lambda pair: pair[0])
            arrival = self._work[0][0] if self._work else end + 1
            if min(timer, arrival) > end:
                break
            if arrival <= timer:
                self.now, _, work = heappop(self._work)
                work()
            else:
                self.now = max(self.now, timer)
                node.handle_timer()
        self.now = end
        for node in living:
            node.drain()


def joined(world: StreamWorld, number: int, *, config: EngineConfig) -> list[StreamNode]:
    """So many peers that all came in through the first."""
    nodes = [world.add(each, config=config) for each in range(number)]
    nodes[0].engine.join((), alone=True, now=world.now)
    for node in nodes[1:]:
        node.engine.join((nodes[0].peer,), now=world.now)
        world.run(2.0)
    return nodes
