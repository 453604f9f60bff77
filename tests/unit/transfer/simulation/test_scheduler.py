"""The order in which events run, also when one of them runs others."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from transfer.simulation.scheduler import Scheduler


class Call:
    """An event that calls something."""

    _cancelled = False

    def __init__(self, call: Callable[[], object]) -> None:
        self._call = call

    def _run(self) -> None:
        self._call()


class Programme:
    """A scheduler that stops when nothing is left to do."""

    def __init__(self) -> None:
        self.scheduler = Scheduler(self._stop, max_virtual_us=1_000_000)
        self.ran: list[str] = []

    def add(self, name: str, call: Callable[[], object] = lambda: None, *, at_us: int = 0) -> None:
        def note_and_call() -> None:
            self.ran.append(name)
            call()

        self.scheduler.schedule(at_us, Call(note_and_call))

    def _stop(self) -> None:
        self.scheduler.stopping = True


def fail() -> None:
    raise IndexError("an event's own")


def test_events_run_in_the_order_of_time_and_then_of_scheduling() -> None:
    programme = Programme()
    for name, at_us in (("third", 2), ("first", 1), ("second", 1), ("fourth", 2)):
        programme.add(name, at_us=at_us)
    programme.scheduler.run()
    assert programme.ran == ["first", "second", "third", "fourth"]
    assert programme.scheduler.now_us == 2


def test_an_event_that_waits_runs_those_that_are_ready_in_its_place() -> None:
    programme = Programme()

    def wait() -> None:
        programme.scheduler.run_until(lambda: "later" in programme.ran)
        programme.ran.append("has waited")

    programme.add("waits", wait)
    programme.add("next")
    programme.add("later", at_us=5)
    programme.add("last", at_us=6)
    programme.scheduler.run()
    assert programme.ran == ["waits", "next", "later", "has waited", "last"]


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.parametrize("has_waited", [False, True])
def test_what_an_event_raises_is_never_taken_for_the_end_of_a_round(others: int, has_waited: bool) -> None:
    programme = Programme()
    if has_waited:
        programme.add("waits", lambda: programme.scheduler.run_until(lambda: len(programme.ran) > 1))
        programme.add("taken")
    programme.add("fails", fail)
    for _ in range(others):
        programme.add("other")
    with pytest.raises(IndexError, match="an event's own"):
        programme.scheduler.run()
    assert programme.ran[-1] == "fails"
