"""The disk and the storage on it."""

from __future__ import annotations

import errno
import random

import pytest

from transfer.errors import LocalProtocolError
from transfer.simulation import Disk, DiskConfig, DiskStorage, Simulation, run


def make(seed: int = 1, **options: float) -> tuple[Disk, list[float]]:
    spent: list[float] = []
    return Disk(DiskConfig(**options), random.Random(seed), lambda: sum(spent), spent.append), spent  # type: ignore[arg-type]  # by name


def test_files_are_positioned_and_sparse() -> None:
    disk, _ = make()
    disk.write("a", 10, b"hello")
    assert disk.size("a") == 15
    assert disk.read("a", 8, 100) == b"\0\0hello"
    disk.write("a", 0, memoryview(b"0123"))
    assert disk.read("a", 0, 15) == b"0123" + bytes(6) + b"hello"
    assert disk.names == ("a",)
    assert disk.used_bytes == 15
    disk.delete("a")
    assert disk.size("a") is None
    with pytest.raises(FileNotFoundError):
        disk.read("a", 0, 1)
    with pytest.raises(FileNotFoundError):
        disk.sync("a")


def test_everything_takes_its_time() -> None:
    disk, spent = make(access_s=0.5, sync_s=2.0, rate_bytes_per_s=1000.0)
    disk.write("a", 0, bytes(500))
    disk.read("a", 0, 250)
    disk.sync("a")
    assert spent == [1.0, 0.75, 2.0]


def test_no_space() -> None:
    disk, _ = make(capacity_bytes=1000)
    disk.write("a", 0, bytes(900))
    with pytest.raises(OSError, match="space") as caught:
        disk.write("b", 0, bytes(200))
    assert caught.value.errno == errno.ENOSPC
    assert disk.names == ("a",)
    disk.write("a", 100, bytes(800))
    disk.write("b", 0, bytes(100))


def test_synced_data_survives_every_crash_and_the_rest_is_torn() -> None:
    outcomes = set()
    for seed in range(200):
        disk, _ = make(seed)
        disk.write("a", 0, b"A" * 4096)
        disk.sync("a")
        disk.write("a", 1024, b"B" * 2048)
        disk.write("a", 4096, b"C" * 1024)
        disk.write("new", 0, b"D")
        disk.crash()
        with pytest.raises(OSError, match="switched off"):
            disk.read("a", 0, 1)
        disk.restart()
        data = disk.read("a", 0, 10_000)
        assert data[:1024] == b"A" * 1024
        assert data[3072:4096] == b"A" * 1024
        sectors = [data[start : start + 512] for start in range(1024, 3072, 512)]
        assert all(sector in (b"A" * 512, b"B" * 512) for sector in sectors)
        assert set(data[4096:]) <= set(b"C\0")
        outcomes.add((tuple(sector[:1] for sector in sectors), len(data) > 4096, disk.size("new")))
    assert len(outcomes) > 30
    assert {new for _, _, new in outcomes} >= {None, 1}


def test_what_was_written_long_ago_is_on_the_disk() -> None:
    for seed in range(50):
        disk, spent = make(seed, writeback_s=30)
        disk.write("a", 0, b"A" * 2048)
        spent.append(31)
        disk.write("a", 512, b"B" * 512)
        disk.crash()
        disk.restart()
        data = disk.read("a", 0, 10_000)
        assert data[:512] + data[1024:] == b"A" * 1536
        assert data[512:1024] in (b"A" * 512, b"B" * 512)


def test_bits_flip() -> None:
    disk, _ = make(flipped_bits_per_gib=2**30 / 1000)
    for offset in range(0, 100_000, 1000):
        disk.write("a", offset, bytes(1000))
    wrong = sum(byte.bit_count() for byte in disk.read("a", 0, 100_000))
    assert 60 < wrong <= 100
    disk.flip_bit("a", 5, 7)
    assert disk.read("a", 5, 1)[0] & 0x80


def test_bad_configs_are_refused() -> None:
    for options in ({"access_s": -1}, {"rate_bytes_per_s": 0}, {"sector_bytes": 0}, {"capacity_bytes": -1}):
        with pytest.raises(ValueError, match="must"):
            make(**options)


def test_storage() -> None:
    disk, _ = make()
    storage = DiskStorage(disk, "t", 100)
    storage.prepare()
    assert not storage.exists_any()
    assert storage.is_hole(0, 100)
    with pytest.raises(FileNotFoundError):
        storage.read(0, 10)
    storage.flush()
    storage.write(10, b"0123456789")
    assert storage.exists_any()
    assert not storage.is_hole(0, 10)
    assert storage.is_hole(20, 10)
    buffer = bytearray(4)
    storage.read_into(12, buffer)
    assert buffer == b"2345"
    with pytest.raises(OSError, match=r"(?i)data"):
        storage.read(15, 10)
    with pytest.raises(LocalProtocolError):
        storage.write(95, b"too long")
    storage.flush()
    disk.crash()
    disk.restart()
    with pytest.raises(OSError, match="restarted"):
        storage.read(10, 10)
    again = DiskStorage(disk, "t", 100)
    assert again.read(10, 10) == b"0123456789"
    again.close()
    with pytest.raises(LocalProtocolError):
        again.read(10, 1)
    with pytest.raises(OSError, match=r"(?i)large"):
        DiskStorage(disk, "t", 15).prepare()


def test_storage_speaks_the_errors_of_its_user() -> None:
    disk, _ = make(capacity_bytes=10)
    storage = DiskStorage(
        disk,
        "t",
        100,
        failure=lambda action, path, error: KeyError(action, path, error.errno),
        missing=lambda action, path, error: IndexError(action, path),
    )
    with pytest.raises(IndexError):
        storage.read(0, 1)
    with pytest.raises(KeyError, match=str(errno.ENOSPC)):
        storage.write(0, bytes(11))


def test_the_time_of_a_disk_passes_in_the_executor() -> None:
    async def scenario(simulation: Simulation) -> float:
        disk = simulation.disk("10.0.0.1", DiskConfig(access_s=1.0, sync_s=5.0))
        assert simulation.disk("10.0.0.1") is disk

        def work() -> None:
            disk.write("a", 0, b"x")
            disk.sync("a")

        await simulation.loop.run_in_executor(None, work)
        return simulation.now

    assert run(scenario, executor_cost_s=0.0).result == 6.0
