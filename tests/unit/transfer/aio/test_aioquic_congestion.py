"""Our controllers in connections of aioquic, over simulated links: transfers end, and the window is ours."""

from __future__ import annotations

import asyncio
import random
import ssl
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.interop.require import missing
from transfer.aio.aioquic_congestion import AioquicController, register_in_aioquic
from transfer.congestion.controller import CongestionController
from transfer.congestion.registry import UnknownControllerError, controller_names, make_controller
from transfer.simulation import Link, Simulation, run

try:
    from aioquic.asyncio import connect, serve
    from aioquic.quic.configuration import QuicConfiguration

    from tests.third_party.program_of_aioquic import certificate
except ModuleNotFoundError:
    missing("aioquic is not installed: install the extra `test`")

SIZE = 200_000


async def upload(simulation: Simulation, name: str) -> tuple[int, float, AioquicController]:
    """So many bytes over QUIC: how many arrived, how long that took, and the sender's controller."""

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        received.append(len(await reader.read()))
        writer.write(b"thanks")
        writer.write_eof()

    received: list[int] = []
    tasks: list[asyncio.Task[None]] = []
    simulation.names["quic.example"] = "10.0.0.1"
    with TemporaryDirectory() as folder:
        certificate_path, key_path = certificate(Path(folder))
        serving = QuicConfiguration(is_client=False)
        serving.load_cert_chain(certificate_path, key_path)
        with simulation.host("10.0.0.1"):
            server = await serve(
                "0.0.0.0",
                4433,
                configuration=serving,
                stream_handler=lambda reader, writer: tasks.append(asyncio.create_task(take(reader, writer))),
            )
        with simulation.host("10.0.0.2"):
            sending = QuicConfiguration(
                is_client=True,
                cafile=str(certificate_path),
                verify_mode=ssl.CERT_REQUIRED,
                congestion_control_algorithm=register_in_aioquic(name, rng=random.Random(3)),
            )
            async with connect("quic.example", 4433, configuration=sending) as client:
                begin = asyncio.get_running_loop().time()
                reader, writer = await client.create_stream()
                writer.write(bytes(SIZE))
                writer.write_eof()
                assert await reader.read() == b"thanks"
                took_s = asyncio.get_running_loop().time() - begin
                used: Any = client._quic._loss._cc
                assert client._quic._loss.congestion_window == used.controller.window
        server.close()
        await asyncio.sleep(5)
    assert isinstance(used, AioquicController)
    return received[0], took_s, used


@pytest.mark.parametrize("name", controller_names())
def test_a_transfer_over_quic_is_carried_by_our_controller(name: str) -> None:
    async def scenario(simulation: Simulation) -> tuple[int, float, AioquicController]:
        return await upload(simulation, name)

    link = Link(delay_s=0.02, rate_bytes_per_s=1.25e6, queue_bytes=50_000, loss=0.01)
    received, took_s, used = run(scenario, seed=5, link=link).result
    assert received == SIZE
    assert used.controller.name == name
    assert SIZE / 1.25e6 < took_s < 8.0
    assert used.controller.window != make_controller(name, packet_bytes=1200, rng=random.Random(1)).window
    assert used.bytes_in_flight >= 0


def test_a_name_that_we_do_not_know_is_refused_before_aioquic_hears_of_it() -> None:
    with pytest.raises(UnknownControllerError, match="choose one of reno, cubic"):
        register_in_aioquic("vegas")


@dataclass
class Packet:
    """As aioquic keeps one."""

    packet_number: int
    sent_time: float
    sent_bytes: int = 1200


def adapted(name: str) -> tuple[AioquicController, CongestionController]:
    controller = make_controller(name, packet_bytes=1200, rng=random.Random(1))
    return AioquicController(controller, packet_bytes=1200), controller


def acknowledge(adapter: AioquicController, packets: list[Packet], *, now: float) -> None:
    """As `QuicPacketRecovery.on_ack_received` does."""
    for packet in packets:
        adapter.on_packet_acked(now=now, packet=packet)
    adapter.on_rtt_measurement(now=now, rtt=now - packets[-1].sent_time)
    _ = adapter.congestion_window  # its pacer


def test_packets_of_one_acknowledgement_are_told_together() -> None:
    adapter, controller = adapted("reno")
    packets = [Packet(i, 1.0) for i in range(10)]
    for packet in packets:
        adapter.on_packet_sent(packet=packet)
    assert adapter.bytes_in_flight == 12_000
    acknowledge(adapter, packets[:4], now=1.1)
    assert controller.window == 12_000  # not told yet: losses come first
    adapter.on_packets_lost(now=1.1, packets=packets[4:6])
    assert controller.window == 6_000  # half of the ten that were on their way with the lost ones (RFC 9002, 7.3.2)
    assert controller.state == "recovery"
    assert adapter.bytes_in_flight == 4 * 1200
    adapter.on_packets_expired(packets=packets[6:])
    assert adapter.bytes_in_flight == 0


def test_the_window_that_is_asked_for_knows_of_all_acknowledgements() -> None:
    adapter, _ = adapted("reno")
    packets = [Packet(i, 1.0) for i in range(10)]
    for packet in packets:
        adapter.on_packet_sent(packet=packet)
    acknowledge(adapter, packets, now=1.1)
    assert adapter.congestion_window == 24_000


def test_the_pacer_of_aioquic_goes_by_our_rate() -> None:
    adapter, controller = adapted("bbr")
    packets = [Packet(i, 1.0) for i in range(10)]
    for packet in packets:
        adapter.on_packet_sent(packet=packet)
    adapter.on_packet_acked(now=1.1, packet=packets[0])
    adapter.on_rtt_measurement(now=1.1, rtt=0.1)
    for_pacer = adapter.congestion_window
    assert controller.pacing_rate is not None
    assert for_pacer / 0.1 == pytest.approx(controller.pacing_rate, rel=0.01)
    assert adapter.congestion_window == controller.window


def test_a_sender_with_little_to_send_is_taken_for_limited_by_its_application() -> None:
    adapter, controller = adapted("cubic")
    for i in range(50):
        packet = Packet(i, float(i))
        adapter.on_packet_sent(packet=packet)
        acknowledge(adapter, [packet], now=i + 0.1)
    assert adapter.congestion_window == controller.window == 12_000
    assert adapter._sampler.on_sent(1200, in_flight=1200, now=60.0).is_app_limited


def test_persistent_congestion_is_a_time_out() -> None:
    adapter, controller = adapted("reno")
    packet = Packet(1, 1.0)
    adapter.on_packet_sent(packet=packet)
    adapter.on_packets_lost(now=5.0, packets=[packet])
    adapter.on_persistent_congestion()
    assert controller.window == 1200
    assert adapter.get_log_data() == {"cwnd": 1200, "bytes_in_flight": 0}
