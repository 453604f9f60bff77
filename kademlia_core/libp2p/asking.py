"""The requests of one node that are on their way: each wants a stream opened, and ends with what came out of it."""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import TYPE_CHECKING

from kademlia_core.engine.query_port import PendingQuery
from kademlia_core.libp2p.messages import MessageType
from kademlia_core.libp2p.peer import Peer
from transfer.host.delimited import delimited

if TYPE_CHECKING:
    from kademlia_core.contact import Contact
    from kademlia_core.engine.query_port import Asker
    from kademlia_core.engine.requests import Request


class Failure(Enum):
    """Why a request brought no answer."""

    UNREACHABLE = "could not be reached"
    UNSUPPORTED = "does not serve this protocol"
    RESET = "has reset the stream"


class StreamRequest(PendingQuery):
    """One message for one peer.

    Open a stream to `peer` for the protocol, write `data`, read one message unless `is_answered` is false, and report
    with `Libp2pCore.receive_answer`, `receive_delivery` or `receive_failure`.

    Attributes:
        peer: whom to dial: a `Peer` with its addresses.
        data: the message behind its length.
        is_answered: whether an answer is to be waited for.
    """

    __slots__ = ("data", "deadline", "is_answered", "is_open", "kind", "peer")

    def __init__(
        self, peer: Peer, request: Request, asker: Asker, contact: Contact | None, *, kind: MessageType, data: bytes
    ) -> None:
        super().__init__(peer, request, asker, contact)
        self.peer = peer
        self.kind = kind
        self.data = delimited(data)
        self.sent_bytes = len(self.data)
        self.is_answered = kind is not MessageType.ADD_PROVIDER
        self.is_open = True
        self.deadline = 0.0


class PendingRequests:
    """All requests on their way, oldest first.

    Invariants: at most `limit` are open; the deadlines are in order.
    """

    def __init__(self, *, timeout_s: float, limit: int) -> None:
        self._timeout_s = timeout_s
        self._limit = limit
        self._open: dict[StreamRequest, None] = {}
        self._to_open: deque[StreamRequest] = deque()
        self._to_abandon: deque[StreamRequest] = deque()

    @property
    def has_room(self) -> bool:
        return len(self._open) < self._limit

    def add(self, request: StreamRequest, *, now: float) -> None:
        request.deadline = now + self._timeout_s
        self._open[request] = None
        self._to_open.append(request)

    def close(self, request: StreamRequest) -> bool:
        """Whether the request was still open."""
        request.is_open = False
        return self._open.pop(request, self) is None

    def close_expired(self, *, now: float) -> list[StreamRequest]:
        """Those whose time is over; their streams are to be abandoned."""
        expired: list[StreamRequest] = []
        for request in self._open:
            if now < request.deadline:
                break
            expired.append(request)
        for request in expired:
            self.close(request)
            self._to_abandon.append(request)
        return expired

    def requests_to_open(self) -> list[StreamRequest]:
        """What was asked since the last call and is still wanted."""
        opening = [request for request in self._to_open if request.is_open]
        self._to_open.clear()
        return opening

    def requests_to_abandon(self) -> list[StreamRequest]:
        """Requests whose time is over since the last call."""
        abandoned = list(self._to_abandon)
        self._to_abandon.clear()
        return abandoned

    def next_timer(self) -> float | None:
        oldest = next(iter(self._open), None)
        return oldest.deadline if oldest is not None else None

    def __len__(self) -> int:
        return len(self._open)

    def check_invariants(self) -> None:
        """Asserts what the class promises."""
        assert len(self._open) <= self._limit
        deadlines = [request.deadline for request in self._open]
        assert deadlines == sorted(deadlines)
