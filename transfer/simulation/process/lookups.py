"""The look-ups of module `socket`: names and interfaces of the simulated network, not of the machine."""

from __future__ import annotations

import socket
from typing import Any

from transfer.simulation.process.inside import World
from transfer.simulation.process.replacing import Replacement, replacement


def _getaddrinfo(
    world: World, host: Any, port: Any, family: int = 0, type: int = 0, proto: int = 0, flags: int = 0
) -> list[Any]:
    names = world.loop.network.names
    return list(names.getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags))


def _getnameinfo(world: World, sockaddr: Any, flags: int, /) -> tuple[str, str]:
    return world.loop.network.names.getnameinfo(sockaddr, flags)


def _gethostbyname(world: World, hostname: str, /) -> str:
    return str(_getaddrinfo(world, hostname, 0, socket.AF_INET, socket.SOCK_STREAM)[0][4][0])


def _gethostbyname_ex(world: World, hostname: str, /) -> tuple[str, list[str], list[str]]:
    infos = _getaddrinfo(world, hostname, 0, socket.AF_INET, socket.SOCK_STREAM)
    return hostname, [], [str(info[4][0]) for info in infos]


def _gethostbyaddr(world: World, ip_address: str, /) -> tuple[str, list[str], list[str]]:
    names = world.loop.network.names
    address = str(_getaddrinfo(world, ip_address, 0, 0, socket.SOCK_STREAM)[0][4][0])
    name = names.name_of(address)
    if name is None:
        raise socket.herror(1, f"Unknown host: {ip_address!r} is nobody's in the simulated name table")
    return name, [], [address]


def _if_nameindex(world: World) -> list[tuple[int, str]]:
    return list(INTERFACES)


def _if_nametoindex(world: World, name: Any, /) -> int:
    for index, known in INTERFACES:
        if known == (name.decode() if isinstance(name, bytes) else name):
            return index
    raise OSError(f"no interface with this name: {name!r}")


def _if_indextoname(world: World, index: int, /) -> str:
    for known, name in INTERFACES:
        if known == index:
            return name
    raise OSError(6, "No such device or address")


INTERFACES = ((1, "lo"), (2, "eth0"))  # of every simulated host
REPLACEMENTS: list[Replacement] = [
    *replacement(socket, "getaddrinfo", _getaddrinfo),
    *replacement(socket, "getnameinfo", _getnameinfo),
    *replacement(socket, "gethostbyname", _gethostbyname),
    *replacement(socket, "gethostbyname_ex", _gethostbyname_ex),
    *replacement(socket, "gethostbyaddr", _gethostbyaddr),
    *replacement(socket, "if_nameindex", _if_nameindex),
    *replacement(socket, "if_nametoindex", _if_nametoindex),
    *replacement(socket, "if_indextoname", _if_indextoname),
]
