"""Which protocol gets which datagram, and that none of them can starve the others."""

from __future__ import annotations

from typing import Any

import pytest

from transfer.datagrams.demultiplexer import DatagramClaim, DatagramPortConfig, DatagramPortStats, Demultiplexer

HERE, THERE = ("192.0.2.1", 1), ("192.0.2.2", 2)


def sorted_by(demultiplexer: Demultiplexer[str], *datagrams: tuple[bytes, Any]) -> dict[str, list[bytes]]:
    demultiplexer.receive(datagrams)
    taken = demultiplexer.take()
    demultiplexer.check_invariants()
    return {user: [data for data, _ in batch] for user, batch in taken}


def waits(shared: Demultiplexer[str]) -> bool:
    return shared.is_waiting


def sole(shared: Demultiplexer[str]) -> str | None:
    return shared.sole_user


def test_each_gets_what_begins_as_it_claims_in_the_order_of_arrival() -> None:
    shared: Demultiplexer[str] = Demultiplexer()
    shared.add("dht", DatagramClaim(first_bytes=b"d"))
    shared.add("utp", DatagramClaim(first_bytes=b"\x01\x11\x21"))
    came = [(data, HERE) for data in (b"d1", b"\x01a", b"d2", b"\x21b", b"x", b"", b"\x31", b"d3")]
    assert sorted_by(shared, *came) == {"dht": [b"d1", b"d2", b"d3"], "utp": [b"\x01a", b"\x21b"]}
    assert shared.stats() == DatagramPortStats(received=8, unclaimed=3, dropped=0)
    assert not waits(shared)


def test_a_claim_may_look_at_the_sender_and_at_every_byte() -> None:
    asked: list[tuple[bytes, Any]] = []

    def accepts(data: bytes, source: Any) -> bool:
        asked.append((data, source))
        return bool(source == HERE and data.endswith(b"!"))

    shared: Demultiplexer[str] = Demultiplexer()
    shared.add("tracker", DatagramClaim(first_bytes=b"\0", accepts=accepts))
    came = [(b"\0!", HERE), (b"\0!", THERE), (b"\0?", HERE), (b"d!", HERE)]
    assert sorted_by(shared, *came) == {"tracker": [b"\0!"]}
    assert asked == came[:3], "it is not asked about what begins in another way"
    assert shared.stats().unclaimed == 3


@pytest.mark.parametrize("orders", [(0, 1), (1, 0), (0, 0)])
def test_of_two_that_claim_a_datagram_one_gets_it_always_the_same(orders: tuple[int, int]) -> None:
    shared: Demultiplexer[str] = Demultiplexer()
    for name, order in zip(("first", "second"), orders, strict=True):
        shared.add(name, DatagramClaim(first_bytes=b"ab", accepts=lambda data, source: True, order=order))
    winner = "second" if orders == (1, 0) else "first"
    for _ in range(3):
        assert sorted_by(shared, (b"a", HERE), (b"b", THERE)) == {winner: [b"a", b"b"]}
    shared.remove(winner)
    (heir,) = sorted_by(shared, (b"a", HERE))
    assert heir != winner


def test_what_one_refuses_may_be_another_ones() -> None:
    shared: Demultiplexer[str] = Demultiplexer()
    shared.add("picky", DatagramClaim(first_bytes=b"a", accepts=lambda data, source: source == HERE))
    shared.add("other", DatagramClaim(first_bytes=b"a", order=1))
    assert sorted_by(shared, (b"a1", HERE), (b"a2", THERE)) == {"picky": [b"a1"], "other": [b"a2"]}


def test_a_flood_for_one_waits_its_turn_and_overflows_alone() -> None:
    shared: Demultiplexer[str] = Demultiplexer(DatagramPortConfig(max_share=4, max_waiting=10))
    shared.add("flooded", DatagramClaim(first_bytes=b"f"))
    shared.add("quiet", DatagramClaim(first_bytes=b"q"))
    flood = [(b"f%d" % number, HERE) for number in range(50)]
    assert sorted_by(shared, *flood, (b"q1", THERE)) == {"flooded": [b"f0", b"f1", b"f2", b"f3"], "quiet": [b"q1"]}
    assert waits(shared)
    assert sorted_by(shared, *flood, (b"q2", THERE))["quiet"] == [b"q2"]
    taken = [data for _ in range(3) for data in sorted_by(shared).get("flooded", [])]
    assert taken == [b"f8", b"f9", b"f0", b"f1", b"f2", b"f3"], "each once, in order, the newest were dropped"
    assert not waits(shared)
    assert shared.stats() == DatagramPortStats(received=102, unclaimed=0, dropped=86)


def test_nobody_has_to_wait_for_others_who_are_not_there() -> None:
    shared: Demultiplexer[str] = Demultiplexer(DatagramPortConfig(max_share=1, max_waiting=10))
    shared.add("only", DatagramClaim(first_bytes=b"o"))
    assert sorted_by(shared, *[(b"o", HERE)] * 10) == {"only": [b"o"] * 10}


def test_who_leaves_takes_nothing_along() -> None:
    shared: Demultiplexer[str] = Demultiplexer(DatagramPortConfig(max_share=1, max_waiting=10))
    shared.add("leaving", DatagramClaim(first_bytes=b"l"))
    shared.add("staying", DatagramClaim(first_bytes=b"s"))
    sorted_by(shared, *[(b"l", HERE)] * 3, *[(b"s", HERE)] * 3)
    shared.remove("leaving")
    shared.remove("leaving")
    assert sorted_by(shared, (b"l", HERE)) == {"staying": [b"s", b"s"]}
    assert shared.stats() == DatagramPortStats(received=7, unclaimed=1, dropped=2)


def test_who_takes_all_does_so_only_while_alone() -> None:
    shared: Demultiplexer[str] = Demultiplexer(DatagramPortConfig(max_share=1, max_waiting=10))
    assert sole(shared) is None
    shared.add("owner", DatagramClaim(first_bytes=b"o", takes_all_alone=True))
    assert sole(shared) == "owner"
    shared.add("guest", DatagramClaim(first_bytes=b"g"))
    assert sole(shared) is None
    assert sorted_by(shared, (b"x", HERE), (b"g", HERE), (b"o1", HERE), (b"o2", HERE)) == {
        "owner": [b"o1"],
        "guest": [b"g"],
    }
    shared.remove("guest")
    assert sole(shared) is None, "what waits comes first"
    assert sorted_by(shared) == {"owner": [b"o2"]}
    assert sole(shared) == "owner"
    shared.remove("owner")
    shared.add("guest", DatagramClaim(first_bytes=b"g"))
    assert sole(shared) is None, "it did not ask for it"


def test_claims_that_could_never_be_met_are_refused() -> None:
    shared: Demultiplexer[str] = Demultiplexer()
    shared.add("dht", DatagramClaim(first_bytes=b"d"))
    with pytest.raises(ValueError, match="takes part already"):
        shared.add("dht", DatagramClaim(first_bytes=b"x"))
    with pytest.raises(ValueError, match="every datagram that begins so"):
        shared.add("another dht", DatagramClaim(first_bytes=b"xd"))
    shared.add("xmas", DatagramClaim(first_bytes=b"x"))
    with pytest.raises(ValueError, match="at least one first byte"):
        DatagramClaim(first_bytes=b"")
    for wrong in ({"max_share": 0}, {"max_share": 300}):
        with pytest.raises(ValueError, match="max_share"):
            DatagramPortConfig(**wrong)
    assert DatagramPortConfig(max_share=1, max_waiting=1).max_waiting == 1
