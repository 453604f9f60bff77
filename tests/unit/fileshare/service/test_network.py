"""Where the sockets of a command end up."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from bittorrent.config import SessionConfig
from fileshare.cli.errors import error_text
from fileshare.service import network
from fileshare.service.errors import ListenError
from fileshare.service.network import default_host, open_node, open_session
from transfer.address import Address

ANY = Address("127.0.0.1", 0)


async def test_a_session_and_its_node_share_one_port_number(tmp_path: Path) -> None:
    async with open_session(listen=ANY, bootstrap=(), download_dir=tmp_path, config=SessionConfig()) as (session, node):
        assert node is not None
        assert session.address == node.address
        assert session.address.port > 0


async def test_without_bootstrap_addresses_there_is_no_node(tmp_path: Path) -> None:
    async with open_session(listen=ANY, bootstrap=None, download_dir=tmp_path, config=SessionConfig()) as (_, node):
        assert node is None


@pytest.mark.parametrize("bootstrap", [(), None])
async def test_udp_is_bound_beside_tcp_with_and_without_a_dht(
    tmp_path: Path, bootstrap: tuple[Address, ...] | None
) -> None:
    opened = open_session(listen=ANY, bootstrap=bootstrap, download_dir=tmp_path, config=SessionConfig())
    async with opened as (session, node):
        (port,) = session.datagrams
        assert port.address == session.address
        assert node is None or node.datagrams == (port,)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late, pytest.raises(OSError, match="in use"):
            late.bind(session.address)
    assert port.is_closing


@pytest.mark.parametrize("bootstrap", [(), None])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
async def test_a_busy_address_that_was_asked_for_is_an_error(
    tmp_path: Path, kind: socket.SocketKind, bootstrap: tuple[Address, ...] | None
) -> None:
    with socket.socket(socket.AF_INET, kind) as busy:
        busy.bind(ANY)
        if kind is socket.SOCK_STREAM:
            busy.listen()
        address = Address("127.0.0.1", busy.getsockname()[1])
        with pytest.raises(ListenError, match=f"cannot listen on {address}: ") as caught:
            async with open_session(listen=address, bootstrap=bootstrap, download_dir=tmp_path, config=SessionConfig()):
                pytest.fail("the address is busy")
        assert error_text(caught.value).endswith("; choose another address with --listen HOST:PORT")


async def test_a_busy_default_port_gives_way_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_node(listen=ANY, bootstrap=()) as first:
        taken = first.address.port
        monkeypatch.setattr(network, "DEFAULT_PORTS", (taken, taken))
        async with open_node(listen=None, bootstrap=()) as second:
            assert second.address.host == "0.0.0.0"
            assert second.address.port not in (0, taken)


async def test_a_free_default_port_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_node(listen=ANY, bootstrap=()) as closed_again:
        port = closed_again.address.port
    monkeypatch.setattr(network, "DEFAULT_PORTS", (port,))
    async with open_node(listen=None, bootstrap=()) as node:
        assert node.address == Address("0.0.0.0", port)


async def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(ListenError, match=r"cannot listen on 192\.0\.2\.1:0"):
        async with open_node(listen=Address("192.0.2.1", 0), bootstrap=()):
            pytest.fail("192.0.2.0/24 is nobody's")


def test_the_default_host_follows_whom_we_have_to_reach() -> None:
    assert default_host([]) == "0.0.0.0"
    assert default_host([Address("::1", 1)]) == "::"
    assert default_host([Address("::1", 1), Address("127.0.0.1", 1)]) == "0.0.0.0"
    assert default_host([Address("router.example", 1)]) == "0.0.0.0"
