"""A disk that is slow, forgets what was not synced, tears writes, flips bits and runs full."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskConfig:
    """How a disk behaves.

    Args:
        access_s: time of each read or write, before the first byte.
        sync_s: time of each sync.
        rate_bytes_per_s: of reading and writing; None is infinite.
        capacity_bytes: a write beyond it fails with ENOSPC; None is infinite.
        flipped_bits_per_gib: expected number of bits that each gibibyte written gets wrong without an error.
        sector_bytes: what a crash leaves either old or new, never mixed.
        writeback_s: what was written so long ago is on the disk without a sync (Linux: 30 s by default).
    """

    access_s: float = 0.0001
    sync_s: float = 0.005
    rate_bytes_per_s: float | None = 500e6
    capacity_bytes: int | None = None
    flipped_bits_per_gib: float = 0.0
    sector_bytes: int = 512
    writeback_s: float = 30.0

    def __post_init__(self) -> None:
        if min(self.access_s, self.sync_s, self.writeback_s, self.flipped_bits_per_gib) < 0:
            raise ValueError("times and flipped_bits_per_gib must not be negative")
        if self.rate_bytes_per_s is not None and self.rate_bytes_per_s <= 0:
            raise ValueError("rate_bytes_per_s must be positive, or None")
        if self.sector_bytes < 1 or (self.capacity_bytes is not None and self.capacity_bytes < 0):
            raise ValueError("sector_bytes must be positive and capacity_bytes not negative")


class Disk:
    """The files of one host, by name. Calls are synchronous and positioned; their time is charged to the caller.

    A write is in memory until `sync`, or until `writeback_s` have passed. A crash leaves of every sector written since
    then either the old or the new content, each by chance: writes are torn and reordered, as a real cache may do.

    Args:
        now: virtual seconds.
        charge: lets time pass.

    Invariants:
        what was synced and not written since survives every crash unchanged
    """

    def __init__(
        self, config: DiskConfig, rng: random.Random, now: Callable[[], float], charge: Callable[[float], None]
    ) -> None:
        self.config = config
        self.boots = 0
        self._rng = rng
        self._now = now
        self._charge = charge
        self._files: dict[str, _File] = {}
        self._is_on = True

    def read(self, name: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes, fewer at the end of the file.

        Raises:
            OSError: no such file (ENOENT), or no power (EIO).
        """
        self._check_power()
        data = bytes(self._file(name).data[offset : offset + length])
        self._spend(self.config.access_s, len(data))
        return data

    def write(self, name: str, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Puts `data` at its place; a new file and a gap before `offset` come into being by it.

        Raises:
            OSError: no space (ENOSPC; nothing is written), or no power (EIO).
        """
        self._check_power()
        size = len(data)
        file = self._files.get(name)
        grown = max(0, offset + size - (len(file.data) if file is not None else 0))
        if self.config.capacity_bytes is not None and self.used_bytes + grown > self.config.capacity_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), name)
        if file is None:
            file = self._files[name] = _File(self._now())
        file.write(offset, data, self.config, now=self._now())
        self._flip_bits(file, offset, size)
        self._spend(self.config.access_s, size)

    def sync(self, name: str) -> None:
        """Everything written to the file survives a crash from now on.

        Raises:
            OSError: no such file (ENOENT), or no power (EIO).
        """
        self._check_power()
        self._file(name).sync()
        self._spend(self.config.sync_s, 0)

    def size(self, name: str) -> int | None:
        """The length of a file, None when there is none."""
        file = self._files.get(name)
        return len(file.data) if file is not None else None

    def delete(self, name: str) -> None:
        """Removes a file, at once and for good.

        Raises:
            OSError: no such file (ENOENT), or no power (EIO).
        """
        self._check_power()
        self._file(name)
        del self._files[name]

    def flip_bit(self, name: str, offset: int, bit: int = 0) -> None:
        """Corrupts one bit of what is stored, without an error."""
        self._file(name).data[offset] ^= 1 << bit

    @property
    def names(self) -> tuple[str, ...]:
        """The files, oldest first."""
        return tuple(self._files)

    @property
    def used_bytes(self) -> int:
        return sum(len(file.data) for file in self._files.values())

    def crash(self) -> None:
        """The power fails."""
        self._is_on = False
        for name, file in list(self._files.items()):
            if not file.crash(self._rng, self.config, now=self._now()):
                del self._files[name]

    def restart(self) -> None:
        """The power is back. What was open before is not any more."""
        self._is_on = True
        self.boots += 1

    def _file(self, name: str) -> _File:
        file = self._files.get(name)
        if file is None:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return file

    def _check_power(self) -> None:
        if not self._is_on:
            raise OSError(errno.EIO, "the host is switched off")

    def _spend(self, base_s: float, size: int) -> None:
        rate = self.config.rate_bytes_per_s
        self._charge(base_s + (size / rate if rate is not None else 0.0))

    def _flip_bits(self, file: _File, offset: int, size: int) -> None:
        expected = self.config.flipped_bits_per_gib * size / 2**30
        while expected > 0 and self._rng.random() < expected:
            file.data[offset + self._rng.randrange(size)] ^= 1 << self._rng.randrange(8)
            expected -= 1


class _File:
    """Content, and of every sector that is not on the disk yet what is there instead."""

    __slots__ = ("_dirty", "_made_at", "_synced_length", "data")

    def __init__(self, made_at: float) -> None:
        self.data = bytearray()
        self._dirty: dict[int, tuple[bytes, float]] = {}  # by sector: what is on the disk, when it was written over
        self._made_at = made_at
        self._synced_length = 0

    def write(self, offset: int, data: bytes | bytearray | memoryview, config: DiskConfig, *, now: float) -> None:
        end, size = offset + len(data), config.sector_bytes
        if not len(data):
            return
        for sector in range(min(offset, len(self.data)) // size, -(-end // size)):
            waiting = self._dirty.get(sector)
            if waiting is None or now - waiting[1] >= config.writeback_s:
                self._dirty[sector] = (bytes(self.data[sector * size : (sector + 1) * size]), now)
        if len(self.data) < offset:
            self.data.extend(bytes(offset - len(self.data)))
        self.data[offset:end] = data

    def sync(self) -> None:
        self._dirty.clear()
        self._synced_length = len(self.data)
        self._made_at = float("-inf")

    def crash(self, rng: random.Random, config: DiskConfig, *, now: float) -> bool:
        """Takes back some sectors; False when the file itself did not make it."""
        if now - self._made_at < config.writeback_s and rng.random() < 0.5:
            return False
        size = config.sector_bytes
        at_risk = [(sector, old) for sector, (old, at) in self._dirty.items() if now - at < config.writeback_s]
        for sector, old in at_risk:
            if rng.random() < 0.5:
                start = sector * size
                end = min(start + size, len(self.data))
                self.data[start:end] = old.ljust(end - start, b"\0")
        grown = [sector * size + len(old) for sector, old in at_risk if len(old) < size]  # where the file ended before
        certain = max(self._synced_length, min(grown, default=len(self.data)))
        if len(self.data) > certain and rng.random() < 0.5:
            del self.data[rng.randrange(certain, len(self.data)) :]
        self.sync()
        return True
