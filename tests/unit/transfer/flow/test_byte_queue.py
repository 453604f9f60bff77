"""A queue of bytes against a byte string that does the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.flow.byte_queue import ByteQueue, frozen

operations = st.lists(
    st.tuples(st.just("put"), st.binary(max_size=20))
    | st.tuples(st.sampled_from(["take", "take_into", "discard"]), st.integers(0, 50))
    | st.tuples(st.just("clear"), st.none()),
    max_size=40,
)


@given(operations)
def test_it_is_a_queue_of_bytes(program: list[tuple[str, bytes | int | None]]) -> None:
    queue, model = ByteQueue(), b""
    for operation, value in program:
        if isinstance(value, bytes):
            queue.put(value)
            model += value
        elif operation == "take" and value is not None:
            taken = queue.take(value)
            assert type(taken) is bytes
            assert taken == model[:value]
            model = model[value:]
        elif operation == "take_into" and value is not None:
            buffer = bytearray(b"\xff" * value)
            filled = queue.take_into(memoryview(buffer))
            assert filled == min(value, len(model))
            assert buffer == model[:filled] + b"\xff" * (value - filled)
            model = model[filled:]
        elif operation == "discard" and value is not None:
            queue.discard(min(value, len(model)))
            model = model[value:]
        else:
            queue.clear()
            model = b""
        assert queue.size == len(model)
        assert b"".join(queue.vectors(1000)) == model
        assert all(queue.vectors(1000))


def test_whole_chunks_are_not_copied() -> None:
    queue = ByteQueue()
    data = b"a chunk"
    queue.put(data)
    queue.put(b"another")
    assert queue.take(len(data)) is data
    assert queue.take_first() == b"another"
    queue.put(data)
    assert queue.take_first() is data
    assert queue.size == 0
    queue.put(data)
    assert queue.take(100) is data
    queue.put(memoryview(data))
    assert type(queue.take_first()) is bytes


def test_whole_chunks_are_taken_together_and_a_long_one_is_cut() -> None:
    queue = ByteQueue()
    for size in (70, 20, 50, 250):
        queue.put(bytes(size))
    sizes = []
    while queue.size:
        sizes.append((queue.first_size, len(queue.take_whole(100))))
    assert sizes == [(70, 90), (50, 50), (250, 100), (150, 100), (50, 50)]
    assert (queue.first_size, queue.take_whole(100)) == (0, b"")


def test_no_more_vectors_come_than_a_call_takes() -> None:
    queue = ByteQueue()
    for number in range(5):
        queue.put(bytes([number]))
    assert queue.vectors(3) == [b"\x00", b"\x01", b"\x02"]
    assert queue.size == 5


def test_only_what_can_change_is_copied() -> None:
    data = b"for ever"
    assert frozen(data) is data
    changing = bytearray(b"today")
    kept = frozen(changing), frozen(memoryview(changing)[:3])
    changing[:] = b"later"
    assert kept == (b"today", b"tod")
    with pytest.raises(TypeError, match="'int'"):
        frozen(5)  # type: ignore[arg-type]  # the point: bytes(5) are five zeros


def test_parts_are_taken_as_they_lie() -> None:
    queue = ByteQueue()
    first = bytes(range(200))
    queue.put(first)
    queue.put(b"rest")
    (part,) = queue.take_parts(150)
    assert isinstance(part, memoryview)
    assert part.obj is first
    assert (bytes(part), queue.size) == (first[:150], 54)
    assert b"".join(queue.take_parts(1000)) == first[150:] + b"rest"
    assert (queue.take_parts(10), queue.size) == ([], 0)


def test_many_small_parts_are_joined() -> None:
    queue = ByteQueue()
    for _ in range(100):
        queue.put(b"abc")
    assert queue.take_parts(100) == [b"abc" * 33 + b"a"]
    assert queue.size == 200


def test_small_chunks_are_joined_up_to_a_size() -> None:
    queue = ByteQueue()
    for _ in range(10):
        queue.put_joined(b"123", 7)
    assert queue.vectors(10) == [b"123123"] * 5
    assert queue.take(100) == b"123" * 10
