"""The web seeds of a torrent: which are in use, which wait for their turn, and what is wrong with the others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from random import Random

from bittorrent.aio.peers.peer_connection import PeerConnection
from bittorrent.aio.sources.guarded_http import GuardedHttp
from bittorrent.aio.sources.web_seed import WebSeed
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.origin import ServerUrl
from bittorrent.urls import is_http
from bittorrent.web_seed.core import WebSeedConfig, WebSeedSchedule
from bittorrent.web_seed.files import WRONG_HASH, ServedFiles
from transfer.aio.tasks import TaskSet


class WebSeeds:
    """The web seeds of one torrent.

    A server that has none of the files makes room for another one, and is tried again later.

    Args:
        urls: of the servers.
        typed: those of them that the user gave; others must not lead to private addresses.
        http: makes the requests; it stays the caller's.
        new_connection: the swarm's end of a connection.
        is_banned: whether the swarm will have nothing to do with a server.
        is_wanted: whether anything is left to be fetched.
        is_needed: whether anything of these pieces is.
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
        new_connection: Callable[[ServerUrl], PeerConnection],
        is_banned: Callable[[ServerUrl], bool],
        is_wanted: Callable[[], bool],
        is_needed: Callable[[range], bool],
        rng: Random,
        tasks: TaskSet,
        config: WebSeedConfig,
    ) -> None:
        self.dropped: dict[str, str] = {}
        self._waiting = [url for url in dict.fromkeys(urls) if is_http(url)]
        self._running: dict[str, asyncio.Task[None]] = {}
        self._seeds: dict[str, WebSeed] = {}  # those that serve now
        self._schedules: dict[str, WebSeedSchedule] = {}
        self._files: dict[str, ServedFiles] = {}
        self._metainfo = metainfo
        self._typed = typed
        self._http = http
        self._new_connection = new_connection
        self._is_banned = is_banned
        self._is_wanted = is_wanted
        self._is_needed = is_needed
        self._rng = rng
        self._tasks = tasks
        self._config = config
        self._is_stopped = True
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        """How many are in use or may be yet."""
        return len(self._waiting) + len(self._running)

    @property
    def errors(self) -> dict[str, str]:
        """What is wrong with each server that gives nothing now, or not everything."""
        current = {url: schedule.last_error for url, schedule in self._schedules.items()}
        lacking = {url: files.problem for url, files in self._files.items()}
        return {
            **{url: problem for url, problem in lacking.items() if problem is not None},
            **{url: error for url, error in current.items() if error is not None},
            **self.dropped,
        }

    def start(self) -> None:
        """Begins with as many as there is room for. To be repeated after `stop`."""
        self._is_stopped = False
        while self._waiting and len(self._running) < self._config.max_seeds:
            url = self._waiting.pop(0)
            task = self._tasks.start(self._run(url), name=f"web seed {url}")
            if task is not None:
                self._running[url] = task

    def stop(self) -> None:
        """Leaves all servers alone until `start`."""
        self._is_stopped = True
        for url, task in self._running.items():
            task.cancel()
            self._waiting.append(url)
        self._running.clear()

    def spoilt(self, url: str, piece: int) -> None:
        """A piece from a server has a wrong hash: it is not asked for the file again soon."""
        seed = self._seeds.get(url)
        if seed is not None:
            seed.spoilt(piece)
        elif url in self._files:
            self._files[url].spoilt(piece, now=self._loop.time())

    async def _run(self, url: str) -> None:
        schedule = self._schedules[url] = WebSeedSchedule(self._config)
        files = self._files.setdefault(url, ServedFiles(self._metainfo, self._config))
        while self._is_wanted() and not schedule.is_dropped:
            seed = WebSeed(
                url,
                self._metainfo,
                public_only=url not in self._typed,
                http=self._http,
                schedule=schedule,
                served=files,
                is_needed=self._is_needed,
                on_found=lambda: self.dropped.pop(url, None),
                peer_id=PEER_ID_PREFIX + self._rng.randbytes(12),
                config=self._config,
            )
            self._seeds[url] = seed
            try:
                await seed.run(self._new_connection)
            finally:
                if self._seeds.get(url) is seed:
                    del self._seeds[url]
            if self._is_banned(seed.address):
                schedule.drop(WRONG_HASH)
            elif not seed.must_connect_anew and self._is_wanted() and not schedule.is_dropped:
                await asyncio.sleep(self._config.max_backoff_s)  # the swarm has no room for it
        self._running.pop(url, None)
        if schedule.dropped_because is None:
            self._waiting.append(url)
        else:
            self.dropped[url] = schedule.dropped_because
            if not files.is_hopeless and not self._is_banned(ServerUrl(url)):
                self._tasks.start(self._rest(url, files), name=f"web seed {url} rests")
        if self._is_wanted():
            self.start()

    async def _rest(self, url: str, files: ServedFiles) -> None:
        """A server that has nothing now may have it later."""
        due = files.next_timer()
        if due is None:
            return
        await asyncio.sleep(max(due - self._loop.time(), self._config.backoff_s))
        self._waiting.append(url)
        if not self._is_stopped and self._is_wanted():
            self.start()


PEER_ID_PREFIX = b"-WEB000-"
