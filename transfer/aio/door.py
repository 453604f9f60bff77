"""Who may come in: what a listener asks about each connection before anything is made for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol, cast

from transfer.address import Address
from transfer.aio.stream import Stream


class Entry(Protocol):
    """What a connection holds that was let in."""

    def attach(self, transport: asyncio.Transport) -> None:
        """The connection is this one: it may be told to end."""

    def leave(self) -> None:
        """The connection is gone. Harmless twice."""


class Door(Protocol):
    """Lets connections in or not. `transfer.Limits` is one."""

    def admit(self, source: Address) -> Entry | None:
        """A connection from `source` was accepted; None: end it at once, for the door knows why and has noted it."""

    def exhausted(self, error: OSError) -> None:
        """A listener could not accept: the process or the system has run out of descriptors or memory."""


def guarded(protocol_factory: Callable[[], asyncio.BaseProtocol], door: Door) -> Callable[[], asyncio.BaseProtocol]:
    """A factory for listeners that know nothing of doors: those of the loop, real or simulated."""
    return lambda: _Doorkeeper(protocol_factory, door)


class _Doorkeeper(asyncio.Protocol):
    """Asks the door, and makes room for the protocol that was wanted."""

    def __init__(self, protocol_factory: Callable[[], asyncio.BaseProtocol], door: Door) -> None:
        self._factory = protocol_factory
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)
        entry = self._door.admit(source_of(transport))
        if entry is None:
            stream.abort()
            return
        try:
            protocol: Any = self._factory()
            if isinstance(stream, Stream):
                stream.hold(entry)
            else:
                entry.attach(stream)
                protocol = (_HeldBuffered if isinstance(protocol, asyncio.BufferedProtocol) else _Held)(protocol, entry)
            stream.set_protocol(protocol)
        except BaseException:
            entry.leave()
            stream.abort()
            raise
        protocol.connection_made(stream)


class _Held(asyncio.Protocol):
    """A protocol that gives its entry back, for transports that cannot do it themselves."""

    def __init__(self, protocol: Any, entry: Entry) -> None:
        for name in FORWARDED:
            if hasattr(protocol, name):
                setattr(self, name, getattr(protocol, name))
        self._lost = protocol.connection_lost
        self._entry = entry

    def connection_lost(self, exc: Exception | None) -> None:
        try:
            self._lost(exc)
        finally:
            self._entry.leave()


class _HeldBuffered(_Held, asyncio.BufferedProtocol):
    """The same for protocols that bring their buffer."""


def source_of(transport: asyncio.BaseTransport) -> Address:
    """The other end of a connection; one without a host where the transport does not know."""
    name = transport.get_extra_info("peername")
    return Address.from_socket(name) if isinstance(name, tuple) else Address("", 0)


FORWARDED = (
    "connection_made",
    "data_received",
    "get_buffer",
    "buffer_updated",
    "eof_received",
    "pause_writing",
    "resume_writing",
)
