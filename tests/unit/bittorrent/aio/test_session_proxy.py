"""What is lent to a session that lets nothing around its proxy, and when it does not open."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bittorrent import Session, SessionConfig
from bittorrent.aio.sources import http_proxy
from bittorrent.dialling.paths import UTP, PathConfig
from kademlia_core import MainlineConfig, MainlineNode
from tests.proxy_server import proxy_server
from transfer import Address, DatagramPort, Proxy, ProxyError, ProxyKind, open_proxy_port
from transfer.aio.proxy.streams import ProxyTransport
from transfer.simulation import run

AROUND = "does not go through the proxy"


async def test_a_port_or_a_node_that_leads_around_the_proxy_is_refused(tmp_path: Path) -> None:
    async with (
        proxy_server() as server,
        proxy_server() as other,
        await DatagramPort.bind(Address("127.0.0.1", 0)) as direct,
        await open_proxy_port(other.proxy) as elsewhere,
        MainlineNode(host="127.0.0.1", bootstrap=(), config=MainlineConfig(allow_private=True)) as node,
    ):
        config = SessionConfig(proxy=server.proxy)
        for port in (direct, elsewhere):
            with pytest.raises(ValueError, match=AROUND):
                Session(tmp_path, datagrams=port, config=config)
        with pytest.raises(ValueError, match=AROUND):
            Session(tmp_path, dht=node, config=config)
        Session(tmp_path, dht=node, datagrams=direct, config=SessionConfig(proxy=server.proxy, proxy_only=False))


def test_a_session_shares_the_port_of_its_node_and_leaves_it_open(tmp_path: Path) -> None:
    async def main() -> None:
        async with proxy_server() as server, await open_proxy_port(server.proxy) as port:
            node = MainlineNode(datagrams=port, bootstrap=(), config=MainlineConfig(is_read_only=True))
            async with node:
                async with Session(tmp_path, dht=node, config=SessionConfig(proxy=server.proxy)) as session:
                    assert session.datagrams == (port,)
                    assert session.address == Address("0.0.0.0", 0)
                    assert session.proxy_error is None
                assert not port.is_closing
                assert len(server.controls) == 1

    run(lambda _: main())


def test_a_session_opens_a_port_of_its_own_and_closes_it(tmp_path: Path) -> None:
    async def main() -> None:
        async with proxy_server() as server:
            async with Session(tmp_path, host="::", config=SessionConfig(proxy=server.proxy)) as session:
                (port,) = session.datagrams
                assert (port.proxy, port.address) == (server.proxy, Address("::", 0))
            assert port.is_closing

    run(lambda _: main())


@pytest.mark.parametrize("kind", ProxyKind)
def test_a_proxy_that_is_not_there_ends_it_in_one_line(tmp_path: Path, kind: ProxyKind) -> None:
    async def main() -> None:
        proxy = Proxy(kind=kind, address=Address("127.0.0.1", 1))
        with pytest.raises(ProxyError, match=r"cannot be reached: .*; is it running\?"):
            await Session(tmp_path, config=SessionConfig(proxy=proxy)).__aenter__()

    run(lambda _: main())


def test_a_proxy_without_datagrams_is_enough_unless_all_is_to_go_by_them(tmp_path: Path) -> None:
    async def main() -> None:
        async with proxy_server(carries_datagrams=False) as server:
            async with Session(tmp_path, config=SessionConfig(proxy=server.proxy)) as session:
                assert session.datagrams == ()
                assert session.proxy_error is not None
                assert session.proxy_error.endswith("no DHT, no uTP, and no UDP trackers")
            only_utp = SessionConfig(proxy=server.proxy, paths=PathConfig(paths=(UTP,)))
            with pytest.raises(OSError, match="the proxy carries no datagrams"):
                await Session(tmp_path, config=only_utp).__aenter__()

    run(lambda _: main())


async def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp_socks", None)
    proxy = Proxy.parse("socks5://127.0.0.1:1")
    with pytest.raises(ProxyError, match="pip install"):
        http_proxy.require_http_through(proxy)
    http_proxy.require_http_through(Proxy.parse("http://127.0.0.1:1"))
    with pytest.raises(ProxyError, match="pip install"):
        await Session(tmp_path, config=SessionConfig(proxy=proxy)).__aenter__()


def test_a_proxy_behind_a_proxy(tmp_path: Path) -> None:
    """`transport` is what reaches the proxy."""

    async def main() -> None:
        async with proxy_server() as near, proxy_server(ProxyKind.HTTP) as far:
            config = SessionConfig(proxy=far.proxy)
            async with Session(tmp_path, transport=ProxyTransport(near.proxy), config=config):
                assert near.streams == [far.address]

    run(lambda _: main())
