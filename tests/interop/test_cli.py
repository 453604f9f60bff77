"""`kad` from end to end: real processes that find each other on 127.0.0.1, and what they leave behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bittorrent.metainfo.torrent import Metainfo
from tests.interop.kad import ANY, DEADLINE_S, KAD, ROOT, Kad, run
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.marks import needs_posix
from tests.interop.ports import free_port
from tests.interop.require import require_program

SIZE = 3_000_000
NOW_AND_THEN = ("progress", "peers")  # how many of these there are says how busy the machine is

pytestmark = needs_posix


@pytest.fixture
async def network() -> AsyncIterator[str]:
    """The address of a `kad dht node` that started a network."""
    async with Kad("dht", "node", "--listen", ANY, "--bootstrap", "none") as node:
        address: str = (await node.wait_event("listening"))["address"]
        await node.wait_event("joined")
        yield address
        finished = await node.interrupt(signal.SIGTERM)
        assert finished.done["statistics"]["dropped_garbage"] == 0


@pytest.fixture
def content() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture
async def torrent(tmp_path: Path, content: bytes) -> Path:
    """The torrent of `shared/file.bin`."""
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "file.bin").write_bytes(content)
    target = tmp_path / "file.torrent"
    finished = await run("torrent", "create", shared / "file.bin", "-o", target)
    assert finished.done["bytes"] == SIZE
    return target


@pytest.fixture
async def seeder(torrent: Path, network: str) -> AsyncIterator[dict[str, Any]]:
    """What `kad seed` says when it is ready."""
    async with Kad("seed", torrent, "-d", torrent.parent / "shared", "--listen", ANY, "--bootstrap", network) as kad:
        yield await kad.wait_event("seeding")
        finished = await kad.interrupt()
        assert finished.done["uploaded_bytes"] >= 0


async def test_a_torrent_is_made_shown_verified_and_refused_when_a_byte_is_wrong(torrent: Path) -> None:
    shown = await run("torrent", "show", torrent)
    right = await run("torrent", "verify", torrent, "-d", torrent.parent / "shared")
    assert shown.done["info_hash"] == right.done["info_hash"]
    assert right.done["bad_pieces"] == []

    with (torrent.parent / "shared" / "file.bin").open("r+b") as file:
        file.seek(shown.done["piece_size"])
        byte = file.read(1)[0]
        file.seek(shown.done["piece_size"])
        file.write(bytes([byte ^ 1]))
    wrong = await run("torrent", "verify", torrent, "-d", torrent.parent / "shared")
    assert wrong.exit_code == 1
    assert wrong.events[-1]["bad_pieces"] == [1]
    assert len(wrong.stderr.splitlines()) == 1


async def test_a_magnet_link_alone_becomes_the_file(
    seeder: dict[str, Any], network: str, content: bytes, tmp_path: Path
) -> None:
    magnet = f"magnet:?xt=urn:btih:{seeder['info_hash']}"
    finished = await run("get", magnet, "-o", tmp_path / "copy", "--listen", ANY, "--bootstrap", network)
    assert (tmp_path / "copy" / "file.bin").read_bytes() == content
    done = finished.done
    assert [event["event"] for event in finished.events if event["event"] not in NOW_AND_THEN] == [
        "listening",
        "added",
        "metadata",
        "done",
    ]
    named = {event["info_hash"] for event in finished.events if event["event"] != "listening"}
    assert named == {seeder["info_hash"]}, "each event says which torrent it is about"
    assert done["path"] == str(tmp_path / "copy" / "file.bin")
    assert (done["bytes"], done["done_bytes"], done["downloaded_bytes"]) == (SIZE, SIZE, SIZE)
    assert done["sources"] == [{"address": seeder["address"], "pieces": done["pieces"], "bytes": SIZE}]
    assert done["lookup"]["hops"] >= 1
    assert sorted(os.listdir(tmp_path / "copy")) == [".kad", "file.bin"]


async def test_the_dht_names_the_seeder_to_whoever_asks(seeder: dict[str, Any], network: str) -> None:
    finished = await run("dht", "find-peers", seeder["info_hash"], "--bootstrap", network)
    assert [event["address"] for event in finished.events if event["event"] == "peer"] == [seeder["address"]]
    assert finished.done["peers"] == 1
    assert finished.done["lookup"]["queries"] >= 1


async def test_the_dht_knows_nobody_for_what_nobody_shares(network: str) -> None:
    finished = await run("dht", "find-peers", 20 * "0f", "--bootstrap", network)
    assert finished.exit_code == 1
    assert finished.events[-1]["peers"] == 0
    assert "nobody shares" in finished.stderr


@pytest.mark.ipv6
async def test_one_peer_is_enough_even_on_ipv6(torrent: Path, content: bytes, tmp_path: Path) -> None:
    async with Kad("seed", torrent, "-d", torrent.parent / "shared", "--listen", "[::1]:0", "--no-dht") as seed:
        address = (await seed.wait_event("seeding"))["address"]
        assert address.startswith("[::1]:")
        finished = await run(
            *("get", torrent, "-o", tmp_path / "copy", "--listen", "[::1]:0", "--no-dht", "--peer", address)
        )
        assert finished.done["sources"][0]["address"] == address
        assert (tmp_path / "copy" / "file.bin").read_bytes() == content
        assert (await seed.interrupt()).done["uploaded_bytes"] == SIZE


async def test_an_interrupted_download_goes_on_where_it_stopped(
    torrent: Path, seeder: dict[str, Any], content: bytes, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    copy.mkdir()
    piece_size = (await run("torrent", "show", torrent)).done["piece_size"]
    half = SIZE // 2 // piece_size * piece_size
    (copy / "file.bin").write_bytes(content[:half])  # what an earlier run left
    options = ("get", torrent, "-o", copy, "--listen", ANY, "--no-dht")

    async with Kad(*options, "--wait") as kad:
        await kad.wait_event("progress", state="downloading", done_bytes=half)
        interrupted = await kad.interrupt()
    assert interrupted.exit_code == 130
    assert interrupted.events[-1]["event"] == "interrupted"
    assert len(interrupted.stderr.splitlines()) == 1
    assert "to continue: kad get" in interrupted.stderr

    done = (await run(*options, "--peer", seeder["address"])).done
    assert done["downloaded_bytes"] == SIZE - half
    assert (copy / "file.bin").read_bytes() == content


async def test_a_download_can_seed_on(network: str, seeder: dict[str, Any], torrent: Path, tmp_path: Path) -> None:
    options = ("--listen", ANY, "--no-dht")
    async with Kad("get", torrent, "-o", tmp_path / "a", "--seed", "--peer", seeder["address"], *options) as first:
        address = (await first.wait_event("listening"))["address"]
        await first.wait_event("done")
        second = await run("get", torrent, "-o", tmp_path / "b", "--peer", address, *options)
        assert second.done["sources"][0]["address"] == address
        finished = await first.interrupt(signal.SIGTERM)
    assert finished.done["uploaded_bytes"] == SIZE
    names = [event["event"] for event in finished.events if event["event"] not in NOW_AND_THEN]
    assert names == ["listening", "added", "metadata", "done", "done"]


async def test_without_any_peer_the_download_gives_up(torrent: Path, tmp_path: Path) -> None:
    finished = await run(
        *("get", torrent, "-o", tmp_path / "copy", "--no-dht", "--listen", ANY, "--give-up-after", "0.5")
    )
    assert finished.exit_code == 1
    assert len(finished.stderr.splitlines()) == 1
    assert "no peer could be reached" in finished.stderr
    assert "--peer" in finished.stderr
    assert finished.events[-1]["event"] == "error"


async def test_a_peer_that_takes_encrypted_connections_only_is_named_as_what_it_may_be(
    torrent: Path, tmp_path: Path
) -> None:
    forced = {"in_enc_policy": 0, "out_enc_policy": 0}  # pe_forced
    async with LibtorrentPeer(settings=forced) as libtorrent:
        await libtorrent.add(torrent.parent / "shared", Metainfo.from_file(torrent), seed=True)
        finished = await run(
            *("get", torrent, "-o", tmp_path / "copy", "--no-dht", "--listen", ANY),
            *("--peer", libtorrent.address, "--give-up-after", "3", "--encryption", "off"),
        )
        assert finished.exit_code == 1
        assert f"{libtorrent.address} hung up at our first word: encrypted connections only" in finished.stderr
        met = await run(
            "get", torrent, "-o", tmp_path / "copy", "--no-dht", "--listen", ANY, "--peer", libtorrent.address
        )
    assert met.exit_code == 0


async def test_seeding_what_is_not_there_is_an_error(torrent: Path, tmp_path: Path) -> None:
    finished = await run("seed", torrent, "-d", tmp_path, "--listen", ANY, "--no-dht")
    assert finished.exit_code == 1
    assert len(finished.stderr.splitlines()) == 1
    assert "there is no file.bin in " in finished.stderr


async def test_a_listen_address_that_is_busy_is_named(network: str) -> None:
    finished = await run("dht", "node", "--listen", network, "--bootstrap", "none")
    assert finished.exit_code == 1
    assert finished.stderr == (
        f"kad: cannot listen on {network}: Address already in use; choose another address with --listen HOST:PORT\n"
    )


async def test_no_network_is_an_error_and_not_a_hang(torrent: Path, tmp_path: Path) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    results = await asyncio.gather(
        run("get", torrent, "-o", tmp_path / "copy", "--listen", ANY, "--bootstrap", nobody),
        run("dht", "find-peers", 20 * "0f", "--bootstrap", nobody),
    )
    for finished in results:
        assert finished.exit_code == 1
        assert len(finished.stderr.splitlines()) == 1
        assert f"no bootstrap node answered ({nobody})" in finished.stderr


async def test_a_bad_torrent_is_one_line_and_nothing_is_written(tmp_path: Path) -> None:
    bad = tmp_path / "bad.torrent"
    bad.write_bytes(b"d4:infod6:lengthi5e4:name8:evil.bin12:piece lengthi16384e6:pieces19:%see" % bytes(19))
    finished = await run("get", bad, "-o", tmp_path / "copy", "--no-dht", "--listen", ANY)
    assert finished.exit_code == 1
    assert len(finished.stderr.splitlines()) == 1
    assert "piece hashes" in finished.stderr
    assert os.listdir(tmp_path) == ["bad.torrent"]


async def test_text_for_people_goes_to_a_pipe_without_control_characters(torrent: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(*KAD, "get", str(torrent), "-o", str(torrent.parent / "shared"), "--no-dht", "--listen", ANY),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = (data.decode() for data in await process.communicate())
    assert (process.returncode, stderr) == (0, "")
    assert "already complete: " in stdout
    assert stdout.replace("\n", "").isprintable()


def _demo_environment(folder: Path) -> dict[str, str]:
    """Its temporary files in `folder`, and a mark by which its processes are known."""
    return {"TMPDIR": str(folder), "KAD_TEST_MARK": str(folder)}


def _left_processes(folder: Path) -> list[int]:
    mark = f"KAD_TEST_MARK={folder}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


async def test_the_demo_shows_a_swarm_and_leaves_nothing_behind(tmp_path: Path) -> None:
    async with Kad("demo", "--size", "4", environment=_demo_environment(tmp_path)) as kad:
        finished = await kad.finish()
    downloaders = finished.done["downloaders"]
    assert len(downloaders) == 3
    assert all(downloader["is_identical"] for downloader in downloaders)
    assert len({downloader["sha256"] for downloader in downloaders}) == 1
    assert all(downloader["hops"] >= 1 for downloader in downloaders)
    assert {downloader["pieces_from_seeder"] + downloader["pieces_from_downloaders"] for downloader in downloaders} == {
        256
    }
    assert os.listdir(tmp_path) == []
    assert _left_processes(tmp_path) == []


async def test_an_interrupted_demo_leaves_nothing_behind(tmp_path: Path) -> None:
    async with Kad("demo", "--size", "64", environment=_demo_environment(tmp_path)) as kad:
        await kad.wait_event("started")
        finished = await kad.interrupt()
    assert finished.exit_code == 130
    assert os.listdir(tmp_path) == []
    assert _left_processes(tmp_path) == []


async def test_a_demo_whose_child_dies_says_so(tmp_path: Path) -> None:
    async with Kad("demo", "--size", "64", environment=_demo_environment(tmp_path)) as kad:
        await kad.wait_event("started")
        children = [pid for pid in _left_processes(tmp_path) if pid != kad.process.pid]
        os.kill(max(children), signal.SIGKILL)
        finished = await kad.finish()
    assert finished.exit_code == 1
    assert len(finished.stderr.splitlines()) == 1
    assert "ended with exit code -9" in finished.stderr
    assert os.listdir(tmp_path) == []
    assert _left_processes(tmp_path) == []


async def test_children_of_a_killed_demo_end_by_themselves(tmp_path: Path) -> None:
    async with Kad("demo", "--size", "64", environment=_demo_environment(tmp_path)) as kad:
        await kad.wait_event("started")
        kad.send_signal(signal.SIGKILL)
        await kad.process.wait()
        async with asyncio.timeout(DEADLINE_S):
            while _left_processes(tmp_path):  # noqa: ASYNC110  # they are not our children
                await asyncio.sleep(0.05)


async def test_curl_reads_any_part_of_a_file_that_is_not_there_yet(
    torrent: Path, seeder: dict[str, Any], network: str, content: bytes, tmp_path: Path
) -> None:
    curl = require_program("curl", "curl")

    async def fetch(*options: str) -> bytes:
        process = await asyncio.create_subprocess_exec(curl, "-sS", *options, url, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(DEADLINE_S):
            return (await process.communicate())[0]

    magnet = f"magnet:?xt=urn:btih:{seeder['info_hash']}"
    async with Kad("stream", magnet, "-o", tmp_path / "copy", "--listen", ANY, "--bootstrap", network) as kad:
        url = (await kad.wait_event("streaming", file="file.bin", bytes=SIZE))["url"]
        assert await fetch("-r", "2000000-2000999") == content[2_000_000:2_001_000]
        assert await fetch("-r", "-500") == content[-500:]
        head = (await fetch("-I", "-r", "0-9")).decode().lower()
        assert "206 partial content" in head
        assert f"content-range: bytes 0-9/{SIZE}" in head
        assert (await fetch("-o", "/dev/null", "-w", "%{http_code}", "-r", f"{SIZE}-")) == b"416"
        assert await fetch() == content
        finished = await kad.interrupt()
    assert finished.done["done_bytes"] == SIZE
    assert (tmp_path / "copy" / "file.bin").read_bytes() == content


async def test_only_what_is_selected_is_fetched_and_more_later(network: str, tmp_path: Path) -> None:
    contents = {name: os.urandom(100_000) for name in ("a.bin", "b.bin", "c.bin")}
    (tmp_path / "shared").mkdir()
    for name, data in contents.items():
        (tmp_path / "shared" / name).write_bytes(data)
    torrent = tmp_path / "shared.torrent"
    await run("torrent", "create", tmp_path / "shared", "-o", torrent)
    async with Kad("seed", torrent, "-d", tmp_path, "--listen", ANY, "--bootstrap", network) as seed:
        await seed.wait_event("seeding")
        where = ("-o", tmp_path / "copy", "--listen", ANY, "--bootstrap", network)
        first = await run("get", torrent, *where, "--select", "1", "--sequential")
        assert first.done["wanted_bytes"] < 300_000
        assert os.listdir(tmp_path / "copy" / "shared") == ["b.bin"]
        second = await run("get", torrent, *where, "--select", "b.bin", "--select", "c*")
        assert second.done["downloaded_bytes"] < 200_000
    for name in ("b.bin", "c.bin"):
        assert (tmp_path / "copy" / "shared" / name).read_bytes() == contents[name]
    assert not (tmp_path / "copy" / "shared" / "a.bin").exists()
    wrong = await run("get", torrent, "-o", tmp_path / "copy", "--no-dht", "--select", "d.bin")
    assert wrong.exit_code == 1
    assert "d.bin is no file of the torrent" in wrong.stderr


async def test_files_whose_names_cannot_be_stored_are_fetched_and_named(tmp_path: Path) -> None:
    """rtorrent#1969 and others; whoever has them under such names shares them as they are."""
    shared = tmp_path / "here" / "al\\bum"
    shared.mkdir(parents=True)
    (shared / "tab\t.bin").write_bytes(bytes(range(256)) * 100)
    torrent = tmp_path / "odd.torrent"
    assert (await run("torrent", "create", shared, "-o", torrent)).exit_code == 0
    async with Kad("seed", torrent, "-d", tmp_path / "here", "--no-dht", "--listen", ANY) as seed:
        address = (await seed.wait_event("seeding"))["address"]
        finished = await run("get", torrent, "-o", tmp_path / "copy", "--no-dht", "--peer", address, "--listen", ANY)
        stopped = await seed.interrupt()
    assert finished.exit_code == 0, finished.stderr
    assert (tmp_path / "copy" / "album" / "tab_.bin").read_bytes() == bytes(range(256)) * 100
    renamed = next(event for event in finished.events if event["event"] == "renamed")
    assert (renamed["name"], renamed["original_name"]) == ("album", "al\\bum")
    assert renamed["files"] == [{"path": "album/tab_.bin", "original": ["al\\bum", "tab\t.bin"]}]
    assert finished.done["path"] == str(tmp_path / "copy" / "album")
    assert "renamed" not in {event["event"] for event in stopped.events}
    assert os.listdir(tmp_path / "here") == ["al\\bum"]
