"""Bootstrap addresses are often names: turning them into addresses of the families that a node speaks."""

from __future__ import annotations

import socket

from transfer.address import Address, is_ip_address
from transfer.aio import resolver


async def resolve(address: Address, *, ipv6: bool, patience_s: float) -> list[Address]:
    """The IP addresses of a name, none when the name service does not know it or takes longer than `patience_s`.

    An IP address stands for itself if it is of the family asked for.
    """
    if is_ip_address(address.host):
        return [address] if address.is_ipv6 == ipv6 else []
    try:
        found = await resolver.resolve(
            address.host,
            address.port,
            purpose="nodes",
            family=socket.AF_INET6 if ipv6 else socket.AF_INET,
            kind=socket.SOCK_DGRAM,
            patience_s=patience_s,
        )
    except OSError:
        return []
    return [Address.from_socket((str(name[0]), address.port)) for *_, name in found[:MAX_ADDRESSES_PER_NAME]]


MAX_ADDRESSES_PER_NAME = 4
