"""Whole swarms of a version 2 torrent on a virtual clock: layers before pieces, and bad blocks by name."""

from __future__ import annotations

from random import Random

import pytest

from bittorrent.identity.torrent_id import TorrentId
from bittorrent.peer.config import PeerConfig
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.hashes.config import HashConfig
from tests.swarm_net import Host, SwarmNet

PIECE = 64 * BLOCK_SIZE  # more than one peer is asked for at first


def net(pieces: int = 4, *, seed: int = 1, rest: int = 0) -> SwarmNet:
    return SwarmNet(Random(seed), total_bytes=pieces * PIECE + rest, piece_length=PIECE, has_trees=True)


def complete(run: SwarmNet, *leeches: Host) -> None:
    run.run_until(lambda: all(leech.core.is_complete for leech in leeches))
    for leech in leeches:
        assert leech.core.unverified_bytes == leech.core.buffered_bytes == 0


def test_a_bad_block_is_named_fetched_again_and_its_sender_banned() -> None:
    run = net(pieces=2, rest=5 * BLOCK_SIZE + 77)
    honest = run.seed()
    liar = run.seed(corrupts=lambda piece, begin: begin == 3 * BLOCK_SIZE)
    leech = run.host()
    run.connect_all()
    complete(run, leech)
    assert set(leech.banned) == {liar.address}
    assert leech.bad_blocks
    for block, sender in leech.bad_blocks:
        assert sender == liar.address
        assert block.begin == 3 * BLOCK_SIZE
    assert honest.works > 0, "leaves were read from the disk"


@pytest.mark.parametrize("seed", range(4))
def test_only_the_bad_blocks_are_fetched_again(seed: int) -> None:
    """The piece comes partly from a liar and partly from honest peers; the good blocks of all of them stay."""
    run = net(pieces=1, seed=seed)
    wrong = (0, 7 * BLOCK_SIZE, 15 * BLOCK_SIZE)
    liar = run.seed(corrupts=lambda piece, begin: begin in wrong)
    honest, witness = run.seed(), run.seed()
    leech = run.host()
    run.connect_all()
    complete(run, leech)
    assert {block.begin for block, _ in leech.bad_blocks} <= set(wrong)
    assert {sender for _, sender in leech.bad_blocks} <= {liar.address}
    assert leech.banned == ([liar.address] if leech.bad_blocks else [])
    assert leech.core.downloaded_bytes == PIECE + len(leech.bad_blocks) * BLOCK_SIZE
    assert leech.core.wasted_bytes >= len(leech.bad_blocks) * BLOCK_SIZE
    assert max(honest.works, witness.works) <= 1, "the leaves of a piece are read once"


def test_a_short_piece_at_the_end_of_the_file() -> None:
    run = net(pieces=2, rest=2 * BLOCK_SIZE + 1)
    witness = run.seed()
    leech = run.host(have=Bitfield(3, [0, 1]))
    run.connect(leech, run.seed(corrupts=lambda piece, begin: begin == 2 * BLOCK_SIZE))
    run.connect(leech, witness)
    complete(run, leech)
    assert {block for block, _ in leech.bad_blocks} == {Block(2, 2 * BLOCK_SIZE, 1)}


@pytest.mark.parametrize(("total", "piece_length"), [(5 * BLOCK_SIZE + 9, BLOCK_SIZE), (9, PIECE)])
def test_a_piece_of_one_block_is_named_without_asking_anybody(total: int, piece_length: int) -> None:
    run = SwarmNet(Random(1), total_bytes=total, piece_length=piece_length, has_trees=True)
    liar = run.seed(corrupts=lambda piece, begin: True)
    leech = run.host()
    run.connect(leech, liar)
    run.run_until(lambda: bool(leech.banned))
    assert {block.begin for block, _ in leech.bad_blocks} == {0}
    assert liar.works == 0
    run.connect(leech, run.seed())
    complete(run, leech)
    assert set(leech.banned) == {liar.address}


def test_the_only_sender_of_a_bad_piece_is_no_witness_of_its_own() -> None:
    """Nobody else is there to ask: it answers for what it sent, and is found out by its own leaves, or by silence."""
    run = net(pieces=1)
    liar = run.seed(corrupts=lambda piece, begin: begin == 0)
    leech = run.host()
    run.connect(leech, liar)
    run.run_until(lambda: bool(leech.banned))
    assert leech.banned == [liar.address]
    run.connect(leech, run.seed())
    complete(run, leech)


def test_peers_that_keep_silent_about_leaves_cost_a_few_seconds() -> None:
    run = net(pieces=1)
    leech = run.host()
    for seed in (run.seed(corrupts=lambda piece, begin: begin == 0), run.seed()):
        seed.disk_delay_s = 1e6  # the work is never done
        run.connect(leech, seed)
    run.run_until(lambda: leech.core.failed_pieces > 0)
    assert HashConfig().leaf_patience_s <= run.now < HashConfig().leaf_patience_s + 5
    complete(run, leech)
    assert leech.bad_blocks == []
    assert set(leech.banned) == {run.hosts[1].address}


def test_wrong_hashes_cost_their_sender_the_connection_and_a_ban() -> None:
    run = net()
    liar, honest = run.seed(), run.seed()
    liar.spoils = lambda hashes: bytes([hashes[0] ^ 1]) + hashes[1:]
    leech = run.host(magnet=True)
    run.connect(leech, liar)
    run.run_until(lambda: bool(leech.banned))
    assert leech.banned == [liar.address]
    assert leech.layers is None
    run.connect(leech, honest)
    complete(run, leech)


def test_an_answer_of_another_size_costs_the_connection_alone() -> None:
    run = net()
    odd = run.seed()
    odd.spoils = lambda hashes: hashes + bytes(32)
    leech = run.host(magnet=True)
    run.connect(leech, odd)
    run.run_until(lambda: run.now > 1 and not leech.ends)
    assert leech.banned == []
    run.connect(leech, run.seed())
    complete(run, leech)


@pytest.mark.parametrize("pieces", [1, 2, 3, 70, 600])
def test_a_magnet_link_becomes_layers_and_then_pieces(pieces: int) -> None:
    piece_length = 2 * BLOCK_SIZE if pieces > 3 else PIECE
    total = pieces * piece_length - 5
    run = SwarmNet(Random(1), total_bytes=total, piece_length=piece_length, has_trees=True, rate_bytes_per_s=2e7)
    source = run.seed()
    leech = run.host(magnet=True)
    run.connect(leech, source)
    complete(run, leech)
    assert leech.layers is not None
    assert source.works == (1 if pieces > 64 else 0), "the rows of a large tree are made once, in a thread"
    late = run.host(magnet=True)
    run.connect(late, leech)  # who came with a magnet link gives layers as well
    complete(run, late)


def test_layers_come_from_several_peers_and_those_that_have_none_hold_nothing_up() -> None:
    total = 1700 * 2 * BLOCK_SIZE
    run = SwarmNet(Random(3), total_bytes=total, piece_length=2 * BLOCK_SIZE, has_trees=True, rate_bytes_per_s=1e8)
    first, second = run.seed(), run.seed()
    empty = run.host()
    one_each = SwarmConfig(hashes=HashConfig(first_requests=1, most_requests=1))
    assert empty.core.hashes._places is not None
    empty.core.hashes._places.layers = {}
    leech = run.host(magnet=True, config=one_each)
    for other in (empty, first, second):
        run.connect(leech, other)
    run.run_until(lambda: leech.layers is not None)
    assert run.now < 3
    assert leech.banned == []
    assert first.works == second.works == 1


def test_too_many_bad_pieces_at_once_are_fetched_again_as_a_whole() -> None:
    few = SwarmConfig(hashes=HashConfig(max_doubtful_bytes=1))
    run = net(pieces=8, seed=2)
    honest = run.seed()
    honest.disk_delay_s = 1.0
    liar = run.seed(corrupts=lambda piece, begin: begin == 0)
    leech = run.host(config=few)
    run.connect_all()
    most = 0

    def is_done() -> bool:
        nonlocal most
        most = max(most, leech.core.hashes.doubtful_bytes)
        return leech.core.is_complete

    run.run_until(is_done)
    assert 0 < most <= PIECE
    assert set(leech.banned) == {liar.address}


def test_hash_messages_are_for_connections_of_version_2_alone() -> None:
    """A hybrid's connection under the hash of version 1: libtorrent would end it."""
    run = net()
    run.seed()
    leech = run.host(magnet=True)
    leech.core.hashes.learn(TorrentId(run.info_hash, bytes(32)), now=0.0)
    run.connect_all()
    run.run_until(lambda: run.now > 30)
    assert leech.core.info_bytes is not None
    assert leech.layers is None
    assert leech.core.hashes.layers.hashes_found == 0
    assert not leech.core.hashes._speakers


def test_a_bad_block_of_a_version_1_connection_is_named_by_the_leaves_of_a_version_2_one() -> None:
    run = net(pieces=1)
    liar, witness = run.seed(corrupts=lambda piece, begin: begin == 3 * BLOCK_SIZE), run.seed()
    leech = run.host()
    run.connect(leech, liar, info_hash=bytes(20))
    run.run_until(lambda: leech.core.downloaded_bytes > PIECE // 2)
    run.connect(leech, witness)
    complete(run, leech)
    assert leech.bad_blocks == [(Block(0, 3 * BLOCK_SIZE, BLOCK_SIZE), liar.address)]
    assert leech.banned == [liar.address]
    assert leech.core.downloaded_bytes == PIECE + BLOCK_SIZE
    assert (liar.works, witness.works) == (0, 1)


def test_a_swarm_of_version_1_connections_alone_has_no_leaves_and_finds_the_liar_by_whole_pieces() -> None:
    run = net(pieces=1)
    liar, honest = run.seed(corrupts=lambda piece, begin: begin == 3 * BLOCK_SIZE), run.seed()
    leech = run.host()
    for seed in (liar, honest):
        run.connect(leech, seed, info_hash=bytes(20))
    complete(run, leech)
    assert leech.bad_blocks == []
    assert set(leech.banned) <= {liar.address}
    assert liar.works == honest.works == 0


def test_what_a_peer_may_ask_for_is_a_few_copies_of_all_layers() -> None:
    run = SwarmNet(Random(3), total_bytes=600 * 32768, piece_length=32768, has_trees=True)
    source, leech = run.seed(), run.host(magnet=True)
    source.peer_config = PeerConfig(first_hash_requests=1)
    run.connect(leech, source)
    run.run_until(lambda: leech.layers is not None)
    (end,) = source.ends.values()
    assert end.core.hashes.entitled == 4 * 2 - 2
