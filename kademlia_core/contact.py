"""Who is where: the pair that travels through tables, lookups and answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from kademlia_core.key import Key
from transfer.address import Address


@dataclass(frozen=True, slots=True)
class Contact:
    """A node's key and the endpoint it answers at."""

    key: Key
    address: Address
    _hash: int = field(init=False, repr=False, compare=False)  # lookups hash each contact many times

    def __post_init__(self) -> None:
        object.__setattr__(self, "_hash", hash((self.key.value, self.address)))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Contact], tuple[Key, Address]]:
        return Contact, (self.key, self.address)  # the hash of a host name differs from process to process

    def __str__(self) -> str:
        return f"{self.key.hex()} at {self.address}"
