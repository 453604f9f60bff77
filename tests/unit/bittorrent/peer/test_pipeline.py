"""How many requests are kept with a peer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.peer.pipeline import PipelineConfig, RequestPipeline
from bittorrent.pieces.block import BLOCK_SIZE

CONFIG = PipelineConfig(first=4, least=2, most=100, queue_time_s=3.0, growth=1.1, snub_timeout_s=30.0)


def pipeline(config: PipelineConfig = CONFIG) -> RequestPipeline:
    return RequestPipeline(config=config, now=0.0)


def receive(machine: RequestPipeline, count: int, *, now: float, outstanding: int = 1) -> None:
    for _ in range(count):
        machine.blocks_received(1, BLOCK_SIZE, outstanding=outstanding, now=now)


def test_slow_start_doubles_in_a_round_trip() -> None:
    machine = pipeline()
    assert machine.target == 4
    receive(machine, 4, now=0.1)
    assert machine.target == 8
    receive(machine, 8, now=0.2)
    assert machine.target == 16


def test_it_never_exceeds_the_most() -> None:
    machine = pipeline()
    receive(machine, 1000, now=0.5)
    assert machine.target == 100


def test_slow_start_goes_on_while_the_rate_grows() -> None:
    machine = pipeline()
    receive(machine, 4, now=0.5)
    machine.tick(now=1.0)
    receive(machine, 8, now=1.5)
    machine.tick(now=2.0)
    assert machine.target == 16
    receive(machine, 1, now=2.5)
    assert machine.target == 17


def test_a_steady_rate_ends_slow_start_at_its_queue_time() -> None:
    machine = pipeline()
    for second in range(1, 4):
        receive(machine, 10, now=second - 0.5)
        machine.tick(now=float(second))
    assert machine.target == 30  # three seconds' worth of ten blocks a second
    receive(machine, 10, now=3.5)
    assert machine.target == 30


def test_a_pause_shrinks_to_the_least_and_a_flow_grows_again() -> None:
    machine = pipeline()
    for second in range(1, 4):
        receive(machine, 10, now=second - 0.5)
        machine.tick(now=float(second))
    machine.nothing_owed()
    machine.tick(now=4.0)
    machine.tick(now=5.0)
    assert machine.target == 2
    for second in range(6, 9):
        receive(machine, 2 * machine.target, now=second - 0.5)
        machine.tick(now=float(second))
    assert machine.target > 20


def test_the_clock_is_read_once_a_second() -> None:
    machine = pipeline()
    receive(machine, 10, now=0.1)
    for tenth in range(1, 10):
        assert not machine.tick(now=tenth / 10)
    assert machine.target == 14


def test_silence_snubs_and_lets_requests_go() -> None:
    machine = pipeline()
    machine.requests_sent(now=1.0)
    machine.requests_sent(now=20.0)  # more of them do not make the peer less late
    assert not machine.tick(now=30.9)
    assert machine.tick(now=31.0)
    assert (machine.is_snubbed, machine.target) == (True, 1)
    assert not machine.tick(now=200.0)  # nothing is owed


def test_a_block_ends_a_snub() -> None:
    machine = pipeline()
    machine.requests_sent(now=0.0)
    assert machine.tick(now=30.0)
    receive(machine, 1, now=40.0)
    assert (machine.is_snubbed, machine.target) == (False, 2)
    receive(machine, 1, now=40.1)
    assert machine.target == 3


def test_a_snubbed_peer_does_not_keep_its_one_request_for_ever() -> None:
    machine = pipeline()
    machine.requests_sent(now=0.0)
    assert machine.tick(now=30.0)
    machine.requests_sent(now=30.0)
    assert not machine.tick(now=59.0)
    assert machine.tick(now=60.0)
    assert (machine.is_snubbed, machine.target) == (True, 1)


@pytest.mark.parametrize("end", ["answered", "choked"])
def test_who_owes_nothing_is_not_late(end: str) -> None:
    machine = pipeline()
    machine.requests_sent(now=0.0)
    if end == "answered":
        machine.blocks_received(1, BLOCK_SIZE, outstanding=0, now=1.0)
    else:
        machine.nothing_owed()
    assert not machine.tick(now=100.0)
    machine.requests_sent(now=100.0)
    assert not machine.tick(now=129.0)
    assert machine.tick(now=130.0)


def test_each_block_restarts_the_wait() -> None:
    machine = pipeline()
    machine.requests_sent(now=0.0)
    machine.blocks_received(1, BLOCK_SIZE, outstanding=1, now=29.0)
    assert not machine.tick(now=58.9)
    assert machine.tick(now=59.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"least": 0},
        {"first": 1, "least": 2},
        {"first": 10, "most": 9},
        {"queue_time_s": 0.0},
        {"snub_timeout_s": -1.0},
        {"growth": 0.9},
    ],
)
def test_configs_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must"):
        PipelineConfig(**wrong)  # type: ignore[arg-type]  # the point is to pass what does not fit


@given(
    st.lists(
        st.tuples(st.sampled_from(["sent", "block", "last block", "choked", "tick"]), st.integers(0, 40)), max_size=60
    )
)
def test_the_target_stays_in_its_bounds(steps: list[tuple[str, int]]) -> None:
    machine, now = pipeline(), 0.0
    for what, wait_s in steps:
        now += wait_s
        match what:
            case "sent":
                machine.requests_sent(now=now)
            case "choked":
                machine.nothing_owed()
            case "tick":
                assert machine.tick(now=now) <= machine.is_snubbed
            case _:
                machine.blocks_received(1, BLOCK_SIZE, outstanding=int(what == "block"), now=now)
        assert 1 <= machine.target <= CONFIG.most
        assert machine.target == 1 or not machine.is_snubbed
