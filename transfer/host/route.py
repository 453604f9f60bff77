"""Which multiaddrs can be called here, and how: by a transport of this program, at an endpoint."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from transfer.address import Address
from transfer.errors import DecodeError
from transfer.identity.peer_id import PeerId
from transfer.multiaddr.multiaddr import Multiaddr

MEMORY_HOST = "127.0.0.1"  # where programs in memory are, unless they say something else


class Carrier(Enum):
    """What carries the bytes of a connection."""

    TCP = "tcp"
    MEMORY = "memory"


class NotDialableError(DecodeError):
    """An address that is right, and of no use to this program; the text says why."""


@dataclass(frozen=True, slots=True)
class Route:
    """How an address is called or listened on.

    Attributes:
        family: 4 or 6 where only addresses of one version of IP are meant; None: either.
        peer_id: whom one expects there.
    """

    carrier: Carrier
    address: Address
    family: int | None = None
    peer_id: PeerId | None = None


def route_of(address: Multiaddr) -> Route:
    """What to call.

    Raises:
        NotDialableError: nothing here speaks what it takes.
    """
    if not address.is_known:
        raise NotDialableError(f"{address} has a protocol in it that is not known here")
    parts = list(address)
    peer_id = address.peer_id
    if peer_id is not None:
        parts.pop()
    names = [part.name for part in parts]
    if names == ["memory"]:
        text = parts[0].value
        if not text.isdecimal() or not text.isascii() or len(text) > 5 or not 0 <= int(text) <= 65535:
            raise NotDialableError(f"{address}: a place in memory is a number up to 65535 here")
        return Route(Carrier.MEMORY, Address(MEMORY_HOST, int(text)), None, peer_id)
    zone = ""
    if names[:1] == ["ip6zone"]:
        zone = f"%{parts[0].value}"
        names, parts = names[1:], parts[1:]
    if len(names) == 2 and names[1] == "tcp" and names[0] in FAMILIES:
        return Route(Carrier.TCP, Address(parts[0].value + zone, int(parts[1].value)), FAMILIES[names[0]], peer_id)
    if "p2p-circuit" in names:
        raise NotDialableError(f"{address}: calls through a relay are not made here")
    if "dnsaddr" in names:
        raise NotDialableError(f"{address}: it has to be looked up first")
    beyond = next((name for name in names if name not in UNDERSTOOD), None)
    if beyond is not None:
        raise NotDialableError(f"{address}: there is no transport for {beyond} here; TCP addresses can be called")
    raise NotDialableError(f"{address} does not say how to call it: write /ip4/192.0.2.1/tcp/4001 with an id behind it")


def multiaddr_of(carrier: Carrier, address: Address) -> Multiaddr:
    """The inverse: of an endpoint that a transport tells.

    Raises:
        MultiaddrError: its host is no IP address.
    """
    if carrier is Carrier.MEMORY:
        return Multiaddr.parse(f"/memory/{address.port}")
    host, _, zone = address.host.partition("%")
    family = "ip6" if ":" in host else "ip4"
    return Multiaddr.parse(f"{f'/ip6zone/{zone}' if zone else ''}/{family}/{host}/tcp/{address.port}")


FAMILIES = {"ip4": 4, "ip6": 6, "dns": None, "dns4": 4, "dns6": 6}
UNDERSTOOD = frozenset({*FAMILIES, "tcp", "ip6zone"})
