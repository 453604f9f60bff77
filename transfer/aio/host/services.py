"""What every host speaks: identify, identify push, and ping."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import TYPE_CHECKING

from transfer.aio.reader_writer import DEFAULT_LIMIT_BYTES
from transfer.host.errors import IdentifyError, StreamError
from transfer.host.identify import ID_PROTOCOL, PUSH_PROTOCOL, Identification, IdentifyReader

if TYPE_CHECKING:
    from transfer.aio.host.connection import HostConnection
    from transfer.aio.host.host import Host
    from transfer.aio.host.serving import StreamServices
    from transfer.host.config import HostConfig

PING_PROTOCOL = "/ipfs/ping/1.0.0"
PING_BYTES = 32
READ_BYTES = 16 << 10
PING_TIMEOUT_S = 10.0
MAX_IDENTIFYING = 8  # streams of one peer at a time


class Identify:
    """Tells peers of the host, asks them, and tells again when something has changed."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._push_timer: asyncio.TimerHandle | None = None
        self._told: Identification | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A peer asks."""
        await self._tell(writer)

    async def take_push(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A peer tells what has changed."""
        connection: HostConnection = writer.get_extra_info("connection")
        self._learn(connection, await self._read(connection, reader))

    async def ask(self, connection: HostConnection) -> Identification:
        """Asks a peer.

        Raises:
            StreamError: it does not answer.
            IdentifyError: what it says is of no use, or not true.
        """
        reader, writer = await connection.open_stream((ID_PROTOCOL,), limit_bytes=READ_BYTES, is_lazy=True)
        try:
            said = await self._read(connection, reader)
        except BaseException:
            writer.transport.abort()
            raise
        writer.close()
        self._learn(connection, said)
        return said

    def changed(self) -> None:
        """The host speaks something else now, or is somewhere else."""
        if self._push_timer is None:
            loop = asyncio.get_running_loop()
            self._push_timer = loop.call_later(self._host.config.push_delay_s, self._push)

    def close(self) -> None:
        if self._push_timer is not None:
            self._push_timer.cancel()

    def _push(self) -> None:
        self._push_timer = None
        for connection in self._host.connections:
            if PUSH_PROTOCOL in (connection.identification.protocols or ()):
                self._host.tasks.start(self._push_to(connection), name=f"push to {connection.peer_id}")

    async def _push_to(self, connection: HostConnection) -> None:
        with suppress(OSError):  # the connection is gone, or the peer has changed its mind
            _, writer = await connection.open_stream((PUSH_PROTOCOL,), limit_bytes=READ_BYTES)
            try:
                await self._tell(writer)
            finally:
                writer.close()

    async def _tell(self, writer: asyncio.StreamWriter) -> None:
        connection: HostConnection = writer.get_extra_info("connection")
        for message in self._host.own_identification(connection).to_messages():
            writer.write(message)
        await writer.drain()

    async def _read(self, connection: HostConnection, reader: asyncio.StreamReader) -> Identification:
        found = IdentifyReader(connection.public_key)
        timeout_s = self._host.config.identify_timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                while data := await reader.read(READ_BYTES):
                    found.receive(data)
        except TimeoutError:
            cause = f"it has not told of itself within {timeout_s:g} s"
            raise StreamError(connection.peer_id, str(connection.remote), (ID_PROTOCOL,), cause) from None
        except IdentifyError:
            raise
        except OSError as error:
            raise StreamError(connection.peer_id, str(connection.remote), (ID_PROTOCOL,), error) from error
        return found.finish()

    def _learn(self, connection: HostConnection, said: Identification) -> None:
        connection.identification = connection.identification.merged(said)
        self._host.learned(connection, said)


class Ping:
    """Echoes, and measures how long an echo takes."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Echoes until the peer has enough."""
        while True:
            try:
                data = await reader.readexactly(PING_BYTES)
            except asyncio.IncompleteReadError:
                return
            writer.write(data)
            await writer.drain()

    async def ping(self, connection: HostConnection, *, interval_s: float) -> AsyncGenerator[float, None]:
        """Round trips in seconds, one after the other on one stream.

        Raises:
            StreamError: no answer, or a wrong one.
        """
        protocols = (PING_PROTOCOL,)
        where = (connection.peer_id, str(connection.remote), protocols)
        reader, writer = await connection.open_stream(protocols, limit_bytes=READ_BYTES, is_long_lived=True)
        try:
            while True:
                sent = os.urandom(PING_BYTES)
                started_at = time.perf_counter()  # uvloop's time has milliseconds only
                writer.write(sent)
                async with asyncio.timeout(PING_TIMEOUT_S):
                    answer = await reader.readexactly(PING_BYTES)
                seconds = time.perf_counter() - started_at
                if answer != sent:
                    raise StreamError(*where, "it answers a ping with something else")
                yield seconds
                await asyncio.sleep(interval_s)
        except TimeoutError:
            raise StreamError(*where, f"no answer to a ping within {PING_TIMEOUT_S:g} s") from None
        except asyncio.IncompleteReadError:
            raise StreamError(*where, "the peer ended the stream instead of answering a ping") from None
        except StreamError:
            raise
        except OSError as error:
            raise StreamError(*where, error) from error
        finally:
            writer.close()


def serve_own(services: StreamServices, identify: Identify, ping: Ping, config: HostConfig) -> None:
    """Registers what every host speaks."""
    for protocol, handler, most in (
        (ID_PROTOCOL, identify.serve, MAX_IDENTIFYING),
        (PUSH_PROTOCOL, identify.take_push, MAX_IDENTIFYING),
        (PING_PROTOCOL, ping.serve, config.max_pings_per_peer),
    ):
        services.set_handler(
            protocol,
            handler,
            limit_bytes=DEFAULT_LIMIT_BYTES,
            max_per_peer=most,
            is_long_lived=protocol == PING_PROTOCOL,  # when to ping again is for the peer to say
        )
