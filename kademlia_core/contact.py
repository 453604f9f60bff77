"""Who is where: the pair that travels through tables, lookups and answers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn, final

from kademlia_core.key import Key
from transfer.address import Address, is_plausible_from, is_usable_peer

if TYPE_CHECKING:
    from collections.abc import Callable


@final
class Contact:
    """A node's key and the endpoint it answers at. Immutable.

    Not a dataclass, because a busy node makes hundreds of thousands of these a second, and a frozen one takes twice
    the time to fill. The hash and the compact form are worked out when they are first asked for, and kept.
    """

    __slots__ = ("_compact", "_hash", "address", "key")
    __match_args__ = ("key", "address")

    key: Key
    address: Address

    def __init__(self, key: Key, address: Address) -> None:
        _SET_KEY(self, key)
        _SET_ADDRESS(self, address)

    @staticmethod
    @lru_cache(maxsize=4096)
    def from_compact(data: bytes, key_size: int) -> Contact:
        """The inverse of `compact`, for a key of `key_size` bytes. The same object again for what was seen lately:
        the answers in one lookup name the same contacts over and over.

        Raises:
            AddressError: no endpoint follows the key.
        """
        contact = Contact(Key.from_bytes(data[:key_size]), Address.from_compact(data[key_size:]))
        _SET_COMPACT(contact, data)
        return contact

    def compact(self) -> bytes:
        """The key and then the compact endpoint: BEP 5's "compact node info" when the key has 160 bits.

        Raises:
            AddressError: the host is a name, not an IP address, or the port is out of range.
        """
        try:
            return self._compact
        except AttributeError:
            data = bytes(self.key) + self.address.compact()
            _SET_COMPACT(self, data)
            return data

    def __hash__(self) -> int:
        try:
            return self._hash
        except AttributeError:
            value = hash((self.key.value, self.address))
            _SET_HASH(self, value)
            return value

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Contact) and self.address == other.address and self.key == other.key

    def __repr__(self) -> str:
        return f"Contact(key={self.key!r}, address={self.address!r})"

    def __str__(self) -> str:
        return f"{self.key.hex()} at {self.address}"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Contact is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Contact is immutable")

    def __reduce__(self) -> tuple[type[Contact], tuple[Key, Address]]:
        return Contact, (self.key, self.address)  # the hash of a host name differs from process to process

    _compact: bytes
    _hash: int


def credible(contacts: tuple[Contact, ...], teller: Address) -> tuple[Contact, ...]:
    """Those whose addresses can be used, and can be known to whoever told of them."""
    return tuple(
        contact
        for contact in contacts
        if is_usable_peer(contact.address) and is_plausible_from(contact.address, teller)
    )


# The slots' own setters pass by the `__setattr__` that refuses, quicker than `object.__setattr__`, which takes a name.
_SET_KEY: Callable[[Contact, Key], None] = Contact.__dict__["key"].__set__
_SET_ADDRESS: Callable[[Contact, Address], None] = Contact.__dict__["address"].__set__
_SET_COMPACT: Callable[[Contact, bytes], None] = Contact.__dict__["_compact"].__set__
_SET_HASH: Callable[[Contact, int], None] = Contact.__dict__["_hash"].__set__
