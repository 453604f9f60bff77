"""Runs `kad` and writes down every address that the process contacts or binds, and every name it looks up.

The first argument is the file to write to. The event loop is asyncio's: what uvloop does, Python's audit hooks do not
see.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

EVENTS = frozenset(
    ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname")
)


def main() -> None:
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # an import of it fails
    log = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def note(event: str, args: tuple[Any, ...]) -> None:
        if event in EVENTS:
            where = args[0] if event in ("socket.getaddrinfo", "socket.gethostbyname") else args[1]
            os.write(log, json.dumps([event, where]).encode() + b"\n")

    sys.addaudithook(note)
    from fileshare.cli.main import main as kad

    kad()


if __name__ == "__main__":
    main()
