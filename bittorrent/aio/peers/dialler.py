"""Makes calls. Which peer to call and by which path, `DiallingCore` decides."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from bittorrent.aio.peers.peer_connection import PeerConnection
from bittorrent.aio.peers.private_calls import own_address_towards
from bittorrent.dialling.core import DiallingCore
from bittorrent.dialling.decisions import Call
from bittorrent.dialling.paths import PathFailure
from transfer.aio.tasks import TaskSet
from transfer.aio.transports import StreamDialler
from transfer.errors import HandshakeTimeoutError, RemoteProtocolError


class Dialler:
    """Carries out what the core says, each call in a task of its own.

    Args:
        core: is told what came of each call, unless a connection did: that is the owner's to tell.
        transport_of: finds the one for the path of a call.
        new_connection: makes the protocol of a call.
        on_outcome: called after each call.
        timeout_s: for opening one connection.
        asks_system: as for `PrivateCalls`.
        tasks: where calls run.
    """

    def __init__(
        self,
        core: DiallingCore,
        *,
        transport_of: Callable[[Call], StreamDialler],
        new_connection: Callable[[Call], PeerConnection],
        on_outcome: Callable[[], None],
        timeout_s: float,
        asks_system: bool,
        tasks: TaskSet,
    ) -> None:
        self._core = core
        self._transport_of = transport_of
        self._new_connection = new_connection
        self._on_outcome = on_outcome
        self._timeout_s = timeout_s
        self._asks_system = asks_system
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._running: dict[int, asyncio.Task[None]] = {}

    def dial(self, *, wants_seeds: bool) -> None:
        """Begins the calls that are due."""
        for call in self._core.calls_to_make(wants_seeds=wants_seeds, now=self._loop.time()):
            task = self._tasks.start(self._connect(call), name=f"dial {call.address}")
            if task is not None:
                self._running[call.number] = task
                task.add_done_callback(partial(self._forget, call.number))
        self.give_up()

    def give_up(self) -> None:
        """Ends the calls whose place others have taken."""
        for number in self._core.calls_to_give_up():
            task = self._running.get(number)
            if task is not None:
                task.cancel()

    def _forget(self, number: int, task: asyncio.Task[None]) -> None:
        self._running.pop(number, None)

    async def _connect(self, call: Call) -> None:
        connection = self._new_connection(call)
        try:
            async with asyncio.timeout(self._timeout_s):
                if await self._is_allowed(call):
                    await self._transport_of(call).connect(lambda: connection, call.address)
        except (OSError, TimeoutError) as error:
            if not connection.abandon():
                self._core.missed(call.number, _failure(error), now=self._loop.time())
        except asyncio.CancelledError:
            connection.abandon()
            raise
        finally:
            self._core.dropped(call.number)
            self._on_outcome()

    async def _is_allowed(self, call: Call) -> bool:
        """Peers that strangers name must not lead us into private networks that we are not in."""
        if not call.needs_route:
            return True
        own = await own_address_towards(call.address) if self._asks_system else None
        return self._core.allows(call.number, own=own, now=self._loop.time())


def _failure(error: Exception) -> PathFailure:
    """How far it came: a layer of the path may have had its connection, and not its handshake."""
    if isinstance(error, HandshakeTimeoutError):
        return PathFailure.NO_HANDSHAKE
    had_connection = isinstance(error, ConnectionResetError | ConnectionAbortedError | RemoteProtocolError)
    return PathFailure.TURNED_AWAY if had_connection else PathFailure.NO_CONNECTION
