"""The simulated name service."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Any

from transfer.simulation.host import canonical_ip

AddressInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]


class NameTable:
    """What names resolve to. `localhost` is there from the beginning, everything else has to be added."""

    def __init__(self) -> None:
        self._table: dict[str, tuple[str, ...]] = {"localhost": ("127.0.0.1", "::1")}

    def __setitem__(self, name: str, addresses: str | Iterable[str]) -> None:
        """Gives a name one or several addresses.

        Raises:
            ValueError: not an IP address.
        """
        listed = (addresses,) if isinstance(addresses, str) else addresses
        self._table[_normal(name)] = tuple(canonical_ip(address) for address in listed)

    def __delitem__(self, name: str) -> None:
        del self._table[_normal(name)]

    def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """As `socket.getaddrinfo`, for IP addresses, names of the table, and ports that are numbers.

        Raises:
            socket.gaierror: the name is not in the table, or has no address of the family.
        """
        if isinstance(host, bytes):
            host = host.decode("ascii")
        number = _port_number(port)
        if host is None or host == "":
            any_of = ("0.0.0.0", "::") if flags & socket.AI_PASSIVE else ("127.0.0.1", "::1")
            addresses: tuple[str, ...] = any_of
        else:
            addresses = self._resolve(host, numeric_only=bool(flags & socket.AI_NUMERICHOST))
        found: list[AddressInfo] = []
        for address in addresses:
            is_ipv6 = ":" in address
            address_family = socket.AF_INET6 if is_ipv6 else socket.AF_INET
            if family not in (socket.AF_UNSPEC, address_family):
                continue
            for kind, protocol in ((socket.SOCK_STREAM, socket.IPPROTO_TCP), (socket.SOCK_DGRAM, socket.IPPROTO_UDP)):
                if type & 0xF in (0, kind) and proto in (0, protocol):
                    found.append((address_family, kind, protocol, "", socket_name(address, number)))
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {host!r} in the simulated name table")
        return found

    def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        """As `socket.getnameinfo`; ports are always numbers.

        Raises:
            socket.gaierror: not an IP address, or a name is required and none stands for it.
        """
        try:
            ip = canonical_ip(str(sockaddr[0]))
        except ValueError:
            raise socket.gaierror(socket.EAI_NONAME, f"Name or service not known: {sockaddr[0]!r}") from None
        name = None if flags & socket.NI_NUMERICHOST else self.name_of(ip)
        if name is None and flags & socket.NI_NAMEREQD:
            raise socket.gaierror(socket.EAI_NONAME, f"{ip} has no name in the simulated name table")
        return name or ip, str(int(sockaddr[1]))

    def name_of(self, *addresses: str) -> str | None:
        """The first name that was added for one of these addresses."""
        for name, listed in self._table.items():
            if any(address in listed for address in addresses):
                return name
        return None

    def _resolve(self, host: str, *, numeric_only: bool) -> tuple[str, ...]:
        try:
            return (canonical_ip(host),)
        except ValueError:
            return () if numeric_only else self._table.get(_normal(host), ())


def socket_name(ip: str, port: int) -> tuple[Any, ...]:
    """How asyncio writes an endpoint: two fields for IPv4, four for IPv6."""
    return (ip, port, 0, 0) if ":" in ip else (ip, port)


def _normal(name: str) -> str:
    return name.lower().rstrip(".")


def _port_number(port: str | bytes | int | None) -> int:
    if port is None or port in ("", b""):
        return 0
    try:
        number = int(port)
    except ValueError:
        number = SERVICES.get(port.decode("ascii") if isinstance(port, bytes) else str(port), -1)
    if not 0 <= number <= 65535:
        raise socket.gaierror(socket.EAI_SERVICE, f"Servname not supported: {port!r}")
    return number


SERVICES = {"http": 80, "https": 443, "domain": 53}
