"""Peer exchange (BEP 11): which peers came and went since the last message, over the extension protocol."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag
from typing import TYPE_CHECKING

from bittorrent.errors import WireError
from transfer.address import Address, AddressError, join_compact, split_compact
from transfer.wire import bencode
from transfer.wire.bencode import BencodeError, BencodeLimits

if TYPE_CHECKING:
    from transfer.wire.bencode import Value


class PexFlags(IntFlag):
    """What is known of a peer (`added.f`); further bits are kept."""

    PREFERS_ENCRYPTION = 0x01
    SEED = 0x02
    UTP = 0x04
    HOLEPUNCH = 0x08
    REACHABLE = 0x10  # the sender dialled it


@dataclass(frozen=True, slots=True)
class PexMessage:
    """Peers that are connected now and were not before, and the other way round. Both address families mixed."""

    added: tuple[tuple[Address, PexFlags], ...] = ()
    dropped: tuple[Address, ...] = ()


def decode_pex(payload: bytes, *, max_peers: int) -> PexMessage:
    """The message in the payload of an `extended` message, cut to `max_peers` each of added and dropped.

    Entries of wrong types count as absent, missing flags as none: deployed clients differ.

    Raises:
        WireError: not a bencoded dictionary, or lists that are no whole number of endpoints.
    """
    try:
        value, _ = bencode.decode_prefix(payload, limits=_LIMITS)
    except BencodeError as error:
        raise WireError(f"the peer's exchange of peers is {error}") from None
    if not isinstance(value, dict):
        raise WireError("the peer's exchange of peers is not a dictionary")
    added: list[tuple[Address, PexFlags]] = []
    dropped: list[Address] = []
    for suffix, ipv6 in ((b"", False), (b"6", True)):
        addresses = _addresses(value.get(b"added" + suffix), ipv6)
        flags = value.get(b"added" + suffix + b".f")
        known = flags if isinstance(flags, bytes) and len(flags) == len(addresses) else bytes(len(addresses))
        added += [(address, PexFlags(flag)) for address, flag in zip(addresses, known, strict=True)]
        dropped += _addresses(value.get(b"dropped" + suffix), ipv6)
    return PexMessage(tuple(added[:max_peers]), tuple(dropped[:max_peers]))


def encode_pex(message: PexMessage) -> bytes:
    """The payload for an `extended` message with the receiver's number for `ut_pex`."""
    value: dict[str, bencode.Encodable] = {}
    for suffix, ipv6 in (("", False), ("6", True)):
        added = [(address, flags) for address, flags in message.added if (":" in address.host) is ipv6]
        value["added" + suffix] = join_compact(address for address, _ in added)
        value[f"added{suffix}.f"] = bytes(flags & 0xFF for _, flags in added)
        value["dropped" + suffix] = join_compact(host for host in message.dropped if (":" in host.host) is ipv6)
    return bencode.encode(value)


def _addresses(value: Value | None, ipv6: bool) -> list[Address]:
    if not isinstance(value, bytes):
        return []
    try:
        return split_compact(value, ipv6=ipv6)
    except AddressError as error:
        raise WireError(f"the peer's exchange of peers is broken: {error}") from None


_LIMITS = BencodeLimits(size_bytes=128 << 10, depth=4, tokens=100)
