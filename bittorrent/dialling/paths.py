"""By which path a peer is called: a path is data, and which one comes next is one rule. Pure.

A new way to reach a peer is one more `DialPath` in `PathConfig.paths`, and a transport for it in the session.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container
from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import Self, TypeVar

from bittorrent.dialling.encryption import PLAIN_COVER
from transfer.address import Address
from transfer.reach import is_public

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class DialPath:
    """One way to reach a peer.

    Attributes:
        transport: what carries the bytes.
        cover: what they look like on the way.
        is_introduced: another peer tells the one that is called to call us at the same time (BEP 55). That costs them
            both something, so it comes after all else has failed, and nothing else has a race with it.
    """

    transport: str
    cover: str = PLAIN_COVER
    is_introduced: bool = False

    def __str__(self) -> str:
        return f"{self.transport}/{self.cover}{' by hole punching' if self.is_introduced else ''}"

    @property
    def way(self) -> str:
        """What it has in common with all that differ from it in their cover only."""
        return f"{self.transport} by hole punching" if self.is_introduced else self.transport


TCP = DialPath(transport="tcp")
UTP = DialPath(transport="utp")
PUNCH = DialPath(transport="utp", is_introduced=True)


class PathFailure(Enum):
    """How far a call came that led to no peer."""

    NO_CONNECTION = auto()  # refused, or not answered in time: no cover helps on this transport
    NO_HANDSHAKE = auto()  # the host answered, and there was no handshake: another cover may be understood
    TURNED_AWAY = auto()  # the same, and it said so: it hung up


@dataclass(frozen=True, slots=True, kw_only=True)
class PathConfig:
    """Which paths there are.

    Attributes:
        paths: in the order in which they are tried.
        race_delay_s: a peer that has not accepted a call for so long is called over another transport as well, and who
            accepts first is kept (RFC 8305, section 8: 0.25 s): so the first of two with the same latency is.
        max_remembered: peers of which it is known which path worked, or which transport they speak; the one of which
            that was learnt first is forgotten.
    """

    paths: tuple[DialPath, ...] = (TCP,)
    race_delay_s: float = 0.25
    max_remembered: int = 3000

    def under(self, covers: tuple[str, ...]) -> Self:
        """The same, each plain path under these covers, in this order."""
        found: list[DialPath] = []
        for path in self.paths:
            found += [replace(path, cover=cover) for cover in covers] if path.cover == PLAIN_COVER else [path]
        return replace(self, paths=tuple(dict.fromkeys(found)))

    def __post_init__(self) -> None:
        if not self.paths or len(set(self.paths)) < len(self.paths):
            raise ValueError("paths must name at least one, and none twice")
        if all(path.is_introduced for path in self.paths):
            raise ValueError("paths must name one by which a peer is called without being introduced")
        if self.max_remembered < 1 or self.race_delay_s < 0:
            raise ValueError("max_remembered must be positive, and race_delay_s must not be negative")

    def among(self, known: Container[DialPath]) -> PathConfig:
        """Those of the paths that are known; at least one must be."""
        return replace(self, paths=tuple(path for path in self.paths if path in known))


class PathBook:
    """Remembers which path led to which peer, and who is said to speak which transport, under which cover.

    Attributes:
        preferred: a transport that comes first to peers in the internet, unless more is known of a peer.

    Invariants:
        at most max_remembered peers are remembered of each kind, each with a path, a transport or a cover of the config
    """

    def __init__(self, config: PathConfig) -> None:
        self.preferred: str | None = None
        self._config = config
        self._transports = {path.transport for path in config.paths}
        self._covers = {path.cover for path in config.paths}
        self._worked: OrderedDict[Address, DialPath] = OrderedDict()
        self._speaks: OrderedDict[Address, str] = OrderedDict()
        self._wears: OrderedDict[Address, str] = OrderedDict()

    def order_for(self, address: Address) -> tuple[DialPath, ...]:
        """The paths to try: the one that worked the last time, then those over what the peer is said to speak."""
        worked, speaks, wears = self._worked.get(address), self._speaks.get(address), self._wears.get(address)
        if speaks is None and self.preferred in self._transports and is_public(address.host):
            speaks = self.preferred
        if worked is None and speaks is None and wears is None:
            return self._config.paths
        return tuple(
            sorted(
                self._config.paths,
                key=lambda path: (path != worked, path.is_introduced, path.transport != speaks, path.cover != wears),
            )
        )

    def speaks(self, address: Address, transport: str) -> None:
        """Somebody says that this peer is reached over this transport."""
        if transport in self._transports:
            self._remember(self._speaks, address, transport)

    def wears(self, address: Address, cover: str) -> None:
        """Somebody says that this peer would rather be called under this cover."""
        if cover in self._covers:
            self._remember(self._wears, address, cover)

    def worked(self, address: Address, path: DialPath) -> None:
        """The handshake of the peer came over this path."""
        self._remember(self._worked, address, path)

    def failed(self, address: Address, path: DialPath) -> None:
        """No peer was met over this path: that it worked once, or should work, counts no more."""
        if self._worked.get(address) == path:
            del self._worked[address]
        if self._speaks.get(address) == path.transport and not path.is_introduced:
            del self._speaks[address]
        if self._wears.get(address) == path.cover:
            del self._wears[address]

    def __len__(self) -> int:
        """Of how many peers a path is remembered."""
        return len(self._worked)

    def check_invariants(self) -> None:
        """Asserts what the class docstring promises."""
        assert max(len(self._worked), len(self._speaks), len(self._wears)) <= self._config.max_remembered
        assert set(self._speaks.values()) <= self._transports
        assert set(self._wears.values()) <= self._covers
        assert set(self._worked.values()) <= set(self._config.paths)

    def _remember(self, book: OrderedDict[Address, T], address: Address, value: T) -> None:
        book[address] = value
        book.move_to_end(address)
        if len(book) > self._config.max_remembered:
            book.popitem(last=False)


def split_for_race(order: tuple[DialPath, ...]) -> tuple[tuple[DialPath, ...], tuple[DialPath, ...]]:
    """An order as two that are tried at the same time: what goes over the transport of its first path, and the rest.

    Paths that need an introduction are left to the first one's end.
    """
    way = order[0].way
    others = tuple(path for path in order if path.way != way and not path.is_introduced)
    return tuple(path for path in order if path not in others), others


def paths_left(order: tuple[DialPath, ...], failure: PathFailure) -> tuple[DialPath, ...]:
    """What remains to be tried when the first path of `order` has failed."""
    tried, *others = order
    if failure is PathFailure.NO_CONNECTION:
        return tuple(path for path in others if path.way != tried.way)
    return tuple(others)
