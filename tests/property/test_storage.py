"""Files on disk behave like one flat array of bytes, whatever the layout; a check finds exactly what was written."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bittorrent.errors import MissingDataError
from bittorrent.files.entry import FileEntry
from bittorrent.metainfo.torrent import Metainfo
from bittorrent.storage.check import verify_pieces
from bittorrent.storage.files import FileStorage, FileStorageConfig
from transfer.wire import bencode


@st.composite
def layouts(draw: st.DrawFn) -> tuple[FileEntry, ...]:
    sizes = draw(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=8))
    sizes.append((draw(st.integers(1, 40)), False))
    entries, offset = [], 0
    for index, (length, is_padding) in enumerate(sizes):
        entries.append(FileEntry(("t", f"d{index % 3}", f"f{index}"), length, offset, is_padding))
        offset += length
    return tuple(entries)


class Model:
    """The slow and obvious storage: one array of bytes, and for each file how long it is."""

    def __init__(self, files: tuple[FileEntry, ...]) -> None:
        self.files = files
        self.data = bytearray(files[-1].end)
        self.sizes: dict[FileEntry, int | None] = {
            entry: entry.length if entry.is_padding else None for entry in files if entry.length
        }

    def write(self, offset: int, data: bytes) -> None:
        for at, byte in enumerate(data, offset):
            entry = next(entry for entry in self.sizes if entry.offset <= at < entry.end)
            if not entry.is_padding:
                self.data[at] = byte
                self.sizes[entry] = max(self.sizes[entry] or 0, at - entry.offset + 1)

    def read(self, offset: int, length: int) -> bytes | None:
        for at in range(offset, offset + length):
            entry = next(entry for entry in self.sizes if entry.offset <= at < entry.end)
            size = self.sizes[entry]
            if size is None or at - entry.offset >= size:
                return None
        return bytes(self.data[offset : offset + length])


@settings(deadline=None, max_examples=150)
@given(files=layouts(), open_files=st.integers(0, 3), data=st.data())
def test_storage_is_an_array_of_bytes(files: tuple[FileEntry, ...], open_files: int, data: st.DataObject) -> None:
    model = Model(files)
    total_bytes = files[-1].end
    with tempfile.TemporaryDirectory() as folder:
        storage = FileStorage(files, folder, config=FileStorageConfig(open_files=open_files))
        assert storage.total_bytes == total_bytes
        for _ in range(data.draw(st.integers(0, 8), label="accesses")):
            offset = data.draw(st.integers(0, total_bytes), label="offset")
            length = data.draw(st.integers(0, total_bytes - offset), label="length")
            if data.draw(st.booleans(), label="write"):
                content = data.draw(st.binary(min_size=length, max_size=length), label="content")
                storage.write(offset, content)
                model.write(offset, content)
            expected = model.read(offset, length)
            try:
                found: bytes | None = storage.read(offset, length)
            except MissingDataError:
                found = None
            assert found == expected
            if storage.is_hole(offset, length):
                assert not any(model.data[offset : offset + length])
        if data.draw(st.booleans(), label="prepare"):
            storage.prepare()
        storage.flush()
        storage.close()
        on_disk = {path for path in Path(folder).rglob("*") if path.is_file()}
        for entry, size in model.sizes.items():
            path = Path(folder).joinpath(*entry.path)
            assert (path in on_disk) == (size is not None and not entry.is_padding)
            if path in on_disk:
                assert path.read_bytes() == model.data[entry.offset :][:size]


@settings(deadline=None, max_examples=80)
@given(files=layouts(), piece_length=st.integers(1, 30), zeros=st.booleans(), data=st.data())
def test_a_check_finds_what_was_written_and_nothing_else(
    files: tuple[FileEntry, ...], piece_length: int, zeros: bool, data: st.DataObject
) -> None:
    total_bytes = files[-1].end
    content = b"".join(
        bytes(entry.length)
        if entry.is_padding or zeros
        else hashlib.sha512(entry.path[-1].encode()).digest()[: entry.length]
        for entry in files
    )
    cuts = range(0, total_bytes, piece_length)
    hashes = [hashlib.sha1(content[at : at + piece_length]).digest() for at in cuts]
    listed = [
        {"length": entry.length, "path": entry.path[1:], "attr": "p" if entry.is_padding else ""} for entry in files
    ]
    info: dict[str, Any] = {"name": "t", "piece length": piece_length, "pieces": b"".join(hashes), "files": listed}
    metainfo = Metainfo.from_info(bencode.encode(info))
    chosen = data.draw(st.sets(st.integers(0, len(hashes) - 1)), label="pieces")
    model = Model(files)
    with tempfile.TemporaryDirectory() as folder:
        storage = FileStorage(metainfo.files, folder)
        for index in chosen:
            offset, length = metainfo.geometry.piece_span(index)
            storage.write(offset, content[offset : offset + length])
            model.write(offset, content[offset : offset + length])
        results = dict(verify_pieces(metainfo, storage))
        storage.close()
    for index in range(metainfo.piece_count):
        offset, length = metainfo.geometry.piece_span(index)
        assert results[index] == (model.read(offset, length) == content[offset : offset + length])
        assert results[index] or index not in chosen
