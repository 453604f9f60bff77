"""The hash messages of one connection, counted both ways (BEP 52)."""

from __future__ import annotations

from collections.abc import Callable

from bittorrent.merkle.proof import HashRange
from bittorrent.peer.config import PeerConfig
from bittorrent.peer.events import HashesArrived, HashesRequested, PeerEvent
from bittorrent.wire.hashes import Hashes, HashMessage, HashReject, HashRequest


class PeerHashes:
    """Knows which answers are owed to us, and how many requests the peer may make that are no flood.

    A peer that comes with a magnet link asks for the layers of all files, which may be a hundred thousand, and is
    entitled to a few copies of that. What is beyond it is counted with everything else that is rare.

    Args:
        send: sends a message to the peer.

    Invariants:
        at most config.max_hash_requests ranges are owed
    """

    __slots__ = ("_most", "_owed", "_send", "entitled")

    def __init__(self, config: PeerConfig, *, send: Callable[[HashMessage], None]) -> None:
        self._send = send
        self.entitled = config.first_hash_requests  # so many requests of the peer are not counted
        self._most = config.max_hash_requests
        self._owed: dict[HashRange, None] = {}

    def request(self, wanted: HashRange) -> None:
        """Asks for a range; only on a connection that `PeerCore.speaks_for` a version 2 hash.

        What was asked for long before the latest is given up: an answer to that is not due any more.
        """
        self._owed[wanted] = None
        if len(self._owed) > self._most:
            del self._owed[next(iter(self._owed))]
        self._send(HashRequest(wanted))

    def answer(self, answer: Hashes | HashReject) -> None:
        """Answers a request of the peer."""
        self._send(answer)

    def receive(self, message: HashMessage) -> tuple[list[PeerEvent], bool]:
        """What is to be reported, and whether the message was due. What nobody asked for is not reported."""
        match message:
            case HashRequest(wanted):
                was_due = self.entitled > 0
                self.entitled -= was_due
                return [HashesRequested(wanted)], was_due
            case Hashes(wanted) | HashReject(wanted):
                if wanted in self._owed:
                    del self._owed[wanted]
                    return [HashesArrived(message)], True
        return [], False
