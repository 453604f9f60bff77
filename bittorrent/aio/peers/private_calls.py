"""Whether peers in private networks may be called: asks the system which of our addresses leads there."""

from __future__ import annotations

import asyncio
import socket

from bittorrent.dialling.targets import TargetRule
from transfer.address import Address
from transfer.reach import Reach, reach_of


class PrivateCalls:
    """Applies the rule of `bittorrent.dialling.targets` to the peers of a session that others name.

    Args:
        own_host: where the session listens; all addresses of this host (`0.0.0.0`) are one of it, too.
        asks_system: whether the system may be asked for the way to an address, and for that of a name. Behind a proxy
            it must not be, nor would what it says be true.
    """

    def __init__(self, rule: TargetRule, *, own_host: str, asks_system: bool = True) -> None:
        self.asks_system = asks_system
        self.rule = rule
        self.own_host = own_host

    def believes(self, address: Address, *, teller: Reach) -> bool:
        """As `TargetRule.believes`."""
        return self.rule.believes(address.host, teller=teller)

    async def allows(self, address: Address) -> bool:
        """Whether to call a peer. No packet is sent to find out."""
        if self.rule.allows_peer(address.host, own=self.own_host):
            return True
        if not self.asks_system:
            return False
        return self.rule.allows_peer(address.host, own=await own_address_towards(address))


async def own_address_towards(address: Address) -> str | None:
    """The address of this host that packets to another one leave from; None when there is no way there."""
    loop = asyncio.get_running_loop()
    probe = _Probe(loop.create_future())
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: probe, family=family, remote_addr=(address.host, address.port)
        )
    except (OSError, ValueError):
        return None
    name = transport.get_extra_info("sockname")
    transport.abort()
    await probe.closed
    return str(name[0]) if name else None


async def is_behind_nat(host: str) -> bool:
    """Whether what leaves for the internet from where we listen has a private address: then a box changes it.

    Args:
        host: where we listen; `0.0.0.0` or nothing is wherever the way to the internet begins. IPv6 has no such boxes.
    """
    own = await own_address_towards(SOMEWHERE) if host in ("", "0.0.0.0") else host
    return own is not None and ":" not in own and reach_of(own) is Reach.NETWORK


class _Probe(asyncio.DatagramProtocol):
    """A connected socket that nothing is sent on."""

    def __init__(self, closed: asyncio.Future[None]) -> None:
        self.closed = closed

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


SOMEWHERE = Address("192.0.2.1", 9)  # where nobody is (RFC 5737); no packet is sent
