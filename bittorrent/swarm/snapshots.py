"""One moment of a torrent, as its machines see it. Pure."""

from __future__ import annotations

from collections.abc import Callable

from bittorrent.files.paths import without_unsafe_characters
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.picker.picker import PiecePicker
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.stats import LookupSummary, PeerStats, SourceStats, TorrentState, TorrentStats
from bittorrent.swarm.core import SwarmCore
from bittorrent.swarm.explain import held_up_by
from bittorrent.swarm.peer import SwarmPeer
from transfer.path_stats import PathStats


def torrent_statistics(
    core: SwarmCore,
    *,
    state: TorrentState,
    info_hash: bytes,
    info_hash_v2: bytes | None,
    name: str,
    metainfo: Metainfo | None,
    checked_pieces: int,
    known_peers: int,
    lookup: LookupSummary | None,
    is_paused: bool,
    now: float,
) -> TorrentStats:
    """Cost: a look at every connected peer, and at every unfinished piece."""
    picker = core.picker
    total = metainfo.total_bytes if metainfo is not None else 0
    rate = core.download_rate_bytes_per_s(now=now)
    piece_count = metainfo.piece_count if metainfo is not None else 0
    wanted, needed, wanted_pieces, done_pieces = total, total, piece_count, 0
    if picker is not None:
        flags = Bitfield.from_flags(picker.priorities)
        wanted, needed = picker.wanted_bytes, picker.needed_bytes
        wanted_pieces, done_pieces = flags.count, flags.count - flags.without(picker.have).count
    sources = [
        SourceStats(address=address, pieces=given.pieces, size_bytes=given.size_bytes)
        for address, given in core.contributions.items()
    ]
    return TorrentStats(
        state=state,
        info_hash=info_hash,
        info_hash_v2=info_hash_v2,
        name=name,
        total_bytes=total,
        done_bytes=wanted - needed,
        wanted_bytes=wanted,
        needed_bytes=needed,
        verified_bytes=total - picker.missing_bytes if picker is not None else 0,
        piece_count=piece_count,
        wanted_pieces=wanted_pieces,
        done_pieces=done_pieces,
        checked_pieces=checked_pieces,
        unfinished_bytes=core.unfinished_bytes,
        downloaded_bytes=core.downloaded_bytes,
        uploaded_bytes=core.uploaded_bytes,
        wasted_bytes=core.wasted_bytes,
        failed_pieces=core.failed_pieces,
        download_rate_bytes_per_s=rate,
        upload_rate_bytes_per_s=core.upload_rate_bytes_per_s(now=now),
        peers=len(core.peers),
        known_peers=known_peers,
        eta_s=needed / rate if rate > 0 and picker is not None else None,
        sources=tuple(sorted(sources, key=lambda source: -source.size_bytes)),
        lookup=lookup,
        is_paused=is_paused,
        layer_hashes=core.hashes.layers.hashes_found if core.hashes.is_fetching else 0,
        wanted_layer_hashes=core.hashes.layers.hashes_wanted if core.hashes.is_fetching else 0,
    )


def peer_statistics(
    core: SwarmCore,
    *,
    now: float,
    path_of: Callable[[int], PathStats | None] = lambda number: None,
    encryption_of: Callable[[int], str | None] = lambda number: None,
) -> tuple[PeerStats, ...]:
    """The connected peers, in the order they came.

    Args:
        path_of: what is known of the path to the peer with this number.
        encryption_of: what hides the stream.
    """
    return tuple(
        _peer(peer, core.picker, path_of(peer.number), encryption_of(peer.number), now=now)
        for peer in core.peers.values()
        if not peer.core.is_closed
    )


def _peer(
    peer: SwarmPeer, picker: PiecePicker | None, path: PathStats | None, encryption: str | None, *, now: float
) -> PeerStats:
    remote = peer.core.remote_peer
    bits = peer.core.bits
    return PeerStats(
        address=peer.core.address,
        client=without_unsafe_characters(peer.core.extensions.client),
        is_dialled=peer.is_dialled,
        encryption=encryption,
        progress=bits.count / bits.size if bits is not None and bits.size else 0.0,
        is_choking=remote.is_choking,
        am_choking=peer.core.am_choking,
        is_interested=remote.is_interested,
        am_interested=peer.core.am_interested,
        download_rate_bytes_per_s=peer.download.rate_bytes_per_s(now=now),
        upload_rate_bytes_per_s=peer.upload.rate_bytes_per_s(now=now),
        downloaded_bytes=peer.downloaded_bytes,
        uploaded_bytes=peer.uploaded_bytes,
        requested_blocks=len(picker.requested_from(peer.number)) if picker is not None else 0,
        is_snubbed=peer.pipeline.is_snubbed,
        connected_s=now - peer.connected_at,
        held_up_by=held_up_by(peer, picker, now=now).value,
        transport=peer.transport,
        path=path,
        introduced_by=peer.introduced_by,
    )
