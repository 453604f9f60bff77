"""What the shell of a core does with its clock."""

from __future__ import annotations

import asyncio
import time
from random import Random

from kademlia_core.aio.driver import CoreDriver
from kademlia_core.engine.events import Event
from kademlia_core.mainline.core import MainlineCore
from transfer.address import Address
from transfer.simulation import Simulation, run


class Alarm(MainlineCore):
    """Wants nothing but to be woken, again and again if nobody changes `due`."""

    def __init__(self) -> None:
        super().__init__(rng=Random(1), now=asyncio.get_running_loop().time())
        self.due = 1000.0
        self.woken_at: list[float] = []

    def next_timer(self) -> float:
        return self.due

    def handle_timer(self, *, now: float) -> None:
        self.woken_at.append(now)
        self.due += 1000.0


def test_a_core_that_is_woken_late_is_told_what_time_it_is() -> None:
    async def scenario(simulation: Simulation) -> list[float]:
        driver = CoreDriver(Alarm(), on_event=lambda driver, event: None, on_lost=lambda driver: None)
        with simulation.host("11.0.0.1"):
            await driver.open(Address("11.0.0.1", 6881), b"d")
        driver.drive()
        asyncio.get_running_loop().call_later(999.0, time.sleep, 30.0)  # the loop is held up
        await asyncio.sleep(1500.0)
        driver.close()
        await driver.wait_closed()
        return driver.core.woken_at

    assert run(scenario).result == [1029.0]


def test_only_the_earliest_deadline_wakes_a_core() -> None:
    """A deadline that comes nearer takes the place of the one before: no timer is left behind."""

    async def scenario(simulation: Simulation) -> tuple[list[float], list[float]]:
        lost: list[CoreDriver[Alarm]] = []

        def note_event(driver: CoreDriver[Alarm], event: Event) -> None:
            raise AssertionError(event)

        driver = CoreDriver(Alarm(), on_event=note_event, on_lost=lost.append)
        with simulation.host("11.0.0.1"):
            await driver.open(Address("11.0.0.1", 6881), b"d")
        for driver.core.due in (1000.0, 500.0, 100.0, 50.0):
            driver.drive()
        await asyncio.sleep(900.0)
        early = list(driver.core.woken_at)
        await asyncio.sleep(1000.0)
        driver.close()
        await driver.wait_closed()
        assert lost == [driver]
        await asyncio.sleep(5000.0)
        return early, driver.core.woken_at

    assert run(scenario).result == ([50.0], [50.0, 1050.0])
