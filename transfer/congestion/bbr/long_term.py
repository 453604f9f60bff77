"""How much was on its way when too much of it was lost: the limit that lasts until it is tested again. Pure."""

from __future__ import annotations

from math import inf

from transfer.congestion.bbr.config import BbrConfig
from transfer.congestion.controller import Loss


class LongTerm:
    """inflight_longterm: found when losses pass the threshold, raised while probing beyond it does no harm.

    Source: draft-ietf-ccwg-bbr, "ProbeBW Algorithm Details" and "Probing for Bandwidth In ProbeBW".

    Attributes:
        inflight: the limit in bytes; infinite while none was found.
    """

    __slots__ = ("_acked", "_config", "_per_packet", "_rounds", "inflight")

    def __init__(self, config: BbrConfig) -> None:
        self._config = config
        self.inflight = inf
        self.stop_raising()
        self._rounds = 0
        self._acked = 0

    def restart(self) -> None:
        """Another look for bandwidth begins."""
        self._rounds = 0
        self._acked = 0

    def stop_raising(self) -> None:
        self._per_packet = inf

    def steepen(self, window: int, packet_bytes: int) -> None:
        """Raises by twice as much in the next round as in this one: 1, 2, 4, 8, … packets."""
        self._per_packet = max(window / (1 << self._rounds), packet_bytes)
        self._rounds = min(self._rounds + 1, 30)

    def raise_by(self, acked: int, window: int, *, is_round_start: bool, packet_bytes: int) -> None:
        """The limit, and nothing else, holds the sender back, and the losses are few."""
        self._acked += acked
        if self._acked >= self._per_packet:
            packets = int(self._acked / self._per_packet)
            self._acked -= int(packets * self._per_packet)
            self.inflight += packets * packet_bytes
        if is_round_start:
            self.steepen(window, packet_bytes)

    def with_headroom(self, packet_bytes: int) -> float:
        """What leaves room for others, in the queue or in time."""
        if self.inflight == inf:
            return inf
        room = max(packet_bytes, self._config.headroom * self.inflight)
        return max(self.inflight - room, self._config.min_pipe_packets * packet_bytes)

    def is_too_high(self, lost: int, sent_in_flight: int) -> bool:
        return lost > sent_in_flight * self._config.loss_threshold

    def in_flight_at(self, loss: Loss) -> int:
        """How much was on its way when the losses passed the threshold: within the packets that were just lost.

        With lost_before and sent_before as things stood before these packets, x of them were too many when
        (lost_before + x) / (sent_before + x) reached the threshold.
        """
        threshold = self._config.loss_threshold
        sent_before = loss.sent_in_flight - loss.lost_bytes
        lost_before = loss.lost_since_sent - loss.lost_bytes
        return int(sent_before + (threshold * sent_before - lost_before) / (1 - threshold))
