"""Fetches .torrent files from the URLs that a user typed."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Sequence

from bittorrent import Magnet, MagnetError, Metainfo, MetainfoError, MetainfoLimits
from fileshare.service.errors import ServiceError
from fileshare.service.sources import is_magnet
from transfer import Proxy


async def fetch_torrent(
    url: str,
    *,
    timeout_s: float | None = None,
    limits: MetainfoLimits | None = None,
    allow_private: bool = False,
    proxy: Proxy | None = None,
) -> Metainfo | Magnet:
    """The torrent at an http(s) URL, behind redirects; or the magnet link to which it redirects.

    Args:
        url: as it was typed, so it may lead into a private network.
        timeout_s: for all of it; by default `FETCH_TIMEOUT_S`.
        limits: its size among them.
        allow_private: a server of the internet may redirect there, too.
        proxy: what it is fetched through.

    Raises:
        ServiceError: there is none, or it did not come. The text begins with the URL.

    Cancellation: the connections are closed.
    """
    timeout_s = FETCH_TIMEOUT_S if timeout_s is None else timeout_s
    limits = limits or MetainfoLimits()
    url = url.strip()
    try:
        async with asyncio.timeout(timeout_s):
            data = await _fetch(url, limits.size_bytes, allow_private=allow_private, proxy=proxy)
    except TimeoutError:
        raise ServiceError(f"{url}: the torrent did not come within {timeout_s:g} s; try again later") from None
    if isinstance(data, Magnet):
        return data
    try:
        return Metainfo.from_bytes(data, limits=limits)
    except MetainfoError as error:
        if data.lstrip()[:1] == b"<":
            raise ServiceError(
                f"{url}: that is a web page and no torrent; copy the link to the .torrent file"
            ) from None
        raise ServiceError(f"{url}: {error.reason}") from None


async def fetch_all(
    urls: Sequence[str], *, allow_private: bool = False, proxy: Proxy | None = None
) -> list[tuple[str, Metainfo | Magnet | ServiceError]]:
    """The torrents at several URLs, at the same time, each beside its URL; or what `fetch_torrent` raises for it.

    Cancellation: as `fetch_torrent`.
    """

    async def fetch(url: str) -> tuple[str, Metainfo | Magnet | ServiceError]:
        try:
            async with at_a_time:
                return url, await fetch_torrent(url, allow_private=allow_private, proxy=proxy)
        except ServiceError as error:
            return url, error

    at_a_time = asyncio.Semaphore(MAX_FETCHES)
    return await asyncio.gather(*map(fetch, urls))


async def _fetch(url: str, max_bytes: int, *, allow_private: bool, proxy: Proxy | None) -> bytes | Magnet:
    import aiohttp  # here: commands that fetch nothing start faster without it
    from yarl import URL

    from bittorrent import GuardedHttp, HttpConfig, NotHttpError, RefusedError, read_body

    if _NO_HOST.match(url):
        raise ServiceError(f"{url}: that URL names no server")
    http = GuardedHttp(HttpConfig(allow_private=allow_private, proxy=proxy))
    try:
        async with http.get(str(URL(url)), headers={"Accept": "application/x-bittorrent, */*;q=0.5"}) as response:
            if response.status != 200:
                raise ServiceError(f"{url}: the server answered {response.status} {response.reason or ''}".rstrip())
            return await read_body(response, max_bytes=max_bytes)
    except NotHttpError as error:
        if not is_magnet(error.url):
            raise ServiceError(f"{url}: {error}") from None
        try:
            return Magnet.parse(error.url)
        except MagnetError as wrong:
            raise ServiceError(f"{url}: {wrong}") from None
    except RefusedError as error:
        raise ServiceError(f"{url}: {error}") from None
    except aiohttp.ClientConnectorCertificateError as error:
        raise ServiceError(f"{url}: its certificate is not valid: {error.certificate_error}") from None
    except aiohttp.ClientConnectorError as error:
        raise ServiceError(f"{url}: cannot connect: {_os_error_text(error.os_error)}") from None
    except aiohttp.InvalidURL:
        raise ServiceError(f"{url}: that is no URL") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ServiceError(f"{url}: {str(error) or type(error).__name__}") from None
    finally:
        await http.aclose()


def _os_error_text(error: OSError) -> str:
    """What the system says, without numbers and addresses."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


_NO_HOST = re.compile(r"https?://(?:[/?#]|$)", re.IGNORECASE)
FETCH_TIMEOUT_S = 60.0
MAX_FETCHES = 8
