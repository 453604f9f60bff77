"""What `transport.get_extra_info("socket")` and `server.sockets` give, and the options of every simulated socket."""

from __future__ import annotations

import errno
import os
import socket
import struct
from typing import Any

from transfer.congestion.registry import UnknownControllerError
from transfer.simulation.errors import NotSimulatedError
from transfer.simulation.host import Endpoint, canonical_ip, is_loopback, is_multicast
from transfer.simulation.names import socket_name
from transfer.simulation.packets.flow import known_controller
from transfer.simulation.unsupported import unsupported


class SocketOptions:
    """Options of one socket. Those that say which sockets hear a datagram have an effect; the others are remembered.

    Attributes:
        groups: the multicast groups joined: (address, whether on the loopback interface alone).
    """

    __slots__ = ("_values", "groups")

    def __init__(self) -> None:
        self._values: dict[tuple[int, int], Any] = {}
        self.groups: dict[tuple[str, bool], None] = {}

    def set(self, level: int, option: int, value: Any, length: int | None = None) -> None:
        """`setsockopt`.

        Raises:
            OSError: a group that is none, or was never joined.
        """
        if (level, option) in JOINS:
            group = _membership(level, value)
            if not is_multicast(group[0]):
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
            if group in self.groups:
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            self.groups[group] = None
        elif (level, option) in LEAVES:
            group = _membership(level, value)
            if group not in self.groups:
                raise OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
            del self.groups[group]
        elif (level, option) in SOURCE_FILTERS:
            raise NotSimulatedError(
                "setsockopt() of a source-specific multicast group", "join the group for all sources"
            )
        else:
            self._values[(level, option)] = value

    def get(self, level: int, option: int, default: Any = 0) -> Any:
        """`getsockopt` as a number where it was one."""
        return self._values.get((level, option), default)

    def is_set(self, level: int, option: int) -> bool:
        value = self._values.get((level, option), 0)
        return any(value) if isinstance(value, bytes | bytearray) else bool(value)

    @property
    def shares_port(self) -> bool:
        """Whether others may bind the same address and port."""
        return any(self.is_set(socket.SOL_SOCKET, option) for option in SHARING)

    @property
    def hears_itself(self) -> bool:
        """Whether what it sends to a group comes back to its own host; so unless it was switched off."""
        return not any(key in self._values and not self.is_set(*key) for key in LOOPS)

    def sends_on_loopback(self, *, is_ipv6: bool) -> bool:
        """Whether the interface for multicast was set to the loopback one."""
        if is_ipv6:
            value = self.get(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF)
            return bool((struct.unpack("@I", value)[0] if isinstance(value, bytes) else value) == LOOPBACK_INDEX)
        value = self.get(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, b"")
        return isinstance(value, bytes | bytearray) and _is_loopback_interface(bytes(value))


class UnknownCongestionError(UnknownControllerError, OSError):
    """`setsockopt` with a congestion controller that there is none of: what Linux answers with ENOENT."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.errno = errno.ENOENT


class SimulatedSocket:
    """Names and options of a socket; sending and receiving go through the transport.

    Attributes:
        congestion: the controller of what a stream sends, or of what a listener accepts; None: none was chosen.
    """

    __slots__ = ("_local", "_options", "_remote", "congestion", "family", "proto", "type")

    def __init__(
        self,
        kind: socket.SocketKind,
        local: Endpoint,
        remote: Endpoint | None = None,
        options: SocketOptions | None = None,
    ) -> None:
        self.family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
        self.type = kind
        self.proto = socket.IPPROTO_TCP if kind == socket.SOCK_STREAM else socket.IPPROTO_UDP
        self.congestion: str | None = None
        self._local = local
        self._remote = remote
        self._options = options if options is not None else SocketOptions()

    def getsockname(self) -> tuple[Any, ...]:
        return socket_name(*self._local)

    def getpeername(self) -> tuple[Any, ...]:
        name = self.peername()
        if name is None:
            raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))
        return name

    def peername(self) -> tuple[Any, ...] | None:
        """`getpeername`, None when not connected."""
        return socket_name(*self._remote) if self._remote is not None else None

    def setsockopt(self, level: int, option: int, value: Any, length: int | None = None) -> None:
        """Multicast groups are joined and left; TCP_CONGESTION chooses one of `transfer.congestion`.

        Other options are remembered, and most have no effect.

        Raises:
            OSError: a group that is none, or was never joined; a controller that is none.
        """
        if (level, option) == CONGESTION:
            name = bytes(value).rstrip(b"\0").decode("utf-8", "replace")
            try:
                self.congestion = known_controller(name)
            except UnknownControllerError:
                raise UnknownCongestionError(name) from None
            return
        self._options.set(level, option, value, length)

    def getsockopt(self, level: int, option: int, length: int = 0) -> Any:
        if (level, option) == CONGESTION:
            return (self.congestion or "").encode().ljust(16, b"\0")[:length]
        return option_value(self._options, self.type, level, option, length)

    def fileno(self) -> int:
        """-1: there is no descriptor."""
        return -1

    def gettimeout(self) -> float:
        return 0.0

    def setblocking(self, flag: bool) -> None:
        if flag:
            unsupported("setblocking(True) of a transport's socket", "use the transport")

    def close(self) -> None:
        """Nothing: the transport or the server owns the socket."""

    def __getattr__(self, name: str) -> Any:
        """What else a socket has: it would send or receive beside the transport."""
        if name in BESIDE_TRANSPORT:
            unsupported(f"{name}() of a transport's socket", "use the transport")
        raise AttributeError(f"'SimulatedSocket' object has no attribute {name!r}")

    def __repr__(self) -> str:
        peer = f" to {self._remote[0]}:{self._remote[1]}" if self._remote is not None else ""
        return f"<SimulatedSocket {self._local[0]}:{self._local[1]}{peer}>"


def option_value(options: SocketOptions, kind: int, level: int, option: int, length: int = 0) -> Any:
    """`getsockopt`: a number, or bytes where `length` asks for them."""
    defaults = {socket.SO_TYPE: int(kind), socket.SO_RCVBUF: BUFFER_BYTES, socket.SO_SNDBUF: BUFFER_BYTES}
    value = options.get(level, option, defaults.get(option, 0) if level == socket.SOL_SOCKET else 0)
    if length and isinstance(value, int):
        return value.to_bytes(4, "little")[:length]
    return value


def _membership(level: int, value: Any) -> tuple[str, bool]:
    """The group of `struct ip_mreq`, `ip_mreqn` or `ipv6_mreq`, and whether on the loopback interface."""
    data = bytes(value)
    if level == socket.IPPROTO_IPV6:
        if len(data) < 20:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        index = struct.unpack("@I", data[16:20])[0]
        return canonical_ip(socket.inet_ntop(socket.AF_INET6, data[:16])), index == LOOPBACK_INDEX
    if len(data) < 8:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return socket.inet_ntoa(data[:4]), _is_loopback_interface(data[4:])


def _is_loopback_interface(data: bytes) -> bool:
    """An address, or (for `ip_mreqn`) an index behind it."""
    if len(data) >= 12:  # group, address, index
        data = data[4:]
    by_index = len(data) >= 8 and struct.unpack("@i", data[4:8])[0] == LOOPBACK_INDEX
    return by_index or (len(data) >= 4 and is_loopback(socket.inet_ntoa(data[:4])))


def _known(level: int, *names: str) -> tuple[tuple[int, int], ...]:
    return tuple((level, getattr(socket, name)) for name in names if hasattr(socket, name))


CONGESTION = next(iter(_known(socket.IPPROTO_TCP, "TCP_CONGESTION")), (socket.IPPROTO_TCP, 13))  # 13: Linux
LOOPBACK_INDEX = 1  # as `socket.if_nameindex` has it
BUFFER_BYTES = 212_992  # Linux: net.core.rmem_default
JOINS = frozenset(
    _known(socket.IPPROTO_IP, "IP_ADD_MEMBERSHIP")
    + _known(socket.IPPROTO_IPV6, "IPV6_JOIN_GROUP", "IPV6_ADD_MEMBERSHIP")
)
LEAVES = frozenset(
    _known(socket.IPPROTO_IP, "IP_DROP_MEMBERSHIP")
    + _known(socket.IPPROTO_IPV6, "IPV6_LEAVE_GROUP", "IPV6_DROP_MEMBERSHIP")
)
SOURCE_FILTERS = frozenset(
    _known(socket.IPPROTO_IP, "IP_ADD_SOURCE_MEMBERSHIP", "IP_DROP_SOURCE_MEMBERSHIP", "IP_BLOCK_SOURCE")
)
LOOPS = _known(socket.IPPROTO_IP, "IP_MULTICAST_LOOP") + _known(socket.IPPROTO_IPV6, "IPV6_MULTICAST_LOOP")
SHARING = tuple(getattr(socket, name) for name in ("SO_REUSEADDR", "SO_REUSEPORT") if hasattr(socket, name))
BESIDE_TRANSPORT = frozenset(
    (
        *("accept", "bind", "connect", "connect_ex", "detach", "dup", "listen", "makefile", "recv", "recv_into"),
        *("recvfrom", "recvfrom_into", "recvmsg", "recvmsg_into", "send", "sendall", "sendfile", "sendmsg", "sendto"),
        "shutdown",
    )
)
