"""The calls of an asyncio loop that have no meaning in a simulation: each says so, by name."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

from transfer.simulation.errors import NotSimulatedError


class UnsupportedCalls(asyncio.AbstractEventLoop):
    """Pipes, processes and Unix sockets."""

    async def create_unix_connection(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("create_unix_connection()", NO_UNIX)

    async def create_unix_server(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("create_unix_server()", NO_UNIX)

    async def connect_read_pipe(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("connect_read_pipe()", NO_PIPE)

    async def connect_write_pipe(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("connect_write_pipe()", NO_PIPE)

    async def subprocess_shell(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("subprocess_shell()", NO_PROCESS)

    async def subprocess_exec(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("subprocess_exec()", NO_PROCESS)


def unsupported(call: str, instead: str) -> NoReturn:
    """Refuses a call by name.

    Raises:
        NotSimulatedError: always.
    """
    raise NotSimulatedError(call, instead)


NO_UNIX = "use TCP on 127.0.0.1"
NO_PIPE = "use a TCP connection on 127.0.0.1"
NO_PROCESS = "run the program's async function on a host of its own, or give it a stand-in"
