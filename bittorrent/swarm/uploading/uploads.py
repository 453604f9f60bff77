"""The giving side of a swarm: which peers to unchoke, and which of their requests to serve."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from random import Random

from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.peer import SwarmPeer
from bittorrent.swarm.uploading.allowed_fast import allowed_fast_set
from bittorrent.swarm.uploading.choker import ChokeCandidate, ChokerCore
from bittorrent.swarm.uploading.super_seeding import SuperSeeding
from transfer.address import Address, is_ip_address
from transfer.limits.shares import share_of


class SwarmUploads:
    """Gives slots away and takes requests off the queues of the peers that have one.

    Args:
        peers: of the swarm, by number: live.
        touch: to be called for a peer that has something to write now.
    """

    def __init__(
        self,
        peers: dict[int, SwarmPeer],
        touch: Callable[[SwarmPeer], None],
        *,
        info_hash: bytes,
        rng: Random,
        config: SwarmConfig,
    ) -> None:
        self.now = 0.0  # kept up by the swarm
        self.uploaded_bytes = 0
        self._peers = peers
        self._touch = touch
        self._info_hash = info_hash
        self._config = config
        self._rng = rng
        self._choker = ChokerCore(rng=rng, config=config.choker)
        self._have = Bitfield(0)
        self._read_lately: dict[int, bool] = {}  # pieces, the latest last, and whether nobody was told yet
        self._super: SuperSeeding | None = None
        self._left_idle: OrderedDict[bytes, None] = OrderedDict()  # hosts that made nothing of a slot, and left

    def begin(self, geometry: Geometry, have: Bitfield, *, super_seed: bool) -> None:
        """The torrent is known; `have` is what we have: live. Only what is complete can be super-seeded (BEP 16)."""
        self._have = have
        if super_seed and have.is_full:
            self._super = SuperSeeding(geometry, rng=self._rng, config=self._config.super_seeding)

    @property
    def is_super_seeding(self) -> bool:
        return self._super is not None

    @property
    def shown(self) -> Bitfield:
        """What a new peer is told that we have."""
        return self._have if self._super is None else Bitfield(self._have.size)

    def add_peer(self, peer: SwarmPeer) -> None:
        """A peer takes part from now on. One that left with an unused slot is no newcomer when it comes back."""
        if share_of(peer.core.address.host) in self._left_idle:
            peer.slot.note_idle(now=self.now)
        if self._super is not None:
            self._super.add_peer(peer.number)

    def remove_peer(self, peer: SwarmPeer) -> None:
        """A peer takes part no longer."""
        share = share_of(peer.core.address.host)
        if peer.is_idler(now=self.now):
            self._left_idle[share] = None
            self._left_idle.move_to_end(share)
            if len(self._left_idle) > MAX_LEFT_IDLE:
                self._left_idle.popitem(last=False)
        elif peer.uploaded_bytes:
            self._left_idle.pop(share, None)
        if self._super is not None:
            self._super.remove_peer(peer.number)

    def peer_has(self, peer: SwarmPeer, news: int | Bitfield) -> None:
        """A peer announced a piece, or what it had when it connected."""
        if self._super is not None:
            if isinstance(news, Bitfield):
                deserving = self._super.peer_has_many(peer.number, news, now=self.now)
            else:
                deserving = self._super.peer_has(peer.number, news, now=self.now)
            for number in deserving:
                self._offer(self._peers[number])

    def take(self, peer: SwarmPeer, max_bytes: int) -> list[Block]:
        """Takes requests off a peer's queue, up to `max_bytes` but at least one."""
        if peer.upload_limiter.is_limited:
            allowance = peer.upload_limiter.allowance(now=self.now)
            if allowance <= 0:
                peer.slot.held_back(now=self.now)
                return []  # the requests wait: the shell asks again within a second
            max_bytes = min(max_bytes, int(allowance))
        queue = peer.core.upload_queue
        blocks: list[Block] = []
        size = 0
        while queue and (size < max_bytes or not blocks):
            block = queue.popleft()
            if self._may_have(peer, block[0]):
                blocks.append(block)
                size += block[2]
            elif peer.core.is_fast:
                peer.core.reject([block])
                peer.core.count_nuisance()
            else:
                peer.core.close(f"the peer requested piece {block.piece}, which we do not have")
        self._touch(peer)
        if blocks:
            peer.slot.blocks_taken(len(blocks), now=self.now)
        if peer.upload_limiter.is_limited:
            peer.upload_limiter.spend(size, now=self.now)
        return [] if peer.core.is_closed else blocks

    def send(self, peer: SwarmPeer, blocks: Sequence[tuple[Block, bytes | memoryview]]) -> None:
        """Answers requests, unless the peer was choked meanwhile."""
        core = peer.core
        if core.is_closed:
            return
        self._touch(peer)
        peer.slot.blocks_sent(len(blocks), now=self.now)
        if core.am_choking:
            core.reject([block for block, _ in blocks if not core.may_serve(block)])
            blocks = [(block, data) for block, data in blocks if core.may_serve(block)]
        core.send_blocks(blocks)
        size = sum(len(data) for _, data in blocks)
        peer.upload.add(size, now=self.now)
        peer.uploaded_bytes += size
        self.uploaded_bytes += size
        if self._config.suggested_pieces:
            self._note_read(block.piece for block, _ in blocks)
        if self._super is not None:
            for block, _ in blocks:
                if self._super.block_sent(peer.number, block, now=self.now):
                    self._offer(peer)

    def interest_changed(self, peer: SwarmPeer) -> None:
        """A peer wants something, or nothing any more. One that has nearly nothing may begin at once (BEP 6)."""
        core, wanted = peer.core, self._config.allowed_fast_pieces
        if not core.is_interested or not core.is_fast or peer.was_allowed_fast or core.bits is None:
            return
        peer.was_allowed_fast = True
        origin = core.address
        is_peer = isinstance(origin, Address) and is_ip_address(origin.host)
        if core.bits.count < wanted and self._super is None and is_peer:
            pieces = allowed_fast_set(self._info_hash, origin.host, piece_count=core.bits.size, count=wanted)
            core.allow_fast([index for index in pieces if index in self._have and index not in core.bits])
            self._touch(peer)

    def rechoke(self, *, seeding: bool) -> None:
        """Gives slots away: all of them when a round is over, free ones at any time."""
        now = self.now
        candidates = [
            ChokeCandidate(
                peer=peer.number,
                is_interested=self._is_worth_a_slot(peer),
                is_unchoked=not peer.core.am_choking,
                is_snubbed=peer.pipeline.is_snubbed,
                download_bytes_per_s=peer.received_lately.bytes_per_s(peer.downloaded_bytes, now=now),
                upload_bytes_per_s=peer.sent_lately.bytes_per_s(peer.uploaded_bytes, now=now),
                progress=len(peer.core.bits) / max(1, peer.core.bits.size) if peer.core.bits is not None else 0.0,
                connected_at=peer.connected_at,
                idle_s=peer.idle_s(now=now),
                has_requests=peer.has_requests,
                has_taken=peer.slot.has_taken,
                has_idled=peer.slot.has_idled(now=now),
                stalled_s=peer.slot.stalled_s(now=now),
            )
            for peer in self._peers.values()
            if not peer.core.is_closed
        ]
        decision = self._choker.decide(candidates, now=now, seeding=seeding)
        for number in decision.choke:
            self._peers[number].slot.end(now=now, has_requests=self._peers[number].has_requests)
            self._peers[number].core.set_choking(True)
            self._touch(self._peers[number])
            if self._super is not None:
                self._super.choked(number)
        self._suggest_news()
        for number in decision.unchoke:
            self._peers[number].slot.begin(now=now)
            self._peers[number].core.set_choking(False)
            self._touch(self._peers[number])
            self._suggest(self._peers[number], self._read_lately)
        if self._super is not None:
            self._super.handle_timer(now=now)
            for peer in self._peers.values():
                self._offer(peer)

    def check_invariants(self) -> None:
        """Asserts what the parts promise."""
        if self._super is not None:
            self._super.check_invariants()

    def _note_read(self, pieces: Iterable[int]) -> None:
        """These are in memory now: unchoked peers that lack them had better ask soon."""
        for piece in pieces:
            if piece not in self._read_lately:
                self._read_lately[piece] = True
                if len(self._read_lately) > self._config.suggested_pieces:
                    del self._read_lately[next(iter(self._read_lately))]

    def _suggest_news(self) -> None:
        """Tells everybody at once, and not with each block: suggestions by the hundred would look like a flood."""
        news = [piece for piece, is_news in self._read_lately.items() if is_news]
        if news:
            self._read_lately = dict.fromkeys(self._read_lately, False)
            for peer in self._peers.values():
                self._suggest(peer, news)

    def _suggest(self, peer: SwarmPeer, pieces: Iterable[int]) -> None:
        core = peer.core
        if core.am_choking or not core.is_interested or core.is_closed or core.bits is None or self._super is not None:
            return
        for piece in pieces:
            if piece in self._have and piece not in core.bits:
                core.suggest(piece)
                self._touch(peer)

    def _may_have(self, peer: SwarmPeer, piece: int) -> bool:
        return piece in self._have and (self._super is None or self._super.is_told(peer.number, piece))

    def _is_worth_a_slot(self, peer: SwarmPeer) -> bool:
        """While super-seeding, peers that lack something get slots: they have not been told yet what there is."""
        return peer.core.is_interested or (self._super is not None and self._super.wants_more(peer.number))

    def _offer(self, peer: SwarmPeer) -> None:
        if self._super is not None and not peer.core.am_choking and not peer.core.is_closed:
            news = self._super.offer(peer.number, now=self.now)
            if news:
                peer.core.announce_many(news)
                self._touch(peer)


MAX_LEFT_IDLE = 1024  # that are remembered
