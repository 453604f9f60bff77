"""One question to a gateway in datagrams: sent, repeated, and answered or given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

from transfer.errors import DecodeError
from transfer.portmap.config import PortMapConfig
from transfer.portmap.values import PortMapError, PortMapFailure

AnswerT = TypeVar("AnswerT")


class GatewayExchange(Generic[AnswerT]):
    """Repeats a request until an answer comes that belongs to it (RFC 6886, 3.1; RFC 6887, 8.1.1).

    Args:
        request: the datagram.
        read: the answer in a datagram; None if it belongs to another request. It raises PortMapError where the gateway
            refuses, and DecodeError where it makes no sense, which is ignored, as others can send here, too.

    Invariants: exactly one of these holds: it goes on, it has an answer, it has an error. Datagrams are looked at
    `MAX_ANSWERS` times at most.
    """

    def __init__(
        self, request: bytes, read: Callable[[bytes], AnswerT | None], *, config: PortMapConfig, now: float
    ) -> None:
        self.answer: AnswerT | None = None
        self.error: PortMapError | None = None
        self._request = request
        self._read = read
        self._gap_s = config.first_repeat_s
        self._repeat_at = now
        self._ends_at = now + config.answer_timeout_s
        self._heard = 0

    @property
    def is_over(self) -> bool:
        """Whether there is an answer or an error."""
        return self.answer is not None or self.error is not None

    def receive_datagram(self, data: bytes) -> None:
        """Something came from the gateway."""
        if self.is_over:
            return
        self._heard += 1
        try:
            self.answer = self._read(data)
        except PortMapError as error:
            self.error = error
        except DecodeError:
            if self._heard >= MAX_ANSWERS:
                self.error = PortMapError(NONSENSE, failure=PortMapFailure.GARBAGE)

    def receive_unreachable(self) -> None:
        """The system says that nobody is there."""
        if not self.is_over:
            self.error = PortMapError("it has no such service", failure=PortMapFailure.UNSUPPORTED)

    def datagrams_to_send(self, *, now: float) -> list[bytes]:
        """The request, whenever it is due."""
        if self.is_over or now < self._repeat_at:
            return []
        self._repeat_at = now + self._gap_s
        self._gap_s *= 2
        return [self._request]

    def handle_timer(self, *, now: float) -> None:
        """Time has passed."""
        if not self.is_over and now >= self._ends_at:
            silent = PortMapError("it did not answer", failure=PortMapFailure.SILENT)
            self.error = PortMapError(NONSENSE, failure=PortMapFailure.GARBAGE) if self._heard else silent

    def next_timer(self) -> float | None:
        """When something is due; None when it is over."""
        return None if self.is_over else min(self._repeat_at, self._ends_at)


MAX_ANSWERS = 16
NONSENSE = "its answer makes no sense"
