"""Asks name servers what they say of trackers (BEP 34), where the library for that is installed (the `dns` extra)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import aiohttp

from bittorrent.errors import TrackerError
from bittorrent.tracker.preferences import TrackerPreferences, parse_records, preferred_urls
from transfer.address import Address, is_ip_address
from transfer.aio.resolver import asks_the_system

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackerNamesConfig:
    """How name servers are asked.

    Attributes:
        server: which one; None: those of the system.
        timeout_s: for one answer. A tracker is asked as its URL says when none came.
        min_ttl_s: an answer is believed for as long as it says, at least for so long ...
        max_ttl_s: ... and at most for so long.
        retry_s: after no answer, nobody is asked again for so long.
        max_names: whose answers are kept.
    """

    server: Address | None = None
    timeout_s: float = 3.0
    min_ttl_s: float = 300.0
    max_ttl_s: float = 86_400.0
    retry_s: float = 300.0
    max_names: int = 512

    def __post_init__(self) -> None:
        if min(self.timeout_s, self.min_ttl_s, self.retry_s) <= 0 or self.max_names < 1:
            raise ValueError("times and max_names must be positive")
        if self.max_ttl_s < self.min_ttl_s:
            raise ValueError("max_ttl_s must not be below min_ttl_s")


class TrackerNames:
    """What the names of trackers say, each asked for once at a time and remembered.

    Names that no public name server can know are asked of none: those of this machine and network, and reserved ones
    (RFC 6761, RFC 7686).
    """

    def __init__(self, config: TrackerNamesConfig | None = None) -> None:
        self._config = config or TrackerNamesConfig()
        self._known: OrderedDict[str, tuple[TrackerPreferences | None, float]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[TrackerPreferences | None]] = {}
        self._resolver: Resolver | None = None
        self._is_missing = False

    async def preferences(self, host: str) -> TrackerPreferences | None:
        """What the name says; None where it says nothing, or no answer came.

        Cancellation: the question goes on for others that wait for its answer.
        """
        host = host.lower().rstrip(".")
        if self._is_missing or not _is_public_name(host):
            return None
        loop = asyncio.get_running_loop()
        if self._config.server is None and not asks_the_system(loop):
            return None
        known = self._known.get(host)
        if known is not None and loop.time() < known[1]:
            return known[0]
        asking = self._asking.get(host)
        if asking is None:
            if len(self._asking) >= MAX_QUESTIONS:
                return None
            asking = self._asking[host] = loop.create_task(self._ask(host), name=f"trackers of {host}")
        return await asyncio.shield(asking)

    async def places_of(self, url: str) -> tuple[str, ...]:
        """Where to ask instead of at the URL of a tracker, if the name of its host says so.

        Raises:
            TrackerError: it says that there is no tracker.
        """
        host = urlsplit(url).hostname
        known = await self.preferences(host) if host else None
        if known is None:
            return (url,)
        if not known.ports:
            raise TrackerError("its name server says that there is no tracker (BEP 34)")
        return preferred_urls(url, known) or (url,)

    async def aclose(self) -> None:
        """Ends what is asked."""
        for asking in (waiting := list(self._asking.values())):
            asking.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _ask(self, host: str) -> TrackerPreferences | None:
        config = self._config
        found: TrackerPreferences | None = None
        ttl_s = config.retry_s
        try:
            found, ttl_s = await self._look_up(host)
            ttl_s = min(max(ttl_s, config.min_ttl_s), config.max_ttl_s)
        finally:
            del self._asking[host]
        self._known[host] = found, asyncio.get_running_loop().time() + ttl_s
        self._known.move_to_end(host)
        if len(self._known) > config.max_names:
            self._known.popitem(last=False)
        return found

    async def _look_up(self, host: str) -> tuple[TrackerPreferences | None, float]:
        try:
            import dns.asyncresolver
            import dns.exception
        except ImportError:
            self._is_missing = True
            return None, self._config.retry_s
        try:
            if self._resolver is None:
                self._resolver = _new_resolver(self._config)
            answer: Any = await self._resolver.resolve(
                f"{host}.", "TXT", lifetime=self._config.timeout_s, raise_on_no_answer=False
            )
        except (dns.exception.DNSException, OSError, ValueError):  # no such name, no server, no answer, nonsense
            return None, self._config.retry_s
        records = [b"".join(record.strings) for record in answer.rrset or ()]
        return parse_records(records[:MAX_RECORDS]), float(answer.rrset.ttl) if answer.rrset else 0.0


async def ask_in_turn(places: tuple[str, ...], ask: Callable[[str], Awaitable[T]], *, timeout_s: float) -> T:
    """The answer of the first that gives one, if only to refuse; each has its share of the time.

    Raises:
        TrackerError, OSError, TimeoutError, ValueError, aiohttp.ClientError: that of the last, or a refusal.
    """
    for place in places[:-1]:
        try:
            async with asyncio.timeout(timeout_s / len(places)):
                return await ask(place)
        except (OSError, ValueError, aiohttp.ClientError) as error:  # TimeoutError and TrackerError are OSErrors
            if isinstance(error, TrackerError) and error.failure_reason is not None:
                raise
    return await ask(places[-1])


def _new_resolver(config: TrackerNamesConfig) -> Resolver:
    import dns.asyncresolver

    if config.server is None:
        return dns.asyncresolver.Resolver()
    made = dns.asyncresolver.Resolver(configure=False)
    made.nameservers = [config.server.host]
    made.port = config.server.port
    return made


def _is_public_name(host: str) -> bool:
    return "." in host and not is_ip_address(host) and host.rpartition(".")[2] not in PRIVATE_NAMES and len(host) < 254


PRIVATE_NAMES = frozenset(
    ("alt", "example", "i2p", "internal", "invalid", "lan", "local", "localhost", "onion", "test")
)
MAX_QUESTIONS = 64
MAX_RECORDS = 32
