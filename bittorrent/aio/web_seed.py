"""A server that has the files of a torrent, as one more peer of its swarm (BEP 19).

To the swarm a web seed is a peer that has everything and speaks the fast extension: the two are connected in memory.
So everything that holds for peers holds for it: rarest first, end-game, rate limits, blame for wrong data, statistics.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing, suppress
from random import Random

import aiohttp

from bittorrent.aio.guarded_http import GuardedHttp, RefusedError
from bittorrent.aio.peer_connection import PeerConnection
from bittorrent.errors import WebSeedError
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.peer import PeerCore
from bittorrent.peer_config import PeerConfig
from bittorrent.picker.bitfield import Bitfield
from bittorrent.picker.geometry import Block, Geometry
from bittorrent.urls import is_http
from bittorrent.web_seed import WebFiles, WebRange, WebSeedConfig, WebSeedSchedule, check_answer, take_run
from bittorrent.wire.handshake import Handshake
from transfer.address import Address
from transfer.aio.memory_stream import MemoryConfig, stream_pair
from transfer.aio.tasks import TaskSet


class WebSeeds:
    """The web seeds of one torrent.

    Args:
        urls: of the servers.
        typed: those of them that the user gave; others must not lead to private addresses.
        http: makes the requests; it stays the caller's.
        new_connection: the swarm's end of a connection.
        is_banned: whether the swarm caught a server lying, by its URL as an address.
        is_wanted: whether anything is left to be fetched.
        rng: for peer ids.
        tasks: where they run; an error there stops the torrent.
    """

    def __init__(
        self,
        urls: Sequence[str],
        metainfo: Metainfo,
        *,
        typed: Collection[str],
        http: GuardedHttp,
        new_connection: Callable[[], PeerConnection],
        is_banned: Callable[[Address], bool],
        is_wanted: Callable[[], bool],
        rng: Random,
        tasks: TaskSet,
        config: WebSeedConfig,
    ) -> None:
        self.dropped: dict[str, str] = {}
        self._waiting = [url for url in dict.fromkeys(urls) if is_http(url)]
        self._running: dict[str, asyncio.Task[None]] = {}
        self._schedules: dict[str, WebSeedSchedule] = {}
        self._metainfo = metainfo
        self._typed = typed
        self._http = http
        self._new_connection = new_connection
        self._is_banned = is_banned
        self._is_wanted = is_wanted
        self._rng = rng
        self._tasks = tasks
        self._config = config

    def __len__(self) -> int:
        """How many are in use or may be yet."""
        return len(self._waiting) + len(self._running)

    @property
    def errors(self) -> dict[str, str]:
        """What is wrong with each server that gives nothing now."""
        current = {url: schedule.last_error for url, schedule in self._schedules.items()}
        return {**{url: error for url, error in current.items() if error is not None}, **self.dropped}

    def start(self) -> None:
        """Begins with as many as there is room for. To be repeated after `stop`."""
        while self._waiting and len(self._running) < self._config.max_seeds:
            url = self._waiting.pop(0)
            task = self._tasks.start(self._run(url), name=f"web seed {url}")
            if task is not None:
                self._running[url] = task

    def stop(self) -> None:
        """Leaves all servers alone until `start`."""
        for url, task in self._running.items():
            task.cancel()
            self._waiting.append(url)
        self._running.clear()

    async def _run(self, url: str) -> None:
        schedule = self._schedules[url] = WebSeedSchedule(self._config)
        while self._is_wanted() and not schedule.is_dropped:
            seed = WebSeed(
                url,
                self._metainfo,
                public_only=url not in self._typed,
                http=self._http,
                schedule=schedule,
                peer_id=PEER_ID_PREFIX + self._rng.randbytes(12),
                config=self._config,
            )
            await seed.run(self._new_connection)
            if self._is_banned(seed.address):
                schedule.drop("it sent data with a wrong hash")
            elif self._is_wanted() and not schedule.is_dropped:
                await asyncio.sleep(self._config.max_backoff_s)  # the swarm has no room for it
        if schedule.dropped_because is not None:
            self.dropped[url] = schedule.dropped_because
        else:
            self._waiting.append(url)
        self._running.pop(url, None)
        if self._is_wanted():
            self.start()


class WebSeed:
    """One server: asks it for what the swarm asks of a peer.

    Invariants:
        each request that was taken off the queue gets its block or a reject
    """

    def __init__(
        self,
        url: str,
        metainfo: Metainfo,
        *,
        public_only: bool,
        http: GuardedHttp,
        schedule: WebSeedSchedule,
        peer_id: bytes,
        config: WebSeedConfig,
    ) -> None:
        self.address = Address(url, 0)  # a URL is no IP address: nobody takes it for an endpoint to pass on
        self._files = WebFiles(url, metainfo)
        self._geometry = Geometry(metainfo.total_bytes, metainfo.piece_length)
        self._handshake = Handshake(
            info_hash=metainfo.info_hash,
            peer_id=peer_id,
            supports_extensions=False,
            supports_dht=False,
            supports_fast=True,
        )
        self._public_only = public_only
        self._http = http
        self._schedule = schedule
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._lost = asyncio.Event()
        self._retry_after_s: float | None = None
        self._next_suggestion = 0

    async def run(self, new_connection: Callable[[], PeerConnection]) -> None:
        """Serves until the swarm ends the connection, or the server proves to be of no use.

        Args:
            new_connection: makes the swarm's end, once the server has shown that it has the first file.
        """
        if not await self._probe():
            return
        connection = self._connect(new_connection())
        workers = [self._loop.create_task(self._serve(connection)) for _ in range(self._config.requests)]
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
            core.introduce(have=Bitfield.full(self._geometry.piece_count), listen_port=None, dht_port=None)
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
            core.suggest(index)
        self._next_suggestion = end

    def _connect(self, theirs: PeerConnection) -> PeerConnection:
        ours = PeerConnection(self, handshake=None, config=PeerConfig(silence_timeout_s=1e9, keep_alive_s=60.0))
        context = contextvars.copy_context()
        ends = stream_pair(Address("swarm", 0), self.address, context, _STREAM, lambda stream: None)
        for stream, protocol in zip(ends, (theirs, ours), strict=True):
            stream.start(protocol)
        return ours

    # Work

    async def _probe(self) -> bool:
        """Whether the server has the first file; asked for as long as it may still get it."""
        while not self._schedule.is_dropped:
            await self._wait_until(self._schedule.retry_at)
            try:
                async with aclosing(self._read(self._files.first())) as chunks:
                    async for _ in chunks:
                        pass
            except WebSeedError as error:
                self._failed(error)
            else:
                return True
        return False

    async def _serve(self, connection: PeerConnection) -> None:
        queue = connection.core.upload_queue
        while not self._lost.is_set():
            if not queue or connection.core.am_choking or not connection.is_writable:
                self._changed.clear()
                await self._changed.wait()
                continue
            run = take_run(queue, piece_length=self._geometry.piece_length, max_bytes=self._config.max_request_bytes)
            try:
                await self._fetch(run, connection)
                self._schedule.succeeded()
            except WebSeedError as error:
                self._failed(error)
                connection.core.reject(run)
                await self._pause(connection)
            except asyncio.CancelledError:
                connection.core.reject(run)
                raise

    async def _pause(self, connection: PeerConnection) -> None:
        """Others are asked meanwhile."""
        connection.core.set_choking(True)
        connection.flush()
        if self._schedule.is_dropped:
            connection.abort()
            return
        await self._wait_until(self._schedule.retry_at)
        connection.core.set_choking(False)
        connection.flush()

    async def _fetch(self, run: list[Block], connection: PeerConnection) -> None:
        """Answers the requests of a run in order, and takes them out of it."""
        first = run[0]
        offset = first.piece * self._geometry.piece_length + first.begin
        buffer = bytearray()
        for part in self._files.ranges(offset, sum(block.length for block in run)):
            async with aclosing(self._read(part)) as chunks:
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

    async def _read(self, wanted: WebRange) -> AsyncGenerator[bytes, None]:
        """Exactly the bytes of a range.

        Raises:
            WebSeedError: the server gave something else, or nothing.
        """
        if wanted.url is None:
            yield bytes(wanted.length)
            return
        left = wanted.length
        headers = {"Range": f"bytes={wanted.start}-{wanted.start + wanted.length - 1}"}
        try:
            async with self._http.get(wanted.url, headers=headers, public_only=self._public_only) as response:
                self._note_retry_after(response)
                check_answer(
                    wanted,
                    response.status,
                    content_range=response.headers.get("Content-Range"),
                    content_length=response.content_length,
                    content_encoding=response.headers.get("Content-Encoding"),
                )
                async for chunk in response.content.iter_any():
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
        if left:
            raise WebSeedError("it ended its answer too early")

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


_STREAM = MemoryConfig(window_bytes=1 << 20, read_bytes=1 << 20)
PIECES_AHEAD = 32
PEER_ID_PREFIX = b"-WEB000-"
