"""Entering the network: ask the bootstrap addresses, look up one's own key, refresh the far buckets.

A node never thinks that this was all: the nodes it met may be an island.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from kademlia_core.engine.entrances import Entrances
from kademlia_core.engine.lookup import EngineLookup
from kademlia_core.engine.lost import LostContacts
from kademlia_core.engine.requests import FindNode

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.endpoint import Endpoint, EndpointPolicy
    from kademlia_core.engine.config import EngineConfig
    from kademlia_core.engine.query_port import PendingQuery, QueryPort
    from kademlia_core.engine.requests import Answer, QueryError
    from kademlia_core.engine.upkeep import TableUpkeep
    from kademlia_core.routing_table import RoutingTable


class JoinState(Enum):
    """IDLE before the first attempt; FAILED between attempts."""

    IDLE = "idle"
    JOINING = "joining"
    JOINED = "joined"
    FAILED = "failed"


class Joining:
    """Brings the node into the network, notices when it has fallen out, and keeps it off islands.

    Joined means: the lookup of the own key has ended, or awaits only slow nodes, or the table holds a bucket full of
    nodes already: a caller that looks something up need not wait for the dead. The far buckets are filled behind that
    lookup, once; later on, `upkeep` refreshes what turns stale.

    A network falls apart when nodes rest content with the first they met. So bootstrap addresses are asked again even
    by a node that has joined, as `Entrances` has it, and lost nodes are pinged, as `LostContacts` has it. Whatever news
    that brings, and each node that enters a narrow table, leads to one more lookup of the own key and of far
    buckets, through which both sides get to know each other: at most one in `renew_interval_s`.

    `changed` is set on each change of `state` and reset by the owner; `is_wanted` asks the owner for (freshly resolved)
    addresses, which it hands to `join`.
    """

    def __init__(
        self,
        table: RoutingTable,
        *,
        network: QueryPort,
        endpoints: EndpointPolicy,
        upkeep: TableUpkeep,
        config: EngineConfig,
        rng: Random,
    ) -> None:
        self._table = table
        self._network = network
        self._endpoints = endpoints
        self._upkeep = upkeep
        self._config = config
        self._entrances = Entrances(table, network=network, endpoints=endpoints, asker=self, config=config, rng=rng)
        self._lost = LostContacts(network=network, watcher=self, config=config, rng=rng)
        self._lookup: EngineLookup | None = None
        self._can_retry = False
        self._is_far_filled = False
        self._is_restoring = False
        self._patient_until: float | None = None  # with the contacts that the node knew when it last ran
        self._size = 0  # of the table when it was last looked at
        self._renewed_at: float | None = None
        self._renew_at: float | None = None
        self._checked_at = 0.0
        self.state = JoinState.IDLE
        self.changed = False
        self.is_wanted = False

    def join(self, endpoints: tuple[Endpoint, ...], *, alone: bool, awaits_more: bool, now: float) -> None:
        """Asks `endpoints`, and those of `meet` when it `awaits_more`.

        With none at all, joining has failed, or a network is started when `alone` is set. A node that has joined stays
        so, whatever comes of it.
        """
        self._can_retry = not alone
        is_member = self.state is JoinState.JOINED and self._has_contacts()
        if not is_member:
            self._enter(JoinState.JOINING)
        self._entrances.begin(endpoints, awaits_more=awaits_more, is_polite=is_member, now=now)
        if alone:
            self._enter(JoinState.JOINED)
        else:
            self._end_round(now=now)

    def meet(self, endpoints: tuple[Endpoint, ...], *, awaits_more: bool, now: float) -> None:
        """More endpoints to ask besides those of `join`."""
        self._entrances.add(endpoints, awaits_more=awaits_more, now=now)
        self._end_round(now=now)

    def restore(self, contacts: tuple[Contact, ...], *, now: float) -> None:
        """Tries the contacts that the node knew when it last ran.

        Bootstrap addresses are wanted at once only if none of them answers soon.

        A node that comes back after months need not wait until hundreds have been tried.
        """
        self._can_retry = self._is_restoring = True
        self._patient_until = now + self._config.query_timeout_s
        for contact in contacts[: self._config.max_lost]:
            self._lost.add(contact.endpoint, now=now)
        self._enter(JoinState.JOINING)
        self._look_up_own_key(list(contacts), now=now)

    def move(self, *, now: float) -> None:
        """The node has another key now: it makes itself known to its new neighbours."""
        self._is_far_filled = False
        if self._lookup is not None:
            self._lookup.cancel()
        self._look_up_own_key([], now=now)

    def wake(self, *, now: float) -> None:
        """The machine has slept, or is in another network now: the known contacts may be gone, and we for them."""
        if self.state is JoinState.IDLE:
            return
        if self._can_retry and not self._entrances.is_asking:
            self._entrances.hurry(0.0, now=now)
        self._renew_at = now

    def on_response(self, query: PendingQuery, answer: Answer, *, now: float) -> None:
        self._entrances.on_answer(query.endpoint)
        told = self._network.contacts_in(answer, query.endpoint, now=now)
        contacts = [contact for contact in told if contact.key != self._table.own_key]
        if self._lookup is not None:
            self._lookup.add_candidates(contacts, now=now)
        elif self.state is not JoinState.JOINED:
            self._look_up_own_key(contacts, now=now)
        elif any(contact not in self._table and self._table.needs(contact) for contact in contacts):
            self._renew(contacts, now=now)
        self._end_round(now=now)

    def on_failure(self, query: PendingQuery, *, error: QueryError | None = None, now: float) -> None:
        if self._entrances.on_failure(query.endpoint, now=now):
            self._end_round(now=now)

    def on_table_growth(self, *, now: float) -> None:
        """A node has answered that is in the table, or has entered it."""
        before, self._size = self._size, len(self._table)
        if self.state is JoinState.JOINING and self._size >= self._table.config.bucket_size:
            self._joined(now=now)
        elif self.state is JoinState.JOINING and self._lookup is None:
            self._look_up_own_key([], now=now)
        elif self.state is JoinState.FAILED:  # a node found us: the network is back
            self._enter(JoinState.JOINING)
            self._look_up_own_key([], now=now)
        elif self._size > before and self._renew_at is None and self._lookup is None and not self._entrances.is_wide:
            self._renew_later(now + RENEW_DELAY_S)

    def on_answer(self, endpoint: Endpoint) -> None:
        """A node at `endpoint` has answered a query."""
        self._lost.discard(endpoint)

    def on_loss(self, contact: Contact, *, now: float) -> None:
        """A node of the table has turned bad."""
        self._lost.add(contact.endpoint, now=now)

    def on_return(self, count: int, *, now: float) -> None:
        """So many lost nodes are back. One or two mean little in a wide table."""
        if count >= RETURNED_TO_RENEW or not self._entrances.is_wide:
            self._renew_later(now)

    def on_found(self, lookup: EngineLookup, found: tuple[object, ...]) -> None:
        """A lookup of nodes finds nothing else."""

    def on_lookup_finished(self, lookup: EngineLookup, *, now: float) -> None:
        self._lookup = None
        if not self._is_far_filled:
            self._is_far_filled = self._upkeep.fill_far_buckets(now=now)
        self._settle(now=now)

    def handle_timer(self, *, now: float) -> None:
        if self._lookup is not None:
            self._lookup.handle_timer(now=now)
        if self._patient_until is not None and now >= self._patient_until:
            self._lose_patience(now=now)
        # Read again: the lookup may have ended just now.
        if self.state is JoinState.JOINING and self._lookup is not None and self._lookup.awaits_only_slow:
            self._joined(now=now)
        if self._renew_at is not None and now >= self._renew_at:
            self._renew([], now=now)
        if self._entrances.due_at is not None and now >= self._entrances.due_at:
            self._entrances.due_at = None
            self.is_wanted = True
        self._lost.handle_timer(now=now)

    def next_timer(self) -> float | None:
        earliest = self._lookup.next_timer() if self._lookup is not None else None
        for deadline in (self._entrances.due_at, self._patient_until, self._renew_at, self._lost.next_timer()):
            if deadline is not None and (earliest is None or deadline < earliest):
                earliest = deadline
        return earliest

    def check_connection(self, *, now: float) -> None:
        """Called now and then: decides whether bootstrap addresses are due soon.

        They are when every contact has turned bad, or the table, which was wide, is narrow.
        """
        due_at, config = self._entrances.due_at, self._config
        if self.state is not JoinState.JOINED or not self._can_retry or due_at is None:
            return
        if due_at > now + config.join_retry_s and not self._has_contacts():
            self._entrances.hurry(config.join_retry_s, now=now)
        elif due_at > now + config.join_retry_max_s and now >= self._checked_at + CHECK_INTERVAL_S:
            self._checked_at = now
            if not self._entrances.is_wide:
                self._entrances.hurry(config.join_retry_s, now=now)

    def check_invariants(self) -> None:
        """Asserts what the parts promise."""
        self._lost.check_invariants()

    def _look_up_own_key(self, contacts: list[Contact], *, now: float) -> None:
        own_key = self._table.own_key
        contacts = contacts + self._table.closest(own_key, self._config.lookup.k)
        self._lookup = EngineLookup(
            FindNode(own_key),
            own_key,
            contacts,
            network=self._network,
            endpoints=self._endpoints,
            owner=self,
            config=self._config.lookup,
            own_key=own_key,
        )
        self._lookup.start(now=now)

    def _renew_later(self, at: float) -> None:
        if self._renewed_at is not None:
            at = max(at, self._renewed_at + self._config.renew_interval_s)
        self._renew_at = at if self._renew_at is None else min(at, self._renew_at)

    def _renew(self, contacts: list[Contact], *, now: float) -> None:
        """Makes the node and those around it known to each other once more."""
        self._renew_at = None
        self._renewed_at = now
        self._is_far_filled = False
        if self._lookup is None:
            self._look_up_own_key(contacts, now=now)

    def _lose_patience(self, *, now: float) -> None:
        self._patient_until = None
        if not self._is_restoring:
            return
        if self._lookup is not None:
            self._lookup.cancel()
            self._lookup = None
        if self._has_contacts():
            self._look_up_own_key([], now=now)  # begin anew with the nodes that live
        else:
            self._settle(now=now)

    def _end_round(self, *, now: float) -> None:
        """Decides what comes next when no bootstrap address is awaited any more."""
        if self._entrances.is_asking or not self._can_retry:
            return
        if self.state is JoinState.JOINED:
            self._entrances.schedule(is_joined=True, now=now)
        else:
            self._settle(now=now)

    def _settle(self, *, now: float) -> None:
        """Decides when the lookup has ended or no node is left to begin one; one dead router does not matter."""
        if self._lookup is not None or self.state is JoinState.JOINED:
            return
        if self._has_contacts():
            self._joined(now=now)
        elif self._is_restoring:
            self._is_restoring = False
            self.is_wanted = True
        elif not self._entrances.is_asking and self.state is not JoinState.FAILED:
            self._enter(JoinState.FAILED)
            self._entrances.schedule(is_joined=False, now=now)

    def _has_contacts(self) -> bool:
        """Whether any node in the table is not bad."""
        return next(self._table.live(), None) is not None

    def _joined(self, *, now: float) -> None:
        self._is_restoring = False
        self._patient_until = None
        self._renewed_at = now
        self._enter(JoinState.JOINED)
        if self._entrances.due_at is None:
            self._end_round(now=now)

    def _enter(self, state: JoinState) -> None:
        self.changed = self.changed or state is not self.state
        self.state = state


RENEW_DELAY_S = 5.0  # several nodes often come together
RETURNED_TO_RENEW = 3
CHECK_INTERVAL_S = 60.0
