"""Ways out that have no simulated side: processes, other event loops, descriptors watched by the system."""

from __future__ import annotations

import asyncio
import os
import selectors
import ssl
import subprocess
from importlib import import_module
from typing import Any

from transfer.simulation.process.inside import method, refusing
from transfer.simulation.process.replacing import Replacement, replacement

NO_PROCESS = "a run is one process; run the program's async function on a host of its own, or give it a stand-in"
NO_LOOP = "the simulation is the event loop; await the coroutine, or use asyncio.run_coroutine_threadsafe()"
NO_SELECTOR = "use asyncio's streams or loop.add_reader(); select.select() and poll() work on simulated sockets"
NO_DESCRIPTOR = "simulated sockets have no descriptor to hand on; pass the socket itself"

_FUNCTIONS: list[tuple[str, tuple[str, ...], str]] = [
    ("os", ("fork", "forkpty", "system", "popen", "posix_spawn", "posix_spawnp", "startfile"), NO_PROCESS),
    ("os", tuple(name for name in vars(os) if name.startswith(("spawn", "exec"))), NO_PROCESS),
    (
        "os",
        ("wait", "wait3", "wait4", "waitid", "waitpid", "pidfd_open", "timerfd_create", "abort", "_exit"),
        NO_PROCESS,
    ),
    ("pty", ("fork", "spawn"), NO_PROCESS),
    ("_posixsubprocess", ("fork_exec",), NO_PROCESS),
    ("asyncio", ("new_event_loop",), NO_LOOP),
    ("asyncio.events", ("new_event_loop",), NO_LOOP),
    ("select", ("epoll", "kqueue", "devpoll"), NO_SELECTOR),
    ("socket", ("fromfd", "fromshare", "send_fds", "recv_fds", "dup"), NO_DESCRIPTOR),
]


def _replacements() -> list[Replacement]:
    found: list[Replacement] = []
    for module_name, names, instead in _FUNCTIONS:
        try:
            module = import_module(module_name)
        except ImportError:  # not on this system
            continue
        for name in names:
            call = f"{module_name}.{name}()" + (" (asyncio.run() calls it)" if name == "new_event_loop" else "")
            found += replacement(module, name, refusing(call, instead))
    methods: list[tuple[Any, str, str, str]] = [
        (subprocess.Popen, "__init__", "subprocess.Popen()", NO_PROCESS),
        (selectors._BaseSelectorImpl, "__init__", "selectors.DefaultSelector()", NO_SELECTOR),
        (asyncio.Runner, "run", "asyncio.Runner.run()", NO_LOOP),
        (asyncio.Runner, "get_loop", "asyncio.Runner.get_loop()", NO_LOOP),
        (ssl.SSLContext, "wrap_socket", "SSLContext.wrap_socket()", "use asyncio.open_connection(…, ssl=…)"),
    ]
    for owner, name, call, instead in methods:
        found.append(Replacement(owner, name, method(getattr(owner, name), refusing(call, instead))))
    return found


REPLACEMENTS = _replacements()
