"""Peers as endpoints of the engine, and what a node of one network makes of their addresses."""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING, final

from kademlia_core.contact import Contact
from kademlia_core.libp2p.keyspace import key_of
from transfer.address import AddressError, is_ip_address
from transfer.reach import Reach, reach_of
from transfer.subnet import region_of, subnet_of, subscriber_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable

    from kademlia_core.endpoint import Endpoint
    from transfer.identity.peer_id import PeerId
    from transfer.multiaddr.multiaddr import Multiaddr


@final
class Peer:
    """An endpoint: equal to another if the peer is the same, whatever its addresses, as a dial proves who is there.

    Attributes:
        peer_id: who it is.
        addresses: where it may be dialled, as far as this network may use them.
        observed: the address it was reached at, or came from; None before it was.
    """

    __slots__ = ("addresses", "observed", "peer_id")

    def __init__(
        self, peer_id: PeerId, addresses: tuple[Multiaddr, ...] = (), observed: Multiaddr | None = None
    ) -> None:
        self.peer_id = peer_id
        self.addresses = addresses
        self.observed = observed

    @property
    def contact(self) -> Contact:
        return Contact(key_of(self.peer_id.multihash), self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Peer) and self.peer_id.multihash == other.peer_id.multihash

    def __hash__(self) -> int:
        return hash(self.peer_id.multihash)

    def __str__(self) -> str:
        return str(self.peer_id)

    def __repr__(self) -> str:
        return f"Peer({self.peer_id}, {list(map(str, self.addresses))})"


class Scope(Enum):
    """Which addresses a network is about: the specification keeps the public and the local network apart."""

    PUBLIC = "public"
    LOCAL = "local"
    ANY = "any"


class PeerPolicy:
    """What one node asks about peers: the engine's `EndpointPolicy`, and the filter of all addresses that come in.

    No address is taken from a teller that is farther away than the address can be seen: from afar nobody can know of a
    host in this house, and who could name one would have us dial our own services.
    """

    def __init__(
        self,
        own_id: PeerId,
        *,
        scope: Scope,
        max_addresses: int,
        can_dial: Callable[[Multiaddr], bool] | None = None,
    ) -> None:
        self.own_id = own_id
        self.scope = scope
        self._max_addresses = max_addresses
        self._can_dial = can_dial

    def admits(self, address: Multiaddr) -> bool:
        """Whether this network may tell and use an address at all."""
        if self.scope is Scope.ANY:
            return True
        return (reach_of_address(address) is Reach.INTERNET) is (self.scope is Scope.PUBLIC)

    def usable(self, addresses: Iterable[Multiaddr], *, teller: Multiaddr | None) -> tuple[Multiaddr, ...]:
        """The addresses that may be kept, in their order.

        Args:
            teller: where they come from; None when this node itself says so.
        """
        least = reach_of_address(teller) if teller is not None else Reach.MACHINE
        kept = [each for each in addresses if reach_of_address(each) >= least and self.admits(each)]
        return tuple(kept[: self._max_addresses])

    def is_server_here(self, peer: Peer) -> bool:
        """Whether the peer belongs into this network's table: in the public one it needs a way that is no relay."""
        if self.scope is not Scope.PUBLIC:
            return True
        return any(not address.has("p2p-circuit") for address in peer.addresses if self.admits(address))

    # EndpointPolicy

    def is_usable(self, endpoint: Endpoint) -> bool:
        if not isinstance(endpoint, Peer) or endpoint.peer_id == self.own_id or not endpoint.addresses:
            return False
        return self._can_dial is None or any(map(self._can_dial, endpoint.addresses))

    def is_trusted(self, contact: Contact) -> bool:
        """Whether the key suits the endpoint: it is the hash of the id, which a dial proves."""
        return isinstance(contact.endpoint, Peer) and contact.key == key_of(contact.endpoint.peer_id.multihash)

    def group_of(self, endpoint: Endpoint) -> Hashable | None:
        return _place_of(endpoint, subnet_of)

    def region_of(self, endpoint: Endpoint) -> Hashable | None:
        return _place_of(endpoint, region_of)


def host_of(address: Multiaddr) -> str | None:
    """The IP address or name that a way begins with: that of the relay, where there is one."""
    first = next(iter(address))
    return first.value if first.name in ("ip4", "ip6", "dns", "dns4", "dns6", "dnsaddr") else None


@lru_cache(maxsize=8192)
def reach_of_address(address: Multiaddr) -> Reach:
    """How far away an address can be seen. A name may lead anywhere; what is neither is of this machine."""
    host = host_of(address)
    if host is None:
        return Reach.MACHINE
    if is_ip_address(host):
        return reach_of(host)
    return Reach.MACHINE if host == "localhost" or host.endswith(".localhost") else Reach.INTERNET


def source_of(peer: Peer) -> str | bytes:
    """Whom what a peer brings is charged to: the subscriber that it comes from, since ids cost nothing."""
    host = host_of(peer.observed) if peer.observed is not None else None
    if host is not None and is_ip_address(host) and reach_of(host) is Reach.INTERNET:
        return subscriber_of(host)
    return str(peer.peer_id)


def _place_of(endpoint: Endpoint, place_of: Callable[[str], bytes | None]) -> Hashable | None:
    if not isinstance(endpoint, Peer):
        return None
    address = endpoint.observed or (endpoint.addresses[0] if endpoint.addresses else None)
    host = host_of(address) if address is not None else None
    if host is None:
        return None
    if not is_ip_address(host):
        return ".".join(host.lower().rsplit(".", 2)[-2:])  # one owner has all names below his own
    try:
        return place_of(host)
    except AddressError:
        return None
