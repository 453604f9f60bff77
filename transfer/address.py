"""Internet endpoints: text form, the compact wire form of BEP 5 / 7 / 23 / 32, and what counts as routable."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple

from transfer.errors import DecodeError
from transfer.reach import reach_of

COMPACT_IPV4_SIZE = 6
COMPACT_IPV6_SIZE = 18


class AddressError(DecodeError):
    """Text or bytes that do not name an endpoint."""


class Address(NamedTuple):
    """An endpoint: `host` is an IP address in canonical text (or a name, before it is resolved), `port` 0..65535.

    A plain tuple, so it is what asyncio expects and compares equal to `(host, port)`.
    """

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host

    @classmethod
    def parse(cls, text: str) -> Address:
        """`HOST:PORT` or `[IPV6]:PORT` as people write it; host names pass unresolved.

        Raises:
            AddressError: no port, a port outside 0..65535, an IPv6 address without brackets, or a host that is empty
                or that no resolver would take.
        """
        host, separator, port_text = text.strip().rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        if bracketed:
            host = host[1:-1]
        if not separator or not host or (":" in host and not bracketed):
            raise AddressError(f"{text!r} is not HOST:PORT (write an IPv6 address as [::1]:6881)")
        if not _PORT.fullmatch(port_text) or int(port_text) > 65535:
            raise AddressError(f"{text!r}: the port must be a number from 0 to 65535")
        if not is_host(host):
            raise AddressError(f"{text!r}: {host!r} is not a host name")
        if bracketed:
            try:
                host = str(IPv6Address(host))
            except ValueError:
                raise AddressError(f"{text!r}: {host!r} is not an IPv6 address") from None
        return cls(host, int(port_text))

    @classmethod
    def from_socket(cls, name: tuple[str, int] | tuple[str, int, int, int] | tuple[str, int, object]) -> Address:
        """From what asyncio calls an address: IPv4-mapped IPv6 becomes IPv4, a scope id is dropped."""
        host = name[0]
        if ":" not in host:
            return _NEW(cls, name[:2])
        host = host.partition("%")[0]
        if host.startswith("::ffff:") and "." in host:
            host = host[7:]
        return cls(host, name[1])

    @classmethod
    def from_compact(cls, data: bytes) -> Address:
        """6 bytes (IPv4) or 18 bytes (IPv6), the last two the port, all big-endian.

        Raises:
            AddressError: any other length.
        """
        if len(data) == COMPACT_IPV4_SIZE:
            return cls(f"{data[0]}.{data[1]}.{data[2]}.{data[3]}", data[4] << 8 | data[5])
        if len(data) == COMPACT_IPV6_SIZE:
            return cls(str(IPv6Address(data[:16])), data[16] << 8 | data[17])
        raise AddressError(f"a compact endpoint has 6 or 18 bytes, not {len(data)}")

    def compact(self) -> bytes:
        """The inverse of `from_compact`.

        Raises:
            AddressError: `host` is a name, not an IP address, or the port is out of range.
        """
        if not 0 <= self.port <= 65535:
            raise AddressError(f"{self.port} is not a port number")
        return packed_host(self.host) + self.port.to_bytes(2, "big")


@lru_cache(maxsize=4096)
def packed_host(host: str) -> bytes:
    """The 4 or 16 bytes of an IP address.

    Raises:
        AddressError: not an IP address.
    """
    try:
        return ip_address(host).packed
    except ValueError:
        raise AddressError(f"{host!r} is not an IP address") from None


def is_ip_address(host: str) -> bool:
    """Whether `host` is an address already, not a name to be resolved."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def split_compact(data: bytes, *, ipv6: bool) -> list[Address]:
    """A run of compact endpoints (tracker `peers` / `peers6`, PEX); a broken tail is an error, not dropped.

    Raises:
        AddressError: the length is not a multiple of 6 (IPv4) or 18 (IPv6).
    """
    stride = COMPACT_IPV6_SIZE if ipv6 else COMPACT_IPV4_SIZE
    if len(data) % stride:
        raise AddressError(f"{len(data)} bytes are no whole number of {stride}-byte endpoints")
    return [Address.from_compact(data[at : at + stride]) for at in range(0, len(data), stride)]


def join_compact(addresses: Iterable[Address]) -> bytes:
    """The compact forms one after the other; all of one family, which the caller sees to."""
    return b"".join(address.compact() for address in addresses)


def is_usable_peer(address: Address) -> bool:
    """Whether an endpoint that a stranger named may be contacted: port not 0, no multicast, unspecified or broadcast.

    Loopback and private ranges pass: swarms on one machine and in one house are legitimate.
    """
    return 0 < address.port <= 65535 and usable_family(address.host) is not None


def is_plausible_from(named: Address, teller: Address) -> bool:
    """Whether `teller` can know that `named` is of use to us: from afar no peer can see into this house or machine.

    Without that, a stranger could make us connect to services of our own network.
    """
    return reach_of(named.host) >= reach_of(teller.host)


@lru_cache(maxsize=4096)
def usable_family(host: str) -> int | None:
    """4 or 6 for an IP address that a peer may have; None for anything else, as for `is_usable_peer`."""
    try:
        ip: IPv4Address | IPv6Address = ip_address(host)
    except ValueError:
        return None
    if ip.is_multicast or ip.is_unspecified or ip == IPv4Address("255.255.255.255"):
        return None
    return ip.version


def is_host(host: str) -> bool:
    """Whether this is an IP address, or a name that a resolver can be asked for.

    For what is refused here, `getaddrinfo` raises ValueError instead of OSError.
    """
    try:
        host.encode("idna")  # labels of 1 to 63 bytes
    except UnicodeError:
        return False
    return host.isprintable() and host != "." and not any(mark in host for mark in " []/")


_NEW = tuple.__new__  # does without a call of namedtuple's own, which is a Python function
_PORT = re.compile(r"[0-9]{1,5}")
