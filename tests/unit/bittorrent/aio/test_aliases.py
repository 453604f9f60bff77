"""A torrent with two hashes in a session: peers find it by each, and no other torrent may have one of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from bittorrent import (
    Encryption,
    Metainfo,
    Session,
    SessionConfig,
    Torrent,
    TorrentCollisionError,
    TorrentId,
    create_metainfo,
)
from bittorrent.wire.handshake import HANDSHAKE_SIZE, Handshake

V2 = bytes(range(100, 132))


@pytest.fixture
def hybrid(tmp_path: Path) -> Metainfo:
    (tmp_path / "seed").mkdir()
    (tmp_path / "seed" / "file.bin").write_bytes(bytes(range(256)) * 300)
    metainfo = create_metainfo(tmp_path / "seed" / "file.bin")
    return replace(metainfo, torrent_id=TorrentId(metainfo.info_hash, V2))


async def complete(torrent: Torrent) -> None:
    async with asyncio.timeout(20):
        await torrent.wait_complete()


@pytest.mark.parametrize("version", [1, 2])
async def test_peers_of_either_side_are_answered_by_the_hash_that_they_use(
    tmp_path: Path, hybrid: Metainfo, version: int
) -> None:
    theirs = TorrentId(hybrid.info_hash) if version == 1 else TorrentId(v2=V2)
    async with (
        Session(tmp_path / "seed", host="127.0.0.1") as seed,
        Session(tmp_path / "leech", host="127.0.0.1") as leech,
    ):
        await complete(await seed.add(hybrid, seed_only=True))
        torrent = await leech.add(replace(hybrid, torrent_id=theirs), peers=[seed.address])
        await complete(torrent)
        assert torrent.info_hash == (hybrid.info_hash if version == 1 else V2[:20])
        kept = {path.stem for path in (tmp_path / "leech" / ".kad").glob("*.lock")}
        assert kept <= {torrent.info_hash.hex()}
    assert (tmp_path / "leech" / "file.bin").read_bytes() == (tmp_path / "seed" / "file.bin").read_bytes()


async def test_a_link_to_either_hash_is_the_torrent_that_is_there(tmp_path: Path, hybrid: Metainfo) -> None:
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(hybrid, seed_only=True)
        assert await session.add(hybrid.magnet_link()) is torrent
        assert await session.add(replace(hybrid, torrent_id=TorrentId(v2=V2))) is torrent
        assert session.torrents == {hybrid.info_hash: torrent}
        assert session.torrents[V2[:20]] is session.torrents[V2] is torrent
        await session.remove(torrent)
        assert not session.torrents
        assert V2 not in session.torrents


async def test_another_torrent_with_one_of_the_hashes_is_refused_by_name(tmp_path: Path, hybrid: Metainfo) -> None:
    forged = replace(hybrid, name="forged", torrent_id=TorrentId(hybrid.info_hash, bytes(32)))
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(hybrid, seed_only=True)
        with pytest.raises(TorrentCollisionError, match=r"forged is not file\.bin") as refused:
            await session.add(forged)
        assert refused.value.alias == hybrid.info_hash
        assert session.torrents == {hybrid.info_hash: torrent}


class RawPeer:
    """Takes connections, and answers each handshake as told: with a hash and a last reserved byte, or by hanging up."""

    def __init__(self, *answers: tuple[bytes, int] | None) -> None:
        self.heard: list[Handshake] = []
        self._answers = [*answers]

    async def __aenter__(self) -> RawPeer:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.address: tuple[str, int] = self._server.sockets[0].getsockname()
        self.connected = asyncio.Event()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heard.append(Handshake.from_bytes(await reader.readexactly(HANDSHAKE_SIZE)))
            answer = self._answers.pop(0)
            if answer is not None:
                writer.write(handshake_of(*answer))
                await reader.readexactly(5)  # the first message: the connection stands
                self.connected.set()
                await reader.read()
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()


def handshake_of(info_hash: bytes, last_reserved: int) -> bytes:
    return (
        b"\x13BitTorrent protocol" + bytes(5) + b"\x10\0" + bytes([last_reserved]) + info_hash + b"-RAW000-" + bytes(12)
    )


@pytest.mark.parametrize("is_hybrid", [False, True], ids=["v1", "hybrid"])
async def test_the_upgrade_is_offered_for_hybrids_and_never_else(
    tmp_path: Path, hybrid: Metainfo, is_hybrid: bool
) -> None:
    shared = hybrid if is_hybrid else replace(hybrid, torrent_id=TorrentId(hybrid.info_hash))
    answer = (V2[:20], 0x05) if is_hybrid else (hybrid.info_hash, 0x05)
    async with RawPeer(answer) as peer, Session(tmp_path / "seed", host="127.0.0.1", config=PLAIN) as session:
        await session.add(shared, seed_only=True, peers=[peer.address])
        async with asyncio.timeout(20):
            await peer.connected.wait()
    (heard,) = peer.heard
    assert (heard.info_hash, heard.supports_v2) == (hybrid.info_hash, is_hybrid)


async def test_a_peer_that_answers_for_another_torrent_is_not_taken_and_called_again(
    tmp_path: Path, hybrid: Metainfo
) -> None:
    answers = [(bytes(20), 0x05), (V2[:20], 0x05)]
    async with RawPeer(*answers) as peer, Session(tmp_path / "seed", host="127.0.0.1", config=PLAIN) as session:
        await session.add(hybrid, seed_only=True, peers=[peer.address])
        async with asyncio.timeout(20):
            await peer.connected.wait()
    assert [heard.supports_v2 for heard in peer.heard] == [True, True]


async def test_a_peer_that_knows_one_hash_alone_is_greeted_until_it_understands(
    tmp_path: Path, hybrid: Metainfo
) -> None:
    answers = [None, None, (V2[:20], 0x05)]
    async with RawPeer(*answers) as peer, Session(tmp_path / "seed", host="127.0.0.1", config=PLAIN) as session:
        await session.add(hybrid, seed_only=True, peers=[peer.address])
        async with asyncio.timeout(20):
            await peer.connected.wait()
    assert [(heard.info_hash, heard.supports_v2) for heard in peer.heard] == [
        (hybrid.info_hash, True),
        (hybrid.info_hash, False),
        (V2[:20], False),
    ]


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (("v1", 0x15), ("v2", 0x05)),
        (("v1", 0x05), ("v1", 0x05)),
        (("v2", 0x05), ("v2", 0x05)),
        (("v2", 0x15), ("v2", 0x05)),
    ],
    ids=str,
)
async def test_a_hybrid_takes_up_the_upgrade_that_a_caller_offers(
    tmp_path: Path, hybrid: Metainfo, asked: tuple[str, int], answered: tuple[str, int]
) -> None:
    names = {"v1": hybrid.info_hash, "v2": V2[:20]}
    assert await answer_of(tmp_path, hybrid, handshake_of(names[asked[0]], asked[1])) == (
        names[answered[0]],
        answered[1] & ~0x01,
    )


async def test_who_knows_no_other_hash_answers_an_offer_as_if_there_was_none(tmp_path: Path, hybrid: Metainfo) -> None:
    v1 = hybrid.info_hash
    shared = replace(hybrid, torrent_id=TorrentId(v1))
    assert await answer_of(tmp_path, shared, handshake_of(v1, 0x15)) == (v1, 0x04)


async def answer_of(tmp_path: Path, shared: Metainfo, asked: bytes) -> tuple[bytes, int]:
    """The hash and the last reserved byte of the answer to a handshake."""
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        await complete(await session.add(shared, seed_only=True))
        reader, writer = await asyncio.open_connection(*session.address)
        writer.write(asked)
        async with asyncio.timeout(20):
            answer = await reader.readexactly(HANDSHAKE_SIZE)
        writer.close()
        await writer.wait_closed()
    return answer[28:48], answer[27]


async def test_a_peer_that_is_found_under_both_hashes_is_one_peer(tmp_path: Path, hybrid: Metainfo) -> None:
    """It calls, and is called, by either hash: one connection is kept."""
    async with Session(tmp_path / "seed", host="127.0.0.1") as session:
        torrent = await session.add(hybrid, seed_only=True)
        await complete(torrent)
        async with asyncio.timeout(20), torrent.events() as events:
            first, stays = await asyncio.open_connection(*session.address)
            stays.write(handshake_of(hybrid.info_hash, 0x05))
            while not torrent.peers():
                await anext(events)
            second, goes = await asyncio.open_connection(*session.address)
            goes.write(handshake_of(V2[:20], 0x05))
            await second.read()  # until it is closed
            assert len(torrent.peers()) == 1
            assert not first.at_eof()
        for writer in (stays, goes):
            writer.close()
            await writer.wait_closed()


PLAIN = SessionConfig(encryption=Encryption.OFF)
