"""The options by which commands reach others."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import typer

from bittorrent import RateLimits, Session, SessionConfig, create_metainfo
from fileshare.cli.network_options import parse_network_options
from fileshare.cli.output import Output
from fileshare.cli.service_view import ServiceView
from fileshare.service import NetworkOptions, Service
from fileshare.service.dht_warning import warn_without_dht
from fileshare.service.errors import ServiceError
from fileshare.service.network_options import read_ip_filter
from kademlia_core import PUBLIC_ROUTERS, LookupConfig, MainlineConfig, MainlineNode
from tests.machine import selectable_congestion_controls
from transfer import Address, CongestionControlError

LIST = b"# bad neighbours\nsome name:10.0.0.0-10.0.0.255\n192.0.2.0/24\nnonsense\n"
PACKED = gzip.compress(LIST, mtime=0)


@asynccontextmanager
async def shown(
    options: NetworkOptions, output: Output, directory: Path, *, uses_dht: bool = True
) -> AsyncIterator[Service]:
    """A service with these options, and what the command line says when it opens."""
    service = Service(options, download_dir=directory)
    events, view = service.events(), ServiceView(output, several=False)
    try:
        await service.open(uses_dht=uses_dht)
        view.show(await anext(events))
        yield service
    finally:
        await service.aclose()


def test_nothing_said_is_the_usual() -> None:
    assert parse_network_options(listen=None, bootstrap=None, no_dht=False) == NetworkOptions(
        bootstrap=PUBLIC_ROUTERS, port_mapping=None
    )


def test_everything_said() -> None:
    options = parse_network_options(
        listen="127.0.0.1:0",
        bootstrap=None,
        no_dht=True,
        peer=["192.0.2.1:1", "peer.example:2"],
        limit_down="2M",
        limit_up="500k",
        local=False,
        allow_private=True,
        tcp_congestion="reno" if sys.platform == "linux" else None,
        utp=False,
    )
    assert options == NetworkOptions(
        port_mapping=None,
        listen=Address("127.0.0.1", 0),
        bootstrap=None,
        peers=(Address("192.0.2.1", 1), Address("peer.example", 2)),
        limits=RateLimits(download_bytes_per_s=2e6, upload_bytes_per_s=5e5),
        local=False,
        allow_private=True,
        tcp_congestion="reno" if sys.platform == "linux" else None,
        utp=False,
    )


def test_a_congestion_control_that_is_none_names_its_option_and_those_there_are() -> None:
    with pytest.raises(typer.BadParameter, match=r"'nonsense'|this system") as caught:
        parse_network_options(listen=None, bootstrap=None, no_dht=False, tcp_congestion="nonsense")
    assert caught.value.param_hint == "--tcp-congestion"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets choose")
async def test_peers_are_sent_to_with_the_congestion_control_that_was_asked_for(tmp_path: Path) -> None:
    usual = Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip()
    chosen = next((name for name in selectable_congestion_controls() if name != usual), usual)
    seed_path = tmp_path / "seed" / "file.bin"
    seed_path.parent.mkdir()
    seed_path.write_bytes(bytes(range(256)) * 400)
    metainfo = create_metainfo(seed_path, piece_length=1 << 15)
    options = parse_network_options(
        listen="127.0.0.1:0", bootstrap=None, no_dht=True, local=False, tcp_congestion=chosen
    )
    async with (
        asyncio.timeout(20),
        shown(options, Output(as_json=True), tmp_path, uses_dht=False) as service,
        Session(seed_path.parent, host="127.0.0.1") as seed,
    ):
        await (await seed.add(metainfo, seed_only=True)).wait_complete()
        torrent = await service.session.add(metainfo, peers=[seed.address])
        torrent.set_rate_limits(RateLimits(local_download_bytes_per_s=1.0))
        while not (ours := torrent.peers()):  # noqa: ASYNC110  # there is no event for this
            await asyncio.sleep(0.001)
        (theirs,) = seed.torrents[metainfo.info_hash].peers()
        assert [peer.path.controller for peer in (*ours, theirs) if peer.path is not None] == [chosen, usual]


async def test_a_session_without_the_congestion_control_it_was_given_does_not_open(tmp_path: Path) -> None:
    session = Session(tmp_path, host="127.0.0.1", config=SessionConfig(tcp_congestion="nonsense"))
    with pytest.raises(CongestionControlError, match="'nonsense'"):
        await session.__aenter__()


def test_a_rate_that_is_none_names_its_option() -> None:
    with pytest.raises(typer.BadParameter, match="'500' has no unit") as caught:
        parse_network_options(listen=None, bootstrap=None, no_dht=False, limit_up="500")
    assert caught.value.param_hint == "--limit-up"


@pytest.mark.parametrize(
    "data",
    [
        LIST,
        PACKED,
        LIST.replace(b"nonsense", b"\xff\xfe"),
        LIST.replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + LIST,
        LIST.decode().encode("utf-16"),
    ],
    ids=["text", "packed", "bytes", "windows", "mark", "utf-16"],
)
def test_lists_of_addresses(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(data)
    found = read_ip_filter(path)
    assert (len(found), found.skipped_lines) == (2, 1)
    assert found.blocks("10.0.0.7")
    assert not found.blocks("10.0.1.7")


@pytest.mark.parametrize(
    "data", [b"nothing\nof use\n", gzip.compress(LIST, mtime=0)[:30], gzip.compress(LIST, mtime=0)[:10] + b"\xff" * 20]
)
def test_files_that_are_no_list(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "list"
    path.write_bytes(data)
    with pytest.raises(ServiceError, match="list is no list of addresses: "):
        read_ip_filter(path)


async def test_a_session_keeps_to_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "list"
    path.write_bytes(LIST)
    options = parse_network_options(
        listen="127.0.0.1:0", bootstrap=["none"], no_dht=False, ip_filter=path, limit_down="1M", local=False
    )
    async with shown(options, Output(as_json=True), tmp_path) as service:
        assert service.session.ip_filter.blocks("192.0.2.9")
        address = str(service.session.address)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"event": "listening", "address": address, "dht_address": address, "blocked_ranges": 2, "skipped_lines": 1}
    ]


async def test_what_is_private_needs_no_node(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = NetworkOptions(listen=Address("127.0.0.1", 0), bootstrap=(), local=False)
    async with shown(options, Output(as_json=True), tmp_path, uses_dht=False):
        pass
    assert json.loads(capsys.readouterr().out)["dht_address"] is None


async def test_people_hear_how_much_is_blocked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "list"
    path.write_bytes(LIST)
    options = NetworkOptions(
        listen=Address("127.0.0.1", 0), ip_filter=read_ip_filter(path), ip_filter_file=path, local=False
    )
    async with shown(options, Output(as_json=False), tmp_path):
        pass
    captured = capsys.readouterr()
    assert captured.out == f"2 ranges of addresses blocked by {path}\n"
    assert captured.err == f"kad: {path}: 1 line made no sense: line 4: nonsense\n"


async def test_a_dht_that_cannot_be_joined_is_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    view = ServiceView(Output(as_json=True), several=False)
    quick = MainlineConfig(
        query_timeout_s=0.05, join_attempts=1, lookup=LookupConfig(short_timeout_s=0.01, patience_s=0.02)
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        async with MainlineNode(host="127.0.0.1", bootstrap=[silent.getsockname()], config=quick) as node:
            await warn_without_dht(node, view.show, after_s=0.0)
    told = capsys.readouterr()
    assert told.err.count("\n") == 1
    assert "no bootstrap node answered" in told.err
    assert "going on without the DHT" in told.err
    assert json.loads(told.out)["event"] == "warning"


@pytest.mark.parametrize(
    ("listen", "wished", "wanted"),
    [
        (None, None, True),
        ("0.0.0.0:6881", None, True),
        ("[::]:6881", None, True),
        ("192.168.1.2:6881", None, True),
        ("127.0.0.1:6881", None, False),
        ("[::1]:6881", None, False),
        (None, False, False),
        ("127.0.0.1:6881", True, True),
    ],
)
def test_the_router_is_asked_unless_only_this_machine_can_reach_us(
    listen: str | None, wished: bool | None, wanted: bool
) -> None:
    options = parse_network_options(listen=listen, bootstrap=None, no_dht=True, port_mapping=wished)
    assert options.wants_mapping is wanted
    assert (options._applied_to(SessionConfig()).port_mapping is not None) is wanted


def test_what_is_said_to_the_local_network_can_be_forbidden() -> None:
    options = NetworkOptions(port_mapping=True, local=True, uses_local_network=False)
    config = options._applied_to(SessionConfig())
    assert config.port_mapping is None
    assert not config.uses_local_network
    assert not NetworkOptions().wants_mapping  # a program that does not ask changes no router
