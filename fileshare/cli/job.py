"""One torrent of a command."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from bittorrent.stats import TorrentStats
from bittorrent.storage.places import content_path
from fileshare.cli.output import Output
from fileshare.cli.transfers import transfer_fields
from transfer.errors import TransferError

if TYPE_CHECKING:
    from bittorrent.aio.torrent import Torrent


@dataclass(slots=True, kw_only=True)
class Job:
    """One torrent of a command.

    Attributes:
        label: what it was called when it was asked for.
        is_complete: everything that is wanted is verified and on disk.
        is_over: it is shared no longer.
        is_optional: what is wrong with it is told, but does not make the command a failure.
        seconds: it took to complete.
        stats: the last that were seen; None while it has not begun.
    """

    label: str
    is_optional: bool = False
    torrent: Torrent | None = None
    stats: TorrentStats | None = None
    error: TransferError | OSError | None = None
    is_complete: bool = False
    is_over: bool = False
    seconds: float = 0.0
    started_at: float = field(default_factory=time.monotonic)

    @property
    def path(self) -> Path:
        """Where its file or folder is."""
        assert self.torrent is not None
        directory, metainfo = self.torrent.download_dir, self.torrent.metainfo
        path = directory / self.torrent.name if metainfo is None else content_path(metainfo, directory)
        return path.absolute()

    def report_done(self, output: Output) -> None:
        """The "done" event."""
        assert self.stats is not None
        output.event(
            "done",
            info_hash=self.stats.info_hash,
            name=self.stats.name,
            path=self.path,
            bytes=self.stats.total_bytes,
            wanted_bytes=self.stats.wanted_bytes,
            pieces=self.stats.piece_count,
            seconds=self.seconds,
            **transfer_fields(self.stats),
        )

    def report_stop(self, output: Output) -> None:
        """The "stopped" event of a torrent that is not complete."""
        if self.torrent is not None and self.stats is not None:
            output.event(
                "stopped",
                info_hash=self.stats.info_hash,
                name=self.stats.name,
                done_bytes=self.stats.done_bytes,
                wanted_bytes=self.stats.wanted_bytes,
                needed_bytes=self.stats.needed_bytes,
            )
