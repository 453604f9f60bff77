"""Internet addresses as endpoints: those of the one family that a socket has, and those of its sibling's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from kademlia_core.endpoint import group_of
from transfer.address import is_usable_peer, usable_family
from transfer.reach import reach_of
from transfer.subnet import region_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from kademlia_core.contact import Contact
    from kademlia_core.key import Key
    from kademlia_core.routing_table import RoutingTable
    from transfer.address import Address


class AddressPolicy:
    """What an engine whose endpoints are `Address`es of one family wants to know of them: an `EndpointPolicy`.

    Shares are those of subnets, IPv4 /24 and IPv6 /48; regions are IPv4 /16 and IPv6 /32, about what one provider holds
    in one place. Private addresses are not counted, and each of them is a region by itself.
    """

    def __init__(self, *, is_ipv6: bool, is_trusted: Callable[[Contact], bool]) -> None:
        self._family = 6 if is_ipv6 else 4
        self.is_trusted = is_trusted

    def is_usable(self, endpoint: Any) -> bool:
        host, port = endpoint
        return usable_family(host) == self._family and 0 < port <= 65535

    group_of = staticmethod(group_of)

    def region_of(self, endpoint: Any) -> bytes | None:
        return region_of(endpoint.host)


class Sibling(Protocol):
    """The node of the other address family, as far as it is of use to this one."""

    @property
    def table(self) -> RoutingTable: ...

    def offer(self, contacts: tuple[Contact, ...], *, now: float) -> None:
        """Contacts of its family that this node came across."""
        ...


class Families:
    """The two address families of a dialect: which contacts an answer names of each, and which a node takes.

    A socket has one family, so a node in both is two nodes with a table each. They are siblings: each can name the
    other's contacts, and hands on those of the other family while the other knows hardly any node (BEP 32). `spoken` is
    what families to ask for: both where there is a sibling; empty, which is to say the own one, where there is none.
    """

    def __init__(self, table: RoutingTable, *, is_ipv6: bool) -> None:
        self.is_ipv6 = is_ipv6
        self._family = 6 if is_ipv6 else 4
        self._table = table
        self._sibling: Sibling | None = None
        self.spoken: tuple[int, ...] = ()

    def pair(self, sibling: Sibling) -> None:
        """Makes the node of the other family known."""
        self._sibling = sibling
        self.spoken = (4, 6)

    def contacts_near(
        self, target: Key, count: int, families: tuple[int, ...]
    ) -> tuple[tuple[Contact, ...], tuple[Contact, ...]]:
        """The IPv4 and the IPv6 contacts closest to `target`, in no order, `count` of each of `families`.

        No families stand for this node's own. There are none of a family whose table is not known here.
        """
        own = self._table.near(target, count) if not families or self._family in families else ()
        other: tuple[Contact, ...] = ()
        if self._sibling is not None and (4 if self.is_ipv6 else 6) in families:
            other = self._sibling.table.near(target, count)
        return (other, own) if self.is_ipv6 else (own, other)

    def usable(
        self, nodes: tuple[Contact, ...], nodes6: tuple[Contact, ...], teller: Address, *, now: float
    ) -> tuple[Contact, ...]:
        """The credible contacts of this node's family; those of the other help a lonely sibling."""
        own, others = (nodes6, nodes) if self.is_ipv6 else (nodes, nodes6)
        if others and self._sibling is not None:
            self._sibling.offer(credible(others, teller), now=now)
        return credible(own, teller)


def credible(contacts: tuple[Contact, ...], teller: Address) -> tuple[Contact, ...]:
    """The contacts whose addresses can be used, and can be known to the node that told of them.

    What `is_plausible_from` says of each, with one look at the teller; a list, as a generator is entered for each.
    """
    reach = reach_of(teller.host)
    usable = [
        contact
        for contact in contacts
        if is_usable_peer(address := contact.address) and reach_of(address.host) >= reach
    ]
    return tuple(usable)
