"""`kad` in a process of its own, whose every way out is watched: with a proxy, nothing goes to anybody else."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import typer
from aiohttp import web
from typer.core import TyperGroup
from typer.testing import CliRunner

from bittorrent import Metainfo, Session, SessionConfig
from fileshare.cli.app import app
from fileshare.cli.proxy_options import PASSWORD_VARIABLE
from kademlia_core import MainlineConfig, MainlineNode
from tests.proxy_server import ProxyServer, proxy_server
from transfer import Address, ProxyKind, is_ip_address
from transfer.wire import bencode

OTHERS, PROXY = "127.0.0.5", "127.0.0.9"
NAMES = {f"{name}.example": OTHERS for name in ("tracker", "files", "router", "site")}


@dataclass(slots=True)
class Net:
    """What is on the other side of the proxy: two torrents, and who knows of them."""

    http: int
    router: Address
    seed: Address
    udp_tracker: int
    folder: Path
    by_http: Metainfo
    by_udp: Metainfo


@asynccontextmanager
async def net(tmp_path: Path) -> AsyncIterator[Net]:
    rng = random.Random(1)
    async with AsyncExitStack() as stack:
        torrents = [make(rng, name, tmp_path / "seed") for name in ("one", "two")]
        dht = await stack.enter_async_context(
            MainlineNode(host=OTHERS, bootstrap=(), config=MainlineConfig(allow_private=True))
        )
        session = await stack.enter_async_context(
            Session(tmp_path / "seed", host=OTHERS, dht=dht, config=SessionConfig(allow_private=True))
        )
        for torrent in torrents:
            await session.add(torrent, seed_only=True)
        peers = session.address.compact()
        udp = UdpTracker(peers)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: udp, local_addr=(OTHERS, 0))
        stack.callback(transport.close)
        udp_port = transport.get_extra_info("sockname")[1]
        served: dict[str, bytes] = {}

        async def respond(request: web.Request) -> web.Response:
            if request.path == "/announce":
                return web.Response(body=bencode.encode({b"interval": 1800, b"peers": peers}))
            if request.path in served:
                return web.Response(body=served[request.path])
            return web.Response(status=404)

        application = web.Application()
        application.router.add_get("/{path:.*}", respond)
        runner = web.AppRunner(application)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, OTHERS, 0).start()
        http = int(runner.addresses[0][1])
        by_http = replace(torrents[0], trackers=((f"http://tracker.example:{http}/announce",),))
        by_udp = replace(
            torrents[1],
            trackers=((f"udp://tracker.example:{udp_port}",),),
            web_seeds=(f"http://files.example:{http}/two",),
        )
        served["/one.torrent"] = by_http.to_bytes()
        (tmp_path / "two.torrent").write_bytes(by_udp.to_bytes())
        yield Net(http, dht.address, session.address, udp_port, tmp_path, by_http, by_udp)


def make(rng: random.Random, name: str, folder: Path) -> Metainfo:
    folder.mkdir(exist_ok=True)
    data = rng.randbytes(50_000)
    (folder / name).write_bytes(data)
    info: dict[str, bencode.Encodable] = {
        "name": name,
        "length": len(data),
        "piece length": 65536,
        "pieces": hashlib.sha1(data).digest(),
    }
    return Metainfo.from_info(bencode.encode(info))


class UdpTracker(asyncio.DatagramProtocol):
    """Answers everybody (BEP 15)."""

    transport: asyncio.DatagramTransport

    def __init__(self, peers: bytes) -> None:
        self._peers = peers

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        is_connect = data[8:12] == bytes(4)
        answer = bytes(8) if is_connect else b"\0\0\7\x08" + bytes(8) + self._peers
        self.transport.sendto(data[8:16] + answer, addr)


@dataclass(slots=True)
class Watched:
    """A run that has ended."""

    code: int
    said: str
    contacted: set[tuple[str, int]]
    bound: set[tuple[str, int]]
    looked_up: set[str]


@asynccontextmanager
async def watched_kad(tmp_path: Path, *arguments: str, **environment: str) -> AsyncIterator[list[Watched]]:
    """Runs `kad`, interrupts it on leaving unless it has ended, and tells what it did then."""
    log, ended = tmp_path / "log", list[Watched]()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(Path(__file__).with_name("watched_kad.py")),
        str(log),
        *arguments,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    reading = asyncio.ensure_future(process.stdout.read())  # type: ignore[union-attr]
    try:
        yield ended
        if process.returncode is None and "--seed" in arguments:
            process.send_signal(signal.SIGINT)
        said = (await reading).decode()
        code = await process.wait()
    finally:
        reading.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    watched = Watched(code, said, set(), set(), set())
    for line in log.read_text().splitlines():
        event, where = json.loads(line)
        if event == "socket.bind":
            watched.bound.add(tuple(where[:2]))
        elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            if where is not None:
                watched.contacted.add(tuple(where[:2]))
        else:
            watched.looked_up.add(where)
    ended.append(watched)


async def until_asked(server: ProxyServer, wanted: set[Address], complete: list[Path]) -> None:
    async with asyncio.timeout(60):
        while not (wanted <= {*server.streams, *server.datagrams} and all(path.exists() for path in complete)):  # noqa: ASYNC110
            await asyncio.sleep(0.05)  # what another process does can only be looked at


async def test_a_download_contacts_nobody_but_the_socks5_proxy(tmp_path: Path) -> None:
    served = proxy_server(host=PROXY, names=NAMES, username="ann", password="secret")
    async with net(tmp_path) as others, served as server:
        wanted = {
            Address("site.example", others.http),
            Address("tracker.example", others.http),
            Address("tracker.example", others.udp_tracker),
            Address("files.example", others.http),
            Address("router.example", others.router.port),
            others.seed,
        }
        relays: set[tuple[str, int]] = set()
        out = tmp_path / "out"
        async with watched_kad(
            tmp_path,
            *("get", f"http://site.example:{others.http}/one.torrent", str(tmp_path / "two.torrent"), "-o", str(out)),
            *("--proxy", f"socks5://ann@{PROXY}:{server.address.port}", "--seed", "--allow-private"),
            *("--bootstrap", f"router.example:{others.router.port}"),
            **{PASSWORD_VARIABLE: "secret"},
        ) as ended:
            await until_asked(server, wanted, [out / "one", out / "two"])
            relays |= {tuple(relay.transport.get_extra_info("sockname")[:2]) for relay in server.relays}
    (run,) = ended
    assert run.code == 0 or "interrupted" in run.said or "stopped" in run.said, run.said
    assert "everything goes through the proxy socks5://127.0.0.9:" in run.said
    assert "secret" not in run.said
    assert run.contacted <= {tuple(server.address), *relays}
    assert tuple(server.address) in run.contacted
    assert run.contacted & relays
    assert all(port == 0 for _, port in run.bound), "it listens somewhere"
    assert {name for name in run.looked_up if not is_ip_address(name)} == set()


async def test_with_an_http_proxy_there_are_no_datagrams_and_one_line_says_so(tmp_path: Path) -> None:
    async with net(tmp_path) as others, proxy_server(ProxyKind.HTTP, host=PROXY, names=NAMES) as server:
        async with watched_kad(
            tmp_path,
            *("get", f"http://site.example:{others.http}/one.torrent", "-o", str(tmp_path / "out")),
            *("--proxy", f"http://{PROXY}:{server.address.port}", "--allow-private"),
            *("--bootstrap", f"router.example:{others.router.port}"),
        ) as ended:
            pass
        (run,) = ended
        assert run.code == 0, run.said
        assert (tmp_path / "out" / "one").exists()
        assert run.said.count("carries no datagrams: no DHT, no uTP, and no UDP trackers") == 1
        assert run.contacted == {tuple(server.address)}
        assert run.bound == set()
        assert {name for name in run.looked_up if not is_ip_address(name)} == set()
        assert server.streams[0] == Address("site.example", others.http)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--proxy", "socks5://127.0.0.9:1"], "the proxy socks5://127.0.0.9:1 cannot be reached"),
        (["--proxy", "socks4://h"], "socks4 is no kind of proxy"),
        (["--proxy", "socks5://h", "--listen", "0.0.0.0:1"], "nobody can call through a proxy"),
        (["--proxy", "socks5://h", "--peer", "peer.example:1"], "write its IP address"),
        (["--proxy", "socks5://h", "--local"], "the local network and its router are not behind the proxy"),
        (["--proxy-password-file", "x"], "name one with --proxy"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(tmp_path: Path, arguments: list[str], text: str) -> None:
    result = CliRunner().invoke(app, ["get", 40 * "a", "-o", str(tmp_path), *arguments])
    assert result.exit_code in (1, 2)
    assert text in " ".join(result.output.replace("│", " ").split())


async def test_a_torrent_behind_a_url_is_shown_and_verified_through_the_proxy(tmp_path: Path) -> None:
    async with net(tmp_path) as others, proxy_server(ProxyKind.HTTP, host=PROXY, names=NAMES) as server:
        url, proxy = f"http://site.example:{others.http}/one.torrent", f"http://{PROXY}:{server.address.port}"
        for command in (("show", url), ("verify", url, "-d", str(tmp_path / "seed"))):
            async with watched_kad(tmp_path, "torrent", *command, "--proxy", proxy) as ended:
                pass
            (run,) = ended
            assert run.code == 0, run.said
            assert run.contacted == {tuple(server.address)}
            assert {name for name in run.looked_up if not is_ip_address(name)} == set()
        assert server.streams == [Address("site.example", others.http)] * 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["dht", "node"], "nobody can call through a proxy"),
        (["net", "reach"], "nobody can call through a proxy"),
        (["p2p", "node"], "beside a proxy so far"),
        (["p2p", "ping", "/ip4/127.0.0.1/tcp/1"], "beside a proxy so far"),
        (["p2p", "identify", "/ip4/127.0.0.1/tcp/1"], "beside a proxy so far"),
    ],
)
def test_what_cannot_go_through_a_proxy_refuses_it_by_name(arguments: list[str], text: str) -> None:
    result = CliRunner().invoke(app, [*arguments, "--proxy", "socks5://127.0.0.9:1"])
    assert result.exit_code == 2
    assert text in " ".join(result.output.replace("│", " ").split())


OFFLINE = {"demo", "net compare", "torrent create"}


def commands(group: TyperGroup, before: str = "") -> Iterator[tuple[str, list[str]]]:
    """Each with its options."""
    for name, command in group.commands.items():
        if isinstance(command, TyperGroup):
            yield from commands(command, f"{before}{name} ")
        else:
            yield before + name, [option for parameter in command.params for option in parameter.opts]


def test_each_command_that_goes_out_has_a_word_about_proxies() -> None:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    without = {name for name, options in commands(root) if "--proxy" not in options}
    assert without == OFFLINE
