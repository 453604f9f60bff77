"""Which protocols a host speaks on streams that peers open, and who serves each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfer.aio.layer import Layer
from transfer.aio.tasks import TaskSet
from transfer.errors import TransferError
from transfer.identity.peer_id import PeerId
from transfer.limits.refusal import LimitReachedError, Refusal

if TYPE_CHECKING:
    from transfer.aio.host.connection import HostConnection

StreamHandler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Service:
    make: Callable[[], asyncio.BaseProtocol]
    max_per_peer: int | None
    is_long_lived: bool


class StreamServices:
    """The handlers of a host.

    Args:
        tasks: where handlers run.
    """

    def __init__(self, tasks: TaskSet) -> None:
        self._tasks = tasks
        self._services: dict[str, _Service] = {}
        self._open: dict[tuple[PeerId, str], int] = {}  # of services that have a bound

    @property
    def protocols(self) -> tuple[str, ...]:
        """What is spoken."""
        return tuple(self._services)

    def speaks(self, protocol: str) -> bool:
        """Whether a protocol is spoken."""
        return protocol in self._services

    def set_handler(
        self,
        protocol: str,
        handler: StreamHandler,
        *,
        limit_bytes: int,
        max_per_peer: int | None = None,
        is_long_lived: bool = False,
    ) -> None:
        """Each stream runs `handler(reader, writer)` in a task of its own."""

        def make() -> asyncio.StreamReaderProtocol:
            loop = asyncio.get_running_loop()

            def start(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                task = self._tasks.start(self._run(handler, reader, writer), name=f"a stream of {protocol}")
                if task is None:  # the host is closing
                    writer.transport.abort()
                else:  # a task that is cancelled before it has begun cannot do it itself
                    task.add_done_callback(lambda task: writer.transport.abort() if task.cancelled() else None)

            return asyncio.StreamReaderProtocol(asyncio.StreamReader(limit=limit_bytes, loop=loop), start, loop=loop)

        self._services[protocol] = _Service(make, max_per_peer, is_long_lived)

    def set_factory(
        self,
        protocol: str,
        factory: Callable[[], asyncio.BaseProtocol],
        *,
        max_per_peer: int | None = None,
        is_long_lived: bool = False,
    ) -> None:
        """Each stream gets a protocol of asyncio."""
        self._services[protocol] = _Service(factory, max_per_peer, is_long_lived)

    def remove(self, protocol: str) -> bool:
        """Streams that are open go on. False: it was not spoken."""
        return self._services.pop(protocol, None) is not None

    def serve(self, connection: HostConnection, layer: Layer, protocol: str) -> asyncio.BaseProtocol:
        """What stands above a stream of a peer.

        Raises:
            LimitReachedError: the peer has as many of these as it may have.
        """
        service = self._services[protocol]
        if service.max_per_peer is not None:
            key = (connection.peer_id, protocol)
            in_use = self._open.get(key, 0)
            if in_use >= service.max_per_peer:
                refusal = Refusal(
                    limit="max_per_peer",
                    scope=str(connection.peer_id),
                    what=f"streams of {protocol}",
                    in_use=in_use,
                    most=service.max_per_peer,
                )
                raise LimitReachedError(refusal)
            self._open[key] = in_use + 1
            layer.hold(_Place(self._open, key))
        if service.is_long_lived:
            connection.keeping.forget(layer)
        return service.make()

    async def _run(self, handler: StreamHandler, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        except (OSError, EOFError, TransferError):
            writer.transport.abort()  # the peer broke off, or the rules
        except Exception as error:  # noqa: BLE001  # a handler may raise anything, and other streams go on
            writer.transport.abort()
            context = {"message": f"the handler of {writer.get_extra_info('protocol')} failed", "exception": error}
            asyncio.get_running_loop().call_exception_handler(context)
        else:
            writer.close()


class _Place:
    """An `Entry` of a stream that counts."""

    def __init__(self, counts: dict[tuple[PeerId, str], int], key: tuple[PeerId, str]) -> None:
        self._counts = counts
        self._key: tuple[PeerId, str] | None = key

    def attach(self, transport: asyncio.Transport) -> None:
        """As `Entry.attach`: nobody ends it."""

    def leave(self) -> None:
        """As `Entry.leave`."""
        key, self._key = self._key, None
        if key is not None:
            left = self._counts[key] - 1
            if left:
                self._counts[key] = left
            else:
                del self._counts[key]
