"""What `transport.get_extra_info("socket")` and `server.sockets` give: the part of a socket that programs look at."""

from __future__ import annotations

import socket
from typing import Any

from transfer.simulation.host import Endpoint
from transfer.simulation.names import socket_name
from transfer.simulation.unsupported import unsupported


class SimulatedSocket:
    """Names and options of a socket; sending and receiving go through the transport."""

    __slots__ = ("_local", "_options", "_remote", "family", "proto", "type")

    def __init__(self, kind: socket.SocketKind, local: Endpoint, remote: Endpoint | None = None) -> None:
        self.family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
        self.type = kind
        self.proto = socket.IPPROTO_TCP if kind == socket.SOCK_STREAM else socket.IPPROTO_UDP
        self._local = local
        self._remote = remote
        self._options: dict[tuple[int, int], Any] = {}

    def getsockname(self) -> tuple[Any, ...]:
        return socket_name(*self._local)

    def getpeername(self) -> tuple[Any, ...]:
        name = self.peername()
        if name is None:
            raise OSError(107, "Transport endpoint is not connected")
        return name

    def peername(self) -> tuple[Any, ...] | None:
        """`getpeername`, None when not connected."""
        return socket_name(*self._remote) if self._remote is not None else None

    def setsockopt(self, level: int, option: int, value: Any, length: int | None = None) -> None:
        """Remembered, and without any effect."""
        self._options[(level, option)] = value

    def getsockopt(self, level: int, option: int, length: int = 0) -> Any:
        return self._options.get((level, option), 0)

    def fileno(self) -> int:
        """-1: there is no descriptor."""
        return -1

    def gettimeout(self) -> float:
        return 0.0

    def setblocking(self, flag: bool) -> None:
        if flag:
            unsupported("setblocking(True)")

    def close(self) -> None:
        """Nothing: the transport or the server owns the socket."""

    def __repr__(self) -> str:
        peer = f" to {self._remote[0]}:{self._remote[1]}" if self._remote is not None else ""
        return f"<SimulatedSocket {self._local[0]}:{self._local[1]}{peer}>"
