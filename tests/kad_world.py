"""Nodes of libp2p's DHT on a virtual clock, over streams in memory: each request is dialled, read, answered and closed.

Who is in `down` cannot be reached; who is in `hung` takes requests and says nothing; a client refuses the protocol.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from random import Random
from zlib import crc32

from kademlia_core import Key
from kademlia_core.engine.events import Event, Found
from kademlia_core.engine.lookup import EngineLookup
from kademlia_core.libp2p.asking import Failure, StreamRequest
from kademlia_core.libp2p.config import Libp2pConfig
from kademlia_core.libp2p.core import Libp2pCore
from kademlia_core.libp2p.errors import RequestRefusedError
from kademlia_core.libp2p.keyspace import key_of
from kademlia_core.libp2p.peer import Peer, Scope
from kademlia_core.libp2p.validators import Validators
from transfer.host.delimited import DelimitedReader
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.multiaddr import Multiaddr

WALL_S = 1_700_000_000.0  # seconds since 1970 when the clock shows 0


def peer_id_of(number: int) -> PeerId:
    """An id that nobody has a key of: nothing is signed here."""
    return PeerId(b"\x12\x20" + number.to_bytes(32, "big"))


class KadNode:
    """A core, and what its streams carry. A node dials at a round trip of its own for each peer."""

    def __init__(self, world: KadWorld, core: Libp2pCore, address: Multiaddr) -> None:
        self.core = core
        self.address = address
        self.peer = Peer(core.peer_id, (address,))
        self.events: list[Event] = []
        self.asked: list[StreamRequest] = []
        self.served = 0
        self.known: set[PeerId] = set()  # whom it is connected with
        self._world = world
        self._timer = -1.0

    @property
    def key(self) -> Key:
        return self.core.engine.node_id

    def drive(self) -> None:
        """Carries out what the core wants."""
        world = self._world
        for request in self.core.requests_to_open():
            self.asked.append(request)
            delay_s = world.rtt_s(self, request.peer) * (1.0 if request.peer.peer_id in self.known else 4.0)
            world.later(delay_s / 2, lambda request=request: world.arrive(self, request))  # type: ignore[misc]
        self.core.requests_to_abandon()
        while (event := self.core.next_event()) is not None:
            self.events.append(event)
        due = self.core.next_timer()
        if self._timer < world.now or due < self._timer:
            self._timer = max(due, world.now)
            world.later(self._timer - world.now, lambda at=self._timer: self._on_timer(at))  # type: ignore[misc]

    def _on_timer(self, at: float) -> None:
        if at != self._timer or self.core.peer_id in self._world.down:
            return
        self._timer = -1.0
        self.core.handle_timer(now=self._world.now)
        self.drive()

    def start(self) -> None:
        """Goes on after it was down."""
        self._timer = -1.0
        self.drive()

    def found(self, lookup: EngineLookup) -> list[object]:
        """What a lookup has found so far."""
        return [each for event in self.events if isinstance(event, Found) and event.lookup is lookup
                for each in event.found]  # fmt: skip


class KadWorld:
    """All nodes and the clock."""

    def __init__(self, seed: int = 1) -> None:
        self.rng = Random(seed)
        self.now = 0.0
        self.nodes: dict[PeerId, KadNode] = {}
        self.down: set[PeerId] = set()
        self.hung: set[PeerId] = set()
        self.requests = 0
        self._work: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = count()

    def add(
        self,
        number: int,
        *,
        config: Libp2pConfig | None = None,
        host: str | None = None,
        is_server: bool = True,
        validators: Validators | None = None,
        scope: Scope = Scope.ANY,
    ) -> KadNode:
        """A node, in a public subnet of its own if no host is given."""
        host = host or f"{1 + number // 65536 % 9}.{number // 256 % 256}.{number % 256}.1"
        address = Multiaddr.parse(f"/ip4/{host}/tcp/4001")
        core = Libp2pCore(
            peer_id_of(number),
            rng=Random(self.rng.getrandbits(64)),
            now=self.now,
            wall_s=WALL_S + self.now,
            config=config,
            is_server=is_server,
            validators=validators,
            scope=scope,
        )
        core.set_own_addresses((address,))
        node = self.nodes[core.peer_id] = KadNode(self, core, address)
        return node

    def rtt_s(self, asker: KadNode, peer: Peer) -> float:
        """Between 20 and 200 ms, always the same for two peers."""
        return 0.02 + crc32(asker.peer.peer_id.multihash + peer.peer_id.multihash) % 181 / 1000

    def later(self, delay_s: float, work: Callable[[], None]) -> None:
        heappush(self._work, (self.now + delay_s, next(self._numbers), work))

    def arrive(self, asker: KadNode, request: StreamRequest) -> None:
        """A stream is open at the other end, and the request read."""
        self.requests += 1
        served = self.nodes.get(request.peer.peer_id)
        if served is None or served.peer.peer_id in self.down or served.address not in request.peer.addresses:
            self._fail(asker, request, Failure.UNREACHABLE)
        elif not served.core.is_server:
            self._fail(asker, request, Failure.UNSUPPORTED)
        elif served.peer.peer_id not in self.hung:
            self._introduce(asker, served)
            self._serve(asker, served, request)

    def _introduce(self, asker: KadNode, served: KadNode) -> None:
        """What identify does, on the first stream between two."""
        if served.peer.peer_id in asker.known:
            return
        for one, other in ((asker, served), (served, asker)):
            one.known.add(other.peer.peer_id)
            one.core.learn(other.peer.peer_id, (other.address,), is_server=other.core.is_server, now=self.now)

    def _serve(self, asker: KadNode, served: KadNode, request: StreamRequest) -> None:
        buffer = DelimitedReader(max_bytes=served.core.config.max_request_bytes)
        buffer.feed(request.data)
        message = buffer.next_message()
        assert message is not None
        try:
            answer = served.core.serve(message, asker.peer.peer_id, observed=asker.address, now=self.now)
        except RequestRefusedError:
            self._fail(asker, request, Failure.RESET)
        else:
            served.served += 1
            back_s = self.rtt_s(asker, served.peer) / 2
            self.later(back_s, lambda: self._deliver(asker, served, request, answer))
        served.drive()

    def _deliver(self, asker: KadNode, served: KadNode, request: StreamRequest, answer: bytes | None) -> None:
        if asker.peer.peer_id in self.down:
            return
        if not request.is_answered:
            asker.core.receive_delivery(request, observed=served.address, now=self.now)
        else:
            assert answer is not None
            buffer = DelimitedReader(max_bytes=asker.core.config.max_answer_bytes)
            buffer.feed(answer)
            message = buffer.next_message()
            assert message is not None
            assert buffer.is_empty
            asker.core.receive_answer(request, message, observed=served.address, now=self.now)
        asker.drive()

    def _fail(self, asker: KadNode, request: StreamRequest, failure: Failure) -> None:
        def fail() -> None:
            if asker.peer.peer_id not in self.down:
                asker.core.receive_failure(request, failure, now=self.now)
                asker.drive()

        self.later(0.05, fail)

    def run(self, duration_s: float) -> None:
        """Lets so much virtual time pass, after commands were given to nodes."""
        for node in list(self.nodes.values()):
            if node.core.peer_id not in self.down:
                node.drive()
        self.go_on(duration_s)

    def go_on(self, duration_s: float) -> None:
        """Lets so much virtual time pass."""
        end = self.now + duration_s
        while self._work and self._work[0][0] <= end:
            at, _, work = heappop(self._work)
            self.now = max(self.now, at)
            work()
        self.now = end

    def run_until(self, lookup: EngineLookup, *, most_s: float = 60.0) -> None:
        """Lets time pass until a lookup is over."""
        end = self.now + most_s
        self.run(0.0)
        while not lookup.is_finished and self.now < end:
            self.go_on(0.25)
        assert lookup.is_finished

    def closest(self, target: Key, count: int, *, but: KadNode | None = None) -> list[PeerId]:
        """The servers that are truly closest to a key and can be reached."""
        living = [
            node.core.peer_id
            for node in self.nodes.values()
            if node.core.is_server and node.core.peer_id not in self.down and node is not but
        ]
        return sorted(living, key=lambda peer_id: key_of(peer_id.multihash) ^ target)[:count]


def joined(
    world: KadWorld, number: int, *, config: Libp2pConfig | None = None, validators: Validators | None = None
) -> list[KadNode]:
    """So many servers that came in one after the other, each through one that was there."""
    nodes = [world.add(each, config=config, validators=validators) for each in range(number)]
    nodes[0].core.engine.join((), alone=True, now=world.now)
    nodes[0].drive()
    for place, node in enumerate(nodes[1:], 1):
        entrance = nodes[world.rng.randrange(place)]
        node.core.engine.join((entrance.peer,), now=world.now)
        node.drive()
        world.go_on(0.5)
    world.go_on(10.0)
    return nodes


def looked_up(node: KadNode, lookup: EngineLookup) -> list[PeerId]:
    """Whom a lookup has found to be closest."""
    return [contact.endpoint.peer_id for contact in lookup.result() if isinstance(contact.endpoint, Peer)]
