"""Where a node answers, as far as tables and lookups care: something hashable that a policy knows more about."""

from __future__ import annotations

from collections.abc import Hashable
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol, TypeAlias

from transfer.address import Address, AddressError
from transfer.subnet import subnet_of

if TYPE_CHECKING:
    from kademlia_core.contact import Contact

Endpoint: TypeAlias = Hashable
"""An `Address` where nodes talk in datagrams; elsewhere whatever names one, like a peer id with its multiaddrs."""


class EndpointPolicy(Protocol):
    """What an engine asks about endpoints, because it cannot look into them."""

    def is_usable(self, endpoint: Endpoint) -> bool:
        """Whether this node can send something there."""
        ...

    def is_trusted(self, contact: Contact) -> bool:
        """Whether the key of a contact suits its endpoint, so that its holder cannot have chosen it freely."""
        ...

    def group_of(self, endpoint: Endpoint) -> Hashable | None:
        """Whose endpoints may take only a share of a table and of a result; None for one that is not counted."""
        ...

    def region_of(self, endpoint: Endpoint) -> Hashable | None:
        """The part of the world that an endpoint is in; None for one that is a part by itself."""
        ...


@lru_cache(maxsize=4096, typed=True)
def group_of(endpoint: Endpoint) -> Hashable | None:
    """The rule for shares where the caller gives none: an `Address` belongs to its subnet, an IPv4 /24 or an IPv6 /48.

    Private addresses, hosts that have a name instead, and endpoints of other kinds are not counted.
    """
    if not isinstance(endpoint, Address):
        return None
    try:
        return subnet_of(endpoint.host)
    except AddressError:
        return None
