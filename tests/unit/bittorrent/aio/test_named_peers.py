"""Peers whose addresses somebody gives by hand, or in a link."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from bittorrent.aio.peers.named_peers import MAX_RESOLVING, MAX_TOLD, NamedPeers
from bittorrent.aio.peers.private_calls import PrivateCalls
from bittorrent.dialling.peer_list import PeerSource
from bittorrent.dialling.targets import NamedBy, TargetRule
from transfer.address import Address
from transfer.aio.tasks import TaskSet

PRIVATE = [(f"10.1.{number >> 8}.{number & 255}", 6881) for number in range(MAX_TOLD + 1)]


class Names:
    """Named peers of a host in the Internet, and what came of them."""

    def __init__(self) -> None:
        self.found: list[Address] = []
        self.errors: list[BaseException] = []
        self.tasks = TaskSet(self.errors.append)
        calls = PrivateCalls(TargetRule(), own_host="9.0.0.1")
        self.peers = NamedPeers(on_addresses=self._take, calls=calls, tasks=self.tasks)

    async def resolved(self) -> None:
        while self.peers.is_resolving:  # noqa: ASYNC110  # there is no event for this
            await asyncio.sleep(0)

    def _take(self, addresses: Iterable[Address], source: PeerSource) -> None:
        self.found += addresses


async def test_of_private_addresses_that_a_link_names_so_many_are_told() -> None:
    names = Names()
    for endpoint in (*PRIVATE, PRIVATE[0]):
        names.peers.add([endpoint], named_by=NamedBy.STRANGER)
        await names.resolved()
    assert names.found == []
    assert names.peers.private == [Address(*endpoint) for endpoint in PRIVATE[:MAX_TOLD]]
    await names.tasks.aclose()
    assert not names.errors


async def test_the_user_names_what_she_likes() -> None:
    names = Names()
    names.peers.add(PRIVATE[:2])
    assert names.found == [Address(*endpoint) for endpoint in PRIVATE[:2]]
    assert names.peers.private == []
    await names.tasks.aclose()


async def test_of_what_strangers_name_so_much_is_looked_at_at_a_time() -> None:
    names = Names()
    public = [(f"9.1.0.{number}", 6881) for number in range(MAX_RESOLVING + 1)]
    names.peers.add(public, named_by=NamedBy.STRANGER)
    await names.resolved()
    assert names.found == [Address(*endpoint) for endpoint in public[:MAX_RESOLVING]]
    names.peers.add(public[-1:], named_by=NamedBy.STRANGER)
    await names.resolved()
    assert names.found == [Address(*endpoint) for endpoint in public]
    await names.tasks.aclose()
