"""A server that has the files of a torrent, as one more peer of its swarm (BEP 19).

To the swarm a web seed is a peer that takes pieces back when a file proves to be bad (BEP 54) and speaks the fast
extension (BEP 6): the two are connected in memory.
So everything that holds for peers holds for it: rarest first, end-game, rate limits, blame for wrong data, statistics.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing, suppress

import aiohttp

from bittorrent.aio.peers.peer_connection import PeerConnection
from bittorrent.aio.sources.guarded_http import GuardedHttp
from bittorrent.aio.sources.http_proxy import RefusedError
from bittorrent.errors import WebSeedError
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.origin import ServerUrl
from bittorrent.peer.config import PeerConfig
from bittorrent.peer.core import PeerCore
from bittorrent.pieces.block import Block
from bittorrent.web_seed.core import WebFiles, WebRange, WebSeedConfig, WebSeedSchedule, check_answer, take_run
from bittorrent.web_seed.files import ServedFiles
from bittorrent.wire.handshake import Handshake
from transfer.address import Address
from transfer.aio.memory_stream import MemoryConfig, stream_pair


class WebSeed:
    """One server: asks it for what the swarm asks of a peer.

    Args:
        public_only: it must not lead to a private address.
        schedule: when to leave it alone.
        served: which files it has.
        is_needed: whether anything of these pieces is wanted.
        on_found: told when it has shown to have a file.

    Invariants:
        each request that was taken off the queue gets its block or a reject
        the swarm knows the pieces of `served.have`
    """

    def __init__(
        self,
        url: str,
        metainfo: Metainfo,
        *,
        public_only: bool,
        http: GuardedHttp,
        schedule: WebSeedSchedule,
        served: ServedFiles,
        is_needed: Callable[[range], bool],
        on_found: Callable[[], object],
        peer_id: bytes,
        config: WebSeedConfig,
    ) -> None:
        self.address = ServerUrl(url)
        self._files = WebFiles(url, metainfo)
        self._geometry = metainfo.geometry
        self._handshake = Handshake(
            info_hash=metainfo.info_hash,
            peer_id=peer_id,
            supports_extensions=True,  # to take pieces back (BEP 54)
            supports_dht=False,
            supports_fast=True,
        )
        self._public_only = public_only
        self._http = http
        self._schedule = schedule
        self._served = served
        self._is_needed = is_needed
        self._on_found = on_found
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._lost = asyncio.Event()
        self._files_changed = asyncio.Event()
        self._connection: PeerConnection | None = None
        self.must_connect_anew = False  # so much has changed that one bitfield says it sooner
        self._retry_after_s: float | None = None
        self._next_suggestion = 0

    async def run(self, new_connection: Callable[[ServerUrl], PeerConnection]) -> None:
        """Serves until the swarm ends the connection, or the server proves to be of no use.

        Args:
            new_connection: makes the swarm's end, once the server has shown that it has a file.
        """
        if not await self._probe():
            return
        connection = self._connection = self._connect(new_connection(self.address))
        workers = [self._loop.create_task(self._serve(connection)) for _ in range(self._config.requests)]
        workers.append(self._loop.create_task(self._revive(connection)))
        try:
            await self._lost.wait()
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.wait(workers)
            connection.abort()
        for worker in workers:
            if not worker.cancelled():
                worker.result()

    def spoilt(self, piece: int) -> None:
        """A piece from here has a wrong hash."""
        lost = self._served.spoilt(piece, now=self._loop.time())
        if self._connection is not None:
            self._take_back(lost, self._connection)

    # ConnectionOwner of our end

    def connection_opened(self, connection: PeerConnection) -> None:
        """The swarm's handshake follows."""

    def connection_received(self, connection: PeerConnection, size: int) -> None:
        core = connection.core
        is_first = core.remote is None
        core.buffer_updated(size, now=self._loop.time())
        if is_first and core.remote is not None:
            core.welcome(self._handshake)
            core.set_geometry(self._geometry)
            core.extended.is_upload_only = True
            core.introduce(have=self._served.have, listen_port=None, dht_port=None)
            core.set_choking(False)
        while core.next_event() is not None:
            pass  # what the swarm has, and whether it is interested, does not matter here
        if core.upload_queue:
            self._suggest_after(core.upload_queue[-1].piece, core)
        connection.flush()
        self._wake()

    def connection_writable(self, connection: PeerConnection) -> None:
        self._wake()

    def connection_lost(self, connection: PeerConnection) -> None:
        self._lost.set()
        self._wake()

    def _suggest_after(self, piece: int, core: PeerCore) -> None:
        """Asks to be asked for what follows: neighbouring pieces take one request to the server instead of many."""
        end = min(piece + 1 + PIECES_AHEAD, self._geometry.piece_count)
        first = self._next_suggestion if piece < self._next_suggestion <= end else piece + 1
        for index in range(first, end):
            if index in self._served.have:
                core.suggest(index)
        self._next_suggestion = end

    def _connect(self, theirs: PeerConnection) -> PeerConnection:
        ours = PeerConnection(self, handshake=None, config=_PEER)
        context = contextvars.copy_context()
        ends = stream_pair(Address("swarm", 0), Address("server", 0), context, _STREAM, lambda stream: None)
        for stream, protocol in zip(ends, (theirs, ours), strict=True):
            stream.start(protocol)
        return ours

    # Work

    async def _probe(self) -> bool:
        """Whether the server has any of the files; asked for as long as it may still get one."""
        missing = 0
        while not self._schedule.is_dropped:
            await self._wait_until(self._schedule.retry_at)
            self._served.forgiven(now=self._loop.time())
            number = self._served.due(now=self._loop.time())
            is_retry = number is not None
            if number is None:
                number = self._served.next_to_probe(self._is_needed)
            if number is None or missing >= self._config.max_probes:
                self._schedule.drop(self._served.problem or "it has none of the files")
                return False
            error = await self._look_for(number)
            if error is None:
                if is_retry:
                    self._served.recovered(number, now=self._loop.time())
                self._schedule.succeeded()
                self._on_found()
                return True
            missing += error.is_final or is_retry
            if is_retry:
                self._served.failed_again(number, error, now=self._loop.time())
            elif error.is_final:
                self._served.failed(number, error, now=self._loop.time())
            if not error.is_final:
                self._failed(error)
        return False

    async def _look_for(self, number: int) -> WebSeedError | None:
        """Whether the server has a file, by one byte of it; what is wrong if it has not."""
        try:
            async with aclosing(self._read(self._files.probe(number))) as chunks:
                async for _ in chunks:
                    pass
        except WebSeedError as error:
            return error
        return None

    async def _revive(self, connection: PeerConnection) -> None:
        """Looks for bad files again, when their time has come and something of them is needed; not many at once."""
        not_before = 0.0
        while True:
            due = self._served.next_timer()
            self._files_changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout_at(None if due is None else max(due, not_before, self._loop.time())):
                    await self._files_changed.wait()
                continue
            connection.core.announce_many(self._served.forgiven(now=self._loop.time()))
            connection.flush()
            number = self._served.due(now=self._loop.time())
            if number is None:
                continue
            not_before = self._loop.time() + self._config.backoff_s
            if not self._is_needed(self._served.pieces_of(number)):
                self._served.postpone(number, now=self._loop.time())
                continue
            error = await self._look_for(number)
            if error is not None:
                self._served.failed_again(number, error, now=self._loop.time())
                continue
            regained = self._served.recovered(number, now=self._loop.time())
            if len(regained) > MAX_CHANGES:
                self._connect_anew(connection)
                return
            connection.core.announce_many(regained)
            connection.flush()

    async def _serve(self, connection: PeerConnection) -> None:
        queue = connection.core.upload_queue
        while not self._lost.is_set():
            if not queue or connection.core.am_choking or not connection.is_writable:
                self._changed.clear()
                await self._changed.wait()
                continue
            run = take_run(queue, self._geometry, max_bytes=self._config.max_request_bytes)
            try:
                await self._fetch(run, connection)
                self._schedule.succeeded()
            except _FileError as failure:
                connection.core.reject(run)
                await self._note_failure(failure, connection)
            except asyncio.CancelledError:
                connection.core.reject(run)
                raise

    async def _note_failure(self, failure: _FileError, connection: PeerConnection) -> None:
        """Only what may be the server's fault keeps it from giving the other files."""
        lost = self._served.failed(failure.file, failure.error, now=self._loop.time())
        if self._served.is_bad(failure.file):
            self._take_back(lost, connection)
        else:
            self._failed(failure.error)
            await self._pause(connection)

    def _connect_anew(self, connection: PeerConnection) -> None:
        self.must_connect_anew = True
        self._loop.call_soon(connection.abort)

    def _take_back(self, lost: Iterable[int], connection: PeerConnection) -> None:
        """The server does not have these pieces any more, and perhaps none at all."""
        core = connection.core
        gone = set(lost)
        if len(gone) > MAX_CHANGES and not self._served.is_useless:
            self._connect_anew(connection)
            return
        queue = core.upload_queue
        refused = [block for block in queue if block.piece in gone]
        for block in refused:
            queue.remove(block)
        core.reject(refused)
        for index in sorted(gone):
            core.announce_lost(index)
        if self._served.is_useless:
            self._schedule.drop(self._served.problem or "it has none of the files")
        connection.flush()
        self._files_changed.set()
        if self._schedule.is_dropped:
            self._loop.call_soon(connection.abort)

    async def _pause(self, connection: PeerConnection) -> None:
        """Others are asked meanwhile."""
        connection.core.set_choking(True)
        connection.flush()
        await self._wait_until(self._schedule.retry_at)
        connection.core.set_choking(False)
        connection.flush()

    async def _fetch(self, run: list[Block], connection: PeerConnection) -> None:
        """Answers the requests of a run in order, and takes them out of it."""
        first = run[0]
        offset = self._geometry.offset_of(first.piece, first.begin)
        buffer = bytearray()
        for part in self._files.ranges(offset, sum(block.length for block in run)):
            async with aclosing(self._read_part(part)) as chunks:
                async for chunk in chunks:
                    buffer += chunk
                    while run and len(buffer) >= run[0].length:
                        block = run.pop(0)
                        connection.core.send_block(block, bytes(buffer[: block.length]))
                        del buffer[: block.length]
                    connection.flush()
                    while not connection.is_writable and not self._lost.is_set():
                        self._changed.clear()
                        await self._changed.wait()

    async def _read_part(self, wanted: WebRange) -> AsyncGenerator[bytes, None]:
        """As `_read`, but the error tells which file it is about."""
        try:
            async with aclosing(self._read(wanted)) as chunks:
                async for chunk in chunks:
                    if chunk and wanted.url is not None:
                        self._served.fetched(wanted.file)
                    yield chunk
        except WebSeedError as error:
            raise _FileError(wanted.file, error) from error

    async def _read(self, wanted: WebRange) -> AsyncGenerator[bytes, None]:
        """Exactly the bytes of a range.

        Raises:
            WebSeedError: the server gave something else, or nothing.
        """
        if wanted.url is None:
            yield bytes(wanted.length)
            return
        left = wanted.length
        while left:
            rest = wanted._replace(start=wanted.start + wanted.length - left, length=left)
            async with aclosing(self._answer(rest, wanted.url)) as chunks:
                async for chunk in chunks:
                    yield chunk
                    left -= len(chunk)
            if left > max(0, rest.length - MIN_PART_BYTES):
                raise WebSeedError("it ended its answer too early")

    async def _answer(self, wanted: WebRange, url: str) -> AsyncGenerator[bytes, None]:
        """As `_read`, but servers may send less than they are asked for."""
        left = wanted.length
        headers = {"Range": f"bytes={wanted.start}-{wanted.start + wanted.length - 1}"}
        try:
            async with self._http.get(url, headers=headers, public_only=self._public_only) as response:
                self._note_retry_after(response)
                skipped = check_answer(
                    wanted,
                    response.status,
                    content_range=response.headers.get("Content-Range"),
                    content_length=response.content_length,
                    content_encoding=response.headers.get("Content-Encoding"),
                    max_skipped_bytes=self._config.max_skipped_bytes,
                )
                async for chunk in response.content.iter_any():
                    if skipped:
                        chunk, skipped = chunk[skipped:], max(0, skipped - len(chunk))
                    yield chunk[:left]
                    left -= min(left, len(chunk))
                    if not left:
                        break
        except WebSeedError:
            raise
        except RefusedError as error:
            raise WebSeedError(str(error), is_final=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise WebSeedError(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}") from error
        if left and response.status == 200:  # an answer that ends in order is the whole file
            raise WebSeedError(f"its file is shorter than the {wanted.file_length} bytes of the torrent", is_final=True)

    def _note_retry_after(self, response: aiohttp.ClientResponse) -> None:
        self._retry_after_s = None
        text = response.headers.get("Retry-After", "")
        if response.status in (429, 503) and text.isdecimal() and len(text) < 10:
            self._retry_after_s = float(text)

    def _failed(self, error: WebSeedError) -> None:
        self._schedule.failed(error, now=self._loop.time(), retry_after_s=self._retry_after_s)
        self._retry_after_s = None

    async def _wait_until(self, time: float) -> None:
        """Waits, but not longer than the swarm wants anything."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(max(time, self._loop.time())):
                await self._lost.wait()

    def _wake(self) -> None:
        self._changed.set()


class _FileError(Exception):
    """A file was not given as it should be."""

    def __init__(self, file: int, error: WebSeedError) -> None:
        super().__init__(str(error))
        self.file = file
        self.error = error


_PEER = PeerConfig(client="web seed", silence_timeout_s=1e9, keep_alive_s=60.0)
_STREAM = MemoryConfig(window_bytes=1 << 20, read_bytes=1 << 20)
PIECES_AHEAD = 32
MIN_PART_BYTES = 4096  # of a range, in one answer
MAX_CHANGES = 500  # pieces, told one by one
