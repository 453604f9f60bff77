"""A node of libp2p's DHT as a machine without I/O: what streams carry, commands and time in; requests, events out."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict
from typing import TYPE_CHECKING

from kademlia_core.engine.core import EngineCore
from kademlia_core.engine.events import Event, LookupFinished
from kademlia_core.engine.requests import Ping
from kademlia_core.libp2p import messages
from kademlia_core.libp2p.asking import Failure
from kademlia_core.libp2p.config import Libp2pConfig
from kademlia_core.libp2p.errors import KadMessageError, RequestRefusedError
from kademlia_core.libp2p.gathering import PeerHarvest, ProviderHarvest
from kademlia_core.libp2p.keyspace import key_of
from kademlia_core.libp2p.messages import Message
from kademlia_core.libp2p.network import KadNetwork
from kademlia_core.libp2p.peer import Peer, PeerPolicy, Scope, host_of, source_of
from kademlia_core.libp2p.peer_book import PeerBook
from kademlia_core.libp2p.provider_store import ProviderStore
from kademlia_core.libp2p.publishing import Publisher
from kademlia_core.libp2p.requests import (
    FindPeer,
    GetProviders,
    KadAnswer,
    ProtocolPing,
    Refused,
)
from kademlia_core.libp2p.responder import Responder
from kademlia_core.libp2p.searching import ValueSearches
from kademlia_core.libp2p.stats import Libp2pCounters, Libp2pStats
from kademlia_core.libp2p.validators import Validators
from kademlia_core.libp2p.value_store import ValueStore
from transfer.host.delimited import delimited
from transfer.limits.source_limiter import SourceLimiter

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from kademlia_core.engine.direct_query import DirectQuery
    from kademlia_core.engine.lookup import EngineLookup
    from kademlia_core.libp2p.asking import StreamRequest
    from transfer.identity.peer_id import PeerId
    from transfer.multiaddr.multiaddr import Multiaddr


class Libp2pCore:
    """One node of one network: an engine, the requests it has on their way, and what it keeps for others.

    After every input and command, drain `requests_to_open()`, `requests_to_abandon()` and `next_event()`, and look at
    `next_timer()`. Joining and plain lookups are commands of `engine`.
    """

    def __init__(
        self,
        peer_id: PeerId,
        *,
        rng: Random,
        now: float,
        wall_s: float,
        config: Libp2pConfig | None = None,
        scope: Scope = Scope.ANY,
        is_server: bool = True,
        validators: Validators | None = None,
        can_dial: Callable[[Multiaddr], bool] | None = None,
    ) -> None:
        """A node that has not joined yet.

        Args:
            wall_s: seconds since 1970, which records are valid in; `set_wall_clock` corrects it.
            scope: which addresses this network is about.
            is_server: whether it answers; a client keeps nothing, and enters no table.
            can_dial: which addresses can be dialled; all, if not given.
        """
        self.config = config = config or Libp2pConfig()
        self.peer_id = peer_id
        self.is_server = is_server
        self.validators = validators or Validators()
        self.policy = PeerPolicy(
            peer_id, scope=scope, max_addresses=config.max_peer_addresses, can_dial=can_dial
        )  # fmt: skip
        own_key = key_of(peer_id.multihash)
        self._network = KadNetwork(own_key, policy=self.policy, config=config, rng=rng)
        self._network.remember(peer_id.multihash)
        self.engine = EngineCore(
            own_key, network=self._network, endpoints=self.policy, config=config, rng=rng, now=now
        )  # fmt: skip
        self.table = self.engine.table
        self.book = PeerBook(peer_id, most=config.max_known_peers)
        self.values = ValueStore(own_key, self.validators, config.values)
        self.providers = ProviderStore(own_key, config.providers)
        self._responder = Responder(
            self.table,
            policy=self.policy,
            book=self.book,
            values=self.values,
            providers=self.providers,
            config=config,
        )
        self._limiter = SourceLimiter(config.rate_limit, now=now)
        self._publisher = Publisher(
            self.engine, self._network, book=self.book, values=self.values, providers=self.providers,
            validators=self.validators, config=config.republish, rng=rng, own_id=peer_id,
        )  # fmt: skip
        self._searches = ValueSearches(
            self.engine, validators=self.validators, values=self.values, config=config
        )  # fmt: skip
        self._events: deque[Event] = deque()
        self._count = Libp2pCounters()
        self._wall_gap_s = wall_s - now

    # Inputs

    def receive_answer(
        self, request: StreamRequest, data: bytes, *, observed: Multiaddr | None = None, now: float
    ) -> None:
        """A message came out of the stream of a request.

        Args:
            observed: the address at which the peer was reached.
        """
        if not self._network.pending.close(request):
            return
        request.answer_bytes = len(data)
        self._count.received_bytes += len(data)
        try:
            with_peers = not isinstance(request.request, Ping)
            message = messages.decode(data, max_bytes=self.config.max_answer_bytes, with_peers=with_peers)
        except KadMessageError as error:
            self._refuse(request, str(error), now=now)
            return
        if message.type is not request.kind:
            self._refuse(request, f"{message.type.name} is no answer to {request.kind.name}", now=now)
            return
        self._answered(request, message, observed, now=now)

    def receive_delivery(
        self, request: StreamRequest, *, observed: Multiaddr | None = None, now: float
    ) -> None:  # fmt: skip
        """A request that is not answered has been written, and its stream closed."""
        if self._network.pending.close(request):
            self._answered(request, Message(request.kind), observed, now=now)

    def receive_failure(self, request: StreamRequest, failure: Failure, *, now: float) -> None:
        """No answer will come."""
        if not self._network.pending.close(request):
            return
        if failure is Failure.RESET:
            self._refuse(request, f"the peer {failure.value}", now=now)
            return
        self._count.failures += 1
        if failure is Failure.UNSUPPORTED:
            self._is_no_server(request.peer, now=now)
        self.engine.receive_silence(request, now=now)
        self._drain(now=now)

    def serve(self, data: bytes, peer_id: PeerId, *, observed: Multiaddr | None = None, now: float) -> bytes | None:
        """A peer has asked something. Returns the answer behind its length, None if nothing is to be answered.

        Args:
            observed: the address that the peer comes from.

        Raises:
            RequestRefusedError: the stream is to be reset.
        """
        self._count.received_bytes += len(data)
        asker = Peer(peer_id, self.book.addresses_of(peer_id), observed)
        try:
            answer = self._serve(data, asker, now=now)
        except RequestRefusedError:
            self._count.requests_refused += 1
            raise
        finally:
            self._drain(now=now)
        self._count.requests_served += 1
        if answer is None:
            return None
        framed = delimited(answer)
        self._count.sent_bytes += len(framed)
        return framed

    def learn(
        self,
        peer_id: PeerId,
        addresses: tuple[Multiaddr, ...],
        *,
        is_server: bool,
        observed: Multiaddr | None = None,
        now: float,
    ) -> None:
        """A connected peer has said where it is, and whether it serves this protocol (identify).

        A server is asked something, and enters the table if it answers and there is a place for it. Addresses that
        cannot be seen from `observed`, where the peer is, are left out.
        """
        own_way = (messages.way_to(address, peer_id) for address in addresses)
        usable = self.policy.usable([address for address in own_way if address is not None], teller=observed)
        was_server = self.book.is_server(peer_id)
        self.book.learn(peer_id, usable, is_server=is_server)
        peer = Peer(peer_id, usable)
        if is_server and self.policy.is_usable(peer) and self.policy.is_server_here(peer):
            self.engine.receive_query(peer.contact, now=now)
        elif was_server and not is_server:
            self._is_no_server(peer, now=now)
        self._drain(now=now)

    def set_own_addresses(self, addresses: tuple[Multiaddr, ...]) -> None:
        """Where this node can be reached; what others are told of it."""
        own_way = (messages.way_to(address, self.peer_id) for address in addresses)
        usable = self.policy.usable([address for address in own_way if address is not None], teller=None)
        self.book.own_addresses = usable

    def set_wall_clock(self, wall_s: float, *, now: float) -> None:
        """What time it is, in seconds since 1970."""
        self._wall_gap_s = wall_s - now

    # Clock

    def handle_timer(self, *, now: float) -> None:
        """Time has passed: requests fail, lookups widen, the table and what was published are kept up."""
        if now > self.next_timer() + self.config.max_sleep_s:
            self.engine.wake(now=now)
        for request in self._network.pending.close_expired(now=now):
            self._count.timeouts += 1
            self.engine.receive_silence(request, now=now)
        if self.engine.handle_timer(now=now):
            self.values.expire(now=now)
            self.providers.expire(now=now)
        self._publisher.handle_timer(wall_s=self._wall_s(now=now), now=now)
        self._drain(now=now)

    def next_timer(self) -> float:
        """When `handle_timer` wants to be called next."""
        timers = (self.engine.next_timer(), self._network.pending.next_timer(), self._publisher.next_timer())
        return min(timer for timer in timers if timer is not None)

    # Commands

    def find_peer(self, peer_id: PeerId, *, now: float) -> EngineLookup:
        """Where a peer is: `Found` has `Multiaddr`s.

        Raises:
            LimitExceededError: too many lookups are running.
        """
        known = self.book.addresses_of(peer_id)
        harvest = PeerHarvest(peer_id, policy=self.policy, known=known)
        target = self._network.remember(peer_id.multihash)
        return self._started(
            self.engine.look_up(FindPeer(peer_id), target, harvest=harvest, found=known, now=now), now=now
        )  # fmt: skip

    def find_closest(self, key: bytes, *, now: float) -> EngineLookup:
        """The servers closest to the key of some bytes: `result()` of the lookup.

        Raises:
            LimitExceededError: too many lookups are running.
        """
        target = self._network.remember(key)
        return self._started(self.engine.find_node(target, now=now), now=now)

    def get_value(self, key: bytes, *, quorum: int | None = None, now: float) -> EngineLookup:
        """The best value under a key: `Found` has `bytes`, each better than the one before.

        When the search is over, the closest peers that have another value, or none, are given the best.

        Raises:
            RecordError: no validator is known for the key.
            LimitExceededError: too many lookups are running.
        """
        wall_s = self._wall_s(now=now)
        return self._started(self._searches.start(key, quorum=quorum, wall_s=wall_s, now=now), now=now)

    def put_value(self, key: bytes, value: bytes, *, keep_alive: bool = False, now: float) -> EngineLookup:
        """Stores a value with the closest peers; `accepted()` of the lookup are those that took it.

        Args:
            keep_alive: put it again and again, until `forget_value` or a better one.

        Raises:
            RecordError: the value is not right for the key, or this node keeps a better one.
            LimitExceededError: too many lookups are running, or too much is kept alive.
        """
        wall_s = self._wall_s(now=now)
        return self._started(
            self._publisher.put_value(key, value, keep_alive=keep_alive, wall_s=wall_s, now=now), now=now
        )

    def forget_value(self, key: bytes) -> None:
        """A value is no longer kept alive."""
        self._publisher.forget_value(key)

    def provide(self, key: bytes, *, keep_alive: bool = True, now: float) -> EngineLookup:
        """Tells the closest peers that this node has the content whose multihash is `key`.

        Raises:
            LimitExceededError: too many lookups are running, or too much is kept alive.
        """
        return self._started(self._publisher.provide(key, keep_alive=keep_alive, now=now), now=now)

    def stop_providing(self, key: bytes) -> None:
        """A content is no longer announced; peers forget it in their own time."""
        self._publisher.stop_providing(key)

    def find_providers(self, key: bytes, *, most: int | None = None, now: float) -> EngineLookup:
        """Who has a content: `Found` has `PeerInfo`s, one more than once if more of its addresses become known.

        Args:
            most: providers after which the search ends.

        Raises:
            LimitExceededError: too many lookups are running.
        """
        known = tuple(info for info in self.providers.get(key, now=now) if info.peer_id != self.peer_id)
        harvest = ProviderHarvest(policy=self.policy, most=min(most or self.config.max_found, self.config.max_found))
        harvest.providers.update((info.peer_id, info.addresses) for info in known)
        lookup = self.engine.look_up(GetProviders(key), key_of(key), harvest=harvest, found=known, now=now)
        return self._started(lookup, now=now)

    def ping(self, peer: Peer, *, now: float) -> DirectQuery:
        """The protocol's PING; `QueryFinished` follows. Peers of rust-libp2p do not answer it."""
        query = self.engine.query(peer, ProtocolPing(), now=now)
        self._drain(now=now)
        return query

    def cancel(self, lookup: EngineLookup) -> None:
        """Ends a lookup; none of its events follow. What a search that is over corrects goes on."""
        if self._searches.cancel(lookup):
            self.engine.cancel(lookup)

    # Outputs

    def requests_to_open(self) -> list[StreamRequest]:
        """Streams to open now."""
        requests = self._network.pending.requests_to_open()
        self._count.requests_sent += len(requests)
        self._count.sent_bytes += sum(request.sent_bytes for request in requests)
        return requests

    def requests_to_abandon(self) -> list[StreamRequest]:
        """Requests whose streams are of no use any more."""
        return self._network.pending.requests_to_abandon()

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else self.engine.next_event()

    # Views

    def stats(self, *, now: float) -> Libp2pStats:
        """Cost: O(size of the table)."""
        return Libp2pStats(
            peers=len(self.table),
            good_peers=self.table.good_count(now=now),
            buckets=self.table.bucket_count,
            lookups=self.engine.lookup_count,
            pending_requests=len(self._network.pending),
            values=len(self.values),
            provider_entries=len(self.providers),
            kept_alive=len(self._publisher),
            is_server=self.is_server,
            **asdict(self._count),
        )

    @property
    def provided(self) -> list[bytes]:
        """The contents that are kept alive."""
        return self._publisher.provided

    def check_invariants(self) -> None:
        """Asserts what the parts promise."""
        self.engine.check_invariants()
        self.values.check_invariants()
        self.providers.check_invariants()
        self._publisher.check_invariants()
        self._network.pending.check_invariants()
        assert len(self.book) <= self.config.max_known_peers
        self._searches.check_invariants()
        assert self._limiter.host_count <= self.config.rate_limit.max_hosts

    # Inside

    def _wall_s(self, *, now: float) -> float:
        return now + self._wall_gap_s

    def _answered(
        self, request: StreamRequest, message: Message, observed: Multiaddr | None, *, now: float
    ) -> None:  # fmt: skip
        self._count.answers_received += 1
        peer = request.peer
        if observed is not None:
            peer.observed = observed
        self.engine.receive_answer(request, KadAnswer(key_of(peer.peer_id.multihash), message), now=now)
        self._drain(now=now)

    def _refuse(self, request: StreamRequest, text: str, *, now: float) -> None:
        self._count.refusals_received += 1
        self.engine.receive_refusal(request, Refused(text), now=now)
        self._drain(now=now)

    def _is_no_server(self, peer: Peer, *, now: float) -> None:
        """It is bad at once: silence could be an accident, this is none."""
        for _ in range(self.config.routing_table.bad_after_failures):
            self.table.on_failure(peer.contact, now=now)

    def _serve(self, data: bytes, asker: Peer, *, now: float) -> bytes | None:
        if not self.is_server:
            raise RequestRefusedError("this node is a client")
        host = host_of(asker.observed) if asker.observed is not None else None
        if not self._limiter.admit(host or str(asker.peer_id), now=now):
            self._count.dropped_limit += 1
            raise RequestRefusedError(f"too many requests come from {source_of(asker)!r} (rate_limit)")
        try:
            message = messages.decode(data, max_bytes=self.config.max_request_bytes)
        except KadMessageError as error:
            raise RequestRefusedError(str(error)) from None
        if self.book.is_server(asker.peer_id) and self.policy.is_usable(asker):
            self.engine.receive_query(asker.contact, now=now)
        return self._responder.answer(message, asker, wall_s=self._wall_s(now=now), now=now)

    def _started(self, lookup: EngineLookup, *, now: float) -> EngineLookup:
        self._drain(now=now)
        return lookup

    def _drain(self, *, now: float) -> None:
        """Takes the engine's events, and sees to what the core itself has begun."""
        while (event := self.engine.next_event()) is not None:
            lookup = event.lookup if isinstance(event, LookupFinished) else None
            if lookup is None:
                self._events.append(event)
            elif not self._searches.on_correction_finished(lookup) and not self._publisher.on_finished(lookup, now=now):
                self._events.append(event)
                self._searches.on_finished(lookup, now=now)
