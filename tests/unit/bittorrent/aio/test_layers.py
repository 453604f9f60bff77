"""Torrents of version 2 whose piece layers are not here: they come from peers, and what is stored has them."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from bittorrent import (
    Encryption,
    Magnet,
    Metainfo,
    MetainfoError,
    ResumeStore,
    Session,
    SessionConfig,
    SlowReason,
    Torrent,
    TorrentId,
    create_metainfo,
)
from bittorrent.wire.handshake import HANDSHAKE_SIZE
from bittorrent.wire.messages import HaveAll, encode_message
from transfer.wire import bencode

PIECE = 1 << 14
PLAIN = SessionConfig(encryption=Encryption.OFF)


def make_album(folder: Path) -> Path:
    """Two files that need layers, two that need none."""
    folder.mkdir(parents=True)
    rng = random.Random(1)
    for name, size in {"a": 5 * PIECE + 7, "b": PIECE, "c": 0, "d": 9 * PIECE}.items():
        (folder / name).write_bytes(rng.randbytes(size))
    return folder


@pytest.fixture(params=["v2", "hybrid"])
def shared(tmp_path: Path, request: pytest.FixtureRequest) -> Metainfo:
    return create_metainfo(make_album(tmp_path / "seed" / "album"), format=request.param, piece_length=PIECE)


def bare(metainfo: Metainfo) -> Metainfo:
    """As it comes with a link."""
    found = Metainfo.from_info(metainfo.info_bytes)
    assert not found.has_layers
    return found


async def complete(torrent: Torrent) -> None:
    async with asyncio.timeout(20):
        await torrent.wait_complete()


async def has_layers(torrent: Torrent) -> Metainfo:
    """A hybrid gets them beside everything else."""
    async with asyncio.timeout(20):
        while torrent.metainfo is None or not torrent.metainfo.has_layers:  # noqa: ASYNC110  # nobody tells of it
            await asyncio.sleep(0.001)
    return torrent.metainfo


def same_files(one: Path, other: Path) -> bool:
    return all(path.read_bytes() == (other / path.name).read_bytes() for path in one.iterdir())


async def test_they_come_from_a_peer_and_are_stored(tmp_path: Path, shared: Metainfo) -> None:
    async with (
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as leech,
    ):
        await complete(await seed.add(shared, seed_only=True))
        torrent = await leech.add(bare(shared), peers=[seed.address])
        assert (torrent.metainfo is None) == (shared.torrent_id.v1 is None)
        await complete(torrent)
        assert (await has_layers(torrent)).layers == shared.layers
    stored = ResumeStore(tmp_path / "leech").load(shared.torrent_id, Metainfo.from_file)
    assert stored is not None
    assert stored.layers == shared.layers
    assert same_files(tmp_path / "seed" / "album", tmp_path / "leech" / "album")


async def test_a_second_start_asks_for_none(tmp_path: Path, shared: Metainfo) -> None:
    ResumeStore(tmp_path / "seed").save(shared)
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(bare(shared), seed_only=shared.torrent_id.v1 is None)
        await complete(torrent)
        if shared.torrent_id.v1 is None:
            assert torrent.metainfo is not None
            assert torrent.metainfo.has_layers


async def test_it_is_said_how_far_they_are(tmp_path: Path) -> None:
    """A peer that has everything and tells no hash is one that they could come from."""
    shared = create_metainfo(make_album(tmp_path / "seed" / "album"), format="v2", piece_length=PIECE)
    is_asked = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs = await reader.readexactly(HANDSHAKE_SIZE)
        writer.write(theirs[:48] + b"-RAW000-" + bytes(12) + encode_message(HaveAll()))
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "big")
                if size and (await reader.readexactly(size))[0] == 21:
                    is_asked.set()
        except asyncio.IncompleteReadError:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, Session(tmp_path / "leech", host="127.0.0.1", config=PLAIN) as session:
        torrent = await session.add(bare(shared), peers=[server.sockets[0].getsockname()])
        async with asyncio.timeout(20):
            await is_asked.wait()
        said, stats = torrent.explain(), torrent.statistics()
    assert said.reason is SlowReason.NO_LAYERS
    assert said.text == "the hashes of the pieces are fetched first (layers: 0 of 15 from 1 peer)"
    assert (stats.layer_hashes, stats.wanted_layer_hashes) == (0, 15)


async def test_what_has_come_of_them_is_kept(tmp_path: Path) -> None:
    """The next start asks for the others only."""
    shared = create_metainfo(make_album(tmp_path / "seed" / "album"), format="v2", piece_length=PIECE)
    root = next(iter(shared.layers))
    some = bare(shared).with_layers({root: shared.layers[root]})
    ResumeStore(tmp_path / "leech").save(some)
    async with (
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as leech,
    ):
        await complete(await seed.add(shared, seed_only=True))
        torrent = await leech.add(bare(shared), peers=[seed.address])
        await complete(torrent)
        assert torrent.swarm.core.hashes.layers.found.keys() == shared.layers.keys() - {root}


async def test_halves_that_disagree_are_refused_by_name(tmp_path: Path) -> None:
    album = make_album(tmp_path / "seed" / "album")
    shared = create_metainfo(album, format="hybrid", piece_length=PIECE)
    for path in album.iterdir():
        path.write_bytes(bytes(path.stat().st_size))
    others = create_metainfo(album, format="hybrid", piece_length=PIECE)
    info = bencode.decode_dict(shared.info_bytes)
    info[b"pieces"] = others.piece_hashes
    forged = Metainfo.from_info(bencode.encode(info), layers=shared.layers)
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(forged, seed_only=True)
        with pytest.raises(MetainfoError, match="the halves of the torrent disagree"):
            await complete(torrent)


async def test_layers_of_a_hybrid_that_no_peer_sends_are_made_of_the_files(tmp_path: Path) -> None:
    """From a peer that knows version 1 only; then they are there for others."""
    shared = create_metainfo(make_album(tmp_path / "seed" / "album"), format="hybrid", piece_length=PIECE)
    v1 = replace(bare(shared), torrent_id=TorrentId(shared.torrent_id.v1))
    async with (
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as leech,
        Session(tmp_path / "last", host="127.0.0.1") as last,
    ):
        await complete(await seed.add(v1, seed_only=True))
        torrent = await leech.add(bare(shared), peers=[seed.address])
        await complete(torrent)
        assert (await has_layers(torrent)).layers == shared.layers
        assert shared.torrent_id.v2 is not None
        linked = await last.add(Magnet(v2=shared.torrent_id.v2), peers=[leech.address])
        await complete(linked)
        assert (await has_layers(linked)).layers == shared.layers
    assert same_files(tmp_path / "seed" / "album", tmp_path / "last" / "album")
