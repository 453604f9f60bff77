"""Encrypted connections with programs that this project did not write, each side calling, each side insisting."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bittorrent import DialPath, Encryption, Metainfo, PathConfig, Session, SessionConfig, Torrent, create_metainfo
from kademlia_core import MainlineNode
from tests.interop.aria2 import Aria2
from tests.interop.content import MIB, digests, make_file
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.qbittorrent import QBittorrent
from tests.interop.transmission import Transmission

pytestmark = pytest.mark.interop

FORCED, ENABLED, DISABLED = 0, 1, 2  # libtorrent's enc_policy
PLAINTEXT_LEVEL, RC4_LEVEL, BOTH_LEVELS = 1, 2, 3


def policy(mode: int, level: int = BOTH_LEVELS, *, prefer_rc4: bool = False) -> dict[str, Any]:
    """libtorrent's settings."""
    return {
        "out_enc_policy": mode,
        "in_enc_policy": mode,
        "allowed_enc_level": level,
        "prefer_rc4": prefer_rc4,
    }


LIBTORRENT = {
    "disabled": policy(DISABLED),
    "enabled": policy(ENABLED),
    "forced": policy(FORCED),
    "forced-rc4": policy(FORCED, RC4_LEVEL),
    "forced-plain": policy(FORCED, PLAINTEXT_LEVEL),
    "prefers-rc4": policy(ENABLED, prefer_rc4=True),
}
# What our end says when it calls and when it is called; "none" when the two cannot meet.
CASES: list[tuple[Encryption, str, str | None, str | None]] = [
    (Encryption.OFF, "enabled", None, None),
    (Encryption.PLAINTEXT, "disabled", None, None),
    (Encryption.PLAINTEXT, "enabled", None, "plain"),
    (Encryption.PLAINTEXT, "forced", "plain", "plain"),
    (Encryption.PLAINTEXT, "forced-rc4", "rc4", "rc4"),
    (Encryption.PLAINTEXT, "forced-plain", "plain", "plain"),
    (Encryption.ENCRYPTED, "disabled", None, None),
    (Encryption.ENCRYPTED, "enabled", "plain", "rc4"),
    (Encryption.ENCRYPTED, "prefers-rc4", "rc4", "rc4"),
    (Encryption.REQUIRED, "enabled", "rc4", "rc4"),
    (Encryption.REQUIRED, "forced-rc4", "rc4", "rc4"),
]
IDS = [f"{ours}-{theirs}" for ours, theirs, _, _ in CASES]


def make_shared(where: Path) -> Metainfo:
    return create_metainfo(make_file(where / "shared.bin", 2 * MIB))


@pytest.mark.parametrize(("ours", "theirs", "called", "_calling"), CASES, ids=IDS)
async def test_we_call_libtorrent(
    tmp_path: Path, ours: Encryption, theirs: str, called: str | None, _calling: str | None
) -> None:
    metainfo = make_shared(tmp_path / "theirs")
    config = SessionConfig(encryption=ours)
    async with (
        LibtorrentPeer(settings=LIBTORRENT[theirs]) as libtorrent,
        Session(tmp_path / "ours", host="127.0.0.1", config=config) as session,
    ):
        await libtorrent.add(tmp_path / "theirs", metainfo, seed=True)
        torrent = await session.add(metainfo, peers=[libtorrent.address])
        said = await encryption_of(torrent)
        await torrent.wait_complete()
    assert said == called
    assert digests(tmp_path / "ours" / metainfo.name) == digests(tmp_path / "theirs" / metainfo.name)


@pytest.mark.parametrize(("ours", "theirs", "_called", "calling"), CASES, ids=IDS)
async def test_libtorrent_calls_us(
    tmp_path: Path, ours: Encryption, theirs: str, _called: str | None, calling: str | None
) -> None:
    metainfo = make_shared(tmp_path / "ours")
    config = SessionConfig(encryption=ours)
    async with (
        Session(tmp_path / "ours", host="127.0.0.1", config=config) as session,
        LibtorrentPeer(settings=LIBTORRENT[theirs]) as libtorrent,
    ):
        torrent = await session.add(metainfo, seed_only=True)
        await torrent.wait_complete()
        info_hash = await libtorrent.add(tmp_path / "theirs", metainfo)
        await libtorrent.connect(info_hash, session.address)
        said = await encryption_of(torrent)
        await libtorrent.wait_complete(info_hash)
    assert said == calling
    assert digests(tmp_path / "theirs" / metainfo.name) == digests(tmp_path / "ours" / metainfo.name)


async def encryption_of(torrent: Torrent) -> str | None:
    """What is said of the first peer that has finished its handshake."""
    async with asyncio.timeout(30), torrent.events() as events:
        while not torrent.peers():
            await anext(events)  # one of them says that a peer has come
        return torrent.peers()[0].encryption


@pytest.mark.parametrize("level", ["plain", "arc4"])
@pytest.mark.parametrize("we_seed", [False, True], ids=["from them", "from us"])
async def test_aria2_that_insists_on_encryption(tmp_path: Path, level: str, we_seed: bool) -> None:
    metainfo = make_shared(tmp_path / "seed")
    ours, theirs = (tmp_path / "seed", tmp_path / "leech") if we_seed else (tmp_path / "leech", tmp_path / "seed")
    settings = {"bt-require-crypto": "true", "bt-min-crypto-level": level, "bt-external-ip": "127.0.0.1"}
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=()) as entry,
        MainlineNode(host="127.0.0.1", bootstrap=[entry.address]) as node,
        Aria2(dht=entry.address, settings=settings) as aria2,
        Session(ours, host="127.0.0.1", dht=node, config=SessionConfig(dht_first_interval_s=0.5)) as session,
    ):
        torrent = await session.add(metainfo, seed_only=we_seed)
        info_hash = await aria2.add(theirs, metainfo, seed=not we_seed)
        said = await encryption_of(torrent)
        async with asyncio.timeout(60):
            await torrent.wait_complete()
        await aria2.wait_complete(info_hash)
    assert said == ("rc4" if level == "arc4" else "plain")
    assert digests(tmp_path / "leech" / metainfo.name) == digests(tmp_path / "seed" / metainfo.name)


@pytest.mark.parametrize("we_seed", [False, True], ids=["from them", "from us"])
async def test_transmission_that_insists_on_encryption(tmp_path: Path, we_seed: bool) -> None:
    metainfo = make_shared(tmp_path / "seed")
    ours, theirs = (tmp_path / "seed", tmp_path / "leech") if we_seed else (tmp_path / "leech", tmp_path / "seed")
    async with (
        Transmission(insists_on_encryption=True) as transmission,
        Session(ours, host="127.0.0.1") as session,
    ):
        info_hash = await transmission.add(theirs, metainfo, seed=not we_seed)
        torrent = await session.add(metainfo, seed_only=we_seed, peers=[transmission.address])
        said = await encryption_of(torrent)
        async with asyncio.timeout(60):
            await torrent.wait_complete()
        await transmission.wait_complete(info_hash)
    assert said == "rc4"
    assert digests(tmp_path / "leech" / metainfo.name) == digests(tmp_path / "seed" / metainfo.name)


@pytest.mark.parametrize("we_seed", [False, True], ids=["from them", "from us"])
async def test_qbittorrent_that_insists_on_encryption(tmp_path: Path, we_seed: bool) -> None:
    """It is called when it seeds, and calls when it fetches."""
    metainfo = make_shared(tmp_path / "seed")
    ours, theirs = (tmp_path / "seed", tmp_path / "leech") if we_seed else (tmp_path / "leech", tmp_path / "seed")
    async with QBittorrent(insists_on_encryption=True) as client, Session(ours, host="127.0.0.1") as session:
        torrent = await session.add(metainfo, seed_only=we_seed)
        info_hash = await client.add(theirs, metainfo, seed=not we_seed, peers=[session.address] if we_seed else ())
        if not we_seed:
            torrent.add_peers([client.address])
        said = await encryption_of(torrent)
        async with asyncio.timeout(60):
            await torrent.wait_complete()
        await client.wait_complete(info_hash, peer=session.address if we_seed else None)
    assert said in ("plain", "rc4")
    assert digests(tmp_path / "leech" / metainfo.name) == digests(tmp_path / "seed" / metainfo.name)


@pytest.mark.parametrize("we_call", [True, False], ids=["we-call", "libtorrent-calls"])
async def test_encrypted_utp(tmp_path: Path, we_call: bool) -> None:
    metainfo = make_shared(tmp_path / "seed")
    ours, theirs = (tmp_path / "leech", tmp_path / "seed") if we_call else (tmp_path / "seed", tmp_path / "leech")
    only_utp = {"enable_outgoing_utp": True, "enable_incoming_utp": True}
    only_utp |= {"enable_outgoing_tcp": False, "enable_incoming_tcp": False}
    config = SessionConfig(paths=PathConfig(paths=(DialPath(transport="utp"),)))
    async with (
        LibtorrentPeer(settings={**LIBTORRENT["forced-rc4"], **only_utp}) as libtorrent,
        Session(ours, host="127.0.0.1", config=config) as session,
    ):
        torrent = await session.add(metainfo, seed_only=not we_call)
        info_hash = await libtorrent.add(theirs, metainfo, seed=we_call)
        if we_call:
            torrent.add_peers([libtorrent.address])
        else:
            await torrent.wait_complete()
            await libtorrent.connect(info_hash, session.address)
        said = await encryption_of(torrent)
        carriers = [peer.transport for peer in torrent.peers()]
        async with asyncio.timeout(60):
            await torrent.wait_complete()
        await libtorrent.wait_complete(info_hash)
    assert (said, carriers) == ("rc4", ["utp"])
    assert digests(tmp_path / "leech" / metainfo.name) == digests(tmp_path / "seed" / metainfo.name)
