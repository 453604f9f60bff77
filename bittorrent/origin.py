"""Where the bytes of a torrent come from: the endpoint of a peer, or the URL of a server (BEP 19)."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias
from urllib.parse import urlsplit

from transfer.address import Address


class ServerUrl(NamedTuple):
    """A server among the peers of a swarm. It is never dialled as a peer, nor told to other peers."""

    url: str

    @property
    def host(self) -> str:
        """The server's name or IP address; empty if the URL has none."""
        try:
            return urlsplit(self.url).hostname or ""
        except ValueError:
            return ""

    @property
    def port(self) -> int:
        """The port that the URL names or implies; 0 if it makes no sense."""
        try:
            parts = urlsplit(self.url)
            return parts.port or _USUAL_PORTS.get(parts.scheme, 0)
        except ValueError:
            return 0

    def __str__(self) -> str:
        return self.url


Origin: TypeAlias = Address | ServerUrl

_USUAL_PORTS = {"http": 80, "https": 443}
