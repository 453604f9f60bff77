"""NAT-PMP and PCP over UDP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from random import Random
from typing import Any, TypeVar

from transfer.portmap import natpmp, pcp
from transfer.portmap.config import PortMapConfig
from transfer.portmap.exchange import GatewayExchange
from transfer.portmap.values import Grant, MappedProtocol, MapRequest, PortMapError, PortMapFailure

T = TypeVar("T")


class NatPmpGateway:
    """Asks one gateway over NAT-PMP, from one address of this host."""

    def __init__(self, gateway: str, client: str, config: PortMapConfig) -> None:
        self._gateway = gateway
        self._client = client
        self._config = config

    async def map(self, request: MapRequest) -> Grant:
        """As `Gateway` has it."""

        def read(data: bytes) -> Grant | None:
            answer = natpmp.decode_answer(data)
            is_ours = isinstance(answer, Grant) and _is_about(answer, request)
            return answer if is_ours and isinstance(answer, Grant) else None

        return await ask(self._gateway, self._client, natpmp.encode_map_request(request), read, self._config)

    async def unmap(self, grant: Grant) -> None:
        """As `Gateway` has it."""
        await self.map(_ended(grant))

    async def outer_host(self) -> str | None:
        """As `Gateway` has it."""

        def read(data: bytes) -> natpmp.OuterAddress | None:
            answer = natpmp.decode_answer(data)
            return answer if isinstance(answer, natpmp.OuterAddress) else None

        answer = await ask(self._gateway, self._client, natpmp.encode_address_request(), read, self._config)
        return answer.host if answer.host != "0.0.0.0" else None

    async def aclose(self) -> None:
        """Each question has a socket of its own."""


class PcpGateway:
    """Asks one gateway over PCP, from the address of this host that is mapped.

    Args:
        rng: where nonces come from.
    """

    def __init__(self, gateway: str, client: str, config: PortMapConfig, *, rng: Random) -> None:
        self._gateway = gateway
        self._client = client
        self._config = config
        self._nonces = {protocol: rng.randbytes(pcp.NONCE_BYTES) for protocol in MappedProtocol}
        self._outer_host: str | None = None

    async def map(self, request: MapRequest) -> Grant:
        """As `Gateway` has it."""
        nonce = self._nonces[request.protocol]

        def read(data: bytes) -> Grant | None:
            answer = pcp.decode_answer(data)
            return answer.grant if answer.nonce == nonce and _is_about(answer.grant, request) else None

        data = pcp.encode_map_request(request, client=self._client, nonce=nonce, external_host=self._outer_host)
        grant = await ask(self._gateway, self._client, data, read, self._config)
        if request.lifetime_s:
            self._outer_host = grant.external_host
        return grant

    async def unmap(self, grant: Grant) -> None:
        """As `Gateway` has it."""
        await self.map(_ended(grant))

    async def outer_host(self) -> str | None:
        """As `Gateway` has it."""
        return self._outer_host

    async def aclose(self) -> None:
        """Each question has a socket of its own."""


async def ask(gateway: str, client: str, request: bytes, read: Callable[[bytes], T | None], config: PortMapConfig) -> T:
    """One question and its answer, from a socket that hears nobody but the gateway.

    Raises:
        PortMapError: there is no answer, or it is a refusal.

    Cancellation: the socket is closed; the gateway may have done what it was asked for.
    """
    loop = asyncio.get_running_loop()
    exchange = GatewayExchange(request, read, config=config, now=loop.time())
    changed = asyncio.Event()
    made: socket.socket | None = None
    try:
        made = _socket_to((gateway, config.gateway_port), client)
        opening = loop.create_task(loop.create_datagram_endpoint(lambda: _Answers(exchange, changed), sock=made))
        try:
            transport, _ = await asyncio.shield(opening)
        except asyncio.CancelledError:  # it opens in a turn or two; uvloop could not end with it left open
            (await opening)[0].close()
            raise
    except OSError as error:
        if made is not None:
            made.close()
        text = f"it cannot be reached: {error.strerror or error}"
        raise PortMapError(text, failure=PortMapFailure.NO_GATEWAY) from None
    try:
        while not exchange.is_over:
            now = loop.time()
            exchange.handle_timer(now=now)
            for data in exchange.datagrams_to_send(now=now):
                transport.sendto(data)
            due = exchange.next_timer()
            if due is not None:
                await _wait_until(changed, due)
    finally:
        transport.close()
    if exchange.answer is None:
        assert exchange.error is not None
        raise exchange.error
    return exchange.answer


class _Answers(asyncio.DatagramProtocol):
    def __init__(self, exchange: GatewayExchange[Any], changed: asyncio.Event) -> None:
        self._exchange = exchange
        self._changed = changed

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._exchange.receive_datagram(data)
        self._note()

    def error_received(self, exc: Exception) -> None:
        if isinstance(exc, ConnectionRefusedError):
            self._exchange.receive_unreachable()
            self._note()

    def _note(self) -> None:
        if self._exchange.is_over:
            self._changed.set()


async def _wait_until(changed: asyncio.Event, due: float) -> None:
    try:
        async with asyncio.timeout_at(due):
            await changed.wait()
    except TimeoutError:
        pass


def _socket_to(gateway: tuple[str, int], client: str) -> socket.socket:
    """Bound to the address that is mapped, because a gateway maps the one that it hears from."""
    is_ipv6 = ":" in gateway[0]
    made = socket.socket(socket.AF_INET6 if is_ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        made.setblocking(False)
        made.bind((client, 0))
        host, _, scope = gateway[0].partition("%")
        if is_ipv6:
            made.connect((host, gateway[1], 0, socket.if_nametoindex(scope) if scope else 0))
        else:
            made.connect(gateway)
    except BaseException:
        made.close()
        raise
    return made


def _is_about(grant: Grant, request: MapRequest) -> bool:
    return (
        grant.protocol is request.protocol
        and grant.internal_port == request.internal_port
        and bool(grant.lifetime_s) == bool(request.lifetime_s)
    )


def _ended(grant: Grant) -> MapRequest:
    return MapRequest(
        protocol=grant.protocol,
        internal_port=grant.internal_port,
        external_port=grant.external_port,
        lifetime_s=0,
    )
