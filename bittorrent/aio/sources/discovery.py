"""Where the peers of one torrent come from: the DHT, trackers, and the local network."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from bittorrent.aio.reachability import Reachability
from bittorrent.aio.sources.announcers import Announcers
from bittorrent.aio.sources.local_discovery import LocalDiscovery
from bittorrent.aio.sources.torrent_nodes import TorrentNodes
from bittorrent.config import SessionConfig
from bittorrent.dialling.encryption import Encryption
from bittorrent.errors import NoPeersError
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.stats import LookupSummary, TrackerState, TrackerStats
from kademlia_core.errors import BootstrapError, NodeClosedError
from transfer.address import Address
from transfer.aio.tasks import TaskSet
from transfer.errors import LimitExceededError

if TYPE_CHECKING:
    from kademlia_core import MainlineNode


class Discovery:
    """Asks for peers for as long as the torrent lives, and tells others about us.

    Args:
        torrent_id: the torrent is looked for, and announced, under each of its short hashes.
        reach: where we accept peers.
        dht: None for a private torrent, or when the session has no node.
        nodes: DHT nodes that the torrent names, if it does.
        local: None for a private torrent, or when the session does not call into the local network.
        make_announcer: makes what asks the trackers, or None without any.
        has_other_sources: whether peers may come from elsewhere, so that a dead network is not the end.
        is_satisfied: whether there are enough peers, so that the DHT need not be asked again soon.
        on_addresses: takes endpoints that the DHT named, and the hash that it was asked about.
        tasks: where the loop over the DHT runs; an error there stops the torrent.
    """

    def __init__(
        self,
        *,
        torrent_id: TorrentId,
        reach: Reachability,
        dht: MainlineNode | None,
        nodes: TorrentNodes | None,
        local: LocalDiscovery | None,
        make_announcer: Callable[[TorrentId], Announcers | None],
        config: SessionConfig,
        has_other_sources: Callable[[], bool],
        is_satisfied: Callable[[], bool],
        on_addresses: Callable[[Iterable[Address], bytes], None],
        tasks: TaskSet,
    ) -> None:
        self.lookup: LookupSummary | None = None
        self.is_started = False
        self._torrent_id = torrent_id
        self._reach = reach
        self._dht = dht
        self._nodes = nodes
        self._local = local
        self._make_announcer = make_announcer
        self._announcer = make_announcer(torrent_id)
        self._config = config
        self._has_other_sources = has_other_sources
        self._is_satisfied = is_satisfied
        self._on_addresses = on_addresses
        self._tasks = tasks
        self._dht_error: str | None = None
        self._is_dht_due = False
        self._search: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()

    def start(self) -> None:
        """Begins; once, and after each `pause`."""
        self.is_started = True
        if self._dht is not None:
            self._search = self._tasks.start(self._search_dht(self._dht), name=f"dht {self._torrent_id}")
        if self._local is not None:
            for info_hash in self._torrent_id.short:
                self._local.add(info_hash)
        if self._announcer is not None:
            self._announcer.start()

    async def pause(self) -> None:
        """Looks for no peers any more, and tells the trackers that we leave, until `start`.

        Cancellation: trackers that have not heard yet will find out themselves.
        """
        self.is_started = False
        if self._search is not None:
            self._search.cancel()
            self._search = None
        self._be_silent_locally()
        if self._announcer is not None:
            before, self._announcer = self._announcer, self._make_announcer(self._torrent_id)
            await before.aclose()

    def learn(self, torrent_id: TorrentId) -> None:
        """The torrent turned out to have another hash as well: it is looked for, and announced, under that, too."""
        known, self._torrent_id = self._torrent_id.short, torrent_id
        if self._announcer is not None:
            self._announcer.learn(torrent_id)
        if self._local is not None and self.is_started:
            for info_hash in torrent_id.short:
                if info_hash not in known:
                    self._local.add(info_hash)
        self._is_dht_due = True

    @property
    def may_find_more(self) -> bool:
        """Whether a stranger may turn up at any time.

        That is so while there is a DHT that can be asked, or one that cannot be joined so far and something else that
        lives: the local network, or a tracker that answers.
        """
        if self._dht is None:
            return False
        return self._dht_error is None or self._local is not None or self._has_working_tracker

    @property
    def _has_working_tracker(self) -> bool:
        return any(tracker.state is TrackerState.WORKING for tracker in self.trackers())

    def trackers(self) -> tuple[TrackerStats, ...]:
        """A snapshot of the trackers, tier after tier."""
        return self._announcer.trackers() if self._announcer is not None else ()

    def reannounce(self) -> None:
        """Trackers are asked again as soon as they allow it."""
        if self._announcer is not None:
            self._announcer.hurry()

    def readdress(self) -> None:
        """Peers reach us at another port from now on: trackers hear it at once, the DHT within a minute."""
        self._is_dht_due = True
        if self._announcer is not None:
            self._announcer.readdress()

    async def wait_announced(self) -> None:
        """Returns once a tracker has accepted an announcement; without one, never."""
        if self._announcer is None:
            await self._loop.create_future()
        else:
            await self._announcer.wait_announced()

    def completed(self) -> None:
        """Everything is here now: trackers count us as a seed."""
        if self._announcer is not None:
            self._announcer.completed()

    async def aclose(self) -> None:
        """Tells the trackers that we leave."""
        self._leave_local()
        if self._announcer is not None:
            await self._announcer.aclose()

    def explain_loneliness(
        self,
        unresolved: Iterable[str] = (),
        web_seeds: Mapping[str, str] | None = None,
        *,
        private: Sequence[Address] = (),
        turned_away_by: Sequence[Address] = (),
        encryption: Encryption = Encryption.PLAINTEXT,
        has_met: bool = False,
    ) -> str:
        """Why no peer is here, and what can be done.

        Args:
            has_met: a peer was here before.
            unresolved: names of peers that have no address.
            web_seeds: what is wrong with each of them.
            private: peers that were not called because of where they are.
            turned_away_by: peers that were called and hung up on our handshake.
            encryption: how they were called.
        """
        said = ["everybody who was here has left" if has_met else "no peer could be reached"]
        if self._announcer is not None and (self._announcer.last_error or not has_met):
            said.append(self._announcer.last_error or "the trackers named nobody who answered")
        if self._dht_error is not None:
            said.append(self._dht_error)
        said += [f"{name} has no address" for name in unresolved]
        said += [f"{url}: {error}" for url, error in (web_seeds or {}).items()][:MAX_WEB_SEEDS_NAMED]
        if private:
            said.append(_explain_private(private))
        if turned_away_by:
            said.append(_explain_turned_away(turned_away_by, encryption))
        if has_met:
            said.append("wait until somebody comes back, or name another peer")
        else:
            said.append("name a peer that has it, allow the DHT, or wait longer")
        return "; ".join(said)

    def become_private(self) -> None:
        """The metadata of a magnet link says that the torrent is private: from now on only trackers are asked."""
        self._leave_local()
        self._dht = None
        self._nodes = None
        if self._search is not None:
            self._search.cancel()

    def _leave_local(self) -> None:
        self._be_silent_locally()
        self._local = None

    def _be_silent_locally(self) -> None:
        if self._local is not None:
            for info_hash in self._torrent_id.short:
                self._local.remove(info_hash)

    async def _search_dht(self, dht: MainlineNode) -> None:
        """Looks up and announces, again and again.

        Soon again while peers are few or no node took the announcement, and every 15 minutes in any case (BEP 5).
        """
        pause_s = self._config.dht_first_interval_s
        due_at = self._loop.time()
        while self._dht is not None:
            started_at = self._loop.time()
            is_due, self._is_dht_due = started_at >= due_at or self._is_dht_due, False
            if (is_due or not self._is_satisfied()) and await self._search_once(dht):
                due_at = started_at + self._config.dht_interval_s
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONELY_INTERVAL_S, self._config.dht_interval_s)

    async def _search_once(self, dht: MainlineNode) -> bool:
        """Whether a node knows of us now."""
        if self._nodes is not None and (self._dht_error is not None or self.lookup is None):
            self._nodes.offer()
        is_known = False
        try:
            for info_hash in self._torrent_id.short:
                await self._find_peers(dht, info_hash)
                reach = self._reach
                if not reach.port:
                    continue  # there is nothing to announce: nobody can call us
                report = await dht.announce(info_hash, port=reach.port, implied_port=reach.implies_port)
                self._on_addresses(report.peers, info_hash)
                is_known |= bool(report.accepted_by)
        except BootstrapError as error:
            self._dht_failed(str(error))
        except NodeClosedError:
            self._dht = None
            self._dht_failed("the DHT node was closed")
        except LimitExceededError:
            pass  # other torrents are searching; our turn comes after the pause
        else:
            self._dht_error = None
            return is_known
        return False

    def _dht_failed(self, reason: str) -> None:
        """The end, unless peers may come from elsewhere, or the torrent's own nodes may still bring us in."""
        self._dht_error = reason
        may_join = self._dht is not None and self._nodes is not None and self._nodes.may_help
        if not self._has_other_sources() and self._local is None and not may_join:
            raise NoPeersError(reason)

    async def _find_peers(self, dht: MainlineNode, info_hash: bytes) -> None:
        """One lookup; the first that names a peer is remembered, and brought up to date when it is over."""
        started_at = self._loop.time()
        is_first = self.lookup is None
        async with dht.find_peers(info_hash) as lookup:

            def summary() -> LookupSummary:
                stats = lookup.statistics()
                return LookupSummary(hops=stats.hops, queries=stats.queries, elapsed_s=self._loop.time() - started_at)

            async for address in lookup:
                self.lookup = self.lookup or summary()
                self._on_addresses([address], info_hash)
            if is_first and self.lookup is not None:
                self.lookup = replace(summary(), elapsed_s=self.lookup.elapsed_s)


def _explain_private(peers: Sequence[Address]) -> str:
    others = f" and {len(peers) - 1} more" if len(peers) > 1 else ""
    return f"not called: {peers[0]}{others}, at a private address; --allow-private allows that"


def _explain_turned_away(peers: Sequence[Address], encryption: Encryption) -> str:
    """What hangs up may have several reasons, which look the same from here."""
    others = f" and {len(peers) - 1} more" if len(peers) > 1 else ""
    return f"{peers[0]}{others} hung up at our first word: {_REASONS[encryption]}"


_REASONS = {
    Encryption.OFF: "encrypted connections only, which are switched off here (--encryption off), or not this torrent",
    Encryption.PLAINTEXT: "not this torrent, or no room for us",
    Encryption.ENCRYPTED: "not this torrent, or no room for us",
    Encryption.REQUIRED: "no encryption, which is required here (--encryption required), or not this torrent",
}
MAX_WEB_SEEDS_NAMED = 3
LONELY_INTERVAL_S = 60.0  # at most, between searches while there are too few peers
