"""The exchange of hashes in a swarm: layers and leaves that we want, and what others want of us (BEP 52)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping

from bittorrent.errors import WireError
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.merkle.proof import HashError, HashRange
from bittorrent.merkle.shape import TreeShape
from bittorrent.peer.events import HashesArrived, HashesRequested
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.swarm.events import HashesWanted, LayersCompleted, LeavesArrived, PeerBanned, PieceCompleted, SwarmEvent
from bittorrent.swarm.hashes.answers import HashAnswers
from bittorrent.swarm.hashes.config import HashConfig
from bittorrent.swarm.hashes.layers import LayerFetch
from bittorrent.swarm.hashes.leaves import LeafFetch
from bittorrent.swarm.hashes.places import TreePlaces
from bittorrent.swarm.hashes.work import HashWork, Prepared
from bittorrent.swarm.peer import SwarmPeer
from bittorrent.wire.hashes import Hashes, HashReject
from transfer.address import Address


class SwarmHashes:
    """Asks, checks and answers. Only connections of version 2 carry hash messages: others would be ended by them.

    Args:
        peers: of the swarm, by number: live.
        touch: to be called for a peer that has something to write now.
        events: where finished layers and leaves, work and bans are reported.
    """

    def __init__(
        self,
        peers: dict[int, SwarmPeer],
        touch: Callable[[SwarmPeer], None],
        events: deque[SwarmEvent],
        *,
        config: HashConfig,
    ) -> None:
        self.layers = LayerFetch(config)
        self._leaves = LeafFetch(config)
        self._answers: HashAnswers | None = None
        self._places: TreePlaces | None = None
        self._peers = peers
        self._touch = touch
        self._events = events
        self._v2_hash: bytes | None = None  # the short one
        self._config = config
        self._on_given_up: Callable[[PieceCompleted], None] = _ignore
        self.is_fetching = False
        self._speakers: dict[int, SwarmPeer] = {}
        self._doubtful: dict[int, PieceCompleted] = {}

    # Inputs

    def add_peer(self, peer: SwarmPeer, *, now: float) -> None:
        """A peer connected; one that stands for a server has no hashes."""
        if self._v2_hash is None or not isinstance(peer.core.address, Address):
            return
        if peer.number not in self._speakers and peer.core.speaks_for(self._v2_hash):
            self._speakers[peer.number] = peer
            self.layers.add_peer(peer.number)
            self._entitle(peer)
            self._ask(peer, now=now)

    def remove_peer(self, number: int, *, now: float) -> None:
        """A peer is gone: others are asked."""
        if self._speakers.pop(number, None) is None:
            return
        self.layers.remove_peer(number)
        self._leaves.remove_peer(number)
        if self._answers is not None:
            self._answers.remove_peer(number)
        self._ask_all(now=now)

    def receive(self, peer: SwarmPeer, event: HashesRequested | HashesArrived, *, now: float) -> None:
        """A hash message came. A peer that sends wrong hashes is banned."""
        if isinstance(event, HashesRequested):
            self._answer(peer, event.range, now=now)
        elif isinstance(event.message, HashReject):
            self.layers.rejected(peer.number, event.message.range, now=now)
            self._leaves.rejected(peer.number, event.message.range)
            self._ask_all_leaves(now=now)
        else:
            self._take(peer, event.message)
        self._ask(peer, now=now)

    def handle_timer(self, *, now: float) -> None:
        """Asks others where peers are silent, and gives up on leaves that do not come. About once a second."""
        self.layers.handle_timer(now=now)
        self._ask_all(now=now)

    # Commands

    def learn(self, torrent_id: TorrentId, *, now: float) -> None:
        """What is known of the hashes of the torrent: a link may have named one of two."""
        self._v2_hash = torrent_id.v2_short
        for peer in list(self._peers.values()):
            self.add_peer(peer, now=now)

    def want_layers(self, trees: Mapping[bytes, TreeShape], *, now: float) -> None:
        """The piece layers of these trees are wanted, as far as they have any: `LayersCompleted` follows."""
        self.is_fetching = True
        self.layers.want(trees)
        self._note_layers()
        for peer in list(self._speakers.values()):
            self._ask(peer, now=now)

    def begin(self, places: TreePlaces, have: Bitfield, *, on_given_up: Callable[[PieceCompleted], None]) -> None:
        """The exchange of pieces begins.

        Args:
            have: the verified pieces: live.
            on_given_up: told of a doubtful piece whose leaves could not be had.
        """
        self._places, self._on_given_up = places, on_given_up
        self._answers = HashAnswers(places, have, self._config)
        for peer in self._speakers.values():
            self._entitle(peer)

    def doubt(self, completed: PieceCompleted, has_piece: Callable[[int], bool], *, now: float) -> bool:
        """Asks for the leaves of a piece that failed; False when that is of no use or there is nobody to ask.

        A piece of one block need not be asked about.

        Args:
            has_piece: whether the peer with this number has it.
        """
        if self._places is None:
            return False
        leaf = self._places.known_leaf(completed.index)
        if leaf is not None:
            self._events.append(LeavesArrived(completed, leaf))
            return True
        wanted = self._places.leaves_of(completed.index)
        used = sum(len(other.buffer) for other in self._doubtful.values())
        if wanted is None or (used and used + len(completed.buffer) > self._config.max_doubtful_bytes):
            return False
        senders = {sender.number for sender in completed.senders.values()}
        able = [number for number, peer in self._speakers.items() if not peer.core.is_closed and has_piece(number)]
        if not able:
            return False
        self._doubtful[completed.index] = completed
        self._leaves.want(completed.index, *wanted, sorted(able, key=senders.__contains__), now=now)
        self._ask_all_leaves(now=now)
        return True

    def prepared(self, work: HashWork, found: Prepared | None) -> None:
        """Work of `HashesWanted` is done; None when what is on disk is not what it should be."""
        assert self._answers is not None
        for number, answer in self._answers.prepared(work, found):
            self._send(self._peers[number], answer)
        self._report_work()

    # Views

    @property
    def speaker_count(self) -> int:
        """How many peers can be asked."""
        return len(self._speakers)

    @property
    def doubtful_bytes(self) -> int:
        """The size of the pieces that wait for their leaves."""
        return sum(len(completed.buffer) for completed in self._doubtful.values())

    def check_invariants(self) -> None:
        """Asserts what the parts promise."""
        self.layers.check_invariants()
        self._leaves.check_invariants()
        if self._answers is not None:
            self._answers.check_invariants()
        assert self._speakers.keys() <= self._peers.keys()

    def _answer(self, peer: SwarmPeer, wanted: HashRange, *, now: float) -> None:
        answer: Hashes | HashReject | None = HashReject(wanted)
        if self._answers is not None and peer.number in self._speakers and peer.core.reads:
            answer = self._answers.request(peer.number, wanted, now=now)
        if answer is not None:
            self._send(peer, answer)
        self._report_work()

    def _send(self, peer: SwarmPeer, answer: Hashes | HashReject) -> None:
        peer.core.hashes.answer(answer)
        self._touch(peer)

    def _report_work(self) -> None:
        work = self._answers.next_work() if self._answers is not None else None
        if work is not None:
            self._events.append(HashesWanted(work))

    def _take(self, peer: SwarmPeer, answer: Hashes) -> None:
        wanted, hashes = answer.range, answer.hashes
        try:
            if self.layers.receive(peer.number, wanted, hashes):
                self._note_layers()
            for index, leaves in self._leaves.receive(peer.number, wanted, hashes):
                self._events.append(LeavesArrived(self._doubtful.pop(index), leaves))
        except WireError as error:
            peer.core.close(str(error))
        except HashError as error:
            peer.core.close(f"the peer sent {error}")
            self._events.append(PeerBanned(peer.core.address))
        if peer.core.is_closed:
            self._touch(peer)

    def _note_layers(self) -> None:
        if self.is_fetching and self.layers.is_complete:
            self.is_fetching = False
            self._events.append(LayersCompleted(self.layers.found))

    def _ask_all(self, *, now: float) -> None:
        if self.is_fetching:
            for peer in list(self._speakers.values()):
                self._ask(peer, now=now)
        self._ask_all_leaves(now=now)

    def _ask(self, peer: SwarmPeer, *, now: float) -> None:
        if not peer.core.is_closed:
            for wanted in self.layers.requests_to(peer.number, now=now):
                peer.core.hashes.request(wanted)
                self._touch(peer)

    def _ask_all_leaves(self, *, now: float) -> None:
        for index in self._leaves.take_given_up(now=now):
            self._on_given_up(self._doubtful.pop(index))
        for number, wanted in self._leaves.requests_to_send(now=now):
            self._peers[number].core.hashes.request(wanted)
            self._touch(self._peers[number])

    def _entitle(self, peer: SwarmPeer) -> None:
        if self._places is not None:
            entitled = self._config.copies * self._places.request_count
            peer.core.hashes.entitled = max(peer.core.hashes.entitled, entitled)


def _ignore(completed: PieceCompleted) -> None:
    """Before the exchange of pieces has begun, none fails."""
