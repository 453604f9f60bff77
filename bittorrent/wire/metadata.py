"""Metadata exchange (BEP 9): the info dictionary of a magnet link, in 16 KiB pieces, over the extension protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from bittorrent.errors import WireError
from transfer.wire import bencode
from transfer.wire.bencode import BencodeError, BencodeLimits

METADATA_PIECE_SIZE = 16384


@dataclass(frozen=True, slots=True)
class MetadataRequest:
    """Asks for piece `index`."""

    index: int


@dataclass(frozen=True, slots=True)
class MetadataData:
    """Piece `index`; `data` has 16,384 bytes except in the last piece. `total_size` is often wrong: see BEP 9 traps."""

    index: int
    data: bytes
    total_size: int


@dataclass(frozen=True, slots=True)
class MetadataReject:
    """The sender does not have (or does not want to send) piece `index`."""

    index: int


MetadataMessage: TypeAlias = MetadataRequest | MetadataData | MetadataReject


def decode_metadata(payload: bytes) -> MetadataMessage | None:
    """The message in the payload of an `extended` message; None for a type this library does not know.

    Raises:
        WireError: not a message of BEP 9.
    """
    try:
        value, end = bencode.decode_prefix(payload, limits=_LIMITS)
    except BencodeError as error:
        raise WireError(f"the peer's metadata message is {error}") from None
    if not isinstance(value, dict):
        raise WireError("the peer's metadata message is not a dictionary")
    kind, index = value.get(b"msg_type"), value.get(b"piece")
    if isinstance(kind, int) and kind not in (0, 1, 2):
        return None
    if not isinstance(kind, int) or not isinstance(index, int) or index < 0:
        raise WireError("the peer's metadata message names no piece")
    if kind == 0:
        return MetadataRequest(index)
    if kind == 1:
        total = value.get(b"total_size")
        return MetadataData(index, payload[end:], total if isinstance(total, int) else 0)
    return MetadataReject(index)


def encode_metadata(message: MetadataMessage) -> bytes:
    """The payload for an `extended` message with the receiver's number for `ut_metadata`."""
    match message:
        case MetadataRequest(index):
            return bencode.encode({"msg_type": 0, "piece": index})
        case MetadataData(index, data, total_size):
            return bencode.encode({"msg_type": 1, "piece": index, "total_size": total_size}) + data
        case MetadataReject(index):
            return bencode.encode({"msg_type": 2, "piece": index})


def answer_request(info_bytes: bytes | None, index: int) -> MetadataData | MetadataReject:
    """What to say to a request; a peer without the metadata says no, it never stays silent."""
    if info_bytes is None or index * METADATA_PIECE_SIZE >= len(info_bytes):
        return MetadataReject(index)
    start = index * METADATA_PIECE_SIZE
    return MetadataData(index, info_bytes[start : start + METADATA_PIECE_SIZE], len(info_bytes))


class MetadataCopy:
    """The pieces of one copy of the metadata, and which peer sent which.

    Args:
        size: of the whole, in bytes.

    Invariants:
        each piece that is here has its full length and a sender
    """

    __slots__ = ("_pieces", "senders", "size")

    def __init__(self, *, size: int) -> None:
        self.size = size
        self.senders: dict[int, int] = {}  # by piece
        self._pieces: dict[int, bytes] = {}

    @property
    def piece_count(self) -> int:
        return -(-self.size // METADATA_PIECE_SIZE)

    @property
    def is_complete(self) -> bool:
        return len(self._pieces) == self.piece_count

    def __len__(self) -> int:
        """How many pieces are here."""
        return len(self._pieces)

    def __contains__(self, index: int) -> bool:
        return index in self._pieces

    def missing(self) -> Iterator[int]:
        """The pieces that are not here, in order."""
        return (index for index in range(self.piece_count) if index not in self._pieces)

    def receive(self, message: MetadataData, *, sender: int) -> None:
        """Takes one piece, unless it is here.

        Raises:
            WireError: there is no such piece, or it has another length.
        """
        if not 0 <= message.index < self.piece_count:
            raise WireError(f"the peer sent metadata piece {message.index} of {self.piece_count}")
        expected = min(METADATA_PIECE_SIZE, self.size - message.index * METADATA_PIECE_SIZE)
        if len(message.data) != expected:
            raise WireError(f"metadata piece {message.index} has {len(message.data)} bytes instead of {expected}")
        if message.index not in self._pieces:
            self._pieces[message.index] = message.data
            self.senders[message.index] = sender

    @property
    def pieces(self) -> Mapping[int, bytes]:
        """Those that are here: live."""
        return self._pieces

    def part_of(self, sender: int) -> MetadataCopy:
        """What one sender gave of it, as a copy of its own."""
        part = MetadataCopy(size=self.size)
        for index, other in self.senders.items():
            if other == sender:
                part._pieces[index] = self._pieces[index]
                part.senders[index] = sender
        return part

    def joined(self) -> bytes:
        """All of a complete copy."""
        return b"".join(self._pieces[index] for index in range(self.piece_count))


_LIMITS = BencodeLimits(size_bytes=128 << 10, depth=4, tokens=100)
