"""Reached from outside through a real router: miniupnpd over PCP, NAT-PMP and UPnP, with NAT by nftables."""

from __future__ import annotations

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import pytest

from bittorrent import create_metainfo
from tests.interop import kad
from tests.interop.programs import end_process
from tests.interop.router import INSIDE, OTHER_INSIDE, OUTER, OUTSIDE, Child, Router

pytestmark = pytest.mark.interop

METHODS = ("PCP", "NAT-PMP", "UPnP")
PORT = 7000
CALL = """
import socket, sys
host, port = sys.argv[1], int(sys.argv[2])
with socket.create_connection((host, port), timeout=5) as tcp:
    assert tcp.recv(5) == b"hello"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
    udp.settimeout(5)
    udp.sendto(b"ping", (host, port))
    assert udp.recv(9) == b"ping"
"""


def mapped(router: Router, method: str, *, host: str, look_s: float = 300) -> Child:
    return Child(router, router.inside, "tests.interop.mapped_child", PORT, method, look_s, host)


async def call(router: Router, endpoint: str) -> None:
    """From outside, over TCP and UDP."""
    host, _, port = endpoint.rpartition(":")
    await asyncio.to_thread(router.run, router.outside, "python3", "-c", CALL, host, port)


async def said(child: Child) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await child.line())
    return found


@pytest.mark.parametrize("method", METHODS)
async def test_strangers_come_in_through_a_port_that_is_free_also_after_a_restart(method: str) -> None:
    """Another host has the first port that is tried; the router forgets everything; at the end it forgets us."""
    async with Router() as router, mapped(router, "NAT-PMP", host=OTHER_INSIDE) as other:
        assert (await said(other))["external"] == f"{OUTER}:{PORT}"
        async with mapped(router, method, host=INSIDE, look_s=1) as child:
            status = await said(child)
            external = status["external"]
            assert status["method"] == method
            assert external == f"{OUTER}:{status['udp_port']}" != f"{OUTER}:{PORT}"
            assert f"{OTHER_INSIDE}:{PORT}" in router.mappings().replace(" ", "")
            await call(router, external)
            await router.stop()
            await router.start()
            while router.mappings().count(f"{INSIDE}:{PORT}") < 2:
                await said(child)  # one line for each renewal, and for each failure
            await call(router, external)
            await child.close()
        assert router.mappings() == ""


async def test_behind_another_nat_it_is_said_why_nobody_comes() -> None:
    """miniupnpd refuses to map anything where its own outer address is private."""
    async with Router(outer="10.99.0.44") as router:
        command = (*kad.KAD, "net", "reach", "--no-dht", "--wait", "10", "--json")
        out = await asyncio.to_thread(router.run, router.inside, "env", f"PYTHONPATH={kad.ROOT}", *command)
        report = json.loads(out.splitlines()[-1])
        assert report["reachable"] == "no"
        failures = report["mapping"]["failures"]
        assert set(failures) == set(METHODS)
        assert all("address outside" in reason for reason in failures.values()), failures


async def test_a_seed_at_home_is_reached_from_outside(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.mkdir()
    (content / "file").write_bytes(random.Random(1).randbytes(100_000))
    shared = create_metainfo(content / "file", piece_length=16_384)
    torrent = content / "file.torrent"
    torrent.write_bytes(shared.to_bytes())
    async with Router() as router:

        def command(namespace: str, *words: object) -> tuple[str, ...]:
            return router.command(namespace, "env", f"PYTHONPATH={kad.ROOT}", *kad.KAD, *words)

        seed = await started(
            command(router.inside, "seed", torrent, "--listen", "0.0.0.0:7100", "--no-dht", "--no-local"),
            until="port_mapping",
        )
        got = command(router.outside, "get", torrent, "-o", tmp_path / "got", "--peer", f"{OUTER}:7100")
        getting = await started((*got, "--no-dht", "--no-local"), until="done")
        await getting.end()
        await seed.end()
        assert seed.seen["port_mapping"]["external"] == f"{OUTER}:7100"
        assert router.mappings() == ""
    assert (tmp_path / "got" / "file").read_bytes() == (content / "file").read_bytes()


async def test_a_node_that_comes_by_itself_shows_that_strangers_get_through() -> None:
    """`kad net reach` at home; DHT nodes that come later hear of it from the one it asked, and call."""
    first, *others = OUTSIDE
    async with Router() as router:

        def command(namespace: str, *words: object) -> tuple[str, ...]:
            return router.command(namespace, "env", f"PYTHONPATH={kad.ROOT}", *kad.KAD, *words)

        entry = f"{first}:6900"
        running = [await started(command(router.outside, "dht", "node", "--listen", entry, "--bootstrap", "none"))]
        reach = await started(command(router.inside, "net", "reach", "--bootstrap", entry, "--wait", "60"))
        for host in others:
            node = command(router.outside, "dht", "node", "--listen", f"{host}:6900", "--bootstrap", entry)
            running.append(await started(node))
        report = await reach.event("reach")
        for each in (reach, *running):
            await each.end()
        assert (report["reachable"], report["mapping"]["method"]) == ("yes", "PCP")
        assert OUTER in report["dht_seen_as"]


async def test_neighbours_find_each_other_over_ipv6(tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.mkdir()
    (content / "file").write_bytes(random.Random(1).randbytes(100_000))
    torrent = content / "file.torrent"
    torrent.write_bytes(create_metainfo(content / "file", piece_length=16_384).to_bytes())
    async with Router() as router:

        def command(namespace: str, *words: object) -> tuple[str, ...]:
            quiet = ("--no-dht", "--no-port-mapping", "--local", "--listen", "[::]:7100")
            return router.command(namespace, "env", f"PYTHONPATH={kad.ROOT}", *kad.KAD, *words, *quiet)

        seed = await started(command(router.inside, "seed", torrent), until="seeding")
        got = await started(command(router.gateway, "get", torrent, "-o", tmp_path / "got"), until="done")
        await got.end()
        await seed.end()
    assert (tmp_path / "got" / "file").read_bytes() == (content / "file").read_bytes()
    assert [peer["address"] for peer in got.seen["done"]["sources"]]


class Running:
    """A `kad … --json` in a namespace."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.seen: dict[str, dict[str, Any]] = {}

    async def event(self, name: str) -> dict[str, Any]:
        assert self._process.stdout is not None
        async with asyncio.timeout(60):
            while name not in self.seen:
                line = await self._process.stdout.readline()
                assert line, f"it ended without {name}: {self.seen}"
                event = json.loads(line)
                self.seen[event["event"]] = event
        return self.seen[name]

    async def end(self) -> None:
        await end_process(self._process)


async def started(command: tuple[str, ...], *, until: str = "listening") -> Running:
    process = await asyncio.create_subprocess_exec(
        *command, "--json", stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, limit=1 << 20
    )
    running = Running(process)
    await running.event(until)
    return running
