"""The last line: what Python itself reports before it leaves the process is refused to the thread that simulates.

Functions that a program took somewhere where no replacement finds them (a default argument, an attribute of a class)
end here. Python keeps an audit hook until the process ends; between runs this one answers at once.
"""

from __future__ import annotations

import sys
from typing import Any

from transfer.simulation.errors import NotSimulatedError
from transfer.simulation.process.inside import inside


def install() -> None:
    """Once in a process; later calls do nothing."""
    global _is_installed
    if not _is_installed:
        _is_installed = True
        sys.addaudithook(_watch)


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event in REFUSED and inside() is not None:
        raise NotSimulatedError(f"{event} (a function kept from before the run)", "call it by its module's name")


REFUSED = frozenset(
    (
        *("socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"),
        *("socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo", "socket.gethostname"),
        *("socket.sethostname", "subprocess.Popen", "os.system", "os.fork", "os.forkpty", "os.exec", "os.posix_spawn"),
        *("os.spawn", "os.startfile", "os.kill", "os.killpg", "signal.pthread_kill", "pty.spawn", "time.sleep"),
        *("_thread.start_new_thread", "_thread.start_joinable_thread"),
    )
)
_is_installed = False
