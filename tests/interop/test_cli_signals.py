"""How `kad` ends: signals, pipes and terminals that go. What was reached is kept, and trackers hear of it."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from aiohttp import web

from bittorrent.creating.create import create_metainfo
from tests.interop.kad import ANY, DEADLINE_S, KAD, ROOT, Kad
from tests.interop.marks import needs_posix

pytestmark = needs_posix


class Tracker:
    """Knows nobody, and remembers what it was told."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.changed = asyncio.Event()

    async def announce(self, request: web.Request) -> web.Response:
        self.events.append(request.query.get("event", ""))
        self.changed.set()
        return web.Response(body=b"d8:intervali1800e5:peers0:e")

    async def wait_told(self, event: str) -> None:
        async with asyncio.timeout(DEADLINE_S):
            while event not in self.events:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def tracker() -> AsyncIterator[Tracker]:
    tracker = Tracker()
    application = web.Application()
    application.add_routes([web.get("/announce", tracker.announce)])
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    tracker.url = f"http://127.0.0.1:{runner.addresses[0][1]}/announce"  # type: ignore[attr-defined]
    yield tracker
    await runner.cleanup()


@pytest.fixture
def torrent(tracker: Tracker, tmp_path: Path) -> Path:
    (tmp_path / "film").write_bytes(os.urandom(300_000))
    metainfo = create_metainfo(tmp_path / "film", trackers=[tracker.url])  # type: ignore[attr-defined]
    (tmp_path / "film.torrent").write_bytes(metainfo.to_bytes())
    return tmp_path / "film.torrent"


OPTIONS = ("--no-dht", "--listen", ANY)


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
async def test_a_signal_ends_sharing_and_trackers_hear_of_it(tracker: Tracker, torrent: Path, name: str) -> None:
    async with Kad("seed", torrent, *OPTIONS) as kad:
        await kad.wait_event("seeding")
        await tracker.wait_told("started")
        finished = await kad.interrupt(signal.Signals[name])
    assert finished.done["uploaded_bytes"] == 0
    assert tracker.events[-1] == "stopped"


async def test_a_download_whose_terminal_is_closed_can_be_continued(
    tracker: Tracker, torrent: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "film").write_bytes((tmp_path / "film").read_bytes()[:150_000])
    async with Kad("get", torrent, "-o", copy, "--wait", *OPTIONS) as kad:
        await tracker.wait_told("started")
        done = (await kad.wait_event("progress", state="downloading"))["done_bytes"]
        finished = await kad.interrupt(signal.SIGHUP)
    assert finished.exit_code == 130
    assert done > 0
    assert [path.suffix for path in (copy / ".kad").iterdir()] == [".resume"]
    assert tracker.events[-1] == "stopped"


@pytest.mark.parametrize("as_json", [True, False])
async def test_when_the_reader_of_a_pipe_leaves_the_download_ends_quietly(
    tracker: Tracker, torrent: Path, tmp_path: Path, as_json: bool
) -> None:
    """`kad get … | head -1`"""
    process = await asyncio.create_subprocess_exec(
        *(*KAD, "get", str(torrent), "-o", str(tmp_path / "copy"), "--wait", "--no-local", *OPTIONS),
        *(["--json"] if as_json else []),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        assert process.stderr is not None
        async with asyncio.timeout(DEADLINE_S):
            assert await process.stdout.readline()
            await tracker.wait_told("started")
            process.stdout._transport.close()  # type: ignore[attr-defined]
            assert await process.stderr.read() == b""
            assert await process.wait() == 1
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert tracker.events[-1] == "stopped"


@pytest.mark.parametrize("has_uvloop", [True, False])
async def test_when_the_reader_of_a_pipe_leaves_who_has_nothing_to_say_ends_too(
    tracker: Tracker, torrent: Path, has_uvloop: bool, tmp_path: Path
) -> None:
    """`kad seed … --json | head -4`: a seed that nobody asks says nothing for hours."""
    if not has_uvloop:
        (tmp_path / "uvloop.py").write_text("raise ImportError")
    async with Kad("seed", torrent, *OPTIONS, environment={"PYTHONPATH": f"{tmp_path}:{ROOT}"}) as kad:
        await kad.wait_event("seeding")
        await tracker.wait_told("started")
        assert kad.process.stdout is not None
        assert kad.process.stderr is not None
        kad.process.stdout._transport.close()  # type: ignore[attr-defined]
        async with asyncio.timeout(DEADLINE_S):
            assert await kad.process.stderr.read() == b""
            assert await kad.process.wait() == 1
    assert tracker.events[-1] == "stopped"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """Both ends of one."""
    master, slave = os.openpty()
    yield master, slave
    for number in (master, slave):
        try:
            os.close(number)
        except OSError:
            continue


def ignore_hangup() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def start(slave: int, *arguments: object, prepare: Callable[[], None] = lambda: None) -> subprocess.Popen[bytes]:
    def login() -> None:
        os.login_tty(slave)
        prepare()

    process = subprocess.Popen(
        [sys.executable, "-m", "fileshare.cli", *map(str, arguments), "--no-local", *OPTIONS],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
        preexec_fn=login,
    )
    os.close(slave)
    return process


async def test_a_terminal_that_is_closed_ends_sharing(
    tracker: Tracker, torrent: Path, terminal: tuple[int, int]
) -> None:
    master, slave = terminal
    process = start(slave, "seed", torrent)
    try:
        await tracker.wait_told("started")
        os.close(master)
        assert await asyncio.to_thread(process.wait, DEADLINE_S) in (0, 130)
    finally:
        process.kill()
    assert tracker.events[-1] == "stopped"


async def test_who_is_not_to_care_shares_on_without_a_terminal(
    tracker: Tracker, torrent: Path, terminal: tuple[int, int], tmp_path: Path
) -> None:
    """`trap '' HUP` or `disown`: what it says goes nowhere, and it goes on."""
    master, slave = terminal
    process = start(
        *(slave, "seed", tmp_path),  # a directory: it is looked at, and told of, again and again
        prepare=ignore_hangup,
    )
    try:
        await tracker.wait_told("started")
        os.close(master)
        (tmp_path / "late").write_bytes(b"late")
        late = create_metainfo(tmp_path / "late", trackers=[tracker.url])  # type: ignore[attr-defined]
        (tmp_path / "late.torrent").write_bytes(late.to_bytes())
        async with asyncio.timeout(DEADLINE_S):
            while tracker.events.count("started") < 2:
                tracker.changed.clear()
                await tracker.changed.wait()
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, DEADLINE_S) == 0
    finally:
        process.kill()
    assert tracker.events.count("stopped") == 2


@pytest.mark.parametrize(("variable", "value"), [("TERM", "dumb"), ("NO_COLOR", "1")])
def test_a_plain_terminal_gets_plain_text(
    torrent: Path, terminal: tuple[int, int], variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    master, slave = terminal
    monkeypatch.setenv(variable, value)
    process = subprocess.Popen(
        [sys.executable, "-m", "fileshare.cli", "get", str(torrent), "-o", str(torrent.parent), "--no-local", *OPTIONS],
        env={**os.environ, "PYTHONPATH": str(ROOT)} | ({"TERM": "xterm"} if variable != "TERM" else {}),
        stdout=slave,
    )
    os.close(slave)
    said = b""
    deadline = time.monotonic() + DEADLINE_S
    try:
        while time.monotonic() < deadline:
            try:
                data = os.read(master, 4096)
            except OSError:
                break
            said += data
        assert process.wait(DEADLINE_S) == 0
    finally:
        process.kill()
    assert b"already complete" in said
    if variable == "TERM":
        assert b"\x1b" not in said
    else:
        assert not re.search(rb"\x1b\[[0-9;]*(3|4|9|10)[0-7][;m]", said), said
