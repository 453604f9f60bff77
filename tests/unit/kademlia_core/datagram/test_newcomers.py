"""Which queries show that strangers get through."""

from __future__ import annotations

from kademlia_core.datagram.newcomers import ENOUGH, MAX_CALLED, MEMORY_S, Newcomers
from transfer.address import Address

STRANGER = Address("198.51.100.7", 6881)


def test_a_stranger_counts_once() -> None:
    seen = Newcomers()
    assert seen.note_query(STRANGER, now=0.0)
    assert not seen.note_query(STRANGER, now=1.0)  # it has had an answer
    assert seen.count == 1


def test_whoever_was_called_does_not_count_from_any_port() -> None:
    seen = Newcomers()
    seen.note_sent(STRANGER, now=0.0)
    assert not seen.note_query(STRANGER._replace(port=1), now=1.0)
    assert not seen.note_query(STRANGER, now=MEMORY_S - 1.0)
    assert seen.note_query(STRANGER, now=3 * MEMORY_S)


def test_on_this_machine_endpoints_count() -> None:
    seen = Newcomers()
    seen.note_sent(Address("127.0.0.1", 1), now=0.0)
    assert not seen.note_query(Address("127.0.0.1", 1), now=1.0)
    assert seen.note_query(Address("127.0.0.1", 2), now=1.0)


def test_memory_is_bounded_and_what_is_forgotten_proves_nothing() -> None:
    seen = Newcomers()
    for number in range(MAX_CALLED + 1):
        seen.note_sent(Address(f"11.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1), now=0.0)
    assert not seen.note_query(Address("11.0.0.0", 1), now=1.0)  # the one that had to be forgotten
    assert not seen.note_query(STRANGER, now=1.0)
    assert seen.note_query(Address("198.51.100.8", 1), now=2 * MEMORY_S)


def test_enough_is_enough() -> None:
    seen = Newcomers()
    for number in range(ENOUGH):
        assert not seen.is_done
        seen.note_query(Address(f"198.51.100.{number}", 1), now=0.0)
    assert seen.is_done
