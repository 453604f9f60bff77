"""Everything that a torrent can get peers from: trackers, the DHT, peers given by name, and web seeds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING

from bittorrent.aio.milestone import Milestone
from bittorrent.aio.peers.named_peers import NamedPeers
from bittorrent.aio.peers.swarm import Swarm
from bittorrent.aio.sources.announcers import Announcers
from bittorrent.aio.sources.discovery import MAX_WEB_SEEDS_NAMED, Discovery
from bittorrent.aio.sources.torrent_nodes import TorrentNodes
from bittorrent.aio.sources.tracker import TrackerAnnouncer, TransferTotals
from bittorrent.aio.sources.web_seeds import WebSeeds
from bittorrent.aio.torrent_parts import SessionParts
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.dialling.targets import NamedBy
from bittorrent.errors import MetainfoError, NoPeersError
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.metainfo.magnet import Magnet
from bittorrent.metainfo.torrent import Metainfo
from transfer.aio.tasks import TaskSet

if TYPE_CHECKING:
    from kademlia_core import MainlineNode


class Sources:
    """Looks for peers of one torrent, from `start` on, except while it is paused.

    Args:
        source: names trackers, peers and web seeds.
        web_urls: of web seeds, those of the source included; `typed_web_urls` are those that the user gave.
        dht: None for a private torrent, or when the session has no node.
        swarm: takes the peers.
        left_bytes: what trackers are told.
        has_enough: whether no peer has to be looked for any more.
        on_warning: told of a tracker that warns, by its URL.
        is_paused: begin only with `resume`.
    """

    def __init__(
        self,
        source: Metainfo | Magnet,
        *,
        web_urls: tuple[str, ...],
        typed_web_urls: tuple[str, ...],
        dht: MainlineNode | None,
        parts: SessionParts,
        swarm: Swarm,
        left_bytes: Callable[[], int],
        has_enough: Callable[[], bool],
        on_warning: Callable[[str, str], None],
        is_paused: bool,
        tasks: TaskSet,
        rng: Random,
    ) -> None:
        self.announced = Milestone()
        self.web_seeds: WebSeeds | None = None
        self._source = source
        self._web_urls = web_urls
        self._typed_web_urls = typed_web_urls
        self._parts = parts
        self._swarm = swarm
        self._left_bytes = left_bytes
        self._has_enough = has_enough
        self._on_warning = on_warning
        self._tasks = tasks
        self._rng = rng
        self._is_paused = is_paused
        self._may_search = False
        self.named_peers = NamedPeers(on_addresses=swarm.add_addresses, calls=parts.calls, tasks=tasks)
        if is_paused:
            swarm.hold()
        self.discovery = Discovery(
            torrent_id=source.torrent_id,
            reach=parts.reach,
            dht=dht,
            nodes=self._torrent_nodes(dht),
            local=None if isinstance(source, Metainfo) and source.private else parts.local,
            make_announcer=self._make_announcers,
            config=parts.config,
            has_other_sources=self._has_other_sources,
            is_satisfied=lambda: has_enough() or len(swarm.core.peers) >= ENOUGH_PEERS,
            on_addresses=lambda found, info_hash: swarm.add_addresses(found, PeerSource.DHT, info_hash=info_hash),
            tasks=tasks,
        )

    def _torrent_nodes(self, dht: MainlineNode | None) -> TorrentNodes | None:
        source = self._source
        if dht is None or not isinstance(source, Metainfo) or source.private or not source.nodes:
            return None
        return TorrentNodes(source.nodes, dht=dht, calls=self._parts.calls, tasks=self._tasks)

    def start(self) -> None:
        """Begins to dial and to ask for peers. May be called again."""
        self._may_search = True
        if self.discovery.is_started or self._is_paused:
            return
        self.discovery.start()
        self._tasks.start(self._note_announced(), name="wait for trackers")
        if not self._swarm.is_started:
            self._swarm.start()
            if isinstance(self._source, Magnet):
                self.named_peers.add(self._source.peers, named_by=NamedBy.STRANGER)
            if self._parts.config.no_peers_timeout_s is not None:
                self._tasks.start(self._give_up_alone(self._parts.config.no_peers_timeout_s), name="wait for peers")

    def start_web_seeds(self, metainfo: Metainfo) -> None:
        """Asks web seeds, if anything is wanted. May be called again."""
        if not self._web_urls or self._swarm.core.is_finished or self._is_paused:
            return
        if self.web_seeds is None:
            self.web_seeds = WebSeeds(
                self._web_urls,
                metainfo,
                typed=self._typed_web_urls,
                http=self._parts.http,
                new_connection=self._swarm.new_connection,
                is_banned=self._swarm.peers.is_banned,
                is_wanted=lambda: not self._swarm.core.is_finished,
                is_needed=self._is_needed,
                rng=self._rng,
                tasks=self._tasks,
                config=self._parts.config.web_seed,
            )
        self.web_seeds.start()

    async def pause(self) -> None:
        """Ends every connection, looks for no peers, and tells the trackers that we leave."""
        self._is_paused = True
        if self.web_seeds is not None:
            self.web_seeds.stop()
        await self._swarm.pause()
        await self.discovery.pause()

    def resume(self) -> None:
        """Goes on with what was begun before; web seeds are started by themselves."""
        self._is_paused = False
        self._swarm.resume()
        if self._may_search:
            self.start()

    def explain_loneliness(self) -> str:
        """Why no peer came, and what can be done."""
        unusable = self.web_seeds.errors if self.web_seeds is not None else {}
        has_met = self._swarm.last_met_at is not None
        return self.discovery.explain_loneliness(
            self.named_peers.unresolved,
            unusable,
            private=[*self.named_peers.private, *self._swarm.dialling.private],
            turned_away_by=self._swarm.dialling.turned_away_by,
            encryption=self._parts.config.encryption,
            has_met=has_met,
        )

    def explain_servers(self) -> str:
        """What is wrong with web seeds, for people; nothing if nothing is."""
        errors = self.web_seeds.errors if self.web_seeds is not None else {}
        return "; ".join(f"{url}: {error}" for url, error in list(errors.items())[:MAX_WEB_SEEDS_NAMED])

    def _is_needed(self, pieces: range) -> bool:
        picker = self._swarm.core.picker
        if picker is None:
            return False
        priorities, have = picker.priorities, picker.have
        return any(priorities[index] and index not in have for index in pieces)

    def _make_announcers(self, torrent_id: TorrentId) -> Announcers | None:
        has_trackers = any(tiers_of(self._source))
        return Announcers(torrent_id, self._make_announcer, on_warning=self._on_warning) if has_trackers else None

    def _make_announcer(self, info_hash: bytes, on_warning: Callable[[str, str], None]) -> TrackerAnnouncer:
        core, add_addresses = self._swarm.core, self._swarm.add_addresses
        return TrackerAnnouncer(
            tiers_of(self._source),
            self._parts.trackers,
            info_hash=info_hash,
            peer_id=self._parts.peer_id,
            port=lambda: self._parts.reach.port,
            named_by=NamedBy.TORRENT if isinstance(self._source, Metainfo) else NamedBy.STRANGER,
            totals=lambda: TransferTotals(core.uploaded_bytes, core.downloaded_bytes, self._left_bytes()),
            on_peers=lambda found: add_addresses(found, PeerSource.TRACKER, info_hash=info_hash),
            on_names=lambda names: self.named_peers.add(names, named_by=NamedBy.STRANGER, source=PeerSource.TRACKER),
            on_warning=on_warning,
        )

    async def _note_announced(self) -> None:
        await self.discovery.wait_announced()
        self.announced.reach()

    async def _give_up_alone(self, timeout_s: float) -> None:
        """Without a DHT it may be that no peer ever comes; a program that waits for ever looks broken."""
        while self._has_met_nobody():
            await asyncio.sleep(timeout_s)
            if self._has_met_nobody() and not self._is_paused and not self.discovery.may_find_more:
                raise NoPeersError(self.explain_loneliness())

    def _has_met_nobody(self) -> bool:
        return self._swarm.last_met_at is None and not self._swarm.core.is_finished

    def _has_other_sources(self) -> bool:
        """Whether a DHT that fails is not the end. A torrent that has met a peer, or is a seed, may be found."""
        is_told = bool(tiers_of(self._source) or self._web_urls)
        has_hope = is_told or len(self._swarm.peers) > 0 or self.named_peers.is_resolving
        return has_hope or not self._has_met_nobody()


def tiers_of(source: Metainfo | Magnet) -> tuple[tuple[str, ...], ...]:
    """BEP 12 tiers; the trackers of a magnet link are a tier each, as libtorrent has it."""
    return source.trackers if isinstance(source, Metainfo) else tuple((url,) for url in source.trackers)


ENOUGH_PEERS = 10  # with so many connected, the DHT is only asked when the announcement is due


def parse_metadata(source: Metainfo | Magnet, info_bytes: bytes, pause: Callable[[], None]) -> Metainfo:
    """The torrent behind a link, with what the link says of peers; `pause` is as for `Metainfo.from_info`.

    Raises:
        MetainfoError: the metadata is of no use.
    """
    found = Metainfo.from_info(info_bytes, trackers=tiers_of(source), web_seeds=source.web_seeds, pause=pause)
    if not source.torrent_id.describes(found.torrent_id):  # the hash is right, but of the other version
        raise MetainfoError("the link has a hash of the other version than the torrent is of")
    return found
