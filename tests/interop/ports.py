"""Port numbers for foreign programs, each given to one user of this machine at a time."""

from __future__ import annotations

import fcntl
import itertools
import os
import random
import socket
import tempfile
from pathlib import Path

# Above the well-known ones, below those that systems give for port 0 (Linux: from 32768, IANA: from 49152).
FIRST_PORT, END_PORT = 12_000, 32_000
FOLDER = Path(tempfile.gettempdir()) / f"loopback-ports-of-{os.getuid()}"

_kept: list[int] = []  # descriptors of the locks, until this process ends: a port is never given twice in one run


def free_port() -> int:
    """A port that nobody uses for TCP or UDP, and that no other test process is given as long as this one lives.

    Asking the system for any free port and letting go of it is a race: the number may be another's before a program
    that needs to be told it has started. So these numbers are ones that the system gives to nobody, and a lock on a
    file for each keeps parallel test processes apart, also those of other checkouts.
    """
    FOLDER.mkdir(exist_ok=True)
    start = random.SystemRandom().randrange(FIRST_PORT, END_PORT)
    for port in itertools.chain(range(start, END_PORT), range(FIRST_PORT, start)):
        lock = os.open(FOLDER / str(port), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_free(port):
                _kept.append(lock)
                return port
        except BlockingIOError:
            pass
        os.close(lock)
    raise RuntimeError(f"no free port on 127.0.0.1 from {FIRST_PORT} to {END_PORT - 1}")


def is_free(port: int) -> bool:
    """Whether both a TCP and a UDP socket can be bound to it."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
