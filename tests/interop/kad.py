"""`kad` as a process, and what it reports."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.interop.programs import end_process


class Finished:
    """What is left of a process that has ended."""

    def __init__(self, exit_code: int, stdout: str, stderr: str) -> None:
        self.exit_code = exit_code
        self.stdout = stdout
        self.stderr = stderr

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stdout.splitlines()]

    @property
    def done(self) -> dict[str, Any]:
        """The event that ends a job."""
        assert self.exit_code == 0, self.stderr
        assert self.stderr == ""
        assert self.events[-1]["event"] == "done"
        return self.events[-1]


class Kad:
    """A running `kad … --json`; use it with `async with`."""

    def __init__(self, *arguments: object, environment: dict[str, str] | None = None) -> None:
        self._arguments = [str(argument) for argument in arguments]
        if self._arguments[0] in ("get", "seed", "stream") and "--local" not in self._arguments:
            self._arguments.append("--no-local")  # tests that run at the same time must not meet
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})}
        self._seen = ""

    async def __aenter__(self) -> Self:
        self.process = await asyncio.create_subprocess_exec(
            *(*KAD, *self._arguments, "--json"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            limit=1 << 20,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await end_process(self.process)

    async def wait_event(self, name: str, **fields: object) -> dict[str, Any]:
        """The next event of this name with these values."""
        assert self.process.stdout is not None
        async with asyncio.timeout(DEADLINE_S):
            while line := (await self.process.stdout.readline()).decode():
                self._seen += line
                event: dict[str, Any] = json.loads(line)
                if event["event"] == name and fields.items() <= event.items():
                    return event
        raise AssertionError(f"kad {self._arguments[0]} ended without {name}: {(await self.finish()).stderr}")

    def send_signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def finish(self) -> Finished:
        """Waits for the end."""
        async with asyncio.timeout(DEADLINE_S):
            stdout, stderr = await self.process.communicate()
        assert self.process.returncode is not None
        return Finished(self.process.returncode, self._seen + stdout.decode(), stderr.decode())

    async def interrupt(self, number: signal.Signals = signal.SIGINT) -> Finished:
        self.send_signal(number)
        return await self.finish()


async def run(*arguments: object) -> Finished:
    """Runs `kad … --json` to its end."""
    async with Kad(*arguments) as kad:
        return await kad.finish()


ROOT = Path(__file__).parents[2]
KAD = (sys.executable, "-W", "always::ResourceWarning", "-m", "fileshare.cli")
ANY = "127.0.0.1:0"
DEADLINE_S = 60.0
