"""Who leaves a host: connections that give no sign of life, streams on which nothing moves, peers that are too many."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeAlias

from transfer.aio.host.feed import EventFeed
from transfer.aio.layer import Layer
from transfer.aio.negotiation import ChoosingLayer, ProposingLayer
from transfer.host.config import HostConfig
from transfer.host.errors import StreamIdleError
from transfer.host.events import ConnectionDropped, DropCause, HostEvent
from transfer.host.peer_keeper import PeerKeeper
from transfer.limits.idle import IdleAction, IdleCore, IdleKind
from transfer.muxing.errors import KeepAliveError

if TYPE_CHECKING:
    from transfer.aio.host.connection import HostConnection

Watched: TypeAlias = "HostConnection | WatchedStream"


class Keeping:
    """An `IdleCore`, a `PeerKeeper`, the clock, and the connections that they decide about.

    A connection is asked for a sign of life by its muxer, and aborted without one. A stream cannot be asked: if
    nothing has moved on it, it is reset. A peer that has to make room may end its streams for `close_timeout_s`.

    Attributes:
        peers: what each is worth.
        dropped: the connections that were ended here last.
    """

    def __init__(self, config: HostConfig, feed: EventFeed[HostEvent]) -> None:
        self.peers: PeerKeeper[HostConnection] = PeerKeeper(config.keeper)
        self.dropped: list[ConnectionDropped] = []
        self._config = config
        self._feed = feed
        self._idle: IdleCore[Watched] = IdleCore(config.idle)
        self._asked: dict[HostConnection, float] = {}  # for a sign of life, and when the last one had come
        self._leaving: dict[HostConnection, asyncio.TimerHandle] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._due_at = 0.0
        self._is_closed = False

    # Inputs

    def connected(self, connection: HostConnection) -> None:
        """A connection is there."""
        now = asyncio.get_running_loop().time()
        self._idle.add(connection, now=now)
        self.peers.connected(connection.peer_id, connection, is_inbound=connection.is_inbound, now=now)
        self._trim(now=now)
        self._arm()

    def lost(self, connection: HostConnection) -> str:
        """It is over; returns why."""
        self._idle.remove(connection)
        self._asked.pop(connection, None)
        if (timer := self._leaving.pop(connection, None)) is not None:
            timer.cancel()
        self.peers.lost(connection.peer_id, connection)
        error = connection.muxer.error
        if isinstance(error, KeepAliveError) and not connection.drop_reason:  # the muxer was faster
            self._drop(connection, DropCause.IDLE, str(error), now=asyncio.get_running_loop().time())
        return connection.drop_reason or ("" if error is None else str(error))

    def watch(self, stream: WatchedStream) -> None:
        """A stream is there."""
        self._idle.add(stream, IdleKind.STREAM, now=asyncio.get_running_loop().time())
        self._arm()

    def forget(self, stream: Layer) -> None:
        """It is over, or may be silent for as long as it likes. Harmless twice."""
        if isinstance(stream, WatchedStream):
            self._idle.remove(stream)

    def close(self) -> None:
        """Nobody is let go any more."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for timer in self._leaving.values():
            timer.cancel()

    # Clock

    def _tick(self) -> None:
        self._timer = None
        now = max(asyncio.get_running_loop().time(), self._due_at)
        for connection, before in list(self._asked.items()):
            heard_at = connection.muxer.heard_at
            if heard_at > before:
                del self._asked[connection]
                self._idle.passed(connection, now=heard_at)
        try:
            while due := self._idle.handle_timer(now=now):
                for key, action in due:
                    if isinstance(key, WatchedStream):
                        self._stream_due(key, action, now=now)
                    else:
                        self._connection_due(key, action, now=now)
            self._trim(now=now)
        finally:  # a muxer is a plug, and may raise
            self._arm()

    def _connection_due(self, connection: HostConnection, action: IdleAction, *, now: float) -> None:
        idle = self._config.idle
        assert idle.connection_s is not None
        if action is IdleAction.CLOSE:
            self._asked.pop(connection, None)
            reason = (
                f"no sign of life for {idle.connection_s:g} s (idle.connection_s), and no answer to a ping within"
                f" {idle.check_timeout_s:g} s (idle.check_timeout_s)"
            )
            self._drop(connection, DropCause.IDLE, reason, now=now)
            connection.abort()
        elif connection.muxer.heard_at + idle.connection_s > now:
            self._idle.passed(connection, now=connection.muxer.heard_at)
        else:
            self._asked[connection] = connection.muxer.heard_at
            connection.muxer.probe()

    def _stream_due(self, stream: WatchedStream, action: IdleAction, *, now: float) -> None:
        patience_s = self._config.idle.stream_s
        assert patience_s is not None
        if action is IdleAction.CLOSE:
            text = f"nothing moved on the stream for {patience_s:g} s (idle.stream_s; is_long_lived exempts a stream)"
            stream.fail(StreamIdleError(text))
            return
        moved_at: float | None = stream.get_extra_info("moved_at")
        if moved_at is None:  # a muxer that does not tell
            self._idle.remove(stream)
        elif moved_at + patience_s > now:
            self._idle.passed(stream, now=moved_at)
        else:
            self._idle.failed(stream, now=now)

    def _trim(self, *, now: float) -> None:
        for trimmed in self.peers.trim(now=now):
            for connection in trimmed.connections:
                self._drop(connection, DropCause.TRIMMED, trimmed.reason, now=now)
                connection.close()
                loop = asyncio.get_running_loop()
                self._leaving[connection] = loop.call_later(self._config.close_timeout_s, connection.abort)

    def _drop(self, connection: HostConnection, cause: DropCause, reason: str, *, now: float) -> None:
        connection.drop_reason = reason
        dropped = ConnectionDropped(connection.peer_id, connection.remote, now, cause, reason)
        self.dropped.append(dropped)
        del self.dropped[: -self._config.max_reports]
        self._feed.put(dropped)

    def _arm(self) -> None:
        """One timer, for what is due first."""
        times = [due for due in (self._idle.next_timer(), self.peers.next_timer()) if due is not None]
        due = min(times, default=None)
        if due is None or self._is_closed or (self._timer is not None and self._due_at <= due):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._due_at = due
        self._timer = asyncio.get_running_loop().call_at(due, self._tick)


class WatchedStream(Layer):
    """A stream that is reset when nothing moves on it.

    Attributes:
        keeping: who watches it; None: nobody.
    """

    keeping: Keeping | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self.keeping is not None:
            self.keeping.watch(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.keeping is not None:
            self.keeping.forget(self)
        super().connection_lost(exc)


class OurStream(WatchedStream, ProposingLayer):
    """One that this host has opened."""


class TheirStream(WatchedStream, ChoosingLayer):
    """One that the peer has opened."""
