"""What name servers say of trackers is honoured (BEP 34), with a scripted name server and trackers on loopback."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import dns.message
import dns.rcode
import dns.rrset
import pytest

from bittorrent.aio.sources.tracker import TrackerClient, TrackerConfig
from bittorrent.aio.sources.tracker_names import TrackerNames, TrackerNamesConfig, ask_in_turn
from bittorrent.errors import TrackerError
from bittorrent.tracker.messages import AnnounceRequest
from bittorrent.tracker.preferences import TrackerPreferences
from transfer.address import Address
from transfer.proxy.proxy import Proxy
from transfer.wire import bencode

NAME = "tracker.site.org"
REQUEST = AnnounceRequest(info_hash=bytes(20), peer_id=bytes(20), port=1, uploaded=0, downloaded=0, left=0)


class NameServer(asyncio.DatagramProtocol):
    """Answers TXT questions from a table; a name that is not there does not exist, None is silence."""

    def __init__(self, table: dict[str, list[str] | None]) -> None:
        self.table = table
        self.asked: list[str] = []
        self.garbage = False
        self.transport: Any = None
        self.address = Address("", 0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.address = Address.from_socket(transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        name = str(question.question[0].name).rstrip(".")
        self.asked.append(name)
        texts = self.table.get(name, [])
        if texts is None:
            return
        answer = dns.message.make_response(question)
        if name not in self.table:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif texts:
            answer.answer.append(dns.rrset.from_text(f"{name}.", 600, "IN", "TXT", *(f'"{text}"' for text in texts)))
        self.transport.sendto(b"\x00" * 40 if self.garbage else answer.to_wire(), addr)


@asynccontextmanager
async def name_server(*, texts: list[str] | None) -> AsyncIterator[NameServer]:
    server = NameServer({NAME: texts})
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: server, local_addr=("127.0.0.1", 0)
    )
    try:
        yield server
    finally:
        transport.close()


def config(server: NameServer) -> TrackerNamesConfig:
    return TrackerNamesConfig(server=server.address, timeout_s=1.0)


async def test_a_record_is_read_once_and_kept() -> None:
    async with name_server(texts=["other words", "BITTORRENT UDP:1 TCP:2"]) as server:
        names = TrackerNames(config(server))
        asked = await asyncio.gather(*(names.preferences(NAME) for _ in range(5)))
        assert asked == [TrackerPreferences((("udp", 1), ("tcp", 2)))] * 5
        await names.preferences(NAME.upper() + ".")
        assert server.asked == [NAME]
        await names.aclose()


@pytest.mark.parametrize("texts", [[], ["v=spf1 -all"], None])
async def test_without_an_answer_the_url_counts(texts: list[str] | None) -> None:
    async with name_server(texts=texts) as server:
        names = TrackerNames(config(server))
        assert await names.places_of(f"http://{NAME}/announce") == (f"http://{NAME}/announce",)
        await names.aclose()


async def test_garbage_is_no_answer() -> None:
    async with name_server(texts=["BITTORRENT"]) as server:
        server.garbage = True
        names = TrackerNames(config(server))
        assert await names.preferences(NAME) is None
        await names.aclose()


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "router.lan", "t.test", "x.onion", "a.invalid"])
async def test_names_that_nobody_can_know_are_not_asked_for(host: str) -> None:
    async with name_server(texts=["BITTORRENT"]) as server:
        names = TrackerNames(config(server))
        assert await names.preferences(host) is None
        assert server.asked == []


async def test_closing_ends_a_question() -> None:
    async with name_server(texts=None) as server:
        names = TrackerNames(config(server))
        asking = asyncio.create_task(names.preferences(NAME))
        while not server.asked:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        await names.aclose()
        with pytest.raises(asyncio.CancelledError):
            await asking


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    body = bencode.encode({"interval": 1800, "peers": b"\x09\x09\x09\x09\x1a\xe1"})
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
    await writer.drain()
    writer.close()


@asynccontextmanager
async def client(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TrackerClient]:
    """One for which every name is this machine."""
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0))]
    )
    made = TrackerClient(config=TrackerConfig(names=config(server), announce_timeout_s=8.0, connect_timeout_s=2.0))
    try:
        yield made
    finally:
        await made.aclose()


async def test_a_tracker_is_asked_at_the_port_that_the_record_names(monkeypatch: pytest.MonkeyPatch) -> None:
    tracker = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = tracker.sockets[0].getsockname()[1]
    async with (
        tracker,
        name_server(texts=[f"BITTORRENT TCP:1 TCP:{port}"]) as server,
        client(server, monkeypatch) as trackers,
    ):
        response = await trackers.announce(f"http://{NAME}:9/announce", REQUEST)  # nobody is at 9, nor at 1
        assert response.peers == (Address("9.9.9.9", 6881),)


async def test_a_host_that_denies_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    async with name_server(texts=["BITTORRENT DENY ALL"]) as server, client(server, monkeypatch) as trackers:
        with pytest.raises(TrackerError, match="no tracker"):
            await trackers.announce(f"http://{NAME}/announce?passkey=secret", REQUEST)


async def test_a_refusal_is_an_answer() -> None:
    asked: list[str] = []

    async def ask(place: str) -> str:
        asked.append(place)
        if place == "first":
            raise TrackerError("it is down")
        raise TrackerError("no", failure_reason="not registered")

    with pytest.raises(TrackerError, match="no"):
        await ask_in_turn(("first", "second", "third"), ask, timeout_s=3)
    assert asked == ["first", "second"]


def test_beside_a_proxy_name_servers_hear_nothing() -> None:
    assert TrackerConfig().uses_names
    assert not TrackerConfig(proxy=Proxy.parse("socks5://127.0.0.1:1080"), proxy_only=False).uses_names
    assert not TrackerConfig(names=None).uses_names
