"""Many datagrams in one call: cut and glued by the kernel if it can do so, else one by one; the same arrives."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterable
from typing import Any

import pytest

from transfer.address import Address
from transfer.aio import datagram_socket
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.datagram_socket import SOL_UDP, UDP_GRO, UDP_SEGMENT, DatagramSocket, bind_datagrams
from transfer.aio.datagrams import BatchProtocol, RunProtocol, send_run
from transfer.datagrams.demultiplexer import DatagramClaim
from transfer.datagrams.runs import Run, split_run
from transfer.simulation import Simulation, run

pytestmark = pytest.mark.every_event_loop
LOCAL = Address("127.0.0.1", 0)
SIZE = 1400
PACKETS = [bytes([number]) * SIZE for number in range(59)] + [b"the last one"]
GATHERED = [part for packet in PACKETS for part in (packet[:20], memoryview(packet)[20:]) if part]


class Plain(BatchProtocol):
    """Writes down what happens to it."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.errors: list[Exception] = []
        self.told: list[str] = []
        self.changed = asyncio.Event()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def datagrams_received(self, datagrams: list[tuple[bytes, Any]]) -> None:
        self.heard += [data for data, _ in datagrams]
        self.changed.set()

    def error_received(self, exc: Exception) -> None:
        self.errors.append(exc)

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")
        self.changed.set()

    async def wait_for(self, count: int) -> list[bytes]:
        while len(self.heard) < count:
            self.changed.clear()
            await self.changed.wait()
        return self.heard


class InRuns(RunProtocol, Plain):
    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Run] = []

    def runs_received(self, runs: list[Run]) -> None:
        self.runs += runs
        self.heard += [data for run, _, size in runs for data in split_run(run, size)]
        self.changed.set()


class Refusing(socket.socket):
    """Takes no runs; or, when `room` is given, only so many datagrams."""

    refusal: int | None = None
    room: int | None = None
    in_one_call = 0

    def sendmsg(self, buffers: Iterable[Any], ancillary: Any = (), flags: int = 0, address: Any = None) -> int:
        if ancillary:
            self.in_one_call += 1
            if self.refusal is not None:
                raise OSError(self.refusal, "refused")
        if self.room is not None:
            if self.room == 0:
                raise BlockingIOError
            self.room -= 1
        return super().sendmsg(buffers, ancillary, flags, address)


def has_offload() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(SOL_UDP, UDP_GRO, 1)
            sock.getsockopt(SOL_UDP, UDP_SEGMENT)
        except OSError:
            return False
    return True


def address_of(transport: asyncio.BaseTransport) -> Address:
    return Address.from_socket(transport.get_extra_info("sockname"))


def refusing(protocol: Plain) -> tuple[Refusing, DatagramSocket]:
    sock = Refusing(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    sock.bind(LOCAL)
    return sock, DatagramSocket(asyncio.get_running_loop(), sock, protocol, max_bytes=2000)


@pytest.mark.parametrize("kind", [Plain, InRuns])
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_the_datagrams_of_a_run_arrive_whole_and_in_order(host: str, kind: type[Plain]) -> None:
    heard, sender = kind(), Plain()
    there, here = await bind_datagrams(heard, Address(host, 0)), await bind_datagrams(sender, Address(host, 0))
    assert send_run(here, GATHERED, address_of(there), SIZE) == len(PACKETS)
    assert await heard.wait_for(len(PACKETS)) == PACKETS
    if isinstance(heard, InRuns) and has_offload():
        assert len(heard.runs) < len(PACKETS) / 5, "glued by the kernel"
        assert heard.runs[0][2] == SIZE
        assert Address.from_socket(heard.runs[0][1]) == address_of(here)
    for transport in (there, here):
        transport.close()
    assert send_run(here, [b"unsent"], address_of(there), SIZE) == 1


async def test_lone_datagrams_are_runs_of_one() -> None:
    heard = InRuns()
    there = await bind_datagrams(heard, LOCAL, max_bytes=100)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for data in (b"a", b"", b"bcd", bytes(300)):
            sender.sendto(data, address_of(there))
        await heard.wait_for(4)
        own = sender.getsockname()[1]
    assert heard.runs == [(data, ("127.0.0.1", own), len(data)) for data in (b"a", b"", b"bcd", bytes(100))]
    there.close()


async def test_the_datagrams_of_a_run_are_cut_to_what_the_receiver_cares_for() -> None:
    heard = InRuns()
    there, here = await bind_datagrams(heard, LOCAL, max_bytes=100), await bind_datagrams(Plain(), LOCAL)
    send_run(here, [b"x" * 150, b"y" * 150, b"z" * 7], address_of(there), 150)
    assert await heard.wait_for(3) == [b"x" * 100, b"y" * 100, b"z" * 7]
    for transport in (there, here):
        transport.close()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO, errno.EMSGSIZE])
async def test_a_kernel_that_refuses_runs_gets_datagrams(number: int) -> None:
    heard, sender = Plain(), Plain()
    there = await bind_datagrams(heard, LOCAL)
    sock, here = refusing(sender)
    sock.refusal = number
    for _ in range(2):
        assert here.send_run(GATHERED[:20], address_of(there), SIZE) == 10
    assert await heard.wait_for(20) == PACKETS[:10] * 2
    assert sender.errors == []
    assert sock.in_one_call == (1 if has_offload() else 0), "it is asked once"
    sock.refusal = None
    here.send_run(GATHERED[:6], address_of(there), SIZE - 700)
    tried_smaller = has_offload() and number != errno.EIO
    assert sock.in_one_call == (2 if tried_smaller else 1 if has_offload() else 0)
    for transport in (there, here):
        transport.close()


async def test_what_is_refused_to_one_address_is_sent_in_runs_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    if not has_offload():
        pytest.skip("this kernel cuts no datagrams (Linux 4.18 does)")
    monkeypatch.setattr(datagram_socket, "MAX_REFUSED", 2)
    sock, here = refusing(Plain())
    sock.refusal = errno.EINVAL
    for port in (1, 2, 3):
        here.send_run(GATHERED[:4], Address("127.0.0.1", port), SIZE)
    sock.refusal = None
    here.send_run(GATHERED[:4], Address("127.0.0.1", 3), SIZE)
    assert sock.in_one_call == 3
    here.send_run(GATHERED[:4], Address("127.0.0.1", 1), SIZE)
    assert sock.in_one_call == 4, "what is remembered is bounded"
    here.close()


async def test_kernels_without_offload(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither option is there: runs are sent one by one, and what comes is a run of one each."""
    monkeypatch.setattr(datagram_socket, "_has_option", lambda sock, option: False)

    class Old(socket.socket):
        def setsockopt(self, level: int, option: int, *value: Any) -> None:
            if level == SOL_UDP:
                raise OSError(errno.ENOPROTOOPT, "Protocol not available")
            super().setsockopt(level, option, *value)

    heard = InRuns()
    old = Old(socket.AF_INET, socket.SOCK_DGRAM)
    old.setblocking(False)
    old.bind(LOCAL)
    there = DatagramSocket(asyncio.get_running_loop(), old, heard, max_bytes=2000)
    sock, here = refusing(Plain())
    assert here.send_run(GATHERED, address_of(there), SIZE) == len(PACKETS)
    assert await heard.wait_for(len(PACKETS)) == PACKETS
    assert sock.in_one_call == 0
    assert len(heard.runs) == len(PACKETS)
    for transport in (there, here):
        transport.close()


@pytest.mark.parametrize("cut_by_kernel", [True, False])
async def test_a_full_socket_says_what_is_left_and_when_to_go_on(
    monkeypatch: pytest.MonkeyPatch, *, cut_by_kernel: bool
) -> None:
    if not cut_by_kernel:
        monkeypatch.setattr(datagram_socket, "_has_option", lambda sock, option: False)
    heard, sender = Plain(), Plain()
    there = await bind_datagrams(heard, LOCAL)
    sock, here = refusing(sender)
    sock.room = 1 if cut_by_kernel and has_offload() else 46
    sent = here.send_run(GATHERED, address_of(there), SIZE)
    assert sent == 46  # 65,507 bytes hold 46 datagrams of 1,400
    assert here.send_run(GATHERED[2 * sent :], address_of(there), SIZE) == 0
    assert sender.told == ["pause"], "once"
    sock.room = None
    await sender.changed.wait()
    assert sender.told == ["pause", "resume"]
    assert here.send_run(GATHERED[2 * sent :], address_of(there), SIZE) == len(PACKETS) - sent
    assert await heard.wait_for(len(PACKETS)) == PACKETS
    assert sender.errors == []
    for transport in (there, here):
        transport.close()


async def test_closing_a_full_socket_leaves_nothing_behind() -> None:
    sender = Plain()
    sock, here = refusing(sender)
    sock.room = 0
    assert here.send_run([b"x"], Address("127.0.0.1", 9), SIZE) == 0
    here.close()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert sender.told == ["pause"]
    assert sock.fileno() == -1


async def test_what_cannot_be_sent_counts_as_lost_and_is_told() -> None:
    heard, sender = Plain(), Plain()
    there, here = await bind_datagrams(heard, LOCAL), await bind_datagrams(sender, LOCAL)
    assert send_run(here, [bytes(70_000)], address_of(there), 70_000) == 1
    assert [error.errno for error in sender.errors if isinstance(error, OSError)] == [errno.EMSGSIZE]
    assert send_run(here, [b"ab"], Address("::1", 1), 1) == 2  # another address family
    assert len(sender.errors) > 1
    for transport in (there, here):
        transport.close()


# Several protocols on one port.


async def test_glued_datagrams_of_several_protocols_are_told_apart() -> None:
    """One sender, one size, so the kernel glues them; the first bytes say whose each is."""
    async with await DatagramPort.bind(LOCAL) as port:
        plain, in_runs, early = Plain(), InRuns(), Plain()
        port.join(early, DatagramClaim(first_bytes=b"e"))
        port.join(plain, DatagramClaim(first_bytes=b"d"))
        port.join(in_runs, DatagramClaim(first_bytes=b"\x01\x11"))
        here = await bind_datagrams(Plain(), LOCAL)
        mixed = [b"\x01111", b"\x11222", b"d333", b"\x01444", b"?555", b"\x01"]
        send_run(here, mixed, port.address, 4)
        send_run(here, [b"d1", b"d2", b"d3"], port.address, 2)
        pure = [b"\x01" + bytes(9)] * 20
        send_run(here, pure, port.address, 10)
        assert await in_runs.wait_for(24) == [b"\x01111", b"\x11222", b"\x01444", b"\x01", *pure]
        assert plain.heard == [b"d333", b"d1", b"d2", b"d3"]
        assert port.statistics().unclaimed == 1
        if has_offload():
            assert len(in_runs.runs) == 5, "a run that is all for one stays whole"
        own = address_of(here)
        here.close()
        assert port.join(InRuns(), DatagramClaim(first_bytes=b"i")).send_run([b"abc"], own, 1) == 3


async def test_a_protocol_without_runs_that_is_alone_again_gets_datagrams() -> None:
    async with await DatagramPort.bind(LOCAL) as port:
        plain = Plain()
        port.join(plain, DatagramClaim(first_bytes=b"d", takes_all_alone=True))
        guest = port.join(InRuns(), DatagramClaim(first_bytes=b"\x01"))
        guest.close()
        assert guest.send_run([b"unsent"], port.address, 100) == 1
        here = await bind_datagrams(Plain(), LOCAL)
        send_run(here, [b"noise", b"d1234"], port.address, 5)
        assert await plain.wait_for(2) == [b"noise", b"d1234"]
        here.close()


async def test_alone_on_a_port_runs_come_straight() -> None:
    async with await DatagramPort.bind(LOCAL) as port:
        sole = InRuns()
        transport = port.join(sole, DatagramClaim(first_bytes=b"x", takes_all_alone=True))
        assert transport.send_run(PACKETS[:20], port.address, SIZE) == 20
        assert await sole.wait_for(20) == PACKETS[:20]
        assert port.statistics().received == 0, "nothing was sorted"


async def test_buffers_grow_with_the_first_protocol_that_takes_runs() -> None:
    async with await DatagramPort.bind(LOCAL) as port:
        sock = port._transport.get_extra_info("socket") if port._transport is not None else None
        assert isinstance(sock, socket.socket)
        options = (socket.SO_RCVBUF, socket.SO_SNDBUF)
        before = [sock.getsockopt(socket.SOL_SOCKET, option) for option in options]
        port.join(Plain(), DatagramClaim(first_bytes=b"p"))
        assert [sock.getsockopt(socket.SOL_SOCKET, option) for option in options] == before
        port.join(InRuns(), DatagramClaim(first_bytes=b"r"))
        after = [sock.getsockopt(socket.SOL_SOCKET, option) for option in options]
        assert all(now >= then for now, then in zip(after, before, strict=True))


def test_in_the_simulation_runs_are_sent_one_by_one() -> None:
    async def exchange(simulation: Simulation) -> tuple[list[bytes], int]:
        with simulation.host("10.0.0.1"):
            port = await DatagramPort.bind(Address("0.0.0.0", 6881))
            heard = InRuns()
            port.join(heard, DatagramClaim(first_bytes=bytes(range(200))))
        with simulation.host("10.0.0.2"):
            other = await DatagramPort.bind(Address("0.0.0.0", 6881))
            transport = other.join(Plain(), DatagramClaim(first_bytes=b"x"))
        sent = transport.send_run(GATHERED[:10], ("10.0.0.1", 6881), SIZE)
        await heard.wait_for(5)
        for each in (port, other):
            each.close()
            await each.wait_closed()
        return heard.heard, sent

    assert run(exchange, seed=1).result == (PACKETS[:5], 5)
