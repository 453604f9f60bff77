"""The calls of an asyncio loop that have no meaning in a simulation: each says so, by name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn, TypeVarTuple, Unpack

Ts = TypeVarTuple("Ts")


class UnsupportedCalls(asyncio.AbstractEventLoop):
    """Real sockets, files, pipes, signals, processes, TLS and Unix sockets."""

    def add_reader(self, fd: Any, callback: Callable[[Unpack[Ts]], Any], *args: *Ts) -> NoReturn:
        unsupported("add_reader()")

    def remove_reader(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("remove_reader()")

    def add_writer(self, fd: Any, callback: Callable[[Unpack[Ts]], Any], *args: *Ts) -> NoReturn:
        unsupported("add_writer()")

    def remove_writer(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("remove_writer()")

    def add_signal_handler(self, sig: int, callback: Callable[[Unpack[Ts]], object], *args: *Ts) -> NoReturn:
        unsupported("add_signal_handler()")

    def remove_signal_handler(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("remove_signal_handler()")

    async def sock_recv(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("sock_recv()")

    async def sock_recv_into(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("sock_recv_into()")

    async def sock_recvfrom(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("sock_recvfrom()")

    async def sock_recvfrom_into(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("sock_recvfrom_into()")

    async def sock_sendall(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("sock_sendall()")

    async def sock_sendto(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("sock_sendto()")

    async def sock_accept(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("sock_accept()")

    async def sock_sendfile(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("sock_sendfile()")

    async def sendfile(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("sendfile()")

    async def start_tls(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("start_tls()")

    async def create_unix_connection(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("create_unix_connection()")

    async def create_unix_server(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("create_unix_server()")

    async def connect_accepted_socket(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("connect_accepted_socket()")

    async def connect_read_pipe(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("connect_read_pipe()")

    async def connect_write_pipe(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("connect_write_pipe()")

    async def subprocess_shell(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("subprocess_shell()")

    async def subprocess_exec(self, *args: Any, **options: Any) -> NoReturn:
        unsupported("subprocess_exec()")


def unsupported(call: str) -> NoReturn:
    """Raises:
    NotImplementedError: always.
    """
    raise NotImplementedError(f"{call} is not supported in a simulation")
