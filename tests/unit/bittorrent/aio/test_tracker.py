"""Announcing through real sockets on loopback, to trackers that do what they should not."""

from __future__ import annotations

import asyncio
import gzip
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import cast

import pytest
from aiohttp import web

from bittorrent.aio.sources.guarded_http import HttpConfig
from bittorrent.aio.sources.tracker import TrackerAnnouncer, TrackerClient, TrackerConfig, TransferTotals
from bittorrent.errors import TrackerError
from bittorrent.tracker.messages import AnnounceRequest
from bittorrent.tracker.schedule import ScheduleConfig
from bittorrent.tracker.udp import UdpConfig
from transfer.address import Address
from transfer.errors import LocalProtocolError
from transfer.wire import bencode

REQUEST = AnnounceRequest(info_hash=b"\x00\xff +&=/%?#" * 2, peer_id=b"-KC0100-abcdefghijkl", port=6881, left=9)
PEER = Address("10.0.0.1", 6881)
ANSWER = bencode.encode({b"interval": 1800, b"peers": PEER.compact()})
QUICK = TrackerConfig(announce_timeout_s=5, connect_timeout_s=1, udp=UdpConfig(retransmit_s=0.02))


@asynccontextmanager
async def http_tracker(answer: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """An HTTP server whose every path is answered by `answer`; gives its URL."""
    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(config: TrackerConfig = QUICK) -> AsyncIterator[TrackerClient]:
    made = TrackerClient(config=config, rng=Random(1))
    try:
        yield made
    finally:
        await made.aclose()


async def announce(url: str, config: TrackerConfig = QUICK) -> tuple[Address, ...]:
    async with client(config) as made:
        return (await made.announce(url, REQUEST)).peers


class UdpTracker(asyncio.DatagramProtocol):
    """A tracker after BEP 15 that drops the first `drops` packets and may refuse."""

    def __init__(self, *, drops: int = 0, refusal: bytes | None = None, peers: bytes = PEER.compact()) -> None:
        self.requests: list[bytes] = []
        self._arrived = asyncio.Event()
        self._drops = drops
        self._refusal = refusal
        self._peers = peers
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        self.requests.append(data)
        self._arrived.set()
        if len(self.requests) <= self._drops:
            return
        action, transaction_id = data[11], data[12:16]
        if action == 0:
            self._transport.sendto(bytes(4) + transaction_id + b"\x01" * 8, addr)
        elif self._refusal is not None:
            self._transport.sendto(b"\0\0\0\3" + transaction_id + self._refusal, addr)
        else:
            assert data[:8] == b"\x01" * 8
            self._transport.sendto(b"\0\0\0\1" + transaction_id + struct.pack(">III", 900, 1, 2) + self._peers, addr)

    async def wait_requested(self) -> None:
        """Returns when any packet has come."""
        await self._arrived.wait()

    async def wait_announces(self, count: int) -> list[int]:
        """Returns the event numbers as soon as there were `count` announce requests."""
        while len(self.events) < count:
            self._arrived.clear()
            await self._arrived.wait()
        return self.events

    @property
    def events(self) -> list[int]:
        return [packet[83] for packet in self.requests if packet[11] == 1]

    @asynccontextmanager
    async def serve(self, host: str = "127.0.0.1") -> AsyncIterator[str]:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        address = Address.from_socket(transport.get_extra_info("sockname"))
        try:
            yield f"udp://{address}"
        finally:
            transport.close()


class TestHttp:
    async def test_the_query_arrives_byte_for_byte(self) -> None:
        seen: list[web.Request] = []

        async def answer(request: web.Request) -> web.Response:
            seen.append(request)
            return web.Response(body=ANSWER)

        async with http_tracker(answer) as url:
            assert await announce(f"{url}/announce?passkey=a%2Fb") == (PEER,)
        (request,) = seen
        assert request.raw_path.startswith("/announce?passkey=a%2Fb&info_hash=%00%FF%20%2B%26%3D%2F%25%3F%23")
        assert request.headers["User-Agent"] == QUICK.user_agent

    async def test_gzip_is_understood(self) -> None:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(body=gzip.compress(ANSWER), headers={"Content-Encoding": "gzip"})

        async with http_tracker(answer) as url:
            assert await announce(url) == (PEER,)

    async def test_numbers_without_joining(self) -> None:
        seen: list[str] = []

        async def answer(request: web.Request) -> web.Response:
            seen.append(request.raw_path)
            return web.Response(body=bencode.encode({b"files": {bytes(20): {b"complete": 7}}}))

        async with http_tracker(answer) as url, client() as made:
            found = await made.scrape(f"{url}/announce?k=1", [bytes(20)])
            assert found[bytes(20)].seeders == 7
            with pytest.raises(TrackerError, match="does not end in /announce"):
                await made.scrape(f"{url}/x", [bytes(20)])
            with pytest.raises(LocalProtocolError, match="1 to 74"):
                await made.scrape(f"{url}/announce", [])
        assert seen == ["/scrape?k=1&info_hash=" + "%00" * 20]

    async def test_redirects_are_followed_a_few_times(self) -> None:
        async def answer(request: web.Request) -> web.Response:
            step = int(request.query["step"])
            if step == 0:
                return web.Response(body=ANSWER)
            raise web.HTTPFound(f"/elsewhere?step={step - 1}")

        async with http_tracker(answer) as url:
            assert await announce(f"{url}/announce?step=3") == (PEER,)
            with pytest.raises(TrackerError):
                await announce(f"{url}/announce?step=9")

    @pytest.mark.parametrize("packed", [False, True])
    async def test_an_overlong_answer_is_dropped(self, packed: bool) -> None:
        body = bytes(8 << 20)

        async def answer(request: web.Request) -> web.Response:
            if packed:
                return web.Response(body=gzip.compress(body), headers={"Content-Encoding": "gzip"})
            return web.Response(body=body)

        async with http_tracker(answer) as url:
            with pytest.raises(TrackerError):
                await announce(url)

    @pytest.mark.parametrize(
        ("status", "body", "text"),
        [
            (404, b"<html>", "it answered HTTP 404"),
            (500, ANSWER, "it answered HTTP 500"),
            (400, bencode.encode({b"failure reason": b"go away"}), "the tracker refused: go away"),
            (200, bencode.encode({b"failure reason": b"go away"}), "the tracker refused: go away"),
            (200, b"<html>", "the answer is not that of a tracker"),
        ],
    )
    async def test_what_goes_wrong_is_one_line(self, status: int, body: bytes, text: str) -> None:
        async def answer(request: web.Request) -> web.Response:
            return web.Response(status=status, body=body)

        async with http_tracker(answer) as url:
            with pytest.raises(TrackerError, match=text) as caught:
                await announce(f"{url}/secret-passkey/announce")
        assert str(caught.value).startswith(f"{url}: ")
        assert "secret-passkey" not in str(caught.value)
        assert caught.value.failure_reason == ("go away" if "refused" in text else None)

    async def test_silence_ends_it(self) -> None:
        never = asyncio.Event()

        async def answer(request: web.Request) -> web.Response:
            await never.wait()
            raise AssertionError

        async with http_tracker(answer) as url:
            with pytest.raises(TrackerError, match="did not answer in time"):
                await announce(url, TrackerConfig(announce_timeout_s=0.05, connect_timeout_s=0.05))


class TestUdp:
    @pytest.mark.parametrize("drops", [0, 1, 3])
    async def test_an_announcement_survives_loss(self, drops: int) -> None:
        tracker = UdpTracker(drops=drops)
        async with tracker.serve() as url:
            assert await announce(f"{url}/announce?passkey=1") == (PEER,)
        assert tracker.requests[-1][16:36] == REQUEST.info_hash
        assert tracker.requests[-1][98:] == b"\x02\x13/announce?passkey=1"
        assert len(tracker.requests) >= 2 + drops

    async def test_ipv6(self) -> None:
        peer = Address("2001:db8::1", 5)
        async with UdpTracker(peers=peer.compact()).serve("::1") as url:
            assert await announce(url) == (peer,)

    async def test_of_a_name_the_address_that_answers_is_used(self) -> None:
        async with UdpTracker().serve() as url:
            port = url.rpartition(":")[2]
            assert await announce(f"udp://localhost:{port}") == (PEER,)

    async def test_a_refusal(self) -> None:
        async with UdpTracker(refusal=b"not here").serve() as url:
            with pytest.raises(TrackerError, match="refused: not here") as caught:
                await announce(url)
        assert caught.value.failure_reason == "not here"

    async def test_silence_ends_it(self) -> None:
        async with UdpTracker(drops=1000).serve() as url:
            config = TrackerConfig(udp=UdpConfig(retransmit_s=0.01, max_retransmits=2))
            with pytest.raises(TrackerError, match="the tracker does not answer"):
                await announce(url, config)
            with pytest.raises(TrackerError, match="did not answer in time"):
                await announce(url, TrackerConfig(announce_timeout_s=0.05, connect_timeout_s=0.05))


@pytest.mark.parametrize("scheme", ["http", "udp"])
async def test_nobody_listens(scheme: str) -> None:
    async with UdpTracker().serve() as url:
        port = url.rpartition(":")[2]
    with pytest.raises(TrackerError, match="nobody listens there"):
        await announce(f"{scheme}://127.0.0.1:{port}/announce")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("wss://tracker.example/announce", "trackers are http, https or udp"),
        ("tracker.example", "trackers are http, https or udp"),
        ("udp://127.0.0.1", "needs a host and a port"),
        ("udp://:80", "needs a host and a port"),
        ("udp://127.0.0.1:99999", "[Pp]ort"),
        ("http://", "http://"),
        ("http://[broken", "a broken URL"),
        ("http://127.0.0.1:99999/", "http://127.0.0.1:99999: "),
    ],
)
async def test_a_url_that_cannot_be_used(url: str, text: str) -> None:
    with pytest.raises(TrackerError, match=text) as caught:
        await announce(url)
    assert "\n" not in str(caught.value)


async def test_a_closed_client_says_so() -> None:
    async with client() as made:
        pass
    with pytest.raises(LocalProtocolError, match="closed"):
        await made.announce("udp://127.0.0.1:1", REQUEST)


def test_a_config_out_of_range_is_refused() -> None:
    for wrong in ({"connect_timeout_s": 0}, {"connect_timeout_s": 99}, {"max_redirects": -1}, {"max_connections": 0}):
        with pytest.raises(ValueError, match=r"must be|cannot be"):
            TrackerConfig(**wrong)  # type: ignore[arg-type]
    assert TrackerConfig(max_redirects=0).max_redirects == 0
    assert TrackerConfig(max_connections=1).max_connections == 1


def test_a_client_that_follows_no_redirect_is_a_sensible_one() -> None:
    assert HttpConfig(max_redirects=0).max_redirects == 0
    for wrong in (
        {"max_redirects": -1},
        {"max_connections": 0},
        {"max_connections_per_host": 0},
        {"read_timeout_s": 0},
    ):
        with pytest.raises(ValueError, match=r"must be|cannot be"):
            HttpConfig(**wrong)  # type: ignore[arg-type]


class TestAnnouncer:
    @staticmethod
    def make(
        made: TrackerClient,
        tiers: Sequence[Sequence[str]],
        on_peers: Callable[[Sequence[Address]], object] = len,
        left: int = 7,
    ) -> TrackerAnnouncer:
        return TrackerAnnouncer(
            tiers,
            made,
            info_hash=REQUEST.info_hash,
            peer_id=REQUEST.peer_id,
            port=6881,
            totals=lambda: TransferTotals(uploaded=5, downloaded=6, left=left),
            on_peers=on_peers,
            config=ScheduleConfig(backoff_s=0.01),
            stop_timeout_s=0.2,
            rng=Random(1),
        )

    async def test_started_completed_stopped(self) -> None:
        tracker = UdpTracker()
        peers: asyncio.Queue[Sequence[Address]] = asyncio.Queue()
        async with tracker.serve() as url, client() as made:
            announcer = self.make(made, [[url]], peers.put_nowait)
            announcer.start()
            announcer.start()
            await announcer.wait_announced()
            assert await peers.get() == (PEER,)
            assert announcer.last_error is None
            announcer.completed()
            await peers.get()
            await announcer.aclose()
            await announcer.aclose()
        assert tracker.events == [2, 1, 3]
        announces = [packet for packet in tracker.requests if packet[11] == 1]
        assert struct.unpack(">QQQ", announces[0][56:80]) == (6, 7, 5)
        assert len({packet[88:92] for packet in announces}) == 1, "the key stays the same"
        assert announces[-1][92:96] == bytes(4), "who leaves wants no peers"

    async def test_a_broken_tracker_is_passed_over_and_named(self) -> None:
        tracker = UdpTracker()
        async with UdpTracker(refusal=b"no").serve() as bad, tracker.serve() as good, client() as made:
            announcer = self.make(made, [[bad], [good]])
            announcer.start()
            await announcer.wait_announced()
            await announcer.aclose()
        assert announcer.last_error is None or announcer.last_error == f"{bad}: the tracker refused: no"
        assert tracker.events == [2, 3]

    async def test_a_failing_tier_is_tried_again(self) -> None:
        tracker = UdpTracker(refusal=b"later")
        async with tracker.serve() as url, client() as made:
            announcer = self.make(made, [[url]])
            announcer.start()
            assert await tracker.wait_announces(4) == [2, 2, 2, 2]
            assert announcer.last_error == f"{url}: the tracker refused: later"
            await announcer.aclose()

    async def test_closing_does_not_wait_for_a_silent_tracker(self) -> None:
        tracker = UdpTracker()
        async with tracker.serve() as url, client(TrackerConfig()) as made:
            announcer = self.make(made, [[url]])
            announcer.start()
            await announcer.wait_announced()
            tracker._drops = 1000
            async with asyncio.timeout(2):
                await announcer.aclose()

    async def test_closing_while_an_announcement_is_under_way(self) -> None:
        tracker = UdpTracker(drops=1)
        async with tracker.serve() as url, client(TrackerConfig()) as made:
            announcer = self.make(made, [[url]])
            announcer.start()
            await tracker.wait_requested()
            await announcer.aclose()
        assert tracker.events == [3], "it may have counted us, so it hears that we leave"

    async def test_closing_what_never_started(self) -> None:
        async with client() as made:
            announcer = self.make(made, [["udp://127.0.0.1:1"]])
            await announcer.aclose()
            assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]

    async def test_an_error_of_the_owner_is_not_hidden(self) -> None:
        def broken(peers: Sequence[Address]) -> None:
            raise RuntimeError("the owner's own fault")

        async with UdpTracker().serve() as url, client() as made:
            announcer = self.make(made, [[url]], broken)
            announcer.start()
            await announcer.wait_announced()
            with pytest.raises(ExceptionGroup) as caught:
                await announcer.aclose()
        assert caught.group_contains(RuntimeError, match="own fault")
