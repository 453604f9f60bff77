"""What all kinds of lookups have in common, and the one that a configuration asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from kademlia_core.config import LookupConfig
from kademlia_core.disjoint import DisjointLookup
from kademlia_core.lookup import LookupCore

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from kademlia_core.contact import Contact
    from kademlia_core.endpoint import Endpoint
    from kademlia_core.key import Key
    from kademlia_core.lookup_stats import LookupStats


class AnyLookup(Protocol):
    """A lookup as its driver sees it; `LookupCore` describes each member."""

    @property
    def is_finished(self) -> bool: ...

    @property
    def awaits_only_slow(self) -> bool: ...

    @property
    def stats(self) -> LookupStats: ...

    def add_candidates(self, contacts: Iterable[Contact]) -> None: ...

    def on_response(self, contact: Contact, closer: Iterable[Contact], *, now: float) -> None: ...

    def on_failure(self, contact: Contact, *, now: float) -> None: ...

    def add_traffic(self, *, sent_bytes: int = 0, received_bytes: int = 0) -> None: ...

    def handle_timer(self, *, now: float) -> None: ...

    def next_timer(self) -> float | None: ...

    def queries_to_send(self, *, now: float) -> list[Contact]: ...

    def result(self) -> list[Contact]: ...

    def silent(self) -> list[Contact]: ...

    def check_invariants(self) -> None: ...


def new_lookup(
    target: Key,
    contacts: Iterable[Contact],
    *,
    config: LookupConfig | None = None,
    own_key: Key | None = None,
    is_trusted: Callable[[Contact], bool] | None = None,
    group_of: Callable[[Endpoint], Hashable | None] | None = None,
    radius: int = 0,
) -> AnyLookup:
    """A `DisjointLookup` when `config.paths` asks for several, else a `LookupCore`; the arguments are theirs."""
    config = config or LookupConfig()
    kind = LookupCore if config.paths == 1 else DisjointLookup
    return kind(
        target, contacts, config=config, own_key=own_key, is_trusted=is_trusted, group_of=group_of, radius=radius
    )
