from __future__ import annotations

import pytest

from kademlia_core import Contact, Key
from kademlia_core.datagram.snapshot import NetworkSnapshot, SnapshotError, decode_snapshot, encode_snapshot
from kademlia_core.engine.joining import JoinState
from tests.unit.kademlia_core.virtual_network import VirtualNetwork, joined
from transfer.address import Address
from transfer.wire import bencode

V4 = NetworkSnapshot(
    Key(5, 160), False, (Contact(Key(1, 160), Address("192.0.2.1", 1)), Contact(Key(2, 160), Address("192.0.2.2", 2)))
)
V6 = NetworkSnapshot(Key(200, 8), True, (Contact(Key(7, 8), Address("2001:db8::1", 6881)),))


@pytest.mark.parametrize("networks", [[V4], [V6], [V4, V6], []])
def test_a_snapshot_survives_its_file(networks: list[NetworkSnapshot]) -> None:
    assert decode_snapshot(encode_snapshot(networks)) == networks


def test_a_changed_bit_anywhere_is_noticed() -> None:
    data = encode_snapshot([V6])
    for position in range(8 * len(data)):
        changed = bytearray(data)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(SnapshotError):
            decode_snapshot(bytes(changed))


@pytest.mark.parametrize("size", range(0, 200, 7))
def test_a_file_that_was_cut_off_is_noticed(size: int) -> None:
    data = encode_snapshot([V4, V6])
    assert size < len(data)
    with pytest.raises(SnapshotError):
        decode_snapshot(data[:size])


def test_a_file_of_a_later_version_is_refused_by_its_number() -> None:
    envelope = bencode.decode_dict(encode_snapshot([V4]))
    with pytest.raises(SnapshotError, match="version 2 is not known"):
        decode_snapshot(bencode.encode({**envelope, b"version": 2}))


def test_a_node_comes_back_without_a_bootstrap_address() -> None:
    network = VirtualNetwork()
    addresses = joined(network, 30)
    remembered = network.cores[addresses[7]].snapshot()
    assert len(remembered.contacts) >= 8
    returning = network.add(100)
    network.cores[returning].engine.restore(remembered.contacts, now=network.now)
    network.run(3.0)
    core = network.cores[returning]
    assert core.engine.join_state is JoinState.JOINED
    assert {contact.address for contact in core.table} >= {contact.address for contact in remembered.contacts}
    assert not network.take_join_wanted(returning)


def test_when_nobody_it_knew_answers_a_node_wants_its_bootstrap_addresses() -> None:
    network = VirtualNetwork()
    entry = network.add(1)
    network.join(entry)
    returning = network.add(2)
    gone = tuple(Contact(Key(number, 160), Address("10.9.9.9", number)) for number in range(1, 100))
    network.cores[returning].engine.restore(gone, now=network.now)
    network.run(120.0)
    assert network.take_join_wanted(returning)
    network.join(returning, entry)
    network.run(3.0)
    assert network.cores[returning].engine.join_state is JoinState.JOINED


def test_nobody_from_a_snapshot_is_taken_at_their_word() -> None:
    network = VirtualNetwork()
    returning = network.add(2)
    gone = tuple(Contact(Key(number, 160), Address("10.9.9.9", number)) for number in range(1, 100))
    network.cores[returning].engine.restore(gone, now=network.now)
    network.run(1.0)
    assert len(network.cores[returning].table) == 0
    assert len(network.outsiders) <= 64 + 4  # pings at a time, and the lookup's queries
