from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial

import pytest

from kademlia_core import (
    InfoHashSample,
    InfoHashWalk,
    Key,
    MainlineConfig,
    NoAnswerError,
    NodeClosedError,
    QueryRefusedError,
)
from kademlia_core.mainline import krpc
from kademlia_core.mainline.config import SamplingConfig
from kademlia_core.mainline.messages import ErrorReply, Query, Response
from tests.unit.kademlia_core.aio.simulated_network import SimulatedNetwork, in_network_of
from transfer.address import Address

BRISK = MainlineConfig(sampling=SamplingConfig(interval_s=600, queries_per_s=50.0), upkeep_interval_s=60.0)


@in_network_of(4)
async def test_one_node_tells_what_it_has(nodes: SimulatedNetwork) -> None:
    address = ("11.0.1.1", 6881)
    assert await nodes[0].sample(address) == InfoHashSample((), 0, 3600)
    await nodes[2].announce(b"i" * 20, port=7000)
    assert await nodes[0].sample(address) == InfoHashSample((Key.from_bytes(b"i" * 20),), 1, 3600)


class Scripted(asyncio.DatagramProtocol):
    """A node that answers each query in the same way."""

    def __init__(self, *, refuses: bool) -> None:
        self._refuses = refuses

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = krpc.decode(data)
        assert isinstance(query, Query)
        answer = Response(query.transaction_id, Key(1, 160))
        refusal = ErrorReply(query.transaction_id, 204, "Method Unknown")
        self._transport.sendto(krpc.encode(refusal if self._refuses else answer), addr)  # type: ignore[attr-defined]


def _itself(protocol: Scripted) -> Scripted:
    return protocol


@in_network_of(1)
async def test_nodes_that_do_not_tell(nodes: SimulatedNetwork) -> None:
    loop = asyncio.get_running_loop()
    transports = []
    for number, scripted in ((1, Scripted(refuses=False)), (2, Scripted(refuses=True))):
        with nodes.simulation.host(f"11.1.{number}.1"):
            transport, _ = await loop.create_datagram_endpoint(partial(_itself, scripted), ("0.0.0.0", 1))
            transports.append(transport)
    assert await nodes[0].sample(("11.1.1.1", 1)) is None
    with pytest.raises(QueryRefusedError) as caught:
        await nodes[0].sample(("11.1.2.1", 1))
    assert (caught.value.address, caught.value.code) == (Address("11.1.2.1", 1), 204)
    assert not isinstance(caught.value, TimeoutError), "it did answer"
    with pytest.raises(NoAnswerError):
        await nodes[0].sample(("11.1.3.1", 1))
    for transport in transports:
        transport.close()


@in_network_of(40, BRISK)
async def test_a_walk_asks_everybody_once_and_goes_on_when_it_may(nodes: SimulatedNetwork) -> None:
    info_hashes = [Key(number << 140, 160) for number in range(30)]
    for number, info_hash in enumerate(info_hashes):
        await nodes[number].announce(info_hash, port=7000)
    met: list[Key] = []
    seen: set[Key] = set()
    started_at = nodes.simulation.now
    async with nodes[7].walk_samples() as walk:
        with suppress(TimeoutError):
            async with asyncio.timeout(60):
                async for found in walk:
                    met.append(found.node.key)
                    seen.update(found.sample.info_hashes)
        assert len(met) == len(set(met)) >= 38
        assert nodes[7].node_id not in met
        assert seen == set(info_hashes)

        again = await anext(walk)
        assert again.node.key in met
        assert nodes.simulation.now - started_at > 590


async def everything(walk: InfoHashWalk) -> None:
    async with asyncio.timeout(200):
        async for _ in walk:
            pass


@in_network_of(3)
async def test_a_walk_ends_with_its_node(nodes: SimulatedNetwork) -> None:
    walk = nodes[1].walk_samples()
    with pytest.raises(NodeClosedError):
        await anext(walk)
    async with walk:
        with pytest.raises(NodeClosedError):
            await walk.__aenter__()
        await anext(walk)
        await nodes[1].aclose()
        with pytest.raises(NodeClosedError):
            await everything(walk)
