"""What strangers send that have seen nothing, or everything, of a connection."""

from __future__ import annotations

import random
from typing import Any

from tests.utp_pair import LEFT, RIGHT, Ending, UtpConfig, Way
from transfer.utp.packet import DATA, RESET, STATE, SYN, Packet

CONTENT = random.Random(1).randbytes(300_000)


def forge(way: Way, **fields: Any) -> None:
    packet = Packet(**{"kind": DATA, "connection_id": 0, "sequence": 0, "window": 1 << 20, **fields})
    way.right.receive(packet.to_bytes(), LEFT)


def test_a_reset_needs_the_id_and_a_number_that_fits() -> None:
    way = Way()
    _, theirs = way.pair()
    known = theirs.sender.half.base - 1 & 0xFFFF
    forge(way, kind=RESET, connection_id=theirs.receive_id + 5 & 0xFFFF, acked=known)
    forge(way, kind=RESET, connection_id=theirs.receive_id, acked=known + 30_000 & 0xFFFF)
    assert theirs.ending is None
    assert theirs.ignored == 1
    forge(way, kind=RESET, connection_id=theirs.receive_id, acked=known)
    assert theirs.ending is Ending.RESET


def test_an_acknowledgement_of_what_was_not_sent_is_ignored_with_all_it_carries() -> None:
    way = Way()
    _, theirs = way.pair()
    forge(
        way,
        connection_id=theirs.receive_id,
        sequence=theirs.receiving.expected & 0xFFFF,
        acked=theirs.sender.half.next + 3 & 0xFFFF,
        sack=255,
        payload=b"forged",
    )
    assert theirs.ignored == 1
    assert way.right.received[theirs] == b""


def test_selective_acknowledgements_of_what_was_not_sent_do_no_harm() -> None:
    way = Way()
    _, theirs = way.pair()
    way.fate = lambda _, __: []
    way.right.write(theirs, bytes(5000))
    base = theirs.sender.half.base
    for sack in (1, (1 << 2000) - 1, 1 << 2015, 0):
        forge(way, kind=STATE, connection_id=theirs.receive_id, sequence=1, acked=base - 1 & 0xFFFF, sack=sack)
        theirs.check_invariants()
    assert theirs.sender.half.base == base
    assert theirs.sender.half.in_flight >= 0


def test_what_is_replayed_arrives_once() -> None:
    way = Way(fate=lambda _, __: [0.01, 0.02, 0.5])
    ours, theirs = way.pair()
    way.left.write(ours, CONTENT)
    way.left.end(ours)
    assert way.run(60, lambda: theirs.receiving.has_ended)
    way.run(5)
    assert way.right.received[theirs] == CONTENT
    assert len(way.right.accepted) == 1


def test_a_replay_of_all_of_it_when_it_is_over_makes_no_connection() -> None:
    way = Way()
    seen: list[bytes] = []
    send = way.send

    def listen_in(data: bytes, source: tuple[str, int], target: tuple[str, int]) -> None:
        if target == RIGHT:
            seen.append(data)
        send(data, source, target)

    way.send = listen_in  # type: ignore[method-assign]
    ours, theirs = way.pair()
    way.left.write(ours, b"pay 5")
    way.left.end(ours)
    way.run(1)
    theirs.close(now=way.now)
    way.right.flush(theirs)
    way.run(100)
    assert not len(way.right.core)
    for data in seen:
        way.right.receive(data, LEFT)
    assert len(way.right.accepted) == 1, "the number of the answer is another one by now"


def test_what_is_far_ahead_is_not_kept() -> None:
    way = Way(config=UtpConfig(receive_buffer_bytes=20_000))
    _, theirs = way.pair()
    expected, acked = theirs.receiving.expected, theirs.sender.half.base - 1 & 0xFFFF
    for distance in (2049, 20_000, 40_000, *range(1, 100)):
        sequence = expected + distance & 0xFFFF
        forge(way, connection_id=theirs.receive_id, sequence=sequence, acked=acked, payload=bytes(1000))
        theirs.check_invariants()
    assert 10_000 < theirs.receiving.held_bytes <= 20_000


def test_timestamps_that_jump_do_no_harm() -> None:
    way = Way()
    ours, theirs = way.pair()
    send = way.send

    def garble(data: bytes, source: tuple[str, int], target: tuple[str, int]) -> None:
        send(data[:4] + way.rng.randbytes(8) + data[12:], source, target)

    way.send = garble  # type: ignore[method-assign]
    way.left.write(ours, CONTENT)
    assert way.run(60, lambda: len(way.right.received[theirs]) == len(CONTENT))
    assert way.right.received[theirs] == CONTENT


def test_syns_are_remembered_up_to_a_limit_and_those_beyond_can_connect_all_the_same() -> None:
    way = Way(config=UtpConfig(max_half_open=10))
    for number in range(1000):
        syn = Packet(kind=SYN, connection_id=number, sequence=number)
        way.right.receive(syn.to_bytes(), ("flood", number))
    stats = way.right.core.stats()
    assert (stats.half_open, stats.connections) == (10, 0)
    ours, theirs = way.pair()
    way.left.write(ours, CONTENT)
    assert way.run(60, lambda: len(way.right.received[theirs]) == len(CONTENT))
    assert way.right.core.stats().half_open == 10
    way.right.core.check_invariants()


def test_guesses_at_the_answer_to_a_syn_make_no_connection() -> None:
    way = Way(config=UtpConfig(max_half_open=1))
    for number in (1, 2):
        way.right.receive(Packet(kind=SYN, connection_id=number, sequence=7).to_bytes(), ("flood", number))
    for acked in range(0, 65_536, 64):
        guess = Packet(kind=DATA, connection_id=3, sequence=8, acked=acked, payload=b"x")
        way.right.receive(guess.to_bytes(), ("flood", 2))
    assert len(way.right.accepted) <= 1, "one in 64 of all guesses was made"


def test_resets_to_strangers_are_limited() -> None:
    way = Way(config=UtpConfig(max_resets_per_s=20))
    way.keeps = True
    for number in range(1000):
        packet = Packet(kind=DATA, connection_id=number, sequence=5, payload=b"x")
        way.right.receive(packet.to_bytes(), ("stranger", number))
    assert len(way.sent) == 20
    assert all(packet.kind == RESET and packet.acked == 5 for _, _, packet in way.sent)


def test_more_connections_than_may_be_are_refused() -> None:
    way = Way(right_config=UtpConfig(max_connections=3))
    dialled = [way.left.connect(RIGHT) for _ in range(5)]
    way.run(2)
    assert len(way.right.core) == 3
    assert [each.ending for each in dialled].count(Ending.RESET) == 2


def test_many_connections_share_the_memory_that_there_is() -> None:
    config = UtpConfig(receive_buffer_bytes=1 << 20, max_received_bytes=4 << 20, max_connections=100)
    way = Way(right_config=config)
    way.right.reads = False
    dialled = [way.left.connect(RIGHT) for _ in range(40)]
    way.run(1)
    assert len(way.right.core) == 40
    for connection in dialled:
        way.left.write(connection, CONTENT)
    way.run(30)
    kept = sum(each.receiving.held_bytes for each in way.right.core.connections())
    assert 2 << 20 < kept <= 4 << 20
    for connection in dialled[3:]:
        connection.abort()
        way.left.flush(connection)
    way.run(1)
    assert len(way.right.core) == 3
    way.right.reads = True
    rest = way.right.core.connections()
    for connection in rest:
        way.right.read(connection)
        way.right.flush(connection)
    assert way.run(60, lambda: all(way.right.received[each] == CONTENT for each in rest))
    assert {each.receiving.buffer_bytes for each in rest} == {512 << 10}, (
        "twice as much may not be too much at once again"
    )
