"""Calls of peers: each address that may lead to one, one after the other, until one does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence

from transfer.aio.host.connection import HostConnection
from transfer.aio.host.names import LookUpText, expand
from transfer.errors import TransferError
from transfer.host.dial import Attempt, DialConfig, DialCore
from transfer.host.errors import PeerUnreachableError
from transfer.host.route import Carrier, NotDialableError, Route, route_of
from transfer.identity.peer_id import PeerId
from transfer.limits.refusal import LimitReachedError
from transfer.multiaddr.multiaddr import Multiaddr
from transfer.negotiation.errors import NegotiationError
from transfer.security.noise.errors import NoiseError

Call = Callable[[Route, Multiaddr, "PeerId | None"], Awaitable[HostConnection]]
"""Makes one connection."""


async def dial(
    peer_id: PeerId | None,
    addresses: Sequence[Multiaddr],
    call: Call,
    config: DialConfig,
    carriers: Iterable[Carrier],
    *,
    core: DialCore,
    look_up_text: LookUpText | None = None,
) -> HostConnection:
    """A connection to a peer.

    Args:
        carriers: that this host has transports for.
        core: a new one; afterwards it has what came of each address.

    Raises:
        PeerUnreachableError: no address led to it.

    Cancellation: leaves no connection.
    """
    loop = asyncio.get_running_loop()
    await _find_routes(core, addresses, frozenset(carriers), look_up_text)
    calls: dict[asyncio.Task[HostConnection], Attempt] = {}
    try:
        while not core.is_over:
            while (attempt := core.next_call(now=loop.time())) is not None:
                assert attempt.route is not None
                expected = peer_id or attempt.route.peer_id
                task = loop.create_task(_within(config.timeout_s, call(attempt.route, attempt.address, expected)))
                calls[task] = attempt
            due = core.next_timer()
            timeout_s = None if due is None else max(0.0, due - loop.time())
            done, _ = await asyncio.wait(calls, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
            connected: HostConnection | None = None
            for task in done:
                attempt = calls.pop(task)
                error = task.exception()
                if error is None and connected is None:
                    connected = task.result()
                    core.connected(attempt, now=loop.time())
                elif error is None:
                    task.result().close()
                    core.failed(attempt, "another address was faster", now=loop.time())
                elif isinstance(error, OSError | TransferError):
                    core.failed(attempt, *_told(error), now=loop.time())
                else:
                    raise error
            if connected is not None:
                return connected
    finally:
        for task in calls:
            task.cancel()
        for found in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(found, HostConnection):
                found.close()
    raise PeerUnreachableError(peer_id, core.attempts)


async def _within(timeout_s: float, work: Awaitable[HostConnection]) -> HostConnection:
    async with asyncio.timeout(timeout_s):
        return await work


async def _find_routes(
    core: DialCore, addresses: Sequence[Multiaddr], carriers: frozenset[Carrier], look_up_text: LookUpText | None
) -> None:
    for address in addresses:
        try:
            found = await expand(address, look_up_text=look_up_text)
        except OSError as error:
            core.refuse(address, *_told(error))
            continue
        for each in found:
            try:
                route = route_of(each)
            except NotDialableError as error:
                core.refuse(each, str(error))
                continue
            if route.carrier not in carriers:
                core.refuse(each, f"this host has no transport for {route.carrier.value}")
            elif route.address.port == 0:
                core.refuse(each, "nobody can be reached at port 0")
            else:
                core.add([(each, route)])


def _told(error: BaseException) -> tuple[str, str]:
    """A failure in words, and what to do about it."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused", "nothing listens there: does the program run, and is the port right?"
    if isinstance(error, socket.gaierror):
        return f"the name is not known: {error.strerror}", "is it spelled right, and is there a network?"
    if isinstance(error, TimeoutError):
        return str(error) or "no answer", "a wrong address, or a firewall or NAT in between"
    if isinstance(error, NoiseError):
        return str(error), "does the address belong to this peer, and is it libp2p that listens there?"
    if isinstance(error, NegotiationError):
        return str(error), "does libp2p listen there, with Noise and yamux?"
    if isinstance(error, LimitReachedError):
        return str(error), "raise the limit, or close a connection"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower(), ""
    return str(error) or type(error).__name__, ""
