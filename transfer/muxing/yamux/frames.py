"""Frames of yamux to the byte (specs/yamux of libp2p, which is hashicorp/yamux's spec.md)."""

from __future__ import annotations

import struct
from enum import IntEnum

HEADER = struct.Struct(">BBHII")  # version, type, flags, stream, length: a length only for data, else a value
HEADER_BYTES = HEADER.size
VERSION = 0

DATA = 0
WINDOW_UPDATE = 1
PING = 2
GO_AWAY = 3

SYN = 1
ACK = 2
FIN = 4
RST = 8

INITIAL_WINDOW_BYTES = 256 << 10  # of each stream in each direction, before any window update
MAX_VALUE = (1 << 32) - 1  # of a stream's number, a length, a window
SESSION = 0  # the number that stands for the connection itself


class GoAwayCode(IntEnum):
    """Why one side ends the connection. Others may come; they are errors."""

    NORMAL = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2


def window_update(number: int, increment: int = 0, flags: int = 0) -> bytes:
    """More may be sent on a stream; with flags, how it begins, goes on and ends."""
    return HEADER.pack(VERSION, WINDOW_UPDATE, flags, number, increment)


def ping(value: int, *, is_answer: bool = False) -> bytes:
    """A question whose answer has the same value."""
    return HEADER.pack(VERSION, PING, ACK if is_answer else SYN, SESSION, value)


def go_away(code: int) -> bytes:
    """The last frame of a side."""
    return HEADER.pack(VERSION, GO_AWAY, 0, SESSION, code)
