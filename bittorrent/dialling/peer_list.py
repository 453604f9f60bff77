"""The endpoints a torrent knows of: where from, when to try them (again), and which hosts are banned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum, Flag, auto
from ipaddress import ip_address
from random import Random

from bittorrent.dialling.ip_filter import IpFilter
from bittorrent.dialling.peer_priority import peer_priority
from bittorrent.origin import Origin, ServerUrl
from transfer.address import Address, is_usable_peer
from transfer.limits.backoff import Backoff


class PeerSource(Flag):
    """Where we heard of a peer. An endpoint may have several sources."""

    MANUAL = auto()
    TRACKER = auto()
    DHT = auto()
    PEX = auto()
    INCOMING = auto()
    LOCAL = auto()  # announced in the local network (BEP 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerListConfig:
    """Bounds and patience.

    Attributes:
        max_peers: known endpoints (libtorrent: 3000).
        max_banned: banned hosts; the oldest ban is lifted beyond it.
        backoff_s: how long to wait after the first failure; each further one doubles it, up to `max_backoff_s`.
        manual_backoff_s: the same for endpoints that the user named: these are probably right, if
            not ready yet (still checking what they have, say), and never given up.
        max_manual_backoff_s: see `manual_backoff_s`.
        max_pex: of them, endpoints that only other peers named and that were never reached: they may be inventions.
        max_failures: an endpoint that the user did not name is forgotten after so many failures in a row.
        reconnect_s: how long to wait before calling a peer whose connection has ended.
    """

    max_peers: int = 3000
    max_banned: int = 4096
    max_pex: int = 1000
    backoff_s: float = 10.0
    max_backoff_s: float = 1800.0
    manual_backoff_s: float = 1.0
    max_manual_backoff_s: float = 30.0
    max_failures: int = 4
    reconnect_s: float = 30.0

    def __post_init__(self) -> None:
        if min(self.max_peers, self.max_banned, self.max_pex, self.max_failures) < 1:
            raise ValueError("a peer list must have room for one peer, one ban and one failure")
        if self.reconnect_s < 0:
            raise ValueError("reconnect_s must not be negative")
        _ = self.backoff, self.manual_backoff  # they say what is wrong with their numbers

    @property
    def backoff(self) -> Backoff:
        """For endpoints that others named."""
        return Backoff(first_s=self.backoff_s, max_s=self.max_backoff_s)

    @property
    def manual_backoff(self) -> Backoff:
        """For endpoints that the user named."""
        return Backoff(first_s=self.manual_backoff_s, max_s=self.max_manual_backoff_s)


DEFAULT_CONFIG = PeerListConfig()


class PeerList:
    """Which endpoints exist and which to call next, for one torrent.

    Each endpoint is IDLE (waits for its time), DIALLING (handed out by `candidates_to_connect`, no outcome yet) or
    CONNECTED. The caller reports the outcome of each one it was handed: `connected`, `failed`, `disconnected` or
    `released`.

    Invariants: never more than `max_peers` endpoints; no banned, blocked or own endpoint is known; `_hearsay` are the
    endpoints that only PEX named and that were never connected, at most `max_pex`.
    """

    def __init__(self, *, rng: Random, config: PeerListConfig = DEFAULT_CONFIG) -> None:
        self._config = config
        self._rng = rng
        self._peers: dict[Address, _Peer] = {}
        self._failing: dict[Address, None] = {}  # idle ones with failures, oldest failure first: first to make room
        self._banned: dict[str | Origin, None] = {}
        self._own: dict[Address, None] = {}
        self._hearsay: set[Address] = set()
        self._filter = IpFilter()
        self._external: Address | None = None

    # What is learnt

    def add(self, address: Address, source: PeerSource, *, now: float) -> bool:
        """Learn of an endpoint; True if it was not known and is now.

        Refused are endpoints that cannot be called, our own, banned ones, and with a full list all but replacements
        for endpoints that failed. A manual one always finds room.
        """
        known = self._peers.get(address)
        if known is not None:
            known.sources |= source
            if known.sources != PeerSource.PEX:
                self._hearsay.discard(address)
            return False
        if not is_usable_peer(address) or address in self._own or self.is_banned(address):
            return False
        if source == PeerSource.PEX and len(self._hearsay) >= self._config.max_pex:
            return False
        if len(self._peers) >= self._config.max_peers and not self._make_room(source):
            return False
        self._peers[address] = _Peer(source, self.rank(address), now=now)
        if source == PeerSource.PEX:
            self._hearsay.add(address)
        return True

    def add_all(self, addresses: Iterable[Address], source: PeerSource, *, now: float) -> int:
        """`add` for each; returns how many are new."""
        return sum(self.add(address, source, now=now) for address in addresses)

    def add_own(self, address: Address) -> None:
        """This endpoint is ourselves: never call it."""
        if address in self._peers:
            self._drop(address)
        self._own[address] = None
        if len(self._own) > _MAX_OWN:
            del self._own[next(iter(self._own))]

    def ban(self, address: Origin) -> None:
        """Have nothing to do with a host any more, under any port. Connections are the caller's to close.

        On loopback only this endpoint is banned: there one host is a whole swarm.
        """
        key = _ban_key(address)
        self._banned[key] = None
        if len(self._banned) > self._config.max_banned:
            del self._banned[next(iter(self._banned))]
        for other in [other for other in self._peers if _ban_key(other) == key]:
            self._drop(other)

    def forget(self, sources: PeerSource) -> list[Address]:
        """Drops every endpoint that only these sources named; returns them: connections are the caller's to close."""
        gone = [address for address, peer in self._peers.items() if not peer.sources & ~sources]
        for address in gone:
            self._drop(address)
        return gone

    def set_filter(self, blocked: IpFilter) -> None:
        """From now on hosts on this list are as good as banned, whatever source names them."""
        self._filter = blocked
        for address in [address for address in self._peers if blocked.blocks(address.host)]:
            self._drop(address)

    def set_external(self, external: Address | None) -> None:
        """Others see us at this endpoint: from now on equals are called in the order of BEP 40."""
        if external != self._external:
            self._external = external
            for address, peer in self._peers.items():
                peer.priority = self.rank(address)

    def note_seed(self, address: Address, is_seed: bool) -> None:
        """Whether an endpoint has everything, as far as we were told."""
        peer = self._peers.get(address)
        if peer is not None:
            peer.is_seed = is_seed

    def is_banned(self, address: Origin) -> bool:
        """Whether to refuse this peer, called or calling: it was banned, or is on the list of `set_filter`."""
        if self._banned and _ban_key(address) in self._banned:
            return True
        return isinstance(address, Address) and self._filter.blocks(address.host)

    # What became of it

    def candidates_to_connect(self, count: int, *, now: float, want_seeds: bool = True) -> list[Address]:
        """Up to `count` endpoints to call now; they count as DIALLING until the outcome is reported.

        Manual ones come first, then those with the fewest failures; equals in the order of BEP 40, or a random one
        while our own endpoint is not known. Cost: O(known).

        Args:
            want_seeds: whether to call those that are said to have everything; manual ones are called all the same.
        """
        due = [
            (PeerSource.MANUAL not in peer.sources, peer.failures, -peer.priority, self._rng.random(), address)
            for address, peer in self._peers.items()
            if peer.state is _State.IDLE
            and peer.next_attempt <= now
            and (want_seeds or not peer.is_seed or PeerSource.MANUAL in peer.sources)
        ]
        due.sort()
        chosen = [address for *_, address in due[: max(0, count)]]
        for address in chosen:
            self._peers[address].state = _State.DIALLING
            self._failing.pop(address, None)
        return chosen

    def call_now(self, address: Address) -> None:
        """An endpoint is called out of its turn: if it is known, it is DIALLING until the outcome is reported."""
        peer = self._peers.get(address)
        if peer is not None and peer.state is _State.IDLE:
            peer.state = _State.DIALLING
            self._failing.pop(address, None)

    def connected(self, address: Address) -> None:
        """A connection stands, whichever side made it. An unknown endpoint (a caller's outgoing port) is not learnt."""
        peer = self._peers.get(address)
        if peer is not None:
            peer.state = _State.CONNECTED
            peer.failures = 0
            self._failing.pop(address, None)
            self._hearsay.discard(address)

    def disconnected(self, address: Address, *, now: float) -> None:
        """A connection ended that was of use: try again after a while."""
        peer = self._peers.get(address)
        if peer is not None:
            peer.state = _State.IDLE
            peer.failures = 0
            self._retry(peer, self._config.reconnect_s, now=now)
            self._failing.pop(address, None)

    def failed(self, address: Address, *, now: float) -> None:
        """A call failed, or the connection was of no use: wait longer each time, and in the end give up."""
        peer = self._peers.get(address)
        if peer is None:
            return
        peer.state = _State.IDLE
        peer.failures += 1
        self._failing.pop(address, None)
        is_manual = PeerSource.MANUAL in peer.sources
        if not is_manual and peer.failures >= self._config.max_failures:
            self._drop(address)
            return
        config = self._config
        backoff = config.manual_backoff if is_manual else config.backoff
        self._retry(peer, backoff.delay_s(peer.failures), now=now)
        if not is_manual:
            self._failing[address] = None

    def released(self, address: Address) -> None:
        """A call was given up by us: that says nothing of the peer, and its turn comes again."""
        peer = self._peers.get(address)
        if peer is not None and peer.state is _State.DIALLING:
            peer.state = _State.IDLE
            if peer.failures and PeerSource.MANUAL not in peer.sources:
                self._failing[address] = None

    def call_again(self, *, now: float) -> None:
        """Every endpoint may be of use after all: none has to wait, once. Failures are not forgotten."""
        for peer in self._peers.values():
            peer.next_attempt = min(peer.next_attempt, now)
            peer.is_hurried = peer.state is not _State.IDLE

    def next_timer(self) -> float | None:
        """When the next endpoint is to be called (it may be past); None while none is idle. Cost: O(known)."""
        return min((peer.next_attempt for peer in self._peers.values() if peer.state is _State.IDLE), default=None)

    # Views

    def __len__(self) -> int:
        return len(self._peers)

    def __contains__(self, address: Address) -> bool:
        return address in self._peers

    def rank(self, address: Origin) -> int:
        """The priority of an endpoint, known or not (BEP 40); 0 for a server, and while ours is not known."""
        if self._external is None or isinstance(address, ServerUrl):
            return 0
        return peer_priority(self._external, address)

    def sources(self, address: Address) -> PeerSource:
        """Where we heard of an endpoint; the empty flag for an unknown one."""
        peer = self._peers.get(address)
        return peer.sources if peer is not None else PeerSource(0)

    def is_own(self, address: Address) -> bool:
        """Whether an endpoint is ourselves, as far as is known."""
        return address in self._own

    def is_dialling(self, address: Address) -> bool:
        """Whether an endpoint was handed out to be called, and no outcome was reported."""
        peer = self._peers.get(address)
        return peer is not None and peer.state is _State.DIALLING

    def connected_addresses(self) -> list[Address]:
        """The known endpoints that are connected (what PEX may tell others). Cost: O(known)."""
        return [address for address, peer in self._peers.items() if peer.state is _State.CONNECTED]

    @property
    def has_prospects(self) -> bool:
        """Some endpoint is connected, dialled or to be called. Cost: O(1)."""
        return bool(self._peers)

    @property
    def banned_count(self) -> int:
        return len(self._banned)

    def check_invariants(self) -> None:
        assert len(self._peers) <= self._config.max_peers
        assert len(self._banned) <= self._config.max_banned
        assert len(self._hearsay) <= self._config.max_pex
        assert all(self._peers[address].sources == PeerSource.PEX for address in self._hearsay)
        for address, peer in self._peers.items():
            assert address not in self._own
            assert not self.is_banned(address)
            is_failing = peer.failures > 0 and peer.state is _State.IDLE and PeerSource.MANUAL not in peer.sources
            assert not is_failing or address in self._failing
        assert self._failing.keys() <= self._peers.keys()

    def _retry(self, peer: _Peer, pause_s: float, *, now: float) -> None:
        peer.next_attempt = now if peer.is_hurried else now + pause_s
        peer.is_hurried = False

    def _drop(self, address: Address) -> None:
        del self._peers[address]
        self._failing.pop(address, None)
        self._hearsay.discard(address)

    def _make_room(self, source: PeerSource) -> bool:
        for address in self._failing:
            if PeerSource.MANUAL not in self._peers[address].sources:
                self._drop(address)
                return True
        if PeerSource.MANUAL in source:
            for address, peer in self._peers.items():
                if peer.state is _State.IDLE and PeerSource.MANUAL not in peer.sources:
                    self._drop(address)
                    return True
        return False


class _State(Enum):
    IDLE = auto()
    DIALLING = auto()
    CONNECTED = auto()


class _Peer:
    __slots__ = ("failures", "is_hurried", "is_seed", "next_attempt", "priority", "sources", "state")

    def __init__(self, sources: PeerSource, priority: int, *, now: float) -> None:
        self.sources = sources
        self.state = _State.IDLE
        self.failures = 0
        self.is_hurried = False
        self.is_seed = False
        self.priority = priority
        self.next_attempt = now


def _ban_key(address: Origin) -> str | Origin:
    if isinstance(address, ServerUrl):
        return address
    try:
        return address if ip_address(address.host).is_loopback else address.host
    except ValueError:
        return address.host


_MAX_OWN = 64
