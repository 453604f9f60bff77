"""Keeping the routing table true: pings for hints and doubtful nodes, lookups in stale buckets."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

from kademlia_core.engine.lookup import EngineLookup
from kademlia_core.engine.requests import FindNode, Ping

if TYPE_CHECKING:
    from random import Random

    from kademlia_core.config import LookupConfig
    from kademlia_core.contact import Contact
    from kademlia_core.endpoint import Endpoint, EndpointPolicy
    from kademlia_core.engine.config import EngineConfig
    from kademlia_core.engine.query_port import PendingQuery, QueryPort
    from kademlia_core.engine.requests import Answer, QueryError
    from kademlia_core.key import Key
    from kademlia_core.routing_table import RoutingTable


class TableUpkeep:
    """Asks whatever the table needs to know; the answers reach the table by the way of every answer.

    Each ping on its way is unique to its endpoint. Hints are followed while at most `max_hints` pings are on their way;
    doubtful nodes of the table, which bounds their number, are always asked. Buckets are refreshed one after the other.
    """

    def __init__(
        self,
        table: RoutingTable,
        *,
        network: QueryPort,
        endpoints: EndpointPolicy,
        config: EngineConfig,
        rng: Random,
        now: float,
    ) -> None:
        self._table = table
        self._network = network
        self._endpoints = endpoints
        self._config = config
        self._refresh_config = _with_k(config.lookup, min(config.refresh_k, config.lookup.k))
        self._rng = rng
        self._pinged: set[Endpoint] = set()
        self._refresh: EngineLookup | None = None
        self._targets: deque[Key] = deque()  # of refreshes to come; at most max_join_refreshes
        self._restored: deque[Contact] = deque()  # from an earlier run, to be pinged; at most as given
        self._next_round_at = now + config.upkeep_interval_s
        self._next_spare_at = now

    def hint(self, endpoint: Endpoint, contact: Contact | None, *, now: float) -> None:
        """A node may be at `endpoint`: a ping decides. Dropped when it could not be of use anyway.

        A node that only fills the larger part of a large bucket, or the reserve, has to be lucky: one is pinged now
        and then.
        """
        if endpoint in self._pinged:
            return
        if contact is None or self._table.needs(contact):
            self._ping(endpoint, None, now=now)
        elif now >= self._next_spare_at and self._table.wants(contact):
            self._next_spare_at = now + self._config.spare_interval_s
            self._ping(endpoint, None, now=now)

    def restore(self, contacts: tuple[Contact, ...], *, now: float) -> None:
        """Pings the contacts that the node knew when it last ran, `max_hints` at a time."""
        self._restored.extend(contacts)
        self._ping_restored(now=now)

    def fill_far_buckets(self, *, now: float) -> bool:
        """Refreshes all buckets farther away than the neighbours, if they are nearly empty when their turn comes.

        Returns whether there were any.

        It makes us known there, too: a network where every node has met neighbours only is not connected enough for
        lookups from anywhere to end at the truly closest nodes.

        Source: the Kademlia paper, section 2.3.
        """
        targets = self._table.far_targets(self._config.max_join_refreshes, rng=self._rng)
        self._targets = deque(targets)
        if self._refresh is None:
            self._refresh_next(now=now)
        return bool(targets)

    def on_crowding(self, contact: Contact, *, now: float) -> None:
        """A new node waits for a place in a full bucket: the most doubtful node there has to prove itself."""
        rival = self._table.rival_of(contact.key, now=now)
        if rival is not None:
            self._ping(rival.endpoint, rival, now=now)

    def on_response(self, query: PendingQuery, answer: Answer, *, now: float) -> None:
        self._pinged.discard(query.endpoint)
        self._ping_restored(now=now)

    def on_failure(self, query: PendingQuery, *, error: QueryError | None = None, now: float) -> None:
        """BEP 5: a doubtful node gets a second chance before it gives way to a replacement."""
        self._pinged.discard(query.endpoint)
        if query.contact is not None:
            self.on_crowding(query.contact, now=now)
        self._ping_restored(now=now)

    def on_found(self, lookup: EngineLookup, found: tuple[object, ...]) -> None:
        """A lookup of nodes finds nothing else."""

    def on_lookup_finished(self, lookup: EngineLookup, *, now: float) -> None:
        self._refresh = None
        self._refresh_next(now=now)

    def handle_timer(self, *, now: float) -> bool:
        """Returns whether a round of upkeep was due."""
        if self._refresh is not None:
            self._refresh.handle_timer(now=now)
        if now < self._next_round_at:
            return False
        self._next_round_at = now + self._config.upkeep_interval_s
        doubtful = self._table.questionable(now=now)
        if doubtful is not None:
            self._ping(doubtful.endpoint, doubtful, now=now)
        if self._refresh is None and len(self._table):
            self._refresh_stalest(now=now)
        return True

    def next_timer(self) -> float:
        refresh = self._refresh.next_timer() if self._refresh is not None else None
        return self._next_round_at if refresh is None else min(refresh, self._next_round_at)

    def _refresh_next(self, *, now: float) -> None:
        while self._targets and self._refresh is None:
            target = self._targets.popleft()
            if self._table.count_in_range_of(target) < self._config.refresh_k:
                self._start_refresh(target, now=now)

    def _refresh_stalest(self, *, now: float) -> None:
        target = self._table.stale_target(now=now, rng=self._rng)
        if target is not None:
            self._start_refresh(target, now=now)

    def _start_refresh(self, target: Key, *, now: float) -> None:
        table = self._table
        table.refreshed(target, now=now)
        contacts = table.closest(target, self._config.lookup.k, max_failures=table.config.bad_after_failures - 1)
        self._refresh = EngineLookup(
            FindNode(target),
            target,
            contacts,
            network=self._network,
            endpoints=self._endpoints,
            owner=self,
            config=self._refresh_config,
            own_key=table.own_key,
        )
        self._refresh.start(now=now)

    def _ping_restored(self, *, now: float) -> None:
        while self._restored and len(self._pinged) < self._config.max_hints:
            contact = self._restored.popleft()
            self.hint(contact.endpoint, contact, now=now)

    def _ping(self, endpoint: Endpoint, contact: Contact | None, *, now: float) -> None:
        if endpoint in self._pinged or not self._endpoints.is_usable(endpoint):
            return
        if contact is None and len(self._pinged) >= self._config.max_hints:
            return  # strangers can use up these places, but not keep us from asking nodes that we know
        if self._network.ask(endpoint, Ping(), self, contact=contact, now=now) is not None:
            self._pinged.add(endpoint)


@lru_cache(maxsize=16)
def _with_k(config: LookupConfig, k: int) -> LookupConfig:
    """One object for all nodes with the same configuration: to make a copy checks every bound again."""
    return replace(config, k=k)
