"""aiohttp behind a proxy: by itself for HTTP proxies, and with `aiohttp-socks` for SOCKS5."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from transfer.proxy.errors import ProxyError
from transfer.proxy.http import basic_login
from transfer.proxy.proxy import Proxy, ProxyKind


class RefusedError(aiohttp.ClientError):
    """The request was not made, or not followed further. The text says why."""


def require_http_through(proxy: Proxy) -> None:
    """Whether HTTP can go through the proxy at all.

    Raises:
        ProxyError: the library for SOCKS5 is not installed.
    """
    if proxy.kind is ProxyKind.SOCKS5:
        _library()


def new_connector(proxy: Proxy | None, resolver: AbstractResolver, bounds: Mapping[str, Any]) -> aiohttp.TCPConnector:
    """What makes the connections of a client.

    Args:
        resolver: looks names up; behind a proxy only that of an HTTP proxy itself.
    """
    if proxy is None or proxy.kind is not ProxyKind.SOCKS5:
        return aiohttp.TCPConnector(resolver=resolver, **bounds)
    aiohttp_socks = _library()
    connector: aiohttp.TCPConnector = aiohttp_socks.ProxyConnector(
        proxy_type=aiohttp_socks.ProxyType.SOCKS5,
        host=proxy.address.host,
        port=proxy.address.port,
        username=proxy.username,
        password=proxy.password,
        rdns=True,
        **bounds,
    )
    return connector


def request_options(proxy: Proxy, target: URL, headers: Mapping[str, str]) -> dict[str, Any]:
    """The headers of a request, and what else it has to say about the proxy. A password goes to the proxy alone."""
    if proxy.kind is not ProxyKind.HTTP:
        return {"headers": headers}
    options: dict[str, Any] = {"proxy": URL(str(proxy)), "headers": headers}
    if proxy.username is not None:
        login = {"Proxy-Authorization": basic_login(proxy)}
        if target.scheme == "https":
            options["proxy_headers"] = login  # with CONNECT
        else:
            options["headers"] = {**headers, **login}  # the proxy reads the request itself
    return options


@contextmanager
def explained(proxy: Proxy) -> Iterator[None]:
    """Errors that are about the proxy say so, in one line.

    Raises:
        RefusedError: instead of what aiohttp, or the library for SOCKS5, says.
    """
    try:
        yield
    except aiohttp.ClientHttpProxyError as error:
        said = " ".join(error.message.split())[:80]
        raise RefusedError(f"the proxy {proxy} refuses to connect ({error.status} {said})") from error
    except aiohttp.ClientProxyConnectionError as error:
        raise RefusedError(f"the proxy {proxy} cannot be reached; is it running?") from error
    except EOFError as error:
        raise RefusedError(f"the proxy {proxy} ended the connection before it had answered") from error
    except _errors_through(proxy) as error:
        kinds = _socks_errors(proxy)
        if not isinstance(error, kinds) and not isinstance(error.__cause__, kinds):
            raise
        said = " ".join(str(error).split())[:150]
        raise RefusedError(f"the proxy {proxy}: {said or type(error).__name__}") from error


def _errors_through(proxy: Proxy) -> tuple[type[Exception], ...]:
    return (aiohttp.ClientError, OSError, *_socks_errors(proxy))


def _socks_errors(proxy: Proxy) -> tuple[type[Exception], ...]:
    """What the library for SOCKS5 says of it, bare or as the cause of what aiohttp says."""
    if proxy.kind is not ProxyKind.SOCKS5:
        return ()
    library = _library()
    return (library.ProxyError, library.ProxyConnectionError, library.ProxyTimeoutError)


def _library() -> Any:
    """`aiohttp-socks`, loaded when it is needed first.

    Raises:
        ProxyError: it is not installed.
    """
    try:
        import aiohttp_socks
    except ImportError:
        text = "trackers and web seeds through SOCKS5 need aiohttp-socks: pip install 'kademlia-core[proxy]'"
        raise ProxyError(text) from None
    return aiohttp_socks
