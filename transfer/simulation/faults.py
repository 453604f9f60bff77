"""What goes wrong on purpose. Each fault begins when it is made and ends with `heal` or with its `with` block."""

from __future__ import annotations

import asyncio
import errno
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from transfer.simulation.host import Boot, Host, current_boot
from transfer.simulation.tasks import SimulationTask
from transfer.simulation.trace import NOBODY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from transfer.simulation.network import Network
    from transfer.simulation.scheduler import Event


class Fault(Protocol):
    """What the network asks of a fault that keeps packets from passing.

    Attributes:
        code: how the trace marks a packet that met it.
        holds: whether packets wait for the end of the fault instead of being lost.
    """

    @property
    def code(self) -> int: ...

    @property
    def holds(self) -> bool: ...

    def concerns(self, source: Host, target: Host) -> bool:
        """Whether packets from `source` to `target` meet it."""
        ...

    def hold(self, event: Event) -> None:
        """Keeps an event until the fault ends."""
        ...


class PathFault:
    """A fault between hosts: on from construction to `heal`."""

    name = ""
    code = 0
    holds = False

    def __init__(self, network: Network) -> None:
        self._network = network
        self._held: list[Event] = []
        self._is_on = True
        network.faults.append(self)
        network.note(f"begin {self.name}", NOBODY, NOBODY)

    def concerns(self, source: Host, target: Host) -> bool:
        raise NotImplementedError

    def hold(self, event: Event) -> None:
        self._held.append(event)

    def heal(self) -> None:
        """Ends the fault; once is enough, more do no harm."""
        if not self._is_on:
            return
        self._is_on = False
        self._network.faults.remove(self)
        self._network.note(f"end {self.name}", NOBODY, NOBODY)
        now_us = self._network.loop.scheduler.now_us
        for event in self._held:
            self._network.loop.scheduler.schedule(now_us, event)
        self._held.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.heal()


class Partition(PathFault):
    """Nothing passes between hosts of different groups; hosts in no group see every host."""

    name = "partition"
    code = -10

    def __init__(self, network: Network, groups: Iterable[Iterable[Host]]) -> None:
        self._group_of = {host.index: number for number, group in enumerate(groups) for host in group}
        super().__init__(network)

    def concerns(self, source: Host, target: Host) -> bool:
        first, second = self._group_of.get(source.index), self._group_of.get(target.index)
        return first is not None and second is not None and first != second


class BlackHole(PathFault):
    """What `source` sends to `target` vanishes; the other direction works. None stands for any host."""

    name = "black hole"
    code = -11

    def __init__(self, network: Network, source: Host | None, target: Host | None) -> None:
        self._source = source
        self._target = target
        super().__init__(network)

    def concerns(self, source: Host, target: Host) -> bool:
        return self._source in (None, source) and self._target in (None, target) and source is not target


class Clog(BlackHole):
    """What `source` sends to `target` gets stuck, and arrives in its old order when the fault ends."""

    name = "clog"
    code = -12
    holds = True


class Crash:
    """A host without power.

    At once: its sockets are gone without a word to any peer, what its disk had not synced is lost or torn, its timers
    never fire, its tasks are cancelled (what they do while they end reaches neither network nor disk, and what they
    start ends at once). `restart`, or the end of the `with` block, switches an empty machine on again: start your
    program anew inside another `with simulation.host(…)`.
    """

    def __init__(self, network: Network, host: Host) -> None:
        self._network = network
        self._host = host
        if not host.is_up:
            raise ValueError(f"{host} is down already")
        network.note("crash", (str(host), 0), NOBODY)
        boot = host.boot
        boot.is_alive = False
        network.has_crashes = True
        error = ConnectionAbortedError(errno.ECONNABORTED, f"{host} crashed")
        if host.disk is not None:
            host.disk.crash()
        for listener in list(host.listeners):
            listener.server.close()
        for endpoint in list(host.udp):
            endpoint.drop(error)
        for transport in list(host.connections):
            transport.drop(error)
        network.loop.scheduler.remove(lambda timer: _boot_of(timer) is boot)
        current = asyncio.current_task(network.loop)
        for task in sorted(asyncio.all_tasks(network.loop), key=hash):
            if isinstance(task, SimulationTask) and task.boot is boot and task is not current:
                task.has_crashed = True
                task.cancel(f"{host} crashed")

    def restart(self) -> None:
        """Switches the host on; its disk has what was synced."""
        if self._host.is_up:
            return
        self._host.boot = Boot(self._host)
        if self._host.disk is not None:
            self._host.disk.restart()
        self._network.note("restart", (str(self._host), 0), NOBODY)

    heal = restart

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.restart()


def _boot_of(timer: asyncio.TimerHandle) -> Boot | None:
    """The boot in which a timer was set; every handle of asyncio keeps its context, under a private name."""
    context = getattr(timer, "_context", None)
    return context.get(current_boot) if context is not None else None


FAULT_VERDICTS = {Partition.code: "partition", BlackHole.code: "black hole", Clog.code: "clogged"}
