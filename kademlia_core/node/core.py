"""A whole node as a machine without I/O: datagrams, commands and time in; datagrams and events out."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from kademlia_core.contact import Contact, credible
from kademlia_core.key import Key
from kademlia_core.node.amplification import AmplificationBudget
from kademlia_core.node.config import NodeConfig
from kademlia_core.node.events import Event, Found, JoinStateChanged, JoinWanted, QueryFinished, SearchFinished
from kademlia_core.node.joining import Joining, JoinState
from kademlia_core.node.messages import ErrorReply, FindNode, Message, MessageError, Ping, Query, Response
from kademlia_core.node.queries import DirectQuery
from kademlia_core.node.searches import Search
from kademlia_core.node.snapshot import MAX_CONTACTS, NetworkSnapshot
from kademlia_core.node.stats import NodeCounters, NodeStats
from kademlia_core.node.tokens import TokenIssuer
from kademlia_core.node.transactions import Transactions
from kademlia_core.node.upkeep import TableUpkeep
from kademlia_core.routing_table import RoutingTable
from transfer.address import Address, usable_family
from transfer.errors import LimitExceededError
from transfer.external_address import ExternalAddress
from transfer.limits.source_limiter import SourceLimiter

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.node.dialect import Dialect, Harvest, Placement
    from kademlia_core.node.messages import Request
    from kademlia_core.node.transactions import Asker


class NodeCore:
    """A node: routes each message to the part that decides, and gathers what the parts send and report.

    What is said on the wire, and what is kept for others, is up to the `dialect`. After every input and command, drain
    `datagrams_to_send()` and `next_event()` and look at `next_timer()`.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        rng: Random,
        now: float,
        node_id: Key | None = None,
        config: NodeConfig | None = None,
        is_ipv6: bool = False,
        keeps_id: bool = False,
    ) -> None:
        """`keeps_id` says that `node_id` stays even if the network would have another one at this address.

        Raises:
            ValueError: `node_id` is not as wide as the dialect's keys.
        """
        self.config = config = config or NodeConfig()
        if node_id is not None and node_id.bits != dialect.key_bits:
            raise ValueError(f"a node id has {dialect.key_bits} bits here, not {node_id.bits}")
        self.node_id = node_id or Key.random(dialect.key_bits, rng)
        self.is_ipv6 = is_ipv6
        self._family = 6 if is_ipv6 else 4
        self.table = RoutingTable(self.node_id, config=config.routing_table, now=now, is_verified=dialect.is_trusted)
        self.tokens = TokenIssuer(rng=rng, rotation_s=config.token_rotation_s, now=now)
        self._dialect = dialect
        self._sibling: NodeCore | None = None
        self._rng = rng
        self._keeps_id = keeps_id
        self._external = ExternalAddress(config.external_address, is_ipv6=is_ipv6)
        self._budget = AmplificationBudget(config.amplification, now=now)
        self._transactions = Transactions(rng=rng, timeout_s=config.query_timeout_s, limit=config.max_pending_queries)
        self._limiter = SourceLimiter(config.rate_limit, now=now)
        self._upkeep = TableUpkeep(self.table, network=self, config=config, rng=rng, now=now)
        self._joining = Joining(self.table, network=self, upkeep=self._upkeep, config=config, rng=rng)
        self._searches: dict[Search, None] = {}
        self._outbox: deque[tuple[bytes, Address]] = deque()
        self._events: deque[Event] = deque()
        self._count = NodeCounters()

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
        quick = None if self.config.is_read_only else self._dialect.quick_answer(data, source, self, now=now)
        if quick is not None and self._budget.is_free(answer_bytes=len(quick[1]), query_bytes=len(data)):
            if not is_awaited or self._limiter.admit(source.host, now=now):
                self._hear(Contact(quick[0], source), now)
                self._send_data(quick[1], source)
            else:
                count.dropped_limit += 1
            return
        try:
            message = self._dialect.decode(data)
        except MessageError as error:
            count.dropped_garbage += 1
            transaction_id = None if self.config.is_read_only else error.transaction_id
            if transaction_id is not None and (not is_awaited or self._limiter.admit(source.host, now=now)):
                self._send(ErrorReply(transaction_id, error.code, error.reason, self.config.version), source)
            return
        if not isinstance(message, Query):
            self._receive_reply(message, source, len(data), now)
        elif not is_awaited or self._limiter.admit(source.host, now=now):
            self._receive_query(message, source, len(data), now)
        else:
            count.dropped_limit += 1
        self._report_joining()

    def handle_timer(self, *, now: float) -> None:
        """Time has passed: queries fail, lookups widen, the table is kept up."""
        if now > self.next_timer() + self.config.max_sleep_s:
            self._joining.wake(now=now)
        for transaction in self._transactions.close_expired(now=now):
            self._count.timeouts += 1
            contact = transaction.contact
            if contact is not None and self.table.on_failure(contact, now=now):
                self._joining.on_loss(contact, now=now)
            transaction.asker.on_failure(transaction, now=now)
        for search in list(self._searches):
            search.handle_timer(now=now)
        if self._upkeep.handle_timer(now=now):
            self._dialect.expire(now=now)
            self._joining.check_connection(now=now)
        self._joining.handle_timer(now=now)
        self._report_joining()

    def next_timer(self) -> float:
        """When `handle_timer` wants to be called next."""
        earliest = self._upkeep.next_timer()
        deadlines = [self._transactions.next_timer(), self._joining.next_timer()]
        if self._searches:
            deadlines += [search.next_timer() for search in self._searches]
        for deadline in deadlines:
            if deadline is not None and deadline < earliest:
                earliest = deadline
        return earliest

    def join(
        self, addresses: tuple[Address, ...], *, alone: bool = False, awaits_more: bool = False, now: float
    ) -> None:
        """Enters the network through `addresses`; `alone` starts one that others may join.

        No addresses and not alone means that none could be resolved: joining has failed, and is wanted again later.
        With `awaits_more` names are still being resolved: `meet` follows.
        """
        usable = tuple(filter(self._is_reachable, addresses))
        self._joining.join(usable, alone=alone, awaits_more=awaits_more, now=now)
        self._report_joining()

    def meet(self, addresses: tuple[Address, ...], *, awaits_more: bool, now: float) -> None:
        """More bootstrap addresses, after `join`; the last call says that it no longer `awaits_more`."""
        self._joining.meet(tuple(filter(self._is_reachable, addresses)), awaits_more=awaits_more, now=now)
        self._report_joining()

    def wake(self, *, now: float) -> None:
        """The machine has slept or the network has changed: the node makes sure of its place anew."""
        self._joining.wake(now=now)
        self._report_joining()

    def restore(self, contacts: tuple[Contact, ...], *, now: float) -> None:
        """Enters the network through whom this node knew when it last ran; instead of `join`, which follows if wanted.

        Nobody is taken at their word: all are asked again.
        """
        usable = tuple(contact for contact in contacts if self._is_reachable(contact.address))
        self._joining.restore(usable, now=now)
        self._upkeep.restore(usable, now=now)
        self._report_joining()

    def snapshot(self) -> NetworkSnapshot:
        """What to remember for `restore`: the contacts that answer, closest first."""
        contacts = self.table.closest(self.node_id, MAX_CONTACTS)
        return NetworkSnapshot(self.node_id, self.is_ipv6, tuple(contacts))

    def add_node(self, address: Address, *, now: float) -> None:
        """A hint that a node may be at `address`; it is pinged, and kept if it answers."""
        if self._is_reachable(address):
            self._upkeep.hint(address, None, now=now)

    def query(self, address: Address, request: Request, *, now: float) -> DirectQuery:
        """Asks one address one thing, a `Ping` for example; `QueryFinished` follows."""
        query = DirectQuery(address, request, self._on_query_finished)
        if not self._is_reachable(address) or not self.ask(address, request, query, now=now):
            query.finish()
        return query

    def find_node(self, target: Key, *, now: float) -> Search:
        """Looks for the nodes closest to `target`; `SearchFinished` follows.

        Raises:
            LimitExceededError: too many searches are running.
        """
        return self.search(FindNode(target), target, now=now)

    def search(
        self,
        request: Request,
        target: Key,
        *,
        harvest: Harvest | None = None,
        placement: Placement | None = None,
        found: tuple[object, ...] = (),
        now: float,
    ) -> Search:
        """Carries `request` to the nodes closest to `target`; `Found`s, if it harvests, and `SearchFinished` follow.

        `found` is what this node knows itself, reported first.

        Raises:
            LimitExceededError: too many searches are running.
        """
        self._check_room()
        search = Search(
            request,
            target,
            self.table.closest(target, self.config.lookup.k, max_failures=self.table.config.bad_after_failures - 1),
            network=self,
            owner=self,
            config=self.config,
            own_key=self.node_id,
            harvest=harvest,
            placement=placement,
            has_found=bool(found),
        )
        self._searches[search] = None
        if found:
            self.on_found(search, found)
        search.start(now=now)
        return search

    def place(self, search: Search, placement: Placement, *, now: float) -> None:
        """Leaves something with the closest nodes of a search that is over; `SearchFinished` follows again.

        Raises:
            LimitExceededError: too many searches are running.
        """
        self._check_room()
        self._searches[search] = None
        search.place(placement, now=now)

    def pair(self, sibling: NodeCore) -> None:
        """Makes the node of the other address family known, whose contacts answers may name as well (BEP 32)."""
        self._sibling = sibling

    def offer(self, contacts: tuple[Contact, ...], *, now: float) -> None:
        """Contacts that the sibling came across; of use as long as this node knows hardly anybody."""
        if len(self.table) < self.table.config.bucket_size:
            for contact in contacts:
                if self._is_reachable(contact.address):
                    self._upkeep.hint(contact.address, contact, now=now)

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
    def external_host(self) -> str | None:
        """The IP address that the network sees this node at; None until enough nodes agree."""
        return self._external.agreed

    @property
    def join_state(self) -> JoinState:
        return self._joining.state

    def stats(self, *, now: float) -> NodeStats:
        """Cost: O(size of the table)."""
        return NodeStats(**self._counts(now=now))

    def _counts(self, *, now: float) -> dict[str, int]:
        return {
            "nodes": len(self.table),
            "good_nodes": self.table.good_count(now=now),
            "buckets": self.table.bucket_count,
            "searches": len(self._searches),
            "pending_queries": len(self._transactions),
            **vars(self._count),
        }

    def check_invariants(self) -> None:
        """Asserts what the parts promise."""
        self.table.check_invariants()
        self._dialect.check_invariants()
        assert len(self._transactions) <= self.config.max_pending_queries
        assert len(self._searches) <= self.config.max_searches
        self._budget.check_invariants()
        self._external.check_invariants()
        self._joining.check_invariants()
        assert self._limiter.host_count <= self.config.rate_limit.max_hosts

    # What a dialect sees of the node (dialect.NodeView).

    def nodes_for(self, target: Key, query: Query) -> tuple[tuple[Contact, ...], tuple[Contact, ...]]:
        """The IPv4 and IPv6 contacts closest to `target` that `query` wants, in no order; none of an unknown table."""
        count = min(self.table.config.bucket_size, self._dialect.max_answer_contacts)
        want = query.want
        own = self.table.near(target, count) if not want or self._family in want else ()
        other: tuple[Contact, ...] = ()
        if want and self._sibling is not None and (4 if self.is_ipv6 else 6) in want:
            other = self._sibling.table.near(target, count)
        return (other, own) if self.is_ipv6 else (own, other)

    def compact_nodes_for(self, target: Key) -> bytes:
        """What `nodes_for` gives of this node's address family, one after the other as they are sent."""
        return self.table.near_compact(target, min(self.table.config.bucket_size, self._dialect.max_answer_contacts))

    def prove(self, source: Address, *, now: float) -> None:
        """`source` receives what is sent to it: it may get larger answers."""
        self._budget.prove(source.host, now=now)

    # What the parts need from the node (searches.Network, searches.SearchOwner).

    def ask(
        self, address: Address, request: Request, asker: Asker, *, contact: Contact | None = None, now: float
    ) -> int:
        """Sends a query on behalf of a part; returns its size, 0 when too many are on their way."""
        transaction = self._transactions.open(address, contact, request, asker, now=now)
        if transaction is None:
            return 0
        self._count.queries_sent += 1
        query = Query(
            transaction.transaction_id,
            self.node_id,
            request,
            self.config.is_read_only,
            self.config.version,
            BOTH_FAMILIES if self._sibling is not None else (),
        )
        return self._send(query, address)

    def is_trusted(self, contact: Contact) -> bool:
        """Whether the key of a contact suits its address."""
        return self._dialect.is_trusted(contact)

    def contacts_in(self, response: Response, teller: Address, *, now: float) -> tuple[Contact, ...]:
        """The usable contacts of this node's address family; those of the other help a lonely sibling."""
        nodes, others = (response.nodes6, response.nodes) if self.is_ipv6 else (response.nodes, response.nodes6)
        if others and self._sibling is not None:
            self._sibling.offer(credible(others, teller), now=now)
        return credible(nodes, teller)

    def on_found(self, search: Search, found: tuple[object, ...]) -> None:
        self._events.append(Found(search, found))

    def on_search_finished(self, search: Search, *, now: float) -> None:
        self._searches.pop(search, None)
        self._events.append(SearchFinished(search))

    @property
    def has_room(self) -> bool:
        """Whether one more search may begin."""
        return len(self._searches) < self.config.max_searches

    def _check_room(self) -> None:
        if not self.has_room:
            raise LimitExceededError(f"{len(self._searches)} searches are running (max_searches); wait for one to end")

    def _receive_query(self, query: Query, source: Address, size_bytes: int, now: float) -> None:
        if query.is_read_only:
            self._count.queries_received += 1
        else:
            self._hear(Contact(query.sender, source), now)
        if not self.config.is_read_only:
            self._answer(self._dialect.answer(query, source, self, now=now), source, size_bytes, now)

    def _hear(self, contact: Contact, now: float) -> None:
        """Somebody who could be in the table asks us something."""
        self._count.queries_received += 1
        if not self.table.on_query(contact, now=now):
            self._upkeep.hint(contact.address, contact, now=now)

    def _answer(self, reply: Response | ErrorReply, source: Address, query_bytes: int, now: float) -> None:
        """Sends an answer that whoever may have forged the query's source address cannot use as a weapon.

        One that is too large for its source shrinks to nodes and token, with which an honest node gets on.
        """
        data = self._dialect.encode(reply)
        if not self._budget.allow(source.host, answer_bytes=len(data), query_bytes=query_bytes, now=now):
            self._count.dropped_limit += 1
            if not isinstance(reply, Response):
                return
            data = self._dialect.encode(reply.shortened())
            if not self._budget.allow(source.host, answer_bytes=len(data), query_bytes=query_bytes, now=now):
                return
        self._send_data(data, source)

    def _receive_reply(self, reply: Response | ErrorReply, source: Address, size_bytes: int, now: float) -> None:
        transaction = self._transactions.close(reply.transaction_id, source)
        if transaction is None:
            self._count.dropped_unexpected += 1
            return
        transaction.answer_bytes = size_bytes
        self._budget.prove(source.host, now=now)
        if isinstance(reply, ErrorReply):
            self._count.errors_received += 1
            if transaction.contact is not None and isinstance(transaction.request, Ping):
                self.table.on_failure(transaction.contact, now=now)  # whoever refuses a ping is of no use to anybody
            transaction.asker.on_failure(transaction, error=reply, now=now)
            return
        self._count.responses_received += 1
        self._joining.on_answer(source)
        asked = transaction.contact
        contact = asked if asked is not None and asked.key == reply.sender else Contact(reply.sender, source)
        if contact.key == self.node_id:  # we asked ourselves, or somebody who says so
            if asked is not None:
                self.table.on_failure(asked, now=now)
            transaction.asker.on_failure(transaction, now=now)
            return
        if reply.external_address is not None and self._external.on_vote(source, reply.external_address, now=now):
            self._on_external_address(now)
        is_kept = self.table.on_response(contact, now=now)
        if asked is None or asked is contact:
            transaction.asker.on_response(transaction, reply, now=now)
        else:  # not the node we meant: what it says is no answer to our question
            transaction.asker.on_failure(transaction, now=now)
        if is_kept:
            self._joining.on_table_growth(now=now)
        else:
            self._upkeep.on_crowding(contact, now=now)

    def _on_external_address(self, now: float) -> None:
        """The network agrees on where we are: take a key that suits it (BEP 42)."""
        host = self._external.agreed
        if host is None or self._keeps_id or self._dialect.is_trusted(Contact(self.node_id, Address(host, 1))):
            return
        node_id = self._dialect.node_id_for(host, self._rng)
        if node_id is None:
            return
        self.node_id = node_id
        self.table.move(node_id, now=now)
        self._dialect.moved(node_id)
        self._joining.move(now=now)

    def _send(self, message: Message, address: Address) -> int:
        data = self._dialect.encode(message)
        self._send_data(data, address)
        return len(data)

    def _send_data(self, data: bytes, address: Address) -> None:
        self._count.datagrams_sent += 1
        self._count.sent_bytes += len(data)
        self._outbox.append((data, address))

    def _is_reachable(self, address: Address) -> bool:
        host, port = address
        return usable_family(host) == self._family and 0 < port <= 65535

    def _on_query_finished(self, query: DirectQuery) -> None:
        self._events.append(QueryFinished(query))

    def _report_joining(self) -> None:
        if self._joining.changed:
            self._joining.changed = False
            self._events.append(JoinStateChanged(self._joining.state))
        if self._joining.is_wanted:
            self._joining.is_wanted = False
            self._events.append(JoinWanted())


BOTH_FAMILIES = (4, 6)
