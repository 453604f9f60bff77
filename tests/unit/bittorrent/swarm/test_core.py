"""Whole swarms on a virtual clock: completion, honesty, fairness and recovery, without a socket."""

from __future__ import annotations

from random import Random

import pytest

from bittorrent.peer.pipeline import PipelineConfig
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.uploading.choker import ChokerConfig
from tests.swarm_net import Host, SwarmNet


def all_complete(hosts: list[Host]) -> bool:
    return all(host.core.is_complete for host in hosts)


@pytest.mark.parametrize("seed", range(5))
def test_one_seed_feeds_a_swarm_that_feeds_itself(seed: int) -> None:
    net = SwarmNet(Random(seed), total_bytes=(2 << 20) + 12345)
    source = net.seed()
    leeches = [net.host() for _ in range(5)]
    net.connect_all()
    net.run_until(lambda: all_complete(leeches))
    for leech in leeches:
        assert leech.core.downloaded_bytes == net.geometry.total_bytes
        assert leech.core.failed_pieces == 0
    from_fellows = sum(leech.core.uploaded_bytes for leech in leeches)
    assert from_fellows > 0
    received = sum(leech.core.downloaded_bytes + leech.core.wasted_bytes for leech in leeches)
    assert source.core.uploaded_bytes + from_fellows >= received


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> tuple[float, list[int]]:
        net = SwarmNet(Random(7))
        net.seed()
        leeches = [net.host() for _ in range(4)]
        net.connect_all()
        return net.run_until(lambda: all_complete(leeches)), [leech.core.uploaded_bytes for leech in leeches]

    assert run() == run()


def test_pieces_that_are_there_are_not_fetched_again() -> None:
    net = SwarmNet(Random(1))
    net.seed()
    half = Bitfield(net.geometry.piece_count, range(0, net.geometry.piece_count, 2))
    leech = net.host(have=half)
    net.connect_all()
    net.run_until(lambda: leech.core.is_complete)
    assert leech.core.downloaded_bytes == net.geometry.total_bytes // 2


def test_a_magnet_link_becomes_a_torrent() -> None:
    net = SwarmNet(Random(2))
    net.seed()
    leech = net.host(magnet=True)
    net.connect_all()
    net.run_until(lambda: leech.core.is_complete)
    assert leech.core.info_bytes == net.info_bytes


def test_a_magnet_link_survives_a_peer_that_lies_about_the_metadata() -> None:
    net = SwarmNet(Random(3))
    liar, leech = net.seed(), net.host(magnet=True)
    liar.core._metadata.info_bytes = b"x" * len(net.info_bytes)
    net.connect_all()
    net.run_until(lambda: bool(leech.banned))
    assert leech.banned == [liar.address]
    net.connect(leech, net.seed())
    net.run_until(lambda: leech.core.is_complete)


def test_the_only_sender_of_a_bad_piece_is_banned() -> None:
    net = SwarmNet(Random(4))
    liar, leech = net.seed(corrupts=lambda piece, begin: True), net.host()
    net.connect_all()
    net.run_until(lambda: bool(leech.banned))
    assert leech.banned == [liar.address]
    assert not leech.ends
    net.connect(leech, net.seed())
    net.run_until(lambda: leech.core.is_complete)
    assert leech.core.failed_pieces >= 1


@pytest.mark.parametrize("seed", range(5))
def test_a_liar_among_honest_peers_is_found_and_nobody_else_is_blamed(seed: int) -> None:
    net = SwarmNet(Random(seed), total_bytes=4 << 20, piece_length=1 << 18)
    liar = net.seed(corrupts=lambda piece, begin: begin == 0)
    honest = [net.seed(), net.seed()]
    leech = net.host()
    for source in [liar, *honest]:
        net.connect(leech, source)
    net.run_until(lambda: leech.core.is_complete)
    assert set(leech.banned) <= {liar.address}
    if leech.core.failed_pieces:
        assert leech.banned == [liar.address]


def test_what_a_peer_owed_is_fetched_elsewhere_when_it_leaves() -> None:
    net = SwarmNet(Random(5), total_bytes=4 << 20)
    first, second, leech = net.seed(), net.seed(), net.host()
    net.connect(leech, first)
    net.run_until(lambda: leech.core.downloaded_bytes > 1 << 20)
    first.leave()
    net.connect(leech, second)
    net.run_until(lambda: leech.core.is_complete)
    assert second.core.uploaded_bytes > 0


def test_a_peer_that_never_answers_holds_nothing_up_for_long() -> None:
    net = SwarmNet(Random(6))
    silent, honest, leech = net.seed(never_answers=True), net.seed(), net.host()
    net.connect(leech, silent)
    net.run_until(lambda: bool(silent.core.peers) and net.now > 5)
    net.connect(leech, honest)
    finished_at = net.run_until(lambda: leech.core.is_complete)
    assert finished_at < 5 + PipelineConfig().snub_timeout_s + 10


def test_a_peer_whose_last_request_was_taken_back_does_not_count_as_silent() -> None:
    net = SwarmNet(Random(11))
    all_but_last = Bitfield(net.geometry.piece_count, range(net.geometry.piece_count - 1))
    leech = net.host()
    last = Bitfield(net.geometry.piece_count, [net.geometry.piece_count - 1])
    stuck = net.host(have=last, never_answers=True)  # so that the end-game lasts
    helpful = [net.host(have=all_but_last, rate_bytes_per_s=1e5), net.host(have=all_but_last)]
    net.connect(leech, stuck)
    net.run_until(lambda: net.now > 1)
    for other in helpful:
        net.connect(leech, other)
    net.run_until(lambda: net.now > 25)
    assert leech.core.picker is not None
    assert leech.core.picker.stats.duplicate_requests > 0
    net.run_until(lambda: net.now > 60)
    snubbing = [peer.core.address for peer in leech.core.peers.values() if peer.pipeline.is_snubbed]
    assert snubbing == [stuck.address]


def test_more_peers_than_slots_all_get_their_turn() -> None:
    config = SwarmConfig(choker=ChokerConfig(slots=2))
    net = SwarmNet(Random(8), total_bytes=8 << 20, rate_bytes_per_s=3e5)
    source = net.host(have=Bitfield.full(net.geometry.piece_count), config=config)
    leeches = [net.host() for _ in range(6)]
    for leech in leeches:
        net.connect(leech, source)

    def unchoked() -> int:
        return sum(not peer.core.am_choking for peer in source.core.peers.values())

    net.run_until(lambda: unchoked() == 2)
    net.run_until(lambda: all(leech.core.downloaded_bytes for leech in leeches), within_s=1000)
    assert unchoked() <= 2


def test_a_slow_disk_slows_the_network_down_instead_of_filling_the_memory() -> None:
    config = SwarmConfig(max_unverified_bytes=1 << 18, pipeline=PipelineConfig(first=4, most=8))
    net = SwarmNet(Random(9), total_bytes=8 << 20)
    net.seed()
    leech = net.host(config=config)
    stuck: list[int] = []
    keep = leech.pump

    def pump_without_disk() -> None:
        for peer in leech.core.peers_to_flush():
            if peer.number in leech.ends:
                leech.ends[peer.number].pump()
        stuck.append(leech.core.unverified_bytes)

    leech.pump = pump_without_disk  # type: ignore[method-assign]
    net.connect_all()
    net.run_until(lambda: net.now > 30)
    assert max(stuck) <= (1 << 18) + 2 * net.geometry.piece_length
    assert leech.core.downloads is not None
    assert leech.core.downloads.was_held_back(now=net.now)
    leech.pump = keep  # type: ignore[method-assign]
    net.run_until(lambda: leech.core.is_complete)


def test_unfinished_pieces_that_make_room_for_others_cost_no_memory() -> None:
    config = SwarmConfig(max_buffered_bytes=1)  # which still allows eight pieces
    net = SwarmNet(Random(12), total_bytes=12 << 20, piece_length=1 << 20, rate_bytes_per_s=4e5)
    leech = net.host(config=config)
    sources = [net.host(have=Bitfield(net.geometry.piece_count, (n,))) for n in range(12)]
    most = 0
    for source in sources * 3:
        net.connect(leech, source)
        started_at = net.now
        net.run_until(lambda started_at=started_at: net.now > started_at + 1.3)  # type: ignore[misc]
        most = max(most, leech.core.buffered_bytes)
        leech.leave()
    assert 0 < most <= 8 * net.geometry.piece_length
    net.connect(leech, net.seed())
    net.run_until(lambda: leech.core.is_complete)


def test_two_seeds_have_nothing_to_say_to_each_other() -> None:
    net = SwarmNet(Random(10))
    one, other = net.seed(), net.seed()
    net.connect_all()
    net.run_until(lambda: net.now > 3)
    assert not one.core.peers
    assert not other.core.peers
