"""SYNs that were answered: remembered as long as there is room, and recognised without memory when there is none."""

from __future__ import annotations

from collections.abc import Hashable
from hashlib import blake2b
from random import Random

from transfer.utp.config import UtpConfig


class Handshakes:
    """What strangers who sent a SYN have to say next to be taken for real.

    As long as there is room each is remembered, with the random number that our answer began with: the first packets
    may come in any order, and what is replayed when it is over makes no new connection. Without room the number is made
    of who asked, so that no memory is needed: a stranger who acknowledges the right one has heard our answer, and its
    first packet tells all that a connection begins with.

    Invariants:
        at most max_half_open are remembered
    """

    __slots__ = ("_config", "_half_open", "_rng", "_secret", "_stateless_until")

    def __init__(self, config: UtpConfig, rng: Random) -> None:
        self._config = config
        self._rng = rng
        self._secret = rng.randbytes(16)
        self._half_open: dict[tuple[Hashable, int], tuple[int, int, float]] = {}  # the oldest first
        self._stateless_until = 0.0

    def answer(self, source: Hashable, receive_id: int, sequence: int, *, now: float) -> int:
        """The sequence number to answer a SYN with: the same for the same SYN.

        Args:
            receive_id: what the other side will send with: one more than the SYN's.
            sequence: of the SYN.
        """
        key = (source, receive_id)
        known = self._half_open.get(key)
        if known is not None and known[0] == sequence:
            return known[1]
        self._half_open.pop(key, None)
        self._forget_old(now=now)
        if len(self._half_open) >= self._config.max_half_open:
            self._stateless_until = now + self._config.half_open_s
            return self._number(source, receive_id, sequence, int(now // SLOT_S))
        number = self._rng.getrandbits(16)
        self._half_open[key] = (sequence, number, now)
        return number

    def complete(
        self, source: Hashable, receive_id: int, sequence: int, acked: int, *, now: float
    ) -> tuple[int, int] | None:
        """Whether a packet that belongs to no connection is the first one after our answer.

        Returns:
            the number of our first packet, and that of the other side's first one; None for a stranger's packet.
        """
        key = (source, receive_id)
        known = self._half_open.get(key)
        if known is not None:
            theirs, ours, _ = known
            ahead = sequence - theirs - 1 & 0xFFFF
            if acked != ours - 1 & 0xFFFF or ahead > self._config.max_packets_ahead:
                return None
            del self._half_open[key]
            return ours, theirs + 1 & 0xFFFF
        if now >= self._stateless_until:
            return None
        slot = int(now // SLOT_S)
        for each in (slot, slot - 1):
            ours = self._number(source, receive_id, sequence - 1 & 0xFFFF, each)
            if acked == ours - 1 & 0xFFFF:
                return ours, sequence
        return None

    def forget(self, source: Hashable, receive_id: int) -> None:
        """The other side does not want to any more."""
        self._half_open.pop((source, receive_id), None)

    def __len__(self) -> int:
        return len(self._half_open)

    def _forget_old(self, *, now: float) -> None:
        limit = now - self._config.half_open_s
        while self._half_open:
            key, (_, _, since) = next(iter(self._half_open.items()))
            if since > limit:
                break
            del self._half_open[key]

    def _number(self, source: Hashable, receive_id: int, sequence: int, slot: int) -> int:
        text = repr((source, receive_id, sequence, slot)).encode()
        return int.from_bytes(blake2b(text, key=self._secret, digest_size=2).digest(), "big")


SLOT_S = 64.0  # a number is good for one to two of these
