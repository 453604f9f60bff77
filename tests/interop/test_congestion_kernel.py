"""The kernel's TCP over packets that are relayed as a simulated link would, beside our controllers over that link."""

from __future__ import annotations

import pytest

from benchmarks.congestion_kernel.compare import run_ours
from benchmarks.congestion_kernel.kernel import KernelRun, NoNamespacesError, run_kernel
from benchmarks.congestion_kernel.profiles import Profile

pytestmark = pytest.mark.interop

PATHS = (
    Profile(name="overflow", mbit_s=10, rtt_ms=40, megabytes=1.2),
    Profile(name="loss", mbit_s=10, rtt_ms=30, loss_every=80, megabytes=0.6),
)


def over_the_kernel(profile: Profile, controller: str) -> KernelRun:
    try:
        return run_kernel(
            controller, size=profile.size, data=profile.data, acknowledgements=profile.acknowledgements, seed=1
        )
    except NoNamespacesError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("profile", PATHS, ids=lambda profile: profile.name)
def test_a_transfer_takes_as_long_as_over_the_kernels_tcp(profile: Profile) -> None:
    """In real time: where other work holds a packet up, a transfer is longer; the closest of a few attempts counts."""
    ours_s, sent_again = run_ours(profile, "reno", seed=1)
    runs: list[KernelRun] = []
    for _ in range(4):
        runs.append(over_the_kernel(profile, "reno"))
        if abs(ours_s / runs[-1].seconds - 1) <= 0.15:
            break
    assert min(abs(ours_s / run.seconds - 1) for run in runs) <= 0.15, (ours_s, runs)
    last = runs[-1]
    assert last.receiver_limited_s < 0.05
    assert last.dropped + last.lost > 0
    assert last.retransmitted >= last.dropped + last.lost
    assert 0.6 < last.retransmitted / sent_again < 1.6
    if profile.loss_every:
        packets = profile.size // 1448 + last.retransmitted
        assert 1 <= last.lost <= packets // profile.loss_every  # some of those found the queue full
