"""How many streams one multiplexed connection may carry at a time: the second of the three layers of limits. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.limits.budget import Scope, ScopeKind
from transfer.limits.refusal import Refusal
from transfer.limits.resources import Priority, ScopeLimits, stream_charge


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimitConfig:
    """Bounds of one connection.

    Attributes:
        max_inbound: streams that the other side has open.
        max_outbound: streams that we have open (yamux: at most 256 that the other side has not acknowledged).
        stream_memory_bytes: what one stream is taken to need: its receive window, say.
    """

    max_inbound: int = 128
    max_outbound: int = 256
    stream_memory_bytes: int = 0

    def __post_init__(self) -> None:
        if min(self.max_inbound, self.max_outbound) < 1 or self.stream_memory_bytes < 0:
            raise ValueError("a connection must have room for a stream in each direction")


class StreamLimits:
    """The streams of one connection, in the budget of their connection.

    Args:
        connection: the scope of the connection, which takes the limits of the config.

    Invariants:
        never more than max_inbound and max_outbound are open; all above the connection count them, too
    """

    __slots__ = ("_config", "_connection")

    def __init__(self, connection: Scope, config: StreamLimitConfig | None = None) -> None:
        self._config = config or StreamLimitConfig()
        self._connection = connection
        connection.set_limits(
            ScopeLimits(
                streams_in=self._config.max_inbound,
                streams_out=self._config.max_outbound,
                keeps_reserve=False,
                setting={"streams_in": "max_inbound_streams", "streams_out": "max_outbound_streams"},
            )
        )

    def open(
        self, name: str, *, is_inbound: bool, protocol: Scope | None = None, priority: Priority = Priority.ALWAYS
    ) -> Scope | Refusal:
        """The scope of one more stream, or why there is none: refuse the stream, not the connection.

        Args:
            name: of the stream, for refusals and reports.
            protocol: what it is for, once that is known; `settle` tells it later.
        """
        also = () if protocol is None else (protocol,)
        stream = self._connection.child(ScopeKind.STREAM, name, also=also)
        charge = stream_charge(is_inbound=is_inbound, memory=self._config.stream_memory_bytes)
        refusal = stream.try_reserve(charge, priority=priority)
        if refusal is None:
            return stream
        stream.close()
        return refusal

    def settle(self, stream: Scope, protocol: Scope, *, priority: Priority = Priority.ALWAYS) -> Refusal | None:
        """It is known what a stream is for: from now on it counts there, too, unless there is no room."""
        return stream.move(self._connection, protocol, priority=priority)
