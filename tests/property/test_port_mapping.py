"""Whatever gateways answer, what is asked of them is bounded, and nothing is left behind."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from transfer.portmap.config import PortMapConfig
from transfer.portmap.core import PortMapCore
from transfer.portmap.round import Ask, MappingRound, Release
from transfer.portmap.values import Grant, MappedProtocol, PortMapError, PortMapFailure, PortMapMethod

ANSWERS = st.one_of(st.sampled_from(PortMapFailure), st.integers(1, 65535), st.just("as asked"))
TCP, UDP = MappedProtocol.TCP, MappedProtocol.UDP


@given(st.lists(ANSWERS, max_size=30), st.integers(1, 6), st.integers(0, 2**32), st.booleans())
def test_a_round_ends_and_leaves_all_or_nothing(
    answers: list[PortMapFailure | int | str], attempts: int, seed: int, only_one: bool
) -> None:
    protocols = (TCP,) if only_one else (TCP, UDP)
    attempt = MappingRound(
        protocols, internal_port=6881, preferred_port=6881, lifetime_s=60, max_attempts=attempts, rng=Random(seed)
    )
    held: dict[tuple[MappedProtocol, int], int] = {}
    asked = 0
    queue = iter(answers)
    while (step := attempt.next_step()) is not None:
        if isinstance(step, Release):
            key = step.grant.protocol, step.grant.external_port
            held[key] -= 1
            attempt.released()
            continue
        asked += 1
        request = step.request
        answer = next(queue, "as asked")
        if isinstance(answer, PortMapFailure):
            attempt.refused(PortMapError("no", failure=answer))
            continue
        port = answer if isinstance(answer, int) else request.external_port
        held[request.protocol, port] = held.get((request.protocol, port), 0) + 1
        attempt.granted(Grant(protocol=request.protocol, internal_port=6881, external_port=port, lifetime_s=60))
    assert attempt.is_over
    assert asked <= attempts * len(protocols)
    kept = {(grant.protocol, grant.external_port) for grant in attempt.grants}
    assert {key for key, count in held.items() if count} == kept
    assert (attempt.error is None) == bool(kept)
    assert not kept or [grant.protocol for grant in attempt.grants] == list(protocols)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["served", "failed", "moved", "offline"]),
            st.sampled_from(PortMapMethod),
            st.integers(1, 100_000),
            st.integers(0, 2**32 - 1),
            st.floats(0, 10_000),
        ),
        max_size=30,
    )
)
def test_the_core_holds_what_it_promises(steps: list[tuple[str, PortMapMethod, int, int, float]]) -> None:
    core = PortMapCore(port=6881, protocols=(TCP, UDP), config=PortMapConfig(), rng=Random(1), now=0.0)
    now = 0.0
    for what, method, lifetime_s, epoch_s, pause_s in steps:
        now += pause_s
        if what == "moved":
            core.receive_local_host(f"192.168.1.{lifetime_s % 250}", now=now)
        elif what == "offline":
            core.receive_local_host(None, now=now)
        elif what == "failed":
            core.failed(method, PortMapError("no", failure=PortMapFailure.SILENT))
            core.turn_ended(now=now)
        else:
            port = 1 + lifetime_s % 65535
            core.served(
                method,
                [
                    Grant(
                        protocol=protocol,
                        internal_port=6881,
                        external_port=port,
                        lifetime_s=lifetime_s,
                        epoch_s=epoch_s,
                    )
                    for protocol in (TCP, UDP)
                ],
                None,
                now=now,
            )
            core.turn_ended(now=now)
            assert core.next_timer() > now
        core.check_invariants()
        assert isinstance(core.new_round().next_step(), Ask)
