"""What is written in pieces travels together, as far as a segment and the window have room."""

from __future__ import annotations

import asyncio

import pytest

from transfer.simulation import SimulatedStreamConfig, Simulation, run

CONFIG = SimulatedStreamConfig(window_bytes=400, segment_bytes=100)


@pytest.mark.parametrize(
    ("pieces", "segments"),
    [
        ([50, 30, 20], [100]),
        ([50, 30, 21], [80, 20, 1]),
        ([50, 30, 19, 1], [100]),
        ([60, 40], [100]),
        ([60, 41], [60, 40, 1]),
        ([100, 1], [100, 1]),
        ([101], [100, 1]),
        ([250, 10], [100, 100, 60]),
    ],
)
def test_pieces_are_joined_up_to_a_full_segment(pieces: list[int], segments: list[int]) -> None:
    async def scenario(simulation: Simulation) -> list[int]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(serve, "0.0.0.0", 80)
        with simulation.host("10.0.0.2"):
            _, writer = await asyncio.open_connection("10.0.0.1", 80)
        writer.write(bytes(400))  # fills the window: what follows has to wait
        for size in pieces:
            writer.write(bytes(size))
        await asyncio.sleep(10)
        writer.close()
        server.close()
        await server.wait_closed()
        events = simulation.network.trace.last(1000)
        return [event[5] for event in events if event[2] == "data"]

    assert run(scenario, stream=CONFIG).result == [100, 100, 100, 100, *segments]
