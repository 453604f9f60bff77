"""Why an item of BEP 44 is refused: one error for each code, raised here and told to the other side alike."""

from __future__ import annotations

from typing import ClassVar

from kademlia_core.errors import KademliaError


class ItemError(KademliaError, ValueError):
    """An item that cannot be stored or is not what it claims to be. `code` is what KRPC calls the reason.

    Source: BEP 5 for 202 and 203, BEP 44 for the codes of the subclasses.
    """

    code: ClassVar[int] = 203

    @classmethod
    def from_code(cls, code: int, text: str) -> ItemError | None:
        """What a storing node meant by an error reply; None when the code says nothing about the item."""
        error_type = _BY_CODE.get(code)
        return None if error_type is None else error_type(text)


class StoreFullError(ItemError):
    """No room for the item on this node, or no time to verify it now; other nodes may have both."""

    code: ClassVar[int] = 202


class ValueTooBigError(ItemError):
    """The bencoded value is longer than 1000 bytes."""

    code: ClassVar[int] = 205


class BadSignatureError(ItemError):
    """The signature does not belong to this key, salt, sequence number and value."""

    code: ClassVar[int] = 206


class SaltTooBigError(ItemError):
    """The salt is longer than 64 bytes."""

    code: ClassVar[int] = 207


class CasMismatchError(ItemError):
    """Another node wrote in between: get the item again, decide again, and put with the sequence number found."""

    code: ClassVar[int] = 301


class StaleSequenceError(ItemError):
    """A sequence number that is not higher than the stored one: get the item again and count on from what it has."""

    code: ClassVar[int] = 302


_BY_CODE: dict[int, type[ItemError]] = {
    kind.code: kind
    for kind in (ValueTooBigError, BadSignatureError, SaltTooBigError, CasMismatchError, StaleSequenceError)
}
