"""The engine as a machine without I/O: what nodes say to us, commands and time in; queries and events out."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from kademlia_core.contact import Contact
from kademlia_core.engine.direct_query import DirectQuery
from kademlia_core.engine.events import Event, Found, JoinStateChanged, JoinWanted, LookupFinished, QueryFinished
from kademlia_core.engine.joining import Joining, JoinState
from kademlia_core.engine.lookup import EngineLookup, Harvest, Placement
from kademlia_core.engine.requests import FindNode, Ping
from kademlia_core.engine.upkeep import TableUpkeep
from kademlia_core.routing_table import RoutingTable
from transfer.limits.refusal import LimitReachedError, Refusal

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.endpoint import Endpoint, EndpointPolicy
    from kademlia_core.engine.config import EngineConfig
    from kademlia_core.engine.query_port import PendingQuery, QueryPort
    from kademlia_core.engine.requests import Answer, QueryError, Request
    from kademlia_core.key import Key
    from transfer.limits.journal import RefusalJournal


class EngineCore:
    """A node's place in a network: which nodes it knows, how it got there, and what it looks for.

    It asks through its `network`, which reports what becomes of each query, and the nodes that ask. After every input
    and command, drain `next_event()` and look at `next_timer()`.
    """

    def __init__(
        self,
        node_id: Key,
        *,
        network: QueryPort,
        endpoints: EndpointPolicy,
        config: EngineConfig,
        rng: Random,
        refusals: RefusalJournal | None = None,
        now: float,
    ) -> None:
        """A node that has not joined yet.

        Args:
            refusals: where it is noted when too many lookups are running.
        """
        self.config = config
        self._refusals = refusals
        self.endpoints = endpoints
        self.table = RoutingTable(
            node_id,
            config=config.routing_table,
            now=now,
            is_verified=endpoints.is_trusted,
            group_of=endpoints.group_of,
        )
        self._network = network
        self._upkeep = TableUpkeep(self.table, network=network, endpoints=endpoints, config=config, rng=rng, now=now)
        self._joining = Joining(
            self.table, network=network, endpoints=endpoints, upkeep=self._upkeep, config=config, rng=rng
        )
        self._lookups: dict[EngineLookup, None] = {}
        self._events: deque[Event] = deque()

    def receive_answer(self, query: PendingQuery, answer: Answer, *, now: float) -> None:
        """A node answered a query. A node that answers in the place of the contact that was asked counts as itself."""
        self._joining.on_answer(query.endpoint)
        asked = query.contact
        contact = asked if asked is not None and asked.key == answer.sender else Contact(answer.sender, query.endpoint)
        if contact.key == self.table.own_key:  # we asked ourselves, or a node that says so
            if asked is not None:
                self.table.on_failure(asked, now=now)
            query.asker.on_failure(query, now=now)
        else:
            is_kept = self.table.on_response(contact, now=now)
            if asked is None or asked is contact:
                query.asker.on_response(query, answer, now=now)
            else:  # not the node we meant: what it says is no answer to our question
                query.asker.on_failure(query, now=now)
            if is_kept:
                self._joining.on_table_growth(now=now)
            else:
                self._upkeep.on_crowding(contact, now=now)
        self._report_joining()

    def receive_refusal(self, query: PendingQuery, error: QueryError, *, now: float) -> None:
        """A node refused what it was asked."""
        if query.contact is not None and isinstance(query.request, Ping):
            self.table.on_failure(query.contact, now=now)  # a node that refuses a ping is of no use to others
        query.asker.on_failure(query, error=error, now=now)
        self._report_joining()

    def receive_silence(self, query: PendingQuery, *, now: float) -> None:
        """A query was left unanswered for as long as `query_timeout_s`, or could not be delivered."""
        contact = query.contact
        if contact is not None and self.table.on_failure(contact, now=now):
            self._joining.on_loss(contact, now=now)
        query.asker.on_failure(query, now=now)
        self._report_joining()

    def receive_query(self, contact: Contact, *, now: float) -> None:
        """A node that answers queries, too, asked us something."""
        if not self.table.on_query(contact, now=now):
            self._upkeep.hint(contact.endpoint, contact, now=now)

    def handle_timer(self, *, now: float) -> bool:
        """Time has passed: lookups widen, the table is kept up. Returns whether a round of upkeep was due."""
        for lookup in list(self._lookups):
            lookup.handle_timer(now=now)
        is_round = self._upkeep.handle_timer(now=now)
        if is_round:
            self._joining.check_connection(now=now)
        self._joining.handle_timer(now=now)
        self._report_joining()
        return is_round

    def next_timer(self) -> float:
        """When `handle_timer` wants to be called next."""
        earliest = self._upkeep.next_timer()
        joining = self._joining.next_timer()
        if joining is not None and joining < earliest:
            earliest = joining
        for lookup in self._lookups:
            deadline = lookup.next_timer()
            if deadline is not None and deadline < earliest:
                earliest = deadline
        return earliest

    def join(
        self, endpoints: tuple[Endpoint, ...], *, alone: bool = False, awaits_more: bool = False, now: float
    ) -> None:
        """Enters the network through `endpoints`; `alone` starts one that others may join.

        No endpoints and not alone means that none could be found: joining has failed, and is wanted again later.
        With `awaits_more` some are still being found: `meet` follows.
        """
        usable = tuple(filter(self.endpoints.is_usable, endpoints))
        self._joining.join(usable, alone=alone, awaits_more=awaits_more, now=now)
        self._report_joining()

    def meet(self, endpoints: tuple[Endpoint, ...], *, awaits_more: bool, now: float) -> None:
        """More endpoints to enter by, after `join`; the last call says that it no longer `awaits_more`."""
        usable = tuple(filter(self.endpoints.is_usable, endpoints))
        self._joining.meet(usable, awaits_more=awaits_more, now=now)
        self._report_joining()

    def wake(self, *, now: float) -> None:
        """The machine has slept or the network has changed: the node makes sure of its place anew."""
        self._joining.wake(now=now)
        self._report_joining()

    def restore(self, contacts: tuple[Contact, ...], *, now: float) -> None:
        """Enters the network through the nodes known when this one last ran.

        This is instead of `join`, which follows if wanted. No contact is taken at its word: all are asked again.
        """
        usable = tuple(contact for contact in contacts if self.endpoints.is_usable(contact.endpoint))
        self._joining.restore(usable, now=now)
        self._upkeep.restore(usable, now=now)
        self._report_joining()

    def move(self, node_id: Key, *, now: float) -> None:
        """The node has another key from now on."""
        self.table.move(node_id, now=now)
        self._joining.move(now=now)
        self._report_joining()

    def add_node(self, endpoint: Endpoint, *, now: float) -> None:
        """A hint that a node may be at `endpoint`; it is pinged, and kept if it answers."""
        if self.endpoints.is_usable(endpoint):
            self._upkeep.hint(endpoint, None, now=now)

    def offer(self, contacts: tuple[Contact, ...], *, now: float) -> None:
        """Contacts that others came across; of use as long as this node knows hardly any node."""
        if len(self.table) < self.table.config.bucket_size:
            for contact in contacts:
                if self.endpoints.is_usable(contact.endpoint):
                    self._upkeep.hint(contact.endpoint, contact, now=now)

    def query(self, endpoint: Endpoint, request: Request, *, now: float) -> DirectQuery:
        """Asks one endpoint one thing, a `Ping` for example; `QueryFinished` follows."""
        query = DirectQuery(endpoint, request, self._on_query_finished)
        if not self.endpoints.is_usable(endpoint) or self._network.ask(endpoint, request, query, now=now) is None:
            query.finish()
        return query

    def find_node(self, target: Key, *, now: float) -> EngineLookup:
        """Looks for the nodes closest to `target`; `LookupFinished` follows.

        Raises:
            LimitExceededError: too many lookups are running.
        """
        return self.look_up(FindNode(target), target, now=now)

    def look_up(
        self,
        request: Request,
        target: Key,
        *,
        harvest: Harvest | None = None,
        placement: Placement | None = None,
        found: tuple[object, ...] = (),
        now: float,
    ) -> EngineLookup:
        """Carries `request` to the nodes closest to `target`; `Found`s, if it harvests, and `LookupFinished` follow.

        `found` is what this node knows itself, reported first.

        Raises:
            LimitExceededError: too many lookups are running.
        """
        self._check_room(now=now)
        lookup = EngineLookup(
            request,
            target,
            self.table.closest(target, self.config.lookup.k, max_failures=self.table.config.bad_after_failures - 1),
            network=self._network,
            endpoints=self.endpoints,
            owner=self,
            config=self.config.lookup,
            own_key=self.table.own_key,
            harvest=harvest,
            placement=placement,
            has_found=bool(found),
        )
        self._lookups[lookup] = None
        if found:
            self.on_found(lookup, found)
        lookup.start(now=now)
        return lookup

    def place(self, lookup: EngineLookup, placement: Placement, *, now: float) -> None:
        """Leaves something with the closest nodes of a lookup that is over; `LookupFinished` follows again.

        Raises:
            LimitExceededError: too many lookups are running.
        """
        self._check_room(now=now)
        self._lookups[lookup] = None
        lookup.place(placement, now=now)

    def cancel(self, lookup: EngineLookup) -> None:
        """Ends a lookup; none of its events follow."""
        lookup.cancel()
        self._lookups.pop(lookup, None)

    def next_event(self) -> Event | None:
        return self._events.popleft() if self._events else None

    @property
    def node_id(self) -> Key:
        return self.table.own_key

    @property
    def join_state(self) -> JoinState:
        return self._joining.state

    @property
    def lookup_count(self) -> int:
        """How many lookups are running."""
        return len(self._lookups)

    @property
    def has_room(self) -> bool:
        """Whether one more lookup may begin."""
        return len(self._lookups) < self.config.max_lookups

    def check_invariants(self) -> None:
        """Asserts what the parts promise."""
        self.table.check_invariants()
        assert len(self._lookups) <= self.config.max_lookups
        self._joining.check_invariants()

    # What a lookup reports (lookup.LookupOwner).

    def on_found(self, lookup: EngineLookup, found: tuple[object, ...]) -> None:
        self._events.append(Found(lookup, found))

    def on_lookup_finished(self, lookup: EngineLookup, *, now: float) -> None:
        self._lookups.pop(lookup, None)
        self._events.append(LookupFinished(lookup))

    def _check_room(self, *, now: float) -> None:
        if self.has_room:
            return
        refusal = Refusal(
            limit="max_lookups",
            scope="the node",
            what="lookups; wait for one to end",
            in_use=len(self._lookups),
            most=self.config.max_lookups,
        )
        if self._refusals is not None:
            self._refusals.note(refusal, now=now)
        raise LimitReachedError(refusal)

    def _on_query_finished(self, query: DirectQuery) -> None:
        self._events.append(QueryFinished(query))

    def _report_joining(self) -> None:
        if self._joining.changed:
            self._joining.changed = False
            self._events.append(JoinStateChanged(self._joining.state))
        if self._joining.is_wanted:
            self._joining.is_wanted = False
            self._events.append(JoinWanted())
