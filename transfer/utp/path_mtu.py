"""How large datagrams may be on the way to the other side: found by probes, packets of the stream made longer."""

from __future__ import annotations

from transfer.utp.config import MIN_DATAGRAM_BYTES, UtpConfig


class PathMtu:
    """The largest size that is known to arrive, and the next one to try (RFC 8899; its probes are padded data here).

    The largest size is tried first, since most paths take it; then the search halves what is in between, as that of
    libtorrent does. A lost probe is no sign of congestion, and is sent again without what made it longer: a packet
    keeps its bytes, so those have to fit whatever the path turns out to take.

    Attributes:
        datagram_bytes: header and payload of a full packet.
        probe_bytes: the size of the probe that is on its way; 0 without one.

    Invariants:
        least_bytes <= datagram_bytes <= ceiling_bytes <= most_bytes
    """

    __slots__ = (
        "_again_s",
        "_attempts",
        "_ceiling_bytes",
        "_failures",
        "_has_halved",
        "_least_bytes",
        "_most_bytes",
        "_search_at",
        "datagram_bytes",
        "probe_bytes",
    )

    def __init__(self, config: UtpConfig, *, is_ipv6: bool) -> None:
        most = config.max_datagram_bytes - (IPV6_EXTRA_BYTES if is_ipv6 else 0)
        self._most_bytes = max(most, MIN_DATAGRAM_BYTES)
        self._least_bytes = min(LEAST_IPV6_BYTES if is_ipv6 else MIN_DATAGRAM_BYTES, self._most_bytes)
        self._attempts = config.probe_attempts
        self._again_s = config.probe_again_s
        self._search_at = 0.0
        self._failures = 0
        self._has_halved = False
        self._ceiling_bytes = self._most_bytes
        self.datagram_bytes = self._least_bytes
        self.probe_bytes = 0

    def next_probe(self, *, now: float) -> int:
        """The size of a datagram to try now; 0 if one is on its way, or there is nothing to find out."""
        if self.probe_bytes or self.datagram_bytes == self._most_bytes:
            return 0
        if self._ceiling_bytes - self.datagram_bytes < CLOSE_BYTES and (
            self._has_halved or self._ceiling_bytes == self.datagram_bytes
        ):
            if now < self._search_at:
                return 0
            self._ceiling_bytes = self._most_bytes
            self._has_halved = False
        if self._has_halved:
            return (self.datagram_bytes + self._ceiling_bytes + 1) // 2
        return self._ceiling_bytes

    def on_sent(self, size: int) -> None:
        """A probe has left."""
        self.probe_bytes = size

    def on_delivered(self, *, now: float) -> None:
        """The probe has arrived."""
        self.datagram_bytes = self.probe_bytes
        self._finish(now=now)

    def on_lost(self, *, now: float) -> None:
        """The probe seems to be lost: the path may not take it, or it had bad luck."""
        self._failures += 1
        size, self.probe_bytes = self.probe_bytes, 0
        if self._failures >= self._attempts:
            self._ceiling_bytes = size - 1
            self._has_halved = True
            self._finish(now=now)

    def on_black_hole(self, *, now: float) -> None:
        """Nothing arrives any more: the path may have become one that takes less (RFC 8899, section 4.3)."""
        self._ceiling_bytes = self.datagram_bytes
        self.datagram_bytes = self._least_bytes
        self._has_halved = True
        self._finish(now=now)
        self._search_at = now + min(self._again_s, BLACK_HOLE_S)

    def check_invariants(self) -> None:
        assert self._least_bytes <= self.datagram_bytes <= self._ceiling_bytes <= self._most_bytes
        assert not self.probe_bytes or self.datagram_bytes < self.probe_bytes <= self._ceiling_bytes

    def _finish(self, *, now: float) -> None:
        self.probe_bytes = self._failures = 0
        self._search_at = now + self._again_s


IPV6_EXTRA_BYTES = 20  # how much longer its header is
LEAST_IPV6_BYTES = 1232  # RFC 8200: 1280, less 48 of headers
BLACK_HOLE_S = 60.0  # it may as well have been mere loss
CLOSE_BYTES = 24  # a search that has come so close ends, as libtorrent's and libutp's do at 16; padding has 12 at least
