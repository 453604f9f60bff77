"""Which tracker is asked when: order, rotation and patience within a tier, tiers side by side, and BEP 15's clock."""

from __future__ import annotations

from functools import partial
from itertools import pairwise

import pytest

from tests.simulation import tracker_words
from tests.simulation.tracker_tiers import Asked, ask_udp, silent_udp, tiers
from transfer.simulation import run

ONE, TWO, THREE, OTHER_TIER = (f"10.0.1.{number}" for number in range(1, 5))
TIER = {ONE, TWO, THREE}


def asked(*, plan: dict[float, list[str]], seconds: float, said: dict[bytes, int], seed: int = 1) -> list[Asked]:
    scenario = partial(tiers, tiers=[[ONE, TWO, THREE], [OTHER_TIER]], plan=plan, seconds=seconds, said=said)
    return run(scenario, seed=seed).result


def rounds(log: list[Asked]) -> list[tuple[float, list[str]]]:
    """What was asked within a second, of the tier of three."""
    found: list[tuple[float, list[str]]] = []
    for each in log:
        if each.tracker in TIER:
            if not found or each.at_s > found[-1][0] + 1:
                found.append((each.at_s, []))
            found[-1][1].append(each.tracker)
    return found


def test_a_tier_is_tried_in_random_order_and_with_growing_patience() -> None:
    orders = set()
    for seed in range(6):
        log = asked(plan={0: [OTHER_TIER]}, seconds=500, said={b"interval": 600}, seed=seed)
        found = rounds(log)
        assert all(set(order) == TIER and len(order) == 3 for _, order in found)
        gaps = [later - sooner for (sooner, _), (later, _) in pairwise(found)]
        assert gaps == pytest.approx([15, 30, 60, 120, 240], abs=1)
        orders.add(tuple(found[0][1]))
        other = [each.at_s for each in log if each.tracker == OTHER_TIER]
        assert other == pytest.approx([0], abs=1), "it is no part of that, and not asked before its time"
    assert len(orders) > 1


def test_the_tracker_that_answers_moves_to_the_front_and_stays_there_when_it_fails() -> None:
    log = asked(plan={0: [], 100: [TWO], 2000: []}, seconds=2600, said={b"interval": 600})
    first = next(each for each in log if each.was_answered)
    assert (first.tracker, round(first.at_s)) == (TWO, 105)
    later = [(at_s, order) for at_s, order in rounds(log) if at_s > first.at_s + 1]
    assert [order for _, order in later[:3]] == [[TWO]] * 3, "the others are left alone"
    assert [at_s - first.at_s for at_s, _ in later[:4]] == pytest.approx([600, 1200, 1800, 2400], abs=1)
    assert later[3][1][0] == TWO
    assert set(later[3][1]) == TIER, "it failed, so the others have their turn at once"
    assert {each.event for each in log if each.tracker != TWO} == {"started"}, "these have never heard of us"
    assert [each.event for each in log if each.tracker == TWO and each.at_s > first.at_s + 1][:3] == [""] * 3


def test_a_tracker_is_asked_no_sooner_than_its_least_interval() -> None:
    log = asked(plan={0: [ONE, TWO, THREE]}, seconds=2200, said={b"interval": 100, b"min interval": 700})
    assert [at_s for at_s, _ in rounds(log)] == pytest.approx([0, 700, 1400, 2100], abs=1)


def test_whoever_is_impatient_waits_for_the_least_interval_and_no_longer() -> None:
    scenario = partial(
        tiers,
        tiers=[[ONE]],
        plan={0: [ONE]},
        seconds=1000,
        said={b"interval": 600, b"min interval": 200},
        impatient_at_s=100,
    )
    assert [each.at_s for each in run(scenario, seed=1).result] == pytest.approx([0, 200, 800], abs=1)


DOUBLING = [15.0 * (2**n - 1) for n in range(9)]


def test_a_silent_udp_tracker_is_asked_nine_times_in_two_hours() -> None:
    log, error, ended_at = run(partial(ask_udp, connects_from_s=1e9, announces_from_s=1e9)).result
    assert [(at, action) for at, action, _ in log] == [(at, 0) for at in DOUBLING]
    assert error == "udp://10.0.0.9:6969: the tracker does not answer"
    assert ended_at == pytest.approx(15 * (2**9 - 1), abs=1)


def test_a_connection_id_is_used_for_a_minute() -> None:
    log, error, _ = run(partial(ask_udp, connects_from_s=0.0, announces_from_s=1e9)).result
    assert error is not None
    connected_at = 0.0
    for at, action, number in log:
        if action == 0:
            connected_at = at
        else:
            assert at - connected_at < 60
            assert number == sum(kind == 0 for when, kind, _ in log if when <= at), "the latest one"
    assert [at for at, action, _ in log if action == 1] == pytest.approx([0, *DOUBLING[1:]], abs=0.5)
    assert sum(action == 0 for _, action, _ in log) == 7


@pytest.mark.parametrize("answers_from_s", [1.0, 50.0, 100.0])
def test_an_announcement_arrives_as_soon_as_the_tracker_hears_again(answers_from_s: float) -> None:
    _, error, ended_at = run(partial(ask_udp, connects_from_s=0.0, announces_from_s=answers_from_s)).result
    assert error is None
    assert ended_at == pytest.approx(next(at for at in DOUBLING if at >= answers_from_s), abs=0.5)


def test_a_session_waits_longer_each_time_for_a_udp_tracker_that_is_gone() -> None:
    times, error = run(partial(silent_udp, seconds=600.0)).result
    tries = times[::2]
    assert [later - sooner for sooner, later in zip(tries, times[1::2], strict=True)] == [15.0] * len(tries)
    assert [later - sooner for sooner, later in pairwise(tries)] == [55, 70, 100, 160]
    assert error == "udp://10.0.0.9:6969: it did not answer in time"


def test_peers_that_are_named_by_name_are_found_and_a_warning_is_told_once() -> None:
    """BEP 3 allows names; libtorrent#161."""
    words = run(tracker_words.a_peer_has_a_name, seed=1).result
    assert words.shown == "maintenance at noon"
    assert [event.message for event in words.warned] == ["maintenance at noon"]
