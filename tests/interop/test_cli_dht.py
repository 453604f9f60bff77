"""`kad dht` as a user meets it: real processes in a network of two nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.interop.kad import ANY, Kad, run
from tests.interop.marks import needs_posix
from tests.interop.ports import free_port

pytestmark = needs_posix

__all__ = ["pytestmark"]

INFO_HASH = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
async def entry() -> AsyncIterator[str]:
    """The address of one of two nodes that know each other."""
    async with Kad("dht", "node", "--listen", ANY, "--bootstrap", "none") as first:
        address: str = (await first.wait_event("listening"))["address"]
        async with Kad("dht", "node", "--listen", ANY, "--bootstrap", address) as second:
            await second.wait_event("joined")
            yield address


async def test_nodes_are_found_and_pinged(entry: str) -> None:
    ping, found = await asyncio.gather(
        run("dht", "ping", entry, "--listen", ANY), run("dht", "find-node", INFO_HASH, "--bootstrap", entry)
    )
    (answered,) = [event for event in ping.events if event["event"] == "answered"]
    assert ping.exit_code == 0
    assert answered["address"] == entry
    assert 0 < answered["seconds"] < 5
    nodes = [event for event in found.events if event["event"] == "node"]
    assert found.done["nodes"] == len(nodes) == 2
    assert answered["node_id"] in {node["node_id"] for node in nodes}
    distances = [int(node["node_id"], 16) ^ int(INFO_HASH, 16) for node in nodes]
    assert distances == sorted(distances)


async def test_what_is_announced_is_found_counted_and_sampled(entry: str) -> None:
    options = ("--bootstrap", entry)
    announced = await run("dht", "announce", INFO_HASH, "--port", "4711", "--seed", *options)
    assert announced.exit_code == 0, announced.stderr
    (event,) = [event for event in announced.events if event["event"] == "announced"]
    assert len(event["kept_by"]) == 2
    found, scraped, sampled = await asyncio.gather(
        run("dht", "find-peers", INFO_HASH, *options),
        run("dht", "scrape", INFO_HASH, *options),
        run("dht", "sample", entry, "--listen", ANY),
    )
    assert [event["address"] for event in found.events if event["event"] == "peer"] == ["127.0.0.1:4711"]
    assert (round(scraped.done["seeds"]), round(scraped.done["downloaders"])) == (1, 0)
    assert [event["info_hash"] for event in sampled.events if event["event"] == "info_hash"] == [INFO_HASH]
    walked = await run("dht", "sample", "--limit", "1", *options)
    assert walked.done["info_hashes"] == 1


async def test_values_are_put_got_and_followed(entry: str, tmp_path: Path) -> None:
    options, secret = ("--bootstrap", entry), tmp_path / "secret"
    stored = await run("dht", "put", "Hello World!", *options)
    assert stored.exit_code == 0, stored.stderr
    # The target is the one of BEP 44's own example.
    assert stored.events[-1]["target"] == "e5f96f6f38320f0f33959cb4d3d656452117aadb"
    got = await run("dht", "get", stored.events[-1]["target"], *options)
    assert bytes.fromhex(got.events[-1]["value"]) == b"12:Hello World!"

    first = await run("dht", "put", "one", "--secret", secret, "--salt", "s", *options)
    assert first.exit_code == 0, first.stderr
    owner = first.events[-1]["public_key"]
    assert secret.stat().st_mode & 0o777 == 0o600
    async with Kad("dht", "follow", owner, "--salt", "s", *options) as follower:
        assert (await follower.wait_event("value", seq=1))["value"] == b"3:one".hex()
        assert (await follower.interrupt()).exit_code == 130
    second = await run("dht", "put", "two", "--secret", secret, "--salt", "s", *options)
    assert second.events[-1]["seq"] == 2
    newest = await run("dht", "get", owner, "--salt", "s", *options)
    assert (newest.events[-1]["seq"], newest.events[-1]["value"]) == (2, b"3:two".hex())


async def test_a_link_that_points_to_a_torrent(entry: str, tmp_path: Path) -> None:
    options = ("--bootstrap", entry)
    pointed = await run("dht", "put", INFO_HASH, "--torrent", "--secret", tmp_path / "secret", *options)
    assert pointed.exit_code == 0, pointed.stderr
    link = f"magnet:?xs=urn:btpk:{pointed.events[-1]['public_key']}"
    got = await run("dht", "get", link, *options)
    assert got.events[-1]["info_hash"] == INFO_HASH


async def test_what_is_not_there_is_one_line_and_exit_code_1(entry: str, tmp_path: Path) -> None:
    (tmp_path / "no key").write_text("hello")
    outcomes = await asyncio.gather(
        run("dht", "get", INFO_HASH, "--bootstrap", entry),
        run("dht", "scrape", INFO_HASH, "--bootstrap", entry),
        run("dht", "put", "x", "--secret", tmp_path / "no key", "--bootstrap", entry),
        run("dht", "put", "x" * 2000, "--bootstrap", entry),
    )
    for outcome, text in zip(
        outcomes, ["nobody keeps a value", "no node knows", "does not hold a key", "bytes"], strict=True
    ):
        assert outcome.exit_code == 1
        assert text in outcome.stderr
        assert outcome.stderr.count("\n") == 1
    wrong = await run("dht", "put", "x", "--salt", "s", "--bootstrap", entry)
    assert wrong.exit_code == 2


async def test_a_node_remembers_itself_and_whom_it_knew(entry: str, tmp_path: Path) -> None:
    state = tmp_path / "node.state"
    ids = []
    for bootstrap in (entry, "127.0.0.1:9"):  # the second time nobody is at the bootstrap address
        async with Kad("dht", "node", "--listen", ANY, "--bootstrap", bootstrap, "--state", state) as node:
            ids.append((await node.wait_event("listening"))["node_id"])
            await node.wait_event("joined")
            assert (await node.interrupt()).exit_code == 0
    assert ids[0] == ids[1]


async def test_a_node_that_starts_before_its_bootstrap_node_waits_for_it() -> None:
    """Nodes of a network start in any order; one that nobody answers yet is one that others may call."""
    first = f"127.0.0.1:{free_port()}"
    async with Kad("dht", "node", "--listen", ANY, "--bootstrap", first) as early:
        warning = await early.wait_event("warning")
        assert f"no bootstrap node answered ({first})" in warning["message"]
        async with Kad("dht", "node", "--listen", first, "--bootstrap", "none") as late:
            await late.wait_event("joined")
            await early.wait_event("joined")
        finished = await early.interrupt()
    assert finished.exit_code == 0
    assert len(finished.stderr.splitlines()) == 1
