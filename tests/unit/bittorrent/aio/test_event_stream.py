"""Events in bounded memory, for readers of any speed."""

from __future__ import annotations

import asyncio
import gc

import pytest

from bittorrent.aio.event_stream import EventSource, EventStream
from bittorrent.events import EventsLost


async def read_all(stream: EventStream[int]) -> list[int | EventsLost]:
    return [event async for event in stream]


async def test_everybody_hears_what_happens_from_now_on() -> None:
    source: EventSource[int] = EventSource()
    source.tell(1)
    first = source.listen(max_waiting=10)
    source.tell(2)
    second = source.listen(max_waiting=10)
    source.tell(3)
    source.end()
    source.tell(4)
    assert await read_all(first) == [2, 3]
    assert await read_all(second) == [3]
    assert await read_all(source.listen(max_waiting=1)) == []


async def test_a_reader_waits_for_the_next() -> None:
    source: EventSource[int] = EventSource()
    stream = source.listen(max_waiting=10)
    reading = asyncio.create_task(read_all(stream))
    for number in range(3):
        await asyncio.sleep(0)
        source.tell(number)
    await asyncio.sleep(0)
    source.end()
    assert await reading == [0, 1, 2]


async def test_what_a_slow_reader_misses_is_counted() -> None:
    source: EventSource[int] = EventSource()
    stream = source.listen(max_waiting=3)
    for number in range(10):
        source.tell(number)
    assert [await anext(stream) for _ in range(3)] == [EventsLost(7), 7, 8]
    source.tell(10)
    source.tell(11)
    source.tell(12)
    source.end()
    assert await read_all(stream) == [EventsLost(1), 10, 11, 12]


async def test_a_cancelled_wait_takes_nothing() -> None:
    source: EventSource[int] = EventSource()
    stream = source.listen(max_waiting=3)
    reading = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.wait([reading])
    source.tell(1)
    assert await anext(stream) == 1


async def test_nobody_is_told_who_does_not_listen() -> None:
    source: EventSource[int] = EventSource()
    async with source.listen(max_waiting=3) as stream:
        source.tell(1)
    source.tell(2)
    assert await read_all(stream) == []
    forgotten = source.listen(max_waiting=3)
    del forgotten, stream
    gc.collect()
    source.tell(3)
    source.listen(max_waiting=3)
    assert len(source._streams) == 1


async def test_at_least_one_event_waits() -> None:
    with pytest.raises(ValueError, match="at least one"):
        EventStream(max_waiting=0)
