"""How a torrent's bytes divide into pieces, and pieces into the blocks that peers ask each other for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field

from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.sums import PieceSums


@dataclass(frozen=True, slots=True)
class Geometry:
    """The pieces and blocks of `total_bytes` bytes cut every `piece_length` bytes.

    Piece `n` begins at `n * piece_length` in every torrent. All pieces have `piece_length` bytes except the last and
    those in `short_pieces`, and all blocks of a piece `BLOCK_SIZE` bytes except the last of it. Nothing at all
    (`total_bytes` 0) has no pieces.

    `zero_blocks` are blocks of padding, which no peer needs to send: for each piece that has some a set of block
    numbers as an integer (block `n` is bit `n`), never all of the piece's. `short_pieces` are the sizes of pieces of
    version 2 that end with their file, though the next one begins where the next piece does (BEP 52): what lies between
    is in no piece. `padding_bytes` says how many bytes of a piece, short or not, are in no file. `Geometry.of` and
    `Geometry.of_files` make all three.
    """

    total_bytes: int
    piece_length: int
    zero_blocks: Mapping[int, int] = field(default_factory=dict, compare=False)
    short_pieces: Mapping[int, int] = field(default_factory=dict, hash=False)
    padding_bytes: InitVar[Mapping[int, int] | None] = None
    piece_count: int = field(init=False)
    _padding: PieceSums = field(init=False, compare=False, repr=False)

    def __post_init__(self, padding_bytes: Mapping[int, int] | None) -> None:
        if self.total_bytes < 0 or self.piece_length < 1:
            raise ValueError(f"no torrent has {self.total_bytes} bytes in pieces of {self.piece_length}")
        piece_count = -(-self.total_bytes // self.piece_length)
        object.__setattr__(self, "piece_count", piece_count)
        object.__setattr__(self, "_padding", PieceSums(padding_bytes or {}, piece_count))

    @classmethod
    def of(cls, total_bytes: int, piece_length: int, *, padding: Iterable[tuple[int, int]] = ()) -> Geometry:
        """The pieces and blocks of a torrent.

        Args:
            padding: (offset, length) of each range that is padding, in order.
        """
        ranges = list(padding)
        zeros = zero_blocks_of(ranges, total_bytes=total_bytes, piece_length=piece_length)
        filled = _bytes_by_piece(ranges, piece_length)
        return cls(total_bytes, piece_length, zeros, padding_bytes=filled)

    @classmethod
    def of_files(cls, total_bytes: int, piece_length: int, *, gaps: Iterable[tuple[int, int]] = ()) -> Geometry:
        """The pieces and blocks of a torrent of version 2 alone, each of whose pieces is of one file.

        Args:
            gaps: (offset, length) of what lies between the end of a file and the next piece; each is shorter than a
                piece.
        """
        missing = _bytes_by_piece(gaps, piece_length)
        short = {index: piece_length - length for index, length in missing.items()}
        return cls(total_bytes, piece_length, short_pieces=short, padding_bytes=missing)

    # Places: offsets in the torrent's bytes

    def offset_of(self, index: int, begin: int = 0) -> int:
        """Where byte `begin` of piece `index` is."""
        self._check(index)
        return index * self.piece_length + begin

    def piece_span(self, index: int) -> tuple[int, int]:
        """Where piece `index` begins, and its bytes."""
        size = self.piece_size(index)
        return index * self.piece_length, size

    def piece_at(self, offset: int) -> int:
        """The piece that has the byte at an offset."""
        return offset // self.piece_length

    def place_of(self, offset: int) -> tuple[int, int]:
        """The piece that has the byte at an offset, and where in it. The torrent may have no such piece."""
        return divmod(offset, self.piece_length)

    def pieces_of(self, offset: int, length: int) -> range:
        """The pieces that have bytes of a range: none when it is empty."""
        return range(offset // self.piece_length, -(-(offset + length) // self.piece_length) if length else 0)

    def parts_of(self, offset: int, length: int) -> Iterator[Block]:
        """A range cut at the borders of pieces; what is in no piece is left out.

        These parts may be longer than what peers ask each other for.
        """
        end = offset + length
        while offset < end:
            index, begin = self.place_of(offset)
            size = min(self.piece_length - begin, end - offset)
            inside = min(size, self.short_pieces.get(index, begin + size) - begin)
            if inside > 0:
                yield Block(index, begin, inside)
            offset += size

    def runs(self, blocks: Iterable[Block]) -> Iterator[tuple[int, list[int]]]:
        """Where blocks that follow each other begin, and their lengths."""
        piece_length = self.piece_length
        start = end = -1
        lengths: list[int] = []
        for piece, begin, length in blocks:
            offset = piece * piece_length + begin
            if offset != end:
                if lengths:
                    yield start, lengths
                start, lengths = offset, []
            lengths.append(length)
            end = offset + length
        if lengths:
            yield start, lengths

    # Sizes

    def piece_size(self, index: int) -> int:
        """The bytes of piece `index`: `piece_length`, or what is left for the last one and those that end early."""
        self._check(index)
        if index in self.short_pieces:
            return self.short_pieces[index]
        if index < self.piece_count - 1:
            return self.piece_length
        return self.total_bytes - index * self.piece_length

    def content_of(self, pieces: Bitfield) -> int:
        """The bytes that files have in a set of pieces: all but padding.

        Cost: O(1) without padding; O(pieces) with it, in C.
        """
        last = self.piece_count - 1
        spare = self.piece_count * self.piece_length - self.total_bytes if last in pieces else 0
        return pieces.count * self.piece_length - spare - self._padding.over(pieces)

    @property
    def content_bytes(self) -> int:
        """The bytes that all files have together."""
        return self.total_bytes - self._padding.total

    def block_count(self, index: int) -> int:
        """How many blocks piece `index` has."""
        return -(-self.piece_size(index) // BLOCK_SIZE)

    def needed_blocks(self, index: int) -> int:
        """The blocks of a piece that a peer has to send, as a set of their numbers."""
        return (1 << self.block_count(index)) - 1 & ~self.zero_blocks.get(index, 0)

    def block(self, index: int, number: int) -> Block:
        """Block `number` (from 0) of piece `index`.

        Raises:
            IndexError: there is no such piece or block.
        """
        begin = number * BLOCK_SIZE
        left = self.piece_size(index) - begin
        if number < 0 or left <= 0:
            raise IndexError(f"piece {index} has no block {number}")
        return Block(index, begin, left if left < BLOCK_SIZE else BLOCK_SIZE)

    def blocks(self, index: int) -> list[Block]:
        """All blocks of piece `index` that a peer has to send, in order."""
        size, zeros = self.piece_size(index), self.zero_blocks.get(index, 0)
        return [
            Block(index, begin, min(BLOCK_SIZE, size - begin))
            for begin in range(0, size, BLOCK_SIZE)
            if not zeros >> begin // BLOCK_SIZE & 1
        ]

    def contains(self, piece: int, begin: int, length: int) -> bool:
        """Whether these numbers, which a stranger may have sent, lie inside one piece. It need not be a whole block."""
        return 0 <= piece < self.piece_count and length > 0 and begin >= 0 and begin + length <= self.piece_size(piece)

    def _check(self, index: int) -> None:
        if not 0 <= index < self.piece_count:
            raise IndexError(f"piece {index} is not one of {self.piece_count}")


def _bytes_by_piece(ranges: Iterable[tuple[int, int]], piece_length: int) -> dict[int, int]:
    """How many bytes of these ranges lie in each piece."""
    found: dict[int, int] = {}
    for offset, length in ranges:
        while length > 0:
            index, begin = divmod(offset, piece_length)
            size = min(piece_length - begin, length)
            found[index] = found.get(index, 0) + size
            offset, length = offset + size, length - size
    return found


def zero_blocks_of(padding: Iterable[tuple[int, int]], *, total_bytes: int, piece_length: int) -> dict[int, int]:
    """The blocks that lie in padding as a whole, for `Geometry`.

    Args:
        padding: (offset, length) of each. Padding as long as a piece is not what BEP 47 means by it, and is left out.
    """
    found: dict[int, int] = {}
    for offset, length in padding:
        if length >= piece_length:
            continue
        end = offset + length
        for index in range(offset // piece_length, -(-end // piece_length)):
            start = index * piece_length
            size = min(piece_length, total_bytes - start)
            first = -(-max(0, offset - start) // BLOCK_SIZE)
            last = -(-size // BLOCK_SIZE) if end >= start + size else (end - start) // BLOCK_SIZE
            if first < last:
                found[index] = found.get(index, 0) | (1 << last) - (1 << first)
    for index, blocks in found.items():
        if blocks + 1 == 1 << -(-min(piece_length, total_bytes - index * piece_length) // BLOCK_SIZE):
            found[index] = blocks & ~1  # so that there is something to ask for, and the piece comes to its end
    return {index: blocks for index, blocks in found.items() if blocks}
