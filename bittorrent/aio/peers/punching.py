"""Calls by hole punching (BEP 55): over uTP, at the moment at which the other side calls us. A path like any other.

`SwarmPunching` says whom to ask for an introduction, `DiallingCore` whom to call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from bittorrent.dialling.paths import PUNCH, DialPath
from bittorrent.swarm.events import PunchFailed, PunchWanted
from bittorrent.swarm.punching.core import SwarmPunching
from transfer.address import Address
from transfer.aio.transports import P, StreamDialler


class PunchingTransport:
    """Waits for an introduction, and dials then; whoever is introduced to us unasked is dialled at once.

    Args:
        core: asks for introductions.
        carrier: dials, from the port that the others know; None where there is no uTP, and no hole punching.
        pump: carries out what `core` wants.
        invite: calls an endpoint over this transport, now; False if it is not to be called.
        answer_s: how long one peer has to introduce us.
    """

    def __init__(
        self,
        core: SwarmPunching,
        carrier: StreamDialler | None,
        *,
        pump: Callable[[], None],
        invite: Callable[[Address], bool],
        answer_s: float,
    ) -> None:
        self._carrier = carrier
        self._core = core
        core.is_offered = carrier is not None
        self._pump = pump
        self._invite = invite
        self._answer_s = answer_s
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[Address, asyncio.Future[Address | None]] = {}
        self._introduced: dict[Address, float] = {}  # unasked, and when

    def among(self, transports: Mapping[DialPath, StreamDialler]) -> dict[DialPath, StreamDialler]:
        """The ways to call peers, with this for the one that is by hole punching."""
        return {path: self if path == PUNCH else transport for path, transport in transports.items()}

    def receive(self, event: PunchWanted | PunchFailed) -> None:
        """What came of an introduction, or one that nobody asked for."""
        if isinstance(event, PunchWanted) and event.asked is None:
            if self._invite(event.address):
                self._introduced[event.address] = self._loop.time()
                if len(self._introduced) > MAX_INTRODUCED:
                    del self._introduced[next(iter(self._introduced))]
            return
        asked = event.asked if isinstance(event, PunchWanted) else event.address
        waiter = self._waiting.get(asked) if asked is not None else None
        if waiter is not None and not waiter.done():
            waiter.set_result(event.address if isinstance(event, PunchWanted) else None)

    async def connect(self, protocol_factory: Callable[[], P], address: Address) -> tuple[asyncio.Transport, P]:
        """As `StreamDialler.connect`.

        Raises:
            ConnectionRefusedError: nobody introduces us.
            OSError: the call itself failed.
        """
        assert self._carrier is not None
        introduced_at = self._introduced.pop(address, float("-inf"))
        is_fresh = self._loop.time() - introduced_at <= self._answer_s
        target = address if is_fresh else await self._ask(address)
        return await self._carrier.connect(protocol_factory, target)

    async def _ask(self, address: Address) -> Address:
        """Where to call a peer, once it was told to call us: its host may have given it another port."""
        besides: list[int] = []
        while len(besides) < MAX_RELAYS:
            number = self._core.ask(address, besides=besides, now=self._loop.time())
            if number is None:
                break
            besides.append(number)
            waiter: asyncio.Future[Address | None] = self._loop.create_future()
            self._waiting[address] = waiter
            self._loop.call_soon(self._pump)
            try:
                async with asyncio.timeout(self._answer_s):
                    found = await waiter
                if found is not None:
                    return found
            except TimeoutError:
                pass
            finally:
                del self._waiting[address]
                self._core.give_up(address)
        raise ConnectionRefusedError(f"nobody introduces us to {address}")


MAX_RELAYS = 3  # asked in one call, one after the other
MAX_INTRODUCED = 64
