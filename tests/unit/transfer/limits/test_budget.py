"""Reservations: charged to all above or to nobody, released together, and refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from transfer.limits.budget import Scope, ScopeKind
from transfer.limits.refusal import LimitReachedError, Refusal
from transfer.limits.resources import Priority, Resource, ScopeLimits, ceiling_of, connection_charge, stream_charge

MEMORY = Resource.MEMORY


def system(**limits: Any) -> Scope:
    return Scope(ScopeKind.SYSTEM, "system", ScopeLimits(**limits))


def test_a_reservation_is_charged_to_all_above() -> None:
    root = system()
    peer = root.child(ScopeKind.PEER, "10.0.0.1")
    connection = peer.child(ScopeKind.CONNECTION, "a connection")
    connection.reserve(connection_charge(is_inbound=True, memory=100))
    for scope in (root, peer, connection):
        assert scope.usage() == {
            Resource.CONNECTIONS_IN: 1,
            Resource.CONNECTIONS: 1,
            Resource.DESCRIPTORS: 1,
            Resource.MEMORY: 100,
        }
    connection.release({MEMORY: 60})
    assert (root.used(MEMORY), connection.used(MEMORY)) == (40, 40)
    root.check_invariants()


def test_it_fails_whole() -> None:
    root = system(connections=1)
    peer = root.child(ScopeKind.PEER, "a peer", ScopeLimits(memory=10))
    with pytest.raises(LimitReachedError) as refused:
        peer.reserve({Resource.CONNECTIONS: 1, MEMORY: 11})
    assert refused.value.refusal == Refusal(limit="memory", scope="a peer", what="bytes of memory", in_use=0, most=10)
    assert root.is_empty
    peer.reserve({Resource.CONNECTIONS: 1, MEMORY: 10})
    refusal = peer.try_reserve({Resource.CONNECTIONS: 1})
    assert str(refusal) == "system has 1 of 1 connections (connections)"
    root.check_invariants()


def test_a_scope_below_two_counts_once_above_both() -> None:
    root = system(streams=1)
    peer, protocol = root.child(ScopeKind.PEER, "p"), root.child(ScopeKind.PROTOCOL, "/ping")
    stream = peer.child(ScopeKind.STREAM, "s", also=[protocol])
    stream.reserve(stream_charge(is_inbound=True))
    assert [scope.used(Resource.STREAMS) for scope in (root, peer, protocol)] == [1, 1, 1]
    stream.close()
    assert root.is_empty
    root.check_invariants()


def test_a_span_and_a_closed_scope_give_back_all_together() -> None:
    root = system()
    with root.span() as span:
        span.reserve({MEMORY: 5})
        span.child(ScopeKind.STREAM, "s").reserve({MEMORY: 7})
        assert root.used(MEMORY) == 12
    assert root.is_empty
    assert list(root.children) == []
    span.close()
    with pytest.raises(ValueError, match="is closed"):
        span.reserve({MEMORY: 1})
    with pytest.raises(ValueError, match="is closed"):
        span.child(ScopeKind.STREAM, "s")


def test_who_moves_takes_all_along_or_stays() -> None:
    root = system()
    transient, settled = root.child(ScopeKind.TRANSIENT, "t"), root.child(ScopeKind.SETTLED, "s")
    full = settled.child(ScopeKind.PEER, "full", ScopeLimits(connections=0))
    peer = settled.child(ScopeKind.PEER, "peer", ScopeLimits(connections=1))
    connection = transient.child(ScopeKind.CONNECTION, "c")
    connection.reserve(connection_charge(is_inbound=False))
    connection.child(ScopeKind.STREAM, "s").reserve({MEMORY: 3})
    refusal = connection.move(full)
    assert refusal is not None
    assert refusal.scope == "full"
    assert (transient.used(Resource.CONNECTIONS), settled.used(Resource.CONNECTIONS)) == (1, 0)
    assert connection.move(peer) is None
    assert transient.is_empty
    assert (peer.used(MEMORY), settled.used(MEMORY), root.used(MEMORY)) == (3, 3, 3)
    root.check_invariants()


def test_no_more_is_given_back_than_was_taken_there() -> None:
    root = system()
    child = root.child(ScopeKind.PEER, "p")
    child.reserve({MEMORY: 3})
    with pytest.raises(ValueError, match="than was reserved in it"):
        root.release({MEMORY: 1})
    with pytest.raises(ValueError, match="than was reserved in it"):
        child.release({MEMORY: 4})
    with pytest.raises(ValueError, match="must not be negative"):
        child.reserve({MEMORY: -1})
    assert root.used(MEMORY) == 3


@pytest.mark.parametrize(
    ("priority", "most"),
    [
        (Priority.LOW, 102),
        (Priority.MEDIUM, 153),
        (Priority.HIGH, 204),
        (Priority.ORDINARY, 240),
        (Priority.ALWAYS, 256),
    ],
)
def test_what_is_vital_is_refused_last(priority: Priority, most: int) -> None:
    root = system(memory=256)
    assert ceiling_of(256, priority) == most
    root.reserve({MEMORY: most}, priority=priority)
    assert root.room(MEMORY, priority=priority) == 0
    refusal = root.try_reserve({MEMORY: 1}, priority=priority)
    assert refusal is not None
    assert refusal.most == most
    assert (root.try_reserve({MEMORY: 1}) is None) == (priority is not Priority.ALWAYS)


def test_small_limits_have_no_reserve_and_some_scopes_never() -> None:
    assert [ceiling_of(limit, Priority.ORDINARY) for limit in (0, 1, 15, 16, 32, 1024)] == [0, 1, 15, 15, 30, 960]
    scope = Scope(ScopeKind.PEER, "p", ScopeLimits(connections=32, keeps_reserve=False))
    assert scope.room(Resource.CONNECTIONS, priority=Priority.ORDINARY) == 32


def test_limits_that_change_hold_for_what_comes() -> None:
    root = system(memory=10)
    root.reserve({MEMORY: 10})
    root.set_limits(ScopeLimits(memory=5, setting={"memory": "max_memory"}))
    assert root.room(MEMORY) == -5
    refusal = root.try_reserve({MEMORY: 1})
    assert refusal is not None
    assert (refusal.limit, refusal.in_use, refusal.most) == ("max_memory", 10, 5)
    with pytest.raises(ValueError, match="memory must not be negative"):
        ScopeLimits(memory=-1)
