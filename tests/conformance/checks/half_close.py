"""One direction ends, the other goes on."""

from __future__ import annotations

import pytest

from tests.conformance.checks.data import LARGE
from tests.conformance.plugs import Plug
from tests.conformance.protocols import BufferedRecorder, Recorder


async def check_a_question_ends_and_the_answer_follows(plug: Plug) -> None:
    async with plug.pair(lambda: Recorder(keep_open=True), Recorder) as pair:
        assert pair.client.transport.can_write_eof()
        pair.client.transport.write(b"question")
        pair.client.transport.write_eof()
        assert not pair.client.transport.is_closing()
        await pair.server.has_called("eof")
        assert pair.server.data == b"question"
        assert not pair.server.transport.is_closing()
        pair.server.transport.write(b"answer")
        pair.server.transport.write_eof()
        assert await pair.client.lost() is None
        assert pair.client.data == b"answer"
        assert pair.client.calls == ["made", "data", "eof", "lost"]
        pair.server.transport.close()
        assert await pair.server.lost() is None
        assert pair.server.calls == ["made", "data", "eof", "lost"]


async def check_the_accepting_side_may_end_first(plug: Plug) -> None:
    async with plug.pair(Recorder, lambda: BufferedRecorder(keep_open=True)) as pair:
        pair.server.transport.write_eof()
        await pair.client.has_called("eof")
        pair.client.transport.write(LARGE)
        pair.client.transport.close()
        assert await pair.server.lost() is None
        assert pair.server.data == LARGE
        assert await pair.client.lost() is None


async def check_what_is_buffered_comes_before_the_end(plug: Plug) -> None:
    async with plug.pair(lambda: Recorder(keep_open=True), Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.write(LARGE)
        pair.client.transport.write_eof()
        assert pair.client.transport.get_write_buffer_size() > 0
        pair.server.transport.resume_reading()
        await pair.server.has_called("eof")
        assert pair.server.data == LARGE


async def check_eof_received_that_answers_nothing_closes(plug: Plug) -> None:
    await _eof_answered_with(plug, None)


async def check_eof_received_that_answers_false_closes(plug: Plug) -> None:
    await _eof_answered_with(plug, False)


async def _eof_answered_with(plug: Plug, answer: bool | None) -> None:
    async with plug.pair(lambda: Recorder(keep_open=answer), Recorder) as pair:
        pair.client.transport.write_eof()
        assert await pair.server.lost() is None
        assert await pair.client.lost() is None
        assert pair.server.calls == pair.client.calls == ["made", "eof", "lost"]


async def check_eof_received_that_closes_still_flushes(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.client.transport.pause_reading()
        pair.server.transport.write(LARGE)
        pair.client.transport.write_eof()
        await pair.server.has_called("eof")
        assert pair.server.transport.is_closing()
        pair.client.transport.resume_reading()
        assert await pair.client.lost() is None
        assert pair.client.data == LARGE
        assert await pair.server.lost() is None


async def check_both_sides_may_end_and_stay(plug: Plug) -> None:
    async with plug.pair(lambda: Recorder(keep_open=True), lambda: Recorder(keep_open=True)) as pair:
        pair.client.transport.write_eof()
        pair.server.transport.write_eof()
        await pair.client.has_called("eof")
        await pair.server.has_called("eof")
        await plug.settle()
        assert not pair.client.is_lost
        assert not pair.server.is_lost
        pair.client.transport.close()
        pair.server.transport.close()
        assert await pair.client.lost() is None
        assert await pair.server.lost() is None


async def check_writing_after_the_end_is_an_error(plug: Plug) -> None:
    async with plug.pair(lambda: Recorder(keep_open=True), Recorder) as pair:
        pair.client.transport.write_eof()
        pair.client.transport.write_eof()
        with pytest.raises(RuntimeError):
            pair.client.transport.write(b"more")
        with pytest.raises(RuntimeError):
            pair.client.transport.writelines([b"even", b"more"])
        await pair.server.has_called("eof")
        await plug.settle()
        assert pair.server.data == b""
