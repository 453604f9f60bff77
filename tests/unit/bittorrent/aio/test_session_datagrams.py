"""The UDP port of a session: whose it is, when it is bound, and what becomes of it."""

from __future__ import annotations

import errno
import gc
import socket
from pathlib import Path
from typing import Any

import pytest

from bittorrent import Session
from bittorrent.aio import session_sockets
from kademlia_core import MainlineNode
from tests.interop.ports import free_port
from transfer.address import Address
from transfer.aio.datagram_port import DatagramPort
from transfer.aio.memory import MemoryConfig, MemoryNetwork, MemoryTransport
from transfer.errors import LocalProtocolError

pytestmark = pytest.mark.every_event_loop
LOCAL = Address("127.0.0.1", 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_a_session_has_udp_beside_tcp_and_closes_it(tmp_path: Path, host: str) -> None:
    async with Session(tmp_path, host=host, port=free_port()) as session:
        (port,) = session.datagrams
        assert port.address == session.address
        async with MainlineNode(datagrams=session.datagrams, bootstrap=()) as node:
            assert node.address == session.address
    assert port.is_closing
    with pytest.raises(LocalProtocolError):
        session.datagrams  # noqa: B018
    async with Session(tmp_path, host=host, port=port.address.port) as again:  # it is free at once
        assert again.address == port.address


async def test_a_name_of_two_families_has_a_port_for_each(tmp_path: Path) -> None:
    async with Session(tmp_path, host="") as session:
        assert {port.address.is_ipv6 for port in session.datagrams} == {False, True}
        assert {port.address for port in session.datagrams} == {*session._sockets.listener.addresses}


async def test_the_port_of_a_node_at_the_same_address_is_shared_and_stays_its_own(tmp_path: Path) -> None:
    async with MainlineNode(host="127.0.0.1", port=free_port(), bootstrap=()) as node:
        async with Session(tmp_path, host="127.0.0.1", port=node.address.port, dht=node) as session:
            assert session.datagrams == node.datagrams
        async with MainlineNode(host="127.0.0.1", bootstrap=[node.address]) as other:
            assert (await other.ping(node.address)).key == node.node_id


async def test_a_node_elsewhere_keeps_its_port_to_itself(tmp_path: Path) -> None:
    async with (
        MainlineNode(host="127.0.0.1", bootstrap=()) as node,
        Session(tmp_path, host="127.0.0.1", dht=node) as session,
    ):
        (port,) = session.datagrams
        assert port not in node.datagrams
        assert port.address == session.address


async def test_a_node_on_the_number_but_not_the_host_leaves_no_room(tmp_path: Path) -> None:
    async with (
        MainlineNode(host="127.0.0.1", port=free_port(), bootstrap=()) as node,
        Session(tmp_path, host="0.0.0.0", port=node.address.port, dht=node) as session,
    ):
        assert session.datagrams == ()


async def test_a_closed_node_lends_nothing(tmp_path: Path) -> None:
    async with MainlineNode(host="127.0.0.1", bootstrap=()) as node:
        pass
    async with Session(tmp_path, host="127.0.0.1", dht=node) as session:
        assert session.datagrams[0].address == session.address


async def test_a_port_that_is_given_is_used_and_left_open(tmp_path: Path) -> None:
    async with await DatagramPort.bind(LOCAL) as port:
        async with Session(tmp_path, host="127.0.0.1", datagrams=port) as session:
            assert session.datagrams == (port,)
            assert session.address != port.address
        assert not port.is_closing
        async with Session(tmp_path, host="127.0.0.1", datagrams=()) as session:
            assert session.datagrams == ()
    session = Session(tmp_path, host="127.0.0.1", datagrams=port)
    with pytest.raises(ConnectionAbortedError, match="is closed"):
        await session.__aenter__()
    gc.collect()  # an unclosed socket would warn here, and warnings are errors


async def test_a_port_that_is_taken_for_udp_is_an_error_that_says_so(tmp_path: Path) -> None:
    async with await DatagramPort.bind(Address("127.0.0.1", free_port())) as port:
        session = Session(tmp_path, host="127.0.0.1", port=port.address.port)
        with pytest.raises(OSError, match=f"cannot bind UDP on 127.0.0.1 port {port.address.port}") as caught:
            await session.__aenter__()
        assert caught.value.errno == errno.EADDRINUSE
        assert "\n" not in str(caught.value)
        with socket.socket() as free_again:
            free_again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free_again.bind(port.address)


async def test_a_free_port_is_free_for_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system names a port for TCP that somebody has for UDP, twice; the third will do."""
    tried: list[Address] = []

    class Busy(DatagramPort):
        @classmethod
        async def bind(cls, local: Address, **settings: Any) -> Any:
            tried.append(local)
            if len(tried) < 3:
                raise OSError(errno.EADDRINUSE, "in use")
            return await DatagramPort.bind(local, **settings)

    monkeypatch.setattr(session_sockets, "DatagramPort", Busy)
    async with Session(tmp_path, host="127.0.0.1") as session:
        assert session.address == tried[-1]
    assert len(tried) == 3


async def test_a_session_that_is_not_on_tcp_binds_nothing(tmp_path: Path) -> None:
    transport = MemoryTransport(MemoryNetwork(MemoryConfig()), "10.0.0.1")
    async with Session(tmp_path, host="10.0.0.1", port=6881, transport=transport) as session:
        assert session.datagrams == ()
