"""A pipe against a byte string that does the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transfer.aio.pipe import Pipe

operations = st.lists(
    st.tuples(st.just("put"), st.binary(max_size=20))
    | st.tuples(st.sampled_from(["take", "take_into"]), st.integers(0, 50))
    | st.tuples(st.just("clear"), st.none()),
    max_size=40,
)


@given(operations)
def test_it_is_a_queue_of_bytes(program: list[tuple[str, bytes | int | None]]) -> None:
    pipe, model = Pipe(), b""
    for operation, value in program:
        if isinstance(value, bytes):
            pipe.put(value)
            model += value
        elif operation == "take" and value is not None:
            taken = pipe.take(value)
            assert type(taken) is bytes
            assert taken == model[:value]
            model = model[value:]
        elif operation == "take_into" and value is not None:
            buffer = bytearray(b"\xff" * value)
            filled = pipe.take_into(memoryview(buffer))
            assert filled == min(value, len(model))
            assert buffer == model[:filled] + b"\xff" * (value - filled)
            model = model[filled:]
        else:
            pipe.clear()
            model = b""
        assert pipe.size == len(model)


def test_whole_chunks_are_not_copied() -> None:
    pipe = Pipe()
    data = b"a chunk"
    pipe.put(data)
    pipe.put(b"another")
    assert pipe.take(len(data)) is data
