"""The kernel's congestion control of TCP sockets: chosen by name, and read beside what it knows of the path."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.plugs import Plug, through_layer
from tests.conformance.protocols import Recorder
from tests.machine import selectable_congestion_controls
from transfer import PathStats
from transfer.address import Address
from transfer.aio import kernel_congestion
from transfer.aio.kernel_congestion import (
    CongestionControlError,
    available_congestion_controls,
    check_congestion_control,
)
from transfer.aio.tcp import TcpConfig, TcpTransport

pytestmark = [
    pytest.mark.every_event_loop,
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells and lets choose"),
]

HERE = Address("127.0.0.1", 0)
AVAILABLE = available_congestion_controls()
SELECTABLE = selectable_congestion_controls()


def controller_of(recorder: Recorder) -> str:
    sock = recorder.transport.get_extra_info("socket")
    name = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16)
    return bytes(name).rstrip(b"\0").decode()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("watches", [True, False], ids=["our-sockets", "the-loop's"])
@pytest.mark.parametrize("name", SELECTABLE)
async def test_both_ends_send_with_the_controller_that_was_chosen(
    name: str, watches: bool, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer.aio.tcp.watches_descriptors", lambda loop: watches)
    async with Plug(TcpTransport(TcpConfig(congestion=name)), host).pair(Recorder, Recorder) as pair:
        assert (controller_of(pair.client), controller_of(pair.server)) == (name, name)


async def test_only_the_end_that_chose_is_concerned() -> None:
    usual = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    chosen = next(name for name in (*SELECTABLE, usual) if name != usual or len(SELECTABLE) == 1)
    async with await TcpTransport(TcpConfig(congestion=chosen)).listen(Recorder, HERE) as listener:
        stream, client = await TcpTransport().connect(Recorder, listener.addresses[0])
        assert controller_of(client) == usual
        stream.abort()


@pytest.mark.parametrize("name", ["nonsense", "", "much-too-long-a-name", "re\0no", "ürx"])
async def test_a_name_that_the_kernel_does_not_have_names_those_it_has(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for watches in (True, False):
        monkeypatch.setattr("transfer.aio.tcp.watches_descriptors", lambda loop, watches=watches: watches)
        transport = TcpTransport(TcpConfig(congestion=name))
        with pytest.raises(CongestionControlError, match=r"available: .*reno") as caught:
            await transport.listen(Recorder, HERE)
        assert caught.value.available == AVAILABLE
        assert "\n" not in str(caught.value)
        async with await TcpTransport().listen(Recorder, HERE) as listener:
            with pytest.raises(CongestionControlError, match="has no congestion control"):
                await transport.connect(Recorder, listener.addresses[0])


def test_a_system_without_the_choice_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "TCP_CONGESTION")
    with pytest.raises(CongestionControlError, match=r"no program can choose .* on this system \(linux\)") as caught:
        check_congestion_control("cubic")
    assert (caught.value.name, caught.value.available) == ("cubic", ())


def test_who_may_not_choose_one_hears_which_may_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tcp_allowed_congestion_control").write_text("reno westwood\n")
    monkeypatch.setattr(kernel_congestion, "SETTINGS", tmp_path)

    class Refusing:
        def setsockopt(self, *arguments: Any) -> None:
            raise PermissionError(errno.EPERM, "Operation not permitted")

    with pytest.raises(CongestionControlError, match=r"this user may not choose .* allowed: reno, westwood") as caught:
        kernel_congestion.choose_congestion_control(Refusing(), "bbr")  # type: ignore[arg-type]
    assert caught.value.available == ("reno", "westwood")


def test_where_the_lists_cannot_be_read_nothing_is_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(kernel_congestion, "SETTINGS", tmp_path)
    assert available_congestion_controls() == ()
    with pytest.raises(CongestionControlError, match="available: unknown"):
        check_congestion_control("nonsense")


def test_a_socket_that_is_no_longer_there_is_another_error() -> None:
    sock = socket.socket()
    sock.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        kernel_congestion.choose_congestion_control(sock, "reno")


async def test_what_the_kernel_knows_of_the_path() -> None:
    for transport in (TcpTransport(TcpConfig(congestion="reno")), through_layer(TcpTransport())):
        async with Plug(transport, "127.0.0.1").pair(Recorder, Recorder) as pair:
            pair.client.transport.write(bytes(1_000_000))
            await pair.server.has(1_000_000)
            path = pair.client.transport.get_extra_info("path_stats")
            assert isinstance(path, PathStats)
            assert (path.transport, path.controller) == ("tcp", controller_of(pair.client))
            assert path.window_bytes is not None
            assert path.window_bytes >= 1448
            assert path.rtt_s is not None
            assert path.min_rtt_s is not None
            assert 0 < path.min_rtt_s <= path.rtt_s < 60
            assert path.delivery_rate_bytes_per_s is not None
            assert path.delivery_rate_bytes_per_s > 10_000
            assert path.retransmitted_bytes is not None
            pair.client.transport.abort()
            await pair.client.lost()
            assert pair.client.transport.get_extra_info("path_stats") is None
            assert pair.client.transport.get_extra_info("path_stats", 7) == 7
