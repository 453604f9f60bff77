"""Announcing to trackers over HTTP and UDP, once or for as long as a torrent lives."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import NamedTuple, Self, TypeVar
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import aiohttp

from bittorrent.aio.sources.guarded_http import GuardedHttp, HttpConfig, read_body
from bittorrent.aio.sources.tracker_names import TrackerNames, TrackerNamesConfig, ask_in_turn
from bittorrent.aio.sources.udp_tracker import UdpTrackers
from bittorrent.config import SessionConfig
from bittorrent.dialling.targets import NamedBy, TargetRule
from bittorrent.errors import TrackerError
from bittorrent.stats import TrackerStats
from bittorrent.tracker.messages import (
    MAX_RESPONSE_BYTES,
    AnnounceRequest,
    AnnounceResponse,
    announce_url,
    parse_response,
    tracker_name,
)
from bittorrent.tracker.schedule import Announce, AnnounceSchedule, ScheduleConfig
from bittorrent.tracker.scrape import MAX_HASHES, ScrapeStats, parse_scrape, scrape_url
from bittorrent.tracker.udp import UdpAnnounce, UdpConfig, UdpScrape
from bittorrent.tracker.udp_exchange import UdpExchange
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.errors import LocalProtocolError
from transfer.proxy.proxy import Proxy
from transfer.reach import Reach

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerConfig:
    """Bounds and times of a `TrackerClient`.

    Attributes:
        announce_timeout_s: for one announcement, everything included; UDP repeats itself within it.
        connect_timeout_s: for one connection to an HTTP tracker.
        max_redirects: of one HTTP announcement.
        max_connections: HTTP announcements at a time; others wait.
        max_questions_per_host: to one tracker at a time. A thousand torrents that start together would lose most of
            their packets over UDP otherwise, and a tracker that is down would keep them from the others over HTTP.
        user_agent: what we call ourselves over HTTP.
        targets: which trackers, and which peers that they name, are left alone.
        names: how name servers are asked which ports trackers prefer (BEP 34); None: they are not. Nor are they where
            there is a proxy, or where the library for that is missing (the `dns` extra).
        proxy: what HTTP goes through.
        proxy_only: nothing goes around it: UDP trackers are asked from ports that go through it, or not at all.
    """

    announce_timeout_s: float = 40.0
    connect_timeout_s: float = 15.0
    max_redirects: int = 5
    max_connections: int = 200
    max_questions_per_host: int = 40
    user_agent: str = "kademlia-core/0.1"
    udp: UdpConfig = field(default_factory=UdpConfig)
    targets: TargetRule = field(default_factory=TargetRule)
    names: TrackerNamesConfig | None = field(default_factory=TrackerNamesConfig)
    proxy: Proxy | None = None
    proxy_only: bool = True

    @property
    def uses_names(self) -> bool:
        """Whether name servers are asked about trackers."""
        return self.names is not None and self.proxy is None

    @classmethod
    def of(cls, config: SessionConfig) -> Self:
        """As a session wants it."""
        targets = TargetRule(allow_private=config.allow_private)
        names = TrackerNamesConfig() if config.tracker_preferences else None
        return cls(targets=targets, names=names, proxy=config.proxy, proxy_only=config.proxy_only)

    def __post_init__(self) -> None:
        if not 0 < self.connect_timeout_s <= self.announce_timeout_s:
            raise ValueError("timeouts must be positive, and connect_timeout_s at most announce_timeout_s")
        if self.max_redirects < 0:
            raise ValueError("max_redirects cannot be negative")
        if min(self.max_connections, self.max_questions_per_host) < 1:
            raise ValueError("max_connections and max_questions_per_host must be at least 1")


class TrackerClient:
    """Announces to any tracker: `http`, `https` and `udp`. To be closed with `aclose`.

    Args:
        config: bounds and times.
        rng: where transaction ids come from; the operating system's when not given.
        datagrams: UDP ports to ask from, at most one of each address family; they stay the caller's.
        on_seen: called with an HTTP tracker's endpoint and the address at which it says it sees us (BEP 24).
    """

    def __init__(
        self,
        *,
        config: TrackerConfig | None = None,
        rng: random.Random | None = None,
        datagrams: Iterable[DatagramPort] = (),
        on_seen: Callable[[Address, str], object] = lambda voter, host: None,
    ) -> None:
        self._config = config or TrackerConfig()
        self._rng = rng or random.SystemRandom()
        self._http: GuardedHttp | None = None
        is_sealed = self._config.proxy is not None and self._config.proxy_only
        self._udp = UdpTrackers(datagrams, only_ports=is_sealed)
        self._on_seen = on_seen
        self._names = TrackerNames(self._config.names) if self._config.uses_names else None
        self._udp_rooms: WeakValueDictionary[tuple[str, int], asyncio.Semaphore] = WeakValueDictionary()
        self._closed = False

    async def announce(
        self, url: str, request: AnnounceRequest, *, named_by: NamedBy = NamedBy.TORRENT
    ) -> AnnounceResponse:
        """Tell the tracker at `url` about us, and learn of peers.

        Args:
            named_by: where the URL is from, which decides whether it may lead to a private address.

        Raises:
            TrackerError: it refused, did not answer in time, answered nonsense, or cannot be asked (unknown scheme).
                The text names the tracker without its path, where passkeys are.
            LocalProtocolError: the client is closed.

        Cancellation: the exchange is dropped; the tracker may have counted us.
        """

        def exchange(url_data: bytes, ipv6: bool) -> UdpAnnounce:
            now = asyncio.get_running_loop().time()
            config = self._config.udp
            return UdpAnnounce(request, url_data=url_data, ipv6=ipv6, rng=self._rng, now=now, config=config)

        response, teller = await self._ask(
            url, lambda place: announce_url(place, request), parse_response, exchange, named_by
        )
        targets = self._config.targets
        peers = tuple(peer for peer in response.peers if targets.believes(peer.host, teller=teller))
        return replace(response, peers=peers)

    async def scrape(
        self, url: str, info_hashes: Sequence[bytes], *, named_by: NamedBy = NamedBy.TORRENT
    ) -> dict[bytes, ScrapeStats]:
        """Ask the tracker at `url`, which is that for announcements, how many peers torrents have (BEP 48).

        Args:
            info_hashes: from 1 to `MAX_HASHES`.
            named_by: as for `announce`.

        Returns:
            Those that the tracker says something about. A UDP tracker says zeros of what it does not know.

        Raises:
            TrackerError, LocalProtocolError: as `announce`; also when the URL is not one that allows it.
        """
        if not 0 < len(info_hashes) <= MAX_HASHES:
            raise LocalProtocolError(f"a tracker can be asked about 1 to {MAX_HASHES} torrents at a time")

        def exchange(url_data: bytes, ipv6: bool) -> UdpScrape:
            now = asyncio.get_running_loop().time()
            return UdpScrape(info_hashes, rng=self._rng, now=now, config=self._config.udp)

        def parse(body: bytes) -> dict[bytes, ScrapeStats]:
            return parse_scrape(body, info_hashes)

        found, _ = await self._ask(url, lambda place: scrape_url(place, info_hashes), parse, exchange, named_by)
        return found

    async def aclose(self) -> None:
        """Close the HTTP connections and leave the UDP ports, which fails what is under way there."""
        self._closed = True
        self._udp.close()
        if self._names is not None:
            await self._names.aclose()
        if self._http is not None:
            await self._http.aclose()

    async def _ask(
        self,
        url: str,
        target: Callable[[str], str],
        parse: Callable[[bytes], T],
        exchange: Callable[[bytes, bool], UdpExchange[T]],
        named_by: NamedBy,
    ) -> tuple[T, Reach]:
        """The answer, and how far away the tracker can be that gave it."""
        if self._closed:
            raise LocalProtocolError("this tracker client is closed")
        try:
            async with asyncio.timeout(self._config.announce_timeout_s):
                is_trusted = self._config.targets.trusts_tracker(url, named_by)
                ask = partial(self._ask_at, target=target, parse=parse, exchange=exchange, public_only=not is_trusted)
                places = await self._names.places_of(url) if self._names is not None else (url,)
                return await ask_in_turn(places, ask, timeout_s=self._config.announce_timeout_s)
        except TrackerError as error:
            raise TrackerError(f"{tracker_name(url)}: {error}", failure_reason=error.failure_reason) from error
        except TimeoutError as error:
            raise TrackerError(f"{tracker_name(url)}: it did not answer in time") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise TrackerError(f"{tracker_name(url)}: {_explain(error)}") from error

    async def _ask_at(
        self,
        url: str,
        *,
        target: Callable[[str], str],
        parse: Callable[[bytes], T],
        exchange: Callable[[bytes, bool], UdpExchange[T]],
        public_only: bool,
    ) -> tuple[T, Reach]:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https"):
            return await self._ask_http(target(url), parse, public_only=public_only)
        if parts.scheme != "udp":
            raise TrackerError("trackers are http, https or udp")
        if not parts.hostname or not parts.port:
            raise TrackerError("a UDP tracker needs a host and a port")
        url_data = (parts.path + (f"?{parts.query}" if parts.query else "")).encode()
        async with self._room_at(parts.hostname, parts.port):
            return await self._udp.ask(parts.hostname, parts.port, partial(exchange, url_data), public_only=public_only)

    def _room_at(self, host: str, port: int) -> asyncio.Semaphore:
        room = self._udp_rooms.get((host, port))
        if room is None:
            room = self._udp_rooms[host, port] = asyncio.Semaphore(self._config.max_questions_per_host)
        return room

    async def _ask_http(self, url: str, parse: Callable[[bytes], T], *, public_only: bool) -> tuple[T, Reach]:
        if self._http is None:
            # The next announcement is half an hour away: no connection is worth keeping.
            config = self._config
            self._http = GuardedHttp(
                HttpConfig(
                    connect_timeout_s=config.connect_timeout_s,
                    read_timeout_s=config.announce_timeout_s,
                    max_redirects=config.max_redirects,
                    max_connections=config.max_connections,
                    max_connections_per_host=config.max_questions_per_host,
                    user_agent=config.user_agent,
                    keeps_alive=False,
                    allow_private=config.targets.allow_private,
                    proxy=config.proxy,
                )
            )
        async with self._http.get(url, headers={"Accept-Encoding": "gzip"}, public_only=public_only) as response:
            body = await read_body(response, max_bytes=MAX_RESPONSE_BYTES)
        if response.status != 200:
            raise _refused(body, response.status)
        answer, server = parse(body), self._http.address_of(response.url)
        if isinstance(answer, AnnounceResponse) and answer.external_ip is not None and server is not None:
            self._on_seen(server, answer.external_ip)
        return answer, self._http.reach_of(response.url)


class TransferTotals(NamedTuple):
    """What a tracker wants to know: bytes sent and received since the torrent started, and bytes still missing."""

    uploaded: int
    downloaded: int
    left: int


class TrackerAnnouncer:
    """Announces one torrent to all its trackers, from `start` until `aclose`.

    Args:
        tiers: announce URLs (BEP 12).
        client: makes the announcements; it stays the caller's.
        named_by: where the URLs are from.
        totals: called for the numbers of each announcement.
        on_peers: called with the endpoints that a tracker named.
        on_names: called with those of them whose host is a name.
        on_warning: called with the URL and the text of a tracker that warns, unless it said so the last time, too.
        port: where we accept peers, or what says so for each announcement.
        stop_timeout_s: how long `aclose` waits for trackers to hear that we leave.
    """

    def __init__(
        self,
        tiers: Sequence[Sequence[str]],
        client: TrackerClient,
        *,
        info_hash: bytes,
        peer_id: bytes,
        port: int | Callable[[], int],
        named_by: NamedBy = NamedBy.TORRENT,
        totals: Callable[[], TransferTotals],
        on_peers: Callable[[Sequence[Address]], object],
        on_names: Callable[[Sequence[tuple[str, int]]], object] = lambda names: None,
        on_warning: Callable[[str, str], object] = lambda url, text: None,
        config: ScheduleConfig | None = None,
        stop_timeout_s: float = 2.0,
        rng: random.Random | None = None,
    ) -> None:
        self.last_error: str | None = None
        self._client = client
        self._info_hash = info_hash
        self._peer_id = peer_id
        self._port = port
        self._named_by = named_by
        self._totals = totals
        self._on_peers = on_peers
        self._on_names = on_names
        self._on_warning = on_warning
        self.warnings: dict[str, str] = {}  # what trackers said last, by their URLs
        self._stop_timeout_s = stop_timeout_s
        rng = rng or random.SystemRandom()
        self._key = rng.getrandbits(32)
        self._loop = asyncio.get_running_loop()
        self._schedule = AnnounceSchedule(tiers, rng=rng, now=self._loop.time(), config=config or ScheduleConfig())
        self._changed = asyncio.Event()
        self._announced = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin. A second call does nothing."""
        if self._task is None:
            self._task = self._loop.create_task(self._run(), name=f"trackers {self._info_hash.hex()}")

    def completed(self) -> None:
        """The download is complete: tell the trackers soon."""
        self._schedule.completed(now=self._loop.time())
        self._changed.set()

    def readdress(self) -> None:
        """We accept peers at another port now: tell the trackers that know the old one."""
        self._schedule.readdressed(now=self._loop.time())
        self._changed.set()

    def hurry(self) -> None:
        """Ask again as soon as the trackers allow it: more peers are wanted."""
        self._schedule.hurry(now=self._loop.time())
        self._changed.set()

    def trackers(self) -> tuple[TrackerStats, ...]:
        """A snapshot of all of them."""
        return self._schedule.trackers(now=self._loop.time())

    async def wait_announced(self) -> None:
        """Return when a tracker has accepted an announcement; without any tracker that works, never."""
        await self._announced.wait()

    async def aclose(self) -> None:
        """Stop announcing, and tell the trackers within `stop_timeout_s` that we leave. Their errors are ignored.

        Cancellation: trackers that have not heard yet will find out themselves.
        """
        task, self._task = self._task, None
        if task is None:
            return
        task.cancel()
        await asyncio.wait([task])
        with suppress(TimeoutError):
            async with asyncio.timeout(self._stop_timeout_s):
                await asyncio.gather(*(self._say_stopped(announce) for announce in self._schedule.stop()))
        if not task.cancelled():
            task.result()

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as announcements:
            while True:
                self._changed.clear()
                for announce in self._schedule.due(now=self._loop.time()):
                    announcements.create_task(self._announce(announce))
                due = self._schedule.next_timer()
                with suppress(TimeoutError):
                    async with asyncio.timeout_at(due):
                        await self._changed.wait()

    async def _announce(self, announce: Announce) -> None:
        try:
            response = await self._client.announce(announce.url, self._request(announce), named_by=self._named_by)
        except TrackerError as error:
            self.last_error = str(error)
            self._schedule.failed(announce, now=self._loop.time(), error=str(error))
        else:
            self.last_error = None
            self._schedule.succeeded(announce, response, now=self._loop.time())
            self._announced.set()
            self._on_peers(response.peers)
            self._on_names(response.names)
            self._note_warning(announce.url, response.warning)
        self._changed.set()

    def _note_warning(self, url: str, warning: str | None) -> None:
        if warning is None:
            self.warnings.pop(url, None)
        elif warning != self.warnings.get(url):
            self.warnings[url] = warning
            self._on_warning(url, warning)

    async def _say_stopped(self, announce: Announce) -> None:
        with suppress(TrackerError, LocalProtocolError):
            await self._client.announce(announce.url, self._request(announce), named_by=self._named_by)

    def _request(self, announce: Announce) -> AnnounceRequest:
        totals = self._totals()
        return AnnounceRequest(
            info_hash=self._info_hash,
            peer_id=self._peer_id,
            port=(self._port if isinstance(self._port, int) else self._port()) or NOBODY_LISTENS,
            uploaded=totals.uploaded,
            downloaded=totals.downloaded,
            left=totals.left,
            event=announce.event,
            key=self._key,
            num_want=announce.num_want,
            tracker_id=announce.tracker_id,
        )


NOBODY_LISTENS = 1
"""The port that trackers are told when no peer can call us: many refuse 0."""


def _refused(body: bytes, status: int) -> TrackerError:
    """What an HTTP error says: the failure reason in its body (some trackers send one), or else its number."""
    try:
        parse_response(body)
    except TrackerError as error:
        if error.failure_reason is not None:
            return error
    return TrackerError(f"it answered HTTP {status}")


def _explain(error: Exception) -> str:
    """One line for what aiohttp, the resolver or the system said."""
    if isinstance(error, ConnectionRefusedError) or isinstance(
        getattr(error, "os_error", None), ConnectionRefusedError
    ):
        return "nobody listens there"
    if isinstance(error, socket.gaierror | aiohttp.ClientConnectorDNSError):
        return "its name has no address"
    if isinstance(error, aiohttp.ClientResponseError):  # its text has the whole URL, and there may be a passkey in it
        return f"its answer is not HTTP: {' '.join(error.message.split())[:100]}"
    return " ".join(str(error).split())[:200] or type(error).__name__
