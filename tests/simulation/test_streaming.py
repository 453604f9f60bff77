"""Watching a film while it comes, beside waiting for it."""

from __future__ import annotations

from tests.simulation import streaming
from transfer.simulation import run

FILM_S = 8 * streaming.MIB / streaming.PLAYED_BYTES_PER_S


def test_a_stream_keeps_ahead_of_the_player_where_rarest_first_would_not() -> None:
    streamed, usual = (run(one, seed=1).result for one in (streaming.streamed, streaming.not_streamed))
    assert streamed.stalled_s == 0
    assert streamed.started_after_s < 6.0, "five seconds of film take three at the rate of all seeders together"
    assert streamed.seconds < streamed.started_after_s + FILM_S
    assert usual.started_after_s + usual.stalled_s > 15.0, "nearly the whole film has to be there"


def test_a_jump_is_served_before_what_was_asked_for_earlier() -> None:
    report = run(streaming.jumping, seed=1)
    assert report.result.stalled_s == 0
    assert report.result.started_after_s < 9.0
    assert run(streaming.jumping, seed=1).digest == report.digest
