"""How announces and puts went: which nodes keep them now, and which would not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from kademlia_core.mainline.item_errors import ItemError
from kademlia_core.mainline.items import ImmutableItem, MutableItem

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kademlia_core.contact import Contact
    from kademlia_core.engine.lookup import EngineLookup
    from kademlia_core.lookup_stats import LookupStats
    from transfer.address import Address

ItemT = TypeVar("ItemT", ImmutableItem, MutableItem)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A node that would not keep what it was given, and why: the code and text of its error reply."""

    contact: Contact
    code: int
    text: str

    @property
    def error(self) -> ItemError | None:
        """The error of BEP 44 that the code stands for; None for a code that says nothing about the item."""
        return ItemError.from_code(self.code, self.text)


@dataclass(frozen=True, slots=True)
class AnnounceReport:
    """How an announce went.

    `accepted_by` are the nodes that keep it now, closest first; `peers` that the lookup met on its way; `refused` are
    nodes that did not want it. Nodes that gave no answer are in neither.
    """

    accepted_by: tuple[Contact, ...]
    peers: tuple[Address, ...]
    lookup: LookupStats
    refused: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True)
class PutReport(Generic[ItemT]):
    """How a put went.

    `item` is what was put. `accepted_by` are the nodes that keep it now, closest first; `refused` are nodes that did
    not want it. Nodes that gave no answer are in neither.
    """

    item: ItemT
    accepted_by: tuple[Contact, ...]
    refused: tuple[Refusal, ...]
    lookup: LookupStats


def acceptances_of(lookups: Iterable[EngineLookup]) -> tuple[Contact, ...]:
    """The nodes that took what lookups placed with them."""
    return tuple(contact for lookup in lookups for contact in lookup.accepted())


def refusals_of(lookups: Iterable[EngineLookup]) -> tuple[Refusal, ...]:
    """The nodes that did not want what lookups placed with them."""
    return tuple(Refusal(contact, error.code, error.text) for lookup in lookups for contact, error in lookup.refusals())
