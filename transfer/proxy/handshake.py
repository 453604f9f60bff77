"""What the client sides of both protocols have in common: a handshake at the beginning of a stream. Pure."""

from __future__ import annotations

from typing import Protocol

from transfer.address import Address
from transfer.proxy.errors import ProxyError
from transfer.proxy.http import ConnectHandshake
from transfer.proxy.proxy import Proxy, ProxyKind
from transfer.proxy.socks5 import Socks5Handshake


class ProxyHandshake(Protocol):
    """One handshake. After each input, send `data_to_send` and look at `error` and `bound`.

    Attributes:
        error: why it has failed; None as long as it has not.
        bound: what the proxy answered with: where it sends from, or where it takes datagrams. None until it is done.
        received: what came behind the handshake, once it is done.
    """

    error: ProxyError | None
    bound: Address | None
    received: bytes

    def receive_data(self, data: bytes) -> None:
        """Bytes of the proxy, cut anyhow. Nothing after the end."""

    def receive_eof(self) -> None:
        """The proxy ended the connection."""

    def data_to_send(self) -> bytes:
        """What to say next; empty if it is the proxy's turn."""


def new_handshake(proxy: Proxy, target: Address | None) -> ProxyHandshake:
    """What asks a proxy for a stream to a target; without a target for a way for datagrams, which only SOCKS5 has.

    Raises:
        ProxyError: it cannot be asked for that.
    """
    if proxy.kind is ProxyKind.SOCKS5:
        return Socks5Handshake(proxy, target)
    if target is None:
        raise ProxyError(f"the proxy {proxy} carries no datagrams: HTTP proxies cannot")
    return ConnectHandshake(proxy, target)
