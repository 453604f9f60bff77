"""The asyncio side of one connection, on a pair of sockets whose other end the test holds."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress

import pytest

from bittorrent.aio.peers.peer_connection import MAX_WATERMARK_BYTES, MIN_WATERMARK_BYTES, PeerConnection
from bittorrent.peer.config import PeerConfig
from bittorrent.pieces.block import Block
from bittorrent.wire.handshake import HANDSHAKE_SIZE, Handshake
from transfer.address import Address

pytestmark = pytest.mark.every_event_loop

OURS = Handshake(info_hash=bytes(20), peer_id=b"-KC0100-ours--------")
THEIRS = Handshake(info_hash=bytes(20), peer_id=b"-KC0100-theirs------")


class Owner:
    """Notes what it is told; lets the core read."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.lost = asyncio.Event()
        self.received = asyncio.Event()
        self.writable = asyncio.Event()

    def connection_opened(self, connection: PeerConnection) -> None:
        self.calls.append("opened")

    def connection_received(self, connection: PeerConnection, size: int) -> None:
        connection.core.buffer_updated(size, now=asyncio.get_running_loop().time())
        self.received.set()

    def connection_writable(self, connection: PeerConnection) -> None:
        self.writable.set()

    def connection_lost(self, connection: PeerConnection) -> None:
        self.calls.append("lost")
        self.lost.set()


@asynccontextmanager
async def connected(
    *, handshake: Handshake | None = OURS
) -> AsyncIterator[tuple[PeerConnection, Owner, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    owner = Owner()
    connection = PeerConnection(owner, handshake=handshake, config=PeerConfig())
    try:
        await asyncio.get_running_loop().create_connection(lambda: connection, sock=ours)
        yield connection, owner, theirs
    finally:
        connection.abort()
        theirs.close()
        if "opened" in owner.calls:
            await soon(owner.lost)
    assert owner.calls == ["opened", "lost"]


async def soon(event: asyncio.Event) -> None:
    async with asyncio.timeout(20):
        await event.wait()


async def read(sock: socket.socket, size: int) -> bytes:
    data = b""
    async with asyncio.timeout(20):
        while len(data) < size:
            part = await asyncio.get_running_loop().sock_recv(sock, min(size - len(data), 1 << 16))
            if not part:
                break
            data += part
    return data


async def test_a_peer_without_an_internet_address_is_a_peer_too() -> None:
    async with connected() as (connection, _, theirs):
        assert connection.core.address == Address("", 0)
        assert await read(theirs, HANDSHAKE_SIZE) == OURS.to_bytes()


async def test_finishing_lets_the_last_words_out() -> None:
    async with connected(handshake=None) as (connection, owner, theirs):
        theirs.send(THEIRS.to_bytes())
        await soon(owner.received)
        connection.core.welcome(OURS)
        connection.finish("enough")
        assert connection.core.closed_because == "enough"
        await soon(owner.lost)
        assert await read(theirs, 1000) == OURS.to_bytes()


async def test_a_connection_that_is_given_up_is_lost_once() -> None:
    async with connected() as (connection, owner, _):
        assert connection.abandon()
        assert owner.calls == ["opened", "lost"]
        assert connection.core.is_closed
        for _ in range(10):
            await asyncio.sleep(0)
        assert not connection.abandon()
        connection.flush()
        connection.abort()
        connection.finish("again")
        assert (connection.room_bytes, connection.unsent_bytes) == (0, 0)


async def test_what_was_never_connected_cannot_be_given_up() -> None:
    owner = Owner()
    connection = PeerConnection(owner, handshake=OURS, config=PeerConfig())
    assert not connection.abandon()
    assert owner.calls == []


async def test_the_end_of_the_peer_is_the_end() -> None:
    async with connected() as (connection, owner, theirs):
        theirs.send(THEIRS.to_bytes())
        theirs.shutdown(socket.SHUT_WR)
        await soon(owner.lost)
        assert connection.core.closed_because == "the peer closed the connection"
        assert connection.core.remote == THEIRS


async def test_a_peer_that_does_not_read_stops_the_writing_and_counts_as_stalled() -> None:
    async with connected() as (connection, owner, theirs):
        assert not connection.is_stalled(5.0, now=0.0)
        while connection.room_bytes:
            connection.core.send_block(Block(0, 0, 16384), bytes(16384))
            connection.flush()
        waiting_bytes = connection.unsent_bytes
        assert MIN_WATERMARK_BYTES < waiting_bytes <= MIN_WATERMARK_BYTES + 2 * 16384
        connection.core.send_block(Block(0, 0, 16384), bytes(16384))
        connection.flush()
        assert connection.unsent_bytes == waiting_bytes
        assert [connection.is_stalled(5.0, now=now) for now in (1.0, 3.0, 5.9, 6.0)] == [False, False, False, True]
        reading = asyncio.create_task(read(theirs, 1 << 30))
        await soon(owner.writable)
        reading.cancel()
        assert connection.unsent_bytes < waiting_bytes
        assert connection.room_bytes > 0
        assert not connection.is_stalled(5.0, now=100.0)


async def test_a_peer_that_takes_nothing_from_the_start_has_its_time_too() -> None:
    """Its time begins with the connection, not with the loop's clock."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    with suppress(BlockingIOError):
        while ours.send(bytes(1 << 16)):
            pass
    owner = Owner()
    connection = PeerConnection(owner, handshake=OURS, config=PeerConfig())
    await asyncio.get_running_loop().create_connection(lambda: connection, sock=ours)
    try:
        while connection.room_bytes:
            connection.core.send_block(Block(0, 0, 16384), bytes(16384))
            connection.flush()
        assert not connection.is_writable
        assert connection.unsent_bytes == connection.written_bytes
        opened_at = connection.core.opened_at
        stalled = [connection.is_stalled(5.0, now=opened_at + after_s) for after_s in (4.75, 5.25)]
        assert stalled == [False, True]
    finally:
        connection.abort()
        theirs.close()
        await soon(owner.lost)


async def test_a_transport_that_closes_itself_has_no_room() -> None:
    """Nobody who writes as long as there is room writes for ever: `connection_lost` comes from the event loop only."""
    async with connected() as (connection, _, _):
        assert connection.room_bytes
        connection.abort()
        assert connection.room_bytes == 0


class NeverPauses(asyncio.Transport):
    """Keeps all that is written, and pauses only when its limits are set: `writelines` of Python 3.12 and 3.13."""

    def __init__(self, protocol: asyncio.Protocol | PeerConnection) -> None:
        super().__init__()
        self._protocol = protocol
        self.size = 0

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.size += sum(map(len, list_of_data))

    def get_write_buffer_size(self) -> int:
        return self.size

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is not None and self.size > high:
            self._protocol.pause_writing()

    def is_closing(self) -> bool:
        return False


async def test_what_waits_is_bounded_where_writelines_never_pauses() -> None:
    connection = PeerConnection(Owner(), handshake=OURS, config=PeerConfig())
    transport = NeverPauses(connection)
    connection.connection_made(transport)
    for _ in range(100):
        if not connection.room_bytes:
            break
        connection.core.send_block(Block(0, 0, 16384), bytes(16384))
        connection.flush()
    assert MIN_WATERMARK_BYTES < transport.size < MIN_WATERMARK_BYTES + 2 * 16384
    assert not connection.is_writable


async def test_how_much_may_wait_follows_the_rate_within_bounds() -> None:
    async with connected() as (connection, _, _):
        assert connection.room_bytes <= MIN_WATERMARK_BYTES
        connection.set_watermark(1 << 30)
        assert MAX_WATERMARK_BYTES - 1000 < connection.room_bytes <= MAX_WATERMARK_BYTES
        connection.set_watermark(0)
        assert 0 < connection.room_bytes <= MIN_WATERMARK_BYTES
