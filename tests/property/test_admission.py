"""Any order of arrivals, handshakes, calls and endings: counts are exact, and no limit is exceeded."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from transfer.limits.admission import AdmissionCore
from transfer.limits.admission_config import AdmissionConfig
from transfer.limits.machine import Machine
from transfer.limits.places import Seat
from transfer.limits.refusal import Refusal
from transfer.limits.shares import network_of, share_of

HOSTS = ["10.0.0.1", "10.0.0.2", "10.0.1.1", "10.9.0.1", "2001:db8::1", "2001:db8:0:1::1", "127.0.0.1", "somewhere"]
hosts = st.sampled_from(HOSTS)


class AdmissionSteps(RuleBasedStateMachine):
    @initialize(
        is_small=st.booleans(),
        max_connections=st.none() | st.integers(3, 20),
        descriptors=st.none() | st.integers(4, 12),
    )
    def start(self, is_small: bool, max_connections: int | None, descriptors: int | None) -> None:
        self.now = 0.0
        self.config = AdmissionConfig(
            max_inbound=4 if is_small else 17,
            max_outbound=3 if is_small else 16,
            max_connections=max_connections,
            max_per_address=3,
            max_per_subnet=5,
            max_half_open=4,
            max_half_open_per_subnet=3,
            max_dialling=3,
            accept_burst_per_address=30.0,
            guaranteed_calls=2,
            guaranteed=1,
            descriptors=descriptors,
        )
        self.core = AdmissionCore(self.config, machine=Machine(ram_bytes=1 << 30), now=self.now)
        self.groups = [self.core.join("one"), self.core.join("two")]
        self.waiting: list[Seat] = []
        self.calling: list[Seat] = []
        self.settled: list[Seat] = []

    @rule(host=hosts)
    def arrive(self, host: str) -> None:
        waiting = len(self.waiting)
        arrival = self.core.arrive(host, now=self.now)
        self.waiting = [seat for seat in self.waiting if seat not in arrival.leaving]
        if arrival.seat is not None and arrival.seat not in arrival.leaving:
            self.waiting.append(arrival.seat)
        elif arrival.seat is None:
            assert arrival.refusal is not None
            assert arrival.refusal.subject == host
            assert not arrival.leaving or not self.waiting
        assert len(self.waiting) <= waiting + 1

    @precondition(lambda self: self.waiting)
    @rule(data=st.data(), group=st.sampled_from([None, 0, 1]))
    def settle(self, data: st.DataObject, group: int | None) -> None:
        seat = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        chosen = None if group is None else self.groups[group]
        was_full = self.core.lacking(chosen, is_inbound=True) is not None
        was_crowded = self.core.is_address_full(seat)
        refusal = self.core.settle(seat, group=chosen, now=self.now)
        assert (refusal is not None) == (was_full or was_crowded)
        if refusal is None:
            self.settled.append(seat)
        else:
            assert seat.is_gone

    @rule(host=hosts, group=st.sampled_from([None, 0, 1]))
    def call(self, host: str, group: int | None) -> None:
        chosen = None if group is None else self.groups[group]
        room = self.core.room_to_call(chosen)
        seat = self.core.call(host, group=chosen, now=self.now)
        if isinstance(seat, Refusal):
            crowd = host != "127.0.0.1" and (self.of(share_of, host) >= 3 or self.of(network_of, host) >= 5)
            assert room <= 0 or crowd
        else:
            assert room > 0
            self.calling.append(seat)

    @precondition(lambda self: self.calling)
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        seat = self.calling.pop(data.draw(st.integers(0, len(self.calling) - 1)))
        self.core.opened(seat)
        self.core.opened(seat)
        self.settled.append(seat)

    @precondition(lambda self: self.waiting or self.calling or self.settled)
    @rule(data=st.data(), how=st.sampled_from(["leave", "leave", "turn away", "twice"]))
    def end(self, data: st.DataObject, how: str) -> None:
        seats = data.draw(st.sampled_from([seats for seats in (self.waiting, self.calling, self.settled) if seats]))
        seat = seats.pop(data.draw(st.integers(0, len(seats) - 1)))
        if how == "turn away":
            self.core.turn_away(seat)
        else:
            self.core.leave(seat)
        if how == "twice":
            self.core.leave(seat)
            self.core.opened(seat)
            assert self.core.settle(seat, now=self.now) is None
            assert seat.is_gone

    @rule(seconds=st.sampled_from([0.0, 1.0, 6.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        overdue = self.core.handle_timer(now=self.now)
        assert all(seat in self.waiting for seat in overdue)
        self.waiting = [seat for seat in self.waiting if seat not in overdue]
        due = self.core.next_timer()
        assert (due is None) == (not self.waiting)
        assert due is None or due > self.now

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "core"):
            return
        core, config = self.core, self.config
        core.check_invariants()
        standing = [*self.calling, *self.settled]
        inbound = sum(seat.is_inbound for seat in self.settled)
        assert core.waiting == len(self.waiting) <= 4
        assert core.inbound == inbound + len(self.waiting)
        assert core.outbound == len(standing) - inbound
        assert core.dialling == len(self.calling) <= 3
        assert inbound <= config.max_inbound
        assert core.outbound <= config.max_outbound
        assert config.max_connections is None or len(standing) <= config.max_connections
        assert config.descriptors is None or len(standing) + len(self.waiting) <= config.descriptors
        for key, most in ((share_of, 3), (network_of, 5)):
            for host in HOSTS:
                assert host == "127.0.0.1" or self.of(key, host) <= most
        for host in HOSTS:
            assert core.of_address(host) == self.of(share_of, host)
        for group in self.groups:
            assert group.settled == sum(seat.group is group for seat in self.settled)
        owing = [group for group in self.groups if core.owes(group)]
        assert all(group.settled == max(it.settled for it in self.groups) for group in owing)

    def teardown(self) -> None:
        if not hasattr(self, "core"):
            return
        for seat in (*self.waiting, *self.calling, *self.settled):
            self.core.leave(seat)
        for group in self.groups:
            self.core.part(group)
        assert self.core.budget.is_empty
        assert all(used == 0 for used, _ in self.core.explain(now=self.now).usage.values())

    def of(self, key: object, host: str) -> int:
        assert callable(key)
        return sum(key(seat.host) == key(host) for seat in (*self.calling, *self.settled))


def test_counts_are_exact_whatever_happens() -> None:
    run_state_machine_as_test(AdmissionSteps, settings=settings(max_examples=40, stateful_step_count=30, deadline=None))
