"""The bootstrap endpoints: asked when the node comes, and again for as long as it lives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.engine.requests import FindNode

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

    from kademlia_core.contact import Contact
    from kademlia_core.endpoint import Endpoint, EndpointPolicy
    from kademlia_core.engine.config import EngineConfig
    from kademlia_core.engine.query_port import Asker, QueryPort
    from kademlia_core.routing_table import RoutingTable


class Entrances:
    """Asks bootstrap endpoints in rounds, and says when the next round is due.

    The rule. A table is *wide* when its nodes are in `wide_regions` parts of the network, so that the node cannot be on
    an island which one lost datagram or a partition has made; otherwise it is *narrow*. While it is narrow, all
    endpoints are asked again: after `join_retry_s`, doubled each time up to `join_retry_max_s`, as long as none of them
    answers, and every `join_retry_max_s` once one has, because the others may be on another island. While it is
    wide, one endpoint of each batch is asked every `wide_retry_s`, so that public routers are left in peace.

    The owner of this asks it for a round with `begin`, hands on what becomes of the queries, and calls `schedule`
    when `is_asking` has become false.
    """

    def __init__(
        self,
        table: RoutingTable,
        *,
        network: QueryPort,
        endpoints: EndpointPolicy,
        asker: Asker,
        config: EngineConfig,
        rng: Random,
    ) -> None:
        self._table = table
        self._network = network
        self._endpoints = endpoints
        self._asker = asker
        self._config = config
        self._rng = rng
        self._awaited: dict[Endpoint, int] = {}  # to how often it has been asked in this round
        self._awaits_more = False
        self._is_polite = False
        self._has_answered = False
        self._retry_s = config.join_retry_s
        self.due_at: float | None = None

    @property
    def is_asking(self) -> bool:
        """Whether a round is under way: an answer, or an endpoint to be asked, is awaited."""
        return self._awaits_more or bool(self._awaited)

    @property
    def is_wide(self) -> bool:
        wanted = self._config.wide_regions
        return len(self._table) >= wanted and count_regions(self._table.live(), self._endpoints, limit=wanted) >= wanted

    def begin(self, endpoints: tuple[Endpoint, ...], *, awaits_more: bool, is_polite: bool, now: float) -> None:
        """Begins a round, in place of the one under way.

        Args:
            awaits_more: further endpoints are on their way to `add`.
            is_polite: ask no more of them than must be.
        """
        self.due_at = None
        self._awaited = {}
        self._has_answered = False
        self._is_polite = is_polite and self.is_wide
        self.add(endpoints, awaits_more=awaits_more, now=now)

    def add(self, endpoints: tuple[Endpoint, ...], *, awaits_more: bool, now: float) -> None:
        """More endpoints for the round."""
        self._awaits_more = awaits_more
        if endpoints and self._is_polite:
            endpoints = (self._rng.choice(endpoints),)
        for endpoint in endpoints:
            self._ask(endpoint, 0, now=now)

    def on_answer(self, endpoint: Endpoint) -> None:
        if self._awaited.pop(endpoint, None) is not None:
            self._has_answered = True
            self._retry_s = self._config.join_retry_s

    def on_failure(self, endpoint: Endpoint, *, now: float) -> bool:
        """Returns whether the query was one of this round."""
        attempts = self._awaited.pop(endpoint, None)
        if attempts is None:
            return False
        if attempts < self._config.join_attempts:
            self._ask(endpoint, attempts, now=now)
        return True

    def schedule(self, *, is_joined: bool, now: float) -> None:
        """A round is over: when the next one is due."""
        config = self._config
        if is_joined and self.is_wide:
            delay_s = config.wide_retry_s
        elif is_joined and self._has_answered:
            delay_s = config.join_retry_max_s
        else:
            delay_s = self._retry_s
            self._retry_s = min(2 * self._retry_s, config.join_retry_max_s)
        if is_joined:  # nodes that came at the same time shall not go on asking at the same time
            delay_s *= self._rng.uniform(0.8, 1.0)
        self.due_at = now + delay_s

    def hurry(self, delay_s: float, *, now: float) -> None:
        """Something has changed: the next round is due within `delay_s`. A round under way goes on."""
        self._retry_s = self._config.join_retry_s
        if self.due_at is not None:
            self.due_at = min(self.due_at, now + delay_s)

    def _ask(self, endpoint: Endpoint, attempts: int, *, now: float) -> None:
        request = FindNode(self._table.own_key)
        if self._network.ask(endpoint, request, self._asker, now=now) is not None:
            self._awaited[endpoint] = attempts + 1


def count_regions(contacts: Iterable[Contact], endpoints: EndpointPolicy, *, limit: int) -> int:
    """In how many parts of the world contacts are, counted up to `limit`."""
    regions: set[Endpoint] = set()
    for contact in contacts:
        region = endpoints.region_of(contact.endpoint)
        regions.add(contact.endpoint if region is None else region)
        if len(regions) >= limit:
            break
    return len(regions)
