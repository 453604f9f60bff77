"""Module `signal` and `os.kill`: signals go to programs of simulated hosts, and never to the real process."""

from __future__ import annotations

import os
import signal
from typing import Any

from transfer.simulation.process.inside import World, refusing
from transfer.simulation.process.replacing import Replacement, replacement


def _signal(world: World, signalnum: int, handler: Any) -> Any:
    return world.loop.set_signal(signalnum, handler)


def _getsignal(world: World, signalnum: int) -> Any:
    return world.loop.get_signal(signalnum)


def _raise_signal(world: World, signalnum: int, /) -> None:
    world.loop.send_signal(world.loop.network.here().boot, signalnum)


def _kill(world: World, pid: int, sig: int, /) -> None:
    world.loop.send_signal(world.loop.process(pid), sig)


def _siginterrupt(world: World, signalnum: int, flag: bool, /) -> None:
    """No call is ever interrupted."""


NO_TIMER = "use loop.call_later()"
NO_WAIT = "use loop.add_signal_handler()"
REPLACEMENTS: list[Replacement] = [
    *replacement(signal, "signal", _signal),
    *replacement(signal, "getsignal", _getsignal),
    *replacement(signal, "raise_signal", _raise_signal),
    *replacement(signal, "siginterrupt", _siginterrupt),
    *replacement(os, "kill", _kill),
    *replacement(os, "killpg", refusing("os.killpg()", "use os.kill() with os.getpid(), or simulation.send_signal()")),
    *replacement(signal, "pthread_kill", refusing("signal.pthread_kill()", "use os.kill() with os.getpid()")),
]
for _name in ("alarm", "setitimer"):
    REPLACEMENTS += replacement(signal, _name, refusing(f"signal.{_name}()", NO_TIMER))
for _name in (
    "pause",
    "sigwait",
    "sigwaitinfo",
    "sigtimedwait",
    "set_wakeup_fd",
    "pthread_sigmask",
    "pidfd_send_signal",
    "getitimer",
):
    REPLACEMENTS += replacement(signal, _name, refusing(f"signal.{_name}()", NO_WAIT))
