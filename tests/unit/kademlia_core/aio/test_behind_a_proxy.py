"""A node behind a SOCKS5 proxy: it joins by names that only the proxy knows, and no datagram goes around it."""

from __future__ import annotations

import random

import pytest

from kademlia_core import BootstrapError, MainlineConfig, MainlineNode, NoAnswerError
from kademlia_core.aio.names import NameQuestion, resolve_through
from tests.proxy_server import proxy_server
from transfer import Address, open_proxy_port
from transfer.simulation import Simulation, run

INFO_HASH = bytes(range(20))
CONFIG = MainlineConfig(allow_private=True)
QUIET = MainlineConfig(allow_private=True, is_read_only=True)


def test_a_node_joins_by_name_and_finds_peers_through_the_proxy() -> None:
    async def main(simulation: Simulation) -> None:
        with simulation.host("10.0.0.1"):
            first = MainlineNode(port=6881, bootstrap=(), config=CONFIG, rng=random.Random(1))
            await first.__aenter__()
        with simulation.host("10.0.0.2"):
            other = MainlineNode(port=6881, bootstrap=[("10.0.0.1", 6881)], config=CONFIG, rng=random.Random(2))
            await other.__aenter__()
            await other.announce(INFO_HASH, port=6999)
        with simulation.host("10.0.0.9"):
            proxy = proxy_server(host="10.0.0.9", names={"router.example": "10.0.0.1"})
            server = await proxy.__aenter__()
        with simulation.host("10.0.0.3"):
            async with (
                await open_proxy_port(server.proxy, rng=random.Random(3)) as port,
                MainlineNode(
                    datagrams=port, bootstrap=[("router.example", 6881)], config=QUIET, rng=random.Random(4)
                ) as node,
                node.find_peers(INFO_HASH) as lookup,
            ):
                assert [peer async for peer in lookup] == [Address("10.0.0.2", 6999)]
                assert await node.ping(("router.example", 6881))
                with pytest.raises(NoAnswerError):
                    await node.ping(("nobody.example", 6881))
        assert Address("router.example", 6881) in server.datagrams
        assert {address.host for address in server.datagrams} <= {
            "10.0.0.1",
            "10.0.0.2",
            "router.example",
            "nobody.example",
        }
        await proxy.__aexit__(None, None, None)
        await other.aclose()
        await first.aclose()

    run(main)


def test_a_name_that_nobody_answers_for_is_no_way_in() -> None:
    async def main() -> None:
        async with (
            proxy_server() as server,
            await open_proxy_port(server.proxy) as port,
            MainlineNode(datagrams=port, bootstrap=[("router.example", 6881)], config=QUIET) as node,
        ):
            with pytest.raises(BootstrapError):
                await node.wait_joined()

    run(lambda _: main())


def test_an_answer_from_a_sender_without_an_address_is_none() -> None:
    async def main() -> None:
        async with proxy_server() as server, await open_proxy_port(server.proxy) as port:
            question = NameQuestion(b"d1:t8:whatever1:y1:qe", lambda data: b"whatever" in data)
            name = Address("node.example", 6881)
            assert await resolve_through(port, name, question, ipv6=False, patience_s=3.0) == []
            port.close()
            assert await resolve_through(port, name, question, ipv6=False, patience_s=3.0) == []

    run(lambda _: main())
