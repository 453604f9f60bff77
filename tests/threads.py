"""Threads of this process that tests look after."""

from __future__ import annotations

import threading


def our_threads() -> set[threading.Thread]:
    """All but those that wait for the system's name service, which nothing can interrupt: nobody waits for them."""
    return {thread for thread in threading.enumerate() if not thread.name.startswith("look up ")}
