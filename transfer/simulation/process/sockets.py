"""The methods of `socket.socket`: a socket that is made inside lives on the simulated network.

It has a real descriptor, which is never connected or bound. What would block waits in virtual time when it is called
in an executor, and is refused in a coroutine, where it would hold up the event loop.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable, Iterable
from typing import Any

from transfer.simulation.errors import NotSimulatedError
from transfer.simulation.process.inside import World, method, refusing
from transfer.simulation.process.replacing import Replacement, replacement
from transfer.simulation.raw_sockets import RawSocket
from transfer.simulation.socket_calls import checked_kind
from transfer.simulation.sockets import option_value


def _init(
    world: World, sock: Any, family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
) -> None:
    if fileno is not None:
        raise NotSimulatedError("socket.socket(fileno=…)", "make the socket in the program")
    checked_kind(family, type)
    _REAL_INIT(sock, family, type, proto)
    world.loop.make_raw(sock, family, type)


def _close(world: World, sock: Any, *args: Any) -> None:
    raw = world.loop.forget_raw(sock)
    if raw is not None:
        raw.close()
    _REAL_CLOSE(sock, *args)


def _raw(world: World, sock: Any, call: str) -> RawSocket:
    return world.loop.raw(sock, f"socket.socket.{call}()")


def _blocking(world: World, sock: Any, call: str, attempt: Callable[[], Any], flags: int = 0) -> Any:
    """The result of `attempt`, when there is one: at once, later, or BlockingIOError, as the timeout says."""
    timeout = sock.gettimeout()
    if timeout == 0 or flags & MSG_DONTWAIT:
        result = attempt()
        if result is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return result
    results: list[Any] = []

    def is_done() -> bool:
        result = attempt()
        if result is None:
            return False
        results.append(result)
        return True

    if not world.loop.block_until(is_done, timeout, f"socket.socket.{call}()"):
        raise TimeoutError("timed out")
    return results[0]


def _bind(world: World, sock: Any, address: Any, /) -> None:
    _raw(world, sock, "bind").bind(address)


def _listen(world: World, sock: Any, backlog: int = 128, /) -> None:
    _raw(world, sock, "listen").listen(backlog)


def _accept(world: World, sock: Any) -> tuple[socket.socket, Any]:
    raw = _raw(world, sock, "accept")
    accepted, name = world.loop.accepted(raw, _blocking(world, sock, "accept", raw.accept))
    accepted.settimeout(socket.getdefaulttimeout())
    return accepted, name


def _connect(world: World, sock: Any, address: Any, /) -> None:
    raw = _raw(world, sock, "connect")
    if not raw.is_stream:
        raw.connect_datagrams(address)
        return
    if raw.handshake is None:
        raw.start_connecting(address)
        if sock.gettimeout() == 0:
            raise BlockingIOError(errno.EINPROGRESS, os.strerror(errno.EINPROGRESS))
    _blocking(world, sock, "connect", raw.finish_connecting)


def _connect_ex(world: World, sock: Any, address: Any, /) -> int:
    try:
        _connect(world, sock, address)
    except NotSimulatedError:
        raise
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _send(world: World, sock: Any, data: Any, flags: int = 0, /) -> int:
    raw, piece = _raw(world, sock, "send"), bytes(data)
    sent: int = _blocking(world, sock, "send", lambda: raw.send(piece), flags)
    return sent


def _sendall(world: World, sock: Any, data: Any, flags: int = 0, /) -> None:
    rest = bytes(data)
    while rest:
        rest = rest[_send(world, sock, rest, flags) :]


def _sendto(world: World, sock: Any, data: Any, *where: Any) -> int:
    return _raw(world, sock, "sendto").send_to(bytes(data), where[-1])


def _sendmsg(
    world: World, sock: Any, buffers: Iterable[Any], ancdata: Any = (), flags: int = 0, address: Any = None
) -> int:
    if list(ancdata):
        raise NotSimulatedError("socket.socket.sendmsg() with ancillary data", "send the data without")
    data = b"".join(bytes(buffer) for buffer in buffers)
    return _send(world, sock, data, flags) if address is None else _sendto(world, sock, data, address)


def _recv(world: World, sock: Any, size: int, flags: int = 0, /) -> bytes:
    raw = _raw(world, sock, "recv")
    found: bytes = _blocking(world, sock, "recv", lambda: raw.receive(size, peek=bool(flags & socket.MSG_PEEK)), flags)
    return found


def _recv_into(world: World, sock: Any, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
    view = memoryview(buffer).cast("B")
    data = _recv(world, sock, nbytes or len(view), flags)
    view[: len(data)] = data
    return len(data)


def _recvfrom(world: World, sock: Any, size: int, flags: int = 0, /) -> tuple[bytes, Any]:
    raw = _raw(world, sock, "recvfrom")
    peek = bool(flags & socket.MSG_PEEK)
    found: tuple[bytes, Any] = _blocking(world, sock, "recvfrom", lambda: raw.receive_from(size, peek=peek), flags)
    return found


def _recvfrom_into(world: World, sock: Any, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
    view = memoryview(buffer).cast("B")
    data, source = _recvfrom(world, sock, nbytes or len(view), flags)
    view[: len(data)] = data
    return len(data), source


def _recvmsg(
    world: World, sock: Any, size: int, ancbufsize: int = 0, flags: int = 0, /
) -> tuple[bytes, list[Any], int, Any]:
    data, source = _recvfrom(world, sock, size, flags)
    return data, [], 0, source


def _getsockname(world: World, sock: Any) -> Any:
    return _raw(world, sock, "getsockname").name()


def _getpeername(world: World, sock: Any) -> Any:
    return _raw(world, sock, "getpeername").peer_name()


def _setsockopt(world: World, sock: Any, level: int, option: int, value: Any, length: int | None = None) -> None:
    _raw(world, sock, "setsockopt").options.set(level, option, value, length)


def _getsockopt(world: World, sock: Any, level: int, option: int, length: int = 0) -> Any:
    raw = _raw(world, sock, "getsockopt")
    if (level, option) == (socket.SOL_SOCKET, socket.SO_ERROR) and raw.handshake is not None:
        try:
            raw.finish_connecting()
        except OSError as error:
            return error.errno or errno.EIO
    return option_value(raw.options, socket.SOCK_STREAM if raw.is_stream else socket.SOCK_DGRAM, level, option, length)


def _shutdown(world: World, sock: Any, how: int, /) -> None:
    _raw(world, sock, "shutdown").shut_down(how)


def _create_connection(world: World, *args: Any, **options: Any) -> socket.socket:
    """Refused before it makes a socket, where it could only hold up the event loop."""
    world.loop.check_may_block("socket.create_connection()")
    made: socket.socket = _REAL_CREATE_CONNECTION(*args, **options)
    return made


class Poll:
    """`select.poll()` on simulated sockets."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._wanted: dict[int, tuple[RawSocket, int]] = {}

    def register(self, fd: Any, eventmask: int = 7, /) -> None:
        raw = self._world.loop.raw(fd, "select.poll()")
        self._wanted[fd if isinstance(fd, int) else fd.fileno()] = (raw, eventmask)

    modify = register

    def unregister(self, fd: Any, /) -> None:
        del self._wanted[fd if isinstance(fd, int) else fd.fileno()]

    def poll(self, timeout: float | None = None, /) -> list[tuple[int, int]]:
        """Milliseconds; negative ones and None are for ever."""
        found: list[tuple[int, int]] = []

        def is_done() -> bool:
            found.clear()
            for number, (raw, wanted) in self._wanted.items():
                ready = select.POLLIN * raw.is_readable() | select.POLLOUT * raw.is_writable()
                if ready & wanted:
                    found.append((number, ready & wanted))
            return bool(found)

        if timeout == 0:
            is_done()
        else:
            timeout_s = None if timeout is None or timeout < 0 else timeout / 1000
            self._world.loop.block_until(is_done, timeout_s, "select.poll()")
        return found


def _select(world: World, rlist: Any, wlist: Any, xlist: Any, timeout: float | None = None, /) -> tuple[Any, ...]:
    """`select.select` on simulated sockets."""
    wanted = [[(thing, world.loop.raw(thing, "select.select()")) for thing in listed] for listed in (rlist, wlist)]
    found: tuple[list[Any], list[Any]] = ([], [])

    def is_done() -> bool:
        found[0][:] = [thing for thing, raw in wanted[0] if raw.is_readable()]
        found[1][:] = [thing for thing, raw in wanted[1] if raw.is_writable()]
        return bool(found[0] or found[1])

    if timeout == 0:
        is_done()
    else:
        world.loop.block_until(is_done, timeout, "select.select()")
    return (*found, [])


def _replacements() -> list[Replacement]:
    simulated: dict[str, Callable[..., Any]] = {
        "__init__": _init,
        "_real_close": _close,
        "bind": _bind,
        "listen": _listen,
        "accept": _accept,
        "connect": _connect,
        "connect_ex": _connect_ex,
        "send": _send,
        "sendall": _sendall,
        "sendto": _sendto,
        "sendmsg": _sendmsg,
        "recv": _recv,
        "recv_into": _recv_into,
        "recvfrom": _recvfrom,
        "recvfrom_into": _recvfrom_into,
        "recvmsg": _recvmsg,
        "getsockname": _getsockname,
        "getpeername": _getpeername,
        "setsockopt": _setsockopt,
        "getsockopt": _getsockopt,
        "shutdown": _shutdown,
    }
    for name in ("sendfile", "sendmsg_afalg", "recvmsg_into", "dup", "detach", "share", "ioctl"):
        simulated[name] = refusing(f"socket.socket.{name}()", "use another call of the socket, or asyncio's streams")
    found = [
        Replacement(socket.socket, name, method(getattr(socket.socket, name), function))
        for name, function in simulated.items()
        if hasattr(socket.socket, name)
    ]
    found += replacement(socket, "create_connection", _create_connection)
    found += replacement(socket, "socketpair", refusing("socket.socketpair()", "use two ends of a TCP connection"))
    return found + replacement(select, "select", _select) + replacement(select, "poll", Poll)


_REAL_CREATE_CONNECTION: Any = socket.create_connection
MSG_DONTWAIT = getattr(socket, "MSG_DONTWAIT", 0)
_REAL_INIT = socket.socket.__init__
_REAL_CLOSE: Any = socket.socket._real_close  # type: ignore[attr-defined]
REPLACEMENTS = _replacements()
