"""Hosts, addresses and ports; what sockets sees that loopback sockets cannot show."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import pytest

from transfer.simulation import Link, SimulatedStreamConfig, Simulation, run


class Peer(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.heard: list[tuple[bytes, Any]] = []
        self.errors: list[Exception] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.heard.append((data, addr))

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)


async def endpoint(
    simulation: Simulation, address: str, bind: str = "0.0.0.0", port: int = 5
) -> tuple[asyncio.DatagramTransport, Peer]:
    with simulation.host(address):
        return await asyncio.get_running_loop().create_datagram_endpoint(Peer, (bind, port))


def test_a_host_has_addresses_of_both_families_and_its_own_loopback() -> None:
    async def scenario(simulation: Simulation) -> None:
        loop = asyncio.get_running_loop()
        with simulation.host("10.0.0.1", "fd00::1") as host:
            four, heard_four = await loop.create_datagram_endpoint(Peer, ("0.0.0.0", 5))
            six, heard_six = await loop.create_datagram_endpoint(Peer, ("::", 5))
            inner, heard_inner = await loop.create_datagram_endpoint(Peer, ("127.0.0.1", 6))
            assert four.get_extra_info("sockname") == ("0.0.0.0", 5)
            assert six.get_extra_info("sockname") == ("::", 5, 0, 0)
            inner.sendto(b"on loopback", ("127.0.0.1", 5))
            inner.sendto(b"off loopback", ("10.0.0.2", 5))
        with simulation.host("10.0.0.2", "fd00::2"):
            other, heard_other = await loop.create_datagram_endpoint(Peer, ("0.0.0.0", 5))
            other_six, _ = await loop.create_datagram_endpoint(Peer, ("fd00::2", 5))
        assert host.addresses == ("10.0.0.1", "fd00::1")
        other.sendto(b"four", ("10.0.0.1", 5))
        other_six.sendto(b"six", ("FD00:0::1", 5))
        other.sendto(b"wrong family", ("fd00::1", 5))
        other.sendto(b"not mine", ("127.0.0.1", 6))
        await asyncio.sleep(1)
        assert heard_four.heard == [(b"on loopback", ("127.0.0.1", 6)), (b"four", ("10.0.0.2", 5))]
        assert heard_six.heard == [(b"six", ("fd00::2", 5, 0, 0))]
        assert heard_inner.heard == []
        assert [error.errno for error in heard_inner.errors if isinstance(error, OSError)] == [errno.EINVAL]
        assert [error.errno for error in heard_other.errors if isinstance(error, OSError)] == [errno.EAFNOSUPPORT]
        for transport in (four, six, inner, other, other_six):
            transport.close()

    run(scenario)


def test_addresses_belong_to_one_host() -> None:
    async def scenario(simulation: Simulation) -> None:
        with simulation.host("10.0.0.1", "10.0.0.2") as host:
            assert str(host) == "10.0.0.1"
        with simulation.host("10.0.0.2") as again:
            assert again is host
        with pytest.raises(ValueError, match="another host"), simulation.host("10.0.0.3", "10.0.0.1"):
            pass
        with pytest.raises(ValueError, match="address"), simulation.host("no address"):
            pass
        simulation.nat("203.0.113.1")
        with pytest.raises(ValueError, match="another host"):
            simulation.nat("10.0.0.1")
        with pytest.raises(ValueError, match="another host"), simulation.host("203.0.113.1"):
            pass

    run(scenario)


def test_tasks_and_callbacks_stay_on_their_host() -> None:
    async def scenario(simulation: Simulation) -> list[str]:
        seen: list[str] = []

        async def look() -> None:
            await asyncio.sleep(1)
            seen.append(str(simulation.network.here()))

        def callback() -> None:
            seen.append(str(simulation.network.here()))

        class Greeter(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                callback()

        loop = asyncio.get_running_loop()
        with simulation.host("10.0.0.1"):
            task = asyncio.create_task(look())
            loop.call_later(2, callback)
            server, _ = await loop.create_datagram_endpoint(Greeter, ("0.0.0.0", 5))
        callback()
        with simulation.host("10.0.0.2"):
            client, _ = await loop.create_datagram_endpoint(Peer, remote_addr=("10.0.0.1", 5))
        await asyncio.sleep(3)
        client.sendto(b"x")
        await asyncio.sleep(1)
        await task
        server.close()
        client.close()
        return seen

    assert run(scenario).result == ["192.0.2.1", "10.0.0.1", "10.0.0.1", "10.0.0.1"]


@pytest.mark.parametrize("target", ["127.0.0.1", "::1", "10.0.0.1", "fd00::1"])
@pytest.mark.parametrize("local", [None, "wildcard"])
def test_connecting_chooses_an_address_and_a_free_port(target: str, local: str | None) -> None:
    async def scenario(simulation: Simulation) -> None:
        loop = asyncio.get_running_loop()
        wildcard = "::" if ":" in target else "0.0.0.0"
        with simulation.host("10.0.0.1", "fd00::1"):
            server, heard = await loop.create_datagram_endpoint(Peer, (wildcard, 5))
            local_addr = None if local is None else (wildcard, 0)
            clients = [await loop.create_datagram_endpoint(Peer, local_addr, remote_addr=(target, 5)) for _ in range(2)]
        names = [transport.get_extra_info("sockname")[:2] for transport, _ in clients]
        assert [name[0] for name in names] == [target, target]
        assert len({port for _, port in names}) == 2
        assert all(port >= 1024 for _, port in names)
        for transport, _ in clients:
            transport.sendto(b"hello")
        await asyncio.sleep(1)
        assert [source[:2] for _, source in heard.heard] == names
        for transport in (server, *(transport for transport, _ in clients)):
            transport.close()

    run(scenario)


@pytest.mark.parametrize(("family", "wildcard"), [(socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")])
def test_a_family_alone_is_enough_to_bind(family: int, wildcard: str) -> None:
    async def scenario(simulation: Simulation) -> None:
        loop = asyncio.get_running_loop()
        with simulation.host("10.0.0.1", "fd00::1"):
            transport, _ = await loop.create_datagram_endpoint(Peer, family=family)
        host, port = transport.get_extra_info("sockname")[:2]
        assert host == wildcard
        assert port >= 1024
        transport.close()

    run(scenario)


def test_ports_are_free_then_taken_then_free_again() -> None:
    async def scenario(simulation: Simulation) -> None:
        first, _ = await endpoint(simulation, "10.0.0.1")
        with pytest.raises(OSError, match="in use"):
            await endpoint(simulation, "10.0.0.1", "10.0.0.1")
        with pytest.raises(OSError, match="not an address"):
            await endpoint(simulation, "10.0.0.1", "10.0.0.2")
        first.close()
        second, _ = await endpoint(simulation, "10.0.0.1")
        ephemeral = [await endpoint(simulation, "10.0.0.1", port=0) for _ in range(3)]
        ports = [transport.get_extra_info("sockname")[1] for transport, _ in ephemeral]
        assert ports == [49152, 49153, 49154]
        for transport, _ in [*ephemeral, (second, None)]:
            transport.close()

    run(scenario)


def test_too_long_datagrams_and_names_are_errors() -> None:
    async def scenario(simulation: Simulation) -> None:
        transport, peer = await endpoint(simulation, "10.0.0.1")
        other, heard = await endpoint(simulation, "10.0.0.2")
        transport.sendto(bytes(65_507), ("10.0.0.2", 5))
        transport.sendto(bytes(65_508), ("10.0.0.2", 5))
        with pytest.raises(OSError, match="IP address"):
            transport.sendto(b"x", ("a.name", 5))
        with pytest.raises(ValueError, match="needs an address"):
            transport.sendto(b"x")
        await asyncio.sleep(1)
        assert [len(data) for data, _ in heard.heard] == [65_507]
        assert [error.errno for error in peer.errors if isinstance(error, OSError)] == [errno.EMSGSIZE]
        transport.close()
        other.close()
        transport.sendto(b"nobody minds", ("10.0.0.2", 5))
        await asyncio.sleep(0)
        transport.sendto(b"nobody minds", ("10.0.0.2", 5))

    run(scenario)


def test_links_of_pairs_and_their_directions() -> None:
    async def scenario(simulation: Simulation) -> list[float]:
        (a, _), (b, _) = await endpoint(simulation, "10.0.0.1"), await endpoint(simulation, "10.0.0.2")
        arrived: list[float] = []

        class Clock(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: Any) -> None:
                arrived.append(simulation.now - float(data))

        for transport in (a, b):
            transport.set_protocol(Clock())
        simulation.set_link("10.0.0.1", "10.0.0.2", Link(delay_s=0.5))
        simulation.set_link("10.0.0.2", "10.0.0.1", Link(delay_s=2.0), both_ways=False)
        for transport, target in ((a, "10.0.0.2"), (b, "10.0.0.1")):
            transport.sendto(str(simulation.now).encode(), (target, 5))
            await asyncio.sleep(5)
        a.close()
        b.close()
        return arrived

    assert run(scenario).result == pytest.approx([0.5, 2.0])


def test_a_protocol_that_fails_is_reported_and_goes_on() -> None:
    class Fragile(Peer):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            super().datagram_received(data, addr)
            raise KeyError(data)

    async def scenario(simulation: Simulation) -> None:
        failures: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: failures.append(context))
        with simulation.host("10.0.0.1"):
            transport, fragile = await loop.create_datagram_endpoint(Fragile, ("0.0.0.0", 5))
        other, _ = await endpoint(simulation, "10.0.0.2")
        for text in (b"one", b"two"):
            other.sendto(text, ("10.0.0.1", 5))
            await asyncio.sleep(1)
        assert len(fragile.heard) == 2
        assert [type(context["exception"]) for context in failures] == [KeyError, KeyError]
        transport.close()
        other.close()

    run(scenario)


@pytest.mark.parametrize("broken", ["data_received", "eof_received", "get_buffer", "buffer_updated"])
def test_a_stream_protocol_that_fails_loses_its_connection(broken: str) -> None:
    class Fragile(asyncio.Protocol):
        def connection_lost(self, exc: Exception | None) -> None:
            lost.append(exc)

    class FragileBuffered(asyncio.BufferedProtocol):
        def get_buffer(self, sizehint: int) -> bytearray:
            return bytearray(0 if broken == "get_buffer" else 10)

        def buffer_updated(self, nbytes: int) -> None:
            return None

        def connection_lost(self, exc: Exception | None) -> None:
            lost.append(exc)

    def fail(self: object, *args: object) -> None:
        raise KeyError(broken)

    lost: list[Exception | None] = []
    kind: type[Any] = FragileBuffered if "buffer" in broken else Fragile
    if broken != "get_buffer":
        setattr(kind, broken, fail)

    async def scenario(simulation: Simulation) -> None:
        failures: list[Any] = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: failures.append(context["exception"]))
        with simulation.host("10.0.0.1"):
            server = await loop.create_server(kind, "0.0.0.0", 80)
        reader, writer = await asyncio.open_connection("10.0.0.1", 80)
        writer.write(b"data")
        writer.write_eof()
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()
        server.close()
        assert len(failures) == 1
        assert lost == failures
        assert isinstance(failures[0], RuntimeError if broken == "get_buffer" else KeyError)

    run(scenario)


def test_a_flow_is_bounded_by_its_window_and_the_round_trip() -> None:
    async def scenario(simulation: Simulation) -> float:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(bytes(1_000_000))
            writer.close()
            await writer.wait_closed()

        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(serve, "0.0.0.0", 80)
        with simulation.host("10.0.0.2"):
            reader, writer = await asyncio.open_connection("10.0.0.1", 80)
            started = simulation.now
            assert len(await reader.read()) == 1_000_000
        writer.close()
        await writer.wait_closed()
        server.close()
        return simulation.now - started

    fast = run(scenario, link=Link(delay_s=0.05), stream=SimulatedStreamConfig(window_bytes=1 << 20)).result
    slow = run(scenario, link=Link(delay_s=0.05), stream=SimulatedStreamConfig(window_bytes=1 << 16)).result
    assert fast < 0.2
    assert slow == pytest.approx(1_000_000 / (1 << 16) * 0.1, rel=0.35)


def test_names_lead_to_several_addresses_tried_in_turn() -> None:
    async def scenario(simulation: Simulation) -> None:
        simulation.names["service.example"] = ["10.0.0.8", "fd00::9", "10.0.0.9"]
        simulation.network.host(["10.0.0.8"])
        with simulation.host("10.0.0.9"):
            server = await asyncio.start_server(lambda reader, writer: writer.close(), None, 80)
        reader, writer = await asyncio.open_connection("service.example", 80)
        assert writer.get_extra_info("peername") == ("10.0.0.9", 80)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        server.close()
        simulation.network.host(["10.0.0.9"]).firewall = None
        with pytest.raises(OSError, match=r"Multiple exceptions.*10\.0\.0\.8.*10\.0\.0\.9"):
            await asyncio.open_connection("service.example", 80, family=2)
        with pytest.raises(OSError, match="not known"):
            await asyncio.open_connection("nowhere.example", 80)
        with pytest.raises(OSError, match="unreachable"), simulation.host("10.0.0.9"):
            await asyncio.open_connection("fd00::9", 80)

    run(scenario)


def test_a_cancelled_connect_leaves_nothing() -> None:
    async def scenario(simulation: Simulation) -> None:
        accepted: list[object] = []
        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(lambda reader, writer: accepted.append(writer), "0.0.0.0", 80)
        for delay_s in (0.0, 0.005, 0.015):
            connecting = asyncio.create_task(asyncio.open_connection("10.0.0.1", 80))
            await asyncio.sleep(delay_s)
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
        await asyncio.sleep(10)
        assert accepted == []
        server.close()

    run(scenario)


def test_a_server_that_closes_in_the_middle_of_a_handshake() -> None:
    async def scenario(simulation: Simulation) -> None:
        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(lambda reader, writer: None, "0.0.0.0", 80)
        connecting = asyncio.create_task(asyncio.open_connection("10.0.0.1", 80))
        await asyncio.sleep(0.015)
        server.close()
        reader, writer = await connecting
        with pytest.raises(ConnectionResetError):
            await reader.read()
        writer.close()
        with pytest.raises(ConnectionResetError):
            await writer.wait_closed()

    run(scenario)


def test_serve_forever_and_late_starting_servers() -> None:
    async def scenario(simulation: Simulation) -> None:
        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(
                lambda reader, writer: writer.close(), "0.0.0.0", 80, start_serving=False
            )
        assert not server.is_serving()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("10.0.0.1", 80)
        serving = asyncio.create_task(server.serve_forever())
        reader, writer = await asyncio.open_connection("10.0.0.1", 80)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
        with pytest.raises(RuntimeError, match="already being awaited"):
            await server.serve_forever()
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving
        assert not server.is_serving()
        with pytest.raises(RuntimeError, match="closed"):
            await server.serve_forever()

    run(scenario)


def test_closing_a_server_ends_those_who_serve_forever() -> None:
    async def scenario(simulation: Simulation) -> None:
        with simulation.host("10.0.0.1"):
            server = await asyncio.start_server(lambda reader, writer: writer.close(), "0.0.0.0", 80)
        serving = asyncio.create_task(server.serve_forever())
        await asyncio.sleep(1)
        server.close()
        await asyncio.wait([serving], timeout=1)
        assert serving.cancelled()
        assert not server.is_serving()

    run(scenario)


def test_sets_of_transports_do_not_follow_addresses() -> None:
    async def scenario(simulation: Simulation) -> list[str]:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 80)
        ballast = [bytearray(simulation.seed * 100 + number) for number in range(50)]
        transports = {(await loop.create_connection(asyncio.Protocol, "127.0.0.1", 80))[0] for _ in ballast}
        ends = {(await endpoint(simulation, f"10.0.0.{number}"))[0] for number in range(1, 50)}
        order = [str(transport.get_extra_info("sockname")) for transport in (*transports, *ends)]
        for transport in (*transports, *ends):
            transport.close()
        server.close()
        return order

    results = [run(scenario, seed=seed).result for seed in range(3)]
    assert len(results[0]) == 99
    assert results[0] == results[1] == results[2]
