"""A whole mainline node as a machine without I/O: datagrams, commands and time in; datagrams and events out."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from kademlia_core.contact import Contact
from kademlia_core.key import Key
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import KEY_BITS, MainlineConfig
from kademlia_core.mainline.joining import Joining, JoinState
from kademlia_core.mainline.messages import ErrorReply, FindNode, GetPeers, Message, Ping, Query, Response
from kademlia_core.mainline.peer_store import PeerStore
from kademlia_core.mainline.rate_limit import SourceLimiter
from kademlia_core.mainline.responder import Responder
from kademlia_core.mainline.searches import Announcement, Search
from kademlia_core.mainline.tokens import TokenIssuer
from kademlia_core.mainline.transactions import Transactions
from kademlia_core.mainline.upkeep import TableUpkeep
from kademlia_core.routing_table import RoutingTable
from transfer.address import Address, is_usable_peer
from transfer.errors import LimitExceededError

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.mainline.messages import Request
    from kademlia_core.mainline.transactions import Asker, Transaction


@dataclass(frozen=True, slots=True)
class PeersFound:
    """A search met peers it had not met before."""

    search: Search
    peers: tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class SearchFinished:
    """A search is over; ask it for `result()`, `report()` and `stats`."""

    search: Search


@dataclass(frozen=True, slots=True)
class JoinStateChanged:
    """The node has joined the network, failed to, or begun to try."""

    state: JoinState


@dataclass(frozen=True, slots=True)
class JoinWanted:
    """It is time to resolve the bootstrap addresses again and to call `join` with them."""


@dataclass(frozen=True, slots=True)
class PingAnswered:
    """The node at `contact.address` answered a `ping` command."""

    contact: Contact


@dataclass(frozen=True, slots=True)
class PingFailed:
    """Nobody at `address` answered a `ping` command."""

    address: Address


Event: TypeAlias = PeersFound | SearchFinished | JoinStateChanged | JoinWanted | PingAnswered | PingFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStats:
    """A mainline node at one moment. Counters run from its start.

    `dropped_garbage` were no valid messages, `dropped_unexpected` answered nothing we asked, `dropped_limit` came
    too fast, `dropped_foreign` from the other address family or an unusable address or were over-long.
    """

    nodes: int
    good_nodes: int
    buckets: int
    stored_torrents: int
    stored_peers: int
    searches: int
    pending_queries: int
    datagrams_received: int
    datagrams_sent: int
    received_bytes: int
    sent_bytes: int
    queries_received: int
    queries_sent: int
    responses_received: int
    errors_received: int
    timeouts: int
    dropped_garbage: int
    dropped_unexpected: int
    dropped_limit: int
    dropped_foreign: int


class MainlineCore:
    """The node: routes each message to the part that decides, and gathers what the parts send and report.

    After every input and command, drain `datagrams_to_send()` and `next_event()` and look at `next_timer()`.
    """

    def __init__(
        self,
        *,
        rng: Random,
        now: float,
        node_id: Key | None = None,
        config: MainlineConfig | None = None,
        is_ipv6: bool = False,
    ) -> None:
        self.config = config = config or MainlineConfig()
        if node_id is not None and node_id.bits != KEY_BITS:
            raise ValueError(f"a mainline node id has {KEY_BITS} bits, not {node_id.bits}")
        self.node_id = node_id or Key.random(KEY_BITS, rng)
        self.table = RoutingTable(self.node_id, config=config.routing_table, now=now)
        self._is_ipv6 = is_ipv6
        self._peers = PeerStore(config.peer_store, rng=rng)
        tokens = TokenIssuer(rng=rng, rotation_s=config.token_rotation_s, now=now)
        self._responder = Responder(self.table, tokens, self._peers, is_ipv6=is_ipv6, version=config.version)
        self._transactions = Transactions(rng=rng, timeout_s=config.query_timeout_s, limit=config.max_pending_queries)
        self._limiter = SourceLimiter(config.rate_limit, now=now)
        self._upkeep = TableUpkeep(self.table, network=self, config=config, rng=rng, now=now)
        self._joining = Joining(self.table, network=self, upkeep=self._upkeep, config=config)
        self._pings = _PingCommands(self)
        self._searches: dict[Search, None] = {}
        self._outbox: deque[tuple[bytes, Address]] = deque()
        self._events: deque[Event] = deque()
        self._count = _Counters()

    def receive_datagram(self, data: bytes, source: Address, *, now: float) -> None:
        """A datagram arrived. Garbage and floods are dropped and counted; nothing a stranger sends raises."""
        count = self._count
        count.datagrams_received += 1
        count.received_bytes += len(data)
        if len(data) > self.config.max_datagram_bytes or not self._is_reachable(source):
            count.dropped_foreign += 1
            return
        is_awaited = self._transactions.awaits(source)
        if not is_awaited and not self._limiter.admit(source.host, now=now):
            count.dropped_limit += 1
            return
        try:
            message = krpc.decode(data)
        except krpc.KrpcError as error:
            count.dropped_garbage += 1
            if error.transaction_id is not None and (not is_awaited or self._limiter.admit(source.host, now=now)):
                self._send(ErrorReply(error.transaction_id, error.code, error.reason, self.config.version), source)
            return
        if not isinstance(message, Query):
            self._receive_reply(message, source, now)
        elif not is_awaited or self._limiter.admit(source.host, now=now):
            self._receive_query(message, source, now)
        else:
            count.dropped_limit += 1
        self._report_joining()

    def handle_timer(self, *, now: float) -> None:
        """Time has passed: queries fail, lookups widen, the table is kept up."""
        for transaction in self._transactions.close_expired(now=now):
            self._count.timeouts += 1
            if transaction.contact is not None:
                self.table.on_failure(transaction.contact, now=now)
            transaction.asker.on_failure(transaction, now=now)
        for search in list(self._searches):
            search.handle_timer(now=now)
        if self._upkeep.handle_timer(now=now):
            self._peers.expire(now=now)
            self._joining.check_connection(now=now)
        self._joining.handle_timer(now=now)
        self._report_joining()

    def next_timer(self) -> float:
        """When `handle_timer` wants to be called next."""
        deadlines = [self._transactions.next_timer(), self._joining.next_timer()]
        deadlines += [search.next_timer() for search in self._searches]
        return min([deadline for deadline in deadlines if deadline is not None] + [self._upkeep.next_timer()])

    def join(self, addresses: tuple[Address, ...], *, alone: bool = False, now: float) -> None:
        """Enters the network through `addresses`; `alone` starts one that others may join.

        No addresses and not alone means that none could be resolved: joining has failed, and is wanted again later.
        """
        self._joining.join(tuple(filter(self._is_reachable, addresses)), alone=alone, now=now)
        self._report_joining()

    def add_node(self, address: Address, *, now: float) -> None:
        """A hint that a node may be at `address`; it is pinged, and kept if it answers."""
        if self._is_reachable(address):
            self._upkeep.hint(address, None, now=now)

    def ping(self, address: Address, *, now: float) -> None:
        """Pings; `PingAnswered` or `PingFailed` follows."""
        if not self._is_reachable(address) or not self.ask(address, Ping(), self._pings, now=now):
            self._events.append(PingFailed(address))

    def find_node(self, target: Key, *, now: float) -> Search:
        """Looks for the nodes closest to `target`; `SearchFinished` follows.

        Raises:
            LimitExceededError: too many searches are running.
        """
        return self._search(FindNode(target), None, now)

    def find_peers(self, info_hash: Key, *, announcement: Announcement | None = None, now: float) -> Search:
        """Looks for peers, and announces to the closest nodes if asked to; `PeersFound`s, `SearchFinished` follow.

        Raises:
            LimitExceededError: too many searches are running.
        """
        return self._search(GetPeers(info_hash), announcement, now)

    def cancel(self, search: Search) -> None:
        """Ends a search; none of its events follow."""
        search.cancel()
        self._searches.pop(search, None)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        datagrams = list(self._outbox)
        self._outbox.clear()
        return datagrams

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    @property
    def join_state(self) -> JoinState:
        return self._joining.state

    def stats(self, *, now: float) -> NodeStats:
        """Cost: O(size of the table)."""
        return NodeStats(
            nodes=len(self.table),
            good_nodes=self.table.good_count(now=now),
            buckets=self.table.bucket_count,
            stored_torrents=self._peers.torrent_count,
            stored_peers=self._peers.peer_count,
            searches=len(self._searches),
            pending_queries=len(self._transactions),
            datagrams_received=self._count.datagrams_received,
            datagrams_sent=self._count.datagrams_sent,
            received_bytes=self._count.received_bytes,
            sent_bytes=self._count.sent_bytes,
            queries_received=self._count.queries_received,
            queries_sent=self._count.queries_sent,
            responses_received=self._count.responses_received,
            errors_received=self._count.errors_received,
            timeouts=self._count.timeouts,
            dropped_garbage=self._count.dropped_garbage,
            dropped_unexpected=self._count.dropped_unexpected,
            dropped_limit=self._count.dropped_limit,
            dropped_foreign=self._count.dropped_foreign,
        )

    def check_invariants(self) -> None:
        """Asserts what the parts promise."""
        self.table.check_invariants()
        self._peers.check_invariants()
        assert len(self._transactions) <= self.config.max_pending_queries
        assert len(self._searches) <= self.config.max_searches
        assert self._limiter.host_count <= self.config.rate_limit.max_hosts

    # What the parts need from the node (searches.Network, searches.SearchOwner).

    def ask(
        self, address: Address, request: Request, asker: Asker, *, contact: Contact | None = None, now: float
    ) -> bool:
        """Sends a query on behalf of a part; False when too many are on their way."""
        transaction = self._transactions.open(address, contact, request, asker, now=now)
        if transaction is None:
            return False
        self._count.queries_sent += 1
        self._send(Query(transaction.transaction_id, self.node_id, request, version=self.config.version), address)
        return True

    def contacts_in(self, response: Response) -> tuple[Contact, ...]:
        """The usable contacts of this node's address family."""
        nodes = response.nodes6 if self._is_ipv6 else response.nodes
        return tuple(contact for contact in nodes if is_usable_peer(contact.address))

    def on_peers(self, search: Search, peers: tuple[Address, ...]) -> None:
        self._events.append(PeersFound(search, peers))

    def on_search_finished(self, search: Search, *, now: float) -> None:
        self._searches.pop(search, None)
        self._events.append(SearchFinished(search))

    def _receive_query(self, query: Query, source: Address, now: float) -> None:
        self._count.queries_received += 1
        contact = Contact(query.sender, source)
        if not query.is_read_only and not self.table.on_query(contact, now=now):
            self._upkeep.hint(source, contact, now=now)
        self._send(self._responder.answer(query, source, now=now), source)

    def _receive_reply(self, reply: Response | ErrorReply, source: Address, now: float) -> None:
        transaction = self._transactions.close(reply.transaction_id, source)
        if transaction is None:
            self._count.dropped_unexpected += 1
            return
        if isinstance(reply, ErrorReply):
            self._count.errors_received += 1
            if transaction.contact is not None and isinstance(transaction.request, Ping):
                self.table.on_failure(transaction.contact, now=now)  # whoever refuses a ping is of no use to anybody
            transaction.asker.on_failure(transaction, now=now)
            return
        self._count.responses_received += 1
        contact = Contact(reply.sender, source)
        if contact.key == self.node_id:  # we asked ourselves
            transaction.asker.on_failure(transaction, now=now)
            return
        is_kept = self.table.on_response(contact, now=now)
        if transaction.contact is None or transaction.contact.key == contact.key:
            transaction.asker.on_response(transaction, reply, now=now)
        else:  # not the node we meant: what it says is no answer to our question
            transaction.asker.on_failure(transaction, now=now)
        if is_kept:
            self._joining.on_table_growth(now=now)
        else:
            self._upkeep.on_crowding(contact, now=now)

    def _search(self, request: FindNode | GetPeers, announcement: Announcement | None, now: float) -> Search:
        if len(self._searches) >= self.config.max_searches:
            raise LimitExceededError(f"{len(self._searches)} searches are running (max_searches); wait for one to end")
        target = request.target if isinstance(request, FindNode) else request.info_hash
        search = Search(
            request,
            self.table.closest(target, self.config.lookup.k, max_failures=self.table.config.bad_after_failures - 1),
            network=self,
            owner=self,
            config=self.config,
            own_key=self.node_id,
            announcement=announcement,
        )
        self._searches[search] = None
        if isinstance(request, GetPeers):
            search.add_peers(self._peers.sample(target, self.config.peer_store.max_peers_per_torrent, now=now))
        search.start(now=now)
        return search

    def _send(self, message: Message, address: Address) -> None:
        data = krpc.encode(message)
        self._count.datagrams_sent += 1
        self._count.sent_bytes += len(data)
        self._outbox.append((data, address))

    def _is_reachable(self, address: Address) -> bool:
        return address.is_ipv6 == self._is_ipv6 and is_usable_peer(address)

    def _report_joining(self) -> None:
        if self._joining.changed:
            self._joining.changed = False
            self._events.append(JoinStateChanged(self._joining.state))
        if self._joining.is_wanted:
            self._joining.is_wanted = False
            self._events.append(JoinWanted())


class _PingCommands:
    """Turns the end of each commanded ping into an event."""

    def __init__(self, core: MainlineCore) -> None:
        self._core = core

    def on_response(self, transaction: Transaction, response: Response, *, now: float) -> None:
        self._core._events.append(PingAnswered(Contact(response.sender, transaction.address)))

    def on_failure(self, transaction: Transaction, *, now: float) -> None:
        self._core._events.append(PingFailed(transaction.address))


@dataclass(slots=True)
class _Counters:
    datagrams_received: int = 0
    datagrams_sent: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    queries_received: int = 0
    queries_sent: int = 0
    responses_received: int = 0
    errors_received: int = 0
    timeouts: int = 0
    dropped_garbage: int = 0
    dropped_unexpected: int = 0
    dropped_limit: int = 0
    dropped_foreign: int = 0
