"""Torrents on their way, as people and programs follow them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from bittorrent import Explanation, PeerStats, TorrentState, TorrentStats
from fileshare.cli.output import Output
from fileshare.cli.transfer_table import TransferTable
from fileshare.cli.units import count_text, duration_text, rate_text, size_text
from fileshare.cli.views import Bar


class TransferView:
    """Shows torrents, snapshot after snapshot; use it with `with`.

    Args:
        several: a table with a line for each torrent, instead of a bar for the only one.
    """

    def __init__(self, output: Output, *, several: bool = False) -> None:
        self._output = output
        self._display = TransferTable(output) if several else Bar(output)
        self._reports: dict[bytes, _Report] = {}

    def __enter__(self) -> Self:
        self._display.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._display.__exit__(kind, error, trace)

    def show(
        self, stats: TorrentStats, explanation: Explanation | None = None, peers: Sequence[PeerStats] = ()
    ) -> None:
        """Takes note of a snapshot of one torrent; says only what is news.

        Args:
            explanation: why it is slow.
            peers: those that are connected; only programs hear of each.
        """
        report = self._reports.get(stats.info_hash)
        if report is None:
            report = self._reports[stats.info_hash] = _Report(self._output)
        if isinstance(self._display, Bar):
            _show_bar(self._display, stats)
        else:
            self._display.show(stats, explanation)
        report.show(stats, explanation)
        report.show_peers(stats, peers, now=time.monotonic())

    def forget(self, info_hash: bytes) -> None:
        """A torrent is followed no longer."""
        self._reports.pop(info_hash, None)
        if isinstance(self._display, TransferTable):
            self._display.forget(info_hash)

    def refresh(self) -> None:
        """Draws what was shown; for several torrents, once all have been."""
        if isinstance(self._display, TransferTable):
            self._display.refresh()


class _Report:
    """What is said of one torrent, once each."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._knows_metadata = False
        self._peers_due = 0.0
        self._had_peers = False
        self._reported: dict[str, object] = {}

    def show(self, stats: TorrentStats, explanation: Explanation | None) -> None:
        if stats.piece_count and not self._knows_metadata:
            self._knows_metadata = True
            self._output.event(
                "metadata",
                info_hash=stats.info_hash,
                info_hash_v2=stats.info_hash_v2,
                name=stats.name,
                bytes=stats.total_bytes,
                pieces=stats.piece_count,
            )
        news = {
            **transfer_fields(stats),
            "state": stats.state,
            "checked_pieces": stats.checked_pieces,
            "held_up_by": explanation.reason if explanation is not None else None,
        }
        if news != self._reported:
            self._reported = news
            self._output.event(
                "progress",
                info_hash=stats.info_hash,
                **news,
                total_bytes=stats.total_bytes,
                wanted_bytes=stats.wanted_bytes,
                pieces=stats.piece_count,
                rate_bytes_per_s=stats.download_rate_bytes_per_s,
                upload_rate_bytes_per_s=stats.upload_rate_bytes_per_s,
                eta_s=stats.eta_s,
            )

    def show_peers(self, stats: TorrentStats, peers: Sequence[PeerStats], *, now: float) -> None:
        """Now and then, for rates and paths change all the time; at once when the first peer comes or the last goes."""
        if bool(peers) == self._had_peers and (now < self._peers_due or not peers):
            return
        self._had_peers, self._peers_due = bool(peers), now + PEERS_INTERVAL_S
        self._output.event("peers", info_hash=stats.info_hash, peers=peers)


def _show_bar(bar: Bar, stats: TorrentStats) -> None:
    peers = count_text(stats.peers, "peer")
    match stats.state:
        case TorrentState.METADATA if stats.piece_count:
            pass  # a .torrent file, whose check begins right away
        case TorrentState.METADATA if stats.wanted_layer_hashes:
            bar.show(
                f"{stats.name}: fetching the hashes of the pieces",
                done=stats.layer_hashes,
                total=stats.wanted_layer_hashes,
                tail=f"layers: {stats.layer_hashes} of {stats.wanted_layer_hashes} from {peers}",
            )
        case TorrentState.METADATA:
            what = "asking for metadata" if stats.peers else "looking for peers"
            bar.show(f"{stats.name}: {what}", tail=f"{peers} of {stats.known_peers} known")
        case TorrentState.CHECKING:
            tail = f"{count_text(stats.checked_pieces, 'piece')} looked at"
            bar.show(f"{stats.name}: checking", done=stats.checked_pieces, total=stats.piece_count or None, tail=tail)
        case TorrentState.FINISHED | TorrentState.SEEDING:
            tail = f"{size_text(stats.uploaded_bytes)} sent, {rate_text(stats.upload_rate_bytes_per_s)}, {peers}"
            short = f"{size_text(stats.uploaded_bytes)} sent, {peers}"
            bar.show(f"{stats.name}: seeding", tail=tail, short_tail=short, key=(stats.uploaded_bytes, stats.peers))
        case TorrentState.DOWNLOADING:
            done_bytes = stats.wanted_bytes - stats.needed_bytes
            tail = (
                f"{size_text(done_bytes)} of {size_text(stats.wanted_bytes)}, "
                f"{rate_text(stats.download_rate_bytes_per_s)}, {peers}, ETA {duration_text(stats.eta_s)}"
            )
            short = f"{rate_text(stats.download_rate_bytes_per_s)}, {duration_text(stats.eta_s)}"
            key = (stats.done_bytes, stats.peers)
            bar.show(stats.name, done=done_bytes, total=stats.wanted_bytes, tail=tail, short_tail=short, key=key)
        case TorrentState.STOPPED:
            pass


def transfer_fields(stats: TorrentStats) -> dict[str, object]:
    """The counters that both "progress" and "done" carry."""
    return {
        "done_bytes": stats.done_bytes,
        "verified_bytes": stats.verified_bytes,
        "wanted_pieces": stats.wanted_pieces,
        "done_pieces": stats.done_pieces,
        "unfinished_bytes": stats.unfinished_bytes,
        "downloaded_bytes": stats.downloaded_bytes,
        "uploaded_bytes": stats.uploaded_bytes,
        "wasted_bytes": stats.wasted_bytes,
        "failed_pieces": stats.failed_pieces,
        "peers": stats.peers,
        "known_peers": stats.known_peers,
        "sources": [
            {"address": source.address, "pieces": source.pieces, "bytes": source.size_bytes} for source in stats.sources
        ],
        "lookup": stats.lookup,
    }


def unfinished_text(size_bytes: int) -> str:
    """What follows "… are verified and saved" when there is more: `, and 2.1 MiB of unfinished pieces`."""
    return f", and {size_text(size_bytes)} of unfinished pieces" if size_bytes else ""


def sources_text(stats: TorrentStats) -> str:
    """`from 3 peers`."""
    return f"from {count_text(len(stats.sources), 'peer')}"


def complete_text(stats: TorrentStats) -> str:
    """`8.6 MiB, all 546 pieces verified`, or when only a part was wanted `8.6 MiB, 17 of 546 pieces wanted, …`."""
    size = size_text(stats.done_bytes)
    if stats.wanted_pieces == stats.piece_count:
        return f"{size}, all {count_text(stats.piece_count, 'piece')} verified"
    return f"{size}, the {count_text(stats.wanted_pieces, 'piece')} wanted of {stats.piece_count} verified"


PEERS_INTERVAL_S = 5.0
