"""Downloads that one program began and another, or the same one, goes on with: what is on disk is not fetched again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bittorrent import Metainfo, RateLimits, Session, create_metainfo
from tests.interop.aria2 import Aria2
from tests.interop.clients import CLIENTS, Client
from tests.interop.content import digests, make_many_files
from tests.interop.programs import wait_until

pytestmark = pytest.mark.interop

PIECE = 1 << 15
UNCOUNTED = 4 * PIECE
SLOWLY = RateLimits(local_download_bytes_per_s=1 << 20, local_upload_bytes_per_s=1 << 20)


@pytest.fixture
def metainfo(tmp_path: Path) -> Metainfo:
    return create_metainfo(make_many_files(tmp_path / "seed" / "shared"), piece_length=PIECE)


@asynccontextmanager
async def seed_of_ours(tmp_path: Path, metainfo: Metainfo, limits: RateLimits | None = None) -> AsyncIterator[Session]:
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        if limits is not None:
            session.set_rate_limits(limits)
        torrent = await session.add(metainfo, seed_only=True)
        await torrent.wait_complete()
        yield session


async def begin_ours(tmp_path: Path, metainfo: Metainfo, client: Client) -> int:
    """Downloads a part from a foreign seed; returns the verified bytes."""
    async with client() as peer, Session(tmp_path / "copy", host="127.0.0.1") as session:
        session.set_rate_limits(SLOWLY)
        await peer.add(tmp_path / "seed", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[peer.address])

        async def has_a_part() -> bool:
            return torrent.statistics().done_bytes > metainfo.total_bytes // 3

        await wait_until(has_a_part, what="a part of ours", within_s=30)
    done = torrent.statistics().done_bytes  # at least: what was on its way to the disk at the end may be there, too
    assert done < metainfo.total_bytes
    return done


async def begin_theirs(tmp_path: Path, metainfo: Metainfo, client: Client) -> tuple[int, str]:
    """Lets them download a part from us; returns the verified bytes, and what they need to know to go on."""
    async with client() as peer, seed_of_ours(tmp_path, metainfo, SLOWLY) as session:
        info_hash = await peer.add(tmp_path / "copy", metainfo)
        await session.add(metainfo, peers=[peer.address])

        async def has_a_part() -> bool:
            return len(await peer.pieces(info_hash)) > metainfo.piece_count // 3

        await wait_until(has_a_part, what="a part of theirs", within_s=30)
        resume_data = await peer.stop(info_hash)
        pieces = await peer.pieces(info_hash)
        assert len(pieces) < metainfo.piece_count
    return sum(min(PIECE, metainfo.total_bytes - piece * PIECE) for piece in pieces), resume_data


@CLIENTS
async def test_we_go_on_with_what_we_began(client: Client, metainfo: Metainfo, tmp_path: Path) -> None:
    done = await begin_ours(tmp_path, metainfo, client)
    async with client() as peer, Session(tmp_path / "copy", host="127.0.0.1") as session:
        await peer.add(tmp_path / "seed", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[peer.address])
        async with asyncio.timeout(30):
            await torrent.wait_complete()
        assert metainfo.total_bytes - done - UNCOUNTED <= torrent.statistics().downloaded_bytes
        assert torrent.statistics().downloaded_bytes <= metainfo.total_bytes - done
    assert digests(tmp_path / "copy" / "shared") == digests(tmp_path / "seed" / "shared")


@CLIENTS
async def test_they_go_on_with_what_we_began(client: Client, metainfo: Metainfo, tmp_path: Path) -> None:
    done = await begin_ours(tmp_path, metainfo, client)
    async with client() as peer, seed_of_ours(tmp_path, metainfo) as session:
        info_hash = await peer.add(tmp_path / "copy", metainfo)
        torrent = await session.add(metainfo, peers=[peer.address])
        await peer.wait_complete(info_hash)
        assert metainfo.total_bytes - done - UNCOUNTED <= torrent.statistics().uploaded_bytes
        assert torrent.statistics().uploaded_bytes <= metainfo.total_bytes - done
    assert digests(tmp_path / "copy" / "shared") == digests(tmp_path / "seed" / "shared")


@CLIENTS
async def test_they_go_on_with_what_they_began(client: Client, metainfo: Metainfo, tmp_path: Path) -> None:
    done, resume_data = await begin_theirs(tmp_path, metainfo, client)
    async with client() as peer, seed_of_ours(tmp_path, metainfo) as session:
        info_hash = await peer.add(tmp_path / "copy", metainfo, resume_data=resume_data)
        torrent = await session.add(metainfo, peers=[peer.address])
        await peer.wait_complete(info_hash)
        assert torrent.statistics().uploaded_bytes <= metainfo.total_bytes - done  # they keep parts of pieces, too
    assert digests(tmp_path / "copy" / "shared") == digests(tmp_path / "seed" / "shared")


@CLIENTS
async def test_we_go_on_with_what_they_began(client: Client, metainfo: Metainfo, tmp_path: Path) -> None:
    """aria2 leaves small files without any whole piece, which might as well be the user's."""
    done, _ = await begin_theirs(tmp_path, metainfo, client)
    async with client() as peer, Session(tmp_path / "copy", host="127.0.0.1") as session:
        await peer.add(tmp_path / "seed", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[peer.address], overwrite=client is Aria2)
        async with asyncio.timeout(30):
            await torrent.wait_complete()
        assert torrent.statistics().downloaded_bytes <= metainfo.total_bytes - done
    assert digests(tmp_path / "copy" / "shared") == digests(tmp_path / "seed" / "shared")
