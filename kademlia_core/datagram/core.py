"""A whole node as a machine without I/O: datagrams, commands and time in; datagrams and events out."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from kademlia_core.contact import Contact
from kademlia_core.datagram.amplification import AmplificationBudget
from kademlia_core.datagram.config import NodeConfig
from kademlia_core.datagram.families import AddressPolicy, Families
from kademlia_core.datagram.messages import ErrorReply, Message, MessageError, Query, Response
from kademlia_core.datagram.newcomers import Newcomers
from kademlia_core.datagram.refusals import NodeRefusals
from kademlia_core.datagram.snapshot import MAX_CONTACTS, NetworkSnapshot
from kademlia_core.datagram.stats import NodeCounters, NodeStats
from kademlia_core.datagram.tokens import TokenIssuer
from kademlia_core.datagram.transactions import Transactions
from kademlia_core.engine.core import EngineCore
from kademlia_core.key import Key
from transfer.address import usable_family
from transfer.limits.source_limiter import SourceLimiter

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.datagram.dialect import Dialect
    from kademlia_core.datagram.transactions import Transaction
    from kademlia_core.engine.events import Event
    from kademlia_core.engine.query_port import Asker
    from kademlia_core.engine.requests import Request
    from transfer.address import Address
    from transfer.limits.journal import LimitsReport


class NodeCore:
    """A node that talks in datagrams: an engine, and the side that speaks for it and to it.

    What is said on the wire, and what is kept for others, is up to the `dialect`. Commands go to the `engine`. After
    every input and command, drain `datagrams_to_send()` and `next_event()` and look at `next_timer()`.
    """

    def __init__(
        self,
        dialect: Dialect[Any, Any, Any],
        *,
        rng: Random,
        now: float,
        node_id: Key | None = None,
        config: NodeConfig | None = None,
        is_ipv6: bool = False,
    ) -> None:
        """A node whose key is `node_id`, or else a random one.

        Raises:
            ValueError: `node_id` is not as wide as the dialect's keys.
        """
        self.config = config = config or NodeConfig()
        if node_id is not None and node_id.bits != dialect.key_bits:
            raise ValueError(f"a node id has {dialect.key_bits} bits here, not {node_id.bits}")
        self.node_id = node_id or Key.random(dialect.key_bits, rng)
        self.is_ipv6 = is_ipv6
        self.tokens = TokenIssuer(rng=rng, rotation_s=config.token_rotation_s, now=now)
        self._dialect = dialect
        self._family = 6 if is_ipv6 else 4
        self._addresses = AddressPolicy(is_ipv6=is_ipv6, is_trusted=dialect.is_trusted)
        self._budget = AmplificationBudget(config.amplification, now=now)
        self._transactions = Transactions(rng=rng, timeout_s=config.query_timeout_s, limit=config.max_pending_queries)
        self._limiter = SourceLimiter(config.rate_limit, now=now)
        self._refusals = NodeRefusals(config)
        self.engine = EngineCore(
            self.node_id,
            network=self,
            endpoints=self._addresses,
            config=config,
            rng=rng,
            refusals=self._refusals.journal,
            now=now,
        )
        self.table = self.engine.table
        self.families = Families(self.table, is_ipv6=is_ipv6)
        self._answer_contacts = min(config.routing_table.bucket_size, dialect.max_answer_contacts)
        self._outbox: deque[tuple[bytes, Address]] = deque()
        self._newcomers: Newcomers | None = Newcomers()  # until there were enough
        self._count = NodeCounters()

    def receive_datagram(self, data: bytes, source: Address, *, now: float) -> None:
        """A datagram arrived. Garbage and floods are dropped and counted; nothing a stranger sends raises."""
        count = self._count
        count.datagrams_received += 1
        count.received_bytes += len(data)
        host, port = source
        if len(data) > self.config.max_datagram_bytes or usable_family(host) != self._family or not port:
            count.dropped_foreign += 1
            return
        is_awaited = self._transactions.awaits(source)
        if not is_awaited and not self._limiter.admit(host, now=now):
            self._refuse(host, now=now)
            return
        quick = self._dialect.quick_answer(data, source, self, now=now)
        if quick is not None and self._budget.is_free(answer_bytes=len(quick[1]), query_bytes=len(data)):
            if is_awaited and not self._limiter.admit(host, now=now):
                self._refuse(host, now=now)
                return
            count.queries_received += 1
            if self._newcomers is not None:
                self._note_newcomer(source, now=now)
            self.engine.receive_query(Contact(quick[0], source), now=now)
            self._send_data(quick[1], source)
            return
        try:
            message = self._dialect.decode(data)
        except MessageError as error:
            count.dropped_garbage += 1
            refusal = self._dialect.refuse(error)
            if refusal is not None:
                if is_awaited and not self._limiter.admit(host, now=now):
                    self._refuse(host, now=now)
                else:
                    self._send(refusal, source)
            return
        if not isinstance(message, Query):
            self._receive_reply(message, source, len(data), now=now)
        elif is_awaited and not self._limiter.admit(host, now=now):
            self._refuse(host, now=now)
        else:
            self._receive_query(message, source, len(data), now=now)

    def handle_timer(self, *, now: float) -> None:
        """Time has passed: queries fail, lookups widen, the table is kept up."""
        if now > self.next_timer() + self.config.max_sleep_s:
            self.engine.wake(now=now)
        for transaction in self._transactions.close_expired(now=now):
            self._count.timeouts += 1
            self.engine.receive_silence(transaction, now=now)
        if self.engine.handle_timer(now=now):
            self._dialect.expire(now=now)

    def next_timer(self) -> float:
        """When `handle_timer` wants to be called next."""
        engine, transaction = self.engine.next_timer(), self._transactions.next_timer()
        return engine if transaction is None or engine <= transaction else transaction

    def pair(self, sibling: NodeCore) -> None:
        """Makes the node of the other address family known, whose contacts answers may name as well."""
        self.families.pair(sibling.engine)

    def datagrams_to_send(self) -> list[tuple[bytes, Address]]:
        datagrams = list(self._outbox)
        self._outbox.clear()
        return datagrams

    def next_event(self) -> Event | None:
        return self.engine.next_event()

    def snapshot(self) -> NetworkSnapshot:
        """What to remember for the engine's `restore`: the contacts that answer, closest first."""
        contacts = self.table.closest(self.node_id, MAX_CONTACTS)
        return NetworkSnapshot(self.node_id, self.is_ipv6, tuple(contacts))

    def stats(self, *, now: float) -> NodeStats:
        """Cost: O(size of the table)."""
        return NodeStats(**self._counts(now=now))

    def explain_limits(self, *, now: float) -> LimitsReport:
        """Which limit refused whom in the last minutes, how much is in use, and how to change it."""
        return self._refusals.report(pending_queries=len(self._transactions), lookups=self.engine.lookup_count, now=now)

    def _counts(self, *, now: float) -> dict[str, int]:
        return {
            "nodes": len(self.table),
            "good_nodes": self.table.good_count(now=now),
            "buckets": self.table.bucket_count,
            "lookups": self.engine.lookup_count,
            "pending_queries": len(self._transactions),
            **vars(self._count),
        }

    def check_invariants(self) -> None:
        """Asserts what the parts promise."""
        self.engine.check_invariants()
        self._dialect.check_invariants()
        assert self.node_id == self.engine.node_id
        assert len(self._transactions) <= self.config.max_pending_queries
        self._budget.check_invariants()
        assert self._limiter.host_count <= self.config.rate_limit.max_hosts

    # What a dialect sees of the node (dialect.NodeView).

    def nodes_for(self, target: Key, families: tuple[int, ...] = ()) -> tuple[tuple[Contact, ...], tuple[Contact, ...]]:
        """The IPv4 and the IPv6 contacts closest to `target`, of the own family unless `families` are given."""
        return self.families.contacts_near(target, self._answer_contacts, families)

    def compact_nodes_for(self, target: Key) -> bytes:
        """What `nodes_for` gives of this node's address family, one after the other as they are sent."""
        return self.table.near_compact(target, self._answer_contacts)

    def prove(self, source: Address, *, now: float) -> None:
        """`source` receives what is sent to it: it may get larger answers."""
        self._budget.prove(source.host, now=now)

    # What the engine needs from this side (engine.query_port.QueryPort).

    def ask(
        self, endpoint: Any, request: Request, asker: Asker, *, contact: Contact | None = None, now: float
    ) -> Transaction | None:
        """Sends a query for the engine; None when too many are on their way.

        Args:
            endpoint: an `Address`, as the engine has no others from here.
        """
        transaction = self._transactions.open(endpoint, request, asker, contact=contact, now=now)
        if transaction is not None:
            self._count.queries_sent += 1
            if self._newcomers is not None:
                self._newcomers.note_sent(endpoint, now=now)
            query = self._dialect.query(transaction.transaction_id, request, self)
            transaction.sent_bytes = self._send(query, endpoint)
        else:
            self._refusals.query(endpoint, now=now)
        return transaction

    def contacts_in(self, answer: Any, teller: Any, *, now: float) -> tuple[Contact, ...]:
        """The contacts that a response of the dialect names, as it reads it; `teller` is an `Address`."""
        return self._dialect.contacts_in(answer, teller, self, now=now)

    def _refuse(self, host: str, *, now: float) -> None:
        """One more datagram than may be looked at, of those that nobody awaits."""
        self._count.dropped_limit += 1
        self._refusals.flood(self._limiter, host, now=now)

    def _note_newcomer(self, source: Address, *, now: float) -> None:
        assert self._newcomers is not None
        self._count.queries_unsolicited += self._newcomers.note_query(source, now=now)
        if self._newcomers.is_done:
            self._newcomers = None

    def _receive_query(self, query: Query, source: Address, size_bytes: int, *, now: float) -> None:
        self._count.queries_received += 1
        if self._newcomers is not None:
            self._note_newcomer(source, now=now)
        if self._dialect.is_contact(query):
            self.engine.receive_query(Contact(query.sender, source), now=now)
        reply = self._dialect.answer(query, source, self, now=now)
        if reply is not None:
            self._answer(reply, source, size_bytes, now=now)

    def _answer(self, reply: Response | ErrorReply, source: Address, query_bytes: int, *, now: float) -> None:
        """Sends an answer that is no weapon for a sender that may have forged the query's source address.

        One that is too large for its source shrinks to nodes and token, with which an honest node gets on.
        """
        data = self._dialect.encode(reply)
        if not self._budget.allow(source.host, answer_bytes=len(data), query_bytes=query_bytes, now=now):
            self._count.dropped_limit += 1
            self._refusals.amplified(source.host, is_proved=self._budget.is_proved(source.host, now=now), now=now)
            if not isinstance(reply, Response):
                return
            data = self._dialect.encode(reply.shortened())
            if not self._budget.allow(source.host, answer_bytes=len(data), query_bytes=query_bytes, now=now):
                return
        self._send_data(data, source)

    def _receive_reply(self, reply: Response | ErrorReply, source: Address, size_bytes: int, *, now: float) -> None:
        transaction = self._transactions.close(reply.transaction_id, source)
        if transaction is None:
            self._count.dropped_unexpected += 1
            return
        transaction.answer_bytes = size_bytes
        self._budget.prove(source.host, now=now)
        if isinstance(reply, ErrorReply):
            self._count.errors_received += 1
            self.engine.receive_refusal(transaction, reply, now=now)
            return
        self._count.responses_received += 1
        if reply.sender != self.node_id:  # else we asked ourselves, or a node that says so
            node_id = self._dialect.receive_response(reply, source, self, now=now)
            if node_id is not None:
                self.node_id = node_id
                self.engine.move(node_id, now=now)
        self.engine.receive_answer(transaction, reply, now=now)

    def _send(self, message: Message, address: Address) -> int:
        data = self._dialect.encode(message)
        self._send_data(data, address)
        return len(data)

    def _send_data(self, data: bytes, address: Address) -> None:
        self._count.datagrams_sent += 1
        self._count.sent_bytes += len(data)
        self._outbox.append((data, address))
