"""Random protocols that come and go on one socket, against a slow model of who must get what."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from transfer.datagrams.demultiplexer import DatagramClaim, DatagramPortConfig, Demultiplexer
from transfer.datagrams.runs import Run, split_run

SENDERS = st.sampled_from([("192.0.2.1", 1), ("192.0.2.2", 1), ("2001:db8::1", 1, 0, 0)])
DATAGRAMS = st.tuples(st.binary(max_size=3).map(lambda data: bytes(byte % 4 for byte in data)), SENDERS)
CLAIMS = st.builds(
    lambda first_bytes, host, order: DatagramClaim(
        first_bytes=bytes(first_bytes), accepts=lambda data, source: bool(source[0] == host), order=order
    ),
    st.sets(st.integers(0, 3), min_size=1),
    st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1"]),
    st.integers(0, 2),
)


class Sharing(RuleBasedStateMachine):
    @initialize(share=st.integers(1, 3), more=st.integers(0, 5))
    def start(self, share: int, more: int) -> None:
        self.config = DatagramPortConfig(max_share=share, max_waiting=share + more)
        self.shared: Demultiplexer[int] = Demultiplexer(self.config)
        self.claims: dict[int, DatagramClaim] = {}
        self.waiting: dict[int, list[tuple[bytes, Any]]] = {}
        self.next_user = 0

    @rule(claim=CLAIMS)
    def join(self, claim: DatagramClaim) -> None:
        self.shared.add(self.next_user, claim)
        self.claims[self.next_user], self.waiting[self.next_user] = claim, []
        self.next_user += 1

    @rule(which=st.integers(0, 20))
    def leave(self, which: int) -> None:
        if self.claims:
            user = list(self.claims)[which % len(self.claims)]
            self.shared.remove(user)
            del self.claims[user], self.waiting[user]

    @rule(datagrams=st.lists(DATAGRAMS, max_size=20))
    def receive(self, datagrams: list[tuple[bytes, Any]]) -> None:
        before = self.shared.stats()
        self.shared.receive(datagrams)
        unclaimed = dropped = 0
        for data, source in datagrams:
            takers = [user for user, claim in self.claims.items() if takes(claim, data, source)]
            if not takers:
                unclaimed += 1
                continue
            taker = min(takers, key=lambda user: (self.claims[user].order, user))
            if len(self.waiting[taker]) < self.config.max_waiting:
                self.waiting[taker].append((data, source))
            else:
                dropped += 1
        after = self.shared.stats()
        assert after.received - before.received == len(datagrams)
        assert after.unclaimed - before.unclaimed == unclaimed
        assert after.dropped - before.dropped == dropped

    @rule()
    def take(self) -> None:
        share = self.config.max_share if len(self.claims) > 1 else self.config.max_waiting
        expected = [(user, waiting[:share]) for user, waiting in self.waiting.items() if waiting]
        assert self.shared.take() == expected
        self.waiting = {user: waiting[share:] for user, waiting in self.waiting.items()}

    @invariant()
    def holds(self) -> None:
        if hasattr(self, "shared"):
            self.shared.check_invariants()
            assert self.shared.is_waiting == any(self.waiting.values())


def takes(claim: DatagramClaim, data: bytes, source: Any) -> bool:
    return data[:1] in [bytes((byte,)) for byte in claim.first_bytes] and (
        claim.accepts is None or claim.accepts(data, source)
    )


TestSharing = Sharing.TestCase
TestSharing.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)


@given(
    claims=st.lists(
        st.tuples(st.sets(st.integers(0, 5), min_size=1), st.booleans(), st.booleans(), st.integers(0, 2)), max_size=5
    ),
    runs=st.lists(
        st.tuples(
            st.one_of(
                st.binary(max_size=30).map(lambda data: bytes(byte % 7 for byte in data)),
                st.tuples(st.integers(0, 6), st.integers(0, 30)).map(lambda each: bytes(each[:1]) * each[1]),
            ),
            SENDERS,
            st.integers(1, 9),
        ),
        max_size=20,
    ),
)
def test_runs_reach_whom_their_datagrams_would_reach(
    claims: list[tuple[set[int], bool, bool, int]], runs: list[Run]
) -> None:
    """Glued or not, each user sees the same datagrams in the same order; and runs only if it takes them."""
    config = DatagramPortConfig(max_share=1000, max_waiting=1000)
    glued: Demultiplexer[int] = Demultiplexer(config)
    cut: Demultiplexer[int] = Demultiplexer(config)
    in_runs = set()
    for user, (first_bytes, takes_runs, takes_all, order) in enumerate(claims):
        accepts = None if takes_all else lambda data, source: len(data) % 2 == 0 and source[1] == 1
        claim = DatagramClaim(first_bytes=bytes(first_bytes), accepts=accepts, order=order)
        try:
            glued.add(user, claim, takes_runs=takes_runs)
        except ValueError:  # another one takes all of that already
            continue
        cut.add(user, claim)
        if takes_runs:
            in_runs.add(user)
    glued.receive_runs(runs)
    glued.check_invariants()
    cut.receive([(data, source) for run, source, size in runs for data in split_run(run, size)])
    seen = {
        user: [(data, run[1]) for run in batch for data in split_run(run[0], run[2])] if user in in_runs else batch
        for user, batch in glued.take()
    }
    assert seen == dict(cut.take())
    assert glued.stats().unclaimed == cut.stats().unclaimed
