"""Encrypted transfers, and how soon a peer that calls encrypted first has its first MiB."""

from __future__ import annotations

import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from benchmarks.bittorrent.cases import PIECE_LENGTH, Plan, fetch, in_turn
from benchmarks.bittorrent.content import make_content
from benchmarks.bittorrent.programs import Libtorrent, Used
from bittorrent import Metainfo
from tests.interop.kad import Kad
from tests.interop.ports import free_port
from transfer import Address


async def encrypted(plan: Plan) -> dict[str, list[Used]]:
    """One libtorrent seeder that takes nothing but RC4; ours and libtorrent fetch from it."""
    metainfo = make_content(plan.source, plan.mib, PIECE_LENGTH)
    async with Libtorrent(settings=ONLY_RC4) as seed:
        await seed.add(metainfo, plan.source, seed=True)
        return await in_turn(
            plan,
            {
                "ours": lambda target: fetch(plan.ours(encryption="required"), [seed], metainfo, target),
                "libtorrent": lambda target: fetch(Libtorrent(settings=ONLY_RC4), [seed], metainfo, target),
            },
        )


async def first_mib(plan: Plan) -> dict[str, list[Used]]:
    """A libtorrent downloader as it comes calls an idle seeder: `kad seed`, or libtorrent.

    It tries an encrypted handshake first, over uTP and over TCP. The time is that from the call until all of it is
    verified; CPU and memory are the downloader's.
    """
    metainfo = make_content(plan.source, plan.mib, PIECE_LENGTH // 4)

    async def from_kad(target: Path) -> Used:
        torrent = plan.folder / "content.torrent"
        torrent.write_bytes(metainfo.to_bytes())
        address = Address("127.0.0.1", free_port())
        where = ("-d", plan.source, "--listen", f"{address.host}:{address.port}")
        async with Kad("seed", torrent, *where, "--no-dht") as kad:
            await kad.wait_event("seeding")
            return await call(metainfo, address, target)

    async def from_libtorrent(target: Path) -> Used:
        async with Libtorrent(settings=AS_IT_COMES) as seed:
            await seed.add(metainfo, plan.source, seed=True)
            return await call(metainfo, seed.addresses[0], target)

    return await in_turn(plan, {"ours": from_kad, "libtorrent": from_libtorrent})


async def call(metainfo: Metainfo, seed: Address, target: Path) -> Used:
    """One download by a libtorrent that is started for it."""
    async with AsyncExitStack() as stack:
        leech = await stack.enter_async_context(Libtorrent(settings=AS_IT_COMES))
        await leech.add(metainfo, target)
        await leech.do("begin")
        started_at = time.perf_counter()
        await leech.connect(metainfo, [seed])
        await leech.wait_verified(metainfo)
        return Used(wall_s=time.perf_counter() - started_at, **await leech.do("end"))


FORCED, RC4 = 0, 2  # libtorrent's enc_policy and enc_level
ONLY_RC4: dict[str, Any] = {
    "out_enc_policy": FORCED,
    "in_enc_policy": FORCED,
    "allowed_enc_level": RC4,
    "prefer_rc4": True,
}
AS_IT_COMES: dict[str, Any] = {
    "enable_outgoing_utp": True,
    "enable_incoming_utp": True,
    "mixed_mode_algorithm": 1,
}
