"""Multicast groups and broadcasts: who hears them, and who does not. Both vanished before."""

from __future__ import annotations

import asyncio
import socket
import struct
from functools import partial
from typing import Any

import pytest

from bittorrent.aio.sources.local_discovery import LocalDiscovery
from transfer.address import Address
from transfer.simulation import Link, Simulation, run

GROUP = ("239.1.2.3", 5000)
GROUP6 = ("ff02::1234", 5000)


class Ear(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: list[tuple[bytes, Any]] = []
        self.errors: list[Exception] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append((data, addr[:2]))

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)


def membership(group: str, interface: str = "0.0.0.0") -> bytes:
    return struct.pack("4s4s", socket.inet_aton(group), socket.inet_aton(interface))


async def ear(simulation: Simulation, host: str, **options: Any) -> tuple[asyncio.DatagramTransport, Ear]:
    bind = options.pop("bind", ("0.0.0.0", GROUP[1]))
    with simulation.host(host, behind=options.pop("behind", None)):
        return await asyncio.get_running_loop().create_datagram_endpoint(Ear, bind, **options)


def join(transport: asyncio.DatagramTransport, group: str = GROUP[0], interface: str = "0.0.0.0") -> None:
    transport.get_extra_info("socket").setsockopt(
        socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership(group, interface)
    )


def heard_by(ears: list[tuple[asyncio.DatagramTransport, Ear]]) -> list[int]:
    for transport, _ in ears:
        transport.close()
    return [len(protocol.heard) for _, protocol in ears]


def test_members_of_a_group_in_the_same_network_hear_it() -> None:
    async def scenario(simulation: Simulation) -> list[int]:
        hosts = ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.9.1"]
        ears = [await ear(simulation, host) for host in hosts]
        for transport, _ in (ears[0], ears[1], ears[3]):
            join(transport)
        ears[0][0].sendto(b"hello", GROUP)
        await asyncio.sleep(1)
        assert ears[1][1].heard == [(b"hello", ("10.0.0.1", 5000))]
        socket_of = ears[1][0].get_extra_info("socket")
        socket_of.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, membership(GROUP[0]))
        ears[0][0].get_extra_info("socket").setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        ears[0][0].sendto(b"again", GROUP)
        await asyncio.sleep(1)
        with pytest.raises(OSError, match="assign"):
            socket_of.setsockopt(socket.IPPROTO_IP, socket.IP_DROP_MEMBERSHIP, membership(GROUP[0]))
        with pytest.raises(OSError, match="Invalid"):
            join(ears[1][0], "10.0.0.1")
        return heard_by(ears)

    assert run(scenario).result == [1, 1, 0, 0]


def test_hosts_behind_one_box_are_one_network() -> None:
    async def scenario(simulation: Simulation) -> list[int]:
        home, other = simulation.nat("10.0.0.100"), simulation.nat("10.0.0.101")
        ears = [await ear(simulation, "192.168.0.1", behind=home), await ear(simulation, "192.168.7.2", behind=home)]
        ears += [await ear(simulation, "192.168.0.1", behind=other), await ear(simulation, "10.0.0.1")]
        for transport, _ in ears:
            join(transport)
        ears[0][0].sendto(b"hello", GROUP)
        await asyncio.sleep(1)
        return heard_by(ears)

    assert run(scenario).result == [1, 1, 0, 0]


def test_ipv6_groups() -> None:
    async def scenario(simulation: Simulation) -> list[int]:
        ears = [await ear(simulation, f"fd00::{number}", bind=("::", 5000)) for number in (1, 2)]
        ears.append(await ear(simulation, "fd00:0:0:1::3", bind=("::", 5000)))
        for transport, _ in ears:
            option = socket.inet_pton(socket.AF_INET6, GROUP6[0]) + struct.pack("@I", 0)
            transport.get_extra_info("socket").setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, option)
        ears[0][0].sendto(b"hello", GROUP6)
        await asyncio.sleep(1)
        return heard_by(ears)

    assert run(scenario).result == [1, 1, 0]


def test_a_group_on_the_loopback_interface_stays_on_the_host() -> None:
    async def scenario(simulation: Simulation) -> list[int]:
        ears = [await ear(simulation, host, reuse_port=True) for host in ("10.0.0.1", "10.0.0.1", "10.0.0.2")]
        for transport, _ in ears:
            join(transport, interface="127.0.0.1")
        sender = ears[0][0].get_extra_info("socket")
        sender.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        ears[0][0].sendto(b"hello", GROUP)
        await asyncio.sleep(1)
        assert ears[1][1].heard == [(b"hello", ("127.0.0.1", 5000))]
        return heard_by(ears)

    assert run(scenario).result == [1, 1, 0]


@pytest.mark.parametrize("target", ["255.255.255.255", "10.0.0.255", "<broadcast>"])
def test_a_broadcast_reaches_the_network_of_its_sender(target: str) -> None:
    async def scenario(simulation: Simulation) -> list[int]:
        ears = [await ear(simulation, host, allow_broadcast=True) for host in ("10.0.0.1", "10.0.0.2", "10.0.1.1")]
        ears.append(await ear(simulation, "10.0.0.3", bind=("10.0.0.3", 5000)))
        if target == "<broadcast>":
            with simulation.host("10.0.0.1"), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
                sock.sendto(b"hello", (target, 5000))
        else:
            ears[0][0].sendto(b"hello", (target, 5000))
        await asyncio.sleep(1)
        return heard_by(ears)

    assert run(scenario).result == [1, 1, 0, 0]


def test_a_broadcast_needs_permission() -> None:
    async def scenario(simulation: Simulation) -> list[Exception]:
        transport, protocol = await ear(simulation, "10.0.0.1")
        transport.sendto(b"hello", ("255.255.255.255", 5000))
        await asyncio.sleep(0)
        transport.close()
        return protocol.errors

    assert [type(error) for error in run(scenario).result] == [PermissionError]


def test_faults_links_and_firewalls_hold_for_groups() -> None:
    async def scenario(simulation: Simulation) -> list[int]:
        hosts = [f"10.0.0.{number}" for number in range(1, 6)]
        ears = [await ear(simulation, host) for host in hosts]
        for transport, _ in ears:
            join(transport)
        simulation.firewall(hosts[1])
        simulation.firewall(hosts[2], open_udp=[5000])
        simulation.set_link(hosts[0], hosts[3], Link(delay_s=5))
        with simulation.partition([hosts[0]], [hosts[4]]):
            ears[0][0].sendto(b"hello", GROUP)
            await asyncio.sleep(1)
        assert ears[3][1].heard == []
        await asyncio.sleep(5)
        return heard_by(ears)

    report = run(scenario)
    assert report.result == [1, 0, 1, 1, 0]
    assert run(scenario) == report


@pytest.mark.parametrize(
    "hosts", [("10.0.0.1", "10.0.0.2", "10.0.5.1"), ("2001:db8:1::1", "2001:db8:1::2", "2001:db8:2::1")]
)
def test_local_discovery_finds_peers_of_the_same_network(hosts: tuple[str, ...]) -> None:
    """BEP 14, with the sockets that the product uses."""

    async def scenario(simulation: Simulation) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        services = []

        def note(host: str, info_hash: bytes, peer: Address) -> None:
            found.append((host, str(peer)))

        for host in hosts:
            with simulation.host(host):
                place = host if ":" in host else "0.0.0.0"
                discovery = LocalDiscovery(interface=place, port=6881, cookie=host, on_peer=partial(note, host))
                services.append(await discovery.__aenter__())
        for service in services:
            service.add(bytes(20))
        await asyncio.sleep(600)
        for service in services:
            await service.aclose()
        return sorted(set(found))

    first, second, _ = hosts
    assert run(scenario).result == [
        (first, str(Address(second, 6881))),
        (second, str(Address(first, 6881))),
    ]
