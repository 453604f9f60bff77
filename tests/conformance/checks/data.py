"""What is written arrives: all of it, once, in order, to whichever protocol is set."""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.conformance.plugs import Plug
from tests.conformance.protocols import BufferedRecorder, Record, Recorder

LARGE = random.Random(8).randbytes(8 << 20)


async def check_every_bytes_like_type_arrives(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        write = pair.client.transport.write
        write(b"bytes")
        write(bytearray(b" bytearray"))
        write(memoryview(b" memoryview"))
        write(memoryview(b"in the middle")[2:6])
        write(b"")
        pair.client.transport.writelines([b" one", bytearray(b" two"), memoryview(b" three")])
        pair.client.transport.writelines([])
        expected = b"bytes bytearray memoryview the one two three"
        assert await pair.server.has(len(expected)) == expected


async def check_text_is_refused(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        with pytest.raises(TypeError):
            pair.client.transport.write("text")  # type: ignore[arg-type]  # the point
        pair.client.transport.write(b"bytes")
        assert await pair.server.has(5) == b"bytes"


async def check_many_small_writes_arrive_in_order(plug: Plug) -> None:
    async with plug.pair(lambda: BufferedRecorder(buffer_bytes=7), Recorder) as pair:
        numbers = [b"%d " % number for number in range(3000)]
        for number in numbers:
            pair.client.transport.write(number)
        expected = b"".join(numbers)
        assert await pair.server.has(len(expected)) == expected


async def check_large_transfer_to_a_protocol(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.client.transport.write(LARGE)
        assert await pair.server.has(len(LARGE)) == LARGE
        assert pair.server.calls == ["made", "data"]


async def check_large_transfers_both_ways_at_once(plug: Plug) -> None:
    async with plug.pair(lambda: BufferedRecorder(buffer_bytes=100_000), Recorder) as pair:
        there, back = LARGE[: 4 << 20], LARGE[4 << 20 :]
        pair.client.transport.write(there)
        pair.server.transport.writelines([back[at : at + 100_000] for at in range(0, len(back), 100_000)])
        assert await pair.server.has(len(there)) == there
        assert await pair.client.has(len(back)) == back


async def check_answers_written_while_receiving_do_not_nest(plug: Plug) -> None:
    """A ball that flies 400 times; `Record` notices callbacks inside callbacks."""

    def answer(record: Record) -> None:
        if len(record.data) < 200:
            record.transport.write(b"x")

    async with plug.pair(lambda: Recorder(on_data=answer), lambda: Recorder(on_data=answer)) as pair:
        pair.client.transport.write(b"x")
        await pair.server.has(200)


async def check_the_protocol_can_be_changed_to_the_other_kind(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.client.transport.write(b"first")
        assert await pair.server.has(5) == b"first"
        second = BufferedRecorder()
        second.take_over(pair.server.transport)
        assert pair.server.transport.get_protocol() is second
        pair.client.transport.write(b"second")
        assert await second.has(6) == b"second"
        pair.server.transport.set_protocol(pair.server)
        pair.client.transport.write(b" and back")
        assert await pair.server.has(14) == b"first and back"
        assert second.violations == []


async def check_a_protocol_changed_while_receiving_gets_the_rest(plug: Plug) -> None:
    second = Recorder()
    first = BufferedRecorder(buffer_bytes=10, on_data=lambda record: second.take_over(record.transport))
    async with plug.pair(lambda: first, Recorder) as pair:
        pair.client.transport.write(LARGE[:100_000])
        await second.has(99_990)
        assert 0 < len(first.data) <= 10
        assert first.data + second.data == LARGE[:100_000]
        pair.client.transport.close()
        assert await second.lost() is None
        assert second.violations == []
        assert first.calls == ["made", "data"]
        first.is_lost = True  # for its part


async def check_a_protocol_that_fails_loses_its_connection(plug: Plug) -> None:
    def fail(record: Record) -> None:
        raise ArithmeticError("on purpose")

    failures: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    reports = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    async with plug.pair(lambda: Recorder(on_data=fail), Recorder) as pair:
        pair.client.transport.write(b"x")
        assert isinstance(await pair.server.lost(), ArithmeticError)
        assert isinstance(await pair.client.lost(), ConnectionResetError | None)
    assert [str(failure["exception"]) for failure in failures] == ["on purpose"]
    loop.set_exception_handler(reports)


async def check_a_protocol_without_room_loses_its_connection(plug: Plug) -> None:
    failures: list[dict[str, object]] = []
    loop = asyncio.get_running_loop()
    reports = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: failures.append(context))
    async with plug.pair(lambda: BufferedRecorder(buffer_bytes=0), Recorder) as pair:
        pair.client.transport.write(b"x")
        assert isinstance(await pair.server.lost(), RuntimeError)
        assert pair.server.data == b""
    assert len(failures) == 1
    loop.set_exception_handler(reports)
