"""Hash messages and bad blocks of version 2 torrents, with libtorrent on the other side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bittorrent import BlocksFailed, Metainfo, Session, create_metainfo
from bittorrent.merkle.proof import HashRange, check_hashes, layer_ranges, leaf_ranges
from bittorrent.merkle.tree import leaves_of
from bittorrent.wire.handshake import HANDSHAKE_SIZE, Handshake
from bittorrent.wire.hashes import Hashes, HashMessage, HashReject, HashRequest
from bittorrent.wire.messages import decode_message, encode_message
from tests.interop.content import make_file
from tests.interop.kad import ANY, run
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.scripted_seed import ScriptedSeed
from transfer.address import Address

pytestmark = pytest.mark.interop

PIECE = 1 << 18
SIZE = 13 * PIECE + 5 * 16384 + 77


def make_shared(where: Path, *, size: int = SIZE, piece_length: int = PIECE, form: str = "v2") -> Metainfo:
    return create_metainfo(make_file(where / "shared.bin", size), format=form, piece_length=piece_length)


class Asker:
    """A peer of a few lines that asks for hashes, and reads nothing else."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, ranges: Iterable[HashRange]) -> list[HashMessage]:
        """The answers, in the order of the questions."""
        wanted = list(ranges)
        self._writer.write(b"".join(encode_message(HashRequest(each)) for each in wanted))
        found: dict[HashRange, HashMessage] = {}
        async with asyncio.timeout(20):
            while len(found) < len(wanted):
                size = int.from_bytes(await self._reader.readexactly(4), "big")
                message = decode_message(await self._reader.readexactly(size))
                if isinstance(message, Hashes | HashReject):
                    found[message.range] = message
        return [found[each] for each in wanted]


@asynccontextmanager
async def asker(address: Address, metainfo: Metainfo) -> AsyncIterator[Asker]:
    assert metainfo.torrent_id.v2_short is not None
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        ours = Handshake(info_hash=metainfo.torrent_id.v2_short, peer_id=b"-AS0001-" + b"a" * 12, supports_fast=True)
        writer.write(ours.to_bytes())
        theirs = Handshake.from_bytes(await reader.readexactly(HANDSHAKE_SIZE))
        assert theirs.info_hash == metainfo.torrent_id.v2_short
        writer.write(b"\0\0\0\x01\x0f")  # we have none
        yield Asker(reader, writer)
    finally:
        writer.close()


async def test_libtorrent_and_we_answer_alike(tmp_path: Path) -> None:
    """Layers, leaves and refusals: what one of the two says, the other says, too."""
    metainfo = make_shared(tmp_path / "theirs")
    content = (tmp_path / "theirs" / "shared.bin").read_bytes()
    ((root, shape),) = metainfo.trees.items()
    layers = layer_ranges(shape, root)
    leaves = [each for piece in (0, 7, 13) for each in leaf_ranges(shape, root, piece)]
    others = [HashRange(root, 0, 0, 2, 0), HashRange(root, 1, 8, 8, 2), HashRange(root, 6, 0, 2, 1)]
    bad = [
        HashRange(root, shape.height, 0, 1, 0),  # the root
        HashRange(root, 4, 0, 16, 4),  # more proof than there is
        HashRange(root, 4, 0, 512, 0),  # wider than the row
        HashRange(b"x" * 32, 4, 0, 16, 3),  # no tree of this torrent
    ]
    forbidden = [  # by BEP 52; libtorrent answers them
        HashRange(root, 0, 3, 4, 0),  # not a multiple of its length
        HashRange(root, 0, 0, 3, 0),  # no power of two
    ]
    async with LibtorrentPeer() as libtorrent, Session(tmp_path / "theirs", host="127.0.0.1") as session:
        await libtorrent.add(tmp_path / "theirs", metainfo)
        torrent = await session.add(metainfo, seed_only=True)
        await torrent.wait_complete()
        async with asker(libtorrent.address, metainfo) as theirs, asker(session.address, metainfo) as ours:
            for ranges in (layers, leaves, others):
                answers = await theirs.ask(ranges)
                assert answers == await ours.ask(ranges)
                assert all(isinstance(answer, Hashes) for answer in answers)
            refused: list[HashMessage] = [HashReject(each) for each in bad]
            assert await ours.ask(bad) == await theirs.ask(bad) == refused
            assert await ours.ask(forbidden) == [HashReject(each) for each in forbidden]
            found = await theirs.ask([*layers, *leaves])
    rows = [check_hashes(shape, answer.range, answer.hashes) for answer in found if isinstance(answer, Hashes)]
    assert rows[0] == metainfo.layers[root]
    pieces = [content[piece * PIECE : (piece + 1) * PIECE] for piece in (0, 7, 13)]
    assert rows[1:] == [leaves_of(piece) for piece in pieces]


@pytest.mark.parametrize("form", ["v2", "hybrid"])
async def test_a_bad_block_is_named_by_the_leaves_that_libtorrent_sends_and_its_sender_banned(
    tmp_path: Path, form: str
) -> None:
    metainfo = make_shared(tmp_path / "theirs", form=form)
    content = (tmp_path / "theirs" / "shared.bin").read_bytes()
    wrong = {(piece, 16384 * (piece % 16)) for piece in range(13)}
    async with (
        ScriptedSeed(metainfo, content, corrupts=lambda piece, begin: (piece, begin) in wrong) as liar,
        LibtorrentPeer() as libtorrent,
        Session(tmp_path / "ours", host="127.0.0.1") as session,
    ):
        await libtorrent.add(tmp_path / "theirs", metainfo)
        torrent = await session.add(metainfo)
        async with torrent.events() as events:
            torrent.add_peers([libtorrent.address, liar.address])
            async with asyncio.timeout(60):
                named = await anext(event async for event in events if isinstance(event, BlocksFailed))
                await torrent.wait_complete()
                await liar.wait_dropped()
        assert torrent.swarm.peers.is_banned(liar.address)
        assert libtorrent.address in [source.address for source in torrent.statistics().sources]
    for block in named.blocks:
        assert (block.index, block.begin) in wrong
        assert block.sender == liar.address
    assert (tmp_path / "ours" / "shared.bin").read_bytes() == content


async def test_kad_names_the_bad_block_and_the_peer_that_sent_it(tmp_path: Path) -> None:
    metainfo = make_shared(tmp_path / "theirs")
    content = (tmp_path / "theirs" / "shared.bin").read_bytes()
    torrent = tmp_path / "shared.torrent"
    torrent.write_bytes(metainfo.to_bytes())
    async with (
        ScriptedSeed(metainfo, content, corrupts=lambda piece, begin: begin == 16384) as liar,
        LibtorrentPeer() as libtorrent,
    ):
        await libtorrent.add(tmp_path / "theirs", metainfo)
        peers = ("--peer", liar.address, "--peer", libtorrent.address)
        finished = await run("get", torrent, "-o", tmp_path / "ours", "--listen", ANY, "--no-dht", *peers)
    assert finished.exit_code == 0, finished.stderr
    bad = [event for event in finished.events if event["event"] == "bad_block"]
    assert bad
    for event in bad:
        assert (event["begin"], event["length"], event["peer"]) == (16384, 16384, str(liar.address))
        assert f"bad data is fetched again: 16384 bytes at 16384 of piece {event['piece']}" in finished.stderr
    assert finished.events[-1]["event"] == "done"
    assert (tmp_path / "ours" / "shared.bin").read_bytes() == content
