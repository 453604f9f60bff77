"""Random protocols that come and go on one socket, against a slow model of who must get what."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from transfer.datagrams.demultiplexer import DatagramClaim, DatagramPortConfig, Demultiplexer

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
