"""The giving side of a swarm: whom to unchoke, and which of their requests to serve."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from bittorrent.allowed_fast import allowed_fast_set
from bittorrent.choker import ChokeCandidate, ChokerCore
from bittorrent.picker.bitfield import Bitfield
from bittorrent.picker.geometry import Block
from bittorrent.swarm_config import SwarmConfig
from bittorrent.swarm_peer import SwarmPeer
from transfer.address import is_ip_address


class SwarmUploads:
    """Gives slots away and takes requests off the queues of those who have one.

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
        self.uploaded_bytes = 0
        self._peers = peers
        self._touch = touch
        self._info_hash = info_hash
        self._config = config
        self._choker = ChokerCore(rng=rng, config=config.choker)
        self._have = Bitfield(0)

    def begin(self, have: Bitfield) -> None:
        """The torrent is known; `have` is what we have: live."""
        self._have = have

    def take(self, peer: SwarmPeer, max_bytes: int) -> list[Block]:
        """Takes requests off a peer's queue, up to `max_bytes` but at least one."""
        queue = peer.core.upload_queue
        blocks: list[Block] = []
        size = 0
        while queue and (size < max_bytes or not blocks):
            block = queue.popleft()
            if block.piece in self._have:
                blocks.append(block)
                size += block.length
            elif peer.core.is_fast:
                peer.core.reject([block])
                peer.core.count_nuisance()
            else:
                peer.core.close(f"the peer requested piece {block.piece}, which we do not have")
            self._touch(peer)
        return [] if peer.core.is_closed else blocks

    def send(self, peer: SwarmPeer, block: Block, data: bytes, *, now: float) -> None:
        """Answers one request, unless the peer was choked meanwhile."""
        if peer.core.is_closed:
            return
        self._touch(peer)
        if not peer.core.may_serve(block):
            peer.core.reject([block])
            return
        peer.core.send_block(block, data)
        peer.upload.add(len(data), now=now)
        peer.uploaded_bytes += len(data)
        self.uploaded_bytes += len(data)

    def interest_changed(self, peer: SwarmPeer) -> None:
        """A peer wants something, or nothing any more. One that has nearly nothing may begin at once (BEP 6)."""
        core, wanted = peer.core, self._config.allowed_fast_pieces
        if not core.is_interested or not core.is_fast or peer.was_allowed_fast or core.bits is None:
            return
        peer.was_allowed_fast = True
        if core.bits.count < wanted and is_ip_address(core.address.host):
            pieces = allowed_fast_set(self._info_hash, core.address.host, piece_count=core.bits.size, count=wanted)
            core.allow_fast([index for index in pieces if index in self._have and index not in core.bits])
            self._touch(peer)

    def rechoke(self, *, now: float, seeding: bool) -> None:
        """Gives slots away: all of them when a round is over, free ones at any time."""
        candidates = [
            ChokeCandidate(
                peer=peer.number,
                is_interested=peer.core.is_interested,
                is_unchoked=not peer.core.am_choking,
                is_snubbed=peer.pipeline.is_snubbed,
                download_bytes_per_s=peer.download.rate_bytes_per_s(now=now),
                upload_bytes_per_s=peer.upload.rate_bytes_per_s(now=now),
                connected_at=peer.connected_at,
            )
            for peer in self._peers.values()
            if not peer.core.is_closed
        ]
        decision = self._choker.decide(candidates, now=now, seeding=seeding)
        for number in decision.choke:
            self._peers[number].core.set_choking(True)
            self._touch(self._peers[number])
        for number in decision.unchoke:
            self._peers[number].core.set_choking(False)
            self._touch(self._peers[number])
