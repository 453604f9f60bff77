"""Files to share in tests: random, so that nothing compresses or repeats by accident, and the same for one seed."""

from __future__ import annotations

import hashlib
import random
import zlib
from pathlib import Path

MIB = 1 << 20


def make_file(path: Path, size: int, *, seed: int = 1) -> Path:
    """One file of `size` random bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(random.Random(seed).randbytes(size))
    return path


def seed_of(path: Path) -> int:
    """Another one for each place: tests that run at the same time must not find each other in the local network."""
    return zlib.crc32(str(path).encode())


def make_folder(path: Path, size: int, *, seed: int = 2) -> Path:
    """A folder with files in every awkward shape: empty, tiny, not aligned, nested; `size` bytes in all."""
    sizes = {"empty": 0, "one byte": 1, "deep/er/odd.bin": size // 3 + 7, "ünïcode.txt": 4097}
    sizes["large.bin"] = size - sum(sizes.values())
    for number, (name, length) in enumerate(sizes.items()):
        make_file(path / name, length, seed=seed + number)
    return path


def make_many_files(path: Path, *, seed: int = 3) -> Path:
    """Fifty files that share pieces: odd sizes, some of them empty, names from all over the world."""
    rng = random.Random(seed)
    names = [
        f"{name} {number}" for number in range(10) for name in ("plain", "ünïcode", "漢字/深/🎵", "عربي", "e\u0301/é")
    ]
    for number, name in enumerate(names):
        size = 0 if number % 7 == 3 else 1 if number % 7 == 5 else rng.randrange(100_000)
        make_file(path / name, size, seed=rng.getrandbits(32))
    return path


def digests(path: Path) -> dict[str, str]:
    """SHA-256 of a file, or of each file in a folder by its relative name. Hidden state folders do not count."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    return {
        str(file.relative_to(path.parent)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if ".kad" not in file.parts
    }
