"""The taking side of a swarm: which blocks to ask of which peer, and what becomes of those that come."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from random import Random

from bittorrent.origin import ServerUrl
from bittorrent.picker.config import STORE, BlockReceived, PickerConfig, PieceState
from bittorrent.picker.picker import PiecePicker
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.pieces.hasher import LeafOf, Readable
from bittorrent.pieces.unfinished import UnfinishedPiece
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.downloading.assembly import Blame, PieceAssembly
from bittorrent.swarm.downloading.contributions import Contributions
from bittorrent.swarm.downloading.peer_places import PeerPlaces
from bittorrent.swarm.events import PeerBanned, PieceCompleted, PiecesUnfinished, ServerLied, SwarmEvent
from bittorrent.swarm.peer import NOBODY, Sender, SwarmPeer
from bittorrent.wire.scatter import ScatterScratch


class SwarmDownloads:
    """Requests, unfinished pieces, and the blame for bad ones.

    Args:
        peers: of the swarm, by number: live.
        touch: to be called for a peer that has something to write now.
        events: where finished pieces and bans are reported.
        have: what is on disk.
        priorities: of the pieces; None: all are wanted.
        rng: for the picker.

    Invariants:
        unverified_bytes is the size of the pieces that were handed out and not yet reported back
    """

    def __init__(
        self,
        peers: dict[int, SwarmPeer],
        touch: Callable[[SwarmPeer], None],
        events: deque[SwarmEvent],
        *,
        geometry: Geometry,
        have: Bitfield,
        priorities: bytes | None,
        rng: Random,
        config: SwarmConfig,
        leaf_of: LeafOf | None = None,
    ) -> None:
        self.now = 0.0  # kept up by the swarm
        self.downloaded_bytes = 0
        self.wasted_bytes = 0
        self.failed_pieces = 0
        self.unverified_bytes = 0
        self.is_held_back = False  # so much waits for the disk that nothing more is asked for
        self.held_back_at: float | None = None  # when the disk was last too slow to ask for more
        self.limited_at: float | None = None  # when a rate limit last kept back what could have been asked for
        self.contributions = Contributions(max_sources=config.max_contributions)
        self.picker = PiecePicker(
            geometry,
            rng=rng,
            have=have,
            config=PickerConfig(max_partial_pieces=config.max_partial_pieces(geometry.piece_length)),
        )
        if priorities is not None:
            self.picker.set_priorities(priorities)
        self._peers = peers
        self._touch = touch
        self._events = events
        self._config = config
        self._assembly = PieceAssembly(geometry, leaf_of)
        self._blame = Blame()
        self._scratch = ScatterScratch()
        self._is_told = False  # that there are unfinished pieces, since the last tick
        self._told_at_bytes = 0

    def include(self, peer: SwarmPeer) -> None:
        """From now on a peer takes part: what it sends is received here."""
        self.picker.add_peer(peer.number)
        places = PeerPlaces(
            peer,
            self.picker,
            self._assembly,
            on_filled=self.receive_filled,
            on_moved=self.receive_blocks,
            on_wasted=self._count_wasted,
        )
        peer.core.block_sink = places.moved
        peer.core.scatter_to(places, self._scratch)

    def exclude(self, peer: SwarmPeer) -> None:
        """The connection is gone. What it owed us is asked from others."""
        self.picker.remove_peer(peer.number)
        self._assembly.release(peer.number)
        self.request_from_all()

    def receive_blocks(self, peer: SwarmPeer, blocks: Sequence[tuple[Block, Readable]]) -> None:
        """Blocks that are not in their places: called from inside `PeerCore.buffer_updated`."""
        names = [block for block, _ in blocks]
        answers = self.picker.answers_received(peer.number, names)
        index, view = -1, memoryview(b"")
        for (block, data), received in zip(blocks, answers, strict=True):
            if received is not None:
                if block[0] != index:
                    index, view = block[0], self._assembly.view(block[0])
                view[block[1] : block[1] + block[2]] = data
        self._conclude(peer, names, answers)
        if None in answers:
            for (block, data), received in zip(blocks, answers, strict=True):
                if received is None:
                    self._receive_late(peer, block, data)

    def receive_filled(self, peer: SwarmPeer, blocks: Sequence[Block]) -> None:
        """The hot path: blocks that are in their places already, called from inside `PeerCore.buffer_updated`."""
        answers = self.picker.answers_received(peer.number, blocks)
        self._conclude(peer, blocks, answers)
        if None in answers:
            for block, received in zip(blocks, answers, strict=True):
                if received is None:
                    self._receive_late(peer, block, None)

    def take_up(self, pieces: Iterable[UnfinishedPiece]) -> None:
        """Pieces of which blocks were kept when an earlier run ended; those that are of no use now are left out."""
        for piece in pieces:
            if self.picker.kept.take_up(piece.index, piece.blocks):
                begins = (block.begin for block in piece.held_blocks(self.picker.geometry))
                self._assembly.adopt(piece.index, piece.buffer, dict.fromkeys(begins, NOBODY))
                if self.picker.state(piece.index) is PieceState.COMPLETE:
                    self._hand_out(piece.index)

    def request_from(self, peer: SwarmPeer) -> None:
        """Asks a peer for as much as is sensible; also while it chokes us, for what it then allows (BEP 6).

        Not one that owes us for long, whatever else it says: its turn comes with the clock, behind all others.
        """
        if not peer.pipeline.is_snubbed:
            self._request_from(peer)

    def _request_from(self, peer: SwarmPeer) -> None:
        core = peer.core
        if core.is_closed or peer.is_refusing:
            return
        if self.is_held_back:
            self.held_back_at = self.now
            return
        if core.is_choked and not core.remote_peer.allowed_fast:
            return
        outstanding = len(self.picker.requested_from(peer.number))
        wanted = min(peer.pipeline.target, core.remote_peer.request_limit) - outstanding
        if self.picker.has_deadlines:
            wanted = min(wanted, self._critical_target(peer) - outstanding)
        limiter = peer.download_limiter
        if limiter.is_limited:
            if wanted <= 0 or not self.picker.is_interesting(peer.number):
                return  # a torrent that wants nothing must not claim a part of what others may have
            allowance = limiter.allowance(now=self.now)
            if wanted * BLOCK_SIZE > allowance:
                self.limited_at = self.now
            wanted = min(wanted, self._share(allowance))
        elif not (wanted * 4 >= outstanding or wanted >= 32):  # a few at a time, not one for each block
            return
        if wanted > 0:
            blocks = self._pick(peer, wanted)
            self._drop_given_up()
            if blocks:
                core.request(blocks)
                if limiter.is_limited:
                    limiter.spend(sum(block.length for block in blocks), now=self.now)
                peer.pipeline.requests_sent(now=self.now)
                self._touch(peer)
                if not self._is_told:
                    self._tell_unfinished()

    def set_priorities(self, priorities: bytes) -> None:
        """What is wanted has changed: what is not any more is taken back from the peers."""
        for number, block in self.picker.set_priorities(priorities):
            self._take_back(number, block)
        self._drop_given_up()

    def set_deadlines(self, reader: int, deadlines: Mapping[int, float], *, is_urgent: bool) -> None:
        """When a reader needs which pieces, instead of what it said before.

        Args:
            is_urgent: it is waiting now, so what else was asked for is taken back, but for what is nearly here.
        """
        self.picker.set_deadlines(reader, deadlines)
        if is_urgent and deadlines:
            for peer in self._peers.values():
                for block in list(self.picker.requested_from(peer.number))[NEARLY_HERE:]:
                    if not self.picker.has_deadline(block.piece):
                        self.picker.release(peer.number, block)
                        peer.core.cancel(block)
                        self._touch(peer)
        if deadlines:
            self.request_from_all()

    def measure(self) -> None:
        """Tells the picker how fast the peers are. About once a second."""
        rates = {
            number: peer.download.rate_bytes_per_s(now=self.now)
            for number, peer in self._peers.items()
            if peer.downloaded_bytes
        }
        self.picker.set_rates(rates, now=self.now)

    def request_from_all(self) -> None:
        """`request_from` for each."""
        for peer in self._peers.values():
            self.request_from(peer)

    def tick(self) -> None:
        """About once a second."""
        self._assembly.drop_empty(lambda index: self.picker.state(index) is PieceState.PARTIAL)
        self._is_told = False
        if self.downloaded_bytes != self._told_at_bytes and self._assembly.buffered_bytes:
            self._tell_unfinished()
        # Peers known to give are asked first: what others let go of would only go to the next that gives nothing.
        for peer in sorted(self._peers.values(), key=_record):
            self._request_from(peer)

    def choked(self, peer: SwarmPeer) -> None:
        """The peer choked us: what it owed is forgotten, unless it says so of each request (BEP 6)."""
        if not peer.core.is_fast:
            self.release_all(peer)

    def release_all(self, peer: SwarmPeer) -> None:
        """Nothing that was asked from a peer will come."""
        self.picker.release_all(peer.number)
        peer.pipeline.nothing_owed()

    def rejected(self, peer: SwarmPeer, block: Block) -> None:
        """The peer will not send a block. While it unchokes us it is left alone for a moment: it may refuse all."""
        if not self.picker.release(peer.number, block):
            peer.core.count_nuisance(0.1)  # the answer to a request that was taken back, unless there are too many
            return
        self._note_owed(peer)
        if peer.core.is_choked:
            peer.core.remote_peer.allowed_fast.pop(block.piece, None)
        else:
            peer.core.remote_peer.suggested.pop(block.piece, None)
            peer.is_refusing = True
            peer.refusals += 1

    def piece_verified(self, completed: PieceCompleted) -> list[int]:
        """The piece has its hash and is on disk: only now it counts; returns what `PiecePicker.piece_verified` does."""
        self._change_unverified(-len(completed.buffer))
        satisfied = self.picker.piece_verified(completed.index)
        for liar in self._blame.piece_verified(completed.index, completed.buffer):
            self._punish(liar, completed.index)
        kept = _size_of(completed, [begin for begin, sender in completed.senders.items() if sender is NOBODY])
        self.contributions.credit(completed.senders.values(), len(completed.buffer) - kept)
        self._assembly.recycle(completed.buffer)
        return satisfied

    def piece_failed(self, completed: PieceCompleted) -> None:
        """The piece has another hash: it is fetched again, and each peer that must have lied is dropped.

        Nobody must have, if blocks of it were kept from an earlier run: it loses those alone.
        """
        self._change_unverified(-len(completed.buffer))
        kept = [begin for begin, sender in completed.senders.items() if sender is NOBODY]
        if kept:
            self._go_on_without(completed, kept)
            return
        self.failed_pieces += 1
        self.wasted_bytes += len(completed.buffer)
        self.picker.piece_failed(completed.index)
        geometry = self.picker.geometry
        for liar in self._blame.piece_failed(completed.index, completed.buffer, completed.senders, geometry):
            self._punish(liar, completed.index)
        self._assembly.recycle(completed.buffer)

    def blocks_judged(self, completed: PieceCompleted, bad: int | None) -> dict[Block, Sender]:
        """The piece has another hash because of these blocks (a set of numbers): it goes on without them.

        Returns: the bad blocks and their senders; those that were kept from an earlier run are nobody's lie. Nothing
        when no block is known to be bad: then all of the piece is fetched again.
        """
        geometry = self.picker.geometry
        numbers = geometry.needed_blocks(completed.index) & bad if bad is not None else 0
        if not numbers:
            self.piece_failed(completed)
            return {}
        self._change_unverified(-len(completed.buffer))
        self.failed_pieces += 1
        found: dict[Block, Sender] = {}
        for block in geometry.blocks(completed.index):
            if numbers >> block.begin // BLOCK_SIZE & 1:
                found[block] = completed.senders[block.begin]
        self._go_on_without(completed, [block.begin for block in found])
        liars = {sender.number: sender for sender in found.values() if sender is not NOBODY}
        self.wasted_bytes += sum(block.length for block, sender in found.items() if sender is not NOBODY)
        for liar in liars.values():
            self._punish(liar, completed.index)
        return found

    def was_held_back(self, *, now: float) -> bool:
        """Whether the disk has lately been too slow to ask for more."""
        return self.held_back_at is not None and now - self.held_back_at <= LATELY_S

    def was_rate_limited(self, *, now: float) -> bool:
        """Whether a rate limit has lately kept back what could have been asked for."""
        return self.limited_at is not None and now - self.limited_at <= LATELY_S

    @property
    def buffered_bytes(self) -> int:
        """How much memory unfinished pieces take."""
        return self._assembly.buffered_bytes

    def unfinished(self) -> Iterator[tuple[int, memoryview, Mapping[int, Sender]]]:
        """As `PieceAssembly` has it."""
        return self._assembly.unfinished()

    def _share(self, allowance_bytes: float) -> int:
        """How many blocks one of the peers may be asked for, so that none gets all that the limit allows."""
        return int(max(1, allowance_bytes / BLOCK_SIZE / max(1, len(self._peers)))) if allowance_bytes > 0 else 0

    def _pick(self, peer: SwarmPeer, wanted: int) -> list[Block]:
        remote = peer.core.remote_peer
        if remote.is_choking:
            return self.picker.pick_from(peer.number, remote.allowed_fast, wanted, now=self.now)
        blocks = self.picker.pick_from(peer.number, remote.suggested, wanted, now=self.now) if remote.suggested else []
        return blocks + self.picker.pick(peer.number, wanted - len(blocks), now=self.now)

    def _receive_late(self, peer: SwarmPeer, block: Block, data: Readable | None) -> None:
        """A block came that is not outstanding, but may be needed all the same; `data` None: it is in its place."""
        received = self.picker.block_received(peer.number, block)
        self._drop_given_up()
        if received.is_new:
            if data is not None:
                self._assembly.view(block.piece)[block.begin : block.begin + block.length] = data
            self._conclude(peer, [block], [received])
        else:
            self.wasted_bytes += block.length
            if not received.is_expected and not peer.forgive_unexpected():
                peer.core.close("the peer keeps sending blocks that nobody asked for")

    def _conclude(self, peer: SwarmPeer, blocks: Sequence[Block], answers: Sequence[BlockReceived | None]) -> None:
        """Counts the blocks that have an answer: they are needed, and in their places."""
        answered = blocks
        if answers.count(STORE) == len(answers):
            self._assembly.received_all(blocks, peer.sender)
        else:
            answered = [block for block, received in zip(blocks, answers, strict=True) if received is not None]
            self._assembly.received_all(answered, peer.sender)
            for block, received in zip(blocks, answers, strict=True):
                if received is not STORE and received is not None:
                    self._conclude_block(block, received)
        if answered:
            size = sum([block[2] for block in answered])
            self.downloaded_bytes += size
            peer.downloaded_bytes += size
            peer.refusals = 0
            peer.download.add(size, now=self.now)
            outstanding = len(self.picker.requested_from(peer.number))
            peer.pipeline.blocks_received(len(answered), size, outstanding=outstanding, now=self.now)

    def _conclude_block(self, block: Block, received: BlockReceived) -> None:
        for number in received.cancel_for:
            self._take_back(number, block)
        if received.is_piece_complete:
            self._hand_out(block.piece)

    def _hand_out(self, index: int) -> None:
        leaves = self._assembly.leaves(index)
        buffer, senders = self._assembly.take(index)
        self._change_unverified(len(buffer))
        self._events.append(PieceCompleted(index, buffer, senders, leaves))

    def _go_on_without(self, completed: PieceCompleted, dropped: Collection[int]) -> None:
        """The piece goes on without the blocks at these offsets."""
        index = completed.index
        self.picker.kept.take_back(index, sum(1 << begin // BLOCK_SIZE for begin in dropped))
        rest = {begin: sender for begin, sender in completed.senders.items() if begin not in dropped}
        if self.picker.state(index) is PieceState.PARTIAL:
            leaves = {begin: leaf for begin, leaf in completed.leaves.items() if begin in rest}
            self._assembly.adopt(index, completed.buffer, rest, leaves)
        else:
            self._assembly.recycle(completed.buffer)
            self.wasted_bytes += _size_of(completed, [begin for begin in rest if rest[begin] is not NOBODY])

    def _tell_unfinished(self) -> None:
        self._is_told, self._told_at_bytes = True, self.downloaded_bytes
        self._events.append(PiecesUnfinished())

    def _take_back(self, number: int, block: Block) -> None:
        peer = self._peers[number]
        peer.core.cancel(block)
        self._note_owed(peer)
        self._touch(peer)

    def _change_unverified(self, size: int) -> None:
        self.unverified_bytes += size
        most = self._config.max_unverified_bytes
        self.is_held_back = self.unverified_bytes > (most * RESUME_SHARE if self.is_held_back else most - 1)

    def _count_wasted(self, size: int) -> None:
        self.wasted_bytes += size

    def _critical_target(self, peer: SwarmPeer) -> int:
        rate = peer.download.rate_bytes_per_s(now=self.now)
        return max(MIN_REQUESTS, int(rate * self._config.critical_queue_s / BLOCK_SIZE) + 1)

    def _note_owed(self, peer: SwarmPeer) -> None:
        if not self.picker.requested_from(peer.number):
            peer.pipeline.nothing_owed()

    def _punish(self, liar: Sender, index: int) -> None:
        """Bans a peer that lied; a server may have another version of one file, and the torrent's of all others."""
        if not isinstance(liar.address, ServerUrl):
            self._ban(liar)
            return
        self._events.append(ServerLied(liar.address, index))
        if liar.number in self._peers:  # it will say so itself, but must not be asked again before
            self.picker.peer_lost(liar.number, index)

    def _ban(self, liar: Sender) -> None:
        self._events.append(PeerBanned(liar.address))
        peer = self._peers.get(liar.number)
        if peer is not None:
            peer.core.close("the peer sent data with a wrong hash")
            self._touch(peer)

    def _drop_given_up(self) -> None:
        """Frees the memory of unfinished pieces whose blocks the picker forgot: they came in vain."""
        for number, block in self.picker.parole.take_withdrawn():
            self._take_back(number, block)
        for index in self.picker.take_given_up():
            self.wasted_bytes += self._assembly.drop(index)


def _size_of(piece: PieceCompleted, begins: Iterable[int]) -> int:
    return sum(min(BLOCK_SIZE, len(piece.buffer) - begin) for begin in begins)


def _record(peer: SwarmPeer) -> tuple[bool, bool, int]:
    """How well a peer has kept its promises; the best is the least."""
    return peer.pipeline.is_snubbed, peer.refusals > 0, -peer.downloaded_bytes


LATELY_S = 2.0
MIN_REQUESTS = 4
RESUME_SHARE = 0.75  # of the bound: with so little waiting for the disk everybody is asked again
NEARLY_HERE = 2  # requests of each peer that stand although something else is needed at once
