"""Traces as text."""

from __future__ import annotations

from transfer.simulation.diagram import sequence_diagram
from transfer.simulation.trace import NOBODY, Event, Trace

A, B = ("10.0.0.1", 1), ("10.0.0.2", 2)


def test_few_hosts_have_lanes() -> None:
    events: list[Event] = [
        (0, 0, "udp", A, B, 98, 0, 10_000),
        (1_500_000, 1, "udp", B, A, 5, 0, -1),
        (2_000_000, 2, "note it begins", NOBODY, NOBODY, 0, 0, 0),
        (3_000_000, 3, "udp", A, A, 5, 0, 20),
    ]
    assert sequence_diagram(events).splitlines() == [
        "the last 4 events:",
        "                   10.0.0.1          10.0.0.2",
        "    0.000000           |---------------->|          udp 98 B  1 > 2  +10.000 ms",
        "    1.500000           |--------x--------|          udp 5 B  2 > 1  lost",
        "    2.000000  -- note it begins",
        "    3.000000           @                 |          udp 5 B  1 > 1  +0.020 ms",
    ]


def test_many_hosts_have_lines() -> None:
    events: list[Event] = [(0, 0, "udp", (f"fd00::{number}", 1), B, 5, 0, -2) for number in range(10)]
    lines = sequence_diagram(events).splitlines()
    assert lines[1] == "    0.000000  [fd00::0]:1 --x 10.0.0.2:2  udp 5 B  queue full"
    assert len(lines) == 11


def test_nothing_is_said_so() -> None:
    assert "nothing happened" in sequence_diagram([])


def test_a_trace_keeps_the_last_events_and_hashes_all() -> None:
    one, two = Trace(), Trace()
    for number in range(10_000):
        event: Event = (number, number, "udp", A, B, 5, 0, 0)
        one.add(event)
        two.add(event)
        if number % 999 == 0:
            two.digest()
    assert one.digest() == two.digest()
    assert one.events == 10_000
    assert [event[0] for event in one.last(200)] == list(range(9_800, 10_000))
    one.add((0, 0, "udp", A, B, 5, 1, 0))
    assert one.digest() != two.digest()
