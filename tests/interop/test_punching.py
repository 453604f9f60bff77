"""Hole punching with libtorrent through NAT boxes of nftables, in network namespaces (BEP 55)."""

from __future__ import annotations

import asyncio
import base64
import shutil
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bittorrent import Metainfo, create_metainfo
from tests.interop.content import MIB, make_file
from tests.interop.libtorrent_peer import LibtorrentPeer
from tests.interop.nat_lab import NatLab, NoNatError
from tests.interop.programs import JsonChild, wait_until
from tests.machine import is_long
from transfer.address import Address

pytestmark = pytest.mark.interop

PORT = 6881
SLOW = 32 << 10  # nobody shall have everything before all have met
CHILD = Path(__file__).with_name("session_child.py")
PATIENCE: dict[str, Any] = {  # a host behind a box never answers, and seconds are long enough to find that out
    "enable_outgoing_utp": True,
    "enable_incoming_utp": True,
    "utp_connect_timeout": 1000,
    "utp_syn_resends": 1,
    "peer_connect_timeout": 2,
    "min_reconnect_time": 1,
    "upload_rate_limit": SLOW,
}


class Ours(JsonChild):
    """A session of ours, somewhere in the lab."""

    def __init__(self, inside: tuple[str, ...], host: str) -> None:
        self.address = Address(host, PORT)
        options = {"host": host, "port": PORT, "config": {"connect_timeout_s": 2.0}, "up_bytes_per_s": SLOW}
        command = (*inside, sys.executable, str(CHILD))
        super().__init__(command[1:], options, program=command[0])

    async def share(self, metainfo: Metainfo, folder: Path, *, seed: bool, peer: Address | None) -> str:
        answer = await self.do(
            "add",
            torrent=base64.b64encode(metainfo.to_bytes()).decode(),
            folder=str(folder),
            seed=seed,
            peers=[list(peer)] if peer is not None else [],
            deaf=seed,
        )
        return str(answer["info_hash"])

    async def peers(self, info_hash: str) -> dict[str, dict[str, Any]]:
        """Who is connected, by their addresses."""
        return {each["host"]: each for each in (await self.do("peers", info_hash=info_hash))["peers"]}

    async def introductions(self, info_hash: str) -> int:
        """How many times it told two peers to call each other."""
        return int((await self.do("peers", info_hash=info_hash))["introductions"])


class Theirs(LibtorrentPeer):
    """A libtorrent, somewhere in the lab."""

    def __init__(self, inside: tuple[str, ...], host: str) -> None:
        super().__init__(host=host, settings={**PATIENCE, "listen_interfaces": f"{host}:{PORT}"}, inside=inside)
        self.address = Address(host, PORT)

    async def share(self, metainfo: Metainfo, folder: Path, *, seed: bool, peer: Address | None) -> str:
        info_hash = await self.add(folder, metainfo, seed=seed, disable_pex=seed)
        if peer is not None:
            await self.connect(info_hash, peer)
        return info_hash

    async def peers(self, info_hash: str) -> dict[str, dict[str, Any]]:
        """Who is connected, by their addresses."""
        peers = (await self.do("peers", info_hash=info_hash))["peers"]
        return {each["host"]: each for each in peers if not each["is_connecting"]}


@pytest.fixture
def lab() -> Iterator[NatLab]:
    try:
        with NatLab() as made:
            made.behind_nat()  # the first one says whether that is possible at all
            yield made
    except NoNatError as error:
        pytest.skip(str(error))


ENDS: dict[str, type[Ours] | type[Theirs]] = {"ours": Ours, "libtorrent": Theirs}
COMBINATIONS = [  # who is in the middle, who has it, who wants it and calls
    ("libtorrent", "libtorrent", "ours"),
    ("libtorrent", "ours", "libtorrent"),
    ("ours", "libtorrent", "libtorrent"),
    ("libtorrent", "ours", "ours"),
    ("ours", "ours", "ours"),
    ("ours", "ours", "libtorrent"),
    ("ours", "libtorrent", "ours"),
]


async def play(lab: NatLab, where: Path, names: tuple[str, str, str], metainfo: Metainfo) -> None:
    """Two behind boxes meet through one that both can call.

    Who has everything is told of nobody: if both called at once by chance, nobody would have to introduce them.
    """
    middle, kinds = ENDS[names[0]], [ENDS[name] for name in names[1:]]
    async with AsyncExitStack() as stack:
        inside, public = lab.public()
        relay: Ours | Theirs = await stack.enter_async_context(middle(inside, public))
        info_hash = await relay.share(metainfo, where / "relay", seed=False, peer=None)
        ends: list[Ours | Theirs] = []
        boxes: list[str] = []
        for kind, folder in zip(kinds, ("seed", "leech"), strict=True):
            inside, inner, outer = lab.behind_nat()
            end: Ours | Theirs = await stack.enter_async_context(kind(inside, inner))
            await end.share(metainfo, where / folder, seed=folder == "seed", peer=relay.address)
            ends.append(end)
            boxes.append(outer)

            async def is_known(outer: str = outer) -> bool:
                return outer in await relay.peers(info_hash)

            await wait_until(is_known, what=f"{names}: the one in the middle is connected", within_s=30)

        async def have_met() -> bool:
            return boxes[0] in await ends[1].peers(info_hash) and boxes[1] in await ends[0].peers(info_hash)

        await wait_until(have_met, what=f"{names}: the two behind boxes have met", within_s=100)
        if isinstance(relay, Ours):
            assert await relay.introductions(info_hash) > 0, names
        for end, other in zip(ends, reversed(boxes), strict=True):
            seen = (await end.peers(info_hash))[other]
            if isinstance(end, Ours):
                assert (seen["transport"], seen["introduced_by"]) == ("utp", str(relay.address)), (names, seen)


@pytest.mark.timeout(400)
async def test_two_behind_nat_boxes_meet_through_a_third(lab: NatLab, tmp_path: Path) -> None:
    """All combinations at a time: most of it is waiting for calls that nobody answers."""
    metainfo = create_metainfo(make_file(tmp_path / "shared.bin", 8 * MIB))
    runs = []
    for number, names in enumerate(COMBINATIONS if is_long() else COMBINATIONS[:3]):
        where = tmp_path / str(number)
        (where / "seed").mkdir(parents=True)
        shutil.copy(tmp_path / metainfo.name, where / "seed")
        runs.append(play(lab, where, names, metainfo))
    await asyncio.gather(*runs)
