"""The 68 bytes that open every peer connection (BEP 3), with the reserved bits of BEP 5, 6, 10 and 52."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from bittorrent.errors import WireError


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """Both sides send one. `info_hash` and `peer_id` have 20 bytes each.

    `supports_v2` offers to go on under the version 2 hash of a hybrid torrent; the answer that takes it up names that
    hash, and does not set the bit (BEP 52). Clients hang up when they see it on a torrent of version 1 alone.
    `upgrade_to` is that hash, for the side that offers: it is not sent.
    """

    info_hash: bytes
    peer_id: bytes
    supports_extensions: bool = True
    supports_dht: bool = False
    supports_fast: bool = False
    supports_v2: bool = False
    upgrade_to: bytes | None = None

    def __post_init__(self) -> None:
        if len(self.info_hash) != 20 or len(self.peer_id) != 20:
            raise ValueError("info_hash and peer_id have 20 bytes each")

    def is_answered_by(self, answer: Handshake) -> bool:
        """Whether the answer to this is about the same torrent."""
        return answer.info_hash in (self.info_hash, self.upgrade_to)

    def to_bytes(self) -> bytes:
        reserved = bytearray(8)
        reserved[5] |= EXTENSION_BIT if self.supports_extensions else 0
        reserved[7] |= DHT_BIT if self.supports_dht else 0
        reserved[7] |= FAST_BIT if self.supports_fast else 0
        reserved[7] |= V2_BIT if self.supports_v2 else 0
        return PREAMBLE + reserved + self.info_hash + self.peer_id

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Reads exactly `HANDSHAKE_SIZE` bytes; reserved bits of other extensions are ignored.

        Raises:
            WireError: not the BitTorrent protocol.
        """
        if len(data) != HANDSHAKE_SIZE or not is_handshake_prefix(data):
            raise WireError("the peer does not speak the BitTorrent protocol")
        return cls(
            info_hash=data[28:48],
            peer_id=data[48:68],
            supports_extensions=bool(data[25] & EXTENSION_BIT),
            supports_dht=bool(data[27] & DHT_BIT),
            supports_fast=bool(data[27] & FAST_BIT),
            supports_v2=bool(data[27] & V2_BIT),
        )


def is_handshake_prefix(data: bytes) -> bool:
    """Whether `data`, however short, can still become a handshake: strangers are dropped at their first wrong byte."""
    return data[:20] == PREAMBLE[: len(data)]


HANDSHAKE_SIZE = 68
PREAMBLE = b"\x13BitTorrent protocol"
EXTENSION_BIT = 0x10  # reserved byte 5, BEP 10
DHT_BIT = 0x01  # reserved byte 7, BEP 5
FAST_BIT = 0x04  # reserved byte 7, BEP 6
V2_BIT = 0x10  # reserved byte 7, BEP 52
