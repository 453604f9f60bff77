"""What a stream has to send, cut into packets."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transfer.simulation.packets.outbox import Outbox
from transfer.simulation.segments import Kind


def drained(outbox: Outbox) -> list[tuple[Kind, bytes]]:
    return [outbox.cut() for _ in range(outbox.packets)]


def test_small_writes_share_a_packet_and_long_ones_fill_several() -> None:
    outbox = Outbox(10)
    for data in (b"abc", b"", b"defg", b"hijklmnopqrstuvw", b"x"):
        outbox.put(data)
    assert outbox.packets == 3
    assert drained(outbox) == [(Kind.DATA, b"abcdefghij"), (Kind.DATA, b"klmnopqrst"), (Kind.DATA, b"uvwx")]
    assert (outbox.packets, outbox.shared_bytes) == (0, 0)


def test_a_mark_is_a_packet_of_its_own_and_keeps_its_place() -> None:
    outbox = Outbox(10)
    outbox.put_packet(Kind.OPEN)
    outbox.put(b"ab")
    outbox.put(b"cd")
    outbox.put_packet(Kind.EOF)
    assert outbox.packets == 3
    assert drained(outbox) == [(Kind.OPEN, b""), (Kind.DATA, b"abcd"), (Kind.EOF, b"")]


def test_bytes_of_an_uncertain_length_take_as_many_packets_as_the_length_they_count_as() -> None:
    counts = set()
    for size in (990, 1000, 1010, 1024):
        outbox = Outbox(500)
        outbox.put_opaque(bytes(size), 1024)
        counts.add(outbox.packets)
        assert sum(len(data) for _, data in drained(outbox)) == size
    assert counts == {3}


@given(
    st.integers(1, 20),
    st.lists(st.one_of(st.binary(max_size=70), st.none()), max_size=40),
    st.lists(st.binary(max_size=50), max_size=5),
)
def test_whatever_is_put_and_cut_in_between_comes_out_in_order(
    packet_bytes: int, steps: list[bytes | None], opaque: list[bytes]
) -> None:
    """None cuts a packet, if there is one."""
    outbox, put, got = Outbox(packet_bytes), b"", b""
    for step in steps:
        if step is not None:
            outbox.put(step)
            put += step
        elif outbox.packets:
            got += outbox.cut()[1]
        outbox.check_invariants()
    for data in opaque:
        outbox.put_opaque(data, len(data) + 3)
        put += data
        outbox.check_invariants()
    rest = drained(outbox)
    assert all(len(data) <= packet_bytes for _, data in rest)
    assert got + b"".join(data for _, data in rest) == put
    assert outbox.packets == 0
    outbox.check_invariants()
