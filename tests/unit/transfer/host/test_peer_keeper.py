"""Of too many peers those go that are worth least; who is protected or new stays, with all its connections."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transfer.host.peer_keeper import PeerKeeper
from transfer.identity.keys import PrivateKey
from transfer.limits.keeper import KeeperConfig

PEERS = [PrivateKey.from_seed(bytes(31) + bytes([number])).peer_id for number in range(12)]


def keeper_of(
    count: int, *, low: int = 2, high: int = 4, grace_s: float = 0.0, pause_s: float = 10.0
) -> PeerKeeper[int]:
    keeper: PeerKeeper[int] = PeerKeeper(KeeperConfig(low=low, high=high, grace_s=grace_s, pause_s=pause_s))
    for number in range(count):
        keeper.connected(PEERS[number], number, is_inbound=False, now=0.0)
    return keeper


def test_above_the_high_mark_those_worth_least_go_and_the_reason_names_the_numbers() -> None:
    keeper = keeper_of(4)
    assert keeper.trim(now=0.0) == []
    assert keeper.next_timer() is None
    keeper.connected(PEERS[4], 4, is_inbound=True, now=0.0)
    keeper.tag(PEERS[0], "useful", 5.0)
    keeper.bump(PEERS[1], "answered", 8.0, half_life_s=10.0, now=0.0)
    assert keeper.worth(PEERS[1], now=20.0) == 2.0
    trimmed = keeper.trim(now=0.0)
    assert [each.peer_id for each in trimmed] == [PEERS[4], PEERS[2], PEERS[3]]
    assert {each.reason for each in trimmed} == {
        "5 peers were connected, more than keeper.high (4), and those worth least went; keeper.low is 2"
    }
    keeper.check_invariants()
    assert len(keeper) == 2


def test_a_peer_goes_with_all_its_connections_and_is_gone_with_the_last_one() -> None:
    keeper = keeper_of(5)
    keeper.connected(PEERS[0], 100, is_inbound=True, now=0.0)
    assert len(keeper) == 5
    assert keeper.trim(now=0.0)[0].connections == (0, 100)
    keeper.lost(PEERS[0], 0)
    keeper.connected(PEERS[0], 101, is_inbound=True, now=1.0)
    keeper.lost(PEERS[0], 100)
    assert len(keeper) == 3, "what is said of a connection that was let go does not hurt the one that came after it"
    keeper.tag(PEERS[0], "useful", 1.0)
    keeper.lost(PEERS[0], 101)
    keeper.lost(PEERS[0], 101)
    assert keeper.worth(PEERS[0], now=1.0) == 0.0
    keeper.check_invariants()


def test_it_is_looked_again_after_a_pause_when_nobody_may_go_yet() -> None:
    keeper = keeper_of(5, grace_s=15.0)
    assert keeper.trim(now=0.0) == []
    assert keeper.next_timer() == 10.0
    assert keeper.trim(now=10.0) == []
    assert keeper.trim(now=19.0) == [], "not in the pause"
    assert len(keeper.trim(now=20.0)) == 3
    assert keeper.next_timer() is None


def test_protection_is_there_before_the_peer_and_after_it() -> None:
    keeper = keeper_of(0)
    keeper.protect(PEERS[0], "friend")
    keeper.protect(PEERS[0], "router")
    for _ in range(2):
        for number in range(5):
            keeper.connected(PEERS[number], number, is_inbound=True, now=0.0)
        keeper.lost(PEERS[0], 0)
    keeper.connected(PEERS[0], 0, is_inbound=True, now=0.0)
    keeper.check_invariants()
    assert PEERS[0] not in [each.peer_id for each in keeper.trim(now=0.0)]
    assert keeper.unprotect(PEERS[0], "friend")
    assert not keeper.unprotect(PEERS[0], "router")
    assert not keeper.unprotect(PEERS[0], "router")
    keeper.check_invariants()


def test_without_a_config_nobody_goes() -> None:
    keeper: PeerKeeper[int] = PeerKeeper()
    for number, peer in enumerate(PEERS):
        keeper.connected(peer, number, is_inbound=True, now=0.0)
    assert keeper.trim(now=1e9) == []
    assert keeper.next_timer() is None


@given(
    st.lists(
        st.tuples(st.sampled_from(["connect", "lose", "protect", "unprotect", "tag", "wait"]), st.integers(0, 11)),
        max_size=60,
    )
)
def test_who_is_protected_or_new_stays_whatever_happens(steps: list[tuple[str, int]]) -> None:
    keeper = keeper_of(0, low=1, high=3, grace_s=5.0, pause_s=2.0)
    now, count = 0.0, 0
    protected: set[int] = set()
    since, open_ = dict[int, float](), dict[int, list[int]]()
    for what, number in steps:
        peer = PEERS[number]
        match what:
            case "connect":
                count += 1
                keeper.connected(peer, count, is_inbound=bool(number % 2), now=now)
                since.setdefault(number, now)
                open_.setdefault(number, []).append(count)
            case "lose":
                if number in open_:
                    keeper.lost(peer, open_[number].pop())
                    if not open_[number]:
                        del open_[number], since[number]
            case "protect":
                keeper.protect(peer, "reason")
                protected.add(number)
            case "unprotect":
                assert not keeper.unprotect(peer, "reason")
                protected.discard(number)
            case "tag":
                keeper.tag(peer, "value", float(number))
            case "wait":
                now += number
        before = len(open_)
        for trimmed in keeper.trim(now=now):
            gone = PEERS.index(trimmed.peer_id)
            assert gone not in protected
            assert now - since[gone] >= 5.0
            assert list(trimmed.connections) == open_.pop(gone)
            del since[gone]
        assert len(open_) == before or (before > 3 and len(open_) >= 1)
        assert len(keeper) == len(open_)
        assert (keeper.next_timer() is not None) == (len(open_) > 3)
        keeper.check_invariants()
