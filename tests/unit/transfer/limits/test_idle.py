"""What is idle is asked, and closed if it does not answer; what speaks is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transfer.limits.idle import Due, IdleAction, IdleConfig, IdleCore, IdleKind

CHECK, CLOSE = IdleAction.CHECK, IdleAction.CLOSE


def test_a_connection_is_asked_after_30_s_and_a_stream_after_60() -> None:
    core: IdleCore[str] = IdleCore()
    core.add("connection", now=0.0)
    core.add("stream", IdleKind.STREAM, now=0.0)
    core.add("torrent peer", IdleKind.OWN_RULES, now=0.0)
    assert core.next_timer() == 30.0
    assert core.handle_timer(now=29.9) == []
    assert core.handle_timer(now=30.0) == [Due("connection", CHECK)]
    core.passed("connection", now=31.0)
    assert core.handle_timer(now=60.0) == [Due("stream", CHECK)]
    assert core.handle_timer(now=61.0) == [Due("connection", CHECK)]
    core.failed("connection", now=62.0)
    assert core.handle_timer(now=62.0) == [Due("connection", CLOSE)]
    assert core.handle_timer(now=70.0) == [Due("stream", CLOSE)], "no answer is an answer"
    assert "torrent peer" in core
    assert core.handle_timer(now=1e6) == []
    assert core.next_timer() is None


def test_a_sign_of_life_counts_before_and_while_it_is_asked() -> None:
    core: IdleCore[int] = IdleCore(IdleConfig(connection_s=30.0, check_timeout_s=10.0))
    core.add(1, now=0.0)
    core.active(1, now=20.0)
    assert core.handle_timer(now=30.0) == []
    assert core.handle_timer(now=50.0) == [Due(1, CHECK)]
    core.active(1, now=55.0)
    assert core.handle_timer(now=60.0) == []
    assert core.handle_timer(now=85.0) == [Due(1, CHECK)]
    core.active(1, now=86.0)
    core.failed(1, now=87.0)
    assert core.handle_timer(now=87.0) == [Due(1, CLOSE)], "a check that failed has failed"


def test_patience_may_be_without_end() -> None:
    core: IdleCore[str] = IdleCore(IdleConfig(connection_s=None, stream_s=60.0))
    core.add("connection", now=0.0)
    core.add("stream", IdleKind.STREAM, now=0.0)
    assert core.next_timer() == 60.0
    core.remove("stream")
    assert core.next_timer() is None
    assert core.handle_timer(now=1e9) == []
    core.check_invariants()
    with pytest.raises(ValueError, match="positive"):
        IdleConfig(stream_s=0.0)


def test_what_is_gone_is_not_asked() -> None:
    core: IdleCore[int] = IdleCore()
    core.add(1, now=0.0)
    core.remove(1)
    core.remove(1)
    core.active(1, now=1.0)
    core.passed(1, now=1.0)
    core.failed(1, now=1.0)
    assert core.next_timer() is None
    assert core.handle_timer(now=100.0) == []


@given(st.lists(st.tuples(st.sampled_from(["add", "active", "remove", "wait", "pass", "fail"]), st.integers(0, 3))))
def test_nothing_is_closed_without_being_asked_nor_asked_before_its_time(steps: list[tuple[str, int]]) -> None:
    core: IdleCore[int] = IdleCore(IdleConfig(connection_s=30.0, stream_s=60.0, check_timeout_s=10.0))
    now, active, asked = 0.0, dict[int, float](), dict[int, float]()
    for what, key in steps:
        match what:
            case "add":
                core.add(key, IdleKind.STREAM if key == 3 else IdleKind.CONNECTION, now=now)
                active[key] = now
                asked.pop(key, None)
            case "active":
                core.active(key, now=now)
                if key in active:
                    active[key] = now
            case "remove":
                core.remove(key)
                active.pop(key, None)
                asked.pop(key, None)
            case "pass":
                core.passed(key, now=now)
                if asked.pop(key, None) is not None:
                    active[key] = now
            case "fail":
                core.failed(key, now=now)
            case "wait":
                now += 7.0 * (key + 1)
        for due in core.handle_timer(now=now):
            if due.action is CHECK:
                assert now - active[due.key] >= (60.0 if due.key == 3 else 30.0)
                asked[due.key] = now
            else:
                assert due.key in asked
                del active[due.key], asked[due.key]
        asked = {key: at for key, at in asked.items() if now - at < 10.0 or active[key] <= at}
        core.check_invariants()
        assert len(core) == len(active)
        timer = core.next_timer()
        assert (timer is None) == (not active)
        assert timer is None or timer > now


def test_times_are_positive() -> None:
    with pytest.raises(ValueError, match="must be positive"):
        IdleConfig(connection_s=0.0)
