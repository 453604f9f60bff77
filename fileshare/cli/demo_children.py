"""The processes of the demo: each is `kad … --json`, started from this very installation and ended by its id."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import deque
from types import TracebackType
from typing import Any, Self

from fileshare.cli.errors import CommandError
from fileshare.cli.runtime import STEERED


class Child:
    """One `kad` process. What it reports is kept by the name of the event, the latest of each."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.latest: dict[str, dict[str, Any]] = {}
        self.process = process
        self._complaints: deque[str] = deque(maxlen=1)
        self._news = asyncio.Event()
        self._has_ended = False
        self._reading = asyncio.create_task(self._read(), name=f"read {name}")

    async def wait_event(self, name: str, *, field: str | None = None, at_least: float = 0) -> dict[str, Any]:
        """The first event of this name, or the first whose `statistics` have a `field` of that size.

        Raises:
            CommandError: the process ended without it.
        """
        while True:
            event = self.latest.get(name)
            if event is not None and (field is None or event["statistics"][field] >= at_least):
                return event
            if self._has_ended:
                raise self.failure()
            self._news.clear()
            await self._news.wait()

    def give_start(self) -> None:
        """Lets a downloader begin, which waits for it after "listening"."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"start\n")

    async def wait_ended(self) -> None:
        await asyncio.shield(self._reading)
        await self.process.wait()

    def failure(self) -> CommandError:
        """Why the process is no longer there, in its own words."""
        said = self._complaints[-1].removeprefix("kad: ") if self._complaints else "it said nothing"
        return CommandError(f"the {self.name} ended with exit code {self.process.returncode}: {said}")

    async def _read(self) -> None:
        try:
            await asyncio.gather(self._read_events(), self._read_complaints())
            await self.process.wait()
        finally:
            self._has_ended = True
            self._news.set()

    async def _read_events(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            event = json.loads(line)
            self.latest[event.pop("event")] = event
            self._news.set()

    async def _read_complaints(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            if text := line.decode(errors="replace").strip():
                self._complaints.append(text)


class Children:
    """Owns processes; on leaving `async with`, none of them is left."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self._children:
            if child.process.returncode is None:
                child.process.terminate()
        await asyncio.gather(*map(_end, self._children))

    async def start(self, name: str, *arguments: str) -> Child:
        """Starts `kad arguments… --json`."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "fileshare.cli", *arguments, "--json"),
            stdin=asyncio.subprocess.PIPE,  # its end tells the child that we are gone, even after a kill
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, STEERED: "1"},
            limit=MAX_LINE_BYTES,
            # Ctrl-C is for us alone: we end the children in order.
            start_new_session=os.name == "posix",
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        child = Child(name, process)
        self._children.append(child)
        return child

    async def wait_failure(self) -> None:
        """Waits until any child ends, which none may do before it is told to.

        Raises:
            CommandError: always.
        """
        ended = {asyncio.create_task(child.wait_ended()): child for child in self._children}
        try:
            done, _ = await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ended:
                task.cancel()
        raise ended[done.pop()].failure()


async def _end(child: Child) -> None:
    assert child.process.stdin is not None
    child.process.stdin.close()
    try:
        async with asyncio.timeout(GRACE_S):
            await child.wait_ended()
    except TimeoutError:
        child.process.kill()
        await child.wait_ended()


GRACE_S = 5.0
MAX_LINE_BYTES = 1 << 20
