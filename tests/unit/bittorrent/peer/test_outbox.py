"""What waits to be written to a peer: the order, and what is announced when it is taken."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bittorrent.peer.outbox import MANY, Outbox
from bittorrent.pieces.bitfield import Bitfield
from bittorrent.pieces.block import Block
from bittorrent.wire import messages as wire


def joined(outbox: Outbox, held: Bitfield | None = None) -> bytes:
    return b"".join(outbox.take(held, now=9.0))


def test_messages_leave_in_order_and_blocks_are_not_copied() -> None:
    outbox = Outbox(now=1.0)
    assert not outbox
    assert outbox.put_at == 1.0
    content = memoryview(bytearray(b"abc"))
    outbox.put(b"first", now=2.0)
    outbox.put_blocks([(Block(4, 16384, 3), content)], now=3.0)
    assert outbox
    assert outbox.put_at == 3.0
    assert outbox.size_bytes == len(b"first") + len(wire.piece_header(4, 16384, 3)) + 3
    chunks = outbox.take(None, now=4.0)
    assert chunks[0] == b"first"
    assert chunks[-1] is content
    assert outbox.put_at == 3.0, "taking is not sending anything new"
    assert not outbox
    assert outbox.take(None, now=5.0) == []


@given(st.lists(st.integers(0, 40), max_size=60), st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_pieces_are_announced_but_for_those_that_the_peer_has_or_that_were_taken_back(
    announced: list[int], held: set[int], lost: set[int]
) -> None:
    outbox, left = Outbox(now=0.0), list(announced)
    outbox.announce(announced)
    for index in sorted(lost):
        assert outbox.take_back(index) is (index in left)
        if index in left:
            left.remove(index)
    expected = b"".join(wire.encode_message(wire.Have(index)) for index in left if index not in held)
    assert joined(outbox, Bitfield(41, held)) == expected
    assert (outbox.put_at == 9.0) is bool(expected)


def test_many_announcements_leave_out_the_same() -> None:
    outbox, size = Outbox(now=0.0), 3 * MANY
    outbox.announce(range(size))
    held = Bitfield(size, range(0, size, 2))
    assert joined(outbox, held) == wire.encode_haves(list(range(1, size, 2)))


def test_nothing_is_left_after_the_end() -> None:
    outbox = Outbox(now=0.0)
    outbox.put(b"x", now=0.0)
    outbox.announce([1])
    outbox.clear()
    assert not outbox
    assert joined(outbox) == b""
