"""Pieces put together from blocks, and who is to blame when they are wrong."""

from __future__ import annotations

from bittorrent.pieces.block import BLOCK_SIZE, Block
from bittorrent.pieces.geometry import Geometry
from bittorrent.swarm.downloading.assembly import MAX_FREE_BUFFERS, MAX_SUSPECTS, Blame, PieceAssembly
from bittorrent.swarm.peer import Sender
from transfer.address import Address

GEOMETRY = Geometry(total_bytes=5 * BLOCK_SIZE + 100, piece_length=3 * BLOCK_SIZE)  # the second piece: 2 blocks + 100


def sender(number: int, *, listen_port: int = 6881) -> Sender:
    address = Address(f"10.0.0.{number}", 50000)
    return Sender(number, address, Address(address.host, listen_port))


ANN, BOB, EVE = sender(1), sender(2), sender(3)


def good(block: Block) -> bytes:
    return bytes([block.piece + 1, block.begin >> 14]) * (block.length // 2)


def good_piece(index: int) -> bytearray:
    return bytearray(b"".join(good(block) for block in GEOMETRY.blocks(index)))


def test_blocks_in_any_order_make_the_piece() -> None:
    assembly = PieceAssembly(GEOMETRY)
    blocks = GEOMETRY.blocks(0)
    for block, source in zip(reversed(blocks), (ANN, BOB, ANN), strict=True):
        assembly.write(block, memoryview(good(block)), source)
    buffer, senders = assembly.take(0)
    assert buffer == good_piece(0)
    assert senders == {0: ANN, BLOCK_SIZE: BOB, 2 * BLOCK_SIZE: ANN}


def test_the_last_piece_is_shorter() -> None:
    assembly = PieceAssembly(GEOMETRY)
    for block in GEOMETRY.blocks(1):
        assembly.write(block, good(block), ANN)
    assert assembly.buffered_bytes == 2 * BLOCK_SIZE + 100
    buffer, _ = assembly.take(1)
    assert buffer == good_piece(1)


def test_what_is_buffered_is_what_is_not_taken() -> None:
    assembly = PieceAssembly(GEOMETRY)
    assert assembly.buffered_bytes == 0
    for index in (0, 1):
        block = GEOMETRY.block(index, 0)
        assembly.write(block, good(block), ANN)
        assembly.write(block, good(block), BOB)  # again: the same place, the later sender
    assert assembly.buffered_bytes == GEOMETRY.total_bytes
    assembly.take(0)
    assert assembly.buffered_bytes == 2 * BLOCK_SIZE + 100
    _, senders = assembly.take(1)
    assert (assembly.buffered_bytes, senders) == (0, {0: BOB})


def test_a_recycled_buffer_serves_the_next_whole_piece() -> None:
    geometry = Geometry(total_bytes=4 * BLOCK_SIZE, piece_length=BLOCK_SIZE)
    assembly = PieceAssembly(geometry)

    def piece(index: int) -> bytearray:
        assembly.write(geometry.block(index, 0), bytes([index]) * BLOCK_SIZE, ANN)
        return assembly.take(index)[0]

    first = piece(0)
    assembly.recycle(first)
    second = piece(1)
    assert second is first
    assert second == bytes([1]) * BLOCK_SIZE
    assert piece(2) is not second


def test_a_short_last_piece_is_never_mixed_up_with_a_whole_one() -> None:
    assembly = PieceAssembly(GEOMETRY)
    for index in (1, 0, 1):
        for block in GEOMETRY.blocks(index):
            assembly.write(block, good(block), ANN)
        buffer, _ = assembly.take(index)
        assert buffer == good_piece(index)
        assembly.recycle(buffer)


def test_padding_is_zero_in_a_buffer_that_held_something_else() -> None:
    size = 2 * BLOCK_SIZE + 100
    geometry = Geometry.of(2 * size, size, padding=[(size, BLOCK_SIZE), (2 * size - 100, 100)])
    assembly = PieceAssembly(geometry)
    for block in geometry.blocks(0):
        assembly.write(block, b"\xff" * block.length, ANN)
    first, _ = assembly.take(0)
    assembly.recycle(first)
    assembly.write(geometry.block(1, 1), b"\x11" * BLOCK_SIZE, ANN)
    second, _ = assembly.take(1)
    assert second is first
    assert second == bytes(BLOCK_SIZE) + b"\x11" * BLOCK_SIZE + bytes(100)


def test_only_a_few_buffers_are_kept() -> None:
    geometry = Geometry(total_bytes=100 * BLOCK_SIZE, piece_length=BLOCK_SIZE)
    assembly = PieceAssembly(geometry)
    used = []
    for index in range(MAX_FREE_BUFFERS + 5):
        assembly.write(geometry.block(index, 0), bytes(BLOCK_SIZE), ANN)
        used.append(assembly.take(index)[0])
    for buffer in used:
        assembly.recycle(buffer)
    reused = 0
    for index in range(50, 50 + len(used)):
        assembly.write(geometry.block(index, 0), bytes(BLOCK_SIZE), ANN)
        taken, _ = assembly.take(index)
        reused += any(taken is buffer for buffer in used)
    assert reused == MAX_FREE_BUFFERS


def senders_of(index: int, *sources: Sender) -> dict[int, Sender]:
    return {block.begin: source for block, source in zip(GEOMETRY.blocks(index), sources, strict=True)}


def spoilt(index: int, *numbers: int) -> bytearray:
    buffer = good_piece(index)
    for number in numbers:
        buffer[number * BLOCK_SIZE] ^= 0xFF
    return buffer


def test_a_single_sender_is_guilty_at_once() -> None:
    blame = Blame()
    assert blame.piece_failed(0, spoilt(0, 1), senders_of(0, EVE, EVE, EVE), GEOMETRY) == [EVE]
    assert blame.piece_verified(0, good_piece(0)) == []


def test_a_peer_that_changes_its_listen_port_is_still_one_peer() -> None:
    """The extension handshake may be repeated at any time, so also between two bad blocks."""
    blame = Blame()
    eve_again = sender(3, listen_port=9999)
    accused = blame.piece_failed(0, spoilt(0, 0, 1), senders_of(0, EVE, eve_again, EVE), GEOMETRY)
    assert [liar.number for liar in accused] == [3]
    blame.piece_failed(1, spoilt(1, 0, 1), senders_of(1, EVE, eve_again, ANN), GEOMETRY)
    assert [liar.number for liar in blame.piece_verified(1, good_piece(1))] == [3]


def test_among_several_the_good_copy_tells() -> None:
    blame = Blame()
    assert blame.piece_failed(0, spoilt(0, 1), senders_of(0, ANN, EVE, BOB), GEOMETRY) == []
    assert blame.piece_verified(0, good_piece(0)) == [EVE]
    assert blame.piece_verified(0, good_piece(0)) == []


def test_each_liar_is_named_once_and_innocents_never() -> None:
    blame = Blame()
    assert blame.piece_failed(0, spoilt(0, 0, 2), senders_of(0, EVE, ANN, EVE), GEOMETRY) == []
    assert blame.piece_failed(0, spoilt(0, 1), senders_of(0, ANN, BOB, ANN), GEOMETRY) == []
    assert blame.piece_verified(0, good_piece(0)) == [EVE, BOB]


def test_pieces_are_judged_apart() -> None:
    blame = Blame()
    blame.piece_failed(0, spoilt(0, 0), senders_of(0, EVE, ANN, ANN), GEOMETRY)
    blame.piece_failed(1, spoilt(1, 2), senders_of(1, ANN, ANN, BOB), GEOMETRY)
    assert blame.piece_verified(1, good_piece(1)) == [BOB]
    assert blame.piece_verified(0, good_piece(0)) == [EVE]


def test_the_memory_of_failed_pieces_is_bounded() -> None:
    blame = Blame(max_pieces=1)
    blame.piece_failed(0, spoilt(0, 0), senders_of(0, EVE, ANN, ANN), GEOMETRY)
    blame.piece_failed(1, spoilt(1, 0), senders_of(1, EVE, ANN, ANN), GEOMETRY)
    assert blame.piece_verified(1, good_piece(1)) == []
    assert blame.piece_verified(0, good_piece(0)) == [EVE]
    blame.piece_failed(1, spoilt(1, 0), senders_of(1, EVE, ANN, ANN), GEOMETRY)  # there is room again
    assert blame.piece_verified(1, good_piece(1)) == [EVE]


def test_of_a_piece_that_fails_often_the_last_suspects_are_kept() -> None:
    geometry = Geometry(total_bytes=2 * BLOCK_SIZE, piece_length=2 * BLOCK_SIZE)
    blame = Blame()
    good_bytes = bytearray(2 * BLOCK_SIZE)
    bad_bytes = bytearray(b"\x01") + good_bytes[1:]
    for attempt in range(MAX_SUSPECTS):
        blame.piece_failed(0, bad_bytes, {0: sender(attempt + 10), BLOCK_SIZE: ANN}, geometry)
    liars = blame.piece_verified(0, good_bytes)
    assert len(liars) == MAX_SUSPECTS // 2
    assert liars[-1].number == MAX_SUSPECTS - 1 + 10
    assert ANN not in liars


def test_places_are_parts_of_the_piece() -> None:
    assembly = PieceAssembly(GEOMETRY)
    blocks = GEOMETRY.blocks(1)
    places = assembly.places(blocks, 10, ANN.number)
    assert [block for block, _ in places] == blocks
    for block, place in places:
        place[:] = good(block)
        assembly.received(block, ANN)
    assert assembly.take(1) == (good_piece(1), {block.begin: ANN for block in blocks})


def test_at_most_so_many_places() -> None:
    blocks = GEOMETRY.blocks(0)
    assert [block for block, _ in PieceAssembly(GEOMETRY).places(blocks, 2, ANN.number)] == blocks[:2]


def test_a_place_is_held_by_one_only() -> None:
    assembly = PieceAssembly(GEOMETRY)
    blocks = GEOMETRY.blocks(0)
    assembly.hold(blocks[1], ANN.number)
    assert assembly.place(blocks[1], BOB.number) is None
    assert assembly.place(blocks[1], ANN.number) is not None
    assert [block for block, _ in assembly.places(blocks, 3, BOB.number)] == blocks[:1]  # not what is behind it either
    assert [block for block, _ in assembly.places(blocks, 3, ANN.number)] == [blocks[0], blocks[2]]
    assembly.release(BOB.number)
    assert assembly.is_held(blocks[1], ANN.number)
    assembly.release(ANN.number)
    assert not assembly.is_held(blocks[1], ANN.number)


def test_a_block_that_somebody_else_sent_is_not_held_any_more() -> None:
    assembly = PieceAssembly(GEOMETRY)
    block = GEOMETRY.block(0, 1)
    assembly.hold(block, ANN.number)
    assembly.write(block, good(block), BOB)
    assert not assembly.is_held(block, ANN.number)


def test_a_piece_that_is_given_up_lets_go_of_its_places() -> None:
    assembly = PieceAssembly(GEOMETRY)
    first, other = GEOMETRY.block(0, 1), GEOMETRY.block(1, 1)
    for block in (first, other):
        assembly.place(block, ANN.number)
        assembly.hold(block, ANN.number)
    assert assembly.drop(0) == 0
    assert not assembly.is_held(first, ANN.number)
    assert assembly.is_held(other, ANN.number)


def test_what_came_of_a_dropped_piece_is_told() -> None:
    assembly = PieceAssembly(GEOMETRY)
    for number in (0, 2):
        assembly.write(GEOMETRY.block(1, number), good(GEOMETRY.block(1, number)), ANN)
    assert assembly.drop(1) == BLOCK_SIZE + 100
    assert assembly.drop(1) == 0
    assert assembly.buffered_bytes == 0


def test_pieces_that_were_asked_for_in_vain_cost_no_memory() -> None:
    assembly = PieceAssembly(Geometry(total_bytes=40 * BLOCK_SIZE, piece_length=BLOCK_SIZE))
    blocks = [Block(index, 0, BLOCK_SIZE) for index in range(4)]
    assembly.places(blocks, 4, ANN.number)
    assembly.write(blocks[0], good(blocks[0]), ANN)
    assembly.hold(blocks[1], ANN.number)
    assembly.drop_empty(lambda index: index == 2)
    assert assembly.buffered_bytes == 3 * BLOCK_SIZE  # of the fourth nothing has come, and nobody waits for it
