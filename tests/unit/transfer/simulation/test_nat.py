"""NAT boxes by the table of RFC 3489, timeouts, firewalls; then whole programs through them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from transfer.simulation import Firewall, Nat, NatKind, Simulation, run
from transfer.simulation.host import Realm

INSIDE = ("192.168.0.2", 5000)
FRIEND = ("10.0.0.1", 80)
SAME_HOST = ("10.0.0.1", 81)
STRANGER = ("10.0.0.2", 80)


@pytest.mark.parametrize(
    ("kind", "admits"),
    [
        (NatKind.FULL_CONE, {FRIEND, SAME_HOST, STRANGER}),
        (NatKind.RESTRICTED, {FRIEND, SAME_HOST}),
        (NatKind.PORT_RESTRICTED, {FRIEND}),
        (NatKind.SYMMETRIC, {FRIEND}),
    ],
)
def test_who_gets_in(kind: NatKind, admits: set[tuple[str, int]]) -> None:
    box = Nat(Realm("outside"), "203.0.113.1", kind=kind)
    outer = box.outbound("udp", INSIDE, FRIEND, 0)
    assert outer[0] == "203.0.113.1"
    for source in (FRIEND, SAME_HOST, STRANGER):
        found = box.inbound("udp", outer[1], source, 1)
        assert found == (INSIDE if source in admits else None)
    assert box.inbound("tcp", outer[1], FRIEND, 1) is None
    assert box.inbound("udp", outer[1] + 1, FRIEND, 1) is None


@pytest.mark.parametrize("kind", list(NatKind))
def test_only_a_symmetric_box_maps_by_target(kind: NatKind) -> None:
    box = Nat(Realm("outside"), "203.0.113.1", kind=kind)
    ports = {box.outbound("udp", INSIDE, target, 0)[1] for target in (FRIEND, SAME_HOST, STRANGER, FRIEND)}
    assert len(ports) == (3 if kind is NatKind.SYMMETRIC else 1)
    assert box.outbound("udp", (INSIDE[0], 5001), FRIEND, 0)[1] not in ports


def test_mappings_time_out_unless_used() -> None:
    box = Nat(Realm("outside"), "203.0.113.1", kind=NatKind.FULL_CONE, udp_timeout_s=10)
    port = box.outbound("udp", INSIDE, FRIEND, 0)[1]
    assert box.inbound("udp", port, STRANGER, 9_000_000) == INSIDE
    assert box.inbound("udp", port, STRANGER, 11_000_000) is None
    assert box.outbound("udp", INSIDE, FRIEND, 9_500_000)[1] == port
    assert box.inbound("udp", port, STRANGER, 19_000_000) == INSIDE
    assert box.outbound("udp", INSIDE, FRIEND, 60_000_000)[1] != port


@pytest.mark.parametrize("kind", list(NatKind))
def test_a_mapping_lives_to_the_last_moment_of_its_time(kind: NatKind) -> None:
    box = Nat(Realm("outside"), "203.0.113.1", kind=kind, udp_timeout_s=10)
    port = box.outbound("udp", INSIDE, FRIEND, 5)[1]
    assert box.inbound("udp", port, FRIEND, 10_000_005) == INSIDE
    assert box.inbound("udp", port, FRIEND, 10_000_006) is None
    assert box.outbound("udp", INSIDE, FRIEND, 10_000_005)[1] == port


def test_ports_of_dead_mappings_are_used_again() -> None:
    box = Nat(Realm("outside"), "203.0.113.1", kind=NatKind.FULL_CONE, udp_timeout_s=1)
    for number in range(65_536 - 1024):
        box.outbound("udp", ("192.168.0.2", number), FRIEND, 0)
    with pytest.raises(OSError, match="no free port"):
        box.outbound("udp", ("192.168.0.3", 1), FRIEND, 0)
    assert box.outbound("udp", ("192.168.0.3", 1), FRIEND, 2_000_000)[1] == 1024


def test_a_firewall_lets_in_answers_and_open_ports() -> None:
    wall = Firewall(open_tcp=[22], memory_s=10)
    here = ("10.0.0.9", 5000)
    assert not wall.admits("udp", FRIEND, here, 0)
    wall.sent("udp", here, FRIEND, 0)
    assert wall.admits("udp", FRIEND, here, 10_000_000)
    assert not wall.admits("udp", SAME_HOST, here, 1)
    assert not wall.admits("udp", FRIEND, here, 10_000_001)
    assert wall.admits("tcp", STRANGER, ("10.0.0.9", 22), 0)
    assert not wall.admits("udp", STRANGER, ("10.0.0.9", 22), 0)


class Peer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: list[tuple[bytes, Any]] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append((data, addr))


@pytest.mark.parametrize("kind", list(NatKind))
def test_hole_punching_works_but_for_symmetric_boxes(kind: NatKind) -> None:
    async def scenario(simulation: Simulation) -> bool:
        loop = asyncio.get_running_loop()
        with simulation.host("10.0.0.1"):
            meeting_point, seen = await loop.create_datagram_endpoint(Peer, ("0.0.0.0", 3478))
        ends: list[tuple[asyncio.DatagramTransport, Peer]] = []
        for number in (1, 2):
            box = simulation.nat(f"203.0.113.{number}", kind=kind)
            with simulation.host("192.168.0.2", behind=box):
                ends.append(await loop.create_datagram_endpoint(Peer, ("0.0.0.0", 6881)))
        for endpoint, _ in ends:
            endpoint.sendto(b"who am I?", ("10.0.0.1", 3478))
        await asyncio.sleep(1)
        outer = [address for _, address in seen.heard]
        assert {host for host, _ in outer} == {"203.0.113.1", "203.0.113.2"}
        for _ in range(2):
            ends[0][0].sendto(b"punch", outer[1])
            ends[1][0].sendto(b"punch", outer[0])
            await asyncio.sleep(1)
        for endpoint in (meeting_point, *(endpoint for endpoint, _ in ends)):
            endpoint.close()
        return all(peer.heard for _, peer in ends)

    assert run(scenario).result is (kind is not NatKind.SYMMETRIC)


def test_streams_go_out_through_nat_but_not_in() -> None:
    async def scenario(simulation: Simulation) -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(str(writer.get_extra_info("peername")[0]).encode())
            writer.close()
            await writer.wait_closed()

        box = simulation.nat("203.0.113.1")
        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(greet, "0.0.0.0", 80)
        with simulation.host("192.168.0.2", behind=box):
            inner = await asyncio.start_server(greet, "0.0.0.0", 80)
            reader, writer = await asyncio.open_connection("10.0.0.1", 80)
            assert await reader.read() == b"203.0.113.1"
            writer.close()
            await writer.wait_closed()
        for address in ("203.0.113.1", "192.168.0.2"):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(30):
                    await asyncio.open_connection(address, 80)
        server.close()
        inner.close()

    run(scenario)


@pytest.mark.parametrize("hairpin", [True, False])
def test_neighbours_reach_each_other_directly_and_by_hairpin(hairpin: bool) -> None:
    """What comes from elsewhere goes through in either case."""

    async def scenario(simulation: Simulation) -> list[tuple[bytes, Any]]:
        loop = asyncio.get_running_loop()
        box = simulation.nat("203.0.113.1", kind=NatKind.FULL_CONE, hairpin=hairpin)
        with simulation.host("10.0.0.1"):
            outside, _ = await loop.create_datagram_endpoint(Peer, ("0.0.0.0", 5))
        with simulation.host("192.168.0.2", behind=box):
            first, heard = await loop.create_datagram_endpoint(Peer, ("0.0.0.0", 1))
        with simulation.host("192.168.0.3", behind=box):
            second, _ = await loop.create_datagram_endpoint(Peer, ("0.0.0.0", 2))
        first.sendto(b"open a port", ("10.0.0.1", 5))
        second.sendto(b"direct", ("192.168.0.2", 1))
        second.sendto(b"hairpin", ("203.0.113.1", 1024))
        await asyncio.sleep(1)
        outside.sendto(b"from outside", ("203.0.113.1", 1024))
        await asyncio.sleep(1)
        for transport in (first, second, outside):
            transport.close()
        return heard.heard

    by_hairpin = [(b"hairpin", ("203.0.113.1", 1025))] if hairpin else []
    assert run(scenario).result == [
        (b"direct", ("192.168.0.3", 2)),
        *by_hairpin,
        (b"from outside", ("10.0.0.1", 5)),
    ]


def test_firewalled_hosts_can_call_but_not_be_called() -> None:
    async def scenario(simulation: Simulation) -> None:
        servers = []
        for address in ("10.0.0.1", "10.0.0.2"):
            with simulation.host(address):
                servers.append(await asyncio.start_server(lambda reader, writer: writer.close(), "0.0.0.0", 80))
                servers.append(await asyncio.start_server(lambda reader, writer: writer.close(), "0.0.0.0", 22))
        simulation.firewall("10.0.0.2", open_tcp=[22])

        async def call(source: str, target: str, port: int) -> None:
            with simulation.host(source):
                async with asyncio.timeout(30):
                    reader, writer = await asyncio.open_connection(target, port)
                assert await reader.read() == b""
                writer.close()
                await writer.wait_closed()

        await call("10.0.0.2", "10.0.0.1", 80)
        await call("10.0.0.1", "10.0.0.2", 22)
        with pytest.raises(TimeoutError):
            await call("10.0.0.1", "10.0.0.2", 80)
        for server in servers:
            server.close()

    run(scenario)
