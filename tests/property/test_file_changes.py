"""Files that are selected, renamed, moved and opened anew in any order: no byte that was written is ever lost."""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bittorrent.errors import MissingDataError, StorageError
from bittorrent.files.entry import FileEntry
from bittorrent.storage.files import FileStorage, FileStorageConfig

PART = ".kad/x.parts"


class Files(RuleBasedStateMachine):
    """The model: which bytes were written, by offset, where each file is, and which ever had to exist."""

    @initialize(
        sizes=st.lists(st.tuples(st.integers(0, 40_000), st.booleans()), min_size=1, max_size=5),
        open_files=st.integers(0, 3),
    )
    def begin(self, sizes: list[tuple[int, bool]], open_files: int) -> None:
        self.top = Path(tempfile.mkdtemp())
        self.root = self.top / "0"
        self.moves = 0
        entries, offset = [], 0
        for index, (size, is_padding) in enumerate([*sizes, (5, False)]):
            entries.append(FileEntry(("t", f"d{index % 2}", f"f{index}"), size, offset, is_padding))
            offset += size
        self.files = tuple(entries)
        self.paths = [entry.path for entry in entries]
        self.total = offset
        self.wanted = [True] * len(entries)
        self.written = bytearray(offset)
        self.known = bytearray(offset)
        self.config = FileStorageConfig(open_files=open_files)
        self.storage = FileStorage(self.files, self.root, config=self.config)

    def teardown(self) -> None:
        if hasattr(self, "storage"):
            self.storage.close()
            shutil.rmtree(self.top)

    @rule(data=st.data(), value=st.integers(1, 255))
    def write(self, data: st.DataObject, value: int) -> None:
        start = data.draw(st.integers(0, self.total - 1))
        length = data.draw(st.integers(1, min(30_000, self.total - start)))
        self.storage.write(start, bytes([value]) * length)
        self.written[start : start + length] = bytes([value]) * length
        self.known[start : start + length] = b"\1" * length

    @rule(data=st.data())
    def select(self, data: st.DataObject) -> None:
        self.wanted = data.draw(st.lists(st.booleans(), min_size=len(self.files), max_size=len(self.files)))
        self.storage.select(self.wanted, part_file=PART)

    @rule()
    def prepare(self) -> None:
        self.storage.prepare()
        self.storage.flush()

    @rule()
    def move(self) -> None:
        self.moves += 1
        old, self.root = self.root, self.top / f"{self.moves}"
        self.storage.move(self.root)
        assert not any(path.is_file() for path in old.rglob("*"))

    @rule(data=st.data(), name=st.sampled_from(["x", "y", "d0", "t"]))
    def rename(self, data: st.DataObject, name: str) -> None:
        number = data.draw(st.integers(0, len(self.files) - 1))
        if self.files[number].is_padding:
            return
        path = ("t", name)
        try:
            self.storage.rename(number, path)
        except StorageError:
            assert self.storage.paths[number] == self.paths[number]
        else:
            self.paths[number] = path

    @rule()
    def reopen(self) -> None:
        self.storage.close()
        entries = [
            FileEntry(path, entry.length, entry.offset, entry.is_padding)
            for path, entry in zip(self.paths, self.files, strict=True)
        ]
        self.storage = FileStorage(entries, self.root, config=self.config)
        self.storage.select(self.wanted, part_file=PART)

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "storage"):
            return
        for entry in self.files:
            self.check_file(entry)
        used = {os.path.relpath(path, self.root) for path in self.root.rglob("*") if path.is_file()}
        places = {
            os.path.join(*path) for path, entry in zip(self.paths, self.files, strict=True) if not entry.is_padding
        }
        assert used <= places | {os.path.normpath(PART)}

    def check_file(self, entry: FileEntry) -> None:
        """All ranges of one file that were written are there, and read the same."""
        at = entry.offset
        while at < entry.end:
            end = at
            while end < entry.end and self.known[end] == self.known[at]:
                end += 1
            if self.known[at]:
                expected = bytes(end - at) if entry.is_padding else bytes(self.written[at:end])
                assert self.storage.read(at, end - at) == expected
            elif not entry.is_padding:
                with suppress(MissingDataError):
                    assert not any(self.storage.read(at, end - at))
            at = end


TestFiles = Files.TestCase
TestFiles.settings = settings(deadline=None, max_examples=25, stateful_step_count=15)
