"""Blocks of unfinished pieces that the next start shall find: which of them are worth keeping, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from bittorrent.picker.config import PieceState
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.unfinished import KeepingStep, UnfinishedPiece
from bittorrent.swarm.peer import NOBODY, Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfinishedConfig:
    """How blocks of unfinished pieces are kept while a download runs. When it stops all of them are.

    Attributes:
        interval_s: new blocks are written so often, as long as there are any.
        step_bytes: at most so much at a time.
        slow_s: blocks of a piece that will be complete sooner are not worth it.
        max_bytes: of one torrent on the disk, about; further blocks are not kept.
        retry_s: after an error of the disk nothing is kept for so long.
    """

    interval_s: float = 0.1
    step_bytes: int = 800 << 10
    slow_s: float = 2.0
    max_bytes: int = 256 << 20
    retry_s: float = 60.0

    def __post_init__(self) -> None:
        if min(self.interval_s, self.slow_s, self.retry_s) <= 0:
            raise ValueError("interval_s, slow_s and retry_s must be positive")
        if min(self.step_bytes, self.max_bytes) < BLOCK_SIZE:
            raise ValueError(f"step_bytes and max_bytes must hold a block of {BLOCK_SIZE} bytes")


class BlockKeeping:
    """Compares the pieces under construction with what is kept of them.

    A piece is worth keeping when it is slow: when, at the rate at which it grows, it takes longer than `slow_s`.

    Invariants:
        of each piece that is known, the first `kept` blocks that came are kept, or did not find room
    """

    __slots__ = ("_config", "_geometry", "_known")

    def __init__(self, geometry: Geometry, config: UnfinishedConfig) -> None:
        self._geometry = geometry
        self._config = config
        self._known: dict[int, _Known] = {}

    def found(self, pieces: Iterable[UnfinishedPiece], *, now: float) -> None:
        """These are kept from an earlier run."""
        for piece in pieces:
            self._known[piece.index] = _Known(None, piece.blocks.bit_count(), now)

    def reset(self) -> None:
        """Nothing is kept any more."""
        self._known.clear()

    def next_step(
        self,
        pieces: Iterable[tuple[int, memoryview, Mapping[int, Sender]]],
        state_of: Callable[[int], PieceState],
        *,
        is_last: bool,
        now: float,
    ) -> KeepingStep:
        """What is to be kept now, and what need not be any more. It counts as done.

        Args:
            pieces: as `SwarmCore.unfinished`; those that wait for the disk may be among them.
            is_last: all is worth keeping. Otherwise what is slow, up to `step_bytes`.

        Cost: a microsecond for each piece, and a copy of each block to be kept.
        """
        room = max(LAST_STEP_BYTES if is_last else 0, self._config.step_bytes)
        dropped: list[int] = []
        blocks: list[tuple[Block, bytes]] = []
        seen: set[int] = set()
        for index, view, senders in pieces:
            seen.add(index)
            known = self._known.get(index)
            if known is not None and not known.is_about(senders):
                if known.kept:
                    dropped.append(index)
                known = None
            if known is None:
                known = self._known[index] = _Known(senders, 0, now)
            if len(senders) > known.kept and room > 0 and (is_last or self._is_slow(index, known, now=now)):
                for begin in islice(senders, known.kept, known.kept + -(-room // BLOCK_SIZE)):
                    data = bytes(view[begin : begin + BLOCK_SIZE])
                    blocks.append((Block(index, begin, len(data)), data))
                    room -= len(data)
                    known.kept += 1
        verified: list[int] = []
        for index in [index for index in self._known if index not in seen]:
            state = state_of(index)
            if state is PieceState.COMPLETE:
                continue  # its hash is not known yet
            if self._known.pop(index).kept:
                (verified if state is PieceState.HAVE else dropped).append(index)
        return KeepingStep(tuple(verified), tuple(dropped), tuple(blocks))

    def check_invariants(self) -> None:
        for known in self._known.values():
            assert known.senders is None or known.kept <= len(known.senders)

    def _is_slow(self, index: int, known: _Known, *, now: float) -> bool:
        """Whether it will have taken longer than `slow_s`, counted from when it was first seen in this run."""
        age = now - known.seen_at
        senders = known.senders
        assert senders is not None
        fresh = len(senders) - known.found
        missing_at_first = self._geometry.block_count(index) - known.found
        return age >= self._config.interval_s and age * missing_at_first >= self._config.slow_s * fresh


class _Known:
    """What is known of a piece: its blocks by the identity of `senders`, which every new attempt at it has anew."""

    __slots__ = ("found", "kept", "seen_at", "senders")

    def __init__(self, senders: Mapping[int, Sender] | None, kept: int, seen_at: float) -> None:
        self.senders = senders
        self.kept = kept
        self.found = kept
        self.seen_at = seen_at

    def is_about(self, senders: Mapping[int, Sender]) -> bool:
        """Whether it is the same attempt; the first of a piece that was found continues that one."""
        if self.senders is None and sum(sender is NOBODY for sender in senders.values()) == self.kept:
            self.senders = senders
        return self.senders is senders


LAST_STEP_BYTES = 4 << 20  # so that the event loop is not held up by one long copy
