"""What happened on the network: a digest of everything, and the last events as text."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Sequence
from itertools import chain

Endpoint = tuple[str, int]
Event = tuple[int, int, str, Endpoint, Endpoint, int, int, int]


class Trace:
    """The canonical event trace of one run.

    An event is (virtual microseconds, number of things scheduled so far, kind, source, target, bytes, CRC-32 of the
    bytes, microseconds until it arrives or a negative verdict). The digest is SHA-256 over the events in the fixed
    encoding of `marshal` version 2, so two runs with the same digest sent the same bytes to the same places at the
    same times, and scheduled the same number of callbacks in between.
    """

    __slots__ = ("_before", "_hash", "_pending", "events")

    def __init__(self) -> None:
        self.events = 0
        self._hash = hashlib.sha256()
        self._pending: list[Event] = []
        self._before: list[Event] = []

    def add(self, event: Event) -> None:
        self._pending.append(event)
        if len(self._pending) >= BATCH_EVENTS:
            self._flush()

    def digest(self) -> str:
        """SHA-256 of everything so far, in hexadecimal."""
        self._flush()
        return self._hash.hexdigest()

    def last(self, count: int) -> Sequence[Event]:
        """The most recent events, oldest first; at most 4096 are kept."""
        return list(chain(self._before, self._pending))[-count:]

    def _flush(self) -> None:
        if not self._pending:
            return
        dumped = memoryview(marshal.dumps(self._pending, 2))
        self._hash.update(dumped[LIST_HEADER_BYTES:])  # what is left are the events, however many made a batch
        self.events += len(self._pending)
        self._before = (self._before + self._pending)[-BATCH_EVENTS:]
        self._pending = []


BATCH_EVENTS = 4096
LIST_HEADER_BYTES = 5  # of marshal: a type and a size
NOBODY: Endpoint = ("", 0)
