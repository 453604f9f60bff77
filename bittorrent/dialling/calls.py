"""Which peer one torrent calls next, and by which path: what came of one call decides about the next. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from random import Random

from bittorrent.dialling.config import DiallingConfig
from bittorrent.dialling.connections import Connection
from bittorrent.dialling.greetings import GreetingBook
from bittorrent.dialling.paths import DialPath, PathBook, PathFailure, paths_left
from bittorrent.dialling.peer_list import PeerList, PeerSource
from bittorrent.dialling.targets import TargetRule
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.origin import Origin
from transfer.address import Address

Order = tuple[DialPath, ...]
"""The paths that are left to call a peer by, the present one first."""


class Calls:
    """Which peer has its turn. Every order that `next` hands out comes back as one of the outcomes.

    Args:
        torrent_id: what is known of the hashes of the torrent.
        own_host: where we listen.
        targets: what others may make us call.
        introduces: whether somebody can introduce us to an endpoint, now.
        rng: chooses among equals.

    Attributes:
        paths: what is known of the ways to each peer.

    Invariants:
        a peer that could not be met is called over the next path that is left, before any other; if none is left, it is
            backed off, once, unless it hung up, hears the next greeting, and was named by the user
    """

    def __init__(
        self,
        torrent_id: TorrentId,
        *,
        own_host: str,
        targets: TargetRule,
        introduces: Callable[[Address], bool],
        rng: Random,
        config: DiallingConfig,
    ) -> None:
        self.peers = PeerList(rng=rng, config=config.peers)
        self.greetings = GreetingBook(torrent_id, max_remembered=config.paths.max_remembered)
        self.private: dict[Address, None] = {}
        self.turned_away_by: dict[Address, None] = {}
        self._own_host = own_host
        self._targets = targets
        self._config = config
        self._introduces = introduces
        self.paths = PathBook(config.paths)
        self._next_paths: dict[Address, Order] = {}  # of peers whose path has failed: the oldest first

    def next(
        self,
        count: int,
        *,
        callers: Callable[[], Collection[Origin]],
        is_called: Callable[[Address], bool],
        wants_seeds: bool,
        now: float,
    ) -> list[tuple[Address, Order]]:
        """Up to `count` endpoints to call now.

        Args:
            callers: where those are that are connected, and where they listen.
            is_called: whether a connection that we made to an endpoint is still there.
            wants_seeds: whether those that have everything are of use.
        """
        chosen: list[tuple[Address, Order]] = []
        connected = callers() if self._next_paths else ()
        while self._next_paths and len(chosen) < count:
            address = next(iter(self._next_paths))
            order = self._next_paths.pop(address)
            if not self.peers.is_dialling(address):  # it was banned or forgotten meanwhile
                continue
            if address in connected:  # it has called us meanwhile
                self.peers.disconnected(address, now=now)
            else:
                chosen.append((address, order))
        if len(chosen) >= count:
            return chosen
        candidates = self.peers.candidates_to_connect(count - len(chosen), now=now, want_seeds=wants_seeds)
        connected = connected or (callers() if candidates else ())
        for address in candidates:
            if address in connected:  # from another port
                self.peers.disconnected(address, now=now)
            elif not is_called(address):  # or else it was forgotten and named again meanwhile
                chosen.append((address, self._possible(address, self.paths.order_for(address))))
        return chosen

    def introduced(self, address: Address) -> Order:
        """The order in which an endpoint is called that calls us now; what was left to be tried comes last."""
        self.peers.call_now(address)
        left = self._next_paths.pop(address, ())
        paths = tuple(path for path in self.paths.order_for(address) if path.is_introduced)
        return paths + tuple(path for path in left if not path.is_introduced) if paths else ()

    def needs_route(self, address: Address) -> bool:
        """Whether it depends on the way there whether an endpoint may be called."""
        is_wanted_here = bool(self.peers.sources(address) & NEIGHBOURLY_SOURCES)
        return not is_wanted_here and not self._targets.allows_peer(address.host, own=self._own_host)

    def allows(self, address: Address, *, own: str | None, is_raced: bool, now: float) -> bool:
        """Whether an endpoint may be called that we get to from this address of ours; if not, that is the outcome.

        Args:
            is_raced: another call to it is under way, on which it then depends what becomes of the peer.
        """
        if self._targets.allows_peer(address.host, own=own):
            return True
        self.note_private(address)
        if not is_raced:
            self.peers.failed(address, now=now)
        return False

    # Outcomes

    def met(self, address: Address, order: Order, *, is_kept: bool) -> None:
        """The handshake came."""
        self.paths.worked(address, order[0])
        if is_kept:
            self.peers.connected(address)
            self.turned_away_by.pop(address, None)

    def missed(
        self, address: Address, order: Order, failure: PathFailure, *, rival: Connection | None = None, now: float
    ) -> None:
        """No handshake came.

        Args:
            rival: another call to the same peer, on which it then depends what becomes of the peer.
        """
        self.paths.failed(address, order[0])
        if failure is PathFailure.TURNED_AWAY:
            self.note_turned_away(address)
        left = self._greeted_anew(address, order, failure)
        left += self._possible(address, paths_left(order, failure))
        if rival is not None:
            rival.order += left
        elif left:
            self._next_paths[address] = left
        else:
            self.peers.failed(address, now=now)

    def note_turned_away(self, address: Address) -> None:
        """The peer hung up on our handshake, whatever it was covered with."""
        if len(self.turned_away_by) < self._config.max_named:
            self.turned_away_by[address] = None

    def note_private(self, address: Address) -> None:
        """An endpoint may not be called, because of where it is."""
        if len(self.private) < self._config.max_named:
            self.private[address] = None

    def _greeted_anew(self, address: Address, order: Order, failure: PathFailure) -> Order:
        """The paths to take again, after a peer has hung up on our greeting over each path of a transport.

        It hears the next greeting then, before other transports are tried. Strangers hear it when they have their turn
        again: who is full hangs up, too, and is not to be called again and again.
        """
        way = order[0].way
        if failure is not PathFailure.TURNED_AWAY or any(path.way == way for path in order[1:]):
            return ()
        if not self.greetings.turned_away(address) or PeerSource.MANUAL not in self.peers.sources(address):
            return ()
        return tuple(path for path in self.paths.order_for(address) if path.way == way)

    # Views

    @property
    def is_path_waiting(self) -> bool:
        """Whether a peer waits for its next path."""
        return bool(self._next_paths)

    def check_invariants(self) -> None:
        """Asserts the bounds."""
        self.peers.check_invariants()
        self.paths.check_invariants()
        self.greetings.check_invariants()
        assert max(len(self.private), len(self.turned_away_by)) <= self._config.max_named
        assert len(self._next_paths) <= self._config.max_connections
        assert all(self._next_paths.values())

    def _possible(self, address: Address, order: Order) -> Order:
        """The order without introductions, if it is their turn and nobody makes one."""
        if order and order[0].is_introduced and not self._introduces(address):
            return tuple(path for path in order if not path.is_introduced)
        return order


NEIGHBOURLY_SOURCES = PeerSource.MANUAL | PeerSource.LOCAL  # the user or a neighbour wants them to be called
