"""Messages 21, 22 and 23: nodes of a file's tree, asked for, sent, and refused (BEP 52).

Only their form is checked here. Whether a range is one of the tree, and whether hashes are right, `merkle.proof` knows.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from bittorrent.errors import WireError
from bittorrent.merkle.proof import HashRange
from bittorrent.merkle.tree import HASH_SIZE


@dataclass(frozen=True, slots=True)
class HashRequest:
    """The sender asks for nodes of a tree."""

    range: HashRange


@dataclass(frozen=True, slots=True)
class Hashes:
    """Nodes of a tree: those of the range, and behind them those that prove them, the lowest first."""

    range: HashRange
    hashes: bytes


@dataclass(frozen=True, slots=True)
class HashReject:
    """The sender will not answer a request."""

    range: HashRange


HashMessage: TypeAlias = HashRequest | Hashes | HashReject


def decode_hashes(kind: int, payload: bytes) -> HashMessage:
    """The message of a kind from 21 to 23, from what stands behind its kind.

    Raises:
        WireError: a wrong length.
    """
    rest = len(payload) - _RANGE.size
    if rest < 0 or (rest % HASH_SIZE if kind == HASHES else rest):
        raise WireError(f"the peer sent message {kind} with {len(payload)} bytes")
    found = HashRange(*_RANGE.unpack_from(payload))
    match kind:
        case 21:
            return HashRequest(found)
        case 22:
            return Hashes(found, payload[_RANGE.size :])
        case _:
            return HashReject(found)


def encode_hashes(message: HashMessage) -> bytes:
    """The whole frame, length included."""
    match message:
        case HashRequest(wanted):
            return _frame(HASH_REQUEST, wanted)
        case Hashes(wanted, hashes):
            return _frame(HASHES, wanted, hashes)
        case HashReject(wanted):
            return _frame(HASH_REJECT, wanted)


def _frame(kind: int, wanted: HashRange, hashes: bytes = b"") -> bytes:
    numbers = (wanted.base, wanted.index, wanted.length, wanted.proof_layers)
    return _HEAD.pack(1 + _RANGE.size + len(hashes), kind, wanted.root, *numbers) + hashes


HASH_REQUEST, HASHES, HASH_REJECT = 21, 22, 23
_RANGE = struct.Struct(">32sIIII")
_HEAD = struct.Struct(">IB32sIIII")
