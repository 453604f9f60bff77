"""The limits of one program on its event loop: a door for listeners, and an answer to "who was refused, and why?"."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from contextlib import suppress

from transfer.address import Address
from transfer.limits.admission import AdmissionCore
from transfer.limits.admission_config import AdmissionConfig
from transfer.limits.journal import LimitsReport, RefusalJournal
from transfer.limits.machine import Machine
from transfer.limits.places import Group, Seat
from transfer.limits.refusal import Refusal
from transfer.limits.resources import Resource

if sys.platform != "win32":
    import resource


class Limits:
    """An `AdmissionCore`, the clock, and the transports of those who were let in. It is a `Door`.

    One for everything that shares connections: give it to each listener (`transport.listen(…, door=limits)`). What is
    let in gives its place back by itself when its transport is lost.

    Args:
        machine: by default this one, or what the running (simulated) loop takes for one.
        advice: for limits by name, how users change them.
        settles: connections are done with their handshake at once. False: their owner calls `settle`, and those that
            take too long end.
    """

    def __init__(
        self,
        config: AdmissionConfig | None = None,
        *,
        machine: Machine | None = None,
        advice: Mapping[str, str] | None = None,
        settles: bool = True,
    ) -> None:
        self.core = AdmissionCore(
            config, machine=machine or machine_here(), journal=RefusalJournal(advice=advice), now=_time()
        )
        self._settles = settles
        self._entries: dict[Seat, LimitEntry] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    # Door

    def admit(self, source: Address) -> LimitEntry | None:
        """As `Door.admit`; connections that have to leave for it are aborted."""
        loop = self._loop or self.open()
        arrival = self.core.arrive(source.host, now=loop.time())
        for leaving in arrival.leaving:
            self._end(leaving)
        seat = arrival.seat
        if seat is None or seat in arrival.leaving:
            return None
        if self._settles and self.core.settle(seat, now=loop.time()) is not None:
            return None
        entry = self._entries[seat] = LimitEntry(self, seat)
        self._arm()
        return entry

    def exhausted(self, error: OSError) -> None:
        """As `Door.exhausted`: it is noted."""
        loop = self._loop or self.open()
        used = self.core.budget.used(Resource.DESCRIPTORS)
        refusal = Refusal(
            limit="RLIMIT_NOFILE",
            scope="the process or the system",
            what=f"descriptors: {error.strerror or error}",
            in_use=used,
            most=used,
        )
        self.core.journal.note(refusal, now=loop.time())

    def settle(self, entry: LimitEntry, *, group: Group | None = None) -> Refusal | None:
        """The handshake of a connection is done; a refusal means that it has to end, which is the caller's to do."""
        return self.core.settle(entry.seat, group=group, now=(self._loop or self.open()).time())

    # Life

    def open(self) -> asyncio.AbstractEventLoop:
        """From now on the running loop is its own. Admitting does it, too."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            watch = getattr(self._loop, "watch_budget", None)  # a simulated one looks at the end what is left
            if watch is not None:
                watch(self.core.budget)
        return self._loop

    def close(self) -> None:
        """The timer stops; connections that are let in stay what they are."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # Views

    def explain(self) -> LimitsReport:
        """Which limit refused whom in the last minutes, how much is in use, and how to change it.

        `print(limits.explain())` is for people.
        """
        return self.core.explain(now=_time())

    @property
    def open_entries(self) -> int:
        """Connections that were let in and are not lost."""
        return len(self._entries)

    def _left(self, entry: LimitEntry) -> None:
        self._entries.pop(entry.seat, None)
        self.core.leave(entry.seat)

    def _end(self, seat: Seat) -> None:
        entry = self._entries.get(seat)
        if entry is not None and entry.transport is not None:
            entry.transport.abort()

    def _tick(self) -> None:
        self._timer = None
        assert self._loop is not None
        for seat in self.core.handle_timer(now=self._loop.time()):
            self._end(seat)
        self._arm()

    def _arm(self) -> None:
        """One timer, for the oldest handshake: while it runs no other can become due earlier."""
        due = self.core.next_timer()
        if due is not None and self._timer is None and self._loop is not None:
            self._timer = self._loop.call_at(due, self._tick)


class LimitEntry:
    """The place of one connection that came. Transports tell it: `transport.get_extra_info("entry")`."""

    __slots__ = ("_limits", "seat", "transport")

    def __init__(self, limits: Limits, seat: Seat) -> None:
        self._limits = limits
        self.seat = seat
        self.transport: asyncio.Transport | None = None

    def attach(self, transport: asyncio.Transport) -> None:
        """As `Entry.attach`."""
        self.transport = transport

    def leave(self) -> None:
        """As `Entry.leave`."""
        self.transport = None
        self._limits._left(self)


def machine_here() -> Machine:
    """What the running loop takes for its machine, or else this one."""
    with suppress(RuntimeError):
        machine = getattr(asyncio.get_running_loop(), "machine", None)
        if isinstance(machine, Machine):
            return machine
    return read_machine()


def read_machine() -> Machine:
    """What this process may use: memory of the machine or of its container, and descriptors."""
    memory = [size for size in (_physical_memory(), _container_memory()) if size]
    descriptors = None
    if sys.platform != "win32":
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        descriptors = None if soft == resource.RLIM_INFINITY else soft
    return Machine(ram_bytes=min(memory, default=None), descriptors=descriptors)


def _physical_memory() -> int | None:
    with suppress(AttributeError, ValueError, OSError):  # Windows; a system that does not tell
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return None


def _container_memory() -> int | None:
    with suppress(OSError, ValueError), open(CONTAINER_MEMORY, encoding="ascii") as file:  # "max" without a limit
        return int(file.read())
    return None


def _time() -> float:
    with suppress(RuntimeError):
        return asyncio.get_running_loop().time()
    return 0.0


CONTAINER_MEMORY = "/sys/fs/cgroup/memory.max"
