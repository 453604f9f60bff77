"""Several torrents in one `kad`, limits, and filters: real processes on 127.0.0.1."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bittorrent.creating.create import create_metainfo
from tests.interop.kad import ANY, KAD, ROOT, Kad, run
from tests.interop.marks import needs_posix

SIZES = {"small": 200_000, "large": 1_500_000}

pytestmark = needs_posix


def _has_multicast() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        try:
            membership = socket.inet_aton("239.192.152.143") + socket.inet_aton("127.0.0.1")
            made.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
            made.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
            made.sendto(b"", ("239.192.152.143", 6771))
        except OSError:
            return False
    return True


HAS_MULTICAST = _has_multicast()


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """A directory with files and their torrents."""
    folder = tmp_path / "shared"
    folder.mkdir()
    for name, size in SIZES.items():
        (folder / name).write_bytes(os.urandom(size))
        (folder / f"{name}.torrent").write_bytes(create_metainfo(folder / name).to_bytes())
    return folder


@pytest.fixture
async def seeder(shared: Path) -> AsyncIterator[str]:
    """The address of a `kad seed` of the directory."""
    async with Kad("seed", shared, "--listen", ANY, "--no-dht") as kad:
        ready = [await kad.wait_event("seeding") for _ in SIZES]
        yield ready[0]["address"]
        finished = await kad.interrupt()
        assert finished.exit_code == 0
        assert len([event for event in finished.events if event["event"] == "done"]) == len(SIZES)


async def test_an_interruption_saves_all_and_the_same_command_continues(
    shared: Path, seeder: str, tmp_path: Path
) -> None:
    sources = [shared / f"{name}.torrent" for name in SIZES]
    options = ("get", *sources, "-o", tmp_path / "copy", "--listen", ANY, "--no-dht", "--peer", seeder)
    async with Kad(*options, "--limit-down", "400k") as kad:
        slow = await kad.wait_event("progress", held_up_by="rate limited")
        assert slow["info_hash"]
        first = await kad.wait_event("done")
        while (moved := await kad.wait_event("progress"))["info_hash"] == first["info_hash"] or not moved["done_bytes"]:
            pass  # the other one may have begun later
        interrupted = await kad.interrupt()
    assert first["name"] == "small", "a limit is shared by all"
    assert first["seconds"] > 0.5, "and it holds on this machine, too"
    assert interrupted.exit_code == 130
    stopped = [event for event in interrupted.events if event["event"] == "stopped"]
    assert [event["name"] for event in stopped] == ["large"]
    assert 0 < stopped[0]["done_bytes"] < SIZES["large"]
    assert len(interrupted.stderr.splitlines()) == 1
    assert "to continue: kad get" in interrupted.stderr
    again = await run(*options)
    assert again.exit_code == 0, again.stderr
    done = {event["name"]: event for event in again.events if event["event"] == "done"}
    assert done["small"]["downloaded_bytes"] == 0
    assert done["large"]["downloaded_bytes"] <= SIZES["large"] - stopped[0]["done_bytes"]
    for name in SIZES:
        assert (tmp_path / "copy" / name).read_bytes() == (shared / name).read_bytes()


async def test_who_is_on_the_list_is_not_called(shared: Path, seeder: str, tmp_path: Path) -> None:
    (tmp_path / "list").write_text("this machine:127.0.0.0-127.255.255.255\n")
    finished = await run(
        *("get", shared / "small.torrent", "-o", tmp_path / "copy", "--listen", ANY, "--no-dht", "--peer", seeder),
        *("--ip-filter", tmp_path / "list", "--give-up-after", "1"),
    )
    assert finished.exit_code == 1
    assert finished.events[0]["blocked_ranges"] == 1
    assert "no peer could be reached" in finished.stderr


async def test_text_about_several_goes_to_a_pipe_without_control_characters(shared: Path, tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*KAD, "get", *(str(shared / f"{name}.torrent") for name in SIZES), str(tmp_path / "none.torrent")),
        *("-o", str(shared), "--no-dht", "--no-local", "--listen", ANY),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = (data.decode() for data in await process.communicate())
    assert process.returncode == 1
    assert stdout.count("already complete: ") == len(SIZES)
    assert stdout.replace("\n", "").isprintable()
    assert [line.partition(": ")[2].partition(":")[0] for line in stderr.splitlines()] == [
        str(tmp_path / "none.torrent"),
        "1 of 3 torrents failed, see above",
    ]


@pytest.mark.skipif(not HAS_MULTICAST, reason="no multicast on the loopback interface")
async def test_two_in_one_network_need_nobody_else(shared: Path, tmp_path: Path) -> None:
    small = shared / "small.torrent"
    async with Kad("seed", small, "--listen", ANY, "--no-dht", "--local", "--ratio", "1") as seed:
        address = (await seed.wait_event("seeding"))["address"]
        finished = await run("get", small, "-o", tmp_path / "copy", "--listen", ANY, "--no-dht", "--local")
        assert finished.done["sources"][0]["address"] == address
        enough = await seed.finish()  # one copy was given: it ends by itself
    assert enough.done["uploaded_bytes"] == SIZES["small"]
