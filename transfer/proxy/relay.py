"""Where a SOCKS5 proxy takes our datagrams, and when to ask it again. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from transfer.address import Address, is_ip_address
from transfer.limits.backoff import Backoff
from transfer.proxy.errors import ProxyError
from transfer.proxy.proxy import Proxy
from transfer.reach import is_public


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyConfig:
    """Bounds and times.

    Attributes:
        handshake_timeout_s: what a proxy may take to answer, which includes its own way to the target.
        max_datagram_bytes: payload of a datagram; longer ones are cut.
        retry: the waits before the proxy is asked again for a way for datagrams after the last one has ended; one that
            lasted as long as the longest wait makes them begin anew.
    """

    handshake_timeout_s: float = 30.0
    max_datagram_bytes: int = 8192
    retry: Backoff = field(default_factory=lambda: Backoff(first_s=1.0, max_s=60.0, jitter=0.5))

    def __post_init__(self) -> None:
        if self.handshake_timeout_s <= 0 or self.max_datagram_bytes < 1:
            raise ValueError("handshake_timeout_s and max_datagram_bytes must be positive")


def relay_at(bound: Address, proxy: Proxy, *, host: str) -> Address:
    """Where datagrams go, of what the proxy answered with.

    That is always the host of the proxy itself: many answer with all zeros or, behind a NAT, with an address of their
    own network. A proxy that names another host of the internet would lead us around itself, or to a third party.

    Args:
        host: the IP address at which the proxy is connected.

    Raises:
        ProxyError: another host, or no port.
    """
    if not bound.port:
        raise ProxyError(f"the proxy {proxy} names no port for datagrams")
    if bound.host != host and (not is_ip_address(bound.host) or is_public(bound.host)):
        raise ProxyError(f"the proxy {proxy} takes datagrams at another host, {bound}: nothing is sent there")
    return Address(host, bound.port)
