"""HTTP for URLs that strangers chose: no server of the internet leads us into the local network, all is bounded."""

from __future__ import annotations

import socket
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from bittorrent.aio.sources.http_proxy import (
    RefusedError,
    explained,
    new_connector,
    request_options,
    require_http_through,
)
from bittorrent.dialling.targets import PRIVATE
from bittorrent.urls import escaped_url
from transfer.address import Address, is_ip_address
from transfer.aio.resolver import resolve
from transfer.proxy.proxy import Proxy, ProxyKind
from transfer.reach import Reach, is_public, reach_of


class NotHttpError(RefusedError):
    """It leads to something that is not fetched over HTTP, such as a magnet link. `url` is what it is."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{url.partition(':')[0][:20] or 'a path'} is not HTTP")
        self.url = url


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpConfig:
    """Bounds and times of a `GuardedHttp`.

    Attributes:
        connect_timeout_s: for one connection.
        read_timeout_s: between two bytes of an answer.
        max_redirects: of one request.
        max_connections: at a time; further requests wait.
        max_connections_per_host: see `max_connections`.
        user_agent: what we call ourselves.
        keeps_alive: whether connections are used again.
        allow_private: whether a URL may lead us to private addresses, wherever it comes from.
        proxy: what everything goes through. It looks names up, so where those lead is not checked then.
    """

    connect_timeout_s: float = 15.0
    read_timeout_s: float = 30.0
    max_redirects: int = 5
    max_connections: int = 50
    max_connections_per_host: int = 50
    user_agent: str = "kademlia-core/0.1"
    keeps_alive: bool = True
    allow_private: bool = False
    proxy: Proxy | None = None

    def __post_init__(self) -> None:
        if min(self.connect_timeout_s, self.read_timeout_s) <= 0:
            raise ValueError("timeouts must be positive")
        if self.max_redirects < 0:
            raise ValueError("max_redirects cannot be negative")
        if min(self.max_connections, self.max_connections_per_host) < 1:
            raise ValueError("max_connections and max_connections_per_host must be at least 1")


class GuardedHttp:
    """A client for GET. To be closed with `aclose`.

    A server that is reached at a public address may redirect to public addresses only: what a torrent names must not
    make us ask the router or a service on this machine. The check is made on the addresses that are connected to, so
    that a name which changes its address in between is of no use. A URL that leads to a private address by itself is
    the caller's decision (`bittorrent.dialling.targets`): such trackers and servers exist in houses and companies.

    Raises:
        ProxyError: what SOCKS5 needs is not installed.
    """

    def __init__(self, config: HttpConfig | None = None) -> None:
        self._config = config or HttpConfig()
        if self._config.proxy is not None:
            require_http_through(self._config.proxy)
        self._anywhere = _Resolver(public_only=False)
        self._public = _Resolver(public_only=True)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}  # by whether only public addresses will do

    @asynccontextmanager
    async def get(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        public_only: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer, behind all redirects; its body is still to be read, as it is: compressed where it says so.

        Args:
            url: taken as it is: what must be escaped is escaped already.
            public_only: whether a private address is refused from the start.

        Raises:
            RefusedError: too many redirects, or one to where it must not lead.
            NotHttpError: one to what is not HTTP.
            aiohttp.ClientError, OSError, TimeoutError, ValueError: whatever else goes wrong.
        """
        public_only = public_only and not self._config.allow_private
        target = URL(url, encoded=True)
        all_headers = {"Accept-Encoding": "identity", **(headers or {})}
        for _ in range(self._config.max_redirects + 1):
            if target.scheme not in ("http", "https") or not target.host:
                raise NotHttpError(str(target))
            if public_only and is_ip_address(target.host) and not is_public(target.host):
                raise RefusedError(PRIVATE)
            session = self._session(public_only)
            async with self._ask(session, target, all_headers) as response:
                location = response.headers.get("Location") if response.status in _REDIRECTS else None
                if location is None:
                    yield response
                    return
            if self.reach_of(target) is Reach.INTERNET and not self._config.allow_private:
                public_only = True
            target = target.join(URL(escaped_url(location), encoded=True))
        raise RefusedError(f"it redirects more than {self._config.max_redirects} times")

    @asynccontextmanager
    async def _ask(
        self, session: aiohttp.ClientSession, target: URL, headers: Mapping[str, str]
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        proxy = self._config.proxy
        if proxy is None:
            async with session.get(target, headers=headers, allow_redirects=False) as response:
                yield response
            return
        with explained(proxy):
            options = request_options(proxy, target, headers)
            async with session.get(target, allow_redirects=False, **options) as response:
                if response.status == 407:
                    raise RefusedError(f"the proxy {proxy} wants another user name and password")
                if response.status == 401 and proxy.username is not None and proxy.kind is ProxyKind.HTTP:
                    # tinyproxy says so of a wrong password, as the server itself might
                    raise RefusedError(f"it, or the proxy {proxy}, wants another user name and password")
                yield response

    async def aclose(self) -> None:
        """Closes the connections, which fails what is under way on them."""
        for session in self._sessions.values():
            await session.close()

    def reach_of(self, url: URL) -> Reach:
        """How far away the server of an answer can be seen."""
        host = url.host or ""
        return reach_of(host) if is_ip_address(host) else self._anywhere.reaches.get(host, Reach.INTERNET)

    def address_of(self, url: URL) -> Address | None:
        """Where the server of an answer is, if that is remembered."""
        host = url.host or ""
        known = host if is_ip_address(host) else self._anywhere.hosts.get(host) or self._public.hosts.get(host)
        return Address(known, url.port or 80) if known is not None else None

    def _session(self, public_only: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(public_only)
        if session is None:
            config = self._config
            bounds: dict[str, Any] = {
                "limit": config.max_connections,
                "limit_per_host": config.max_connections_per_host,
                "force_close": not config.keeps_alive,
            }
            resolver = self._public if public_only and config.proxy is None else self._anywhere
            connector = new_connector(config.proxy, resolver, bounds)
            session = self._sessions[public_only] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(
                    total=None, sock_connect=config.connect_timeout_s, sock_read=config.read_timeout_s
                ),
                headers={"User-Agent": config.user_agent},
                auto_decompress=False,
            )
        return session


async def read_body(response: aiohttp.ClientResponse, *, max_bytes: int) -> bytes:
    """The whole body, unpacked; never more than `max_bytes` of it are read, packed or not.

    Raises:
        RefusedError: it is longer, or packed in another way than gzip.
        aiohttp.ClientError, OSError, TimeoutError: it did not come.
    """
    encoding = response.headers.get("Content-Encoding", "identity").lower()
    if encoding not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise RefusedError(f"it packs its answer as {encoding:.20}, which was not asked for")
    unpacker = zlib.decompressobj(_ANY_HEADER) if encoding not in ("identity", "") else None
    body = bytearray()
    received = 0
    async for chunk in response.content.iter_any():
        received += len(chunk)  # what is packed may be endless and hold nothing
        try:
            body += unpacker.decompress(chunk, max_bytes + 1 - len(body)) if unpacker is not None else chunk
        except zlib.error:
            raise RefusedError("its answer cannot be unpacked") from None
        if max(len(body), received) > max_bytes:
            raise RefusedError(f"its answer is longer than {max_bytes} bytes")
    return bytes(body)


class _Resolver(AbstractResolver):
    """Looks names up with the event loop, and remembers how far away each leads."""

    def __init__(self, *, public_only: bool) -> None:
        self.reaches: dict[str, Reach] = {}  # of the farthest address of each host
        self.hosts: dict[str, str] = {}  # the first address of each
        self._public_only = public_only

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await resolve(host, port, purpose="http", family=family)
        addresses = [(kind, protocol, str(name[0]).partition("%")[0]) for kind, _, protocol, _, name in found]
        if len(self.reaches) >= MAX_REMEMBERED_HOSTS:
            self.reaches.pop(next(iter(self.reaches)))
        if len(self.hosts) >= MAX_REMEMBERED_HOSTS:
            self.hosts.pop(next(iter(self.hosts)))
        if addresses:
            self.hosts[host] = addresses[0][2]
        self.reaches[host] = max((reach_of(address) for _, _, address in addresses), default=Reach.INTERNET)
        if self._public_only:
            addresses = [entry for entry in addresses if is_public(entry[2])]
            if not addresses:
                raise RefusedError(PRIVATE)
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=protocol, flags=_NUMERIC)
            for kind, protocol, address in addresses
        ]

    async def close(self) -> None:
        """Nothing is held."""


MAX_REMEMBERED_HOSTS = 1000
_REDIRECTS = (301, 302, 303, 307, 308)
_ANY_HEADER = zlib.MAX_WBITS | 32
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
