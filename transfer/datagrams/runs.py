"""Runs: many datagrams in one buffer, or in one gathering of buffers, each of one size but the last. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview  # a memoryview is of bytes
Run: TypeAlias = tuple[bytes, Any, int]  # what came, its sender as the socket names it, and the size of each datagram


def split_run(data: bytes, segment_bytes: int) -> list[bytes]:
    """The datagrams of a run: each of `segment_bytes`, the last one of what is left. An empty datagram is one, too."""
    if len(data) <= segment_bytes:
        return [data]
    return [data[start : start + segment_bytes] for start in range(0, len(data), segment_bytes)]


def gathered_datagrams(buffers: Sequence[Buffer], segment_bytes: int) -> Iterator[list[Buffer]]:
    """What a run to be sent is made of: the parts of each datagram, in order. Nothing is copied.

    Args:
        buffers: header, payload, header, payload, … or cut in any other way.
    """
    parts: list[Buffer] = []
    room = segment_bytes
    for buffer in buffers:
        size = len(buffer)
        if size < room:
            if size:
                parts.append(buffer)
                room -= size
            continue
        if size == room:
            parts.append(buffer)
            yield parts
            parts, room = [], segment_bytes
            continue
        view, start = memoryview(buffer), 0
        while size - start >= room:
            parts.append(view[start : start + room])
            yield parts
            start += room
            parts, room = [], segment_bytes
        if start < size:
            parts.append(view[start:])
            room -= size - start
    if parts:
        yield parts


def calls_for_run(buffers: Sequence[Buffer], segment_bytes: int) -> Iterator[tuple[Sequence[Buffer], int]]:
    """Cuts a run so that each part fits into one call of the kernel.

    Returns:
        the buffers of each call, and how many datagrams they are.
    """
    total = sum(map(len, buffers))
    most = min(MAX_SEGMENTS, MAX_RUN_BYTES // segment_bytes) or 1
    if total <= most * segment_bytes and len(buffers) <= MAX_BUFFERS:
        if total:
            yield buffers, -(-total // segment_bytes)
        return
    call: list[Buffer] = []
    count = 0
    for datagram in gathered_datagrams(buffers, segment_bytes):
        parts = datagram if len(datagram) <= MAX_BUFFERS else [b"".join(datagram)]
        if count == most or len(call) + len(parts) > MAX_BUFFERS:
            yield call, count
            call, count = [], 0
        call += parts
        count += 1
    yield call, count


MAX_SEGMENTS = 64  # UDP_MAX_SEGMENTS of Linux 4.18; later ones take 128
MAX_RUN_BYTES = 65_507  # RFC 768 over RFC 791: 65535 - 20 - 8. Over IPv6 it would be 20 more
MAX_BUFFERS = 1024  # UIO_MAXIOV of Linux
