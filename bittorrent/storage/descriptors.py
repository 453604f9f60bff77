"""A bounded set of open files, shared by threads without a lock."""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Generic, TypeVar

KeyT = TypeVar("KeyT", bound=Hashable)


class Descriptor:
    """An open file, closed when nothing refers to it any more: `number` is valid as long as this object is held."""

    __slots__ = ("number",)

    def __init__(self, number: int) -> None:
        self.number = number

    def __del__(self) -> None:
        os.close(self.number)


class DescriptorCache(Generic[KeyT]):
    """Keeps the most recently used descriptors open.

    Each user of a file holds a reference to its `Descriptor`, so that dropping it here never closes a file under
    a running read; the number of open files is at most `limit` and one for each thread. Each step on the dictionary is
    atomic; two threads that open one file at the same time both may, and the loser's descriptor closes after its use.
    A `limit` of 0 gives each access a descriptor of its own.
    """

    __slots__ = ("_limit", "_open", "_open_file")

    def __init__(self, open_file: Callable[[KeyT], int], *, limit: int) -> None:
        self._open_file = open_file
        self._limit = limit
        self._open: OrderedDict[KeyT, Descriptor] = OrderedDict()

    def get(self, key: KeyT) -> Descriptor:
        """The open file for `key`; what `open_file` raises passes through."""
        descriptor = self._open.get(key)
        if descriptor is None:
            descriptor = Descriptor(self._open_file(key))
            if self._limit == 0:
                return descriptor
            self._open[key] = descriptor
            if len(self._open) > self._limit:
                self._drop_oldest()
        else:
            with suppress(KeyError):  # another thread dropped it since; the reference held here keeps it open
                self._open.move_to_end(key)
        return descriptor

    def peek(self, key: KeyT) -> Descriptor | None:
        """The open file for `key`, if it is open: nothing is opened, nothing waits."""
        return self._open.get(key)

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, key: KeyT) -> bool:
        return key in self._open

    def clear(self) -> None:
        """Closes all that are not in use now, and the others after their use."""
        self._open.clear()

    def _drop_oldest(self) -> None:
        with suppress(KeyError):  # another thread was faster
            self._open.popitem(last=False)


def read_at(descriptor: int, buffer: memoryview, position: int) -> int:
    """Reads once into `buffer`; how many bytes came, 0 at the end of the file."""
    if HAS_POSITIONED_CALLS:
        return os.preadv(descriptor, [buffer], position)
    return seek_and_read(descriptor, buffer, position)


def read_cached_at(descriptor: int, buffer: bytearray, position: int) -> int:
    """`read_at` of what is in the memory of the system: 0 when nothing is, or the system cannot tell."""
    if not HAS_CACHED_READS:
        return 0
    try:
        return os.preadv(descriptor, [buffer], position, os.RWF_NOWAIT)
    except OSError:  # not in memory; not on this file system; a disk that fails is met again by the real read
        return 0


def write_at(descriptor: int, data: memoryview, position: int) -> int:
    """Writes once; how many bytes were taken."""
    if HAS_POSITIONED_CALLS:
        return os.pwrite(descriptor, data, position)
    return seek_and_write(descriptor, data, position)


def seek_and_read(descriptor: int, buffer: memoryview, position: int) -> int:
    """`read_at` where the system moves a file position, so `descriptor` must not be shared."""
    os.lseek(descriptor, position, os.SEEK_SET)
    data = os.read(descriptor, len(buffer))
    buffer[: len(data)] = data
    return len(data)


def seek_and_write(descriptor: int, data: memoryview, position: int) -> int:
    """`write_at` where the system moves a file position, so `descriptor` must not be shared."""
    os.lseek(descriptor, position, os.SEEK_SET)
    return os.write(descriptor, data)


# Windows has neither call.
HAS_POSITIONED_CALLS = hasattr(os, "preadv") and hasattr(os, "pwrite")
HAS_CACHED_READS = HAS_POSITIONED_CALLS and hasattr(os, "RWF_NOWAIT")  # Linux 4.14
