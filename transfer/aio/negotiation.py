"""multistream-select as a layer: what is above it comes into being when both sides have agreed on a protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

from transfer.aio.layer import Chunks, Layer
from transfer.errors import TransferError
from transfer.negotiation.errors import NegotiationError
from transfer.negotiation.multistream import Chooser, Proposer

Above: TypeAlias = Callable[[Layer, str], asyncio.BaseProtocol | None]
"""Makes what is above a layer that has agreed on a protocol; None stands for what was asked for."""


class NegotiatingLayer(Layer):
    """What both sides have in common: what is said leaves together with what is written in the same turn of the loop.

    Args:
        says: under this name `get_extra_info` tells what was agreed on.
        above: makes what is above; it may raise what is wrong with that.
    """

    def __init__(self, machine: Proposer | Chooser, *, says: str, above: Above | None = None) -> None:
        super().__init__()
        self._machine: Proposer | Chooser | None = machine
        self._says = says
        self._above = above
        self._head = b""

    def receive(self, data: bytes) -> None:
        machine = self._machine
        if machine is None:
            self.deliver(data)
            return
        try:
            machine.receive(data)
        except NegotiationError as error:
            self._say(machine.data_to_send())
            self._break_off(error)
            return
        self._say(machine.data_to_send())
        if machine.selected is not None:
            self._machine = None
            self._agreed(machine.selected, machine.rest)

    def receive_end(self) -> None:
        if self._machine is not None:
            self._break_off(NegotiationError("the other side ended the stream before a protocol was agreed on"))
        else:
            super().receive_end()

    def send(self, chunks: Chunks) -> None:
        head, self._head = self._head, b""
        self.below.writelines((head, *chunks) if head else chunks)

    def send_end(self) -> None:
        self._flush()
        super().send_end()

    def connection_lost(self, exc: Exception | None) -> None:
        self._machine = None
        super().connection_lost(exc)

    def _agreed(self, protocol: str, rest: bytes) -> None:
        if not self._open_above(protocol, hands_through=True):
            return
        if rest:
            self.deliver(rest)

    def _open_above(self, protocol: str, *, hands_through: bool) -> bool:
        self.extra[self._says] = protocol
        try:
            above = None if self._above is None else self._above(self, protocol)
        except (OSError, TransferError) as error:
            self._break_off(error)
            return False
        self.open(above, hands_through=hands_through)
        return True

    def _say(self, data: bytes) -> None:
        """Leaves with what is written next, or by itself at the end of this turn."""
        if data and not self._head:
            self._loop.call_soon(self._flush)
        self._head += data

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head and self._is_connected:
            self.below.write(head)

    def _break_off(self, error: BaseException) -> None:
        self._machine = None
        self._flush()
        self.fail(error)

    def _hang_up(self, error: BaseException | None) -> None:
        self._flush()
        super()._hang_up(error)


class ProposingLayer(NegotiatingLayer):
    """The side that opened the stream.

    Args:
        protocols: the best first.
        is_lazy: the first one is taken for granted, and what is above does not wait. If it is refused after all, what
            is above loses its connection. Our end of the stream still waits for the answer: js-libp2p 3.3 never serves
            a stream whose end comes before it has answered.
    """

    def __init__(
        self, protocols: Sequence[str], *, says: str, above: Above | None = None, is_lazy: bool = False
    ) -> None:
        self._protocols = tuple(protocols[:1] if is_lazy else protocols)
        super().__init__(Proposer(self._protocols), says=says, above=above)
        self._is_lazy = is_lazy
        self._end_waits = False
        self._close_waits: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        assert self._machine is not None
        self._say(self._machine.data_to_send())
        if self._is_lazy:
            self._open_above(self._protocols[0], hands_through=False)

    def send_end(self) -> None:
        if self._machine is None or not self.is_open:
            super().send_end()
        else:
            self._flush()
            self._end_waits = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _agreed(self, protocol: str, rest: bytes) -> None:
        if not self._is_lazy:
            super()._agreed(protocol, rest)
            return
        if self._close_waits is not None:
            self._stop_waiting()
            self.below.close()
            return
        self._hands_through = True
        if self._protocol is not None:
            self.set_protocol(self._protocol)
        if rest:
            self.deliver(rest)
        if self._end_waits:
            self._end_waits = False
            super().send_end()

    def _hang_up(self, error: BaseException | None) -> None:
        if self._machine is None or not self.is_open:
            super()._hang_up(error)
            return
        self._flush()
        self._close_waits = self._loop.call_later(ANSWER_TIMEOUT_S, self.below.abort)
        self.below.resume_reading()

    def _break_off(self, error: BaseException) -> None:
        self._stop_waiting()
        super()._break_off(error)

    def _stop_waiting(self) -> None:
        if self._close_waits is not None:
            self._close_waits.cancel()
            self._close_waits = None


class ChoosingLayer(NegotiatingLayer):
    """The side that was called.

    Args:
        speaks: whether a protocol is spoken here.
    """

    def __init__(self, speaks: Callable[[str], bool], *, says: str, above: Above | None = None) -> None:
        super().__init__(Chooser(speaks), says=says, above=above)

    def begin(self) -> None:
        """Waits: the other side begins."""


ANSWER_TIMEOUT_S = 10.0  # for a stream that was closed before it was answered
