"""What a torrent knew about its files when it was last flushed: bytes for a file, and how far to believe them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from bittorrent.errors import MetainfoError, ResumeError
from bittorrent.files.file_set import FileSet
from bittorrent.files.paths import check_path
from bittorrent.pieces.bitfield import Bitfield, BitfieldError
from bittorrent.storage.ports import FileStamp
from transfer.wire import bencode
from transfer.wire.bencode_parts import BencodedParts

if TYPE_CHECKING:
    from transfer.wire.bencode import Encodable, Value

VERSION = 1
MAX_STATE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeState:
    """A torrent at a moment when everything verified was safely on disk.

    Attributes:
        info_hash: 20 bytes.
        have: the verified pieces, high bit first as on the wire.
        stamps: of each file, and last of the part file; None for what did not exist.
        priorities: of each file, from 0 (not wanted) to 7; empty when all have the usual one.
        paths: of the files that were renamed, by their number.
        downloaded_bytes: over all runs.
        uploaded_bytes: see `downloaded_bytes`.
        begun: for each file 0 if it is none of ours, 1 if it may have been written to since, 2 if it is at rest; empty
            when it is not known.
    """

    info_hash: bytes
    have: bytes
    stamps: tuple[FileStamp | None, ...]
    priorities: tuple[int, ...] = ()
    paths: dict[int, tuple[str, ...]] = field(default_factory=dict)
    downloaded_bytes: int = 0
    uploaded_bytes: int = 0
    begun: bytes = b""

    def to_bytes(self) -> bytes:
        """A checksum, then bencode."""
        values: dict[bytes, Encodable] = {
            b"version": VERSION,
            b"info-hash": self.info_hash,
            b"have": self.have,
            b"priorities": bytes(self.priorities),
            b"downloaded": self.downloaded_bytes,
            b"uploaded": self.uploaded_bytes,
            b"begun": self.begun,
        }
        raw = {key: bencode.encode(value) for key, value in values.items()}
        raw[b"stamps"] = _encode_list([list(stamp) if stamp is not None else [] for stamp in self.stamps])
        raw[b"paths"] = _encode_list([[number, list(path)] for number, path in sorted(self.paths.items())])
        content = bencode.join(raw)
        return _checksum(content) + content

    @classmethod
    def from_bytes(cls, data: bytes) -> ResumeState:
        """Reads what `to_bytes` wrote.

        Raises:
            ResumeError: anything else, and any other version.
        """
        if len(data) > MAX_STATE_BYTES:
            raise ResumeError(f"the stored state is larger than {MAX_STATE_BYTES} bytes")
        content = data[_CHECKSUM_SIZE:]
        if data[:_CHECKSUM_SIZE] != _checksum(content):
            raise ResumeError("the stored state is damaged: its checksum is wrong")
        try:
            parts = BencodedParts(content)  # there may be very many stamps
        except bencode.BencodeError as error:
            raise ResumeError(f"the stored state is not readable: {error}") from None
        if parts.end != len(content):
            raise ResumeError("the stored state is not readable: something follows it")
        values = parts.values
        if values.get(b"version") != VERSION:
            raise ResumeError(f"the stored state has version {values.get(b'version')!r:.20}, not {VERSION}")
        try:
            return cls(
                info_hash=_bytes(values, b"info-hash"),
                have=_bytes(values, b"have"),
                stamps=tuple(map(_stamp, _list(values, b"stamps"))),
                priorities=_priorities(_bytes(values, b"priorities")),
                paths=dict(map(_renamed, _list(values, b"paths"))),
                downloaded_bytes=_count(values, b"downloaded"),
                uploaded_bytes=_count(values, b"uploaded"),
                begun=_bytes(values, b"begun") if b"begun" in values else b"",
            )
        except (MetainfoError, UnicodeDecodeError):
            raise ResumeError("the stored state names an unsafe path") from None

    def fits(self, torrent: FileSet) -> bool:
        """Whether this is about that torrent at all."""
        try:
            Bitfield.from_wire(self.have, torrent.geometry.piece_count)
        except BitfieldError:
            return False
        return (
            self.info_hash == torrent.info_hash
            and len(self.stamps) == len(torrent.files) + 1
            and len(self.priorities) in (0, len(torrent.files))
            and len(self.begun) in (0, len(torrent.files))
            and all(0 <= number < len(torrent.files) for number in self.paths)
        )

    def trusted(self, torrent: FileSet, stamps: Sequence[FileStamp | None]) -> tuple[Bitfield, list[int]]:
        """What can be believed now: the pieces that are certainly there, and those to be hashed, in order.

        A file is as it was when it has the same size and the same time of its last change. A piece is believed, either
        way, when all files that it reaches into are as they were; what lies in the part file stands and falls with it.
        Of a file that was not there and is not, with no part file, there can be nothing.
        """
        have = Bitfield.from_wire(self.have, torrent.geometry.piece_count)
        changed = Bitfield(torrent.geometry.piece_count)
        nothing = Bitfield(torrent.geometry.piece_count)
        part_is_same = self.stamps[-1] == stamps[-1]
        for number, entry in enumerate(torrent.files):
            if entry.is_padding or not entry.length:
                continue
            is_same, stamp = self.stamps[number] == stamps[number], stamps[number]
            if is_same and (stamp is not None or (part_is_same and stamps[-1] is not None)):
                continue
            is_empty = is_same and part_is_same
            for index in torrent.geometry.pieces_of(entry.offset, entry.length):
                (nothing if is_empty else changed).set(index)
        for index in (*changed, *nothing):
            have.clear(index)
        return have, [index for index in changed if index not in nothing]


def _encode_list(items: Sequence[Encodable]) -> bytes:
    """A little at a time: the encoder holds up every other thread."""
    chunks = (items[start : start + ITEMS_AT_ONCE] for start in range(0, len(items), ITEMS_AT_ONCE))
    return b"l%se" % b"".join(bencode.encode(chunk)[1:-1] for chunk in chunks)


def _checksum(content: bytes) -> bytes:
    return blake2b(content, digest_size=_CHECKSUM_SIZE).digest()


def _bytes(values: dict[bytes, Value], key: bytes) -> bytes:
    value = values.get(key)
    if not isinstance(value, bytes):
        raise ResumeError(f"the stored state lacks {key.decode()}")
    return value


def _list(values: dict[bytes, Value], key: bytes) -> list[Value]:
    value = values.get(key)
    if not isinstance(value, list):
        raise ResumeError(f"the stored state lacks {key.decode()}")
    return value


def _count(values: dict[bytes, Value], key: bytes) -> int:
    value = values.get(key)
    if not isinstance(value, int) or value < 0:
        raise ResumeError(f"the stored state lacks {key.decode()}")
    return value


def _stamp(value: Value) -> FileStamp | None:
    match value:
        case []:
            return None
        case [int(size), int(modified_ns)]:
            return FileStamp(size, modified_ns)
    raise ResumeError("the stored state has a stamp that is none")


def _priorities(raw: bytes) -> tuple[int, ...]:
    if raw and max(raw) > 7:
        raise ResumeError("the stored state has a priority above 7")
    return tuple(raw)


def _renamed(value: Value) -> tuple[int, tuple[str, ...]]:
    match value:
        case [int(number), list(elements)]:
            path = tuple(element.decode() for element in elements if isinstance(element, bytes))
            check_path(path)
            return number, path
    raise ResumeError("the stored state has a path that is none")


ITEMS_AT_ONCE = 1000
_CHECKSUM_SIZE = 16
