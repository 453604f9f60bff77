"""Hole punching (BEP 55): two peers that no one can call ask a third, which both are connected with, to call at once.

Binary, not bencoded: type, family, address, port, and a reason of four bytes. Deployed clients send the reason with
errors only, the BEP wants it always; both are read, and we send it with errors only.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

from bittorrent.errors import WireError
from transfer.address import Address


class PunchError(IntEnum):
    """Why a peer introduces nobody; other numbers are read, too."""

    NO_SUCH_PEER = 1  # nobody can have this endpoint
    NOT_CONNECTED = 2
    NO_SUPPORT = 3  # the other one does not know hole punching
    NO_SELF = 4


@dataclass(frozen=True, slots=True)
class Rendezvous:
    """Asks the receiver, which both are connected with, to bring the sender together with the peer at an endpoint."""

    address: Address


@dataclass(frozen=True, slots=True)
class PunchConnect:
    """Asks the receiver to call an endpoint over uTP, now: the peer there does the same."""

    address: Address


@dataclass(frozen=True, slots=True)
class PunchRefused:
    """The answer to a rendezvous that comes to nothing; 0 is no reason."""

    address: Address
    reason: int


PunchMessage: TypeAlias = Rendezvous | PunchConnect | PunchRefused


def decode_holepunch(payload: bytes | memoryview) -> PunchMessage | None:
    """The message in the payload of an `extended` message; None for a type or a family that is not known here.

    Raises:
        WireError: it is too short.
    """
    if len(payload) < 2:
        raise WireError(f"the peer's hole punching message has {len(payload)} bytes")
    kind, family = payload[0], payload[1]
    if kind > REFUSED or family > IPV6:
        return None
    end = 2 + (18 if family == IPV6 else 6)
    if len(payload) < end:
        raise WireError(f"the peer's hole punching message ends after {len(payload)} bytes of {end}")
    packed = bytes(payload[2:end])
    address = Address.from_compact(packed[12:] if packed.startswith(MAPPED) else packed)
    if kind == RENDEZVOUS:
        return Rendezvous(address)
    if kind == CONNECT:
        return PunchConnect(address)
    return PunchRefused(address, int.from_bytes(payload[end : end + 4], "big"))


def encode_holepunch(message: PunchMessage) -> bytes:
    """The payload for an `extended` message with the receiver's number for `ut_holepunch`."""
    address, tail = message.address, b""
    if isinstance(message, Rendezvous):
        kind = RENDEZVOUS
    elif isinstance(message, PunchConnect):
        kind = CONNECT
    else:
        kind, tail = REFUSED, message.reason.to_bytes(4, "big")
    return bytes((kind, IPV6 if address.is_ipv6 else IPV4)) + address.compact() + tail


RENDEZVOUS, CONNECT, REFUSED = 0, 1, 2
IPV4, IPV6 = 0, 1
MAPPED = bytes(10) + b"\xff\xff"  # an IPv4 address in IPv6 clothes (RFC 4291, section 2.5.5.2)
