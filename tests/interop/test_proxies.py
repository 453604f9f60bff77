"""Downloads through proxies that this project did not write, from a libtorrent on the other side.

Trackers, web seeds and DHT nodes are called `localhost`, which the proxy looks up: nothing here is asked for that name.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from bittorrent import Metainfo, create_metainfo
from kademlia_core import MainlineConfig, MainlineNode
from tests.interop.content import digests, make_file
from tests.interop.kad import Finished, Kad
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.nginx import Nginx
from tests.interop.opentracker import OpenTracker
from tests.interop.programs import wait_until
from tests.interop.proxies import PASSWORD, Dante, Tinyproxy
from tests.machine import is_long
from transfer import Address

pytestmark = pytest.mark.interop

SIZE = (64 << 20) if is_long() else 1_000_000
SPEAKS_ONLY_UTP = {
    "enable_outgoing_utp": True,
    "enable_incoming_utp": True,
    "enable_outgoing_tcp": False,
    "enable_incoming_tcp": False,
}


async def get(proxy: str, folder: Path, torrent: Metainfo, *arguments: object, **environment: str) -> Finished:
    folder.mkdir()
    path = folder / "x.torrent"
    path.write_bytes(torrent.to_bytes())
    command = ("get", path, "-o", folder, "--json", "--proxy", proxy, "--allow-private", *arguments)
    async with Kad(*command, environment=environment) as kad:
        return await kad.finish()


def by_name(address: Address) -> str:
    return f"localhost:{address.port}"


async def test_each_source_through_dante(tmp_path: Path) -> None:
    seeded = tmp_path / "seed"
    seeded.mkdir()
    torrent = create_metainfo(make_file(seeded / "shared.bin", SIZE))
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(Dante())
        tracker = await stack.enter_async_context(OpenTracker([torrent.info_hash]))
        web = await stack.enter_async_context(Nginx(seeded))
        router = await stack.enter_async_context(
            MainlineNode(host="127.0.0.1", bootstrap=(), config=MainlineConfig(allow_private=True))
        )
        seed = await stack.enter_async_context(LibtorrentPeer(dht=router.address))
        over_utp = await stack.enter_async_context(LibtorrentPeer(settings=SPEAKS_ONLY_UTP))
        info_hash = await seed.add(seeded, replace(torrent, trackers=((tracker.http_url,),)), seed=True)
        await over_utp.add(seeded, torrent, seed=True)
        await tracker.wait_for_peer(torrent.info_hash)

        async def is_announced() -> bool:
            async with router.find_peers(torrent.info_hash) as lookup:
                return seed.address in [peer async for peer in lookup]

        await seed.do("dht_announce", info_hash=info_hash, port=seed.address.port)
        await wait_until(is_announced, what="libtorrent has announced itself in the DHT")
        at = by_name(tracker.address)
        sources: dict[str, tuple[Metainfo, tuple[object, ...]]] = {
            "utp": (torrent, ("--no-dht", "--peer", over_utp.address)),
            "http tracker": (replace(torrent, trackers=((f"http://{at}/announce",),)), ("--no-dht", "--no-utp")),
            "udp tracker": (replace(torrent, trackers=((f"udp://{at}/announce",),)), ("--no-dht",)),
            "web seed": (torrent, ("--no-dht", "--web-seed", f"http://{by_name(web.address)}/shared.bin")),
            "dht": (torrent, ("--bootstrap", by_name(router.address))),
        }
        runs = await asyncio.gather(
            *(get(proxy.url, tmp_path / name, what, *options) for name, (what, options) in sources.items()),
        )
        for name, run in zip(sources, runs, strict=True):
            assert run.exit_code == 0, (name, run.stderr)
            assert digests(tmp_path / name / "shared.bin") == digests(seeded / "shared.bin"), name


async def test_streams_through_tinyproxy(tmp_path: Path) -> None:
    seeded = tmp_path / "seed"
    seeded.mkdir()
    torrent = create_metainfo(make_file(seeded / "shared.bin", SIZE))
    async with (
        Tinyproxy() as proxy,
        OpenTracker([torrent.info_hash]) as tracker,
        Nginx(seeded) as web,
        LibtorrentPeer() as seed,
    ):
        await seed.add(seeded, replace(torrent, trackers=((tracker.http_url,),)), seed=True)
        await tracker.wait_for_peer(torrent.info_hash)
        tracked = replace(torrent, trackers=((f"http://{by_name(tracker.address)}/announce",),))
        web_seed = f"http://{by_name(web.address)}/shared.bin"
        environment = {"KAD_PROXY_PASSWORD": PASSWORD}
        runs = await asyncio.gather(
            get(proxy.url, tmp_path / "tracker", tracked, **environment),
            get(proxy.url, tmp_path / "web", torrent, "--web-seed", web_seed, "--no-dht", **environment),
            get(proxy.url, tmp_path / "wrong", tracked, "--give-up-after", "2", KAD_PROXY_PASSWORD="wrong"),
        )
    for name, run in zip(("tracker", "web"), runs, strict=False):
        assert run.exit_code == 0, run.stderr
        assert "carries no datagrams: no DHT, no uTP, and no UDP trackers" in run.stderr
        assert digests(tmp_path / name / "shared.bin") == digests(seeded / "shared.bin"), name
    assert runs[2].exit_code == 1
    assert "wants another user name and password" in runs[2].stderr
