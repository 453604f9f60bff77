"""A hybrid torrent whose halves stand for different bytes: it is refused by name, and no peer is to blame."""

from __future__ import annotations

import asyncio
import hashlib
import random
from pathlib import Path

import pytest

from bittorrent import Metainfo, MetainfoError, Session
from tests.interop.scripted_seed import ScriptedSeed
from tests.version2 import build

PIECE = 1 << 15
CONTENT = random.Random(1).randbytes(3 * PIECE)


def disagreeing() -> Metainfo:
    """Piece 1 has the SHA-1 of other bytes than its tree."""
    built = build({"film": CONTENT}, PIECE, name="film", hybrid=True)
    pieces = bytearray(built.info["pieces"])
    pieces[20:40] = hashlib.sha1(bytes(PIECE)).digest()
    built.info["pieces"] = bytes(pieces)
    return Metainfo.from_bytes(built.data)


async def test_a_download_ends_with_the_reason_and_bans_nobody(tmp_path: Path) -> None:
    metainfo = disagreeing()
    async with ScriptedSeed(metainfo, CONTENT) as seed, Session(tmp_path, host="127.0.0.1") as session:
        torrent = await session.add(metainfo, peers=[seed.address])
        async with asyncio.timeout(20):
            with pytest.raises(MetainfoError, match="halves of the torrent disagree: no piece 1"):
                await torrent.wait_complete()
        assert not torrent.swarm.peers.is_banned(seed.address)
        assert isinstance(torrent.error, MetainfoError)


async def test_what_is_on_disk_is_refused_as_well(tmp_path: Path) -> None:
    (tmp_path / "film").write_bytes(CONTENT)
    async with Session(tmp_path, host="127.0.0.1") as session:
        torrent = await session.add(disagreeing(), seed_only=True)
        async with asyncio.timeout(20):
            with pytest.raises(MetainfoError, match="halves of the torrent disagree"):
                await torrent.wait_complete()


async def test_a_piece_that_is_wrong_for_both_is_the_fault_of_its_sender(tmp_path: Path) -> None:
    metainfo = Metainfo.from_bytes(build({"film": CONTENT}, PIECE, name="film", hybrid=True).data)
    async with (
        ScriptedSeed(metainfo, CONTENT, corrupts=lambda piece, begin: piece == 1) as liar,
        Session(tmp_path, host="127.0.0.1") as session,
    ):
        torrent = await session.add(metainfo, peers=[liar.address])
        async with asyncio.timeout(20):
            await liar.wait_dropped()
        assert torrent.swarm.peers.is_banned(liar.address)
        assert torrent.error is None
