"""Long work in short steps: a generator that yields now and then and returns the result."""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeVar

T = TypeVar("T")


def run_to_end(steps: Generator[None, None, T]) -> T:
    """What `steps` return, without a pause."""
    try:
        while True:
            next(steps)
    except StopIteration as end:
        result: T = end.value
        return result
