"""One moment of a torrent, as its machines see it. Pure."""

from __future__ import annotations

from bittorrent.metainfo.torrent import Metainfo
from bittorrent.stats import LookupSummary, SourceStats, TorrentState, TorrentStats
from bittorrent.swarm import SwarmCore


def torrent_statistics(
    core: SwarmCore,
    *,
    state: TorrentState,
    info_hash: bytes,
    name: str,
    metainfo: Metainfo | None,
    checked_pieces: int,
    known_peers: int,
    lookup: LookupSummary | None,
    now: float,
) -> TorrentStats:
    """Cost: a look at every connected peer."""
    picker = core.picker
    total = metainfo.total_bytes if metainfo is not None else 0
    rate = core.download_rate_bytes_per_s(now=now)
    left, needed = (picker.missing_bytes, picker.needed_bytes) if picker is not None else (total, total)
    sources = [
        SourceStats(address=address, pieces=given.pieces, size_bytes=given.size_bytes)
        for address, given in core.contributions.items()
    ]
    return TorrentStats(
        state=state,
        info_hash=info_hash,
        name=name,
        total_bytes=total,
        done_bytes=total - left,
        wanted_bytes=picker.wanted_bytes if picker is not None else total,
        needed_bytes=needed,
        piece_count=metainfo.piece_count if metainfo is not None else 0,
        done_pieces=picker.have.count if picker is not None else 0,
        checked_pieces=checked_pieces,
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
    )
