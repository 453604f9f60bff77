"""From what the user typed to what a session can start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bittorrent import Magnet, Metainfo
from fileshare.service.errors import NotKeptError
from fileshare.service.fetch import fetch_all
from fileshare.service.sources import is_url, kept_torrent, parse_link, read_source
from fileshare.text import one_line
from kademlia_core import PointerLink
from transfer import Proxy, TransferError


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A torrent that can be started.

    Attributes:
        torrent: or a link to one that changes, whose newest version is meant (BEP 46).
        label: what it is called in messages: what was typed, but for links, which are too long.
        directory: where the content is; None: where the service puts it.
        is_private: peers come from its trackers only (BEP 27), as far as that is known.
    """

    label: str
    torrent: Metainfo | Magnet | PointerLink
    directory: Path | None = None
    is_private: bool = False

    @property
    def key(self) -> bytes:
        """Equal for two sources of the same torrent."""
        return bytes(self.torrent.target) if isinstance(self.torrent, PointerLink) else self.torrent.info_hash


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDisk:
    """The content of what is named is there already, to be shared.

    Attributes:
        directory: where; None: beside each torrent file, and for the others in the current directory.
        state_dir: where torrents of links may have been kept besides.
    """

    directory: Path | None = None
    state_dir: Path | None = None


async def resolve(
    labels: Sequence[str],
    *,
    on_disk: OnDisk | None = None,
    allow_private: bool = False,
    proxy: Proxy | None = None,
) -> AsyncIterator[Source | tuple[str, TransferError | OSError]]:
    """What each label stands for, or what is wrong with it; URLs come last, and are fetched at the same time.

    Args:
        labels: torrent files, their http(s) URLs, magnet links and info-hashes.
        on_disk: a link counts only when its torrent was kept.
        allow_private: a server of the internet may redirect into a private network.
        proxy: what URLs are fetched through.

    Cancellation: connections are closed.
    """
    for label in labels:
        if not is_url(label):
            try:
                yield await _read(label, on_disk)
            except (TransferError, OSError) as error:
                yield label, error
    urls = [label for label in labels if is_url(label)]
    for url, found in await fetch_all(urls, allow_private=allow_private, proxy=proxy):
        try:
            if isinstance(found, TransferError):
                raise found
            yield await asyncio.to_thread(_source, url, found, on_disk)
        except (TransferError, OSError) as error:
            yield url, error


async def _read(label: str, on_disk: OnDisk | None) -> Source:
    link = parse_link(label)
    found: Metainfo | Magnet | PointerLink = link if link is not None else await asyncio.to_thread(read_source, label)
    return await asyncio.to_thread(_source, label, found, on_disk)


def _source(label: str, torrent: Metainfo | Magnet | PointerLink, on_disk: OnDisk | None) -> Source:
    """Blocks: what was kept of a link is read.

    Raises:
        NotKeptError, StorageError: the torrent of a link was not kept, or cannot be read.
    """
    if isinstance(torrent, PointerLink):
        if on_disk is not None:
            raise NotKeptError(str(torrent), on_disk.directory or Path())
        return Source(label=str(torrent), torrent=torrent)
    is_private = isinstance(torrent, Metainfo) and torrent.private
    name = label if isinstance(torrent, Metainfo) else one_line(torrent.name or torrent.info_hash.hex())
    if on_disk is None:
        return Source(label=name, torrent=torrent, is_private=is_private)
    if isinstance(torrent, Metainfo):
        directory = on_disk.directory or (Path() if is_url(label) else Path(label).parent)
        return Source(label=name, torrent=torrent, directory=directory, is_private=is_private)
    directory = on_disk.directory or Path()
    kept = kept_torrent(torrent, directory, state_dir=on_disk.state_dir)
    trackers = dict.fromkeys([*(url for tier in kept.trackers for url in tier), *torrent.trackers])
    link = replace(torrent, trackers=tuple(trackers))  # still a link: its maker decides no more than before
    return Source(label=name, torrent=link, directory=directory, is_private=kept.private)
