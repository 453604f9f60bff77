"""How connections end: flushed, dropped, or broken by the other side; and that everybody is told exactly once."""

from __future__ import annotations

from tests.conformance.checks.data import LARGE
from tests.conformance.plugs import Plug
from tests.conformance.protocols import BufferedRecorder, Recorder


async def check_close_tells_both_sides(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.client.transport.close()
        assert pair.client.transport.is_closing()
        assert not pair.client.transport.is_reading()
        assert pair.client.calls == ["made"]
        assert await pair.client.lost() is None
        assert await pair.server.lost() is None
        assert pair.client.calls == ["made", "lost"]
        assert pair.server.calls == ["made", "eof", "lost"]


async def check_close_flushes(plug: Plug) -> None:
    async with plug.pair(lambda: BufferedRecorder(buffer_bytes=50_000), Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.write(LARGE)
        pair.client.transport.close()
        await plug.settle()
        assert not pair.client.is_lost
        assert pair.server.data == b""
        pair.server.transport.resume_reading()
        assert await pair.client.lost() is None
        assert await pair.server.lost() is None
        assert pair.server.data == LARGE


async def check_a_closing_side_is_given_nothing(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.server.transport.write(b"crosses the close")
        pair.client.transport.close()
        await pair.client.lost()
        assert pair.client.data == b""


async def check_a_side_that_flushes_is_given_nothing(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.client.transport.pause_reading()
        pair.server.transport.write(LARGE + LARGE)
        await plug.settle()
        pair.client.transport.write(b"crosses the close")
        pair.server.transport.close()
        await plug.settle()
        assert pair.server.data == b""
        assert not pair.server.is_lost


async def check_a_backlog_below_the_marks_is_flushed_too(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.client.transport.set_write_buffer_limits(high=1 << 30)
        pair.server.transport.pause_reading()
        pair.client.transport.write(LARGE + LARGE)
        pair.client.transport.close()
        await plug.settle()
        assert pair.client.calls == ["made"]
        pair.server.transport.resume_reading()
        assert await pair.client.lost() is None
        assert await pair.server.lost() is None
        assert pair.server.data == LARGE + LARGE


async def check_closing_methods_after_close_are_harmless(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        transport = pair.client.transport
        transport.close()
        transport.close()
        transport.abort()
        transport.pause_reading()
        transport.resume_reading()
        transport.write_eof()
        await pair.client.lost()
        transport.close()
        transport.abort()
        assert transport.is_closing()
        assert isinstance(await pair.server.lost(), ConnectionResetError | None)
        await plug.settle()
        assert pair.client.calls == ["made", "lost"]


async def check_writes_after_close_are_dropped(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.client.transport.write(b"in time")
        await pair.server.has(7)
        pair.client.transport.close()
        pair.client.transport.write(b"too late")
        assert await pair.client.lost() is None
        assert await pair.server.lost() is None
        assert pair.server.data == b"in time"


async def check_both_sides_may_close_at_once(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.client.transport.close()
        pair.server.transport.close()
        assert await pair.client.lost() is None
        assert await pair.server.lost() is None


async def check_abort_drops_what_is_buffered(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.write(LARGE + LARGE)
        await plug.settle()
        assert pair.client.is_paused
        pair.client.transport.abort()
        assert pair.client.transport.is_closing()
        assert not pair.client.is_lost
        assert await pair.client.lost() is None
        assert pair.client.calls == ["made", "pause", "lost"]
        pair.server.transport.resume_reading()
        assert isinstance(await pair.server.lost(), ConnectionResetError | None)
        assert len(pair.server.data) < 2 * len(LARGE)
        assert (LARGE + LARGE).startswith(pair.server.data)


async def check_abort_interrupts_a_close_that_flushes(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.write(LARGE + LARGE)
        pair.client.transport.close()
        await plug.settle()
        assert not pair.client.is_lost
        pair.client.transport.abort()
        pair.client.transport.abort()
        assert await pair.client.lost() is None
        pair.server.transport.resume_reading()
        await pair.server.lost()
        assert len(pair.server.data) < 2 * len(LARGE)


async def check_closing_with_unread_data_resets_the_other_side(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.write(b"never read")
        await plug.settle()
        pair.server.transport.close()
        assert await pair.server.lost() is None
        assert pair.server.data == b""
        assert isinstance(await pair.client.lost(), ConnectionResetError)


async def check_who_waits_to_write_learns_that_nobody_reads(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.pause_reading()
        pair.client.transport.write(LARGE + LARGE)
        await plug.settle()
        pair.server.transport.abort()
        assert isinstance(await pair.client.lost(), ConnectionResetError | BrokenPipeError)
        assert pair.client.calls == ["made", "pause", "lost"]


async def check_a_close_that_flushes_to_nobody_ends(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.write(LARGE + LARGE)
        pair.client.transport.close()
        await plug.settle()
        pair.server.transport.abort()
        assert isinstance(await pair.client.lost(), ConnectionResetError | BrokenPipeError)


async def check_writing_to_who_has_gone_is_an_error_in_the_end(plug: Plug) -> None:
    async with plug.pair(Recorder, lambda: Recorder(keep_open=True)) as pair:
        pair.server.transport.close()
        await pair.server.lost()
        await pair.client.has_called("eof")
        for _ in range(5):
            if not pair.client.is_lost:
                pair.client.transport.write(b"is anybody there?")
                await plug.settle()
        assert isinstance(await pair.client.lost(), ConnectionResetError | BrokenPipeError)
        assert pair.client.calls == ["made", "eof", "lost"]


async def check_an_answer_is_read_before_the_reset_behind_it(plug: Plug) -> None:
    async with plug.pair(Recorder, Recorder) as pair:
        pair.server.transport.pause_reading()
        pair.client.transport.write(b"a long question")
        await plug.settle()
        pair.server.transport.write(b"no")
        pair.server.transport.close()
        assert isinstance(await pair.client.lost(), ConnectionResetError)
        assert pair.client.data == b"no"


async def check_closing_in_connection_made(plug: Plug) -> None:
    async with plug.pair(lambda: Recorder(on_made=lambda record: record.transport.close()), Recorder) as pair:
        assert await pair.server.lost() is None
        assert pair.server.calls == ["made", "lost"]
        assert await pair.client.lost() is None
        assert pair.client.calls == ["made", "eof", "lost"]


async def check_closing_while_receiving(plug: Plug) -> None:
    async with plug.pair(
        lambda: BufferedRecorder(buffer_bytes=10, on_data=lambda record: record.transport.abort()), Recorder
    ) as pair:
        pair.client.transport.write(b"0123456789" * 3)
        assert await pair.server.lost() is None
        assert pair.server.calls == ["made", "data", "lost"]
        assert len(pair.server.data) <= 10
        assert isinstance(await pair.client.lost(), ConnectionResetError | None)
