"""Making a torrent without blocking the event loop, on all cores."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from bittorrent.creating.content import TorrentFormat
from bittorrent.creating.create import create_metainfo
from bittorrent.metainfo.torrent import Metainfo


async def create_torrent(
    path: str | os.PathLike[str],
    *,
    format: str = TorrentFormat.V1,
    piece_length: int | None = None,
    trackers: Iterable[str | Sequence[str]] = (),
    private: bool = False,
    nodes: Iterable[tuple[str, int]] = (),
    comment: str | None = None,
    source: str | None = None,
    web_seeds: Iterable[str] = (),
    align: bool = False,
    attributes: bool = False,
    exclude: Sequence[str] = (),
    similar: Iterable[bytes] = (),
    collections: Iterable[str] = (),
) -> Metainfo:
    """`create_metainfo` in threads, one for each core.

    Raises:
        StorageError, MetainfoError: as `create_metainfo`.

    Cancellation: the hashing stops after the pieces that are being hashed; that is waited for.
    """
    loop = asyncio.get_running_loop()
    is_wanted = True

    def go_on(done: int, total: int) -> None:
        if not is_wanted:
            raise _NoLongerWantedError

    cores = os.cpu_count() or 1
    with ThreadPoolExecutor(cores + 1, thread_name_prefix="hash") as executor:
        job = partial(
            create_metainfo,
            path,
            format=format,
            piece_length=piece_length,
            trackers=trackers,
            private=private,
            nodes=nodes,
            comment=comment,
            source=source,
            web_seeds=web_seeds,
            align=align,
            attributes=attributes,
            exclude=exclude,
            similar=similar,
            collections=collections,
            executor=executor,
            progress=go_on,
        )
        hashing = loop.run_in_executor(executor, job)
        try:
            return await asyncio.shield(hashing)
        except asyncio.CancelledError:
            is_wanted = False
            await asyncio.wait([hashing])
            hashing.exception()  # seen: the caller waits no more
            raise


class _NoLongerWantedError(Exception):
    """Leads out of the hashing."""
