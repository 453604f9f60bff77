"""Metadata exchange (BEP 9): the info dictionary of a magnet link, in 16 KiB pieces, over the extension protocol."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1
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


class MetadataDownload:
    """All of the metadata from one peer: whoever lies about its size or its bytes spoils nobody else's copy.

    The metadata is small, so fetching it from a few peers at a time costs little, and a wrong hash has one culprit.

    Args:
        info_hash: SHA-1 that the whole must have.
        size: what this peer's extension handshake said, in bytes.
        max_outstanding: requests on the way at any time.

    Invariants:
        each piece is in exactly one of received, requested, not yet requested (everything from `_next` on)
    """

    __slots__ = ("_info_hash", "_max_outstanding", "_next", "_received", "_requested", "size")

    def __init__(self, *, info_hash: bytes, size: int, max_outstanding: int = 8) -> None:
        self.size = size
        self._info_hash = info_hash
        self._max_outstanding = max_outstanding
        self._received: dict[int, bytes] = {}
        self._requested: set[int] = set()
        self._next = 0

    @property
    def piece_count(self) -> int:
        return -(-self.size // METADATA_PIECE_SIZE)

    @property
    def is_begun(self) -> bool:
        """Whether a piece is here, or asked for."""
        return self._next > 0

    def is_waiting_for(self, index: int) -> bool:
        """Whether piece `index` was asked for and has not come."""
        return index in self._requested

    def requests_to_send(self) -> list[MetadataRequest]:
        """What to ask for now; each piece is asked for once."""
        requests = []
        while self._next < self.piece_count and len(self._requested) < self._max_outstanding:
            self._requested.add(self._next)
            requests.append(MetadataRequest(self._next))
            self._next += 1
        return requests

    def receive(self, message: MetadataData) -> bytes | None:
        """Takes one piece; the info dictionary once all are here and the hash is right.

        Raises:
            WireError: a piece that was not asked for or has the wrong length, or all is here and the hash is wrong.
        """
        if message.index not in self._requested:
            raise WireError(f"the peer sent metadata piece {message.index} unasked")
        expected = min(METADATA_PIECE_SIZE, self.size - message.index * METADATA_PIECE_SIZE)
        if len(message.data) != expected:
            raise WireError(f"metadata piece {message.index} has {len(message.data)} bytes instead of {expected}")
        self._requested.remove(message.index)
        self._received[message.index] = message.data
        if len(self._received) < self.piece_count:
            return None
        info_bytes = b"".join(self._received[index] for index in range(self.piece_count))
        if sha1(info_bytes).digest() != self._info_hash:
            raise WireError("the peer's metadata does not have the info-hash of the torrent")
        return info_bytes


_LIMITS = BencodeLimits(size_bytes=128 << 10, depth=4, tokens=100)
