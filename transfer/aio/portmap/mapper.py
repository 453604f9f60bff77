"""Keeps a port of this host mapped at the gateway for as long as it is open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from random import Random
from types import TracebackType
from typing import Self

from transfer.aio.portmap.datagrams import NatPmpGateway, PcpGateway
from transfer.aio.portmap.gateway import Gateway, default_gateway, local_host
from transfer.aio.tasks import TaskSet
from transfer.portmap.config import PortMapConfig
from transfer.portmap.core import PortMapCore
from transfer.portmap.round import Ask, MappingRound
from transfer.portmap.values import Grant, MappedProtocol, PortMapError, PortMapFailure, PortMapMethod, PortMapStatus


class PortMapper:
    """Asks the gateway to let others reach a port, over PCP, NAT-PMP or UPnP, whichever it speaks.

    Entering returns at once; what comes of it is told as it happens. Leaving takes the mappings back, and takes
    `PortMapConfig.close_timeout_s` at most. Nothing that a gateway does raises.

    Args:
        port: of this host.
        host: where it listens; that of an interface, or "0.0.0.0" or "::". Over IPv6 a hole in the firewall is asked
            for, which PCP alone can do.
        protocols: what is mapped.
        on_change: called with the status whenever it is another one.
        rng: where nonces, and ports for where one is taken, come from.
    """

    def __init__(
        self,
        port: int,
        *,
        host: str,
        rng: Random,
        protocols: Sequence[MappedProtocol] = tuple(MappedProtocol),
        on_change: Callable[[PortMapStatus], None] = lambda status: None,
        on_error: Callable[[BaseException], None] | None = None,
        config: PortMapConfig | None = None,
    ) -> None:
        self._host = host
        self._is_ipv6 = ":" in host
        self._on_change = on_change
        self._rng = rng
        self._config = config or PortMapConfig()
        self._loop = asyncio.get_running_loop()
        self._core = PortMapCore(port=port, protocols=protocols, config=self._config, rng=rng, now=self._loop.time())
        self._gateways: dict[PortMapMethod, Gateway] = {}
        self._under_way: tuple[Gateway, MappingRound] | None = None
        self._told: PortMapStatus | None = None
        self._tasks = TaskSet(on_error or self._fail)
        self._settled = asyncio.Event()
        self._bug: BaseException | None = None

    async def __aenter__(self) -> Self:
        self._tasks.start(self._run(), name="port mapping")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def status(self) -> PortMapStatus:
        """A snapshot."""
        return self._core.status()

    async def wait_settled(self) -> PortMapStatus:
        """Returns as soon as every protocol was tried, or one served."""
        await self._settled.wait()
        return self._core.status()

    async def aclose(self) -> None:
        """Takes the mappings back. May be called twice.

        Cancellation: what was not taken back ends with its lifetime.
        """
        await self._tasks.aclose()
        held = [(self._gateways.get(self._core.method), grant) for grant in self._core.grants if self._core.method]
        if self._under_way is not None:  # it was cancelled half-way
            gateway, attempt = self._under_way
            held += [(gateway, grant) for grant in attempt.grants]
            self._under_way = None
        self._core.receive_local_host(None, now=self._loop.time())
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._config.close_timeout_s):
                    await asyncio.gather(*(_release(gateway, grant) for gateway, grant in held if gateway is not None))
        finally:
            await self._forget_gateways()
        if self._bug is not None:
            raise self._bug

    async def _run(self) -> None:
        while True:
            now = self._loop.time()
            await self._look_around()
            if self._core.next_timer() <= now:
                await self._turn()
                self._tell()
                self._settled.set()
            look_at = self._loop.time() + self._config.address_interval_s
            await asyncio.sleep(max(0.0, min(look_at, self._core.next_timer()) - self._loop.time()))

    async def _look_around(self) -> None:
        """Where are we, and who is the gateway?"""
        gateway = self._config.gateway or default_gateway(is_ipv6=self._is_ipv6)
        host = local_host(gateway, is_ipv6=self._is_ipv6, bound=self._host)
        if (gateway, host) != (self._core.gateway, self._core.local_host):
            await self._forget_gateways()
            self._core.gateway = gateway
            self._core.receive_local_host(host, now=self._loop.time())

    async def _turn(self) -> None:
        for method in self._core.methods_to_try():
            try:
                async with asyncio.timeout(self._config.round_timeout_s):
                    await self._round(method)
                break
            except TimeoutError:
                error = PortMapError("it took too long", failure=PortMapFailure.SILENT)
            except PortMapError as failure:
                error = failure
            self._core.failed(method, error)
            gateway = self._gateways.pop(method, None)
            if gateway is not None:
                await gateway.aclose()
        self._core.turn_ended(now=self._loop.time())

    async def _round(self, method: PortMapMethod) -> None:
        """Raises PortMapError when it came to nothing."""
        gateway = self._gateway(method)
        attempt = self._core.new_round()
        self._under_way = gateway, attempt
        while (step := attempt.next_step()) is not None:
            if isinstance(step, Ask):
                try:
                    attempt.granted(await gateway.map(step.request))
                except PortMapError as error:
                    attempt.refused(error)
            else:
                await _release(gateway, step.grant)
                attempt.released()
        if attempt.error is not None:
            raise attempt.error
        try:
            outer = await gateway.outer_host()
        except PortMapError:
            outer = None
        stale = self._core.served(method, attempt.grants, outer, now=self._loop.time())
        self._under_way = None
        for grant in stale:
            await _release(gateway, grant)

    def _gateway(self, method: PortMapMethod) -> Gateway:
        gateway = self._gateways.get(method)
        if gateway is None:
            gateway = self._gateways[method] = self._new_gateway(method)
        return gateway

    def _new_gateway(self, method: PortMapMethod) -> Gateway:
        client, router = self._core.local_host, self._core.gateway
        if client is None:
            text = "this host has no public IPv6 address" if self._is_ipv6 else "this host is in no network"
            raise PortMapError(text, failure=PortMapFailure.NO_GATEWAY)
        if self._is_ipv6 and method is not PortMapMethod.PCP:
            raise PortMapError("it is for IPv4 only", failure=PortMapFailure.UNSUPPORTED)
        if method is PortMapMethod.UPNP:
            from transfer.aio.portmap.upnp import UpnpGateway  # here: few need it, and it loads an HTTP client

            return UpnpGateway(router, client, self._config)
        if router is None:
            raise PortMapError("there is no default gateway", failure=PortMapFailure.NO_GATEWAY)
        if method is PortMapMethod.PCP:
            return PcpGateway(router, client, self._config, rng=self._rng)
        return NatPmpGateway(router, client, self._config)

    async def _forget_gateways(self) -> None:
        gateways, self._gateways = list(self._gateways.values()), {}
        for gateway in gateways:
            await gateway.aclose()

    def _tell(self) -> None:
        status = self._core.status()
        if status != self._told:
            self._told = status
            self._on_change(status)

    def _fail(self, error: BaseException) -> None:
        self._bug = self._bug or error
        self._settled.set()


async def _release(gateway: Gateway, grant: Grant) -> None:
    """Takes a mapping back, if the gateway lets us; else it ends with its lifetime."""
    with suppress(PortMapError):
        await gateway.unmap(grant)
