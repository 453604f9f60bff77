"""What `kad seed` shares: torrents, and directories of them while things come and go."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bittorrent import Metainfo, SeedGoal, Session, create_metainfo
from bittorrent.config import SessionConfig
from bittorrent.errors import StorageError
from bittorrent.storage.resume import ResumeStore
from fileshare.cli.errors import CommandError
from fileshare.cli.output import Output
from fileshare.cli.seeding import Seeding
from fileshare.service import NetworkOptions, ServiceConfig
from transfer.address import Address


class Events:
    """What was printed so far."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._seen: list[dict[str, Any]] = []

    def __call__(self, name: str) -> list[dict[str, Any]]:
        self._seen += [json.loads(line) for line in self._capsys.readouterr().out.splitlines()]
        return [event for event in self._seen if event["event"] == name]


@pytest.fixture
def events(capsys: pytest.CaptureFixture[str]) -> Events:
    return Events(capsys)


def make(folder: Path, name: str) -> Metainfo:
    """A file, and the torrent of it beside it."""
    (folder / name).write_bytes(name.encode() * 20_000)
    metainfo = create_metainfo(folder / name)
    (folder / f"{name}.torrent").write_bytes(metainfo.to_bytes())
    return metainfo


def seed(
    *names: Path | str, directory: Path | None = None, state_dir: Path | None = None, goal: SeedGoal | None = None
) -> Seeding:
    return Seeding(
        output=Output(as_json=True),
        names=names,
        directory=directory,
        state_dir=state_dir,
        network=NetworkOptions(listen=Address("127.0.0.1", 0), local=False),
        super_seed=False,
        goal=goal or SeedGoal(),
        config=SessionConfig(),
        service_config=ServiceConfig(look_interval_s=0.01, refresh_interval_s=0.01),
    )


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  # what was printed has no event
            await asyncio.sleep(0.005)


@asynccontextmanager
async def running(job: Seeding) -> AsyncIterator[None]:
    task = asyncio.create_task(job.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        job.report_end()


async def test_several_torrents_whose_content_is_beside_them(tmp_path: Path, events: Events) -> None:
    made = [make(tmp_path, name) for name in ("one", "two")]
    job = seed(tmp_path / "one.torrent", tmp_path / "two.torrent")
    async with running(job):
        await until(lambda: len(events("seeding")) == 2)
        address = Address.parse(events("seeding")[0]["address"])
        async with Session(tmp_path / "copy", host="127.0.0.1") as friend:
            for metainfo in made:
                torrent = await friend.add(metainfo, peers=[address])
                async with asyncio.timeout(20):
                    await torrent.wait_complete()
    job.check()
    assert {event["uploaded_bytes"] for event in events("done")} == {60_000}
    assert {event["info_hash"] for event in events("done")} == {metainfo.info_hash.hex() for metainfo in made}


async def test_a_directory_as_it_changes(tmp_path: Path, events: Events) -> None:
    first = make(tmp_path, "first")
    async with running(seed(tmp_path)):
        await until(lambda: len(events("seeding")) == 1)
        late = make(tmp_path, "late")
        await until(lambda: len(events("seeding")) == 2)
        assert events("seeding")[1]["info_hash"] == late.info_hash.hex()
        (tmp_path / "first.torrent").unlink()
        await until(lambda: events("done"))
        assert [event["info_hash"] for event in events("done")] == [first.info_hash.hex()]
    assert len(events("done")) == 2


async def test_what_is_in_two_directories_is_shared_until_both_have_lost_it(tmp_path: Path, events: Events) -> None:
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    metainfo, _ = (make(folder, "film") for folder in folders)
    async with running(seed(*folders)):
        await until(lambda: len(events("seeding")) == 1)
        (folders[0] / "film.torrent").unlink()
        (folders[0] / "film").unlink()
        await until(lambda: len(events("seeding")) == 2)
        assert len(events("done")) == 1
        address = Address.parse(events("seeding")[1]["address"])
        async with Session(tmp_path / "copy", host="127.0.0.1") as friend, asyncio.timeout(20):
            await (await friend.add(metainfo, peers=[address])).wait_complete()
        (folders[1] / "film.torrent").unlink()
        await until(lambda: len(events("done")) == 2)


async def test_what_was_named_is_shared_whatever_becomes_of_a_directory(tmp_path: Path, events: Events) -> None:
    (tmp_path / "folder").mkdir()
    make(tmp_path, "film")
    make(tmp_path / "folder", "film")
    job = seed(tmp_path / "film.torrent", tmp_path / "folder")
    async with running(job):
        await until(lambda: len(events("seeding")) == 1)
        (tmp_path / "folder" / "film.torrent").unlink()
        make(tmp_path / "folder", "other")
        await until(lambda: len(events("seeding")) == 2)
        assert events("done") == []
    assert len(events("done")) == 2


async def test_a_directory_that_cannot_be_read_for_a_while_stops_nothing(
    tmp_path: Path, events: Events, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    make(tmp_path / "folder", "film")
    async with running(seed(tmp_path / "folder")):
        await until(lambda: len(events("seeding")) == 1)
        (tmp_path / "folder").rename(tmp_path / "away")
        told = ""

        def is_told() -> bool:
            nonlocal told
            told += capsys.readouterr().err
            return "is shared on until it can be read again" in told

        await until(is_told)
        (tmp_path / "away").rename(tmp_path / "folder")
        make(tmp_path / "folder", "late")
        await until(lambda: len(events("seeding")) == 2)
        assert events("done") == []


async def test_what_is_not_whole_in_a_directory_is_told_and_tried_again(tmp_path: Path, events: Events) -> None:
    make(tmp_path, "film")
    whole = (tmp_path / "film").read_bytes()
    (tmp_path / "film").write_bytes(whole[:-1])
    job = seed(tmp_path)
    async with running(job):
        await until(lambda: events("failed"))
        assert "missing or damaged" in events("failed")[0]["message"]
        (tmp_path / "film").write_bytes(whole)
        await until(lambda: events("seeding"))
    job.check()


@pytest.mark.parametrize("has_state", [True, False])
async def test_a_link_that_was_downloaded_is_shared_with_the_trackers_of_both(
    tmp_path: Path, events: Events, has_state: bool
) -> None:
    metainfo = replace(make(tmp_path, "film"), trackers=(("http://127.0.0.1:1/announce",),))
    ResumeStore(tmp_path).save(metainfo)
    many = tuple(f"http://127.0.0.1:{port}/announce" for port in range(1, 21))  # longer than any file name
    link = str(replace(metainfo.magnet(), trackers=many))
    job = seed(link, directory=tmp_path, state_dir=tmp_path / "state" if has_state else None)
    async with running(job):
        await until(lambda: events("seeding"))
        torrent = job.service.torrent(metainfo.info_hash)
        assert {tracker.url for tracker in torrent.trackers()} == set(many)
    job.check()


async def test_what_is_wrong_with_a_torrent_that_was_named_is_a_failure(tmp_path: Path, events: Events) -> None:
    make(tmp_path, "one")
    make(tmp_path, "two")
    (tmp_path / "two").unlink()
    job = seed(tmp_path / "one.torrent", tmp_path / "two.torrent")
    async with running(job):
        await until(lambda: events("seeding") and events("failed"))
    with pytest.raises(CommandError, match="1 of 2 torrents failed"):
        job.check()


async def test_the_only_torrent_is_its_own_error(tmp_path: Path) -> None:
    make(tmp_path, "one")
    (tmp_path / "elsewhere").mkdir()
    job = seed(tmp_path / "one.torrent", directory=tmp_path / "elsewhere")
    async with asyncio.timeout(20):
        await job.run()
    with pytest.raises(StorageError, match=r"there is no one in .*elsewhere; name the directory that holds it"):
        job.check()


async def test_sharing_ends_with_its_goal(tmp_path: Path, events: Events) -> None:
    metainfo = make(tmp_path, "one")
    job = seed(tmp_path / "one.torrent", goal=SeedGoal(ratio=1.0))
    task = asyncio.create_task(job.run())
    await until(lambda: events("seeding"))
    async with Session(tmp_path / "copy", host="127.0.0.1") as friend, asyncio.timeout(20):
        torrent = await friend.add(metainfo, peers=[Address.parse(events("seeding")[0]["address"])])
        await torrent.wait_complete()
        await task
    job.check()
    assert [event["uploaded_bytes"] for event in events("done")] == [60_000]


async def test_what_earlier_runs_sent_counts_where_it_is_remembered(tmp_path: Path, events: Events) -> None:
    metainfo = make(tmp_path, "one")
    async with running(seed(tmp_path / "one.torrent", state_dir=tmp_path / "state")):
        await until(lambda: events("seeding"))
        async with Session(tmp_path / "copy", host="127.0.0.1") as friend, asyncio.timeout(20):
            torrent = await friend.add(metainfo, peers=[Address.parse(events("seeding")[0]["address"])])
            await torrent.wait_complete()
    async with asyncio.timeout(20):
        await seed(tmp_path / "one.torrent", state_dir=tmp_path / "state", goal=SeedGoal(ratio=1.0)).run()
    assert [event["uploaded_bytes"] for event in events("done")] == [60_000, 0]


@pytest.mark.parametrize("is_remembered", [True, False])
async def test_what_was_verified_is_believed_as_long_as_it_looks_the_same(
    tmp_path: Path, events: Events, is_remembered: bool
) -> None:
    make(tmp_path, "one")
    state_dir = tmp_path / "state" if is_remembered else None
    async with running(seed(tmp_path / "one.torrent", state_dir=state_dir)):
        await until(lambda: events("seeding"))
    seen = (tmp_path / "one").stat()
    (tmp_path / "one").write_bytes(bytes(seen.st_size))
    os.utime(tmp_path / "one", ns=(seen.st_atime_ns, seen.st_mtime_ns))
    job = seed(tmp_path / "one.torrent", state_dir=state_dir)
    async with running(job):
        await until(lambda: len(events("seeding")) == 2 or (job.service.jobs and job.service.jobs[0].error))
    assert (len(events("seeding")) == 2) is is_remembered
