"""What is told about the peers of a torrent that runs."""

from __future__ import annotations

from random import Random

from bittorrent.swarm.snapshots import peer_statistics
from tests.swarm_net import SwarmNet


def test_a_peer_says_how_much_is_on_order_from_it_and_how_much_it_has() -> None:
    net = SwarmNet(Random(1), total_bytes=4 << 20)
    seed, leech = net.seed(), net.host()
    net.connect_all()
    net.run_until(lambda: leech.core.downloaded_bytes > 1 << 20)  # more than the pieces that are free while it chokes
    (stats,) = peer_statistics(leech.core, now=net.now)
    picker = leech.core.picker
    assert picker is not None
    (peer,) = leech.core.peers.values()
    assert stats.requested_blocks == len(picker.requested_from(peer.number)) > 0
    assert (stats.progress, stats.am_interested, stats.is_choking) == (1.0, True, False)
    (theirs,) = peer_statistics(seed.core, now=net.now)
    assert theirs.requested_blocks == 0
    assert theirs.uploaded_bytes > 0
    assert (theirs.is_interested, theirs.am_choking) == (True, False)


def test_before_the_metadata_is_there_nothing_is_on_order() -> None:
    net = SwarmNet(Random(1))
    net.seed()
    leech = net.host(magnet=True)
    net.connect_all()
    net.run_until(lambda: bool(peer_statistics(leech.core, now=net.now)))
    assert leech.core.picker is None
    assert [stats.requested_blocks for stats in peer_statistics(leech.core, now=net.now)] == [0]
