"""Which node is where: the pair that travels through tables, lookups and answers."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NoReturn, final

from kademlia_core.key import Key
from transfer.address import Address

if TYPE_CHECKING:
    from collections.abc import Callable

    from kademlia_core.endpoint import Endpoint


@final
class Contact:
    """A node's key and the endpoint it answers at, of which most know only its hash. Immutable.

    Not a dataclass, because a busy node makes hundreds of thousands of these a second, and a frozen one takes twice
    the time to fill. The hash and the compact form are worked out when they are first asked for, and kept.
    """

    __slots__ = ("_compact", "_hash", "endpoint", "key")
    __match_args__ = ("key", "endpoint")

    key: Key
    endpoint: Endpoint
    address: Address
    """The endpoint under the name that it has where nodes talk in datagrams; no `Address` elsewhere."""

    def __init__(self, key: Key, endpoint: Endpoint) -> None:
        _SET_KEY(self, key)
        _SET_ENDPOINT(self, endpoint)

    @staticmethod
    @lru_cache(maxsize=4096)
    def from_compact(data: bytes, key_size: int) -> Contact:
        """The inverse of `compact`, for a key of `key_size` bytes.

        The same object again for what was seen lately: the answers in one lookup name the same contacts over and over.

        Raises:
            AddressError: no endpoint follows the key.
        """
        contact = Contact(Key.from_bytes(data[:key_size]), Address.from_compact(data[key_size:]))
        _SET_COMPACT(contact, data)
        return contact

    def compact(self) -> bytes:
        """The key and then the compact address: BEP 5's "compact node info" when the key has 160 bits.

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
            value = hash((self.key.value, self.endpoint))
            _SET_HASH(self, value)
            return value

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Contact) and self.endpoint == other.endpoint and self.key == other.key

    def __repr__(self) -> str:
        return f"Contact(key={self.key!r}, endpoint={self.endpoint!r})"

    def __str__(self) -> str:
        return f"{self.key.hex()} at {self.endpoint}"

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("a Contact is immutable")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("a Contact is immutable")

    def __reduce__(self) -> tuple[type[Contact], tuple[Key, Endpoint]]:
        return Contact, (self.key, self.endpoint)  # the hash of a host name differs from process to process

    _compact: bytes
    _hash: int


# One slot under two names: a property would cost a call, and busy nodes read addresses all the time.
Contact.address = Contact.__dict__["endpoint"]
# The slots' own setters pass by the `__setattr__` that refuses, quicker than `object.__setattr__`, which takes a name.
_SET_KEY: Callable[[Contact, Key], None] = Contact.__dict__["key"].__set__
_SET_ENDPOINT: Callable[[Contact, Endpoint], None] = Contact.__dict__["endpoint"].__set__
_SET_COMPACT: Callable[[Contact, bytes], None] = Contact.__dict__["_compact"].__set__
_SET_HASH: Callable[[Contact, int], None] = Contact.__dict__["_hash"].__set__
