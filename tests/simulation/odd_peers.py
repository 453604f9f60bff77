"""Peers played by hand, each odd in one way: silent, half dead, slow, teasing, lying about pieces or metadata."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from enum import Enum, auto
from typing import Any, Self

from bittorrent.pieces.block import Block
from bittorrent.wire import messages as wire
from bittorrent.wire.extended import UT_METADATA, ExtendedHandshake
from bittorrent.wire.handshake import HANDSHAKE_SIZE, Handshake
from bittorrent.wire.metadata import (
    MetadataData,
    MetadataReject,
    MetadataRequest,
    answer_request,
    decode_metadata,
    encode_metadata,
)
from tests.simulation.content_sessions import PORT
from tests.simulation.shared_content import SharedContent
from transfer.simulation import Simulation


class Manner(Enum):
    """How a peer treats whoever wants pieces of it. All but the empty one claim to have everything."""

    HONEST = auto()
    MUTE = auto()  # takes the connection and says nothing at all
    CHOKES = auto()  # for ever
    PROMISES = auto()  # unchokes, and that is all
    HALF_A_BLOCK = auto()  # then silence
    DRIPS = auto()  # a block, a byte a second
    SLOW = auto()  # a block in twenty seconds
    LATE = auto()  # every answer after minutes
    TEASES = auto()  # unchokes and chokes in turn, and sends nothing
    REFUSES = auto()  # rejects each request
    LEAVES = auto()  # after a block
    RESTS = auto()  # for minutes, after some blocks
    EMPTY = auto()  # has nothing
    LIES = auto()  # about every byte


class Metadata(Enum):
    """How it treats whoever wants metadata of it."""

    HONEST = auto()
    WITHOUT = auto()  # does not offer any
    TOO_SHORT = auto()  # says a size that is too small, and sends as much
    TOO_LONG = auto()  # says a size that is too large, and fills it up
    ENORMOUS = auto()  # says two gigabytes
    WRONG = auto()  # the right size, other bytes
    SILENT = auto()
    REJECTS = auto()
    DRIPS = auto()  # a piece in fourteen seconds
    WRONG_TOTAL = auto()  # honest, but for the size in each answer: such clients exist


class OddPeer:
    """Listens on its own host, and dials if it is told to.

    Attributes:
        sent_blocks: whole ones.
        connections: that there ever were.
    """

    def __init__(
        self,
        simulation: Simulation,
        host: str,
        content: SharedContent,
        manner: Manner = Manner.HONEST,
        metadata: Metadata = Metadata.HONEST,
    ) -> None:
        self.host = host
        self.manner = manner
        self.metadata = metadata
        self.sent_blocks = 0
        self.connections = 0
        self._simulation = simulation
        self._content = content
        self._info = content.metainfo.info_bytes
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        with self._simulation.host(self.host):
            self._server = await asyncio.start_server(self._accept, self.host, PORT)
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def dial(self, host: str) -> None:
        """Connects to somebody instead of waiting for it."""
        with self._simulation.host(self.host):
            reader, writer = await asyncio.open_connection(host, PORT)
            self._start(reader, writer)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._start(reader, writer)

    def _start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.get_running_loop().create_task(_Conversation(self, reader, writer).hold())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: writer.transport.abort())  # also when it was cancelled before it began


class _Conversation:
    def __init__(self, peer: OddPeer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._peer = peer
        self._content = peer._content
        self._reader = reader
        self._writer = writer
        self._waiting: asyncio.Queue[Callable[[], Coroutine[Any, Any, None]]] = asyncio.Queue()
        self._ut_metadata = 0
        self._blocks = 0

    async def hold(self) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                work = [group.create_task(self._do()), group.create_task(self._tease())]
                await self._listen()
                for task in work:
                    task.cancel()
        except* (ConnectionError, asyncio.IncompleteReadError, _GoneError):
            pass

    async def _listen(self) -> None:
        peer, info_hash = self._peer, self._content.metainfo.info_hash
        if peer.manner is Manner.MUTE:
            await self._reader.read()
            return
        name = f"-XX0000-{peer.host}".encode().ljust(20, b"-")
        self._writer.write(Handshake(info_hash=info_hash, peer_id=name, supports_fast=True).to_bytes())
        await self._reader.readexactly(HANDSHAKE_SIZE)
        self._say(wire.HaveNone() if peer.manner is Manner.EMPTY else wire.HaveAll())
        self._say(wire.Extended(0, self._offer().to_bytes()))
        if peer.manner not in (Manner.CHOKES, Manner.EMPTY, Manner.TEASES):
            self._say(wire.Unchoke())
        while True:
            size = int.from_bytes(await self._reader.readexactly(4), "big")
            self._hear(wire.decode_message(await self._reader.readexactly(size)))

    def _hear(self, message: wire.Message) -> None:
        match message:
            case wire.Extended(0, payload):
                self._ut_metadata = ExtendedHandshake.from_bytes(payload).extensions.get(UT_METADATA, 0)
            case wire.Extended(_, payload):
                asked = decode_metadata(payload)
                if isinstance(asked, MetadataRequest):
                    self._waiting.put_nowait(lambda: self._inform(asked.index))
            case wire.Request(block):
                self._waiting.put_nowait(lambda: self._answer(block))

    async def _do(self) -> None:
        while True:
            await (await self._waiting.get())()
            await self._writer.drain()

    # Pieces

    async def _answer(self, block: Block) -> None:
        start = block.piece * self._content.metainfo.piece_length + block.begin
        data = self._content.data[start : start + block.length]
        frame = wire.encode_message(wire.Piece(block.piece, block.begin, data))
        match self._peer.manner:
            case Manner.CHOKES | Manner.PROMISES | Manner.TEASES | Manner.EMPTY:
                return
            case Manner.HALF_A_BLOCK:
                self._writer.write(frame[: len(frame) // 2])
                await asyncio.sleep(FOR_EVER_S)
            case Manner.DRIPS:
                for byte in frame:
                    self._writer.write(bytes((byte,)))
                    await asyncio.sleep(1.0)
            case Manner.REFUSES:
                self._say(wire.RejectRequest(block))
                return
            case Manner.LIES:
                frame = frame[:-1] + bytes((frame[-1] ^ 1,))
            case Manner.SLOW:
                await asyncio.sleep(20.0)
            case Manner.LATE:
                await asyncio.sleep(180.0)
            case Manner.LEAVES if self._blocks:
                raise _GoneError
            case Manner.RESTS if self._blocks % 4 == 3:
                await asyncio.sleep(240.0)
        self._writer.write(frame)
        self._blocks += 1
        self._peer.sent_blocks += 1

    async def _tease(self) -> None:
        while self._peer.manner is Manner.TEASES:
            await asyncio.sleep(3.0)
            self._say(wire.Unchoke())
            await asyncio.sleep(3.0)
            self._say(wire.Choke())

    # Metadata

    def _offer(self) -> ExtendedHandshake:
        size = len(self._peer._info)
        sizes = {Metadata.TOO_SHORT: size - 1, Metadata.TOO_LONG: size + 1, Metadata.ENORMOUS: 1 << 31}
        if self._peer.metadata is Metadata.WITHOUT:
            return ExtendedHandshake()
        return ExtendedHandshake(extensions={UT_METADATA: 7}, metadata_size=sizes.get(self._peer.metadata, size))

    async def _inform(self, index: int) -> None:
        info = self._peer._info
        match self._peer.metadata:
            case Metadata.SILENT:
                return
            case Metadata.REJECTS:
                self._tell(MetadataReject(index))
                return
            case Metadata.TOO_SHORT:
                info = info[:-1]
            case Metadata.TOO_LONG:
                info += b"e"
            case Metadata.WRONG:
                info = info[:-1] + b"x"
            case Metadata.DRIPS:
                await asyncio.sleep(14.0)
        answer = answer_request(info, index)
        if self._peer.metadata is Metadata.WRONG_TOTAL and isinstance(answer, MetadataData):
            answer = MetadataData(index, answer.data, len(answer.data))
        self._tell(answer)

    def _tell(self, message: MetadataData | MetadataReject) -> None:
        self._say(wire.Extended(self._ut_metadata, encode_metadata(message)))

    def _say(self, message: wire.Message) -> None:
        self._writer.write(wire.encode_message(message))


class _GoneError(Exception):
    """The peer hangs up."""


FOR_EVER_S = 1e6
