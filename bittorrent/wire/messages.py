"""The messages of the peer wire protocol (BEP 3, 5, 6, 10 and 52): values, and frames of bytes.

`decode_message` is the reference, used for everything that is rare. Blocks, the one thing that is not, are taken
apart by `split_piece` without being copied.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from bittorrent.errors import WireError
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import Block
from bittorrent.wire.hashes import Hashes, HashMessage, HashReject, HashRequest, decode_hashes, encode_hashes


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """An empty frame, sent when nothing else was for two minutes."""


@dataclass(frozen=True, slots=True)
class Choke:
    """The sender will not answer requests, and forgets those it has (without the fast extension)."""


@dataclass(frozen=True, slots=True)
class Unchoke:
    """The sender answers requests."""


@dataclass(frozen=True, slots=True)
class Interested:
    """The sender wants pieces that the receiver has."""


@dataclass(frozen=True, slots=True)
class NotInterested:
    """The sender wants nothing."""


@dataclass(frozen=True, slots=True)
class Have:
    """The sender has verified piece `index`."""

    index: int


@dataclass(frozen=True, slots=True)
class BitfieldMessage:
    """The `bitfield` message: what the sender has, high bit first. Only allowed as the first message."""

    bits: bytes


@dataclass(frozen=True, slots=True)
class Request:
    """The sender asks for a block."""

    block: Block


@dataclass(frozen=True, slots=True)
class Piece:
    """A block: `data` begins at byte `begin` of piece `index`."""

    index: int
    begin: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Cancel:
    """The sender no longer wants a block that it requested."""

    block: Block


@dataclass(frozen=True, slots=True)
class Port:
    """The UDP port of the sender's DHT node (BEP 5)."""

    port: int


@dataclass(frozen=True, slots=True)
class SuggestPiece:
    """The sender would like the receiver to ask for piece `index` first (BEP 6)."""

    index: int


@dataclass(frozen=True, slots=True)
class HaveAll:
    """The sender has everything: instead of a bitfield (BEP 6)."""


@dataclass(frozen=True, slots=True)
class HaveNone:
    """The sender has nothing: instead of a bitfield (BEP 6)."""


@dataclass(frozen=True, slots=True)
class RejectRequest:
    """The sender will not answer a request (BEP 6)."""

    block: Block


@dataclass(frozen=True, slots=True)
class AllowedFast:
    """The receiver may ask for blocks of piece `index` while it is choked; it may be one the sender lacks (BEP 6)."""

    index: int


@dataclass(frozen=True, slots=True)
class Extended:
    """A message of the extension protocol (BEP 10); `extension` is the receiver's number for it, 0 the handshake."""

    extension: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class Unknown:
    """A message kind that this library does not know. To be ignored, so that others can extend the protocol."""

    kind: int
    payload: bytes


Message: TypeAlias = (
    KeepAlive | Choke | Unchoke | Interested | NotInterested | Have | BitfieldMessage | Request | Piece | Cancel | Port
    | SuggestPiece | HaveAll | HaveNone | RejectRequest | AllowedFast | Extended | HashMessage | Unknown
)  # fmt: skip


def decode_message(frame: bytes | memoryview) -> Message:
    """The message in the body of one frame (its four length bytes already taken off).

    Raises:
        WireError: a known kind with a wrong length.
    """
    if not frame:
        return KeepAlive()
    kind, payload = frame[0], bytes(frame[1:])
    if kind in _EMPTY:
        _expect(kind, payload, 0)
        return _EMPTY[kind]
    match kind:
        case 4 | 13 | 17:
            _expect(kind, payload, 4)
            return _INDEXED[kind](int.from_bytes(payload, "big"))
        case 5:
            return BitfieldMessage(payload)
        case 6 | 8 | 16:
            _expect(kind, payload, 12)
            return _BLOCKED[kind](Block(*_THREE.unpack(payload)))
        case 7:
            index, begin, data = split_piece(frame)
            return Piece(index, begin, bytes(data))
        case 9:
            _expect(kind, payload, 2)
            return Port(int.from_bytes(payload, "big"))
        case 20:
            if not payload:
                raise WireError("the peer sent an extended message without a number")
            return Extended(payload[0], payload[1:])
        case 21 | 22 | 23:
            return decode_hashes(kind, payload)
        case _:
            return Unknown(kind, payload)


def encode_message(message: Message) -> bytes:
    """The whole frame, length included. The inverse of `decode_message`."""
    match message:
        case KeepAlive():
            return _frame(b"")
        case Choke() | Unchoke() | Interested() | NotInterested() | HaveAll() | HaveNone():
            return _frame(bytes([_EMPTY_KINDS[type(message)]]))
        case Have(index) | SuggestPiece(index) | AllowedFast(index):
            return _INDEX_FRAME.pack(5, _INDEXED_KINDS[type(message)], index)
        case BitfieldMessage(bits):
            return _frame(b"\x05" + bits)
        case Request(block) | Cancel(block) | RejectRequest(block):
            return _BLOCK_FRAME.pack(13, _BLOCKED_KINDS[type(message)], *block)
        case Piece(index, begin, data):
            return piece_header(index, begin, len(data)) + data
        case Port(port):
            return _frame(b"\x09" + port.to_bytes(2, "big"))
        case Extended(extension, payload):
            return _frame(bytes([20, extension]) + payload)
        case HashRequest() | Hashes() | HashReject():
            return encode_hashes(message)
        case Unknown(kind, payload):
            return _frame(bytes([kind]) + payload)


def first_message(have: Bitfield | None, *, is_fast: bool) -> Message | None:
    """What tells a peer what we have; one of three with the fast extension, otherwise nothing when that is nothing.

    It has to come first (BEP 3, BEP 6).
    """
    if have is None or not have.count:
        return HaveNone() if is_fast else None
    return HaveAll() if is_fast and have.is_full else BitfieldMessage(have.to_wire())


def encode_requests(blocks: Iterable[Block]) -> bytes:
    """Many `request` frames in one go: a fast peer is asked for hundreds at a time."""
    pack = _BLOCK_FRAME.pack
    return b"".join([pack(13, 6, *block) for block in blocks])


def encode_haves(indices: Sequence[int]) -> bytes:
    """Many `have` frames in one go: a resumed torrent may announce tens of thousands to each peer."""
    if len(indices) < 16:
        pack = _INDEX_FRAME.pack
        return b"".join([pack(5, 4, index) for index in indices])
    numbers = struct.pack(f">{len(indices)}I", *indices)
    frames = bytearray(9 * len(indices))
    frames[3::9] = b"\x05" * len(indices)
    frames[4::9] = b"\x04" * len(indices)
    for place in range(4):
        frames[5 + place :: 9] = numbers[place::4]
    return bytes(frames)


def encode_rejects(blocks: Iterable[Block]) -> bytes:
    """Many `reject request` frames in one go: a choke refuses all that was asked for (BEP 6)."""
    pack = _BLOCK_FRAME.pack
    return b"".join([pack(13, 16, *block) for block in blocks])


def piece_header(index: int, begin: int, length: int) -> bytes:
    """The 13 bytes before the data of a `piece` frame."""
    return _PIECE_HEADER.pack(9 + length, PIECE, index, begin)


def split_piece(frame: bytes | memoryview) -> tuple[int, int, bytes | memoryview]:
    """Index, begin and data of a `piece` frame body; the data is a view when `frame` is one.

    Raises:
        WireError: too short.
    """
    if len(frame) < 9:
        raise WireError(f"the peer sent a piece message of {len(frame)} bytes")
    index, begin = _TWO_AFTER_KIND.unpack_from(frame)
    return index, begin, frame[9:]


def _expect(kind: int, payload: bytes, length: int) -> None:
    if len(payload) != length:
        raise WireError(f"the peer sent message {kind} with {len(payload)} bytes instead of {length}")


def _frame(body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + body


PIECE = 7
_EMPTY: dict[int, Message] = {
    0: Choke(), 1: Unchoke(), 2: Interested(), 3: NotInterested(), 14: HaveAll(), 15: HaveNone()
}  # fmt: skip
_EMPTY_KINDS = {type(message): kind for kind, message in _EMPTY.items()}
_INDEXED: dict[int, type[Have | SuggestPiece | AllowedFast]] = {4: Have, 13: SuggestPiece, 17: AllowedFast}
_INDEXED_KINDS = {message: kind for kind, message in _INDEXED.items()}
_BLOCKED: dict[int, type[Request | Cancel | RejectRequest]] = {6: Request, 8: Cancel, 16: RejectRequest}
_BLOCKED_KINDS = {message: kind for kind, message in _BLOCKED.items()}
_THREE = struct.Struct(">III")
_INDEX_FRAME = struct.Struct(">IBI")
_BLOCK_FRAME = struct.Struct(">IBIII")
_PIECE_HEADER = struct.Struct(">IBII")
_TWO_AFTER_KIND = struct.Struct(">xII")
