"""From whom to fetch the metadata of a magnet link, and when to give up on somebody (BEP 9)."""

from __future__ import annotations

from dataclasses import dataclass

from bittorrent.errors import WireError
from bittorrent.wire.metadata import MetadataData, MetadataDownload, MetadataReject, MetadataRequest


@dataclass(slots=True)
class _Attempt:
    download: MetadataDownload
    last_progress_at: float


class MetadataExchange:
    """Fetches the whole metadata from a few peers side by side, each copy on its own, until one is right.

    Args:
        info_hash: what the metadata must hash to.
        max_sources: copies on the way at a time.
        timeout_s: silence after which a source is replaced.

    Invariants:
        at most max_sources attempts; no peer is both attempted and refused
    """

    def __init__(self, *, info_hash: bytes, max_sources: int = 3, timeout_s: float = 15.0) -> None:
        self._info_hash = info_hash
        self._max_sources = max_sources
        self._timeout_s = timeout_s
        self._offers: dict[int, int] = {}  # peer number -> size
        self._attempts: dict[int, _Attempt] = {}
        self._refused: set[int] = set()

    def offer(self, peer: int, size: int) -> None:
        """A peer says that it has metadata of `size` bytes."""
        if peer not in self._attempts and peer not in self._refused:
            self._offers[peer] = size

    def forget(self, peer: int) -> None:
        """The peer is gone."""
        self._offers.pop(peer, None)
        self._attempts.pop(peer, None)
        self._refused.discard(peer)

    def receive(self, peer: int, message: MetadataData | MetadataReject, *, now: float) -> bytes | None:
        """The info dictionary when this answer completed a right copy.

        Raises:
            WireError: the peer sent something wrong; the caller drops it.
        """
        attempt = self._attempts.get(peer)
        if attempt is None:
            return None  # late: the source was given up on, which is not its fault
        if isinstance(message, MetadataReject):
            self._refuse(peer)
            return None
        if not attempt.download.is_waiting_for(message.index):
            return None  # late too: it answers a request of an earlier attempt
        try:
            info_bytes = attempt.download.receive(message)
        except WireError:
            self._refuse(peer)
            raise
        attempt.last_progress_at = now
        return info_bytes

    def requests_to_send(self, *, now: float) -> list[tuple[int, list[MetadataRequest]]]:
        """What to ask whom, new sources included."""
        while self._offers and len(self._attempts) < self._max_sources:
            peer = next(iter(self._offers))
            download = MetadataDownload(info_hash=self._info_hash, size=self._offers.pop(peer))
            self._attempts[peer] = _Attempt(download, now)
        wanted = ((peer, attempt.download.requests_to_send()) for peer, attempt in self._attempts.items())
        return [(peer, requests) for peer, requests in wanted if requests]

    def handle_timer(self, *, now: float) -> None:
        """Gives silent sources up. When nobody else offers, they are asked again from the start."""
        for peer, attempt in list(self._attempts.items()):
            if now - attempt.last_progress_at >= self._timeout_s:
                del self._attempts[peer]
                self._offers[peer] = attempt.download.size

    def _refuse(self, peer: int) -> None:
        self._attempts.pop(peer, None)
        self._refused.add(peer)
