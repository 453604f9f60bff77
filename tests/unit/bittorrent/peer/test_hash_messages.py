"""Hash messages on one connection: what is due, what is a flood, and what nobody asked for."""

from __future__ import annotations

import pytest

from bittorrent.merkle.proof import HashRange
from bittorrent.peer.config import PeerConfig
from bittorrent.peer.events import HashesArrived, HashesRequested
from bittorrent.wire.hashes import Hashes, HashReject, HashRequest
from tests.peer_pair import INFO_HASH, PeerPair, Victim

FEW = PeerConfig(first_hash_requests=3, control_burst=5, control_rate_per_s=1e-9, max_hash_requests=2)


def span(index: int) -> HashRange:
    return HashRange(b"r" * 32, 0, 2 * index, 2, 3)


def test_both_ways() -> None:
    pair = PeerPair()
    pair.run()
    pair.left.events.clear()
    pair.left.core.hashes.request(span(0))
    pair.left.core.hashes.request(span(1))
    pair.run()
    assert pair.right.events[-2:] == [HashesRequested(span(0)), HashesRequested(span(1))]
    pair.right.core.hashes.answer(Hashes(span(0), b"h" * 64))
    pair.right.core.hashes.answer(HashReject(span(1)))
    pair.run()
    answers: list[Hashes | HashReject] = [Hashes(span(0), b"h" * 64), HashReject(span(1))]
    assert pair.left.events == [HashesArrived(answer) for answer in answers]


def test_a_peer_may_ask_as_often_as_it_is_entitled_to_and_a_little_more() -> None:
    victim = Victim(config=FEW)
    for _ in range(8):
        victim.hear(HashRequest(span(0)))
        assert not victim.core.is_closed
    victim.hear(HashRequest(span(0)))
    assert victim.core.closed_because == "the peer floods us with messages"


def test_requests_that_a_peer_is_entitled_to_are_free() -> None:
    victim = Victim(config=FEW)
    victim.core.hashes.entitled = 1000
    victim.hear(*[HashRequest(span(index)) for index in range(1000)])
    assert not victim.core.is_closed
    assert victim.events == [HashesRequested(span(index)) for index in range(1000)]


@pytest.mark.parametrize("message", [Hashes(span(7), b"h" * 64), HashReject(span(7))])
def test_answers_that_nobody_asked_for_are_not_reported_and_a_flood_of_them_ends_it(
    message: Hashes | HashReject,
) -> None:
    victim = Victim(config=FEW)
    victim.core.hashes.request(span(7))
    victim.hear(message)
    assert victim.events == [HashesArrived(message)]
    victim.events.clear()
    victim.hear(*[message] * 5)
    assert not victim.core.is_closed
    victim.hear(message)
    assert victim.core.closed_because == "the peer floods us with messages"
    assert not victim.events


def test_what_is_owed_is_bounded() -> None:
    victim = Victim(config=FEW)
    for index in range(3):
        victim.core.hashes.request(span(index))
    victim.hear(HashReject(span(0)), HashReject(span(1)), HashReject(span(2)))
    assert victim.events == [HashesArrived(HashReject(span(1))), HashesArrived(HashReject(span(2)))]


def test_a_connection_speaks_for_the_hashes_of_both_handshakes() -> None:
    victim = Victim()
    assert victim.core.speaks_for(INFO_HASH)
    assert not victim.core.speaks_for(bytes(20))
