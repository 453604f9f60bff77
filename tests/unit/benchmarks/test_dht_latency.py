from __future__ import annotations

from benchmarks.dht_latency import PROFILES, measure


def test_the_default_profile_is_quicker_than_what_was_measured_of_utorrent() -> None:
    row = measure(PROFILES[0], 0.3, lookups=40, seed=3)
    assert row.is_met
    assert row.percentiles[50] < 0.4
    assert 3 < row.queries < 20


def test_large_first_buckets_and_more_queries_are_quicker_still() -> None:
    (tuned,) = [profile for profile in PROFILES if profile.name.startswith("tuned")]
    row = measure(tuned, 0.2, lookups=40, seed=3)
    assert row.is_met
