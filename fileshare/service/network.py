"""The sockets of the application: TCP and UDP on the same host and port number, and the session and DHT node there."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from ipaddress import IPv6Address, ip_address
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from bittorrent import IpFilter, SessionConfig
from fileshare.service.errors import ListenError, NoFreePortError
from kademlia_core import MainlineConfig, MainlineNode
from transfer import Address, DatagramPort, Proxy, ProxyError, open_proxy_port

if TYPE_CHECKING:
    from bittorrent import Session

T = TypeVar("T")


@asynccontextmanager
async def open_node(
    *,
    listen: Address | None,
    bootstrap: tuple[Address, ...],
    config: MainlineConfig | None = None,
    state_file: Path | None = None,
    proxy: Proxy | None = None,
) -> AsyncIterator[MainlineNode]:
    """A DHT node.

    Args:
        proxy: what all datagrams go through; it listens nowhere then.

    Raises:
        ListenError, NoFreePortError: its address cannot be bound.
        ProxyError: the proxy cannot be reached, refuses us, or carries no datagrams.
    """
    if proxy is not None:
        async with AsyncExitStack() as stack:
            port = await stack.enter_async_context(await open_proxy_port(proxy))
            yield await stack.enter_async_context(
                MainlineNode(datagrams=port, bootstrap=bootstrap, config=config, state_file=state_file)
            )
        return

    async def bind(stack: AsyncExitStack, address: Address) -> MainlineNode:
        node = MainlineNode(
            host=address.host, port=address.port, bootstrap=bootstrap, config=config, state_file=state_file
        )
        return await stack.enter_async_context(node)

    async with AsyncExitStack() as stack:
        yield await _bind(stack, listen, default_host(bootstrap), (socket.SOCK_DGRAM,), bind)


@asynccontextmanager
async def open_session(
    *,
    listen: Address | None,
    bootstrap: tuple[Address, ...] | None,
    peers: Iterable[Address] = (),
    download_dir: Path,
    config: SessionConfig,
    state_dir: Path | None = None,
    ip_filter: IpFilter | None = None,
    local_discovery: bool = False,
) -> AsyncIterator[tuple[Session, MainlineNode | None]]:
    """A session and its DHT node, or none when `bootstrap` is None.

    Raises:
        ListenError, NoFreePortError: their address cannot be bound.
        ProxyError: the proxy of `config` cannot be reached, or refuses us.
    """
    from bittorrent import Session

    if config.only_proxy is not None:
        async with AsyncExitStack() as stack:
            node = await _open_proxied_node(stack, config.only_proxy, bootstrap, allow_private=config.allow_private)
            session = Session(download_dir, dht=node, config=config, state_dir=state_dir, ip_filter=ip_filter)
            yield await stack.enter_async_context(session), node
        return

    async def bind(stack: AsyncExitStack, address: Address) -> tuple[Session, MainlineNode | None]:
        node = None
        port = await stack.enter_async_context(await DatagramPort.bind(address))
        if bootstrap is not None:
            dht_config = MainlineConfig(allow_private=config.allow_private)
            node = await stack.enter_async_context(MainlineNode(datagrams=port, bootstrap=bootstrap, config=dht_config))
        session = Session(
            download_dir,
            host=address.host,
            port=address.port,
            dht=node,
            datagrams=port,
            config=config,
            state_dir=state_dir,
            ip_filter=ip_filter,
            local_discovery=local_discovery,
        )
        return await stack.enter_async_context(session), node

    async with AsyncExitStack() as stack:
        host = default_host([*(bootstrap or ()), *peers])
        yield await _bind(stack, listen, host, (socket.SOCK_STREAM, socket.SOCK_DGRAM), bind)


async def _open_proxied_node(
    stack: AsyncExitStack, proxy: Proxy, bootstrap: tuple[Address, ...] | None, *, allow_private: bool
) -> MainlineNode | None:
    """None where the proxy carries no datagrams, or is not there: the session says so."""
    if bootstrap is None or not proxy.carries_datagrams:
        return None
    try:
        port = await stack.enter_async_context(await open_proxy_port(proxy))
    except ProxyError:
        return None
    config = MainlineConfig(allow_private=allow_private, is_read_only=True)  # others may not be able to ask it
    return await stack.enter_async_context(MainlineNode(datagrams=port, bootstrap=bootstrap, config=config))


def default_host(others: Iterable[Address]) -> str:
    """Every IPv4 address of this machine, or every IPv6 one when all of `others` can only be reached from there."""
    hosts = [address.host for address in others]
    return "::" if hosts and all(_is_ipv6(host) for host in hosts) else "0.0.0.0"


async def _bind(
    stack: AsyncExitStack,
    listen: Address | None,
    host: str,
    kinds: tuple[socket.SocketKind, ...],
    bind: Callable[[AsyncExitStack, Address], Awaitable[T]],
) -> T:
    """Tries addresses until all sockets have one, and hands them over to `stack`.

    Plain sockets try each address first: they tell why it cannot be had, which uvloop does not.
    """
    for address in _candidates(listen, host):
        is_only_choice = listen is not None and listen.port != 0
        try:
            address = _probe(address, kinds)
            async with AsyncExitStack() as attempt:
                bound = await bind(attempt, address)
                stack.push_async_exit(attempt.pop_all())
                return bound
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, None) and not is_only_choice:
                continue
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise ListenError(address, reason) from None
    raise NoFreePortError(host)


def _candidates(listen: Address | None, host: str) -> Iterator[Address]:
    if listen is not None and listen.port:
        yield listen
        return
    if listen is None:
        for port in DEFAULT_PORTS:
            yield Address(host, port)
    for _ in range(FREE_PORT_ATTEMPTS):  # the system names a free port of one kind, whose twin may be taken
        yield Address(listen.host if listen is not None else host, 0)


def _probe(address: Address, kinds: tuple[socket.SocketKind, ...]) -> Address:
    """The address with a port number that was free for sockets of all `kinds` a moment ago.

    Raises:
        OSError: there is none, or the host is not ours.
    """
    family = socket.AF_INET6 if address.is_ipv6 else socket.AF_INET
    with ExitStack() as stack:
        for kind in kinds:
            probe = stack.enter_context(socket.socket(family, kind))
            if kind is socket.SOCK_STREAM and os.name == "posix":  # as asyncio does; elsewhere it means stealing
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if address.is_ipv6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(address)
            address = Address(address.host, probe.getsockname()[1])
    return address


def _is_ipv6(host: str) -> bool:
    try:
        return isinstance(ip_address(host), IPv6Address)
    except ValueError:
        return False


DEFAULT_PORTS = range(6881, 6890)
FREE_PORT_ATTEMPTS = 20
