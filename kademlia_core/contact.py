"""Who is where: the pair that travels through tables, lookups and answers."""

from __future__ import annotations

from dataclasses import dataclass

from kademlia_core.key import Key
from transfer.address import Address


@dataclass(frozen=True, slots=True)
class Contact:
    """A node's key and the endpoint it answers at."""

    key: Key
    address: Address

    def __str__(self) -> str:
        return f"{self.key.hex()} at {self.address}"
