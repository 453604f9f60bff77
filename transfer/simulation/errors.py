"""What ends a simulated run: each of these is a verdict about the program under simulation, or about its scenario."""

from __future__ import annotations

from transfer.errors import TransferError


class SimulationError(TransferError):
    """Root of the verdicts of a simulated run."""


class DeadlockError(SimulationError, RuntimeError):
    """Nothing can ever wake up again: no callback, no timer, no packet. The pending tasks are in the text."""


class LivelockError(SimulationError, RuntimeError):
    """The program keeps running callbacks while virtual time stands still."""


class TimeLimitError(SimulationError, TimeoutError):
    """The scenario did not end within the virtual time it was given."""


class LeakError(SimulationError, RuntimeError):
    """The scenario ended and left tasks, transports or servers behind."""


class UnhandledError(SimulationError, RuntimeError):
    """A callback or a task failed, and no code looked at the error; the first such failure is the `__cause__`."""


class NotSimulatedError(SimulationError, NotImplementedError):
    """The program asked for something that would leave the simulation.

    Attributes:
        call: what it called.
        instead: what to use.
    """

    def __init__(self, call: str, instead: str) -> None:
        self.call = call
        self.instead = instead
        super().__init__(f"{call} is not simulated: {instead}")
