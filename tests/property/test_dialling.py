"""Any sequence of candidates, outcomes, guests and times: bounds hold, nobody is called in vain, nobody starves."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

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

from bittorrent.dialling.decisions import Call
from bittorrent.dialling.ip_filter import IpFilter
from bittorrent.dialling.paths import PUNCH, DialPath, PathConfig, PathFailure
from bittorrent.dialling.peer_list import PeerListConfig, PeerSource
from bittorrent.dialling.turnover import TurnoverConfig
from tests.dialling_shell import OWN_ID, BareShell, ToyPeer, admission_of
from transfer.address import Address
from transfer.limits.shares import share_of

PATHS = (
    *(DialPath(transport=transport, cover=cover) for transport in ("utp", "tcp") for cover in ("mse", "plain")),
    *(replace(PUNCH, cover=cover) for cover in ("mse", "plain")),
)
PRIVATE_HOST = "192.168.1.7"
HOSTS = ["8.8.0.1", "8.8.0.2", "8.8.0.3", "2001:db8::1", PRIVATE_HOST]
UNIVERSE = [Address(host, port) for host in HOSTS for port in (1, 2)]
addresses = st.sampled_from(UNIVERSE)
MAX_CONNECTIONS, MAX_DIALLING, SLOW_S, LIMIT, MAX_HALF_OPEN, MAX_PER_HOST, MAX_BANNED = 4, 2, 3.0, 6, 3, 2, 2


class DiallingSteps(RuleBasedStateMachine):
    """Two torrents of one session, and everybody else at will."""

    @initialize(seed=st.integers(0, 9))
    def begin(self, seed: int) -> None:
        self.now = 0.0
        self.admission = admission_of(max_connections=LIMIT, max_dialling=MAX_HALF_OPEN, max_per_address=MAX_PER_HOST)
        self.shells = [
            BareShell(
                admission=self.admission,
                seed=seed + number,
                max_connections=MAX_CONNECTIONS,
                max_dialling=MAX_DIALLING,
                slow_dial_s=SLOW_S,
                max_named=2,
                paths=PathConfig(paths=PATHS, max_remembered=3),
                peers=PeerListConfig(
                    max_peers=6, max_banned=MAX_BANNED, max_pex=3, backoff_s=5, max_backoff_s=40, max_manual_backoff_s=8
                ),
                turnover=TurnoverConfig(min_age_s=10.0, interval_s=10.0, max_remembered=2),
            )
            for number in range(2)
        ]
        self.banned: list[list[str]] = [[], []]  # the oldest first
        self.blocked: list[str | None] = [None, None]
        self.own: list[set[Address]] = [set(), set()]
        self.began_at: dict[tuple[int, int], float] = {}  # calls and connections that were not met, by torrent, number

    which = st.integers(0, 1)

    # What is learnt

    @rule(which=which, named=st.lists(addresses, min_size=1, max_size=6), source=st.sampled_from(PeerSource))
    def name(self, which: int, named: list[Address], source: PeerSource) -> None:
        self.shells[which].core.peers.add_all(named, source, now=self.now)

    @rule(which=which, host=st.sampled_from(HOSTS), is_listed=st.booleans())
    def ban(self, which: int, host: str, is_listed: bool) -> None:
        shell = self.shells[which]
        if is_listed:
            shell.end(shell.core.set_filter(IpFilter([(host, host)])))
            self.blocked[which] = host
        else:
            shell.end(shell.core.ban(Address(host, 1)))
            if host not in self.banned[which]:
                self.banned[which] = [*self.banned[which], host][-MAX_BANNED:]
        assert not [n for n in shell.standing if self.is_shut_out(which, n) and n not in shell.leaving]

    @rule(which=which)
    def become_private(self, which: int) -> None:
        shell = self.shells[which]
        shell.end(shell.core.become_private())

    @rule(which=which, is_held=st.booleans())
    def hold(self, which: int, is_held: bool) -> None:
        core = self.shells[which].core
        if is_held:
            core.hold()
        else:
            core.resume(now=self.now)

    @rule(which=which, address=addresses)
    def see_external(self, which: int, address: Address) -> None:
        self.shells[which].core.peers.set_external(address)

    # Introductions

    @rule(which=which, address=addresses, is_introducible=st.booleans())
    def introduce(self, which: int, address: Address, is_introducible: bool) -> None:
        if is_introducible:
            self.shells[which].introducible.add(address)
        else:
            self.shells[which].introducible.discard(address)

    @rule(which=which, invited=st.lists(addresses, min_size=1, max_size=3))
    def invite(self, which: int, invited: list[Address]) -> None:
        """Whoever is invited is called at once, in the place of another call to it if there is one, or not at all."""
        core = self.shells[which].core
        for address in invited:
            is_taken = core.invite(address, now=self.now)
            assert core.takes_connections or not is_taken
            assert not is_taken or not (self.is_host_shut_out(which, address.host) or address in self.own[which])
        self.dial(which=which, wants_seeds=True, invited=frozenset(invited))

    # Calls

    @rule(which=which, wants_seeds=st.booleans())
    def dial(self, which: int, wants_seeds: bool, invited: frozenset[Address] = frozenset()) -> None:
        shell = self.shells[which]
        before = {shell.addresses[number] for number in shell.standing if shell.core.is_called(number)}
        rivals = {call.address: call for call in shell.calls.values()}
        connected = self.connected(which)
        takes = shell.core.takes_connections
        made = shell.dial(wants_seeds=wants_seeds)
        for late in shell.given_up:
            assert late.address in invited
            self.began_at.pop((which, late.number))
        shell.given_up.clear()
        for call in made:
            self.check_call(which, call, is_invited=call.address in invited)
            self.began_at[which, call.number] = self.now
        called = [call.address for call in made]
        assert takes or not made
        assert len(called) == len(set(called))
        assert not set(called) & before
        assert not (set(called) - rivals.keys()) & connected
        for call in made:
            rival = rivals.get(call.address)
            if rival is not None:
                same = [other.path.way for other in shell.calls.values() if other.address == call.address]
                assert len(same) == len(set(same)) == 2 or (call.address in invited and len(same) == 1)
        if made:
            assert shell.core.connection_count <= MAX_CONNECTIONS
            assert self.in_use() <= LIMIT
            assert self.admission.dialling <= MAX_HALF_OPEN
            fresh, slow = self.begun(which)
            assert fresh + slow <= MAX_DIALLING + min(slow, MAX_DIALLING)

    def check_call(self, which: int, call: Call, *, is_invited: bool) -> None:
        core = self.shells[which].core
        assert call.address in core.peers or is_invited  # a full list knows it not
        if call.path.is_introduced:
            assert is_invited or call.address in self.shells[which].introducible
        assert call.path in PATHS
        assert call.address not in self.own[which]
        assert not self.is_host_shut_out(which, call.address.host)
        is_wanted_here = core.peers.sources(call.address) & (PeerSource.MANUAL | PeerSource.LOCAL)
        assert call.needs_route == (call.address.host == PRIVATE_HOST and not is_wanted_here)

    @precondition(lambda self: self.shells[0].calls or self.shells[1].calls)
    @rule(data=st.data(), outcome=st.sampled_from(["refused", "accepted", "accepted", "dropped", "no way there"]))
    def answer(self, data: st.DataObject, outcome: str) -> None:
        which, number = data.draw(
            st.sampled_from([(which, n) for which, shell in enumerate(self.shells) for n in shell.calls])
        )
        shell = self.shells[which]
        call = shell.calls[number]
        if call.needs_route and outcome != "dropped":
            if not shell.core.allows(
                number, own="10.0.0.1" if outcome == "no way there" else "192.168.1.9", now=self.now
            ):
                assert outcome == "no way there"
                del shell.calls[number]
                return
            assert outcome != "no way there"
        match outcome:
            case "refused":
                shell.refuse(call)
            case "accepted":
                shell.accept(call)
                self.began_at[which, number] = self.now
                assert not [other for other in shell.calls.values() if other.address == call.address]
                for late in shell.given_up:
                    assert not shell.core.opened(late.number, now=self.now)
                    assert not shell.core.allows(late.number, own=None, now=self.now)
                    shell.core.missed(late.number, PathFailure.NO_CONNECTION, now=self.now)
                    shell.core.dropped(late.number)
                    self.began_at.pop((which, late.number), None)
                shell.given_up.clear()
                assert self.is_shut_out(which, number) <= (number in shell.leaving)
            case "dropped":
                shell.core.dropped(number)
                del shell.calls[number]

    # Guests

    @rule(which=which, address=addresses)
    def knock(self, which: int, address: Address) -> None:
        shell = self.shells[which]
        leaving = len(shell.leaving)
        number = shell.knock(address)
        if number is None:
            assert len(shell.leaving) == leaving, "nobody goes for who may not stay"
            return
        self.began_at[which, number] = self.now
        assert shell.core.takes_connections
        assert not self.is_host_shut_out(which, address.host)
        assert self.staying([shell]) <= MAX_CONNECTIONS
        assert self.staying(self.shells) <= LIMIT
        self.greet(which, number, bytes([address.port]) * 20)  # as the shell does: it has read the handshake already

    # Who stands

    @precondition(lambda self: any(self.waiting()))
    @rule(data=st.data(), peer_id=st.sampled_from([b"A" * 20, b"z" * 20, b"0" * 20]))
    def handshake(self, data: st.DataObject, peer_id: bytes) -> None:
        which, number = data.draw(st.sampled_from(self.waiting()))
        self.greet(which, number, peer_id)

    def greet(self, which: int, number: int, peer_id: bytes) -> None:
        shell = self.shells[which]
        del self.began_at[which, number]
        shell.greet(number, peer_id)
        ids = [
            shell.greeted[other] for other, peer in shell.standing.items() if peer is not None and not peer.is_closed
        ]
        assert len(ids) == len(set(ids)), "one connection with each peer"

    @precondition(lambda self: any(self.met()))
    @rule(data=st.data())
    def behave(self, data: st.DataObject) -> None:
        peer = data.draw(st.sampled_from(self.met()))
        peer.downloaded_bytes += data.draw(st.sampled_from([0, 0, 1]))
        peer.idles, peer.is_interested, peer.am_interested = (data.draw(st.booleans()) for _ in range(3))

    @precondition(lambda self: any(shell.standing for shell in self.shells))
    @rule(data=st.data(), how=st.sampled_from(["is gone", "is gone", "hangs up", "is ourselves"]))
    def lose(self, data: st.DataObject, how: str) -> None:
        which, number = data.draw(
            st.sampled_from([(which, n) for which, shell in enumerate(self.shells) for n in shell.standing])
        )
        shell = self.shells[which]
        is_silent = number not in shell.greeted
        if how == "is ourselves" and is_silent:
            shell.greeted[number] = OWN_ID
            if shell.core.is_called(number):
                self.own[which].add(shell.addresses[number])
        self.began_at.pop((which, number), None)
        shell.lose(number, was_turned_away=how == "hangs up" and is_silent)

    # The clock

    @rule(seconds=st.sampled_from([0.0, 1.0, 3.0, 10.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for shell in self.shells:
            shell.now = self.now
            assert self.now <= shell.core.next_timer(now=self.now) <= self.now + 30.0

    @rule(which=which)
    def tick(self, which: int) -> None:
        shell = self.shells[which]
        count, in_use = shell.core.connection_count, self.in_use()
        evicted = shell.core.handle_timer(wants_seeds=True, now=self.now)
        assert not evicted or count >= MAX_CONNECTIONS or in_use >= LIMIT
        shell.end(evicted)

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "shells"):
            return
        for shell in self.shells:
            shell.core.check_invariants()
            assert shell.core.connection_count == len(shell.calls) + len(shell.standing)
            assert shell.core.half_open_count == len(shell.calls)
        self.admission.check_invariants()
        assert self.in_use() == self.staying(self.shells) <= LIMIT
        assert self.admission.dialling == sum(shell.core.half_open_count for shell in self.shells) <= MAX_HALF_OPEN
        of_host = Counter(
            share_of(shell.addresses[number].host)
            for shell in self.shells
            for number in (*shell.calls, *shell.standing)
            if number not in shell.leaving
        )
        assert all(self.admission.of_address(host) == of_host[share_of(host)] <= MAX_PER_HOST for host in HOSTS)

    def teardown(self) -> None:
        """Liveness: when all are gone, everybody who is known is called in time, over every path, although all calls
        fail and take a while; and nothing is counted any more when the last is over."""
        if not hasattr(self, "shells"):
            return
        for shell in self.shells:
            for call in list(shell.calls.values()):
                shell.refuse(call)
            for number in list(shell.standing):
                shell.lose(number)
        for which, shell in enumerate(self.shells):
            shell.core.resume(now=self.now)
            tried: dict[Address, set[str]] = {address: set() for address in UNIVERSE if address in shell.core.peers}
            for _ in range(200):
                for call in list(shell.calls.values()):
                    shell.refuse(call)
                for call in shell.dial():
                    self.check_call(which, call, is_invited=False)
                    tried[call.address].add(call.path.transport)
                shell.now += 1.0
            is_given_up = {address: address not in shell.core.peers for address in tried}
            assert all(transports == {"utp", "tcp"} or is_given_up[it] for it, transports in tried.items())
            assert all(tried.values())
            for call in list(shell.calls.values()):
                shell.refuse(call)
            shell.core.close()
        assert self.admission.budget.is_empty

    # Views

    def in_use(self) -> int:
        return self.admission.inbound + self.admission.outbound

    def waiting(self) -> list[tuple[int, int]]:
        """Connections that stand without a handshake."""
        return [
            (which, number)
            for which, shell in enumerate(self.shells)
            for number in shell.standing
            if number not in shell.greeted and number not in shell.leaving
        ]

    def met(self) -> list[ToyPeer]:
        return [peer for shell in self.shells for peer in shell.standing.values() if peer is not None]

    def connected(self, which: int) -> set[Address]:
        """Where those listen who take part."""
        peers = self.shells[which].standing.values()
        return {peer.listen_address for peer in peers if peer is not None and not peer.is_closed}

    def staying(self, shells: list[BareShell]) -> int:
        return sum(shell.core.connection_count - len(shell.leaving) for shell in shells)

    def begun(self, which: int) -> tuple[int, int]:
        """How many were not met yet: the fresh ones and the slow ones."""
        ages = [
            self.now - self.began_at[which, number]
            for number in [*self.shells[which].calls, *self.shells[which].standing]
            if (which, number) in self.began_at
        ]
        return sum(age < SLOW_S for age in ages), sum(age >= SLOW_S for age in ages)

    def is_shut_out(self, which: int, number: int) -> bool:
        return self.is_host_shut_out(which, self.shells[which].addresses[number].host)

    def is_host_shut_out(self, which: int, host: str) -> bool:
        return host in self.banned[which] or host == self.blocked[which]


def test_bounds_hold_and_nobody_starves_whatever_happens() -> None:
    run_state_machine_as_test(DiallingSteps, settings=settings(max_examples=60, stateful_step_count=60, deadline=None))
