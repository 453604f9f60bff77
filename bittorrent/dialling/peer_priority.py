"""Which peer to prefer among equals: an order that both sides of a connection agree on (BEP 40).

It makes the connections of a swarm look random and hard to influence: an attacker cannot choose its rank without
choosing its network.
"""

from __future__ import annotations

from transfer.address import Address, packed_host


def peer_priority(one: Address, other: Address) -> int:
    """The canonical priority of a connection between two endpoints: the larger, the better kept.

    Hosts of different families have no common form; theirs is 0.

    Source: BEP 40, which speaks of IPv4. For IPv6 deployed clients do the same with pairs of bytes: /32 and /48 instead
    of /16 and /24, and the lower half of the host as it is.

    Raises:
        AddressError: a host is a name.
    """
    first, second = packed_host(one.host), packed_host(other.host)
    if len(first) != len(second):
        return 0
    if first == second:
        ports = sorted(port.to_bytes(2, "big") for port in (one.port, other.port))
        return crc32c(b"".join(ports))
    mask = _mask(first, second)
    masked = sorted(bytes(byte & bits for byte, bits in zip(host, mask, strict=True)) for host in (first, second))
    return crc32c(b"".join(masked))


def crc32c(data: bytes) -> int:
    """The Castagnoli CRC (RFC 3720, appendix B.4)."""
    value = 0xFFFFFFFF
    for byte in data:
        value = _TABLE[(value ^ byte) & 0xFF] ^ (value >> 8)
    return value ^ 0xFFFFFFFF


def _mask(first: bytes, second: bytes) -> bytes:
    """How much of two hosts counts: all bits of the networks in which they differ, and every second bit of the rest."""
    unit = 1 if len(first) == 4 else 2
    exact = 2 * unit
    while first[:exact] == second[:exact] and exact < 4 * unit:
        exact += unit
    return b"\xff" * exact + b"\x55" * (4 * unit - exact) + b"\xff" * (len(first) - 4 * unit)


def _table_entry(value: int) -> int:
    for _ in range(8):
        value = value >> 1 ^ (CASTAGNOLI if value & 1 else 0)
    return value


CASTAGNOLI = 0x82F63B78  # the polynomial, lowest power first
_TABLE = [_table_entry(byte) for byte in range(256)]
