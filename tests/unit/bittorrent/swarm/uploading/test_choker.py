"""Upload slots: who gets them while leeching and seeding, and that they move on."""

from __future__ import annotations

from collections import Counter
from math import nextafter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bittorrent.swarm.uploading.choker import ChokeCandidate, ChokeDecision, ChokerConfig, ChokerCore, SeedingPolicy


class Swarm:
    """Peers that do as the choker says; the rates are set by hand."""

    def __init__(self, choker: ChokerCore, count: int) -> None:
        self.choker = choker
        self.rates = dict.fromkeys(range(count), 0.0)
        self.unchoked: set[int] = set()
        self.interested = set(range(count))
        self.snubbed: set[int] = set()
        self.connected_at = dict.fromkeys(range(count), -1000.0)
        self.progress = dict.fromkeys(range(count), 0.0)
        self.idle_s = dict.fromkeys(range(count), 0.0)
        self.idled: set[int] = set()
        self.asking: set[int] = set()
        self.stalled_s = dict.fromkeys(range(count), 0.0)

    def decide(self, now: float, *, seeding: bool = False) -> ChokeDecision:
        decision = self.choker.decide(
            [
                ChokeCandidate(
                    peer=peer,
                    is_interested=peer in self.interested,
                    is_unchoked=peer in self.unchoked,
                    is_snubbed=peer in self.snubbed,
                    download_bytes_per_s=0.0 if seeding else rate,
                    upload_bytes_per_s=rate if seeding else 0.0,
                    progress=self.progress[peer],
                    connected_at=self.connected_at[peer],
                    idle_s=self.idle_s[peer] if peer in self.unchoked else 0.0,
                    has_idled=peer in self.idled,
                    has_requests=peer in self.asking,
                    stalled_s=self.stalled_s[peer],
                )
                for peer, rate in self.rates.items()
            ],
            now=now,
            seeding=seeding,
        )
        assert not self.unchoked & set(decision.unchoke)
        assert set(decision.choke) <= self.unchoked
        self.unchoked |= set(decision.unchoke)
        self.unchoked -= set(decision.choke)
        return decision


def make(
    count: int,
    *,
    slots: int = 4,
    optimistic: int = 1,
    seed: int = 1,
    policy: SeedingPolicy = SeedingPolicy.ROUND_ROBIN,
) -> Swarm:
    config = ChokerConfig(slots=slots, optimistic_slots=optimistic, seeding_policy=policy)
    return Swarm(ChokerCore(rng=Random(seed), config=config), count)


def test_the_best_uploaders_and_one_more_are_unchoked() -> None:
    swarm = make(10)
    swarm.rates.update({peer: peer * 100.0 for peer in range(10)})
    swarm.decide(0.0)
    assert {7, 8, 9} < swarm.unchoked
    assert swarm.unchoked - {7, 8, 9} == set(swarm.choker.optimistic)
    assert len(swarm.unchoked) == 4


def test_a_faster_peer_takes_the_slot_at_the_next_round_only() -> None:
    swarm = make(3, slots=1, optimistic=0)
    swarm.rates[0] = 100.0
    swarm.decide(0.0)
    swarm.rates[2] = 500.0
    assert swarm.choker.next_timer() == 10.0
    assert swarm.decide(9.9) == ((), ())
    assert swarm.decide(10.0) == ((2,), (0,))
    assert swarm.choker.next_timer() == 20.0


def test_equal_peers_keep_their_slots() -> None:
    swarm = make(20, optimistic=0)
    swarm.decide(0.0)
    assert all(swarm.decide(10.0 * step) == ((), ()) for step in range(1, 10))


def test_an_empty_slot_is_given_at_once() -> None:
    swarm = make(6, slots=2, optimistic=0)
    swarm.interested = {0}
    swarm.decide(0.0)
    swarm.interested = {0, 3, 4}
    decision = swarm.decide(1.0)
    assert len(decision.unchoke) == 1
    assert not decision.choke


def test_the_uninterested_take_no_slot() -> None:
    swarm = make(5, slots=2, optimistic=0)
    swarm.rates[0] = 1000.0
    swarm.decide(0.0)
    assert 0 in swarm.unchoked
    swarm.interested.remove(0)
    assert len(swarm.decide(5.0).unchoke) == 1
    assert swarm.decide(10.0).choke == (0,)


def test_the_optimistic_slot_moves_every_thirty_seconds() -> None:
    swarm = make(30)
    swarm.rates.update(dict.fromkeys((0, 1, 2), 1000.0))
    lucky = []
    for step in range(300):
        swarm.decide(10.0 * step)
        lucky.append(swarm.choker.optimistic[0])
        assert {0, 1, 2} < swarm.unchoked
    assert all(len(set(lucky[at : at + 3])) == 1 for at in range(0, 300, 3))
    assert len(set(lucky)) > 20


def test_new_peers_are_three_times_as_likely() -> None:
    swarm = make(11, slots=1, optimistic=1)
    swarm.rates = dict.fromkeys(range(1, 11), 0.0)
    lucky: Counter[bool] = Counter()
    for step in range(3000):
        now = 30.0 * step
        swarm.connected_at[1] = now - 1.0
        swarm.decide(now)
        lucky[swarm.choker.optimistic == (1,)] += 1
    assert 0.22 < lucky[True] / 3000 < 0.28  # 3 of 12


def test_snubbing_peers_get_only_optimistic_slots() -> None:
    swarm = make(4, slots=2)
    swarm.rates[0] = 1000.0
    swarm.snubbed = {0, 1, 2, 3}
    swarm.decide(0.0)
    assert swarm.unchoked == set(swarm.choker.optimistic)
    assert len(swarm.unchoked) == 2


def test_when_most_snub_us_more_strangers_get_a_chance() -> None:
    swarm = make(12, slots=4)
    swarm.rates.update(dict.fromkeys(range(12), 100.0))
    swarm.snubbed = set(range(1, 12))
    swarm.decide(0.0)
    assert 0 in swarm.unchoked
    assert len(swarm.unchoked) == 4
    assert set(swarm.choker.optimistic) == swarm.unchoked - {0}
    swarm.snubbed = set()
    swarm.decide(10.0)
    assert len(swarm.choker.optimistic) == 1
    assert len(swarm.unchoked) == 4


def test_a_seed_may_prefer_who_takes_most() -> None:
    swarm = make(10, policy=SeedingPolicy.FASTEST_UPLOAD)
    swarm.rates.update({peer: peer * 100.0 for peer in range(10)})
    for now in range(0, 600, 10):
        swarm.decide(float(now), seeding=True)
        assert {7, 8, 9} < swarm.unchoked


def test_a_seed_may_prefer_beginners_and_who_is_nearly_done() -> None:
    swarm = make(10, policy=SeedingPolicy.ANTI_LEECH)
    swarm.progress.update({peer: (peer + 0.5) / 10 for peer in range(10)})
    for now in range(0, 600, 10):
        swarm.decide(float(now), seeding=True)
        assert {0, 9} < swarm.unchoked
        assert swarm.unchoked & {1, 8}


def test_an_optimistic_peer_that_earns_its_slot_makes_room() -> None:
    swarm = make(5, slots=2)
    swarm.rates[0] = 100.0
    swarm.decide(0.0)
    (lucky,) = swarm.choker.optimistic
    swarm.rates[lucky] = 500.0
    swarm.decide(10.0)
    assert lucky in swarm.unchoked
    assert lucky not in swarm.choker.optimistic
    assert len(swarm.unchoked) == 2


def test_seeding_gives_everybody_a_turn() -> None:
    swarm = make(12, slots=3, optimistic=0)
    served: Counter[int] = Counter()
    for step in range(240):
        swarm.decide(10.0 * step, seeding=True)
        assert len(swarm.unchoked) == 3
        served.update(swarm.unchoked)
    assert set(served) == set(range(12))
    assert max(served.values()) - min(served.values()) <= 12


def test_seeding_keeps_a_peer_for_its_whole_turn_and_longer_when_nobody_waits() -> None:
    swarm = make(2, slots=1, optimistic=0)
    swarm.interested = {0}
    swarm.decide(0.0, seeding=True)
    assert all(swarm.decide(10.0 * step, seeding=True) == ((), ()) for step in range(1, 10))
    swarm.interested = {0, 1}
    assert swarm.decide(100.0, seeding=True) == ((1,), (0,))
    assert all(swarm.decide(10.0 * step, seeding=True) == ((), ()) for step in range(11, 16))
    assert swarm.decide(160.0, seeding=True) == ((0,), (1,))


@pytest.mark.parametrize("seeding", [True, False], ids=["seed", "leech"])
def test_who_asks_for_nothing_loses_its_slot_to_who_waits_within_seconds(seeding: bool) -> None:
    swarm = make(6, slots=2)
    swarm.interested = {0, 1}
    swarm.decide(0.0, seeding=seeding)
    swarm.idle_s.update({0: 1.9, 1: 0.0})
    swarm.interested = set(range(6))
    assert swarm.decide(1.9, seeding=seeding) == ((), ())
    swarm.idle_s[0] = 2.0
    decision = swarm.decide(2.0, seeding=seeding)
    assert decision.choke == (0,)
    assert len(decision.unchoke) == 1


def test_who_rests_keeps_its_slot_while_nobody_waits() -> None:
    swarm = make(2, slots=2)
    swarm.decide(0.0, seeding=True)
    swarm.idle_s.update({0: 500.0, 1: 500.0})
    assert all(swarm.decide(10.0 * step, seeding=True) == ((), ()) for step in range(1, 5))


@pytest.mark.parametrize("policy", SeedingPolicy)
def test_newcomers_come_before_those_that_made_nothing_of_a_slot(policy: SeedingPolicy) -> None:
    swarm = make(30, slots=2, policy=policy)
    swarm.idled = set(range(29))
    swarm.decide(0.0, seeding=True)
    assert 29 in swarm.unchoked
    swarm.idle_s = dict.fromkeys(range(30), 5.0)
    swarm.idle_s[29] = 0.0
    for now in range(1, 300):
        swarm.decide(float(now), seeding=True)
        assert 29 in swarm.unchoked


def test_idlers_get_another_try_when_nobody_else_waits() -> None:
    swarm = make(10, slots=2)
    swarm.idled = set(range(10))
    tried: set[int] = set()
    for now in range(0, 600, 10):
        swarm.idle_s = {peer: 5.0 if peer in swarm.unchoked else 0.0 for peer in range(10)}
        swarm.decide(float(now), seeding=True)
        tried |= swarm.unchoked
    assert tried == set(range(10))


def test_who_gives_us_something_never_rests() -> None:
    swarm = make(9, slots=2, optimistic=0)
    swarm.rates.update({0: 10.0, 1: 20.0})
    swarm.decide(0.0)
    swarm.idle_s = dict.fromkeys(range(9), 100.0)
    assert all(swarm.decide(float(now)) == ((), ()) for now in range(1, 60))


def test_the_slow_are_put_back_only_when_there_is_nobody_untested() -> None:
    swarm = make(9, slots=2, optimistic=0)
    swarm.interested = {0, 1}
    swarm.decide(0.0, seeding=True)
    swarm.interested = set(range(9))
    swarm.asking = {0}
    swarm.idle_s.update({0: 50.0, 1: 1.0})
    assert swarm.decide(1.0, seeding=True) == ((), ())
    swarm.asking = {0, 1}
    assert swarm.decide(2.0, seeding=True).choke == (0,)


def test_of_equals_the_latest_and_the_longest_waiting_are_served_in_turn() -> None:
    swarm = make(100, slots=4, optimistic=0)
    swarm.connected_at = {peer: float(peer) for peer in range(100)}
    swarm.decide(200.0, seeding=True)
    assert swarm.unchoked == {0, 1, 98, 99}


def test_the_same_seed_decides_the_same() -> None:
    outcomes = []
    for _ in range(2):
        swarm = make(20, seed=9)
        outcomes.append([swarm.decide(10.0 * step, seeding=step % 7 == 0) for step in range(50)])
    assert outcomes[0] == outcomes[1]


@given(st.data(), st.booleans())
def test_never_more_than_the_slots(data: st.DataObject, seeding: bool) -> None:
    swarm = make(9, slots=3, seed=data.draw(st.integers(0, 99)), policy=data.draw(st.sampled_from(SeedingPolicy)))
    now = 0.0
    for _ in range(12):
        now += data.draw(st.sampled_from([0.0, 3.0, 10.0, 31.0]))
        swarm.interested = data.draw(st.sets(st.sampled_from(range(9))))
        swarm.snubbed = data.draw(st.sets(st.sampled_from(range(9))))
        swarm.rates[data.draw(st.integers(0, 8))] = data.draw(st.floats(0, 1e9))
        swarm.idle_s[data.draw(st.integers(0, 8))] = data.draw(st.sampled_from([0.0, 3.0, 30.0]))
        swarm.idled = data.draw(st.sets(st.sampled_from(range(9))))
        swarm.asking = data.draw(st.sets(st.sampled_from(range(9))))
        before = set(swarm.unchoked)
        is_round = swarm.choker.next_timer() is None or now >= (swarm.choker.next_timer() or 0)
        swarm.decide(now, seeding=seeding)
        if is_round:
            assert len(swarm.unchoked) <= 3
            assert swarm.unchoked <= swarm.interested
        else:
            assert all(swarm.idle_s[peer] for peer in before - swarm.unchoked)


@pytest.mark.parametrize(("stalled_s", "gets_a_slot"), [(0.0, True), (5.9, True), (6.0, False), (20.0, False)])
def test_a_peer_to_which_nothing_gets_through_is_given_no_slot(stalled_s: float, gets_a_slot: bool) -> None:
    """What waits for it has waited for half the time after which it would lose a slot."""
    swarm = Swarm(ChokerCore(rng=Random(1), config=ChokerConfig(stalled_slot_s=12.0)), 1)
    swarm.stalled_s[0] = stalled_s
    assert swarm.decide(0.0).unchoke == ((0,) if gets_a_slot else ())


@pytest.mark.parametrize(
    "wrong",
    [
        {"slots": 0, "optimistic_slots": 0},
        {"slots": 2, "optimistic_slots": 3},
        {"rechoke_interval_s": 0},
        {"rechoke_interval_s": 40},
        {"seed_turn_s": 5},
        {"new_peer_weight": 0},
        {"idle_slot_s": 0},
        {"stalled_slot_s": 1},
    ],
)
def test_a_config_out_of_range_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="must"):
        ChokerConfig(**wrong)


@pytest.mark.parametrize(
    "least",
    [
        {"slots": 1, "optimistic_slots": 1},
        {"optimistic_slots": 0},
        {"rechoke_interval_s": nextafter(0.0, 1.0)},
        {"rechoke_interval_s": 30.0, "optimistic_interval_s": 30.0, "rate_window_s": 30.0, "stalled_slot_s": 30.0},
        {"seed_turn_s": 10.0},
        {"new_peer_s": 0.0},
        {"new_peer_weight": 1},
    ],
)
def test_a_config_at_its_limits_is_taken(least: dict[str, Any]) -> None:
    ChokerConfig(**least)
