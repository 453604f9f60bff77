"""The relay that stands between the kernel and itself, and what is said where there can be none."""

from __future__ import annotations

import random
import socket
import struct
import time
from collections.abc import Iterator

import pytest

from benchmarks.congestion_kernel import __main__ as command
from benchmarks.congestion_kernel import kernel
from benchmarks.congestion_kernel.profiles import PROFILES
from benchmarks.congestion_kernel.relay import Relay, has_payload
from transfer.simulation import Link


def segment(payload: bytes, *, options: int = 12) -> bytes:
    """An IPv4 packet with a TCP segment: what a relay looks at of it."""
    headers = 40 + options
    ip = struct.pack("!BBH16x", 0x45, 0, headers + len(payload))
    return ip + struct.pack("!12xB7x", (20 + options) // 4 << 4) + bytes(options) + payload


@pytest.fixture
def ends() -> Iterator[list[socket.socket]]:
    """Two devices, each with its far end: a, its relay's side, b, its relay's side; and a line to end the relay by."""
    pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM) for _ in range(3)]
    found = [sock for pair in pairs for sock in pair]
    for sock in found:
        sock.setblocking(False)
    yield found
    for sock in found:
        sock.close()


def relayed(ends: list[socket.socket], link: Link, packets: list[bytes]) -> tuple[list[bytes], Relay]:
    """What comes out at the second end of what is put in at the first."""
    first, ours, second, theirs, watched, stop = ends
    relay = Relay((ours.fileno(), theirs.fileno()), (link, Link()), random.Random(1))
    for packet in packets:
        first.send(packet)
    stop.send(b"!")
    found: list[bytes] = []

    def is_over() -> bool:
        while True:
            try:
                found.append(second.recv(2000))
            except BlockingIOError:
                break
        return len(found) + relay.lost[0] + relay.dropped[0] >= relay.carried[0] == expected

    expected = sum(packet[0] >> 4 == 4 for packet in packets)
    assert relay.run(watched.fileno(), is_over=is_over, until=time.monotonic() + 20)
    return found, relay


def test_what_is_lost_by_count_is_counted_among_packets_with_payload(ends: list[socket.socket]) -> None:
    handshake = [segment(b""), segment(b"", options=20)]
    data = [segment(bytes([number]) * 100) for number in range(7)]
    found, relay = relayed(ends, Link(delay_s=0.0, loss_every=3), [*handshake, *data])
    assert found == [*handshake, data[0], data[1], data[3], data[4], data[6]]
    assert (relay.carried, relay.lost, relay.dropped) == ([9, 0], [2, 0], [0, 0])


def test_what_finds_no_room_in_the_queue_is_dropped(ends: list[socket.socket]) -> None:
    data = [segment(bytes([number]) * 948) for number in range(10)]
    link = Link(delay_s=0.0, rate_bytes_per_s=1e6, queue_bytes=3000)
    found, relay = relayed(ends, link, data)
    assert found[:3] == data[:3]
    assert relay.dropped[0] == 10 - len(found) >= 3


def test_what_is_no_ipv4_goes_nowhere(ends: list[socket.socket]) -> None:
    data = segment(b"data")
    found, relay = relayed(ends, Link(delay_s=0.0), [b"\x60" + bytes(60), data])
    assert found == [data]
    assert relay.carried == [1, 0]


@pytest.mark.parametrize(("size", "options"), [(0, 0), (0, 20), (1, 0), (1448, 12)])
def test_a_segment_has_payload_or_not(size: int, options: int) -> None:
    assert has_payload(segment(bytes(size), options=options)) is (size > 0)


def test_where_there_are_no_namespaces_a_line_says_so(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "plan9")
    assert command.main(["--quick"]) == 1
    assert capsys.readouterr().err == "congestion_kernel: network namespaces are a thing of Linux\n"


def test_a_controller_that_the_kernel_lacks_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernel, "available_congestion_controls", lambda: ("reno",))
    assert command.main(["--quick", "--controller", "bbr"]) == 1
    assert "has no congestion control 'bbr': modprobe tcp_bbr" in capsys.readouterr().err


def test_there_are_enough_paths_with_names_of_their_own() -> None:
    assert len({profile.name for profile in PROFILES}) == len(PROFILES) >= 6
    assert all(profile.size % 1448 == 0 for profile in PROFILES)
