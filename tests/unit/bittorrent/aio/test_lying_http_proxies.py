"""Trackers through a proxy that lies: aiohttp and its library for SOCKS5 speak to it, and errors stay ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from bittorrent import TrackerError
from bittorrent.aio.sources.http_proxy import request_options
from bittorrent.aio.sources.tracker import TrackerClient, TrackerConfig
from bittorrent.tracker.messages import AnnounceRequest
from transfer import Address, Proxy, ProxyKind
from transfer.simulation import run

SOCKS_LIES = {
    "the end at once": b"",
    "garbage": bytes(range(200)),
    "HTTP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "no way to log in": b"\5\xff",
    "a way that was not offered": b"\5\x03",
    "a wrong password": b"\5\2\1\1",
    "a refusal": b"\5\0\5\5\0\1\0\0\0\0\0\0",
    "an unknown refusal": b"\5\0\5\xc8\0\1\0\0\0\0\0\0",
    "a type of address that is none": b"\5\0\5\0\0\x09\0\0\0\0\0\0",
    "a name that is none": b"\5\0\5\0\0\3\2\xff\xfe\0\0",
    "half an answer": b"\5\0\5\0\0\1\0",
    "garbage behind the answer": b"\5\0\5\0\0\1\0\0\0\0\0\0" + bytes(200),
}
HTTP_LIES = {
    "the end at once": b"",
    "garbage": bytes(range(200)),
    "SOCKS": b"\5\0",
    "a wrong password": b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
    "another wrong password": b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
    "a refusal": b"HTTP/1.1 403 Filtered\r\nContent-Length: 0\r\n\r\n",
    "endless headers": b"HTTP/1.1 200 OK\r\n" + 5000 * b"A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
    "half an answer": b"HTTP/1.1 2",
}


@asynccontextmanager
async def liar(says: bytes) -> AsyncIterator[Address]:
    """Says it piece by piece, each behind something of the client, and ends."""
    writers: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        parts = [says[:2], says[2:4], says[4:]] if says[:1] == b"\5" else [says]
        for part in parts:
            if not await reader.read(65536):
                break
            writer.write(part)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        yield Address.from_socket(server.sockets[0].getsockname())
        for writer in writers:
            writer.transport.abort()


async def asked(client: TrackerClient, url: str, request: AnnounceRequest) -> None:
    try:
        await client.announce(url, request)
    finally:
        await client.aclose()


CASES = [
    *((ProxyKind.SOCKS5, lie) for lie in SOCKS_LIES),
    *((ProxyKind.HTTP, lie) for lie in HTTP_LIES),
]


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(("kind", "lie"), CASES)
def test_what_a_proxy_says_is_an_error_of_the_tracker(kind: ProxyKind, lie: str, scheme: str) -> None:
    says = (SOCKS_LIES if kind is ProxyKind.SOCKS5 else HTTP_LIES)[lie]

    async def main() -> None:
        async with liar(says) as address:
            proxy = Proxy(kind=kind, address=address, username="ann", password="secret")
            client = TrackerClient(config=TrackerConfig(proxy=proxy))
            request = AnnounceRequest(info_hash=bytes(20), peer_id=bytes(20), port=1)
            with pytest.raises(TrackerError) as caught:
                await asked(client, f"{scheme}://tracker.example/announce", request)
            assert str(caught.value).isprintable()
            assert "secret" not in str(caught.value)

    run(lambda _: main())


@pytest.mark.parametrize("kind", ProxyKind)
def test_a_proxy_that_is_not_there(kind: ProxyKind) -> None:
    async def main() -> None:
        proxy = Proxy(kind=kind, address=Address("127.0.0.1", 1))
        client = TrackerClient(config=TrackerConfig(proxy=proxy))
        request = AnnounceRequest(info_hash=bytes(20), peer_id=bytes(20), port=1)
        with pytest.raises(TrackerError, match=r"tracker\.example: the proxy .*://127\.0\.0\.1:1"):
            await asked(client, "http://tracker.example/announce", request)

    run(lambda _: main())


def test_a_proxy_that_says_nothing_is_given_up_on() -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            address = Address.from_socket(server.sockets[0].getsockname())
            for kind in ProxyKind:
                client = TrackerClient(config=TrackerConfig(proxy=Proxy(kind=kind, address=address)))
                request = AnnounceRequest(info_hash=bytes(20), peer_id=bytes(20), port=1)
                with pytest.raises(TrackerError):
                    await asked(client, "http://tracker.example/announce", request)

    run(lambda _: main())


def test_the_password_of_a_proxy_goes_to_no_server() -> None:
    proxy = Proxy.parse("http://Aladdin:open%20sesame@proxy.example")
    login = {"Proxy-Authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}
    plain = request_options(proxy, URL("http://tracker.example/"), {"A": "b"})
    assert plain["headers"] == {"A": "b", **login}
    hidden = request_options(proxy, URL("https://tracker.example/"), {"A": "b"})
    assert (hidden["headers"], hidden["proxy_headers"]) == ({"A": "b"}, login)
