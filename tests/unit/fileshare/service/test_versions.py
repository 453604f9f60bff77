"""Torrents that change, in virtual time: the owner publishes, a follower has each version in its place (BEP 46)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from bittorrent import Magnet, Metainfo, StorageError, create_metainfo
from fileshare.service import EndReason, JobOptions, JobState, Service, ServiceConfig
from fileshare.service.errors import NoDhtError, NoVersionError
from fileshare.service.events import (
    TorrentCompleted,
    TorrentEnded,
    TorrentFailed,
    VersionFound,
    VersionUnusable,
)
from fileshare.service.sources import parse_link
from kademlia_core import Key, MainlineNode, PointerLink, SigningKey, pointer_to
from tests.service_net import DHT_PORT, FRIEND, US, Recorder, service_on, simulate
from transfer.address import Address
from transfer.simulation import Simulation

OWNER = SigningKey(b"o" * 32)
LINK = PointerLink(OWNER.public_key, b"album")
THIRD = "10.0.0.3"
ENTRANCE = Address(THIRD, DHT_PORT)
SEED_ON = JobOptions(seed_only=True)
SAME = Random(1).randbytes(300_000)


def version(folder: Path, number: int, files: dict[str, bytes], kind: str) -> Metainfo:
    """What the owner shares: a folder of its own for each version, so that the earlier ones stay as they are."""
    root = folder / f"v{number}" / "album"
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return create_metainfo(root, piece_length=1 << 14, format=kind)


class Owner:
    """Seeds each version and points to the newest."""

    def __init__(self, simulation: Simulation, service: Service, folder: Path) -> None:
        self._simulation, self._service, self._folder = simulation, service, folder

    async def publish(self, number: int, files: dict[str, bytes], kind: str = "v1") -> Metainfo:
        """A pointer has room for 20 bytes: of version 2 for the beginning of the hash."""
        metainfo = version(self._folder, number, files, kind)
        with self._simulation.host(FRIEND):
            view = Recorder(self._service)
            await self._service.add(metainfo, directory=self._folder / f"v{number}", options=SEED_ON)
            await view.wait(TorrentCompleted)
            await self.point(pointer_to(Key.from_bytes(metainfo.torrent_id.short[-1])))
        return metainfo

    async def point(self, value: object) -> None:
        node = self._service._node
        assert isinstance(node, MainlineNode)
        await node.put_mutable(OWNER, value, LINK.salt)  # type: ignore[arg-type]


@asynccontextmanager
async def dht_on(simulation: Simulation) -> AsyncIterator[None]:
    """A node of somebody else, where values are kept."""
    with simulation.host(THIRD):
        node = await MainlineNode(host=THIRD, port=DHT_PORT, bootstrap=(), rng=Random(3)).__aenter__()
    yield
    with simulation.host(THIRD):
        await node.aclose()


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".kad" not in path.parts
    }


def test_each_newer_version_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    ours = tmp_path / "ours"

    async def scenario(simulation: Simulation) -> None:
        async with (
            dht_on(simulation),
            service_on(simulation, FRIEND, tmp_path, entrances=(ENTRANCE,)) as theirs,
            service_on(simulation, US, ours, peers=(FRIEND,), entrances=(ENTRANCE,)) as service,
        ):
            owner = Owner(simulation, theirs, tmp_path / "theirs")
            first = await owner.publish(1, {"same.bin": SAME, "song.txt": b"la" * 9000, "gone.txt": b"x" * 100})
            with simulation.host(US):
                view = Recorder(service)
                job = await service.add(str(LINK), options=JobOptions(follow=True))
                assert (job.state, job.info_hash, job.is_lookup) == (JobState.ACTIVE, None, True)
                assert (await view.wait(VersionFound)).info_hash == first.info_hash
                await view.wait(TorrentCompleted)
            (ours / "album" / "mine.txt").write_bytes(b"mine")
            second = await owner.publish(2, {"same.bin": SAME, "song.txt": b"do" * 7000, "new.txt": b"n" * 40_000})
            with simulation.host(US):
                found = await view.wait(VersionFound)
                assert (found.number, found.info_hash) == (2, second.info_hash)
                assert (await view.wait(TorrentEnded)).job.reason is EndReason.REPLACED
                done = (await view.wait(TorrentCompleted)).job
                assert done.info_hash == second.info_hash
                assert done.stats is not None
                assert done.stats.downloaded_bytes < 100_000  # not the file that has not changed
                await owner_points_nowhere(simulation, owner)
                assert (await view.wait(VersionUnusable)).number == 3
                assert service.torrent(second.info_hash) is not None
        after = content(ours / "album")
        assert after == content(tmp_path / "theirs" / "v2" / "album") | {"mine.txt": b"mine", "gone.txt": b"x" * 100}

    simulate(scenario)


async def owner_points_nowhere(simulation: Simulation, owner: Owner) -> None:
    with simulation.host(FRIEND):
        await owner.point({"ih": b"short"})


def test_a_file_that_no_version_put_there_is_not_replaced(tmp_path: Path) -> None:
    ours = tmp_path / "ours"

    async def scenario(simulation: Simulation) -> None:
        async with (
            dht_on(simulation),
            service_on(simulation, FRIEND, tmp_path, entrances=(ENTRANCE,)) as theirs,
            service_on(simulation, US, ours, peers=(FRIEND,), entrances=(ENTRANCE,)) as service,
        ):
            owner = Owner(simulation, theirs, tmp_path / "theirs")
            await owner.publish(1, {"same.bin": SAME})
            with simulation.host(US):
                view = Recorder(service)
                await service.add(str(LINK), options=JobOptions(follow=True))
                await view.wait(TorrentCompleted)
            (ours / "album" / "notes.bin").write_bytes(b"m" * 40_000)
            await owner.publish(2, {"same.bin": SAME, "notes.bin": b"n" * 40_000})
            with simulation.host(US):
                failed = (await view.wait(TorrentFailed)).job
                assert isinstance(failed.error, StorageError)
                assert failed.error.path == str(ours / "album" / "notes.bin")
        assert (ours / "album" / "notes.bin").read_bytes() == b"m" * 40_000

    simulate(scenario)


@pytest.mark.parametrize("kind", ["v1", "v2", "hybrid"])
def test_without_following_the_newest_version_is_the_torrent(tmp_path: Path, kind: str) -> None:
    async def scenario(simulation: Simulation) -> None:
        async with (
            dht_on(simulation),
            service_on(simulation, FRIEND, tmp_path, entrances=(ENTRANCE,)) as theirs,
            service_on(simulation, US, tmp_path / "ours", peers=(FRIEND,), entrances=(ENTRANCE,)) as service,
        ):
            owner = Owner(simulation, theirs, tmp_path / "theirs")
            await owner.publish(1, {"old.txt": b"o" * 100})
            newest = await owner.publish(2, {"new.txt": b"n" * 100, "newer.txt": b"e" * 20_000}, kind)
            with simulation.host(US):
                await service.add(str(LINK))
                await service.wait_idle()
                (job,) = service.jobs
                assert (job.info_hash, job.is_complete, job.is_lookup) == (newest.torrent_id.short[-1], True, False)
                torrent = service.session.torrents[newest.info_hash]
                assert torrent.torrent_id == newest.torrent_id

    simulate(scenario)


@pytest.mark.parametrize("has_dht", [False, True])
def test_what_cannot_be_found_fails_and_says_why(tmp_path: Path, has_dht: bool) -> None:
    async def scenario(simulation: Simulation) -> None:
        entrances = () if has_dht else None
        config = ServiceConfig(version_timeout_s=30.0)
        async with service_on(simulation, US, tmp_path, entrances=entrances, config=config) as service:
            with simulation.host(US):
                await service.add(str(LINK))
                await service.wait_idle()
                (job,) = service.jobs
                assert job.state is JobState.FAILED
                assert isinstance(job.error, NoVersionError if has_dht else NoDhtError)
                assert str(LINK) in str(job.error)

    simulate(scenario)


def test_a_link_that_names_a_torrent_is_to_that_torrent() -> None:
    info_hash = "ab" * 20
    assert parse_link(str(LINK)) == LINK
    both = parse_link(f"magnet:?xs=urn:btpk:{OWNER.public_key.hex()}&xt=urn:btih:{info_hash}")
    assert isinstance(both, Magnet)
    assert both.info_hash.hex() == info_hash
