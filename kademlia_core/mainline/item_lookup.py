"""Looking for items, and putting them with the nodes closest to their target (BEP 44)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kademlia_core.mainline.item_errors import ItemError
from kademlia_core.mainline.items import ImmutableItem, MutableItem, check_owner, target_of
from kademlia_core.mainline.messages import PutItem, Response

if TYPE_CHECKING:
    from collections.abc import Iterable

    from kademlia_core.contact import Contact
    from kademlia_core.engine.requests import Answer, Request
    from kademlia_core.key import Key
    from kademlia_core.mainline.item_store import Item
    from kademlia_core.mainline.messages import StoredItem


class ImmutableHarvest:
    """The value that has the hash asked for. The first that answers with it is as good as any."""

    seq = None

    def __init__(self, target: Key) -> None:
        self.target = target
        self.item: ImmutableItem | None = None

    def on_response(self, contact: Contact, answer: Answer) -> tuple[ImmutableItem, ...]:
        stored = answer.item if isinstance(answer, Response) else None
        if self.item is not None or stored is None or stored.value is None:
            return ()
        try:
            return self.add(ImmutableItem(stored.value))
        except ItemError:
            return ()

    def add(self, item: Item) -> tuple[ImmutableItem, ...]:
        """An item of unknown origin; returns it if it is the one."""
        if not isinstance(item, ImmutableItem) or item.target != self.target:
            return ()
        self.item = item
        return (item,)

    @property
    def is_complete(self) -> bool:
        return self.item is not None


class MutableHarvest:
    """The newest version of an item that its owner signed, and which node claims to have which version.

    A signature is checked only for a version newer than the best so far, so an answer costs one check at most. A node
    that lies about its version can hide nothing and stop no other node.
    """

    is_complete = False

    def __init__(self, public_key: bytes, salt: bytes = b"", *, seq: int | None = None) -> None:
        """A harvest that has found nothing.

        Args:
            seq: the version that is known already; only newer ones are of interest.

        Raises:
            SaltTooBigError: as it says.
            ItemError: a public key of the wrong size.
        """
        check_owner(public_key, salt)
        self.target = target_of(public_key, salt)
        self.public_key = public_key
        self.salt = salt
        self.seq = seq
        self.item: MutableItem | None = None
        self.claims: dict[Contact, int] = {}  # bounded by the lookup's max_queries

    def on_response(self, contact: Contact, answer: Answer) -> tuple[MutableItem, ...]:
        stored = answer.item if isinstance(answer, Response) else None
        if stored is None or stored.seq is None:
            return ()
        self.claims[contact] = stored.seq
        item = self._as_item(stored)
        return self.add(item) if item is not None else ()

    def add(self, item: Item) -> tuple[MutableItem, ...]:
        """A version of unknown origin; returns it if it is news and the owner's."""
        if not isinstance(item, MutableItem) or not self._is_newer(item.seq) or not item.verify():
            return ()
        self.item = item
        return (item,)

    def _as_item(self, stored: StoredItem) -> MutableItem | None:
        if stored.value is None or stored.signature is None or stored.seq is None or not self._is_newer(stored.seq):
            return None
        if stored.public_key != self.public_key:
            return None
        try:
            return MutableItem(self.public_key, stored.seq, stored.value, stored.signature, self.salt)
        except ItemError:
            return None

    def _is_newer(self, seq: int) -> bool:
        known = self.item.seq if self.item is not None else self.seq
        return known is None or seq > known


class ItemPlacement:
    """Leaves an item with each of the closest nodes that gave a token."""

    def __init__(self, item: Item, *, replacing: MutableHarvest | None = None) -> None:
        """What to leave.

        Args:
            replacing: what was found before. Each node then replaces nothing but the version it told us of (`cas`);
                a node that told of none, or of one newer than any that is signed, is bound by nothing or by the newest.
        """
        self._item = item
        self._replacing = replacing

    def requests_for(self, contacts: Iterable[tuple[Contact, bytes | None]]) -> list[tuple[Contact, Request]]:
        return [
            (contact, PutItem(self._item, token, self._cas(contact)))
            for contact, token in contacts
            if token is not None
        ]

    def _cas(self, contact: Contact) -> int | None:
        if self._replacing is None or self._replacing.item is None:
            return None
        claimed = self._replacing.claims.get(contact)
        return None if claimed is None else min(claimed, self._replacing.item.seq)


class Republication:
    """Leaves the newest version of an item with the closest nodes, unless others see to that.

    BEP 44 asks a subscriber not to write when more than eight nodes have the newest version, the eight closest that
    would take it among them: only several others that republish it can have brought that about.
    """

    def __init__(self, item: MutableItem) -> None:
        """`item` is the newest version known so far; `harvest` is to look for newer ones."""
        self.harvest = MutableHarvest(item.public_key, item.salt, seq=item.seq)
        self.kept_by: tuple[Contact, ...] = ()
        self._item = item

    @property
    def item(self) -> MutableItem:
        """The newest version known."""
        return self.harvest.item or self._item

    def requests_for(self, contacts: Iterable[tuple[Contact, bytes | None]]) -> list[tuple[Contact, Request]]:
        takers = [(contact, token) for contact, token in contacts if token is not None]
        holders = [contact for contact, seq in self.harvest.claims.items() if seq == self.item.seq]
        if len(holders) > ENOUGH_COPIES and {contact for contact, _ in takers[:ENOUGH_COPIES]} <= set(holders):
            self.kept_by = tuple(sorted(holders, key=lambda contact: contact.key ^ self.harvest.target))
            return []
        return [(contact, PutItem(self.item, token)) for contact, token in takers]


ENOUGH_COPIES = 8
