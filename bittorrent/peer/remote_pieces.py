"""What the other side of a connection says it has, from before the metadata is known (BEP 3, BEP 6, BEP 54)."""

from __future__ import annotations

from bittorrent.errors import WireError
from bittorrent.pieces.bitfield import Bitfield


class RemotePieces:
    """Collects `bitfield`, `have all` and `have`, in whatever order deployed clients send them.

    Invariants:
        bits is None until `set_piece_count`; before it at most max_early haves are remembered
    """

    __slots__ = ("_early_bits", "_early_haves", "_has_all", "_max_early", "bits")

    def __init__(self, *, max_early: int) -> None:
        self.bits: Bitfield | None = None
        self._max_early = max_early
        self._early_bits = b""
        self._early_haves: set[int] = set()
        self._has_all = False

    def set_piece_count(self, count: int) -> Bitfield:
        """The metadata is known: checks what was said before.

        Raises:
            WireError: pieces that do not exist.
        """
        if self._has_all:
            self.bits = Bitfield.full(count)
        elif self._early_bits:
            self.bits = self._parse(self._early_bits, count)
        else:
            self.bits = Bitfield(count)
        for index in sorted(self._early_haves):
            self._check(index, count)
            self.bits.set(index)
        self._early_bits, self._early_haves = b"", set()
        return self.bits

    def receive_have(self, index: int) -> bool:
        """Whether it is news.

        Raises:
            WireError: there is no such piece.
        """
        if self.bits is not None:
            self._check(index, self.bits.size)
            return self.bits.set(index)
        if index > MAX_PIECE_INDEX:
            raise WireError(f"the peer announced piece {index}")
        if index in self._early_haves or len(self._early_haves) >= self._max_early:
            return False
        self._early_haves.add(index)
        return True

    def receive_bits(self, bits: bytes) -> bool:
        """Whether the peer is known to have something now that it was not known to have.

        BEP 3 allows this message as the first one only. Clients that come by the metadata later send it then, and
        aria2 sends it again whenever that is shorter than a `have` for each new piece.

        Raises:
            WireError: not a bitfield of this torrent.
        """
        if self.bits is None:
            self._early_bits = bits
            return False
        known = self._parse(bits, self.bits.size)
        news = known.without(self.bits)
        for index in news:
            self.bits.set(index)
        return news.count > 0

    def receive_all(self) -> bool:
        """`have all`: whether that is news."""
        if self.bits is None:
            self._has_all = True
            return False
        was_full = self.bits.is_full
        self.bits = Bitfield.full(self.bits.size)
        return not was_full

    def receive_dont_have(self, index: int) -> bool:
        """Whether the peer was known to have a piece that it takes back.

        Raises:
            WireError: there is no such piece.
        """
        if self.bits is not None:
            self._check(index, self.bits.size)
            return self.bits.clear(index)
        self._early_haves.discard(index)
        return False

    def _parse(self, bits: bytes, count: int) -> Bitfield:
        try:
            return Bitfield.from_wire(bits, count)
        except ValueError:
            raise WireError("the peer's bitfield does not fit the torrent") from None

    def _check(self, index: int, count: int) -> None:
        if index >= count:
            raise WireError(f"the peer announced piece {index} of {count}")


MAX_PIECE_INDEX = 1 << 24
