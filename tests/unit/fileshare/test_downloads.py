"""Several downloads of one command, beside a session that has some of them."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bittorrent import Metainfo, SeedGoal, Session, create_metainfo
from bittorrent.config import SessionConfig
from bittorrent.errors import NoPeersError
from fileshare.cli.downloads import Downloads
from fileshare.cli.errors import CommandError, InterruptedByUserError
from fileshare.cli.output import Output
from fileshare.service import NetworkOptions
from transfer.address import Address
from transfer.errors import TransferError

SIZE = 200_000


def make(folder: Path, name: str) -> Metainfo:
    """A file, and the torrent of it beside it."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(name.encode() * (SIZE // len(name)))
    metainfo = create_metainfo(folder / name)
    (folder / f"{name}.torrent").write_bytes(metainfo.to_bytes())
    return metainfo


@pytest.fixture
async def friend(tmp_path: Path) -> AsyncIterator[Session]:
    """Seeds `one` and `two`, not `three`."""
    async with Session(tmp_path / "theirs", host="127.0.0.1") as session:
        for name in ("one", "two"):
            torrent = await session.add(make(tmp_path / "theirs", name), seed_only=True)
            await torrent.wait_complete()
        make(tmp_path / "theirs", "three")
        yield session


def downloads(
    tmp_path: Path, friend: Session, *labels: str, goal: SeedGoal | None = None, gives_up: bool = True
) -> Downloads:
    return Downloads(
        output=Output(as_json=True),
        labels=labels,
        directory=tmp_path / "ours",
        network=NetworkOptions(listen=Address("127.0.0.1", 0), peers=(friend.address,), local=False),
        select=(),
        sequential=False,
        overwrite=False,
        follow=False,
        web_seeds=(),
        goal=goal,
        config=SessionConfig(no_peers_timeout_s=0.3 if gives_up else None),
    )


def path_of(tmp_path: Path, name: str) -> str:
    return str(tmp_path / "theirs" / f"{name}.torrent")


def events_of(capsys: pytest.CaptureFixture[str], *names: str) -> list[dict[str, Any]]:
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [event for event in events if event["event"] in names]


async def test_all_come_at_the_same_time(tmp_path: Path, friend: Session, capsys: pytest.CaptureFixture[str]) -> None:
    two = friend.torrents[create_metainfo(tmp_path / "theirs" / "two").info_hash].metainfo
    assert two is not None
    job = downloads(tmp_path, friend, path_of(tmp_path, "one"), two.magnet_link())
    await job.run()
    job.check()
    for name in ("one", "two"):
        assert (tmp_path / "ours" / name).read_bytes() == (tmp_path / "theirs" / name).read_bytes()
    done = events_of(capsys, "done")
    assert {event["path"] for event in done} == {str(tmp_path / "ours" / name) for name in ("one", "two")}
    assert {event["info_hash"] for event in done} == {info_hash.hex() for info_hash in friend.torrents}


async def test_what_is_printed_for_programs_is_documented(
    tmp_path: Path, friend: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    job = downloads(tmp_path, friend, path_of(tmp_path, "one"), path_of(tmp_path, "three"))
    await job.run()
    page = (Path(__file__).parents[3] / "docs" / "reference" / "kad-events.md").read_text(encoding="utf-8")
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {event["event"] for event in events} >= {"listening", "added", "metadata", "progress", "failed", "done"}
    for event in events:
        assert f"| `{event['event']}` |" in page or event["event"] == "progress"
        assert [field for field in event if field != "event" and f"`{field}`" not in page] == []
        assert "info_hash" in event or event["event"] == "listening"


async def test_what_is_wrong_with_some_stops_no_other(
    tmp_path: Path, friend: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.torrent").write_bytes(b"no torrent")
    bad, lonely = str(tmp_path / "bad.torrent"), path_of(tmp_path, "three")
    job = downloads(tmp_path, friend, bad, path_of(tmp_path, "one"), lonely)
    await job.run()
    with pytest.raises(CommandError, match="2 of 3 torrents failed"):
        job.check()
    captured = capsys.readouterr()
    events = [json.loads(line) for line in captured.out.splitlines()]
    assert [event["source"] for event in events if event["event"] == "failed"] == [bad, lonely]
    assert len([event for event in events if event["event"] == "done"]) == 1
    first, second = captured.err.splitlines()
    assert first.startswith(f"kad: {bad}: not a torrent")
    assert second.startswith(f"kad: {lonely}: no peer could be reached")
    assert (tmp_path / "ours" / "one").exists()


async def test_what_is_wrong_with_the_only_one_is_the_error(tmp_path: Path, friend: Session) -> None:
    job = downloads(tmp_path, friend, path_of(tmp_path, "three"))
    await job.run()
    with pytest.raises(TransferError, match=r"no peer could be reached.*see --peer, --no-dht and --wait") as caught:
        job.check()
    assert not isinstance(caught.value, NoPeersError), "it tells which options help"


async def test_the_same_torrent_by_two_names_is_fetched_once(
    tmp_path: Path, friend: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy.torrent"
    copy.write_bytes((tmp_path / "theirs" / "one.torrent").read_bytes())
    job = downloads(tmp_path, friend, path_of(tmp_path, "one"), str(copy))
    await job.run()
    job.check()
    assert len(events_of(capsys, "added")) == 1


async def test_two_torrents_for_one_place_do_not_overwrite_each_other(tmp_path: Path, friend: Session) -> None:
    renamed = create_metainfo(tmp_path / "theirs" / "one", comment="x", piece_length=1 << 15)
    (tmp_path / "renamed.torrent").write_bytes(renamed.to_bytes())
    job = downloads(tmp_path, friend, path_of(tmp_path, "one"), str(tmp_path / "renamed.torrent"))
    await job.run()
    with pytest.raises(CommandError, match="1 of 2 torrents failed"):
        job.check()


async def test_an_interruption_tells_what_is_saved_of_each(
    tmp_path: Path, friend: Session, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["kad", "get", "one.torrent", "three.torrent"])
    job = downloads(
        tmp_path, friend, path_of(tmp_path, "one"), path_of(tmp_path, "three"), goal=SeedGoal(), gives_up=False
    )
    task = asyncio.create_task(job.run())
    async with asyncio.timeout(20):
        while not any(entry.is_complete for entry in job.service.jobs):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with pytest.raises(InterruptedByUserError, match=r"interrupted: 195\.3 KiB of 390\.6 KiB .*: kad get one\.t"):
        job.report_interruption()
    events = events_of(capsys, "done", "stopped")
    assert [event["event"] for event in events] == ["done", "done", "stopped"], "complete; shared no longer; unfinished"
    assert (events[2]["name"], events[2]["done_bytes"], events[2]["needed_bytes"]) == ("three", 0, 200_000)


async def test_sharing_ends_with_its_goal(tmp_path: Path, friend: Session, capsys: pytest.CaptureFixture[str]) -> None:
    labels = (path_of(tmp_path, "one"), path_of(tmp_path, "two"))
    job = downloads(tmp_path, friend, *labels, goal=SeedGoal(seconds=0.0))
    async with asyncio.timeout(20):
        await job.run()
    job.check()
    assert len(events_of(capsys, "done")) == 4, "each when it is complete, and when it is shared no longer"
