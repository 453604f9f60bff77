"""Which proxy, and who we are to it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Self
from urllib.parse import unquote, urlsplit

from transfer.address import Address, AddressError, is_host
from transfer.proxy.errors import ProxyUrlError


class ProxyKind(Enum):
    """How a proxy is spoken to. The values are the schemes of URLs."""

    SOCKS5 = "socks5"  # RFC 1928, RFC 1929: streams and datagrams
    HTTP = "http"  # CONNECT, RFC 9110, section 9.3.6: streams


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy server.

    Attributes:
        address: where it is; its own name, and no other, is looked up here.
        username, password: both or neither; never part of what is printed.
    """

    kind: ProxyKind
    address: Address
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.address.port <= 65535 or not is_host(self.address.host):
            raise ProxyUrlError(f"{self.address} is no place where a proxy can be")
        if (self.username is None) is not (self.password is None):
            raise ProxyUrlError("a proxy takes a user name and a password, or neither")
        for text, what in ((self.username, "user name"), (self.password, "password")):
            if text is not None and not 0 < len(text.encode()) <= MAX_WORD_BYTES:
                raise ProxyUrlError(f"the {what} for a proxy has 1 to {MAX_WORD_BYTES} bytes")  # RFC 1929, section 2
        if self.kind is ProxyKind.HTTP and self.username is not None and ":" in self.username:
            raise ProxyUrlError("a user name for an HTTP proxy has no colon")  # RFC 7617, section 2

    @classmethod
    def parse(cls, url: str, *, password: str | None = None) -> Self:
        """`socks5://HOST:PORT` or `http://HOST:PORT`, with `USER:PASSWORD@` before the host where one is needed.

        `socks5h` means the same as `socks5`: the proxy looks names up in either case.

        Args:
            password: instead of one in the URL.

        Raises:
            ProxyUrlError: it names no proxy. The text shows no password.
        """
        try:
            parts = urlsplit(url.strip())
            kind = _KINDS.get(parts.scheme.lower())
            host, port = parts.hostname, parts.port
        except ValueError:
            raise ProxyUrlError(f"that is no URL of a proxy; {EXAMPLES}") from None
        if kind is None:
            scheme = parts.scheme[:20] if "://" in url else ""
            raise ProxyUrlError(f"{scheme or 'that'} is no kind of proxy; {EXAMPLES}")
        if not host or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ProxyUrlError(f"the URL of a proxy names a host, and no path; {EXAMPLES}")
        username = unquote(parts.username) if parts.username else None
        if password is None and parts.password is not None:
            password = unquote(parts.password)
        if password is not None and username is None:
            raise ProxyUrlError(f"a password for a proxy needs a user name: {parts.scheme}://USER@HOST:PORT")
        if username is not None and password is None:
            raise ProxyUrlError("the proxy's user has no password: USER:PASSWORD@HOST, or give it apart from the URL")
        try:
            shown = f"[{host}]" if ":" in host else host
            address = Address.parse(f"{shown}:{DEFAULT_PORTS[kind] if port is None else port}")
        except AddressError as error:
            raise ProxyUrlError(str(error)) from None
        return cls(kind=kind, address=address, username=username, password=password)

    def __str__(self) -> str:
        """Its URL without user and password."""
        return f"{self.kind.value}://{self.address}"

    @property
    def carries_datagrams(self) -> bool:
        """Whether its protocol can carry UDP; a SOCKS5 proxy may refuse it all the same."""
        return self.kind is ProxyKind.SOCKS5

    def at(self, address: Address) -> Self:
        """The same, elsewhere."""
        return replace(self, address=address)


_KINDS = {"socks5": ProxyKind.SOCKS5, "socks5h": ProxyKind.SOCKS5, "http": ProxyKind.HTTP}
DEFAULT_PORTS = {ProxyKind.SOCKS5: 1080, ProxyKind.HTTP: 8080}  # RFC 1928 names the first; the second is custom
EXAMPLES = "write socks5://HOST:PORT or http://HOST:PORT"
MAX_WORD_BYTES = 255
