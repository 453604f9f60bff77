"""The chat of the tutorial runs as it is printed."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from tests.machine import CHECKOUT

CODE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


async def test_two_people_chat(tmp_path: Path) -> None:
    page = (CHECKOUT / "docs" / "tutorial-p2p.md").read_text(encoding="utf-8")
    (program,) = CODE.findall(page)
    assert len([line for line in program.splitlines() if line.strip()]) <= 45
    script = tmp_path / "chat.py"
    script.write_text(program.replace("/ip4/0.0.0.0/", "/ip4/127.0.0.1/"), encoding="utf-8")

    async def start(*arguments: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        command = [sys.executable, "-u", str(script), *arguments]
        return await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe, cwd=CHECKOUT)

    async def says(process: asyncio.subprocess.Process, line: str) -> None:
        assert process.stdin is not None
        process.stdin.write(line.encode())
        await process.stdin.drain()

    async def prints(process: asyncio.subprocess.Process) -> str:
        assert process.stdout is not None
        async with asyncio.timeout(20):
            return (await process.stdout.readline()).decode().strip()

    one = await start()
    address = (await prints(one)).removeprefix("python chat.py ")
    other = await start(address)
    try:
        await says(other, "hello\n")
        assert re.fullmatch(r"\w{6}: hello", await prints(one))
        await says(one, "who is there?\n")
        assert await prints(other) == f"{address[-6:]}: who is there?"
        for process in (one, other):
            assert process.stdin is not None
            process.stdin.close()
        async with asyncio.timeout(20):
            assert await one.wait() == await other.wait() == 0
    finally:
        for process in (one, other):
            if process.returncode is None:
                process.kill()
                await process.wait()
