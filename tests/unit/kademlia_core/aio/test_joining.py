"""What the shell does so that a node gets into the network and stays there: names, and a machine that sleeps."""

from __future__ import annotations

import asyncio
import socket
import threading
from types import SimpleNamespace

import pytest

from kademlia_core import BootstrapError, KeyValueNode, MainlineConfig, MainlineNode
from transfer.simulation import Simulation, run


async def test_a_name_that_hangs_does_not_hold_up_one_that_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()

    def getaddrinfo(host: str, *_: object) -> list[object]:
        if host == "hangs.example":
            released.wait(60)
        return [(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_UDP, "", ("127.0.0.1", 0))]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    config = MainlineConfig(resolve_timeout_s=3600.0)
    async with MainlineNode(host="127.0.0.1", bootstrap=()) as one:
        port = one.address.port
        names = [("hangs.example", port), ("router.example", port)]
        async with (
            asyncio.timeout(30),
            MainlineNode(host="127.0.0.1", bootstrap=names, config=config) as two,
        ):
            await two.wait_joined()
    released.set()


def test_a_name_may_be_known_only_later_and_have_a_dead_address_as_well() -> None:
    async def scenario(simulation: Simulation) -> None:
        with simulation.host("11.0.0.1"):
            one = await KeyValueNode(port=6881).__aenter__()
        with simulation.host("11.0.1.1"):
            two = await KeyValueNode(port=6881, bootstrap=[("router.example", 6881)]).__aenter__()
        with pytest.raises(BootstrapError):
            await two.wait_joined()
        await asyncio.sleep(3600.0)
        simulation.names["router.example"] = ("11.9.9.9", "11.0.0.1")
        await asyncio.sleep(200.0)
        await two.wait_joined()
        await one.set("a", b"value")
        assert await two.get("a") == b"value"
        await two.aclose()
        await one.aclose()

    run(scenario)


def test_each_family_finds_its_own_way_back() -> None:
    """The IPv4 entrance is there, the IPv6 one comes an hour later."""

    async def scenario(simulation: Simulation) -> None:
        with simulation.host("11.0.0.1"):
            one = await MainlineNode(port=6881, bootstrap=()).__aenter__()
        with simulation.host("11.0.1.1", "fd00::1"):
            entrances = [("11.0.0.1", 6881), ("fd00::2", 6881)]
            two = await MainlineNode(host=("0.0.0.0", "::"), port=6881, bootstrap=entrances).__aenter__()
        await two.wait_joined()
        await asyncio.sleep(3600.0)
        with simulation.host("fd00::2"):
            late = await MainlineNode(host="::", port=6881, bootstrap=()).__aenter__()
        await asyncio.sleep(300.0)
        assert two.statistics().nodes == 2
        assert late.statistics().nodes == 1
        for node in (late, two, one):
            await node.aclose()

    run(scenario)


def test_a_machine_that_has_slept_makes_sure_of_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Linux the loop's clock stands still meanwhile; the wall clock does not."""
    slept_s = 0.0

    async def scenario(simulation: Simulation) -> None:
        nonlocal slept_s
        loop = asyncio.get_running_loop()
        monkeypatch.setattr("kademlia_core.aio.driver.time", SimpleNamespace(time=lambda: loop.time() + slept_s))
        with simulation.host("11.0.0.1"):
            one = await MainlineNode(port=6881, bootstrap=()).__aenter__()
        with simulation.host("11.0.1.1"):
            two = await MainlineNode(port=6881, bootstrap=[("11.0.0.1", 6881)]).__aenter__()
        await two.wait_joined()
        await asyncio.sleep(80.0)
        before = two.statistics().queries_sent
        await asyncio.sleep(20.0)
        assert two.statistics().queries_sent == before
        slept_s = 3600.0
        await asyncio.sleep(6.0)
        assert two.statistics().queries_sent > before
        await two.aclose()
        await one.aclose()

    run(scenario)
