"""The bytes of uTP packets (BEP 29), one at a time and in runs; numbers that wrap around."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from transfer.datagrams.runs import Buffer

DATA, FIN, STATE, RESET, SYN = range(5)
FIRST_BYTES = bytes(kind << 4 | 1 for kind in range(5))  # type and version 1
DATA_BYTE, FIN_BYTE, STATE_BYTE, RESET_BYTE, SYN_BYTE = FIRST_BYTES

HEADER = struct.Struct(">BBHIIIHH")
HEADER_BYTES = 20
unpack_header = HEADER.unpack_from

Fields: TypeAlias = tuple[int, int, int, int, int, int, int, int]
"""The header as it stands: type and version, extension, id, timestamp, difference, window, sequence, acknowledged."""

NO_EXTENSION, SACK_EXTENSION, EXTENSION_BITS, CLOSE_REASON_EXTENSION = range(4)
FILLER = 0xFE  # no extension of anybody
MAX_SACK_BYTES = 252  # the longest multiple of four that a length byte can say
MAX_RUN = 64  # packets; what the kernel of Linux cuts in one call


@dataclass(frozen=True, slots=True, kw_only=True)
class Packet:
    """One packet: for handshakes, tests and tools. The hot path does without it.

    Attributes:
        kind: DATA, FIN, STATE, RESET or SYN.
        sack: bit i says that the packet `acked + 2 + i` has arrived; None without the extension.
        close_reason: of extension 3, which libtorrent adds to its FIN.
    """

    kind: int
    connection_id: int
    timestamp_us: int = 0
    difference_us: int = 0
    window: int = 0
    sequence: int
    acked: int = 0
    sack: int | None = None
    close_reason: int | None = None
    payload: bytes = b""

    def to_bytes(self) -> bytes:
        extensions = []
        if self.sack is not None:
            extensions.append((SACK_EXTENSION, sack_bytes(self.sack)))
        if self.close_reason is not None:
            extensions.append((CLOSE_REASON_EXTENSION, self.close_reason.to_bytes(4, "big")))
        first = extensions[0][0] if extensions else NO_EXTENSION
        following = [*(kind for kind, _ in extensions[1:]), NO_EXTENSION]
        body = b"".join(
            bytes((after, len(data))) + data for (_, data), after in zip(extensions, following, strict=False)
        )
        fields = (self.timestamp_us, self.difference_us, self.window, self.sequence, self.acked)
        return HEADER.pack(self.kind << 4 | 1, first, self.connection_id, *fields) + body + self.payload


def decode(data: bytes) -> Packet | None:
    """What a datagram says; None if it is no packet of uTP."""
    if len(data) < HEADER_BYTES or data[0] not in FIRST_BYTES:
        return None
    first, extension, connection_id, timestamp_us, difference_us, window, sequence, acked = unpack_header(data)
    extensions = read_extensions(data, extension, HEADER_BYTES, len(data))
    if extensions is None:
        return None
    start, sack, _, close_reason = extensions
    return Packet(
        kind=first >> 4,
        connection_id=connection_id,
        timestamp_us=timestamp_us,
        difference_us=difference_us,
        window=window,
        sequence=sequence,
        acked=acked,
        sack=sack,
        close_reason=close_reason,
        payload=data[start:],
    )


def read_extensions(data: Buffer, kind: int, start: int, end: int) -> tuple[int, int | None, int, int | None] | None:
    """The linked list of extensions behind a header; unknown ones are skipped.

    Returns:
        where the payload begins, the selective acknowledgement, how many packets that describes, the close reason;
        None if it runs past the end.
    """
    sack: int | None = None
    described = 0
    close_reason: int | None = None
    while kind:
        if start + 2 > end:
            return None
        following, size = data[start], data[start + 1]
        start += 2
        if start + size > end:
            return None
        if kind == SACK_EXTENSION:
            sack = int.from_bytes(data[start : start + size], "little")
            described = 8 * size
        elif kind == CLOSE_REASON_EXTENSION:
            close_reason = int.from_bytes(data[start : start + size], "big")
        start += size
        kind = following
    return start, sack, described, close_reason


def sack_bytes(mask: int) -> bytes:
    """The bits of a selective acknowledgement: the first one is the lowest of the first byte; a multiple of 4 bytes.

    What is beyond `MAX_SACK_BYTES` is left out: the sender hears of it when the hole is filled.
    """
    size = -(-mask.bit_length() // 32) * 4 or 4
    if size > MAX_SACK_BYTES:
        size = MAX_SACK_BYTES
        mask &= (1 << 8 * size) - 1
    return mask.to_bytes(size, "little")


def padding(size: int) -> bytes:
    """Extensions that say nothing, to make a packet longer: `size` bytes, at least `MIN_PADDING_BYTES`.

    The first one is of the kind EXTENSION_BITS: libutp takes no packet that begins with one it does not know.
    """
    parts: list[bytes] = []
    rest = size - 10
    while rest:
        part = min(rest, 257)
        part -= rest - part == 1  # the next one has two bytes at least
        parts.append(bytes((FILLER, part - 2)) + bytes(part - 2))
        rest -= part
    if parts:
        parts[-1] = bytes((NO_EXTENSION,)) + parts[-1][1:]
    return bytes((FILLER if parts else NO_EXTENSION, 8)) + bytes(8) + b"".join(parts)


class RunHeaders:
    """Room for the headers of a run. Each run is sent before the next is made, so many connections share one."""

    __slots__ = ("_room", "_views")

    def __init__(self) -> None:
        self._room = bytearray(HEADER_BYTES * MAX_RUN)
        view = memoryview(self._room)
        self._views = [view[at : at + HEADER_BYTES] for at in range(0, len(view), HEADER_BYTES)]

    def fill(self, template: bytes, first_sequence: int, count: int) -> list[memoryview]:
        """Headers that differ in their sequence numbers, which follow one another."""
        room, end = self._room, HEADER_BYTES * count
        room[:end] = template * count
        room[16:end:HEADER_BYTES] = HIGH_BYTES[first_sequence : first_sequence + count]
        room[17:end:HEADER_BYTES] = LOW_BYTES[first_sequence : first_sequence + count]
        return self._views[:count]

    def fill_each(self, template: bytes, sequences: list[int]) -> list[memoryview]:
        """Headers with these sequence numbers."""
        room, end = self._room, HEADER_BYTES * len(sequences)
        room[:end] = template * len(sequences)
        room[16:end:HEADER_BYTES] = bytes([sequence >> 8 for sequence in sequences])
        room[17:end:HEADER_BYTES] = bytes([sequence & 255 for sequence in sequences])
        return self._views[: len(sequences)]


def plain_runs(data: bytes, segment_bytes: int, count: int) -> list[tuple[int, int]]:
    """The runs of packets with sequence numbers in a row, if all are DATA of one connection without extensions.

    The kernel glues what comes in a row of datagrams, also where one in between was lost. All of it is compared a
    column at a time: only where something is missing, packets are looked at by themselves.

    Args:
        data: `count` packets, each of `segment_bytes` but the last, which has a header at least.

    Returns:
        the first packet of each run and how many they are; nothing if any packet is of another kind.
    """
    low, high = data[17::segment_bytes], data[16::segment_bytes]
    if (
        data[::segment_bytes] != DATA_COLUMN[:count]
        or any(data[1::segment_bytes])
        or data[2::segment_bytes] != data[2:3] * count
        or data[3::segment_bytes] != data[3:4] * count
    ):
        return []
    sequence = high[0] << 8 | low[0]
    if low == LOW_BYTES[sequence : sequence + count] and high == HIGH_BYTES[sequence : sequence + count]:
        return [(0, count)]
    runs: list[tuple[int, int]] = []
    first = 0
    for place in range(1, count):
        following = sequence + 1 & 0xFFFF
        sequence = high[place] << 8 | low[place]
        if sequence != following:
            runs.append((first, place - first))
            first = place
    runs.append((first, count - first))
    return runs


def unwrapped(wire: int, near: int) -> int:
    """The number closest to `near` whose lowest 16 bits are `wire`."""
    return near + ((wire - near + 0x8000) & 0xFFFF) - 0x8000


MIN_PADDING_BYTES = 12
LONGEST_RUN = 65_536 // HEADER_BYTES
DATA_COLUMN = bytes((DATA_BYTE,)) * LONGEST_RUN
HIGH_BYTES = b"".join(bytes((number % 256,)) * 256 for number in range(256 + LONGEST_RUN // 256 + 1))
LOW_BYTES = bytes(range(256)) * (256 + LONGEST_RUN // 256 + 1)
MASK_32 = 0xFFFFFFFF
