"""From whom to fetch the metadata of a magnet link, and when to give up on somebody (BEP 9)."""

from __future__ import annotations

from dataclasses import dataclass

from bittorrent.errors import WireError
from bittorrent.wire.metadata import MetadataData, MetadataDownload, MetadataReject, MetadataRequest


@dataclass(slots=True)
class _Attempt:
    download: MetadataDownload
    began_at: float  # its turn, not its first request
    last_progress_at: float


class MetadataExchange:
    """Fetches the whole metadata from a few peers side by side, each copy on its own, until one is right.

    Args:
        info_hash: what the metadata must hash to.
        max_sources: copies on the way at a time.
        timeout_s: silence after which a source is replaced.
        turn_s: how long one source may take while others wait: whoever sends a piece now and then must not keep out
            those who would send all at once. What it has sent is kept for its next turn.

    Invariants:
        at most max_sources attempts; no peer is in two of attempted, waiting and refused
    """

    def __init__(
        self, *, info_hash: bytes, max_sources: int = 3, timeout_s: float = 15.0, turn_s: float = 30.0
    ) -> None:
        self._info_hash = info_hash
        self._max_sources = max_sources
        self._timeout_s = timeout_s
        self._turn_s = turn_s
        self._offers: dict[int, MetadataDownload] = {}  # by peer number, first come first served
        self._attempts: dict[int, _Attempt] = {}
        self._refused: set[int] = set()

    def offer(self, peer: int, size: int) -> None:
        """A peer says that it has metadata of `size` bytes."""
        if peer not in self._attempts and peer not in self._refused:
            known = self._offers.get(peer)
            if known is None or known.size != size:
                self._offers[peer] = MetadataDownload(info_hash=self._info_hash, size=size)

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
        download = attempt.download if attempt is not None else self._offers.get(peer)
        if download is None:
            return None
        if isinstance(message, MetadataReject):
            if attempt is not None:  # otherwise late: the source was given up on, which is not its fault
                self._refuse(peer)
            return None
        if not download.is_waiting_for(message.index):
            return None  # late too: it answers a request of an earlier attempt
        try:
            info_bytes = download.receive(message)
        except WireError:
            self._refuse(peer)
            raise
        if attempt is not None:
            attempt.last_progress_at = now
        return info_bytes

    def requests_to_send(self, *, now: float) -> list[tuple[int, list[MetadataRequest]]]:
        """What to ask whom, new sources included."""
        while self._offers and len(self._attempts) < self._max_sources:
            peer = next(iter(self._offers))
            self._attempts[peer] = _Attempt(self._offers.pop(peer), now, now)
        wanted = ((peer, attempt.download.requests_to_send()) for peer, attempt in self._attempts.items())
        return [(peer, requests) for peer, requests in wanted if requests]

    def handle_timer(self, *, now: float) -> None:
        """Gives silent sources up. When nobody else offers, they are asked again from the start."""
        for peer, attempt in list(self._attempts.items()):
            if now - attempt.last_progress_at >= self._timeout_s:
                del self._attempts[peer]
                self._offers[peer] = MetadataDownload(info_hash=self._info_hash, size=attempt.download.size)
            elif now - attempt.began_at >= self._turn_s and self._offers:
                del self._attempts[peer]
                self._park(peer, attempt.download)

    def _park(self, peer: int, download: MetadataDownload) -> None:
        """Of twice as many sources as may be asked at a time, what they sent is kept; for more memory has no room."""
        begun = [number for number, waiting in self._offers.items() if waiting.is_begun]
        if len(begun) >= 2 * self._max_sources:
            self._offers[begun[0]] = MetadataDownload(info_hash=self._info_hash, size=self._offers[begun[0]].size)
        self._offers[peer] = download

    def _refuse(self, peer: int) -> None:
        self._offers.pop(peer, None)
        self._attempts.pop(peer, None)
        self._refused.add(peer)
