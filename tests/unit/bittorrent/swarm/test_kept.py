"""Blocks that an earlier run has kept, in a swarm: they are not fetched again, and cost no honest peer a ban."""

from __future__ import annotations

from random import Random

from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import BLOCK_SIZE
from bittorrent.pieces.geometry import Geometry
from bittorrent.swarm.config import SwarmConfig
from bittorrent.swarm.downloading.assembly import PieceAssembly
from bittorrent.swarm.peer import NOBODY, Sender
from tests.swarm_net import Host, SwarmNet
from transfer.address import Address

PIECE = 16 * BLOCK_SIZE


def net(pieces: int = 4, seed: int = 1) -> SwarmNet:
    return SwarmNet(Random(seed), total_bytes=pieces * PIECE, piece_length=PIECE)


def complete(run: SwarmNet, leech: Host) -> None:
    run.connect_all()
    run.run_until(lambda: leech.core.is_complete)
    assert leech.core.unverified_bytes == leech.core.buffered_bytes == 0


def test_what_was_kept_is_not_fetched_again() -> None:
    run = net()
    run.seed()
    leech = run.host(unfinished=[run.kept(1, *range(15)), run.kept(3, 0, 7)])
    complete(run, leech)
    assert leech.core.downloaded_bytes == (4 * 16 - 17) * BLOCK_SIZE
    assert (leech.core.wasted_bytes, leech.core.failed_pieces) == (0, 0)


def test_whoever_sends_the_rest_is_credited_with_the_rest_alone() -> None:
    run = net(pieces=1)
    seed = run.seed()
    leech = run.host(unfinished=[run.kept(0, *range(15))])
    complete(run, leech)
    (given,) = leech.core.contributions.items()
    assert given[0] == seed.address
    assert (given[1].pieces, given[1].size_bytes) == (1, BLOCK_SIZE)


def test_a_piece_that_was_kept_as_a_whole_is_hashed_at_once() -> None:
    run = net(pieces=2)
    leech = run.host(unfinished=[run.kept(0, *range(16)), run.kept(1, *range(16), wrong=[3])])
    leech.pump()
    assert leech.core.picker is not None
    assert list(leech.core.picker.have) == [0]
    assert leech.core.contributions == {}
    run.seed()
    complete(run, leech)
    assert leech.core.downloaded_bytes == PIECE


def test_a_bad_block_that_was_kept_costs_only_what_was_kept_of_its_piece() -> None:
    run = net(pieces=2)
    seed = run.seed()
    leech = run.host(unfinished=[run.kept(0, 1, 2, 3, wrong=[2])])
    complete(run, leech)
    assert leech.banned == []
    assert seed.ends, "the connection lives"
    assert leech.core.downloaded_bytes == 2 * PIECE
    assert leech.core.failed_pieces == 0


def test_who_lies_in_a_piece_with_kept_blocks_is_found_out_all_the_same() -> None:
    run = net(pieces=2)
    honest = run.seed()
    liar = run.seed(corrupts=lambda piece, begin: True)
    leech = run.host(unfinished=[run.kept(0, 1, 2, 3), run.kept(1, 5, wrong=[5])])
    complete(run, leech)
    assert leech.banned == [liar.address]
    assert honest.address not in leech.banned


def test_kept_blocks_of_what_nobody_wants_or_is_there_are_left_out() -> None:
    run = net(pieces=3)
    leech = run.host(have=Bitfield(3, [0]), unfinished=[])
    leech.core.begin(
        run.geometry,
        Bitfield(3, [0]),
        run.info_bytes,
        priorities=bytes([4, 0, 4]),
        unfinished=[run.kept(0, 1), run.kept(1, 1), run.kept(2, 1)],
        now=run.now,
    )
    assert [index for index, _, _ in leech.core.unfinished()] == [2]
    leech.core.check_invariants()


def test_never_more_kept_pieces_than_may_be_unfinished() -> None:
    run = SwarmNet(Random(1), total_bytes=20 * PIECE, piece_length=PIECE)
    config = SwarmConfig(max_buffered_bytes=1)  # which still allows eight pieces
    leech = run.host(unfinished=[run.kept(index, 0) for index in range(20)], config=config)
    assert len(list(leech.core.unfinished())) == 8
    leech.core.check_invariants()


def test_when_kept_blocks_were_bad_and_nobody_wants_the_piece_any_more_it_is_forgotten() -> None:
    run = net(pieces=2)
    seed = run.seed()
    leech = run.host(unfinished=[run.kept(0, 0, wrong=[0])])
    leech.disk_delay_s = 5.0
    run.connect(seed, leech)
    assert leech.core.picker is not None
    picker = leech.core.picker
    run.run_until(lambda: leech.core.unverified_bytes == 2 * PIECE)
    leech.core.set_priorities(bytes([0, 4]), now=run.now)
    run.run_until(lambda: leech.core.is_finished)
    assert list(picker.have) == [1]
    assert leech.core.buffered_bytes == 0
    assert leech.core.wasted_bytes == PIECE - BLOCK_SIZE
    leech.core.check_invariants()


def test_padding_of_a_kept_piece_is_zeros() -> None:
    geometry = Geometry(4 * BLOCK_SIZE, 4 * BLOCK_SIZE, {0: 0b1000})
    assembly = PieceAssembly(geometry)
    assembly.recycle(bytearray(b"\1" * 4 * BLOCK_SIZE))
    buffer = bytearray(4 * BLOCK_SIZE)
    assembly.adopt(0, buffer, {0: NOBODY, BLOCK_SIZE: NOBODY})
    sender = Sender(1, Address("10.0.0.1", 1), Address("10.0.0.1", 1))
    assembly.write(geometry.block(0, 2), b"\2" * BLOCK_SIZE, sender)
    piece, senders = assembly.take(0)
    assert piece is buffer
    assert piece[3 * BLOCK_SIZE :] == bytes(BLOCK_SIZE)
    assert list(senders.values()) == [NOBODY, NOBODY, sender]


def test_what_peers_sent_in_vain_does_not_count_what_was_kept() -> None:
    geometry = Geometry(4 * BLOCK_SIZE, 4 * BLOCK_SIZE)
    assembly = PieceAssembly(geometry)
    sender = Sender(1, Address("10.0.0.1", 1), Address("10.0.0.1", 1))
    assembly.adopt(0, bytearray(4 * BLOCK_SIZE), {0: NOBODY})
    assembly.write(geometry.block(0, 1), bytes(BLOCK_SIZE), sender)
    assert assembly.drop(0) == BLOCK_SIZE
    assert assembly.buffered_bytes == 0
