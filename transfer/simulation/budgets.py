"""What limits are made of in a simulation: every host is the same machine, and budgets are watched for leaks."""

from __future__ import annotations

import asyncio

from transfer.limits.budget import Scope
from transfer.limits.machine import Machine
from transfer.simulation.host import Boot, current_boot


class Budgets(asyncio.AbstractEventLoop):
    """The machine that programs find, and the budgets that they open."""

    machine = Machine(ram_bytes=8 << 30, descriptors=65_536)  # not this machine's: runs must repeat anywhere

    def __init__(self) -> None:
        super().__init__()
        self._budgets: dict[Scope, Boot | None] = {}

    def watch_budget(self, budget: Scope) -> None:
        """Nothing must be reserved in it when the scenario is over, unless its host has crashed."""
        self._budgets[budget] = current_boot.get()

    def budgets_left(self) -> list[Scope]:
        """Those that hold something, in the order of opening."""
        return [
            budget for budget, boot in self._budgets.items() if not budget.is_empty and (boot is None or boot.is_alive)
        ]
