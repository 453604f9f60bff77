"""Foreign programs as async context managers: started on free loopback ports, ended by their process id."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from tests.interop.ports import free_port
from tests.interop.require import require_program
from transfer.address import Address


async def wait_until(condition: Callable[[], Awaitable[bool]], *, what: str, within_s: float = 60.0) -> None:
    """Polls a foreign program, which can only be asked, until `condition` holds."""
    try:
        async with asyncio.timeout(within_s):
            while not await condition():  # noqa: ASYNC110  # another process has no event to wait for
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {within_s} s: {what}") from None


async def end_process(process: asyncio.subprocess.Process, *, grace_s: float = 5.0) -> None:
    """Asks the process to end, then makes it."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(grace_s):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


class Program:
    """A foreign program that serves something at `address`: ready when entered, ended by its process id.

    Subclasses say which program it is, how it is called and, beyond listening, when it is ready.
    """

    name: ClassVar[str]
    package: ClassVar[str]  # of Debian
    grace_s: ClassVar[float] = 5.0  # to end by itself
    environment: ClassVar[Mapping[str, str]] = {}  # beside that of the tests

    def __init__(self, *, host: str = "127.0.0.1") -> None:
        self.address = Address(host, free_port())
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        program = require_program(self.name, self.package)
        self.directory = Path(tempfile.mkdtemp(prefix=f"{self.name}-"))
        try:
            arguments = self.arguments()
            with (self.directory / "log").open("wb") as log:
                environment = {**os.environ, **self.environment}
                self._process = await asyncio.create_subprocess_exec(
                    program, *arguments, stdout=log, stderr=log, env=environment
                )
            await wait_until(self._is_ready, what=f"{self.name} serves", within_s=20)
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end()

    def arguments(self) -> Sequence[str]:
        """What follows the program's name; files may be put into `directory`, which is its own."""
        raise NotImplementedError

    async def serves(self) -> bool:
        """Whether it does what it is for. An OSError means that it does not yet."""
        _, writer = await asyncio.open_connection(*self.address)
        writer.close()
        await writer.wait_closed()
        return True

    async def _is_ready(self) -> bool:
        assert self._process is not None
        if self._process.returncode is not None:
            log = (self.directory / "log").read_text(errors="replace")
            raise RuntimeError(f"{self.name} ended at once with exit code {self._process.returncode}: {log[-2000:]}")
        try:
            return await self.serves()
        except OSError:
            return False

    async def _end(self) -> None:
        if self._process is not None:
            await end_process(self._process, grace_s=self.grace_s)
        shutil.rmtree(self.directory)


class JsonChild:
    """A process of ours that is told what to do by JSON lines on its standard input, and ends with it.

    Args:
        command: what is run: a script, or `-m` and a module.
        options: its last argument, as JSON.
        program: what runs it, by default this Python.
    """

    def __init__(
        self, command: Sequence[str], options: dict[str, Any] | None = None, *, program: str = sys.executable
    ) -> None:
        self._program = program
        self._command = (*command, *([] if options is None else [json.dumps(options)]))
        self._numbers = itertools.count(1)
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=1 << 24,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.close()
        await end_process(self._process)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def do(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Runs `Child.do_<name>` in the child and returns its answer; an exception there is a RuntimeError here."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        async with self._turn:
            number = next(self._numbers)
            self._process.stdin.write(json.dumps({"id": number, "do": name, **arguments}).encode() + b"\n")
            await self._process.stdin.drain()
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the child process ended while it was asked to {name}")
        answer: dict[str, Any] = json.loads(line)
        if answer.pop("id") != number:
            raise RuntimeError(f"the child process answered another question than {name}")
        if answer.get("error"):
            raise RuntimeError(f"the child process: {name}: {answer['error']}")
        return answer
