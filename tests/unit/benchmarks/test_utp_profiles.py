"""Our uTP on links for which libutp's goodput is published: virtual time, so that the same comes out everywhere."""

from __future__ import annotations

import pytest

from benchmarks.utp_profiles import LIBUTPS_GROWTH, PROFILES, Profile, measure
from transfer.congestion import registry

# Without chance, and short; the benchmark has all ten: python -m benchmarks.utp_profiles
SOME = [
    profile for profile in PROFILES[1:] if not profile.loss and not profile.reorder and profile.payload_bytes < 4 << 20
]


@pytest.fixture(autouse=True)
def controllers_of_these_tests_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the benchmark registers is unknown again to the tests that follow."""
    monkeypatch.setattr(registry, "_FACTORIES", dict(registry._FACTORIES))


@pytest.mark.parametrize("profile", SOME, ids=lambda profile: profile.name)
def test_with_libutps_growth_the_published_goodput_is_reached(profile: Profile) -> None:
    ours = sum(measure(profile, 1, congestion=LIBUTPS_GROWTH))
    assert ours == pytest.approx(profile.published, rel=0.2)  # the benchmark says which are within 15 %


def test_plain_ledbat_starts_faster_and_a_run_repeats() -> None:
    profile = PROFILES[1]
    faster = measure(profile, 1, congestion="ledbat")
    assert sum(faster) > 1.1 * sum(measure(profile, 1, congestion=LIBUTPS_GROWTH))
    assert faster == measure(profile, 1, congestion="ledbat")
