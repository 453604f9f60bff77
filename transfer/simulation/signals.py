"""Signals of the simulated hosts: what one program sends itself, or `Simulation.send_signal` sends it."""

from __future__ import annotations

import asyncio
import contextvars
import errno
import os
import signal
from collections.abc import Callable
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, TypeVarTuple, Unpack

from transfer.simulation.errors import NotSimulatedError
from transfer.simulation.host import Boot, current_boot

if TYPE_CHECKING:
    from transfer.simulation.network import Network

Ts = TypeVarTuple("Ts")


class SignalCalls(asyncio.AbstractEventLoop):
    """`add_signal_handler`, and what module `signal` does; each host has handlers of its own, until it crashes."""

    network: Network

    def __init__(self) -> None:
        super().__init__()
        self._loop_handlers: dict[tuple[Boot, int], asyncio.Handle] = {}
        self._handlers: dict[tuple[Boot, int], tuple[Any, contextvars.Context]] = {}

    def add_signal_handler(self, sig: int, callback: Callable[[Unpack[Ts]], object], *args: *Ts) -> None:
        if iscoroutinefunction(callback):
            raise TypeError("coroutines cannot be used with add_signal_handler()")
        _check(sig)
        handle = asyncio.Handle(callback, args, self, contextvars.copy_context())
        self._loop_handlers[(self._boot(), sig)] = handle

    def remove_signal_handler(self, sig: int) -> bool:
        _check(sig)
        return self._loop_handlers.pop((self._boot(), sig), None) is not None

    def set_signal(self, sig: int, handler: Any) -> Any:
        """`signal.signal`."""
        if not callable(handler) and handler not in (signal.SIG_DFL, signal.SIG_IGN):
            raise TypeError("signal handler must be signal.SIG_IGN, signal.SIG_DFL, or a callable object")
        _check(sig)
        before = self.get_signal(sig)
        self._loop_handlers.pop((self._boot(), sig), None)
        self._handlers[(self._boot(), sig)] = (handler, contextvars.copy_context())
        return before

    def get_signal(self, sig: int) -> Any:
        """`signal.getsignal`."""
        known = self._handlers.get((self._boot(), sig))
        default = signal.default_int_handler if sig == signal.SIGINT else signal.SIG_DFL
        return known[0] if known is not None else default

    def send_signal(self, boot: Boot, sig: int) -> None:
        """Delivers a signal to the program of a host.

        Raises:
            NotSimulatedError: no handler: it would end the process.
            ProcessLookupError: the host is down.
        """
        if not boot.is_alive:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        if sig == 0:
            return
        watched = self._loop_handlers.get((boot, sig))
        handler, context = self._handlers.get((boot, sig), (signal.SIG_DFL, None))
        if watched is not None:
            self.call_soon(watched._run)
        elif context is not None and callable(handler) and not isinstance(handler, signal.Handlers):
            if boot is current_boot.get() or current_boot.get() is None:
                handler(sig, None)
            else:
                self.call_soon(handler, sig, None, context=context)
        elif handler is not signal.SIG_IGN and sig not in HARMLESS:
            name = signal.Signals(sig).name
            raise NotSimulatedError(
                f"{name} to {boot.host}, whose program has no handler for it, and so would end",
                "add a handler, or use simulation.crash()",
            )

    def process(self, pid: int) -> Boot:
        """The boot of the host whose program has this number.

        Raises:
            ProcessLookupError: none.
        """
        index = pid - FIRST_PID
        if not 0 <= index < len(self.network.hosts):
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH))
        return self.network.hosts[index].boot

    def _boot(self) -> Boot:
        return self.network.here().boot


def _check(sig: Any) -> None:
    if not isinstance(sig, int):
        raise TypeError(f"sig must be an int, not {sig!r}")
    if sig not in signal.valid_signals():
        raise ValueError(f"invalid signal number {sig}")
    if sig in (getattr(signal, "SIGKILL", None), getattr(signal, "SIGSTOP", None)):
        raise RuntimeError(f"sig {sig} cannot be caught")


FIRST_PID = 1000
HARMLESS = frozenset(getattr(signal, name) for name in ("SIGCHLD", "SIGURG", "SIGWINCH") if hasattr(signal, name))
