"""A torrent with two hashes is announced under each; what trackers say of both is one thing to users."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from bittorrent.aio.sources.announcers import Announcers
from bittorrent.aio.sources.tracker import TrackerAnnouncer, TrackerClient, TransferTotals
from bittorrent.errors import TrackerError
from bittorrent.identity.torrent_id import TorrentId
from bittorrent.stats import TrackerState
from bittorrent.tracker.messages import AnnounceEvent, AnnounceRequest, AnnounceResponse
from transfer.address import Address

V1, V2 = b"\1" * 20, bytes(range(32))
URL = "http://tracker/announce"
PEERS = {V1: Address("5.5.5.5", 1), V2[:20]: Address("6.6.6.6", 2)}


class ToyClient(TrackerClient):
    """A tracker that knows what it is told to, and warns of everything."""

    def __init__(self, *, known: Sequence[bytes] = tuple(PEERS)) -> None:
        super().__init__()
        self.heard: list[tuple[bytes, AnnounceEvent]] = []
        self._known = known

    async def announce(self, url: str, request: AnnounceRequest, **_: Any) -> AnnounceResponse:
        self.heard.append((request.info_hash, request.event))
        if request.info_hash not in self._known:
            raise TrackerError("unregistered torrent")
        peers = (PEERS[request.info_hash],)
        return AnnounceResponse(interval_s=1800, peers=peers, seeders=len(self._known), warning="be kind")


class Announced:
    def __init__(self, torrent_id: TorrentId, client: ToyClient) -> None:
        self.found: list[tuple[bytes, Address]] = []
        self.warnings: list[tuple[str, str]] = []
        self._client = client
        self.announcers = Announcers(
            torrent_id, self._make, on_warning=lambda url, text: self.warnings.append((url, text))
        )

    def _make(self, info_hash: bytes, on_warning: Callable[[str, str], None]) -> TrackerAnnouncer:
        return TrackerAnnouncer(
            [[URL]],
            self._client,
            info_hash=info_hash,
            peer_id=bytes(20),
            port=6881,
            totals=lambda: TransferTotals(0, 0, 1),
            on_peers=lambda peers: self.found.extend((info_hash, peer) for peer in peers),
            on_warning=on_warning,
        )


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_hybrid_is_announced_under_both_hashes_and_leaves_both() -> None:
    client = ToyClient()
    announced = Announced(TorrentId(V1, V2), client)
    announced.announcers.start()
    await announced.announcers.wait_announced()
    await settle()
    assert sorted(announced.found) == sorted(PEERS.items())
    announced.announcers.completed()
    await settle()
    await announced.announcers.aclose()
    for info_hash in PEERS:
        assert [event for heard, event in client.heard if heard == info_hash] == [
            AnnounceEvent.STARTED,
            AnnounceEvent.COMPLETED,
            AnnounceEvent.STOPPED,
        ]


async def test_a_tracker_is_shown_once_and_warns_once() -> None:
    announced = Announced(TorrentId(V1, V2), ToyClient())
    announced.announcers.start()
    await settle()
    (stats,) = announced.announcers.trackers()
    assert (stats.url, stats.state, stats.announces, stats.seeders) == (URL, TrackerState.WORKING, 2, 2)
    assert announced.warnings == [(URL, "be kind")]
    await announced.announcers.aclose()


@pytest.mark.parametrize("known", [(), (V1,), (V2[:20],)], ids=["none", "v1", "v2"])
async def test_a_tracker_works_that_takes_one_of_the_hashes(known: tuple[bytes, ...]) -> None:
    announced = Announced(TorrentId(V1, V2), ToyClient(known=known))
    announced.announcers.start()
    await settle()
    (stats,) = announced.announcers.trackers()
    assert stats.state is (TrackerState.WORKING if known else TrackerState.FAILED)
    assert announced.announcers.last_error == (None if known else "unregistered torrent")
    assert stats.failures == 2 - len(known)
    await announced.announcers.aclose()


async def test_a_hash_that_is_learnt_later_is_announced_then() -> None:
    client = ToyClient()
    announced = Announced(TorrentId(v2=V2), client)
    announced.announcers.start()
    await settle()
    assert client.heard == [(V2[:20], AnnounceEvent.STARTED)]
    announced.announcers.learn(TorrentId(V1, V2))
    await settle()
    assert client.heard[1:] == [(V1, AnnounceEvent.STARTED)]
    await announced.announcers.aclose()
